//! rsync over ssh. The texts and codes are those of rsync 3.1 to 3.5 (`errcode.h`, `log.c`, `rsync.1`, and runs).

use verisim_core::FailureKind;

use super::{Finding, Probe, Text, ToolEnd, advice, by_errno, shell, ssh, strongest};
use crate::errno::Side;

const NOT_CLEAN: &str = "the shell there prints something at login: `ssh HOST true` must print nothing";
const OTHER_VERSION: &str =
    "the rsync there does not know an option of ours: install rsync 3.2 or newer there";
const IN_THE_WAY: &str = "a directory stands there where a file belongs, or the reverse: move it away";
const NO_SSH: &str = "install an ssh client on this machine (apt install openssh-client)";
const STOPPED_THERE: &str = "rsync was stopped on the destination; it goes on by itself";
const NAME_REFUSED: &str = "the file system there does not take this name or this size";

/// On which side each of rsync's two ends stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Roles {
    sender: Side,
    receiver: Side,
}

/// We send.
pub(super) const PUSH: Roles = Roles { sender: Side::Source, receiver: Side::Far };
/// What is there is read back, into a folder of ours.
pub(super) const FETCH: Roles = Roles { sender: Side::Far, receiver: Side::State };

/// What the lines and the end of a run mean.
pub(super) fn find(end: ToolEnd, text: &Text<'_>, roles: Roles) -> Finding {
    let found = find_in(end, text, roles);
    match found.kind {
        // Of a capture that is read back, what went away did so there.
        FailureKind::SourceVanished if roles == FETCH => {
            let hint = advice(FailureKind::NotFound, Side::Far);
            Finding { kind: FailureKind::NotFound, side: Side::Far, hint, ..found }
        }
        _ => found,
    }
}

fn find_in(end: ToolEnd, text: &Text<'_>, roles: Roles) -> Finding {
    let phase = Phase::of(text, roles);
    // Once the other rsync has answered, the line of a login proves nothing.
    if phase != Phase::Sending
        && let Some(found) = in_connecting(text)
    {
        return found;
    }
    if let ToolEnd::Signal(signal) = end {
        return shell::ended_by(signal);
    }
    if let Some(found) = stopped(text, roles) {
        return found;
    }
    let before = |finding: Finding| if phase == Phase::Connecting { finding.before() } else { finding };
    if let Some(found) = strongest(text.lines().filter_map(|line| by_line(line, roles))) {
        // That the connection broke is what every error ends in; the code may know better.
        let coded = by_code(end, roles);
        return before(
            if found.kind == FailureKind::Network && coded.weight() > found.weight() && is_certain(end) {
                coded
            } else {
                found
            },
        );
    }
    before(by_code(end, roles).by(text.lines().last().unwrap_or_default()))
}

/// Somebody asked one of both to end. Which one, its own last line says.
fn stopped(text: &Text<'_>, roles: Roles) -> Option<Finding> {
    let said = |line: &&str| line.starts_with("rsync error: received SIGINT, SIGTERM, or SIGHUP (code 20)");
    let lines: Vec<&str> = text.lines().filter(said).collect();
    if let Some(line) = lines.iter().find(|line| side_of(line, roles) == Some(Side::Far)) {
        return Some(Finding::new(FailureKind::Network, Side::Far, STOPPED_THERE).by(line));
    }
    let line = lines.first()?;
    Some(Finding::stopped_here().by(line))
}

/// Codes that say one thing only.
const fn is_certain(end: ToolEnd) -> bool {
    matches!(end, ToolEnd::Code(1 | 2 | 4 | 24 | 25 | 126 | 127))
}

/// How far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The other rsync never said anything.
    Connecting,
    /// It did.
    Sending,
    /// Nothing tells.
    Unsaid,
}

