//! Burn-in: the past that a decoy gets before anybody may look at it.
//!
//! All of it is drawn first and stored, with what is on the decoy before; then it is planted in the order of its times, in
//! batches, each begun durably. So a process that is killed leaves a past that the next one completes, and everything that
//! an undo needs to know was known before the first effect.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    Body, DecoyName, DecoyPath, Digest, FileClass, FileMode, LedgerChange, NewEvent, Owner, OwnershipPolicy,
    PersonaName, SessionId, Timestamp,
};

/// A past that a decoy gets, or got: the row of which there is one for each decoy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BurnIn {
    /// The decoy.
    pub decoy: DecoyName,
    /// When the past begins.
    pub from: Timestamp,
    /// When it ends: nothing of it is later.
    pub until: Timestamp,
    /// How many days were asked for.
    pub days: u32,
    /// Why all of it changed at one time, for people.
    pub story: String,
    /// How far it is.
    pub state: BurnState,
    /// How many files it has.
    pub files: u32,
    /// Effects on files with a lower number may have begun.
    pub begun: u32,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// When the last of it was planted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended_at: Option<Timestamp>,
    /// What cannot be undone, or was left out, for people.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
    /// What the records need to go on where the past ended; `None` where nobody keeps any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub keeping: Option<RecordKeeping>,
}

/// What the system's records of a decoy need to go on once people live there: what kind of system it is, and where its past
/// came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordKeeping {
    /// The files that grow: records of logins, logs, histories of shells.
    pub grows: Vec<DecoyPath>,
    /// What small system files say of how records look.
    pub files: Vec<(DecoyPath, Body)>,
    /// The programs that are there, of those that are looked for.
    pub present: Vec<DecoyPath>,
    /// The addresses of the decoy.
    pub addresses: Vec<IpAddr>,
    /// Where the other decoys are reached.
    pub peers: Vec<(DecoyName, IpAddr)>,
    /// The processes that run since the start of the machine, by the service's name.
    pub services: Vec<(String, u32)>,
    /// The number of the last process that a record tells of.
    pub pid: u32,
    /// When that was.
    pub pid_at: Timestamp,
    /// The number of the last session.
    pub session: u32,
}

/// How far a burn-in is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BurnState {
    /// It is stored whole, and being planted.
    Planting,
    /// The decoy has its past.
    Done,
    /// What was planted is being removed.
    Undoing,
}

/// How a file of a past meets what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BurnHow {
    /// Nothing is there.
    New,
    /// The body is added at the end of what is there, as long as that is what it was.
    Append,
    /// The body replaces what is there, as long as that is what it was.
    Rewrite,
}

/// What became of a file of a past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BurnFate {
    /// Nothing is known to have happened.
    Planned,
    /// It is there.
    Planted,
    /// What stood there is somebody else's, and stays.
    Taken,
    /// It was removed, or what was there before is there again.
    Undone,
    /// The undo found that somebody changed it since, and left it.
    Left,
}

impl BurnFate {
    /// Every fate, for tables.
    pub const ALL: [Self; 5] = [Self::Planned, Self::Planted, Self::Taken, Self::Undone, Self::Left];

    /// The word for it, on the wire and for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Planted => "planted",
            Self::Taken => "taken",
            Self::Undone => "undone",
            Self::Left => "left",
        }
    }
}

/// A file that was there before, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BurnBefore {
    /// Its content.
    pub body: Body,
    /// Its times, permissions and owner.
    pub dress: BurnDress,
}

/// What a file bears beside its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BurnDress {
    /// Its mode.
    pub mode: FileMode,
    /// Its owner.
    pub owner: Owner,
    /// When it was last changed.
    pub mtime: Timestamp,
    /// When it was last read.
    pub atime: Timestamp,
}

/// A file of a past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BurnFile {
    /// Its number: files are planted in this order, which is that of their times. From 0.
    pub number: u32,
    /// Where.
    pub path: DecoyPath,
    /// Everything that does not change.
    pub facts: BurnFacts,
    /// The content that is written, until it is.
    pub body: Option<Body>,
    /// What was there before; `None` for a new file.
    pub before: Option<BurnBefore>,
    /// What became of it.
    pub fate: BurnFate,
}

/// What is known of a file of a past, whatever becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BurnFacts {
    /// How it meets what is there.
    pub how: BurnHow,
    /// The hash of the whole file afterwards.
    pub sha256: Digest,
    /// Its size afterwards, in bytes.
    pub size: u64,
    /// What it shall bear.
    pub dress: BurnDress,
    /// What it is in the story; `None` for the system's own records, which the ledger does not list.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub class: Option<FileClass>,
    /// Whose it is in the story.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub persona: Option<PersonaName>,
    /// In which session it was changed last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<SessionId>,
    /// When it came to be, in the story.
    pub born_at: Timestamp,
    /// How often it was changed since, in the story.
    pub edits: u32,
    /// Why it is there.
    pub why: String,
}

impl BurnFacts {
    /// Whose file it is from now on; `None` where the ledger does not list it.
    #[must_use]
    pub fn ownership(&self) -> Option<OwnershipPolicy> {
        self.class.map(FileClass::ownership)
    }
}

/// A directory that a past touches: one that gains an entry, or that is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BurnDirectory {
    /// Which.
    pub path: DecoyPath,
    /// Its times before; `None` where it was not there.
    pub before: Option<BurnTimes>,
    /// The times that it shall bear in the end.
    pub after: BurnTimes,
    /// What an undo gives it in the end, decided when the undo begins: its times before, or, where somebody else was there
    /// meanwhile, those that were found.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub restore: Option<BurnTimes>,
}

/// When something was last read and changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BurnTimes {
    /// When it was last read.
    pub atime: Timestamp,
    /// When it was last changed.
    pub mtime: Timestamp,
}

/// A whole past, before its first effect.
#[derive(Debug, Clone)]
pub struct BurnPlan {
    /// The row.
    pub burn: BurnIn,
    /// Its files, by number.
    pub files: Vec<BurnFile>,
    /// Its directories.
    pub directories: Vec<BurnDirectory>,
}

/// A step of a burn-in or its undo, in one transaction.
#[derive(Debug, Clone)]
pub struct BurnStep {
    /// Of which decoy.
    pub decoy: DecoyName,
    /// The row as it is now; `None` where the whole burn-in is forgotten, with its files and directories.
    pub burn: Option<BurnIn>,
    /// What became of files, by number. The content of one that is planted is dropped.
    pub fates: Vec<(u32, BurnFate)>,
    /// Directories as they are now.
    pub directories: Vec<BurnDirectory>,
    /// What the ledger learns.
    pub ledger: Vec<LedgerChange>,
    /// What is published.
    pub events: Vec<NewEvent>,
}
