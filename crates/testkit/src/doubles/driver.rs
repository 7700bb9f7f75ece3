//! A driver over decoys in memory, with the table of fates, that a script can make fail at any point.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use verisim_core::{
    Action, ActivityDriver, ActivityError, ActivityResult, AppendPayload, ByteCount, Decoy, DecoyName,
    DecoyPath, Digest, DriverCapabilities, DriverKind, EditPayload, Effect, EmailPayload, Failure,
    FailureKind, Fate, FileWrite, Found, Intended, JobId, MovePayload, Payload, PlantPayload, Prepared,
    RemovePayload, Tamper, Task, Timestamp, TrafficPayload, apply_edits,
};

use super::{Faults, Phase};

/// Which call of a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `prepare`.
    Prepare,
    /// `run`.
    Run,
    /// `probe`.
    Probe,
}

/// How a call fails.
#[derive(Debug, Clone)]
pub enum DriverFault {
    /// With this failure, and without an effect.
    Fail(Failure),
    /// With this failure, after the effect.
    FailAfter(Failure),
    /// It never answers; the effect has not happened.
    Hang,
    /// It never answers; the effect has happened.
    HangAfter,
    /// Its fate cannot be known; only of `probe`.
    Unknowable,
    /// It panics, before any effect.
    Panic,
}

#[expect(clippy::panic, reason = "it is what the script asks for")]
fn panic_if_told(fault: Option<&DriverFault>) {
    if matches!(fault, Some(DriverFault::Panic)) {
        panic!("the script says so");
    }
}

type Script = Box<dyn FnMut(Call, &Task) -> Option<DriverFault> + Send>;
type Files = BTreeMap<(DecoyName, DecoyPath), Bytes>;

/// A driver of every kind over decoys in memory.
pub struct ModelDriver {
    kind: DriverKind,
    state: Mutex<State>,
    faults: Option<Arc<Faults>>,
}

#[derive(Default)]
struct State {
    files: Files,
    effects: HashMap<JobId, u32>,
    order: Vec<JobId>,
    runs: Vec<(DecoyName, usize)>,
    script: Option<Script>,
}

impl State {
    fn fault(&mut self, call: Call, task: &Task) -> Option<DriverFault> {
        self.script.as_mut().and_then(|script| script(call, task))
    }
}

impl ModelDriver {
    /// A driver that behaves.
    #[must_use]
    pub fn new(kind: DriverKind) -> Arc<Self> {
        Arc::new(Self { kind, state: Mutex::default(), faults: None })
    }

