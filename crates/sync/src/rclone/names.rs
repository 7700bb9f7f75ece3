//! Names as rclone writes and shows them.
//!
//! It shows every name in one form, in which control characters, DEL and a few others are replaced by look-alikes, and look-alikes
//! are quoted. A backend replaces what its storage does not take, by its own list (`encoding` in rclone.conf), and gives
//! everything else its own bytes back; a backend without a list stores the form that is shown. So a name arrives as it is, or
//! it is stored under another one without a word. The second is found out here, before anything is sent.

/// Stands before a look-alike that is meant as it is.
const QUOTE: char = '\u{201b}';
/// The look-alike of NUL; those of the other control characters follow.
const SYMBOLS: u32 = 0x2400;
/// From a printable ASCII character to its full-width look-alike.
const FULL_WIDTH: u32 = 0xFEE0;
/// What stands for characters in an encoding, and which.
const CHARACTERS: [(&str, &str); 16] = [
    ("Slash", "/"),
    ("LtGt", "<>"),
    ("SquareBracket", "[]"),
    ("Semicolon", ";"),
    ("DoubleQuote", "\""),
    ("SingleQuote", "'"),
    ("BackQuote", "`"),
    ("Dollar", "$"),
    ("Colon", ":"),
    ("Question", "?"),
    ("Asterisk", "*"),
    ("Pipe", "|"),
    ("Hash", "#"),
    ("Percent", "%"),
    ("BackSlash", "\\"),
    ("Exclamation", "!"),
];
const BLANKS: &str = "\t\n\u{b}\r";

/// What a backend replaces in names (rclone's documentation, "Restricted filenames").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Encoding {
    replaced: String,
    first: String,
    last: String,
    controls: bool,
    line_ends: bool,
    delete: bool,
    dots: bool,
    not_utf8: bool,
    is_raw: bool,
}

/// How names get to a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Naming {
    /// As rclone shows them.
    Literal,
    /// As they are, but for what the encoding replaces.
    Encoded(Encoding),
}

impl Encoding {
    /// The form in which rclone shows names.
    fn shown() -> Self {
        Self { replaced: "/".into(), controls: true, delete: true, dots: true, ..Self::default() }
    }

    /// Reads an encoding as the configuration has it: `Slash,InvalidUtf8,Dot`. `None` where a word is not known.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut out = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            if let Some((_, characters)) = CHARACTERS.iter().find(|(known, _)| *known == word) {
                out.replaced.push_str(characters);
                continue;
            }
            match word {
                "None" => {}
                "Raw" => out.is_raw = true,
                "Ctl" => out.controls = true,
                "CrLf" => out.line_ends = true,
                "Del" => out.delete = true,
                "Dot" => out.dots = true,
                "InvalidUtf8" => out.not_utf8 = true,
                "LeftSpace" => out.first.push(' '),
                "LeftPeriod" => out.first.push('.'),
                "LeftTilde" => out.first.push('~'),
                "LeftCrLfHtVt" => out.first.push_str(BLANKS),
                "RightSpace" => out.last.push(' '),
                "RightPeriod" => out.last.push('.'),
                "RightCrLfHtVt" => out.last.push_str(BLANKS),
                _ => return None,
            }
        }
        Some(out)
    }

    /// Whether a name stays as it is.
    fn leaves(&self, name: &[u8]) -> bool {
        if self.is_raw {
            return true;
        }
        let text = String::from_utf8_lossy(name);
        if self.not_utf8 && std::str::from_utf8(name).is_err() {
            return false;
        }
        let ends = (text.chars().next(), text.chars().next_back());
        if let (Some(first), Some(last)) = ends
            && (replaces(&self.first, first) || replaces(&self.last, last))
        {
            return false;
        }
        let is_dots = matches!(&*text, "." | ".." | "\u{ff0e}" | "\u{ff0e}\u{ff0e}");
        let is_touched = (self.dots && is_dots) || text.chars().any(|c| self.concerns(c));
        !is_touched
    }

    /// Whether a character is replaced or quoted wherever it stands.
    fn concerns(&self, c: char) -> bool {
        let number = u32::from(c);
        let control = number.checked_sub(SYMBOLS).unwrap_or(number);
        c == QUOTE
            || number == 0
            || number == SYMBOLS
            || replaces(&self.replaced, c)
            || (self.controls && (1..0x20).contains(&control))
            || (self.line_ends && (control == 0x0a || control == 0x0d))
            || (self.delete && (number == 0x7f || number == SYMBOLS + 0x21))
    }
}

/// Whether it is one of these, or the look-alike of one.
fn replaces(these: &str, c: char) -> bool {
    these.chars().any(|one| {
        let number = u32::from(one);
        let twin = if number <= 0x20 { SYMBOLS + number } else { FULL_WIDTH + number };
        c == one || u32::from(c) == twin
    })
}

impl Naming {
    /// Whether a name of a file or a folder is the same on the remote.
    pub(super) fn carries(&self, name: &[u8]) -> bool {
        match self {
            Self::Literal => Encoding::shown().leaves(name),
            Self::Encoded(encoding) => encoding.leaves(name),
        }
    }

    /// The path that rclone shows as this.
    pub(super) fn native(&self, shown: &[u8]) -> Vec<u8> {
        match self {
            Self::Literal => shown.to_vec(),
            Self::Encoded(_) => unshow(shown),
        }
    }
}

