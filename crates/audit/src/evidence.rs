//! What was found on a decoy, as plain data: the checks see nothing else.

use std::collections::HashSet;

use verisim_core::{DecoyPath, Digest, FileKind, FileStat, Timestamp};

use crate::read::{AccountLine, Document, LastLogin, Log, Login, Message, Process};

/// What a root turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The root of a host: it has an `/etc/passwd`.
    Host,
    /// A folder of homes, as `/home`.
    Homes,
    /// One home.
    Home,
    /// Any other tree.
    Tree,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub path: DecoyPath,
    /// What is known of it; the hash only of what was read whole.
    pub stat: FileStat,
    /// What its first bytes tell.
    pub looked: Looked,
}

impl Entry {
    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.stat.kind == FileKind::Regular
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.path.file_name().unwrap_or_default()
    }
}

/// What the first bytes of a file tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// It begins with `#!`.
    pub is_script: bool,
    /// It is a private key.
    pub is_private_key: bool,
}

/// What a host says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// `/etc/hostname`.
    pub name: Option<String>,
    /// `PRETTY_NAME`.
    pub os: Option<String>,
    /// The name of its time zone, in `/etc/timezone`.
    pub zone: Option<String>,
    /// The hash of `/etc/machine-id`, where it is not empty.
    pub machine_id: Option<Digest>,
    /// The public host keys of its SSH server, by their hash.
    pub host_keys: Vec<Digest>,
    /// `/.dockerenv` or `/run/.containerenv`: what a container engine leaves.
    pub container_file: Option<&'static str>,
    /// The kind of file system that its root is on, where a command could be asked.
    pub root_kind: Option<String>,
    /// When it was started, where a command could be asked.
    pub started: Option<Timestamp>,
}

/// What packages brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packages {
    /// The paths of their files, where they were looked at.
    pub files: HashSet<Vec<u8>>,
    /// Some of their files: when they were made here, or changed where that is not known.
    pub arrived: Vec<Timestamp>,
}

/// A log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedLog {
    /// Where.
    pub path: DecoyPath,
    /// The time of the file.
    pub mtime: Timestamp,
    /// What is in it; `None` where it has a name that ends with `.gz` and is no gzip.
    pub log: Option<Log>,
    /// Whether only its end was read.
    pub is_cut: bool,
}

/// A shell history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedHistory {
    /// Where.
    pub path: DecoyPath,
    /// The commands.
    pub history: crate::read::History,
}

/// A mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Where: the file of an mbox, the folder that holds `cur`, `new` and `tmp`.
    pub path: DecoyPath,
    /// Whether it is a folder of files.
    pub is_maildir: bool,
    /// Which of `cur`, `new` and `tmp` are missing.
    pub missing: Vec<&'static str>,
    /// The messages: when each arrived (the time of its file) where that is known, its file's name, its headers.
    pub messages: Vec<(Option<Timestamp>, String, Message)>,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedDocument {
    /// Where.
    pub path: DecoyPath,
    /// When its content changed.
    pub mtime: Timestamp,
    /// What it says of itself.
    pub document: Document,
}

/// What was found on one decoy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What it is called in the report.
    pub name: String,
    /// When it was looked at, by its own clock where that can be seen.
    pub taken: Timestamp,
    /// What its root is.
    pub layout: Layout,
    /// What it says of itself.
    pub host: Host,
    /// Files and folders where people and services leave traces.
    pub entries: Vec<Entry>,
    /// The accounts; `None` where there is no `/etc/passwd`.
    pub accounts: Option<Vec<AccountLine>>,
    /// What packages brought.
    pub packages: Packages,
    /// `wtmp` with its older generation; `None` where there is none.
    pub wtmp: Option<Vec<Login>>,
    /// `btmp`.
    pub btmp: Option<Vec<Login>>,
    /// `lastlog`.
    pub lastlog: Option<Vec<LastLogin>>,
    /// Logs of syslog's and dpkg's forms.
    pub logs: Vec<NamedLog>,
    /// Shell histories.
    pub histories: Vec<NamedHistory>,
    /// Mailboxes.
    pub mailboxes: Vec<Mailbox>,
    /// Documents.
    pub documents: Vec<NamedDocument>,
    /// What runs; `None` where that cannot be seen.
    pub processes: Option<Vec<Process>>,
    /// What could not be looked at, or not all of it, for people.
    pub left_out: Vec<String>,
}

impl Evidence {
    /// Nothing yet.
    #[must_use]
    pub fn new(name: &str, taken: Timestamp, layout: Layout) -> Self {
        Self {
            name: name.to_owned(),
            taken,
            layout,
            host: Host::default(),
            entries: Vec::new(),
            accounts: None,
            packages: Packages::default(),
            wtmp: None,
            btmp: None,
            lastlog: None,
            logs: Vec::new(),
            histories: Vec::new(),
            mailboxes: Vec::new(),
            documents: Vec::new(),
            processes: None,
            left_out: Vec::new(),
        }
    }
}
