//! The records that a system keeps of the people on it: accounts, logins, logs, histories of shells.
//!
//! One decoy at a time, over a stretch of its past: the same sessions that leave files ([`crate::past`]) leave logins in wtmp
//! and lastlog, lines in the logs, and commands in histories, all of one story. Pure like everything here: what is on the
//! decoy comes in as an [`Existing`], what shall be there goes out as [`RecordFile`]s. Nothing that others write is bent:
//! where ours cannot be had in order, they are left out, with the reason.

mod accounts;
mod base;
mod commands;
mod crontab;
mod existing;
mod histories;
mod host;
mod journal;
mod keys;
mod live;
mod lived;
mod logins;
mod logs;
mod make;
mod place;
mod services;
mod story;
mod tables;
mod typing;
mod utmp;

use jiff::{SignedDuration, Timestamp};
use verisim_core::{Body, DecoyPath, Digest, FileMode, Owner, RecordKeeping};

pub use existing::{Existing, ExistingFile};
pub use live::{Grown, RecordKeeper};
pub use make::records;

/// How the decoy got the one cluster of change times that a past leaves on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// What happened.
    pub kind: StoryKind,
    /// When it began: shortly before the first file of the past is planted.
    pub at: Timestamp,
    /// How long it took: until after the last file is planted.
    pub took: SignedDuration,
}

/// What happened to a decoy whose files are all younger than their contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoryKind {
    /// Homes and logs were brought back from a backup.
    Restored,
    /// The host replaces an older one of the same name, whose files were copied over.
    Migrated,
}

/// How a file of records meets what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Nothing is there.
    New,
    /// The body is added at the end of what is there.
    AppendTo,
    /// The body replaces what is there, if that still has this hash.
    Rewrite(Digest),
}

/// One file of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordFile {
    /// Where.
    pub path: DecoyPath,
    /// How it meets what is there.
    pub how: How,
    /// The whole content, or what is added.
    pub body: Body,
    /// Its mode.
    pub mode: FileMode,
    /// Its owner.
    pub owner: Owner,
    /// When it was last changed.
    pub mtime: Timestamp,
    /// When it was last read; at or after `mtime`.
    pub atime: Timestamp,
    /// Why it is there, for people.
    pub why: String,
}

/// Something that was left as it is, or that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Which file.
    pub path: DecoyPath,
    /// What is the matter, and what an operator can do about it.
    pub what: String,
}

/// The records of a past.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// The files, in the order in which they are to be written: accounts before what belongs to them.
    pub files: Vec<RecordFile>,
    /// What was left out, and why.
    pub left_out: Vec<LeftOut>,
    /// What they need to go on while people live there; `None` where none of them grows.
    pub keeping: Option<RecordKeeping>,
}
