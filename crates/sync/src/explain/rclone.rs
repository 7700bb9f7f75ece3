//! rclone, 1.60 to 1.75: as text and as JSON lines. Its errors are chains, `what: where: cause`; only the end of a chain is
//! the cause, and names stand before it.

use std::borrow::Cow;

use serde::Deserialize;
use verisim_core::FailureKind;

use super::{Finding, Text, ToolEnd, ToolOperation, advice, rclone_codes as codes, shell, strongest};
use crate::errno::Side;

/// What a run of rclone came to.
pub(super) fn find(end: ToolEnd, operation: ToolOperation, text: &Text<'_>) -> Finding {
    if let ToolEnd::Signal(signal) = end {
        return shell::ended_by(signal);
    }
    let complaints = Complaint::all(text);
    let found = complaints.iter().filter_map(|complaint| judge(complaint, operation));
    let coded = by_code(end, operation);
    let Some(found) = strongest(found) else {
        let last =
            complaints.last().map_or_else(|| text.lines().last().unwrap_or_default(), |last| &last.said);
        return coded.by(last);
    };
    // What the code says for certain is more than that something unknown happened.
    if found.kind == FailureKind::Unknown && found.probe.is_none() && coded.kind != FailureKind::Unknown {
        return coded.by(&found.evidence);
    }
    found
}

/// The exit codes of the manual. 6 is given for errors that are not worth another try at once; with a local source it is one
/// that changed.
fn by_code(end: ToolEnd, operation: ToolOperation) -> Finding {
    let of = |kind, side| Finding::new(kind, side, advice(kind, side));
    let ToolEnd::Code(code) = end else { return of(FailureKind::Unknown, Side::Far) };
    match (code, operation) {
        (3 | 4, ToolOperation::Push) => of(FailureKind::SourceVanished, Side::Source).before(),
        (3 | 4, ToolOperation::Hashsum | ToolOperation::Fetch) => of(FailureKind::NotFound, Side::Far),
        (5, _) => of(FailureKind::Network, Side::Far),
        (6, ToolOperation::Push) => of(FailureKind::SourceChanged, Side::Source),
        (7, _) => Finding::new(
            FailureKind::Config,
            Side::Far,
            "rclone says that no retry can help: see what it printed",
        ),
        (8 | 10, _) => Finding::new(
            FailureKind::Config,
            Side::Source,
            "a limit that was set ended it: see --max-transfer and --max-duration",
        ),
        _ => of(FailureKind::Unknown, Side::Far),
    }
}

/// Something that rclone complains of.
#[derive(Debug)]
struct Complaint<'a> {
    /// As it was printed.
    said: Cow<'a, str>,
    /// Without the name of what it is about.
    message: String,
    /// It ends the run.
    is_fatal: bool,
}

#[derive(Deserialize)]
struct Logged<'a> {
    #[serde(borrow)]
    level: Cow<'a, str>,
    #[serde(borrow)]
    msg: Cow<'a, str>,
}

/// What stands between a name and what went wrong with it.
const VERBS: [&str; 24] = [
    ": Failed to copy: ",
    ": error reading source root directory: ",
    ": error reading destination root directory: ",
    ": error reading source directory: ",
    ": error reading destination directory: ",
    ": failed to open directory ",
    ": Failed to make directory: ",
    ": Failed to update directory timestamp or metadata: ",
    ": Failed to set modification time: ",
    ": Couldn't delete: ",
    ": Failed to calculate src hash: ",
    ": Failed to calculate dst hash: ",
    ": Failed to calculate hash: ",
    ": Failed to get hash: ",
    ": Failed to read: ",
    ": Failed to open: ",
    ": hash unsupported: ",
    ": Discarding closed SSH connection: ",
    ": Failed to server side copy: ",
    ": failed to sum: ",
    ": failed to open source object: ",
    ": error listing: ",
    ": error reading: ",
    ": corrupted on transfer: ",
];

impl<'a> Complaint<'a> {
    /// All of them. A line that begins with a blank goes on with the one before.
    fn all(text: &'a Text<'_>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for line in text.lines() {
            if line.starts_with(['\t', ' ']) {
                if let Some(last) = all.last_mut() {
                    last.message.push(' ');
                    last.message.push_str(line.trim());
                }
                continue;
            }
            all.extend(Self::of(line));
        }
        all
    }