/// A path as rclone shows it, for lists and arguments.
pub(super) fn show(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            let number = u32::from(c);
            let shown = match c {
                '\u{1}'..='\u{1f}' => char::from_u32(SYMBOLS + number),
                '\u{7f}' => char::from_u32(SYMBOLS + 0x21),
                '\u{2400}'..='\u{241f}' | '\u{2421}' | '\u{ff0f}' | QUOTE => {
                    push(&mut out, QUOTE);
                    Some(c)
                }
                c => Some(c),
            };
            push(&mut out, shown.unwrap_or(c));
        }
        out.extend_from_slice(chunk.invalid());
    }
    out
}

/// A path in its own bytes, from what rclone shows.
pub(super) fn unshow(shown: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(shown.len());
    let mut is_quoted = false;
    for chunk in shown.utf8_chunks() {
        for c in chunk.valid().chars() {
            let was_quoted = std::mem::take(&mut is_quoted);
            let number = u32::from(c);
            let meant = match c {
                QUOTE if !was_quoted => {
                    is_quoted = true;
                    continue;
                }
                QUOTE => QUOTE,
                '\u{2400}'..='\u{241f}' | '\u{2421}' | '\u{ff0f}' if was_quoted => c,
                '\u{2400}'..='\u{241f}' => char::from_u32(number - SYMBOLS).unwrap_or(c),
                '\u{2421}' => '\u{7f}',
                '\u{ff0f}' => '/',
                c => {
                    if was_quoted {
                        push(&mut out, QUOTE);
                    }
                    c
                }
            };
            push(&mut out, meant);
        }
        if is_quoted && !chunk.invalid().is_empty() {
            is_quoted = false;
            push(&mut out, QUOTE);
        }
        out.extend_from_slice(chunk.invalid());
    }
    if is_quoted {
        push(&mut out, QUOTE);
    }
    out
}

fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [(&[u8], bool, bool, bool); 12] = [
        // The name, and whether it gets to SFTP, to a folder of this machine, and to S3 as it is.
        (b"plain", true, true, true),
        (b"two\nlines", false, true, true),
        (b"\x7f", false, true, true),
        (b" first and last ", true, true, true),
        (b"back\\slash", true, true, true),
        (b"\xff\xfe", true, true, false),
        ("\u{240a}".as_bytes(), false, true, true),
        ("quote \u{201b}".as_bytes(), false, false, false),
        ("\u{ff0f}".as_bytes(), false, false, false),
        ("caf\u{e9}".as_bytes(), true, true, true),
        ("cafe\u{301}".as_bytes(), true, true, true),
        ("\u{ff0e}".as_bytes(), false, false, false),
    ];

    #[test]
    fn what_a_remote_would_rename_is_known_before() {
        let local = Naming::Encoded(Encoding::parse("Slash,Dot").unwrap());
        let s3 = Naming::Encoded(Encoding::parse("Slash,InvalidUtf8,Dot").unwrap());
        for (name, sftp, folder, object) in NAMES {
            let found = (Naming::Literal.carries(name), local.carries(name), s3.carries(name));
            assert_eq!(found, (sftp, folder, object), "{}", String::from_utf8_lossy(name));
        }
        let windows = Naming::Encoded(
            Encoding::parse("Slash,LtGt,Colon,BackSlash,RightSpace,RightPeriod,LeftSpace,Ctl").unwrap(),
        );
        for name in ["a<b", "C:", "a\\b", "end ", "end.", " first", "\u{1}", "\u{ff1c}", "\u{2420}"] {
            assert!(!windows.carries(name.as_bytes()), "{name}");
        }
        assert!(windows.carries(b"a b.c") && windows.carries(b".hidden"));
        assert_eq!(Encoding::parse("Slash,0x40"), None);
        assert!(Naming::Encoded(Encoding::parse("Raw").unwrap()).carries("\u{201b}".as_bytes()));
    }

    #[test]
    fn names_are_shown_as_rclone_shows_them() {
        for (name, shown) in [
            ("two\nlines", "two\u{240a}lines"),
            ("\u{240a}", "\u{201b}\u{240a}"),
            ("\u{201b}", "\u{201b}\u{201b}"),
            ("d/\u{7f}", "d/\u{2421}"),
            ("plain caf\u{e9}", "plain caf\u{e9}"),
        ] {
            assert_eq!(show(name.as_bytes()), shown.as_bytes());
            assert_eq!(unshow(shown.as_bytes()), name.as_bytes());
        }
        // A quote before nothing that could be quoted stands for itself.
        assert_eq!(unshow("\u{201b}x\u{201b}".as_bytes()), "\u{201b}x\u{201b}".as_bytes());
    }

    proptest! {
        #[test]
        fn every_name_comes_back(parts in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(1_u8..=255, 0..4),
                prop_oneof![Just(QUOTE), Just('\u{2400}'), Just('\u{240a}'), Just('\u{2421}'), Just('\u{ff0f}'), any::<char>()]
                    .prop_map(|c| c.to_string().into_bytes()),
            ], 0..8)) {
            let name: Vec<u8> = parts.concat().into_iter().filter(|byte| *byte != 0).collect();
            prop_assert_eq!(&unshow(&show(&name)), &name);
            prop_assert!(!show(&name).contains(&b'\n'));
            let encoding = Naming::Encoded(Encoding::parse("Slash,Dot").unwrap());
            prop_assert_eq!(encoding.native(&show(&name)), name);
        }
    }
}
