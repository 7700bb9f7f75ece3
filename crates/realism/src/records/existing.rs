//! What is on a decoy now: the files that records have to agree with.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use jiff::Timestamp;
use verisim_core::{Body, DecoyName, DecoyPath, FileMode, Owner};

use super::keys::AUTHORIZED;
use crate::world::{DecoyIndex, World};

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingFile {
    /// What was read of it: all, or of a longer one the end.
    pub body: Body,
    /// Whether that is all of it. What was not read whole is never rewritten.
    pub is_whole: bool,
    /// When it was last changed.
    pub mtime: Timestamp,
    /// Its mode.
    pub mode: FileMode,
    /// Its owner.
    pub owner: Owner,
}

/// The system files of a decoy, as they are before it gets a past. Everything here comes from the decoy and is taken for
/// hostile: bounded by whoever read it, parsed without trust.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Existing {
    /// What was read of [`Existing::to_read`]. What is missing here is taken to be absent.
    pub files: BTreeMap<DecoyPath, ExistingFile>,
    /// Which of [`Existing::to_look_for`] exist.
    pub present: BTreeSet<DecoyPath>,
    /// When the machine, or the container, was started; `None` where nothing runs.
    pub booted: Option<Timestamp>,
    /// The release of the kernel that runs there, as `uname -r` gives it; `None` where nothing runs.
    pub kernel: Option<String>,
    /// The addresses of the decoy itself.
    pub addresses: Vec<IpAddr>,
    /// Where the other decoys of the world are reached. The same for every decoy, so that records of two of them agree.
    pub peers: BTreeMap<DecoyName, IpAddr>,
    /// Whether a syslog daemon runs there now: it holds its logs open.
    pub logger_runs: bool,
}

/// Files that are read whole, up to [`Existing::BYTES_MAX`].
const READ: [&str; 35] = [
    "/root/.ssh/authorized_keys",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/subuid",
    "/etc/subgid",
    "/etc/hostname",
    "/etc/os-release",
    "/usr/lib/os-release",
    "/etc/crontab",
    "/etc/login.defs",
    "/etc/rsyslog.conf",
    "/etc/logrotate.conf",
    "/etc/logrotate.d/rsyslog",
    "/etc/logrotate.d/wtmp",
    "/etc/logrotate.d/btmp",
    "/etc/skel/.bashrc",
    "/etc/skel/.profile",
    "/etc/skel/.bash_logout",
    "/etc/skel/.bash_profile",
    "/var/log/wtmp",
    "/var/log/wtmp.1",
    "/var/log/btmp",
    "/var/log/btmp.1",
    "/var/log/lastlog",
    "/run/utmp",
    "/var/log/auth.log",
    "/var/log/secure",
    "/var/log/syslog",
    "/var/log/messages",
    "/var/log/cron",
    "/var/log/cron.log",
    "/var/log/kern.log",
    "/root/.bash_history",
];

/// What tells, by being there, which programs write records on the decoy.
const LOOK_FOR: [&str; 28] = [
    "/usr/sbin/ip",
    "/usr/bin/ip",
    "/usr/lib/systemd/systemd",
    "/lib/systemd/systemd",
    "/usr/sbin/cron",
    "/usr/sbin/crond",
    "/usr/sbin/rsyslogd",
    "/usr/sbin/sshd",
    "/usr/sbin/logrotate",
    "/usr/bin/sudo",
    "/bin/bash",
    "/usr/bin/bash",
    "/usr/bin/vim",
    "/usr/bin/nano",
    "/usr/bin/vi",
    "/usr/bin/emacs",
    "/usr/bin/less",
    "/usr/bin/git",
    "/usr/bin/python3",
    "/usr/bin/ssh",
    "/usr/bin/rsync",
    "/usr/bin/ss",
    "/usr/bin/systemctl",
    "/usr/bin/journalctl",
    "/usr/bin/last",
    "/var/lib/dpkg/status",
    "/var/lib/rpm",
    "/.dockerenv",
];

/// The parts of a home that come from the skeleton, and the history of the shell.
pub(super) const OF_A_HOME: [&str; 5] =
    [".bashrc", ".profile", ".bash_logout", ".bash_profile", ".bash_history"];

impl Existing {
    /// So much of a file is read at the most.
    pub const BYTES_MAX: u64 = 8 << 20;

    /// The files that [`super::records`] wants to know the content of.
    #[must_use]
    pub fn to_read(world: &World, decoy: DecoyIndex) -> Vec<DecoyPath> {
        let people = world.seats().of_decoy(decoy).iter().filter_map(|(persona, _)| world.persona(*persona));
        let homes = people.flat_map(|persona| {
            OF_A_HOME
                .iter()
                .chain([&AUTHORIZED])
                .filter_map(|name| persona.home.join(name.as_bytes()).ok())
                .collect::<Vec<_>>()
        });
        READ.iter().filter_map(|path| DecoyPath::new(path).ok()).chain(homes).collect()
    }

    /// The paths of which [`super::records`] wants to know whether they exist.
    #[must_use]
    pub fn to_look_for(world: &World, decoy: DecoyIndex) -> Vec<DecoyPath> {
        let people = world.seats().of_decoy(decoy).iter().filter_map(|(persona, _)| world.persona(*persona));
        let homes = people.map(|persona| persona.home.clone());
        let rotated = ["auth.log", "secure", "syslog", "messages", "cron", "cron.log", "kern.log"];
        let rotated = rotated
            .iter()
            .flat_map(|log| ["1", "2.gz", "3.gz", "4.gz"].map(|suffix| format!("/var/log/{log}.{suffix}")));
        let fixed = LOOK_FOR.iter().map(|path| (*path).to_owned()).chain(rotated);
        fixed.filter_map(|path| DecoyPath::new(path).ok()).chain(homes).collect()
    }

    /// A file that is there.
    pub(super) fn file(&self, path: &str) -> Option<&ExistingFile> {
        self.files.get(&DecoyPath::new(path).ok()?)
    }

    /// What was read of a file, as text; nothing where there is none.
    pub(super) fn text(&self, path: &str) -> String {
        self.file(path)
            .map_or_else(String::new, |file| String::from_utf8_lossy(file.body.as_bytes()).into_owned())
    }

    /// Whether one of these is there.
    pub(super) fn has(&self, paths: &[&str]) -> bool {
        paths.iter().any(|path| {
            DecoyPath::new(path)
                .is_ok_and(|path| self.present.contains(&path) || self.files.contains_key(&path))
        })
    }

    /// Whether somebody installed a system there. An empty directory that is to become a host says nothing of what it
    /// will run, and is taken for a plain Debian.
    pub(super) fn is_a_system(&self) -> bool {
        self.has(&["/etc/os-release", "/usr/lib/os-release", "/var/lib/dpkg/status", "/var/lib/rpm"])
    }
}