impl Phase {
    fn of(text: &Text<'_>, roles: Roles) -> Self {
        let mut phase = Self::Unsaid;
        for line in text.lines() {
            if side_of(line, roles) == Some(Side::Far) {
                return Self::Sending;
            }
            if let Some(rest) = line.strip_prefix("rsync: connection unexpectedly closed (") {
                phase = if rest.starts_with("0 bytes received so far)") {
                    Self::Connecting
                } else {
                    return Self::Sending;
                };
            }
        }
        phase
    }
}

/// What ssh and the shell there said, before any rsync answered.
fn in_connecting(text: &Text<'_>) -> Option<Finding> {
    strongest(ssh::find(text.lines()).into_iter().chain(shell::find_rsync(text.lines())))
}

/// Whose error a line is: by `[sender]`, else by the tag that ends rsync's last line.
fn side_of(line: &str, roles: Roles) -> Option<Side> {
    let role = |role: &str| match role {
        "sender" => Some(roles.sender),
        "receiver" | "Receiver" | "generator" => Some(roles.receiver),
        "client" | "Client" if roles == PUSH => Some(roles.sender),
        "client" | "Client" => Some(roles.receiver),
        "server" | "Server" => Some(Side::Far),
        _ => None,
    };
    if let Some((tag, _)) = line.strip_prefix("rsync: [").and_then(|rest| rest.split_once(']')) {
        return role(tag);
    }
    if line.starts_with("rsync error: ") {
        let (_, tag) = line.rsplit_once('[')?;
        return role(tag.split('=').next()?);
    }
    None
}

/// What one line of rsync's own means.
fn by_line(line: &str, roles: Roles) -> Option<Finding> {
    if let Some(found) = by_number(line, roles) {
        return Some(found);
    }
    let (kind, side, hint) = whole_line(line)?;
    Some(Finding::new(kind, side, hint.unwrap_or_else(|| advice(kind, side))).by(line))
}

/// `rsync: [sender] send_files failed to open "..": Permission denied (13)`: the number in parentheses.
fn by_number(line: &str, roles: Roles) -> Option<Finding> {
    let rest = line.strip_prefix("rsync: ")?;
    let (message, number) = rest.strip_suffix(')')?.rsplit_once(" (")?;
    let number: i32 = number.parse().ok().filter(|number| (1..=133).contains(number))?;
    // It asks where it is before it knows what it will be.
    let side = match message.contains("] getcwd(): ") {
        true if roles == PUSH => roles.sender,
        true => roles.receiver,
        false => side_of(line, roles).unwrap_or_else(|| side_of_message(message, roles)),
    };
    if message.contains("Failed to exec ") {
        return Some(Finding::new(FailureKind::ToolMissing, Side::Source, NO_SSH).by(line).before());
    }
    let broken = matches!(number, 32 | 103 | 104 | 107 | 110 | 111 | 112 | 113 | 100 | 101 | 102 | 11);
    let is_stream = message.contains("] write error: ")
        || message.contains("] read error: ")
        || message.starts_with("write error: ")
        || message.starts_with("read error: ");
    let kind = if broken || is_stream { FailureKind::Network } else { by_errno(side, number) };
    let hint = match kind {
        FailureKind::Config if matches!(number, 20 | 21 | 17 | 39) => IN_THE_WAY,
        FailureKind::Config => NAME_REFUSED,
        kind => advice(kind, side),
    };
    Some(Finding::new(kind, side, hint).by(line))
}

/// Older versions name no role; the function that failed tells it. What the user named stands in quotes after it.
fn side_of_message(message: &str, roles: Roles) -> Side {
    let word = message.split(' ').next().unwrap_or_default();
    let said = message.split('"').next().unwrap_or_default();
    let is_sender = matches!(
        word,
        "send_files" | "link_stat" | "opendir" | "readlink_stat" | "change_dir" | "push_dir" | "file"
    ) || said.contains("read errors mapping")
        || word.starts_with("readdir(");
    if is_sender { roles.sender } else { roles.receiver }
}

