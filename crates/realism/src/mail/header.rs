//! Fields of a header: encoded and folded so that every program reads them (RFC 5322, RFC 2047).

use std::fmt::Write as _;

/// The longest line of a header that programs write, without its end.
const LINE_MAX: usize = 76;

/// Adds a field whose value is any text.
pub(super) fn text(name: &str, value: &str, out: &mut String) {
    field(name, &words(value, name.len() + 2), " ", out);
}

/// Adds a field whose parts are set apart by `between` and a blank, folded where it grows long.
pub(super) fn list(name: &str, parts: &[String], between: &str, out: &mut String) {
    let mut all: Vec<String> = parts.iter().map(|part| format!("{part}{between}")).collect();
    if let Some(last) = all.last_mut() {
        last.truncate(last.len() - between.len());
    }
    field(name, &all, " ", out);
}

fn field(name: &str, parts: &[String], blank: &str, out: &mut String) {
    let _ = write!(out, "{name}:");
    let mut column = name.len() + 1;
    for (place, part) in parts.iter().enumerate() {
        // The first part stays beside the name: an empty first line of a field is obsolete.
        if place > 0 && column + 1 + part.len() > LINE_MAX {
            out.push_str("\r\n");
            column = 0;
        }
        out.push_str(blank);
        out.push_str(part);
        column += blank.len() + part.len();
    }
    out.push_str("\r\n");
}

/// A mailbox: the name as it may stand there, and the address.
pub(super) fn mailbox(name: &str, address: &str, always_quoted: bool) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " !#$%&'*+-/=?^_`{|}~".contains(c);
    let shown = if !name.is_ascii() {
        encoded(name, 8).join("\r\n ")
    } else if always_quoted || !name.chars().all(is_plain) {
        let mut quoted = String::from("\"");
        for c in name.chars() {
            if matches!(c, '"' | '\\') {
                quoted.push('\\');
            }
            quoted.push(c);
        }
        quoted + "\""
    } else {
        name.to_owned()
    };
    if shown.is_empty() { address.to_owned() } else { format!("{shown} <{address}>") }
}

/// The words of a text, or, where it is not of ASCII alone, encoded ones.
fn words(value: &str, column: usize) -> Vec<String> {
    let clean: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if clean.is_ascii() && !clean.contains("=?") && clean.split(' ').all(|word| word.len() < LINE_MAX - 20) {
        clean.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    } else {
        encoded(&clean, column)
    }
}

/// Encoded words of the Q encoding, each of whole characters and short enough for its line.
fn encoded(text: &str, column: usize) -> Vec<String> {
    const BEGIN: &str = "=?UTF-8?Q?";
    let mut out = Vec::new();
    let mut word = String::from(BEGIN);
    let mut room = LINE_MAX.saturating_sub(column + 2).max(30);
    for c in text.chars() {
        let mut piece = String::new();
        match c {
            ' ' => piece.push('_'),
            _ if c.is_ascii_alphanumeric() => piece.push(c),
            _ => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| {
                let _ = write!(piece, "={byte:02X}");
            }),
        }
        if word.len() + piece.len() + 2 > room {
            out.push(std::mem::replace(&mut word, BEGIN.to_owned()) + "?=");
            room = LINE_MAX - 2;
        }
        word.push_str(&piece);
    }
    out.push(word + "?=");
    out
}

/// A body as quoted-printable (RFC 2045): lines of at most 76 characters, for transports of seven bits.
pub(super) fn quoted_printable(body: &str) -> String {
    let mut out = String::with_capacity(body.len() * 5 / 4);
    for line in body.split_inclusive("\r\n") {
        let (line, end) = line.strip_suffix("\r\n").map_or((line, ""), |line| (line, "\r\n"));
        let mut column = 0;
        let count = line.len();
        for (place, byte) in line.bytes().enumerate() {
            let is_last = place + 1 == count;
            let is_plain = match byte {
                b' ' | b'\t' => !is_last,
                b'=' => false,
                _ => byte.is_ascii_graphic(),
            };
            let width = if is_plain { 1 } else { 3 };
            if column + width > LINE_MAX - 1 {
                out.push_str("=\r\n");
                column = 0;
            }
            if is_plain {
                out.push(char::from(byte));
            } else {
                let _ = write!(out, "={byte:02X}");
            }
            column += width;
        }
        out.push_str(end);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_encoded_and_folded() {
        let mut out = String::new();
        text(
            "Subject",
            "Prüfung der Übergabe: Zeitplan für die Außenstelle und alles, was danach noch kommt",
            &mut out,
        );
        assert!(out.lines().all(|line| line.len() <= LINE_MAX && line.is_ascii()), "{out}");
        assert!(out.lines().skip(1).all(|line| line.starts_with(' ')), "{out}");
        let mut out = String::new();
        text("Subject", "a\r\nBcc: everybody@example.org", &mut out);
        assert_eq!(out, "Subject: a Bcc: everybody@example.org\r\n");
        assert_eq!(mailbox("O\"Hara, Ann", "a@b.example", false), "\"O\\\"Hara, Ann\" <a@b.example>");
        assert_eq!(mailbox("Jörg", "j@b.example", true), "=?UTF-8?Q?J=C3=B6rg?= <j@b.example>");
    }

    #[test]
    fn quoted_printable_keeps_lines_short_and_ends_safe() {
        let body = format!("{}\r\n= ü \r\n", "word ".repeat(40));
        let out = quoted_printable(&body);
        assert!(out.split("\r\n").all(|line| line.len() <= LINE_MAX), "{out}");
        assert!(out.ends_with("=3D =C3=BC=20\r\n"), "{out}");
    }
}