    fn of(line: &'a str) -> Option<Self> {
        if line.starts_with('{') {
            let logged: Logged<'a> = serde_json::from_str(line).ok()?;
            let is_fatal = logged.level == "critical" || logged.msg.starts_with("Failed to ");
            let counts = is_fatal || matches!(&*logged.level, "error" | "alert" | "emergency");
            return counts.then(|| Self { message: chain(&logged.msg), said: logged.msg, is_fatal });
        }
        // `2026/11/22 00:22:48 ERROR : name: Failed to copy: ..`
        let body = match line.split_at_checked(20) {
            Some((stamp, body)) if is_stamp(stamp) => body,
            // Usage is told without a time.
            _ => line,
        };
        let levels = ["ERROR : ", "CRITICAL: ", "ALERT : ", "EMERGENCY: "];
        let named = levels.iter().find_map(|level| body.strip_prefix(level));
        let plain = body.strip_prefix("NOTICE: ").or(named).unwrap_or(body);
        let is_fatal =
            ["Failed to ", "Fatal error: ", "Error: ", "Usage:"].iter().any(|words| plain.starts_with(words))
                && !(plain != body && body.starts_with("ERROR : "));
        (is_fatal || named.is_some()).then(|| Self {
            said: Cow::Borrowed(line),
            message: chain(plain),
            is_fatal,
        })
    }
}

fn is_stamp(stamp: &str) -> bool {
    stamp
        .bytes()
        .zip(*b"0000/00/00 00:00:00 ")
        .all(|(byte, like)| if like == b'0' { byte.is_ascii_digit() } else { byte == like })
}

/// The chain of causes, without the name before it and without the phrases that repeat it.
fn chain(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("Attempt ")
        && let Some((_, rest)) = rest.split_once(" errors and: ")
    {
        return rest.to_owned();
    }
    if let Some(rest) = message.strip_prefix("Failed to create file system for \"") {
        // The name of a remote cannot hold a quote and a colon; its path may.
        return rest
            .rsplit_once("\": ")
            .map_or_else(|| rest.to_owned(), |(_, cause)| format!("NewFs: {cause}"));
    }
    if message.starts_with("Failed to ")
        && let Some((head, rest)) = message.split_once(": ")
    {
        let rest = rest.strip_prefix("last error was: ").unwrap_or(rest);
        if head.len() < 60 {
            return rest.to_owned();
        }
    }
    // The last verb is rclone's own; a name may hold any of them.
    let at = VERBS.iter().filter_map(|verb| message.rfind(verb)).max();
    at.map_or_else(|| message.to_owned(), |at| message.split_at(at + 2).1.to_owned())
}

fn judge(complaint: &Complaint<'_>, operation: ToolOperation) -> Option<Finding> {
    let message = complaint.message.trim();
    let side = side_of(message, operation);
    let made = |kind, side, hint: Option<&'static str>| {
        let finding =
            Finding::new(kind, side, hint.unwrap_or_else(|| advice(kind, side))).by(&complaint.said);
        if message.starts_with("NewFs: ")
            || message.contains("error reading source root directory: ")
            || message.contains("error reading destination root directory: ")
        {
            finding.before()
        } else {
            finding
        }
    };
    if let Some((kind, hint)) = codes::of_service(message) {
        return Some(made(kind, Side::Far, hint));
    }
    if let Some((kind, hint)) = codes::of_status(message) {
        return Some(made(kind, Side::Far, hint));
    }
    if let Some(found) = codes::of_sftp(message) {
        let finding = made(found.kind, Side::Far, None);
        return Some(match found.probe {
            Some(probe) => finding.asking(probe),
            None => finding,
        });
    }
    if let Some(cause) = codes::CAUSES.iter().find(|cause| cause.fits(message)) {
        let kind = match (cause.kind, side) {
            (FailureKind::NotFound, Side::Source) => FailureKind::SourceVanished,
            // Something else stands where a file was.
            (FailureKind::Config, Side::Source) if message.ends_with(" directory") => {
                FailureKind::SourceChanged
            }
            (kind, _) => kind,
        };
        return Some(made(kind, side, cause.hint));
    }
    complaint.is_fatal.then(|| made(FailureKind::Unknown, side, None))
}

/// Whether it is about the capture or about the destination.
fn side_of(message: &str, operation: ToolOperation) -> Side {
    if operation != ToolOperation::Push {
        return Side::Far;
    }
    let here = [
        "failed to open source object: ",
        "error reading source root directory: ",
        "error reading source directory: ",
        "failed to open directory ",
        "can't copy - source file is being updated",
        "Failed to calculate src hash: ",
    ];
    if here.iter().any(|words| message.contains(words)) || message == "directory not found" {
        return Side::Source;
    }
    Side::Far
}
