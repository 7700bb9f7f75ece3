//! Actions: planned side effects on a decoy, and what they shall leave behind.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Body, DecoyPath, Digest, FileMode, FileTimes, OwnerPolicy, OwnershipPolicy, TextEdit, Traffic};

/// One planned side effect on one decoy. Who does it, when, in which session and why stands in the job that carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum Action {
    /// A connection that leaves from the decoy.
    Traffic(Traffic),
    /// A new file.
    Plant(PlantFile),
    /// Lines added to a file that others write too.
    Append(AppendFile),
    /// Another content for a file that is ours.
    Edit(EditFile),
    /// Another name for a file that is ours.
    Move(MoveFile),
    /// A file that is ours goes.
    Remove(RemoveFile),
    /// A mail delivered to the decoy or sent from it.
    Email(Email),
}

/// Which driver carries out an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriverKind {
    /// Files through a connector.
    File,
    /// Mail.
    Email,
    /// Connections.
    Traffic,
}

impl Action {
    /// The driver that carries it out: the one dispatch.
    #[must_use]
    pub const fn driver(&self) -> DriverKind {
        match self {
            Self::Traffic(_) => DriverKind::Traffic,
            Self::Plant(_) | Self::Append(_) | Self::Edit(_) | Self::Move(_) | Self::Remove(_) => {
                DriverKind::File
            }
            Self::Email(_) => DriverKind::Email,
        }
    }

    /// The path whose order it keeps, and for a move the second one.
    #[must_use]
    pub fn paths(&self) -> (Option<&DecoyPath>, Option<&DecoyPath>) {
        match self {
            Self::Plant(plant) => (Some(&plant.path), None),
            Self::Append(append) => (Some(&append.path), None),
            Self::Edit(edit) => (Some(&edit.path), None),
            Self::Move(rename) => (Some(&rename.from), Some(&rename.to)),
            Self::Remove(remove) => (Some(&remove.path), None),
            Self::Traffic(_) | Self::Email(_) => (None, None),
        }
    }

    /// The action's name on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Traffic(_) => "traffic",
            Self::Plant(_) => "plant",
            Self::Append(_) => "append",
            Self::Edit(_) => "edit",
            Self::Move(_) => "move",
            Self::Remove(_) => "remove",
            Self::Email(_) => "email",
        }
    }
}

/// What a file is in the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileClass {
    /// Something written down in passing.
    Note,
    /// A list of what is to be done.
    Todo,
    /// Prose that grows over days.
    Draft,
    /// A small program of the persona's own.
    Script,
    /// What a cron job writes.
    CronLog,
    /// What a service writes.
    DaemonLog,
    /// Intermediate output, soon gone.
    Scratch,
    /// A text of an office program, or a page that is printed.
    Document,
    /// A table of an office program, or one that programs exchange.
    Spreadsheet,
    /// A file of a small project in a programming language.
    Source,
    /// What a program reads its settings from.
    Configuration,
    /// What a program keeps to be quicker the next time.
    Cache,
    /// What the system keeps of who was there and what was typed.
    Record,
    /// Put there by an operator by hand. What a later version calls by a name that is unknown here is read as this: it is
    /// left alone.
    #[serde(other)]
    Manual,
}

impl FileClass {
    /// Every class, for tests and tables.
    pub const ALL: [Self; 14] = [
        Self::Note,
        Self::Todo,
        Self::Draft,
        Self::Script,
        Self::CronLog,
        Self::DaemonLog,
        Self::Scratch,
        Self::Document,
        Self::Spreadsheet,
        Self::Source,
        Self::Configuration,
        Self::Cache,
        Self::Record,
        Self::Manual,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Todo => "todo",
            Self::Draft => "draft",
            Self::Script => "script",
            Self::CronLog => "cron_log",
            Self::DaemonLog => "daemon_log",
            Self::Scratch => "scratch",
            Self::Manual => "manual",
            Self::Document => "document",
            Self::Spreadsheet => "spreadsheet",
            Self::Source => "source",
            Self::Configuration => "configuration",
            Self::Cache => "cache",
            Self::Record => "record",
        }
    }

    /// Whether others write such a file too, so that it only ever grows at its end.
    #[must_use]
    pub const fn ownership(self) -> OwnershipPolicy {
        match self {
            Self::CronLog | Self::DaemonLog | Self::Record => OwnershipPolicy::Append,
            Self::Note
            | Self::Todo
            | Self::Draft
            | Self::Script
            | Self::Scratch
            | Self::Manual
            | Self::Document
            | Self::Spreadsheet
            | Self::Source
            | Self::Configuration
            | Self::Cache => OwnershipPolicy::Owned,
        }
    }

    /// The class of a name on the wire. What a later version calls by a name that is unknown here is read as
    /// [`FileClass::Manual`], which the planner leaves alone.
    #[must_use]
    pub fn of_wire(word: &str) -> Self {
        Self::ALL.into_iter().find(|class| class.wire() == word).unwrap_or(Self::Manual)
    }
}