    /// A driver over the same decoys whose calls may die.
    #[must_use]
    pub fn mortal(kind: DriverKind, files: &Self, faults: Arc<Faults>) -> Arc<Self> {
        let State { files, effects, order, runs, .. } = std::mem::take(&mut *files.lock());
        let state = State { files, effects, order, runs, script: None };
        Arc::new(Self { kind, state: Mutex::new(state), faults: Some(faults) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on every call asks this script.
    pub fn set_script(&self, script: impl FnMut(Call, &Task) -> Option<DriverFault> + Send + 'static) {
        self.lock().script = Some(Box::new(script));
    }

    /// How often each job's effect has happened.
    #[must_use]
    pub fn effects(&self) -> HashMap<JobId, u32> {
        self.lock().effects.clone()
    }

    /// The jobs whose effects have happened, in order.
    #[must_use]
    pub fn order(&self) -> Vec<JobId> {
        self.lock().order.clone()
    }

    /// The batches that ran: the decoy, and how many tasks.
    #[must_use]
    pub fn runs(&self) -> Vec<(DecoyName, usize)> {
        self.lock().runs.clone()
    }

    /// What is on a decoy under a path.
    #[must_use]
    pub fn file(&self, decoy: &DecoyName, path: &DecoyPath) -> Option<Bytes> {
        self.lock().files.get(&(decoy.clone(), path.clone())).cloned()
    }

    /// Puts something there, as an intruder does.
    pub fn intrude(&self, decoy: &DecoyName, path: &DecoyPath, content: &'static [u8]) {
        self.lock().files.insert((decoy.clone(), path.clone()), Bytes::from_static(content));
    }

    async fn pass(&self, call: &'static str, phase: Phase) {
        if let Some(faults) = &self.faults {
            faults.pass_or_die(call, phase).await;
        }
    }
}

fn tampered(path: &DecoyPath, expected: Option<Digest>, found: Option<&Bytes>) -> Box<Tamper> {
    let found = Found {
        stat: None,
        sha256: found.map(|bytes| Digest::of(bytes)),
        head: found.cloned().unwrap_or_default(),
    };
    Box::new(Tamper { path: path.clone(), expected, found })
}

fn not_supported(operation: &'static str) -> Failure {
    Failure::new(FailureKind::Unsupported, operation, "the model cannot do this")
}

fn prepare_one(files: &Files, task: Task) -> Result<Prepared, ActivityError> {
    let at = |path: &DecoyPath| files.get(&(task.decoy.name.clone(), path.clone()));
    let expected = task.known.as_ref().map(|entry| entry.sha256);
    let ours = |path: &DecoyPath| -> Result<(Digest, &Bytes), ActivityError> {
        let found = at(path);
        match (expected, found) {
            (Some(hash), Some(bytes)) if Digest::of(bytes) == hash => Ok((hash, bytes)),
            _ => Err(ActivityError::Tampered(tampered(path, expected, found))),
        }
    };
    let (intended, content) = match &*task.action {
        Action::Plant(plant) => (Intended::Create { sha256: Digest::of(plant.body.as_bytes()) }, None),
        Action::Edit(edit) => {
            let (old, bytes) = ours(&edit.path)?;
            let new = apply_edits(bytes, &edit.edits, 1 << 20)
                .map_err(|error| Failure::new(FailureKind::Config, "model.prepare", error))?;
            (Intended::Replace { old, new: Digest::of(&new) }, Some(Bytes::from(new)))
        }
        Action::Append(append) => {
            let offset = at(&append.path).map_or(0, Bytes::len);
            let added = append.body.as_bytes();
            let (offset, length) = (offset as u64, added.len() as u64);
            (Intended::Append { offset, length, sha256: Digest::of(added) }, None)
        }
        Action::Move(rename) => (Intended::Move { sha256: ours(&rename.from)?.0 }, None),
        Action::Remove(remove) => (Intended::Remove { sha256: ours(&remove.path)?.0 }, None),
        Action::Email(email) => (Intended::Email { message_id: email.message_id.clone() }, None),
        Action::Traffic(_) => (Intended::Traffic, None),
    };
    Ok(Prepared { task, intended, content })
}

fn run_one(files: &mut Files, ready: &Prepared) -> ActivityResult {
    let task = &ready.task;
    let key = |path: &DecoyPath| (task.decoy.name.clone(), path.clone());
    let mtime = Timestamp::UNIX_EPOCH;
    Ok(match (&*task.action, &ready.intended) {
        (Action::Plant(plant), _) => {
            if let Some(found) = files.get(&key(&plant.path)) {
                return Err(ActivityError::Tampered(tampered(&plant.path, None, Some(found))));
            }
            files.insert(key(&plant.path), plant.body.0.clone());
            Payload::Plant(planted(plant))
        }
        (Action::Edit(edit), Intended::Replace { old, new }) => {
            let content = ready.content.clone().unwrap_or_default();
            files.insert(key(&edit.path), content.clone());
            Payload::Edit(EditPayload {
                path: edit.path.clone(),
                before: *old,
                after: *new,
                bytes: content.len() as u64,
                body: Some(content.into()),
                mtime,
            })
        }
        (Action::Append(append), Intended::Append { offset, length, sha256 }) => {
            let old = files.get(&key(&append.path)).cloned().unwrap_or_default();
            files.insert(key(&append.path), [&old[..], append.body.as_bytes()].concat().into());
            let (path, offset, bytes, sha256) = (append.path.clone(), *offset, *length, *sha256);
            Payload::Append(AppendPayload { path, offset, bytes, sha256, mtime })
        }
        (Action::Move(rename), Intended::Move { sha256 }) => {
            if let Some(bytes) = files.remove(&key(&rename.from)) {
                files.insert(key(&rename.to), bytes);
            }
            let (from, to) = (rename.from.clone(), rename.to.clone());
            Payload::Move(MovePayload { from, to, sha256: *sha256 })
        }
        (Action::Remove(remove), Intended::Remove { sha256 }) => {
            files.remove(&key(&remove.path));
            Payload::Remove(RemovePayload { path: remove.path.clone(), sha256: Some(*sha256) })
        }
        (Action::Email(email), _) => Payload::Email(EmailPayload {
            message_id: email.message_id.clone(),
            bytes: email.message.as_bytes().len() as u64,
        }),
        (Action::Traffic(traffic), _) => Payload::Traffic(TrafficPayload {
            to: traffic.to.clone(),
            protocol: traffic.protocol,
            banner: None,
            status: None,
            sent_bytes: 0,
            received_bytes: 0,
            duration_ms: 0,
            port: traffic.port,
            login: None,
            requests: None,
            spoken: Vec::new(),
        }),
        _ => return Err(not_supported("model.run").into()),
    })
}

fn planted(plant: &verisim_core::PlantFile) -> PlantPayload {
    PlantPayload {
        path: plant.path.clone(),
        class: plant.class,
        sha256: Digest::of(plant.body.as_bytes()),
        bytes: plant.body.as_bytes().len() as u64,
        mode: plant.mode,
        mtime: Timestamp::UNIX_EPOCH,
        owner_set: true,
    }
}

fn probe_one(files: &Files, task: &Task, intended: &Intended) -> Result<Fate, Failure> {
    let at = |path: &DecoyPath| files.get(&(task.decoy.name.clone(), path.clone()));
    let mtime = Timestamp::UNIX_EPOCH;
    Ok(match (&*task.action, intended) {
        (Action::Plant(plant), Intended::Create { sha256 }) => match at(&plant.path) {
            None => Fate::NotApplied,
            Some(found) if Digest::of(found) == *sha256 => Fate::Applied(Payload::Plant(planted(plant))),
            Some(found) => Fate::Tampered(tampered(&plant.path, None, Some(found))),
        },
        (Action::Edit(edit), Intended::Replace { old, new }) => match at(&edit.path) {
            Some(found) if Digest::of(found) == *new => Fate::Applied(Payload::Edit(EditPayload {
                path: edit.path.clone(),
                before: *old,
                after: *new,
                bytes: found.len() as u64,
                body: Some(found.clone().into()),
                mtime,
            })),
            Some(found) if Digest::of(found) == *old => Fate::NotApplied,
            found => Fate::Tampered(tampered(&edit.path, Some(*old), found)),
        },
        (Action::Append(append), Intended::Append { offset, length, sha256 }) => {
            let start = usize::try_from(*offset).unwrap_or(usize::MAX);
            match at(&append.path).and_then(|found| found.get(start..)) {
                Some(tail) if !tail.is_empty() && Digest::of(tail) == *sha256 => {
                    let (path, offset, bytes, sha256) = (append.path.clone(), *offset, *length, *sha256);
                    Fate::Applied(Payload::Append(AppendPayload { path, offset, bytes, sha256, mtime }))
                }
                _ => Fate::NotApplied,
            }
        }
        (Action::Move(rename), Intended::Move { sha256 }) => match (at(&rename.from), at(&rename.to)) {
            (None, Some(_)) => {
                let (from, to) = (rename.from.clone(), rename.to.clone());
                Fate::Applied(Payload::Move(MovePayload { from, to, sha256: *sha256 }))
            }
            _ => Fate::NotApplied,
        },
        (Action::Remove(remove), Intended::Remove { sha256 }) => match at(&remove.path) {
            None => Fate::Applied(Payload::Remove(RemovePayload {
                path: remove.path.clone(),
                sha256: Some(*sha256),
            })),
            Some(_) => Fate::NotApplied,
        },
        (Action::Traffic(_) | Action::Email(_), _) => Fate::Unknowable,
        _ => return Err(not_supported("model.probe")),
    })
}

#[async_trait]
impl ActivityDriver for ModelDriver {
    fn kind(&self) -> DriverKind {
        self.kind
    }

    fn capabilities(&self, _: &Decoy) -> DriverCapabilities {
        DriverCapabilities { plant: true, append: true, edit: true, remove: true, email: true, traffic: true }
    }

    async fn prepare(&self, tasks: Vec<Task>) -> Vec<Result<Prepared, ActivityError>> {
        self.pass("prepare", Phase::Before).await;
        let mut out = Vec::new();
        for task in tasks {
            let fault = self.lock().fault(Call::Prepare, &task);
            panic_if_told(fault.as_ref());
            out.push(match fault {
                Some(DriverFault::Fail(failure) | DriverFault::FailAfter(failure)) => Err(failure.into()),
                Some(_) => std::future::pending().await,
                None => prepare_one(&self.lock().files, task),
            });
        }
        self.pass("prepare", Phase::After).await;
        out
    }

    async fn run(&self, tasks: &[Prepared]) -> Vec<ActivityResult> {
        self.pass("run", Phase::Before).await;
        if let Some(first) = tasks.first() {
            self.lock().runs.push((first.task.decoy.name.clone(), tasks.len()));
        }
        let mut out = Vec::new();
        for ready in tasks {
            let fault = self.lock().fault(Call::Run, &ready.task);
            panic_if_told(fault.as_ref());
            let answer = match &fault {
                Some(DriverFault::Fail(failure)) => Err(failure.clone().into()),
                Some(DriverFault::Hang | DriverFault::Unknowable | DriverFault::Panic) => {
                    std::future::pending().await
                }
                None | Some(DriverFault::FailAfter(_) | DriverFault::HangAfter) => {
                    let mut state = self.lock();
                    let answer = run_one(&mut state.files, ready);
                    if answer.is_ok() {
                        *state.effects.entry(ready.task.job).or_default() += 1;
                        state.order.push(ready.task.job);
                    }
                    answer
                }
            };
            out.push(match fault {
                Some(DriverFault::FailAfter(failure)) => Err(failure.into()),
                Some(DriverFault::HangAfter) => std::future::pending().await,
                _ => answer,
            });
            self.pass("run", Phase::After).await;
        }
        out
    }

    async fn probe(&self, task: &Task, intended: &Intended) -> Result<Fate, Failure> {
        self.pass("probe", Phase::Before).await;
        let fault = self.lock().fault(Call::Probe, task);
        panic_if_told(fault.as_ref());
        let answer = match fault {
            Some(DriverFault::Fail(failure) | DriverFault::FailAfter(failure)) => Err(failure),
            Some(DriverFault::Unknowable) => Ok(Fate::Unknowable),
            Some(DriverFault::Hang | DriverFault::HangAfter | DriverFault::Panic) => {
                std::future::pending().await
            }
            None => probe_one(&self.lock().files, task, intended),
        };
        self.pass("probe", Phase::After).await;
        answer
    }

    async fn plant_file(&self, _: &Decoy, _: &FileWrite) -> ActivityResult {
        Err(not_supported("model.plant_file").into())
    }

    async fn read_file(&self, decoy: &Decoy, path: &DecoyPath, limit: ByteCount) -> Result<Bytes, Failure> {
        let limit = usize::try_from(limit.0).unwrap_or(usize::MAX);
        match self.file(&decoy.name, path) {
            Some(bytes) => Ok(bytes.slice(..bytes.len().min(limit))),
            None => Err(Failure::new(FailureKind::NotFound, "model.read", "there is no such file")
                .with_effect(Effect::NotApplied)),
        }
    }
}
