//! Patterns for names: `*`, `?`, and `**` for any number of folders.

use std::fmt;

use verisim_core::RelPath;

/// The longest pattern, in bytes.
const BYTES_MAX: usize = 256;

/// A pattern for paths. Without a slash it stands for any one name of a path, with one for the whole path. Letters match
/// in either case (ASCII), since names that differ in case alone mean the same to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    parts: Vec<Vec<u8>>,
}

impl Glob {
    /// The pattern that `text` is.
    ///
    /// # Errors
    /// When it is empty, absolute, has empty parts or is longer than 256 bytes; says which.
    pub fn new(text: &str) -> Result<Self, String> {
        let parts: Vec<Vec<u8>> =
            text.split('/').map(|part| part.to_ascii_lowercase().into_bytes()).collect();
        if text.is_empty() || text.len() > BYTES_MAX {
            return Err(format!("a pattern has 1 to {BYTES_MAX} bytes"));
        }
        if parts.iter().any(Vec::is_empty) {
            return Err(format!("{text:?} is no pattern of paths inside a capture: it has an empty part"));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// Whether the path is meant.
    #[must_use]
    pub fn matches(&self, path: &RelPath) -> bool {
        if let [only] = self.parts.as_slice()
            && only != b"**"
        {
            // What stands above it is an entry of its own.
            return path.components().next_back().is_some_and(|name| part_matches(only, name));
        }
        // Which beginnings of the pattern the names so far have used up.
        let mut reached = vec![false; self.parts.len() + 1];
        reached[0] = true;
        self.skip_any(&mut reached);
        for name in path.components() {
            let mut next = vec![false; reached.len()];
            for (at, part) in self.parts.iter().enumerate() {
                if part == b"**" {
                    next[at] |= reached[at];
                } else if reached[at] && part_matches(part, name) {
                    next[at + 1] = true;
                }
            }
            self.skip_any(&mut next);
            reached = next;
        }
        reached.last() == Some(&true)
    }

    /// `**` may stand for no folder at all.
    fn skip_any(&self, reached: &mut [bool]) {
        for (at, part) in self.parts.iter().enumerate() {
            if part == b"**" && reached[at] {
                reached[at + 1] = true;
            }
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether one name fits one part. Takes at most the product of the two lengths.
fn part_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where the last `*` stands, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(n) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some(b'?') => {
                p += 1;
                n += 1;
                // One character, not one byte of it.
                while name.get(n).is_some_and(|byte| byte & 0xc0 == 0x80) {
                    n += 1;
                }
                continue;
            }
            Some(wanted) if *wanted == byte.to_ascii_lowercase() => {
                p += 1;
                n += 1;
                continue;
            }
            _ => {}
        }
        let Some((at, taken)) = star else { return false };
        star = Some((at, taken + 1));
        p = at + 1;
        n = taken + 1;
    }
    pattern[p.min(pattern.len())..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, path: &[u8]) -> bool {
        Glob::new(pattern).unwrap().matches(&RelPath::new(path).unwrap())
    }

    #[test]
    fn patterns_mean_what_people_write() {
        for (pattern, path, expected) in [
            ("*.tmp", &b"a/b/c.TMP"[..], true),
            ("*.tmp", b"a.tmp/c", false),
            ("~$*", b"doc/~$report.docx", true),
            ("core", b"a/core", true),
            ("core", b"a/score", false),
            ("a/*.txt", b"a/b.txt", true),
            ("a/*.txt", b"a/b/c.txt", false),
            ("**/cache/**", b"x/cache/y/z", true),
            ("**/cache/**", b"x/cash/y/z", false),
            ("a/**/z", b"a/z", true),
            ("a/**/z", b"a/b/c/z", true),
            ("?.x", "ä.x".as_bytes(), true),
            ("??.x", "ä.x".as_bytes(), false),
            ("*\u{fffd}*", b"a\xffb", false),
            ("a*b*c", b"aXbYbc", true),
            ("**", b"a/b", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path:?}");
        }
        for bad in ["", "/a", "a//b", "a/", &"x".repeat(300)] {
            assert!(Glob::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = "*a".repeat(127) + "b";
        assert!(!matches(&pattern, &[b'a'; 255]));
        let pattern = "**/a/".repeat(50) + "b";
        assert!(!matches(&pattern, "a/".repeat(2000).trim_end_matches('/').as_bytes()));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_a_name_matches_itself(name in "[a-z0-9][a-z0-9 .]{0,30}", bytes in proptest::collection::vec(1_u8..=255, 1..40)) {
            prop_assert!(matches(&name, name.as_bytes()));
            if let (Ok(path), Ok(glob)) = (RelPath::new(&bytes), Glob::new("*a?*/**/b*")) {
                let _ = glob.matches(&path);
            }
        }
    }
}
