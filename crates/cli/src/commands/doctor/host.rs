//! Decoys that are hosts over SSH.

use verisim_connect::WayIn;
use verisim_core::{Capabilities, DecoyName, Failure, FailureKind};

use super::{Check, Sheet};
use crate::config::SshConfig;
use crate::error::advice;

/// Which way its files take, and what would be better.
pub(super) fn look_at_way(sheet: &mut Sheet, ssh: &SshConfig, can: &Capabilities) {
    let way = match (ssh.way, ssh.exec) {
        (WayIn::Exec, _) => "path exec: over commands, as configured",
        (WayIn::Sftp, _) => "path sftp: over SFTP, as configured",
        (WayIn::Auto, false) => "path sftp: over SFTP, since `exec` allows no commands",
        // Only commands read without moving access times.
        (WayIn::Auto, true) if can.quiet_reads => "path exec: over commands, since it has no SFTP",
        (WayIn::Auto, true) => "path sftp: over SFTP, and over commands where that does not reach",
    };
    sheet.good(Check::Path, way);
    if !can.mtime_ns && !ssh.exec {
        sheet.warn(
            Check::Tells,
            "SFTP sets times to the second, so that a past that is given to files looks set",
            "write exec = true beside `host`: then one command per batch sets them to the nanosecond",
        );
    }
}

/// How to mend it that a host does not answer.
pub(super) fn mend(decoy: &DecoyName, ssh: &SshConfig, failure: &Failure) -> String {
    let host = &ssh.host;
    match failure.kind {
        FailureKind::Network => {
            format!("start it, or mend `host` and `port`; `ssh {host}` from here says more")
        }
        FailureKind::Auth => format!(
            "if the host key is in question: verisim decoy trust {decoy}; else let our key in there (ssh-copy-id {host}), or name another with `identity`"
        ),
        FailureKind::Unsupported => {
            "give its sshd SFTP (Subsystem sftp internal-sftp), or write exec = true beside `host`".to_owned()
        }
        FailureKind::Config => "mend that, or its `connector`".to_owned(),
        kind => advice(kind).1.unwrap_or("its own log (journalctl -u ssh) says more").to_owned(),
    }
}
