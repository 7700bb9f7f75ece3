//! Mail: the headers of a message, and mailboxes of many in one file.

use jiff::fmt::rfc2822;
use verisim_core::Timestamp;

use super::text;

/// How many messages of one mailbox are read.
const MESSAGES_MAX: usize = 5_000;
/// How many lines of headers are read.
const HEADER_LINES_MAX: usize = 400;

/// The headers of a message that tell something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// `Date`.
    pub date: Option<Timestamp>,
    /// The time of the newest `Received`.
    pub received: Option<Timestamp>,
    /// `From`.
    pub from: String,
    /// `Subject`.
    pub subject: String,
    /// `Message-ID`, without its brackets.
    pub id: String,
    /// The program: `User-Agent` or `X-Mailer`.
    pub program: String,
    /// The ids in `References`, oldest first; where there are none, the one of `In-Reply-To`.
    pub references: Vec<String>,
}

/// Reads the headers at the beginning of a message.
#[must_use]
pub fn message(bytes: &[u8]) -> Message {
    let mut found = Message::default();
    let mut reply_to = Vec::new();
    let mut field = String::new();
    let mut lines = bytes.split(|byte| *byte == b'\n').take(HEADER_LINES_MAX).peekable();
    while let Some(line) = lines.next() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        if field.len() < 4000 {
            field.push_str(&text(line, 2000));
        }
        // A line that begins with a blank goes on with the field.
        if lines.peek().is_some_and(|next| next.first().is_some_and(|c| *c == b' ' || *c == b'\t')) {
            continue;
        }
        if let Some((name, value)) = field.split_once(':') {
            take(&mut found, &mut reply_to, name, value.trim());
        }
        field.clear();
    }
    if found.references.is_empty() {
        found.references = reply_to;
    }
    found
}

fn take(found: &mut Message, reply_to: &mut Vec<String>, name: &str, value: &str) {
    match name.to_ascii_lowercase().as_str() {
        "date" => found.date = date(value),
        "received" if found.received.is_none() => {
            found.received = value.rsplit_once(';').and_then(|(_, time)| date(time.trim()));
        }
        "from" => found.from = value.chars().take(200).collect(),
        "subject" => found.subject = value.chars().take(200).collect(),
        "message-id" => found.id = ids(value).into_iter().next().unwrap_or_default(),
        "user-agent" | "x-mailer" => found.program = value.chars().take(100).collect(),
        "references" => found.references = ids(value),
        "in-reply-to" => *reply_to = ids(value),
        _ => {}
    }
}

fn ids(value: &str) -> Vec<String> {
    value
        .split('<')
        .skip(1)
        .filter_map(|rest| rest.split_once('>'))
        .map(|(id, _)| id.to_owned())
        .take(200)
        .collect()
}

fn date(value: &str) -> Option<Timestamp> {
    // Programs add the name of the zone as a remark, which says nothing new.
    let value = value.split(" (").next().unwrap_or(value);
    rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(value).ok()
}

/// The messages of an mbox: each begins after a line `From ..`.
#[must_use]
pub fn mbox(bytes: &[u8]) -> Vec<Message> {
    let mut out = Vec::new();
    let mut begins = None;
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"From ") {
            if let Some(begin) = begins.take() {
                out.push(message(&bytes[begin..at]));
            }
            if out.len() == MESSAGES_MAX {
                return out;
            }
            begins = Some(at + line.len());
        }
        at += line.len();
    }
    if let Some(begin) = begins {
        out.push(message(&bytes[begin..]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "From a@x Sat Nov 22 03:08:43 2026\nReceived: from x by y; Sun, 22 Nov 2026 03:08:45 +0100 (CET)\nDate: Sun, 22 Nov 2026 03:08:43 +0100\nMessage-ID: <1@x>\nReferences: <a@b>\n <c@d>\nX-Mailer: Evolution 3\nSubject: hello\n\nDate: nothing\n";

    #[test]
    fn headers_are_read_also_over_several_lines_and_bodies_are_not() {
        let found = mbox(format!("{ONE}{ONE}").as_bytes());
        assert_eq!(found.len(), 2);
        let one = &found[1];
        assert_eq!(one.references, ["a@b", "c@d"]);
        assert_eq!((one.id.as_str(), one.program.as_str()), ("1@x", "Evolution 3"));
        assert_eq!(one.date.unwrap().to_string(), "2026-11-22T02:08:43Z");
        assert_eq!(one.received.unwrap().to_string(), "2026-11-22T02:08:45Z");
    }
}
