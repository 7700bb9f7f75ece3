//! An evidence with what follows from it for every check: whose home is where, which files are of people, and what explains
//! the others.

use std::collections::HashSet;

use jiff::tz::TimeZone;
use verisim_core::{DecoyPath, FileKind, Owner};

use crate::evidence::{Entry, Evidence, Layout};
use crate::explain::{Moved, Restore, restores, unpacked};
use crate::read::{AccountLine, LoginKind};

/// Folders that programs fill: what is in them says nothing of people's hours.
const MACHINE_MADE: [&str; 46] = [
    ".ansible",
    ".cache",
    ".cargo",
    ".config",
    ".dbus",
    ".debug",
    ".docker",
    ".dotnet",
    ".git",
    ".gnupg",
    ".gradle",
    ".hg",
    ".ivy2",
    ".java",
    ".jupyter",
    ".kube",
    ".m2",
    ".mozilla",
    ".npm",
    ".npm-global",
    ".nuget",
    ".nvm",
    ".oh-my-zsh",
    ".pki",
    ".pyenv",
    ".rbenv",
    ".rustup",
    ".steam",
    ".svn",
    ".terraform",
    ".terraform.d",
    ".thumbnails",
    ".thunderbird",
    ".tox",
    ".venv",
    ".vscode",
    ".vscode-server",
    ".wine",
    "Maildir",
    "__pycache__",
    "dist-packages",
    "node_modules",
    "site-packages",
    "snap",
    "venv",
    "vendor",
];
/// Files that an account is made with.
const SKELETON: [&[u8]; 8] = [
    b".bashrc",
    b".profile",
    b".bash_logout",
    b".bash_profile",
    b".cshrc",
    b".tcshrc",
    b".face",
    b".selected_editor",
];
/// Where files of people are besides homes.
const SHARES: [&[u8]; 4] = [b"/srv/", b"/data/", b"/shares/", b"/var/www/"];
/// Endings of what people write, by which a tree of nobody's is still seen to be of people.
const WRITTEN: [&[u8]; 14] = [
    b".doc", b".docx", b".xls", b".xlsx", b".ppt", b".pptx", b".odt", b".ods", b".pdf", b".txt", b".md",
    b".csv", b".eml", b".rtf",
];

/// Whether a program fills the folder that this path is in or below.
pub(crate) fn is_machine_made(path: &DecoyPath) -> bool {
    let is_one = |part: &[u8]| MACHINE_MADE.iter().any(|made| made.as_bytes() == part);
    let mut before: &[u8] = b"";
    path.components().any(|part| {
        let is_lib = before == b".local" && part == b"lib" || before == b"go" && part == b"pkg";
        before = part;
        is_lib || is_one(part)
    })
}

/// Whether a path on a host is where people keep files.
pub(crate) fn is_of_people(path: &DecoyPath) -> bool {
    let path = path.as_bytes();
    path.starts_with(b"/home/") || path.starts_with(b"/root/") || is_shared(path)
}

fn is_shared(path: &[u8]) -> bool {
    SHARES.iter().any(|share| path.starts_with(share))
}

/// The zone of a name; universal time where there is none that is known.
pub(crate) fn zone_of(name: Option<&str>) -> TimeZone {
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC)
}

/// How many homes are looked at, so that a host with a folder of very many holds nobody up.
const HOMES_MAX: usize = 500;

/// A home.
#[derive(Debug)]
pub(crate) struct Home<'a> {
    pub(crate) path: DecoyPath,
    /// Whose account it belongs to; `None` where there is none, or accounts are not known.
    pub(crate) account: Option<&'a AccountLine>,
    /// Whose the folder is.
    pub(crate) owner: Owner,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) evidence: &'a Evidence,
    pub(crate) zone: TimeZone,
    pub(crate) homes: Vec<Home<'a>>,
    /// Files of people that nothing else explains.
    pub(crate) personal: Vec<&'a Entry>,
    /// Files of people that came out of an archive or a checkout.
    pub(crate) unpacked: usize,
    /// The folders that hold files of people.
    pub(crate) folders: Vec<&'a Entry>,
    /// When the host came into being, if that was at once.
    pub(crate) moved: Option<Moved>,
    pub(crate) restores: Vec<Restore>,
    /// Whether times are seen to parts of a second.
    pub(crate) sees_nanoseconds: bool,
}

