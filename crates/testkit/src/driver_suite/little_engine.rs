//! What the engine does around a driver, in a few lines: mark, run, probe, record.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use verisim_core::{
    Action, ActivityDriver, ActivityError, AppendFile, Body, Connector, Decoy, DecoyName, DecoyPath, Digest,
    EditFile, Effect, Failure, FailureKind, Fate, FileClass, FileMode, FileTimes, Intended, JobId,
    LedgerEntry, MoveFile, OwnerPolicy, OwnershipPolicy, Payload, PlantFile, Prepared, RemoveFile, Staging,
    Tamper, Task, TextEdit, Timestamp,
};

use crate::decoy_under_test::{path, staging};

/// Makes the driver under test for a decoy of the name `d` that is reached by a connector.
pub type MakeDriver<'m> = &'m (dyn Fn(Arc<dyn Connector>) -> Arc<dyn ActivityDriver> + Sync);

/// How often something that failed is tried again.
const ATTEMPTS_MAX: usize = 5;

/// A driver with a ledger, which treats failures as the policy says, without the waiting.
pub struct LittleEngine {
    driver: Arc<dyn ActivityDriver>,
    decoy: Arc<Decoy>,
    ledger: HashMap<DecoyPath, LedgerEntry>,
    jobs: i64,
}

impl LittleEngine {
    /// With an empty ledger.
    #[must_use]
    pub fn new(driver: Arc<dyn ActivityDriver>) -> Self {
        let name = DecoyName::new("d").expect("a legal name");
        let decoy = Arc::new(Decoy { name, services: Vec::new(), role: "file-server".into(), address: None });
        Self { driver, decoy, ledger: HashMap::new(), jobs: 0 }
    }

    /// The driver.
    #[must_use]
    pub fn driver(&self) -> &dyn ActivityDriver {
        &*self.driver
    }

    /// The decoy.
    #[must_use]
    pub fn decoy(&self) -> &Decoy {
        &self.decoy
    }

    /// The ledger's entry, to be looked at or changed.
    pub fn known(&mut self, at: &str) -> &mut LedgerEntry {
        self.ledger.get_mut(&path(at)).expect("the ledger knows the path")
    }

    /// The next job's task.
    pub fn task(&mut self, action: Action) -> Task {
        self.jobs += 1;
        let known = action.paths().0.and_then(|at| self.ledger.get(at)).cloned();
        Task {
            job: JobId(self.jobs),
            decoy: Arc::clone(&self.decoy),
            action: Arc::new(action),
            known,
            staging: self.staging(),
        }
    }

    /// The staging name of the job that began last.
    #[must_use]
    pub fn staging(&self) -> Staging {
        staging(1000 + self.jobs)
    }

    /// Prepares one task, trying again while it fails without a reason to give up.
    pub async fn prepare(&mut self, action: Action) -> Result<Prepared, ActivityError> {
        let task = self.task(action);
        self.prepare_task(task).await
    }

    async fn prepare_task(&self, task: Task) -> Result<Prepared, ActivityError> {
        let mut last = None;
        for _ in 0..ATTEMPTS_MAX {
            match self.driver.prepare(vec![task.clone()]).await.remove(0) {
                Err(ActivityError::Failed(failure)) if failure.kind == FailureKind::Network => {
                    last = Some(failure);
                }
                prepared => return prepared,
            }
        }
        Err(last.expect("there were attempts").into())
    }

    /// Runs what is prepared.
    pub async fn run(&self, prepared: &Prepared) -> Result<Payload, ActivityError> {
        self.driver.run(std::slice::from_ref(prepared)).await.remove(0)
    }

    /// Carries an action out as the engine does: what is of unknown fate is probed before it is tried again, and what is
    /// confirmed is recorded.
    pub async fn carry_out(&mut self, action: Action) -> Result<Payload, ActivityError> {
        let prepared = self.prepare(action).await?;
        let mut probe_first = false;
        for _ in 0..ATTEMPTS_MAX {
            if probe_first {
                match self.driver.probe(&prepared.task, &prepared.intended).await {
                    Ok(Fate::NotApplied) => {}
                    Ok(Fate::Applied(payload)) => return Ok(self.record(payload)),
                    Ok(Fate::Tampered(tamper)) => return Err(ActivityError::Tampered(tamper)),
                    Ok(Fate::Unknowable) => panic!("the fate of a file can be known"),
                    Err(_) => continue,
                }
            }
            match self.run(&prepared).await {
                Ok(payload) => return Ok(self.record(payload)),
                Err(ActivityError::Failed(failure)) if failure.kind == FailureKind::Network => {
                    probe_first |= failure.effect != Effect::NotApplied;
                }
                Err(error) => return Err(error),
            }
        }
        panic!("it did not succeed in {ATTEMPTS_MAX} attempts")
    }

