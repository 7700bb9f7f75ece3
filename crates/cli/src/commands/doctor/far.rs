//! Destinations that are hosts over SSH.

use std::sync::Arc;

use verisim_core::{Clock, DestinationName, Failure, FailureKind};
use verisim_ssh::{Error, Verdict, fetch_host_key};
use verisim_sync::{FarFacts, RsyncVersion, SAFE_SINCE};

use super::{Check, Scratch, Sheet, evidence, space};
use crate::config::units::show_size;
use crate::config::{Config, RsyncConfig, SftpConfig, SshConfig};
use crate::error::{advice, show};
use crate::exit::Exit;
use crate::hosts::Hosts;
use crate::state::StateDir;
use crate::wire::{rsync_to, sftp_to};

/// Whether the host answers and is known, what both sides have, and whether the folder is the one that was used before.
pub(super) async fn look_at_host(
    sheet: &mut Sheet,
    config: &Config,
    name: &DestinationName,
    rsync: &RsyncConfig,
) {
    if !look_at_identity(sheet, &rsync.ssh) | !look_at_key(sheet, name, &rsync.ssh).await {
        return;
    }
    let made = Scratch::new().and_then(|scratch| {
        rsync_to(rsync, name, &StateDir::at(&config.state), scratch.0.clone()).map(|made| (made, scratch))
    });
    let (transport, _scratch) = match made {
        Ok(made) => made,
        Err(error) => return sheet.bad(Check::Configuration, Exit::Config, error.message, ""),
    };
    let place = format!("{}:{}", rsync.ssh.host, rsync.path);
    match Box::pin(transport.inquire()).await {
        Ok(facts) => {
            sheet.good(Check::Reachable, format!("{} answers", rsync.ssh.host));
            look_at_tools(sheet, &facts);
        }
        Err(error) => return note_failure(sheet, &error.failure, Some(&rsync.ssh)),
    }
    match Box::pin(transport.examine()).await {
        Ok((found, free_bytes)) => {
            evidence::note_identity(sheet, found);
            if let Some(free) = free_bytes {
                sheet.good(Check::Space, format!("{} are free in {place}", show_size(free)));
            }
            space(sheet, free_bytes);
        }
        Err(error) => note_failure(sheet, &error.failure, Some(&rsync.ssh)),
    }
}

/// The same where our own client carries everything.
pub(super) async fn look_at_sftp(
    sheet: &mut Sheet,
    config: &Config,
    name: &DestinationName,
    (sftp, clock): (&SftpConfig, Arc<dyn Clock>),
) {
    if !look_at_identity(sheet, &sftp.ssh) | !look_at_key(sheet, name, &sftp.ssh).await {
        return;
    }
    let transport = match sftp_to(sftp, name, &StateDir::at(&config.state), clock) {
        Ok(transport) => transport,
        Err(error) => return sheet.bad(Check::Configuration, Exit::Config, error.message, ""),
    };
    let facts = match Box::pin(transport.inquire()).await {
        Ok(facts) => facts,
        Err(error) => return note_failure(sheet, &error.failure, Some(&sftp.ssh)),
    };
    sheet.good(Check::Reachable, format!("{} answers", sftp.ssh.host));
    if !facts.replaces {
        sheet.bad(
            Check::Tools,
            Exit::Failed,
            "its SFTP cannot replace a file in one step (posix-rename@openssh.com)",
            "let OpenSSH serve it; captures wait until then",
        );
    }
    look_at_hasher(sheet, facts.commands, facts.hasher, "the account there runs SFTP alone");
    evidence::note_identity(sheet, facts.recognised);
    if let Some(free) = facts.free_bytes {
        let place = format!("{}:{}", sftp.ssh.host, sftp.path);
        sheet.good(Check::Space, format!("{} are free in {place}", show_size(free)));
    }
    space(sheet, facts.free_bytes);
}

/// What cannot be used, and how it is mended: the detail says both where rsync or ssh have said it. `ssh` is how a host is
/// reached, where it is one.
pub(super) fn note_failure(sheet: &mut Sheet, failure: &Failure, ssh: Option<&SshConfig>) {
    let (exit, hint) = advice(failure.kind);
    let (check, exit) = match failure.kind {
        FailureKind::Denied => (Check::Writable, exit),
        FailureKind::ToolMissing => (Check::Tools, exit),
        FailureKind::Config => (Check::Configuration, Exit::Config),
        _ => (Check::Reachable, Exit::Unreachable),
    };
    // That `doctor` says more is no help here.
    let mend = match (failure.kind, ssh) {
        (FailureKind::ToolMissing, _) => "its captures wait until it is there".to_owned(),
        (FailureKind::Network, _) => {
            "its captures wait for it meanwhile; where nothing answers at all, switch it on, and check its name, its port and the network"
                .to_owned()
        }
        (FailureKind::Auth, Some(ssh)) => let_in(ssh),
        _ => hint.unwrap_or_default().to_owned(),
    };
    sheet.bad(check, exit, failure.detail.as_str(), mend);
}

/// How a key is let in at the host.
fn let_in(ssh: &SshConfig) -> String {
    let port = ssh.port.map_or_else(String::new, |port| format!(" -p {port}"));
    let user = ssh.user.as_ref().map_or_else(String::new, |user| format!("{user}@"));
    let key = ssh.identity.as_ref().map_or_else(String::new, |key| format!(" -i {}", show(key)));
    format!("let the key in, if `user` is right: ssh-copy-id{key}{port} {user}{}", ssh.host)
}

/// How much of a private key is looked at.
const KEY_BYTES_MAX: u64 = 64 * 1024;

