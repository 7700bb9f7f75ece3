//! What the shell of the far side, and a hasher that it runs, say.

use verisim_core::FailureKind;

use super::{Finding, Text, ToolEnd, advice, by_errno, ssh, strongest};
use crate::errno::Side;

const NO_RSYNC: &str = "install rsync on the destination (apt install rsync), or name it with --rsync-path";
const NO_HASHER: &str = "install sha256sum (coreutils) on the destination, or let files be read back";
const FORBIDDEN: &str = "the account there may not run this command: allow it, or let files be read back";

/// Whether a line is the shell's own complaint that it cannot run a command, as bash, dash, busybox, zsh, ksh, fish and env
/// word it.
pub(super) fn cannot_run(line: &str) -> bool {
    let Some((who, rest)) = line.split_once(": ") else { return false };
    if matches!(who, "fish") && rest.starts_with("Unknown command") {
        return true;
    }
    let who = who.rsplit('/').next().unwrap_or(who);
    let is_zsh =
        who.strip_prefix("zsh:").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    if is_zsh {
        return rest.starts_with("command not found: ")
            || rest.starts_with("no such file or directory: ")
            || rest.starts_with("permission denied: ");
    }
    if !matches!(
        who,
        "bash"
            | "-bash"
            | "sh"
            | "-sh"
            | "ash"
            | "-ash"
            | "dash"
            | "ksh"
            | "env"
            | "exec"
            | "sudo"
            | "nohup"
            | "nice"
    ) {
        return false;
    }
    let ends = [
        ": command not found",
        ": not found",
        ": No such file or directory",
        ": Permission denied",
        ": cannot execute",
        ": Is a directory",
        ": is a directory",
    ];
    ends.iter().any(|end| line.ends_with(end)) || rest.contains(": cannot execute binary file")
}

const HELD: &str = "another rrsync holds the directory there: it goes on when that ends; or `rrsync -no-lock` in authorized_keys";

/// Lines of a wrapper that lets an account run rsync alone (rrsync comes with rsync).
fn is_forbidden(line: &str) -> bool {
    line.starts_with("/usr/bin/rrsync")
        || line.starts_with("rrsync error: ")
        || line.contains("SSH_ORIGINAL_COMMAND does not run rsync")
}

/// A connection on which rsync could not be run.
pub(super) fn find_rsync<'a>(mut lines: impl Iterator<Item = &'a str>) -> Option<Finding> {
    lines.find_map(|line| {
        if line.starts_with("rrsync error: Another instance of rrsync is already accessing this directory") {
            return Some(Finding::new(FailureKind::Network, Side::Far, HELD).by(line).before());
        }
        if cannot_run(line) {
            return Some(Finding::new(FailureKind::ToolMissing, Side::Far, NO_RSYNC).by(line).before());
        }
        is_forbidden(line).then(|| Finding::new(FailureKind::Config, Side::Far, FORBIDDEN).by(line).before())
    })
}

/// What the hasher over ssh came to.
pub(super) fn find(end: ToolEnd, text: &Text<'_>) -> Finding {
    // 255 is ssh's own; a command that ends with it says nothing that ssh would say.
    if let ToolEnd::Code(255) | ToolEnd::Signal(_) = end
        && let Some(found) = ssh::find(text.lines())
    {
        return found;
    }
    match end {
        ToolEnd::Signal(signal) => return ended_by(signal),
        ToolEnd::Code(126 | 127) => {
            return Finding::new(FailureKind::ToolMissing, Side::Far, NO_HASHER)
                .by(text.lines().last().unwrap_or_default());
        }
        ToolEnd::Code(255) => {
            return Finding::new(FailureKind::Network, Side::Far, advice(FailureKind::Network, Side::Far));
        }
        _ => {}
    }
    let said = text.lines().filter_map(|line| {
        if cannot_run(line) {
            return Some(Finding::new(FailureKind::ToolMissing, Side::Far, NO_HASHER).by(line));
        }
        if is_forbidden(line) {
            return Some(Finding::new(FailureKind::Unsupported, Side::Far, FORBIDDEN).by(line));
        }
        let kind = complaint(line)?;
        Some(Finding::new(kind, Side::Far, advice(kind, Side::Far)).by(line))
    });
    let found = strongest(said).or_else(|| ssh::find(text.lines()));
    found.unwrap_or_else(|| {
        Finding::new(FailureKind::Unknown, Side::Far, advice(FailureKind::Unknown, Side::Far))
    })
}

/// `find: '/x': No such file or directory`, `sha256sum: /x: Permission denied`: the end of a line that a tool begins with its
/// own name, as strerror words it.
fn complaint(line: &str) -> Option<FailureKind> {
    let (who, rest) = line.split_once(": ")?;
    let who = who.rsplit('/').next()?;
    if !matches!(
        who,
        "find"
            | "sha256sum"
            | "openssl"
            | "xargs"
            | "cat"
            | "cd"
            | "dd"
            | "ln"
            | "mkdir"
            | "mv"
            | "rm"
            | "sort"
            | "sync"
            | "shasum"
            | "sha256"
            | "stat"
            | "sh"
            | "bash"
    ) {
        return None;
    }
    const STRERROR: [(&str, rustix::io::Errno); 12] = [
        ("No such file or directory", rustix::io::Errno::NOENT),
        ("Permission denied", rustix::io::Errno::ACCESS),
        ("Operation not permitted", rustix::io::Errno::PERM),
        ("No space left on device", rustix::io::Errno::NOSPC),
        ("Disk quota exceeded", rustix::io::Errno::DQUOT),
        ("Not a directory", rustix::io::Errno::NOTDIR),
        ("Read-only file system", rustix::io::Errno::ROFS),
        ("File name too long", rustix::io::Errno::NAMETOOLONG),
        ("Stale file handle", rustix::io::Errno::STALE),
        ("Input/output error", rustix::io::Errno::IO),
        ("Too many levels of symbolic links", rustix::io::Errno::LOOP),
        ("Argument list too long", rustix::io::Errno::TOOBIG),
    ];
    let errno = STRERROR.iter().find_map(|(words, errno)| rest.ends_with(words).then_some(*errno));
    if let Some(errno) = errno {
        return Some(by_errno(Side::Far, errno.raw_os_error()));
    }
    let is_usage = ["unrecognized option", "invalid option", "unknown predicate", "unrecognized:"]
        .iter()
        .any(|words| rest.contains(words));
    is_usage.then_some(FailureKind::Config)
}

/// A tool that a signal ended, which we did not send.
pub(super) fn ended_by(signal: i32) -> Finding {
    match signal {
        // HUP, INT, TERM: somebody asked it to stop.
        1 | 2 | 15 => Finding::stopped_here(),
        // PIPE, ALRM: the other end of its connection is gone.
        13 | 14 => Finding::new(FailureKind::Network, Side::Far, advice(FailureKind::Network, Side::Far)),
        9 => Finding::new(
            FailureKind::Unknown,
            Side::Source,
            "it was killed: look for the out-of-memory killer in the kernel's log",
        ),
        _ => Finding::new(
            FailureKind::Unknown,
            Side::Source,
            "the tool crashed: look for another version of it",
        ),
    }
}
