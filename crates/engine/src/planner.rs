//! What the engine asks of whoever decides what happens on the decoys next.

use serde::{Deserialize, Serialize};
use verisim_core::{
    Action, Body, DecoyName, DecoyPath, IdempotencyKey, LedgerChange, LedgerEntry, PersonaName,
    RecordKeeping, SessionId, Timestamp, Work,
};

/// Decides what happens on the decoys next. Pure: reads no clock and no global (INV-9); the same slots come at every
/// start, so that what was planned before a crash bears the same idempotency key.
pub trait LifePlanner: Send {
    /// Learns at the start what is on the decoys.
    fn load(&mut self, entry: LedgerEntry);

    /// Learns what a committed outcome changed.
    fn learn(&mut self, change: &LedgerChange);

    /// Learns at the start of work that is not over: its paths are not chosen again before `until`, and the names it takes are
    /// taken.
    fn expect(&mut self, work: &Work, until: Timestamp);

    /// Learns at the start of records that the past of a decoy left, and that go on; before anything is loaded.
    fn keep(&mut self, decoy: &DecoyName, keeping: &RecordKeeping);

    /// Learns that the root of a decoy was replaced: no past of it is there any more, nor are its records.
    fn stop_keeping(&mut self, decoy: &DecoyName);

    /// Goes to an instant: the next slot is the first at or after it.
    fn seek(&mut self, from: Timestamp);

    /// When the next slot is.
    fn next_at(&self) -> Option<Timestamp>;

    /// Takes the next slot at or before `now`. `None` when there is none.
    fn next(&mut self, now: Timestamp) -> Option<Decision>;

    /// What would happen from `from` on, at most `limit` actions, without taking anything.
    fn preview(&self, from: Timestamp, limit: usize) -> Vec<Preview>;
}

/// What a slot comes to.
pub enum Decision {
    /// Nothing happens in it.
    LeaveAlone {
        /// When the slot was.
        at: Timestamp,
    },
    /// An action that is ready.
    Act(Box<Planned>),
    /// Actions of one moment that are ready.
    Several {
        /// When the slot is.
        at: Timestamp,
        /// The actions, at least one.
        planned: Vec<Planned>,
    },
    /// An action that needs the content of a file that the ledger keeps.
    Needs(Draft),
}

/// Makes an action of the content that it needs.
pub type Finish = Box<dyn FnOnce(Option<&Body>) -> Option<Planned> + Send>;

/// A decision that waits for the content of a file.
pub struct Draft {
    /// When the slot is.
    pub at: Timestamp,
    /// The decoy.
    pub decoy: DecoyName,
    /// The file.
    pub path: DecoyPath,
    /// Makes the action once the content is known; `None` leaves the slot alone after all.
    pub finish: Finish,
}

/// An action that is ready to be enqueued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Makes a repeated enqueue harmless.
    pub key: IdempotencyKey,
    /// When it shall happen.
    pub at: Timestamp,
    /// After this it is skipped.
    pub deadline: Timestamp,
    /// Where.
    pub decoy: DecoyName,
    /// Whose work it is.
    pub persona: PersonaName,
    /// In which session.
    pub session: SessionId,
    /// What.
    pub action: Action,
    /// Why, for people.
    pub why: String,
}

/// An action to come, as it is shown to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub decoy: DecoyName,
    /// Who.
    pub persona: PersonaName,
    /// In which session.
    pub session: SessionId,
    /// What it would be if it were decided now, and why; what it becomes depends on what happens before.
    pub what: String,
}