/// Whether the private key can be one. Answers whether it is worth going on.
fn look_at_identity(sheet: &mut Sheet, ssh: &SshConfig) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let Some(key) = &ssh.identity else { return true };
    let shown = show(key);
    let meta = match std::fs::metadata(key) {
        Ok(meta) if meta.is_file() && meta.len() <= KEY_BYTES_MAX => meta,
        Ok(_) => {
            sheet.bad(
                Check::Configuration,
                Exit::Config,
                format!("{shown} is no key"),
                "name the private key in `identity`",
            );
            return false;
        }
        Err(error) => {
            let mend = format!("make one: ssh-keygen -t ed25519 -N \"\" -f {shown}; then {}", let_in(ssh));
            sheet.bad(
                Check::Configuration,
                Exit::Config,
                format!("the key {shown} cannot be read: {error}"),
                mend,
            );
            return false;
        }
    };
    let begins = |with: &[u8]| std::fs::read(key).is_ok_and(|bytes| bytes.starts_with(with));
    if begins(b"ssh-") || begins(b"ecdsa-") {
        let mend = "name the private key in `identity`, the one without .pub";
        sheet.bad(Check::Configuration, Exit::Config, format!("{shown} is the public half of a key"), mend);
        return false;
    }
    if meta.mode() & 0o077 != 0 {
        let found = format!(
            "others on this machine may read the key {shown} (mode {:04o}); ssh refuses such a key",
            meta.mode() & 0o7777
        );
        sheet.warn(Check::Configuration, found, format!("chmod 600 {shown}"));
    }
    true
}

/// Whether the host is who it was. Answers whether it is worth going on.
async fn look_at_key(sheet: &mut Sheet, name: &DestinationName, ssh: &SshConfig) -> bool {
    let target = match Hosts::default().target(ssh) {
        Ok(target) => target,
        // ssh itself may make something out of it.
        Err(why) => {
            sheet.warn(Check::Configuration, why, "mend ~/.ssh/config");
            return true;
        }
    };
    let accept = format!("verisim sync trust {name}");
    match Box::pin(fetch_host_key(&target)).await {
        Ok(key) => match key.verdict {
            Verdict::Known => {
                sheet.good(
                    Check::HostKey,
                    format!("{} shows the key that is known, {}", key.host, key.fingerprint),
                );
                true
            }
            Verdict::Unknown { .. } => {
                let found =
                    format!("{} shows a key that nobody has accepted yet: {}", key.host, key.fingerprint);
                let mend = format!("compare it with the host's own, and accept it: {accept}");
                sheet.bad(Check::HostKey, Exit::Unreachable, found, mend);
                false
            }
            Verdict::Changed { file, line } => {
                let found = format!(
                    "{} shows another key than the one that is known ({}, line {line}): {}",
                    key.host,
                    show(&file),
                    key.fingerprint
                );
                let mend = format!("find out why; somebody may be in between. Only then: {accept}");
                sheet.bad(Check::HostKey, Exit::Unreachable, found, mend);
                false
            }
            Verdict::Revoked { file, line } => {
                let found = format!("the key of {} is revoked: line {line} of {}", key.host, show(&file));
                sheet.bad(Check::HostKey, Exit::Unreachable, found, "give the host a new key");
                false
            }
        },
        // A way that our own client does not know (a ProxyCommand) may be one that ssh knows.
        Err(Error::Resolve { .. } | Error::Connect { .. } | Error::Handshake { .. }) => true,
        Err(error) => {
            sheet.warn(Check::HostKey, error.to_string(), "ssh itself is asked next");
            true
        }
    }
}

/// The rsync on both sides, and what hashes there.
fn look_at_tools(sheet: &mut Sheet, facts: &FarFacts) {
    version(sheet, "on this machine", facts.here, "");
    if facts.commands {
        version(sheet, "there", facts.there, &facts.there_says);
    }
    look_at_hasher(sheet, facts.commands, facts.hasher, "the account there runs rsync alone");
}

/// Where what is there is hashed. `alone` says what the account runs where it runs no commands.
fn look_at_hasher(sheet: &mut Sheet, commands: bool, hasher: Option<&str>, alone: &str) {
    match (commands, hasher) {
        (true, Some(hasher)) => {
            sheet.good(
                Check::Tools,
                format!("what is there is hashed there, by `{hasher}`, the fastest of what it has"),
            );
        }
        (commands, _) => {
            let why = if commands { "it has no hasher that can be used" } else { alone };
            sheet.warn(
                Check::Tools,
                format!("what is there is read back over the network to be verified: {why}"),
                "allow commands there, and install coreutils or openssl; or leave it, within `read_back_max` a pass",
            );
        }
    }
}

fn version(sheet: &mut Sheet, place: &str, version: Option<RsyncVersion>, says: &str) {
    match version {
        Some(version) if version < SAFE_SINCE => sheet.warn(
            Check::Tools,
            format!("rsync {version} {place} has security holes that {SAFE_SINCE} closed"),
            format!("install rsync {SAFE_SINCE} or newer {place}, or one in which they are closed"),
        ),
        Some(version) => sheet.good(Check::Tools, format!("rsync {version} {place}")),
        None if says.trim().is_empty() => sheet.bad(
            Check::Tools,
            Exit::Failed,
            format!("there is no rsync {place}"),
            "install it, or say with `rsync_path` where it is; captures wait until then",
        ),
        None => sheet.warn(
            Check::Tools,
            format!("the rsync {place} is another one: {}", says.trim()),
            format!("install rsync {SAFE_SINCE} or newer"),
        ),
    }
}
