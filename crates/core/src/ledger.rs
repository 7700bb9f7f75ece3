//! What Verisim knows to be on a decoy.

use serde::{Deserialize, Serialize};

use crate::{Body, DecoyName, DecoyPath, Digest, FileClass, NewEvent, PersonaName, Timestamp};

/// The largest content that the ledger keeps, in bytes.
pub const LEDGER_BODY_BYTES_MAX: usize = 64 * 1024;

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnershipPolicy {
    /// We write it; anybody else's change is a tamper.
    Owned,
    /// Others write too: we add at the end, in time order, and never rewrite.
    Append,
    /// Nobody of ours touches it: it was tampered with, and waits for a person.
    HandsOff,
    /// A person decided that what stands there is somebody else's: it is never touched, and its name is never used.
    Foreign,
}

/// One path on one decoy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The decoy.
    pub decoy: DecoyName,
    /// The path.
    pub path: DecoyPath,
    /// Whose file it is.
    pub ownership: OwnershipPolicy,
    /// The hash of the content as we left it; of an append-only file, that of the bytes we added last.
    pub sha256: Digest,
    /// Its size as we left it.
    pub size: u64,
    /// What it is in the story.
    pub class: FileClass,
    /// Whose it is in the story.
    pub persona: Option<PersonaName>,
    /// How often it was edited or added to.
    pub edits: u32,
    /// The content, up to [`LEDGER_BODY_BYTES_MAX`]; `None` where it is larger, or not ours alone.
    pub body: Option<Body>,
    /// When it was planted.
    pub planted_at: Timestamp,
    /// When we changed it last.
    pub changed_at: Timestamp,
}

/// What an outcome changes in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerChange {
    /// The path is now as this entry says.
    Put(Box<LedgerEntry>),
    /// The path is gone.
    Remove {
        /// The decoy.
        decoy: DecoyName,
        /// The path.
        path: DecoyPath,
    },
    /// The file has another name.
    Rename {
        /// The decoy.
        decoy: DecoyName,
        /// The old name.
        from: DecoyPath,
        /// The new name.
        to: DecoyPath,
    },
    /// The path is frozen: foreign content was found there, which is kept as evidence.
    Freeze {
        /// The decoy.
        decoy: DecoyName,
        /// The path.
        path: DecoyPath,
        /// Whose action met it: the name stays taken for them.
        persona: Option<PersonaName>,
        /// What should have been there.
        expected: Option<Digest>,
        /// What was there, where it could be hashed.
        found: Option<Digest>,
        /// The first 64 KiB of what was there.
        evidence: Body,
        /// When.
        at: Timestamp,
    },
}

impl LedgerChange {
    /// The paths that it is about.
    pub fn paths(&self) -> impl Iterator<Item = (&DecoyName, &DecoyPath)> {
        let (decoy, path, other) = match self {
            Self::Put(entry) => (&entry.decoy, &entry.path, None),
            Self::Remove { decoy, path } | Self::Freeze { decoy, path, .. } => (decoy, path, None),
            Self::Rename { decoy, from, to } => (decoy, from, Some(to)),
        };
        std::iter::once(path).chain(other).map(move |path| (decoy, path))
    }
}

/// A change of what is known of a decoy that no job makes: a person's decision, or what the engine found out.
#[derive(Debug, Clone)]
pub struct Amendment {
    /// The decoy.
    pub decoy: DecoyName,
    /// What changes.
    pub change: Amend,
    /// What is published about it, in the same transaction.
    pub events: Vec<NewEvent>,
}

/// What an [`Amendment`] changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amend {
    /// The word on one path; refused while an action on that path is under way, or its fate is open.
    Path(LedgerChange),
    /// What its root is known again by.
    Root(String),
    /// Everything: no path is known any more, nor the root; refused while any action on the decoy is leased.
    Forget,
}
