//! Decoys that are hosts over SSH.

use verisim_connect::WayIn;
use verisim_core::{Capabilities, DecoyName, Failure, FailureKind, printable};
use verisim_ssh::{Error, quote};

use super::{Check, Sheet};
use crate::config::SshConfig;
use crate::error::{advice, show};
use crate::hosts::Hosts;

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

/// Why a host does not answer, and how to mend it.
pub(super) fn trouble(decoy: &DecoyName, ssh: &SshConfig, failure: &Failure) -> (String, String) {
    match failure.source.as_ref().and_then(|source| source.downcast_ref::<Error>()) {
        Some(error) => (printable(&error.to_string()), mend(decoy, ssh, failure, Some(error))),
        None => (failure.detail.clone(), mend(decoy, ssh, failure, None)),
    }
}

fn mend(decoy: &DecoyName, ssh: &SshConfig, failure: &Failure, error: Option<&Error>) -> String {
    match (error, failure.kind) {
        (Some(Error::HostKeyUnknown { host, fingerprint, .. }), _) => {
            format!("compare that with the host's own, then: {}", trust(decoy, ssh, host, fingerprint))
        }
        (Some(Error::HostKeyChanged { host, fingerprint, .. }), _) => {
            format!(
                "if it was set up anew, compare that with its own, then: {}",
                trust(decoy, ssh, host, fingerprint)
            )
        }
        (Some(Error::HostKeyRevoked { .. }), _) => {
            "nobody should use that key any more: give the host a new one".to_owned()
        }
        (_, kind) => mend_kind(ssh, kind),
    }
}

/// The command that accepts this key and no other. A host on the way is looked at by the command itself.
fn trust(decoy: &DecoyName, ssh: &SshConfig, host: &str, fingerprint: &str) -> String {
    let is_decoy = Hosts::default().target(ssh).is_ok_and(|target| target.known_as() == host);
    match is_decoy {
        true => format!("verisim decoy trust {decoy} --fingerprint {fingerprint}"),
        false => format!("verisim decoy trust {decoy}"),
    }
}

/// What a person types after `ssh` or `ssh-copy-id` to reach the host as we do.
fn address(ssh: &SshConfig) -> String {
    let word = |text: &str| String::from_utf8_lossy(&quote_if_needed(text)).into_owned();
    let port = ssh.port.map(|port| format!("-p {port} ")).unwrap_or_default();
    let identity =
        ssh.identity.as_deref().map(|file| format!("-i {} ", word(&show(file)))).unwrap_or_default();
    let user = ssh.user.as_deref().map(|user| format!("{user}@")).unwrap_or_default();
    format!("{port}{identity}{}", word(&format!("{user}{}", ssh.host)))
}

fn quote_if_needed(text: &str) -> Vec<u8> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/@:%+".contains(&byte));
    if is_plain { text.as_bytes().to_vec() } else { quote(text.as_bytes()) }
}

fn mend_kind(ssh: &SshConfig, kind: FailureKind) -> String {
    let at = address(ssh);
    match kind {
        FailureKind::Network => {
            format!("start it, or mend `host` and `port`; `ssh {at}` from here says more")
        }
        FailureKind::Auth => {
            format!("let our key in there (ssh-copy-id {at}), or name another with `identity`")
        }
        FailureKind::Unsupported => {
            "give its sshd SFTP (Subsystem sftp internal-sftp), or write exec = true beside `host`".to_owned()
        }
        FailureKind::Config => "mend that, or its `connector`".to_owned(),
        kind => advice(kind).1.unwrap_or("its own log (journalctl -u ssh) says more").to_owned(),
    }
}