    /// What the ledger learns.
    fn record(&mut self, payload: Payload) -> Payload {
        match &payload {
            Payload::Plant(plant) => {
                let entry = self.entry(&plant.path, plant.class, plant.sha256);
                self.ledger.insert(plant.path.clone(), entry);
            }
            Payload::Edit(edit) => {
                // What was not known is somebody else's, too.
                let fresh = self.entry(&edit.path, FileClass::Record, edit.after);
                self.ledger.entry(edit.path.clone()).or_insert(fresh).sha256 = edit.after;
            }
            Payload::Append(append) => {
                if let Some(entry) = self.ledger.get_mut(&append.path) {
                    entry.sha256 = append.sha256;
                }
            }
            Payload::Move(moved) => {
                if let Some(entry) = self.ledger.remove(&moved.from) {
                    self.ledger.insert(moved.to.clone(), LedgerEntry { path: moved.to.clone(), ..entry });
                }
            }
            Payload::Remove(removed) => {
                self.ledger.remove(&removed.path);
            }
            Payload::Email(_) | Payload::Traffic(_) => panic!("that is not about files"),
        }
        payload
    }

    fn entry(&self, at: &DecoyPath, class: FileClass, sha256: Digest) -> LedgerEntry {
        LedgerEntry {
            decoy: self.decoy.name.clone(),
            path: at.clone(),
            ownership: class.ownership(),
            sha256,
            size: 0,
            class,
            persona: None,
            edits: 0,
            body: None,
            planted_at: Timestamp::UNIX_EPOCH,
            changed_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// Freezes a path, as after a tamper.
    pub fn freeze(&mut self, at: &str) {
        self.known(at).ownership = OwnershipPolicy::HandsOff;
    }
}

/// A plant of a class.
pub(super) fn plant(at: &str, body: &'static str, class: FileClass) -> Action {
    Action::Plant(PlantFile {
        path: path(at),
        body: Body(Bytes::from_static(body.as_bytes())),
        class,
        mode: FileMode::new(0o600),
        owner: OwnerPolicy::Keep,
        times: FileTimes::Live,
    })
}

/// An edit that adds a line at the end.
pub(super) fn edit(at: &str, line: impl Into<Bytes>) -> Action {
    Action::Edit(EditFile {
        path: path(at),
        edits: vec![TextEdit::Append { text: Body(line.into()) }],
        shared: false,
    })
}

/// An addition to a log.
pub(super) fn append(at: &str, line: &'static str) -> Action {
    Action::Append(AppendFile {
        path: path(at),
        body: Body(Bytes::from_static(line.as_bytes())),
        class: FileClass::DaemonLog,
    })
}

/// A move.
pub(super) fn rename(from: &str, to: &str) -> Action {
    Action::Move(MoveFile { from: path(from), to: path(to) })
}

/// A removal.
pub(super) fn remove(at: &str) -> Action {
    Action::Remove(RemoveFile { path: path(at) })
}

/// The tamper that a result must be.
pub(super) fn tamper_of<T: std::fmt::Debug>(result: Result<T, ActivityError>) -> Tamper {
    match result {
        Err(ActivityError::Tampered(tamper)) => *tamper,
        other => panic!("this is tampering, but: {other:?}"),
    }
}

/// The failure that a result must be.
pub(super) fn failure_of<T: std::fmt::Debug>(result: Result<T, ActivityError>) -> Failure {
    match result {
        Err(ActivityError::Failed(failure)) => failure,
        other => panic!("this is a failure, but: {other:?}"),
    }
}

/// The hash that was found, and the intention's kind: for tables.
pub(super) fn intended_new(intended: &Intended) -> Option<Digest> {
    match intended {
        Intended::Create { sha256 } | Intended::Append { sha256, .. } => Some(*sha256),
        Intended::Replace { new, .. } => Some(*new),
        Intended::Move { .. } | Intended::Remove { .. } | Intended::Email { .. } | Intended::Traffic => None,
    }
}
