//! Burn-in: a past is planted on a decoy in one sweep, in the order of its times, before anybody looks at it; and undone.
//!
//! A step of its own beside the queue, with the queue's promises. It needs what no job has: everything in one order whatever
//! fails, files and directories as they were before, and an end after which nothing is back-dated. The plan is stored whole,
//! with what was there before, ahead of the first effect (INV-1); a batch is begun durably, and its outcome, what the ledger
//! learns and the event commit together (INV-2); what was begun and not recorded is looked for before anything is written
//! again (INV-4); what was written is read back by the connector (INV-5). So a process may be killed at any instant, and the
//! next one goes on (INV-12). Who calls this holds the store alone: there is no other worker to be fenced off (INV-3).

mod begin;
mod exposure;
mod plant;
mod probe;
mod undo;

use std::fmt;
use std::sync::Arc;

use verisim_core::{
    BurnFile, BurnIn, BurnState, CancellationToken, Capabilities, Clock, Connector, DecoyName, DecoyPath,
    Effect, EventPayload, Failure, FailureKind, JobId, NewEvent, Staging, Store, StoreError, Timestamp,
    Topic,
};

pub use self::begin::{Comings, Drawn};
pub use self::exposure::Exposure;
pub use self::plant::Planted;
pub use self::undo::Undone;

/// How many files one batch has: what connectors take with profit, and few enough to tell progress by.
const BATCH_FILES: u32 = 256;
/// How many questions are asked of a decoy at once.
const QUESTIONS_AT_ONCE: usize = 16;
/// How often a batch is tried whose effects nobody knows, before the burn-in stops where it is.
const ATTEMPTS_MAX: u32 = 4;

/// A decoy that gets a past, or loses it.
pub struct Burner {
    /// The store, which nobody else has open.
    pub store: Arc<dyn Store>,
    /// The way to the decoy.
    pub connector: Arc<dyn Connector>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The decoy.
    pub decoy: DecoyName,
    /// Ends the work between two batches.
    pub stop: CancellationToken,
    /// Is told how many of how many files are done.
    pub progress: Box<dyn Fn(u32, u32) + Send + Sync>,
}

impl fmt::Debug for Burner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Burner").field("decoy", &self.decoy).finish_non_exhaustive()
    }
}

/// Why a burn-in is not where it should be. Everything that happened is recorded, and the same call goes on with it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BurnError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The decoy did not do what was asked.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// Somebody stopped it.
    #[error("it was stopped, and goes on where it is when it is called again")]
    Stopped,
}

/// What becomes of a step.
pub type BurnResult<T> = Result<T, BurnError>;

impl Burner {
    /// The past that the decoy has, or is being given.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn known(&self) -> BurnResult<Option<BurnIn>> {
        let all = self.store.burn_ins().await?;
        Ok(all.into_iter().find(|burn| burn.decoy == self.decoy))
    }

    /// What the way to a decoy lacks for an exact undo, for people; `None` where it lacks nothing.
    #[must_use]
    pub fn cannot_undo(can: Capabilities) -> Option<&'static str> {
        if !can.remove {
            return Some("no file can be removed over this way to the decoy");
        }
        if !(can.file_times && can.directory_times) {
            return Some("times cannot be put back over this way to the decoy");
        }
        None
    }

    fn check_stop(&self) -> BurnResult<()> {
        if self.stop.is_cancelled() { Err(BurnError::Stopped) } else { Ok(()) }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The staging name of a file of this past: numbers below zero are no job's.
    fn staging(secret: &[u8; 32], number: u32) -> Staging {
        Staging::derive(secret, JobId(-1 - i64::from(number)))
    }

    /// An event about the past of the decoy.
    fn event(&self, burn: &BurnIn, done: u32, left: u32, detail: String) -> NewEvent {
        let state = match burn.state {
            BurnState::Planting => "planting",
            BurnState::Done => "done",
            BurnState::Undoing => "undone",
        };
        let payload = EventPayload::BurnIn { state: state.to_owned(), days: burn.days, files: done, left };
        NewEvent::of_decoy(&self.decoy, Topic::burnt_in(&self.decoy), detail, payload, self.now())
    }

    /// Files of a past, one batch.
    async fn batch(&self, from: u32, until: u32) -> BurnResult<Vec<BurnFile>> {
        Ok(self.store.burnt_files(&self.decoy, from..until).await?)
    }

    /// Waits before something is tried again, unless somebody stops us.
    async fn pause(&self, attempt: u32) -> BurnResult<()> {
        let wait = std::time::Duration::from_secs(1 << attempt.min(4));
        let until = self.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = self.stop.cancelled() => Err(BurnError::Stopped),
            () = self.clock.sleep_until(until) => Ok(()),
        }
    }
}

/// A failure after which trying again may help.
fn may_pass(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Network | FailureKind::Unknown)
        || failure.effect != Effect::NotApplied
}

/// The directories above a path, the nearest first.
fn above(path: &DecoyPath) -> impl Iterator<Item = DecoyPath> {
    std::iter::successors(path.parent(), DecoyPath::parent)
}
