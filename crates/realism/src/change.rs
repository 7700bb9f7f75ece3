//! What can happen on a decoy, as a decision names it.

use std::sync::Arc;

use jiff::Timestamp;
use verisim_core::{DecoyPath, FileClass, TrafficProtocol};

use crate::mail::Letter;
use crate::world::DecoyIndex;

/// What happens to which file, or where a connection goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new file.
    Create {
        /// Where.
        path: DecoyPath,
        /// What it is in the story.
        class: FileClass,
    },
    /// Another content.
    Edit {
        /// Where.
        path: DecoyPath,
        /// What it is in the story.
        class: FileClass,
        /// How often it was edited before.
        edits: u32,
    },
    /// Lines at the end.
    Append {
        /// Where.
        path: DecoyPath,
        /// What it is in the story.
        class: FileClass,
        /// When lines were last added: the new ones are later.
        since: Timestamp,
    },
    /// Another name.
    Rename {
        /// The name it has.
        from: DecoyPath,
        /// The name it gets.
        to: DecoyPath,
        /// What it is in the story.
        class: FileClass,
    },
    /// It goes.
    Remove {
        /// Where.
        path: DecoyPath,
        /// What it was in the story.
        class: FileClass,
    },
    /// A connection to another decoy.
    Visit {
        /// Which one.
        to: DecoyIndex,
        /// What is spoken.
        protocol: TrafficProtocol,
        /// At which port.
        port: u16,
    },
    /// A mail to colleagues.
    Mail {
        /// Which one.
        letter: Arc<Letter>,
    },
}

impl Change {
    /// The path whose current content [`crate::compose`] wants: that of an edit.
    #[must_use]
    pub const fn wants(&self) -> Option<&DecoyPath> {
        match self {
            Self::Edit { path, .. } => Some(path),
            Self::Create { .. }
            | Self::Append { .. }
            | Self::Rename { .. }
            | Self::Remove { .. }
            | Self::Visit { .. }
            | Self::Mail { .. } => None,
        }
    }

    /// What the file is in the story, where it is about one.
    #[must_use]
    pub const fn class(&self) -> Option<FileClass> {
        match self {
            Self::Create { class, .. }
            | Self::Edit { class, .. }
            | Self::Append { class, .. }
            | Self::Rename { class, .. }
            | Self::Remove { class, .. } => Some(*class),
            Self::Visit { .. } | Self::Mail { .. } => None,
        }
    }

    /// The path that must be there before.
    pub(crate) const fn known(&self) -> Option<&DecoyPath> {
        match self {
            Self::Create { .. } | Self::Visit { .. } | Self::Mail { .. } => None,
            Self::Edit { path, .. } | Self::Append { path, .. } | Self::Remove { path, .. } => Some(path),
            Self::Rename { from, .. } => Some(from),
        }
    }

    /// The path that must not be there before.
    pub(crate) const fn taken(&self) -> Option<&DecoyPath> {
        match self {
            Self::Create { path, .. } | Self::Rename { to: path, .. } => Some(path),
            Self::Edit { .. }
            | Self::Append { .. }
            | Self::Remove { .. }
            | Self::Visit { .. }
            | Self::Mail { .. } => None,
        }
    }
}
