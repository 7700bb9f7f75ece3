//! Files on a decoy: plant, append, edit, move and remove.

mod prepare;
mod probe;
mod run;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use verisim_core::{
    ActivityDriver, ActivityError, ActivityResult, ByteCount, ByteRange, Connector, Decoy, DecoyPath, Digest,
    DriverCapabilities, DriverKind, Failure, FailureKind, Fate, FileClass, FileWrite, Found, Intended,
    Payload, PlantPayload, Prepared, StatRequest, Tamper, Task, WriteOutcome,
};

use crate::Connectors;

/// How much of what was found is kept as evidence, in bytes.
const EVIDENCE_BYTES_MAX: u64 = 64 * 1024;

/// The driver of everything that happens to files.
///
/// Whose file it is decides what may be done with it:
///
/// | The ledger says | plant | append | edit, move, remove |
/// |---|---|---|---|
/// | nothing | yes | where a regular file stands | `Config`: what is not ours is not touched |
/// | `owned` | `Config`: it is there already | `Config`: it is edited instead | yes, if it has the recorded hash |
/// | `append` | `Config` | yes | `Config`: others write it too, and its hash is nobody's to know |
/// | `hands_off`, `foreign` | `Denied` | `Denied` | `Denied` |
#[derive(Debug, Clone)]
pub struct FileDriver {
    connectors: Connectors,
    durable: bool,
}

impl FileDriver {
    /// A driver for these decoys. What it writes reaches the disk when the kernel sees fit: a decoy that loses power
    /// loses its last half minute, as any host does.
    #[must_use]
    pub fn new(connectors: Connectors) -> Self {
        Self { connectors, durable: false }
    }

    /// The same driver, whose every write is flushed to disk before it counts as done: for decoys that must not look
    /// tampered with after a loss of power of this machine.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    fn reach(&self, task: &Task, operation: &'static str) -> Result<Arc<dyn Connector>, Failure> {
        self.connectors.reach(&task.decoy.name, operation)
    }
}

#[async_trait]
impl ActivityDriver for FileDriver {
    fn kind(&self) -> DriverKind {
        DriverKind::File
    }

    fn capabilities(&self, decoy: &Decoy) -> DriverCapabilities {
        let Some(connector) = self.connectors.get(&decoy.name) else { return DriverCapabilities::default() };
        let can = connector.capabilities();
        DriverCapabilities {
            plant: can.write,
            append: can.append && can.read,
            // Without an atomic exchange nobody could say what was displaced.
            edit: can.write && can.read && can.atomic_replace,
            remove: can.remove,
            email: false,
            traffic: false,
        }
    }

    async fn prepare(&self, tasks: Vec<Task>) -> Vec<Result<Prepared, ActivityError>> {
        let mut prepared = Vec::with_capacity(tasks.len());
        for task in tasks {
            prepared.push(match self.reach(&task, "file.prepare") {
                Ok(connector) => prepare::prepare(&*connector, task).await,
                Err(failure) => Err(failure.into()),
            });
        }
        prepared
    }

    async fn run(&self, tasks: &[Prepared]) -> Vec<ActivityResult> {
        let Some(first) = tasks.first() else { return Vec::new() };
        match self.reach(&first.task, "file.run") {
            Ok(connector) => run::run(&*connector, tasks, self.durable).await,
            Err(failure) => tasks.iter().map(|_| Err(failure.clone().into())).collect(),
        }
    }

    async fn probe(&self, task: &Task, intended: &Intended) -> Result<Fate, Failure> {
        let connector = self.reach(task, "file.probe")?;
        probe::probe(&*connector, task, intended).await
    }

    async fn plant_file(&self, decoy: &Decoy, file: &FileWrite) -> ActivityResult {
        let connector = self.connectors.reach(&decoy.name, "file.plant_file")?;
        let outcome = connector.write(std::slice::from_ref(file)).await.pop();
        let outcome = outcome.ok_or_else(|| {
            Failure::new(FailureKind::Unknown, "file.plant_file", "the connector gave no answer")
                .with_effect(verisim_core::Effect::Unknown)
        })?;
        match outcome? {
            WriteOutcome::Written(written) => Ok(Payload::Plant(PlantPayload {
                path: file.path.clone(),
                class: FileClass::Manual,
                sha256: written.sha256,
                bytes: written.stat.size,
                mode: written.stat.mode,
                mtime: written.stat.mtime,
                owner_set: written.owner_set,
            })),
            WriteOutcome::Foreign(found) => Err(tampered(&file.path, None, found)),
        }
    }

    async fn read_file(&self, decoy: &Decoy, path: &DecoyPath, limit: ByteCount) -> Result<Bytes, Failure> {
        let connector = self.connectors.reach(&decoy.name, "file.read_file")?;
        connector.read(path, ByteRange::first(limit)).await
    }
}

fn tamper(path: &DecoyPath, expected: Option<Digest>, found: Found) -> Box<Tamper> {
    Box::new(Tamper { path: path.clone(), expected, found })
}

fn tampered(path: &DecoyPath, expected: Option<Digest>, found: Found) -> ActivityError {
    ActivityError::Tampered(tamper(path, expected, found))
}

/// What stands under a path, as evidence. It is read for a person to look at; what cannot be read is left out.
async fn evidence(connector: &dyn Connector, path: &DecoyPath) -> Result<Found, Failure> {
    let limit = connector.capabilities().file_bytes_max;
    let stat = match connector.stat(path, StatRequest::Hash(limit)).await {
        Err(failure) if failure.kind == FailureKind::Denied => {
            connector.stat(path, StatRequest::Plain).await?
        }
        stat => stat?,
    };
    let head = match &stat {
        Some(stat) if stat.kind == verisim_core::FileKind::Regular => {
            connector.read(path, ByteRange::first(ByteCount(EVIDENCE_BYTES_MAX))).await.unwrap_or_default()
        }
        _ => Bytes::new(),
    };
    let sha256 = stat.as_ref().and_then(|stat| stat.sha256);
    Ok(Found { stat, sha256, head })
}

/// An action that came to the wrong driver.
fn not_a_file(operation: &'static str, action: &verisim_core::Action) -> Failure {
    Failure::new(FailureKind::Unsupported, operation, format!("{} is not about a file", action.name()))
}