impl fmt::Display for FileClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.wire())
    }
}

/// A new file. It is created without replacing anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlantFile {
    /// Where.
    pub path: DecoyPath,
    /// What.
    pub body: Body,
    /// What it is in the story.
    pub class: FileClass,
    /// Its mode.
    pub mode: FileMode,
    /// Its owner.
    pub owner: OwnerPolicy,
    /// Its times.
    pub times: FileTimes,
}

/// Lines added at the end of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendFile {
    /// Where.
    pub path: DecoyPath,
    /// What is added.
    pub body: Body,
    /// What the file is, where the ledger does not know it yet.
    #[serde(default = "a_log", skip_serializing_if = "is_a_log")]
    pub class: FileClass,
}

/// Whoever adds lines to a file that nobody knows is a program.
const fn a_log() -> FileClass {
    FileClass::DaemonLog
}

const fn is_a_log(class: &FileClass) -> bool {
    matches!(class, FileClass::DaemonLog)
}

/// Another content for a file that is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditFile {
    /// Where.
    pub path: DecoyPath,
    /// What is done to the content that is found.
    pub edits: Vec<TextEdit>,
    /// Whether others write to it, too: then whatever is there is changed. Otherwise only what is as we left it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
}

/// Another name for a file that is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveFile {
    /// The name it has.
    pub from: DecoyPath,
    /// The name it gets. Nothing is replaced there.
    pub to: DecoyPath,
}

/// A file that is ours goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveFile {
    /// Where.
    pub path: DecoyPath,
}

/// A mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// Its Message-ID, without the angle brackets: by it, its fate is found out.
    pub message_id: String,
    /// The whole message, header and body, with CRLF line ends.
    pub message: Body,
}

/// What an effect shall leave behind. It stands in the job row before the effect begins, and makes its fate decidable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "intended")]
pub enum Intended {
    /// A file with this hash where nothing was.
    Create {
        /// The hash of the new file.
        sha256: Digest,
    },
    /// A file with the hash `new` where the hash was `old`.
    Replace {
        /// The hash that is displaced.
        old: Digest,
        /// The hash afterwards.
        new: Digest,
    },
    /// These bytes at or after this offset.
    Append {
        /// The size of the file before.
        offset: u64,
        /// How many bytes are added.
        length: u64,
        /// The hash of the added bytes.
        sha256: Digest,
    },
    /// The file with this hash under its new name.
    Move {
        /// The hash of the file that moves.
        sha256: Digest,
    },
    /// No file with this hash under the name.
    Remove {
        /// The hash of the file that goes.
        sha256: Digest,
    },
    /// A message with this id, delivered.
    Email {
        /// Its Message-ID.
        message_id: String,
    },
    /// A connection: nothing that could be found afterwards.
    Traffic,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_read_as_it_was_written_and_an_unknown_one_is_left_alone() {
        for (place, class) in FileClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place);
            assert_eq!(FileClass::of_wire(class.wire()), class);
            let json = serde_json::to_string(&class).unwrap();
            assert_eq!(json, format!("{:?}", class.wire()));
            assert_eq!(serde_json::from_str::<FileClass>(&json).unwrap(), class);
        }
        assert_eq!(FileClass::of_wire("hologram"), FileClass::Manual);
        assert_eq!(serde_json::from_str::<FileClass>("\"hologram\"").unwrap(), FileClass::Manual);
    }
}