impl<'a> Case<'a> {
    pub(crate) fn new(evidence: &'a Evidence) -> Self {
        let homes = homes(evidence);
        let all_of_people = is_tree_of_people(evidence);
        let is_personal = |entry: &&Entry| {
            entry.is_file()
                && !SKELETON.contains(&entry.name())
                && !is_machine_made(&entry.path)
                && !evidence.packages.files.contains(entry.path.as_bytes())
                && match evidence.layout {
                    Layout::Host => {
                        is_shared(entry.path.as_bytes())
                            || homes.iter().any(|home| entry.path.starts_with(&home.path))
                    }
                    Layout::Homes | Layout::Home => true,
                    Layout::Tree => all_of_people || entry.stat.owner.uid >= 1000,
                }
        };
        let files: Vec<&Entry> = evidence.entries.iter().filter(is_personal).collect();
        let explained = unpacked(&files, &evidence.entries);
        let personal: Vec<&Entry> =
            files.iter().copied().filter(|entry| !explained.contains(&entry.path)).collect();
        let parents: HashSet<DecoyPath> = personal.iter().filter_map(|entry| entry.path.parent()).collect();
        let folders = evidence.entries.iter();
        let folders =
            folders.filter(|entry| entry.stat.kind == FileKind::Directory && parents.contains(&entry.path));
        let nanoseconds = |entry: &Entry| {
            entry.stat.mtime.subsec_nanosecond() != 0
                || entry.stat.ctime.is_some_and(|ctime| ctime.subsec_nanosecond() != 0)
        };
        Self {
            evidence,
            zone: zone_of(evidence.host.zone.as_deref()),
            homes,
            unpacked: files.len() - personal.len(),
            folders: folders.collect(),
            moved: Moved::of(&evidence.packages.arrived),
            restores: restores(evidence),
            sees_nanoseconds: evidence.entries.iter().any(nanoseconds),
            personal,
        }
    }

    /// Whether anybody ever lived there: files of people, a login of one, or a history.
    pub(crate) fn has_life(&self) -> bool {
        let logins = self.evidence.wtmp.iter().flatten();
        self.personal.len() >= 3
            || logins.filter(|login| login.kind == LoginKind::Login).count() > 0
            || self.evidence.histories.iter().any(|history| !history.history.commands.is_empty())
            || self.evidence.mailboxes.iter().any(|mailbox| !mailbox.messages.is_empty())
    }

    /// The home that a path is in.
    pub(crate) fn home_of(&self, path: &DecoyPath) -> Option<&Home<'a>> {
        self.homes.iter().find(|home| path.starts_with(&home.path) && *path != home.path)
    }

    /// How paths are named in commands: `/home` on a host, else the root that was looked at.
    pub(crate) fn place(&self) -> &'static str {
        match self.evidence.layout {
            Layout::Host => "/home",
            Layout::Homes | Layout::Home | Layout::Tree => ".",
        }
    }
}

/// A path for people.
pub(crate) fn shown(path: &DecoyPath) -> String {
    verisim_core::printable(&String::from_utf8_lossy(path.as_bytes()))
}

fn homes(evidence: &Evidence) -> Vec<Home<'_>> {
    let folders = evidence.entries.iter().filter(|entry| entry.stat.kind == FileKind::Directory);
    let accounts = || evidence.accounts.iter().flatten();
    let lived_in: HashSet<&[u8]> = accounts()
        .filter(|account| account.is_person())
        .map(|account| account.home.as_bytes())
        .chain([&b"/root"[..]])
        .collect();
    let home = |entry: &Entry| Home {
        path: entry.path.clone(),
        account: accounts()
            .filter(|account| account.home.as_bytes() == entry.path.as_bytes())
            .max_by_key(|account| account.is_person()),
        owner: entry.stat.owner,
    };
    match evidence.layout {
        Layout::Host => folders
            .filter(|entry| {
                let is_home = entry.path.parent().is_some_and(|parent| parent.as_bytes() == b"/home");
                is_home && entry.name() != b"lost+found" || lived_in.contains(entry.path.as_bytes())
            })
            .take(HOMES_MAX)
            .map(home)
            .collect(),
        Layout::Homes => {
            folders.filter(|entry| entry.path.components().count() == 1).take(HOMES_MAX).map(home).collect()
        }
        Layout::Home => folders.filter(|entry| entry.path.file_name().is_none()).map(home).collect(),
        Layout::Tree => Vec::new(),
    }
}

/// Whether most files of a tree without owners have the endings of what people write.
fn is_tree_of_people(evidence: &Evidence) -> bool {
    let files: Vec<&Entry> = evidence.entries.iter().filter(|entry| entry.is_file()).collect();
    let is_written = |entry: &&&Entry| {
        let name = entry.name().to_ascii_lowercase();
        WRITTEN.iter().any(|ending| name.ends_with(ending))
    };
    files.len() >= 5 && files.iter().filter(is_written).count() * 2 > files.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_fill_is_told_from_what_people_do() {
        let is_made = |path: &str| is_machine_made(&DecoyPath::new(path).unwrap());
        assert!(is_made("/home/a/.cache/x") && is_made("/home/a/.local/lib/python3/x"));
        assert!(!is_made("/home/a/Documents/cache/x") && !is_made("/home/a/lib/x"));
    }
}