type Meaning = (FailureKind, Side, Option<&'static str>);

fn whole_line(line: &str) -> Option<Meaning> {
    let begins = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
    let meaning = if begins(&["file has vanished: ", "directory has vanished: "])
        || line.starts_with("rsync warning: some files vanished before they could be transferred (code 24)")
    {
        (FailureKind::SourceVanished, Side::Source, None)
    } else if begins(&["could not make way for ", "cannot delete non-empty directory: "]) {
        (FailureKind::Config, Side::Far, Some(IN_THE_WAY))
    } else if begins(&["protocol version mismatch -- is your shell clean?"]) {
        (FailureKind::Config, Side::Far, Some(NOT_CLEAN))
    } else if line.starts_with("ERROR: ")
        && (line.contains(" failed verification -- update ") || line.ends_with(" failed verification."))
    {
        (FailureKind::HashMismatch, Side::Far, None)
    } else if line.starts_with("rsync: ")
        && (line.ends_with(": unknown option") || line.contains(": unknown option (in daemon mode)"))
    {
        (FailureKind::Config, Side::Far, Some(OTHER_VERSION))
    } else if begins(&["rsync: connection unexpectedly closed ("]) || is_time_out(line) {
        (FailureKind::Network, Side::Far, None)
    } else if line.starts_with("@ERROR: ") {
        daemon(line)
    } else if begins(&["ERROR: out of memory", "ERROR: cannot stat destination"]) {
        (FailureKind::Unknown, Side::Far, None)
    } else {
        return None;
    };
    Some(meaning)
}

fn is_time_out(line: &str) -> bool {
    (line.contains("io timeout after ") && line.contains(" seconds -- exiting"))
        || line.starts_with("rsync error: timeout in data send/receive (code 30)")
}

/// A daemon's refusal, for the rare far side that forces one.
fn daemon(line: &str) -> Meaning {
    if line.starts_with("@ERROR: auth failed on module ") {
        (FailureKind::Auth, Side::Far, None)
    } else if line.starts_with("@ERROR: access denied to ") {
        (FailureKind::Denied, Side::Far, None)
    } else if line.starts_with("@ERROR: max connections ") {
        (FailureKind::Network, Side::Far, None)
    } else if line.starts_with("@ERROR: Unknown module ") {
        (FailureKind::NotFound, Side::Far, None)
    } else if line.starts_with("@ERROR: module is read only") {
        (FailureKind::Denied, Side::Far, None)
    } else {
        (FailureKind::Config, Side::Far, None)
    }
}

/// What the exit code alone says, as the manual lists them.
fn by_code(end: ToolEnd, roles: Roles) -> Finding {
    let ToolEnd::Code(code) = end else {
        return Finding::new(FailureKind::Unknown, Side::Far, advice(FailureKind::Unknown, Side::Far));
    };
    let (kind, side, hint) = match code {
        // Syntax; protocol; a limit of deletions.
        1 => (FailureKind::Config, Side::Source, None),
        2 => (FailureKind::Config, Side::Far, Some(NOT_CLEAN)),
        4 => (FailureKind::Unsupported, Side::Far, None),
        6 | 25 => (FailureKind::Config, Side::Far, None),
        // Starting the protocol; socket; protocol stream; time-outs; the remote shell died; ssh's own.
        5 | 10 | 12 | 30 | 35 | 124 | 125 | 255 => (FailureKind::Network, Side::Far, None),
        20 => (FailureKind::Cancelled, Side::Source, None),
        24 => (FailureKind::SourceVanished, Side::Source, None),
        126 | 127 => (FailureKind::ToolMissing, Side::Far, None),
        // Files; diagnostics; IPC; a sibling; memory: something was wrong, and what is not said.
        _ => (FailureKind::Unknown, Side::Far, None),
    };
    let finding = Finding::new(kind, side, hint.unwrap_or_else(|| advice(kind, side)));
    match code {
        1 | 2 | 4 | 5 | 126 | 127 => finding.before(),
        // A file failed, and the far side was gone before its words were here. Most often its disk is full.
        11 if roles == PUSH => finding.asking(Probe::FreeSpace),
        _ => finding,
    }
}
