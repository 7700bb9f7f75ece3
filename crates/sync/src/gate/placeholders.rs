//! Placeholders that nobody filled in, in names and in small text files.

use std::io::Read as _;

use memchr::memmem;
use rustix::fs::OFlags;
use verisim_core::{CancellationToken, Failure, RelPath, Severity};

use super::collect::Collected;
use super::glob::Glob;
use super::names::stop_if;
use crate::tree::{Item, Kind, Root};

/// How far the two ends of a placeholder may be apart, in bytes.
const INNER_BYTES_MAX: usize = 200;
/// How much of a file is looked at to tell whether it is text.
const TEXT_BYTES: usize = 8192;
/// How much of all files together is read in one look.
const READ_BYTES_MAX: u64 = 256 << 20;
/// The longest placeholder, in bytes.
const PATTERN_BYTES_MAX: usize = 100;
/// The largest file that may be asked for.
pub const SCAN_BYTES_MAX: u64 = 16 << 20;

const FILL: &str = "fill it in, or take it out";

/// A placeholder: a literal, or with one `*` everything from what stands before it to what stands after it, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    begin: String,
    end: Option<String>,
}

impl Placeholder {
    /// The placeholder that `text` is.
    ///
    /// # Errors
    /// When it is shorter than two bytes or longer than 100, has a line end or more than one `*`, or a `*` at an end.
    pub fn new(text: &str) -> Result<Self, String> {
        if !(2..=PATTERN_BYTES_MAX).contains(&text.len()) || text.contains(['\n', '\r']) {
            return Err(format!("a placeholder has 2 to {PATTERN_BYTES_MAX} bytes on one line"));
        }
        match text.split_once('*') {
            None => Ok(Self { begin: text.to_owned(), end: None }),
            Some((begin, end)) if begin.is_empty() || end.is_empty() || end.contains('*') => {
                Err(format!("{text:?}: one `*` stands between what begins and what ends a placeholder"))
            }
            Some((begin, end)) => Ok(Self { begin: begin.to_owned(), end: Some(end.to_owned()) }),
        }
    }

    /// Where it stands first.
    fn find(&self, text: &[u8]) -> Option<usize> {
        let Some(end) = &self.end else { return memmem::find(text, self.begin.as_bytes()) };
        memmem::find_iter(text, self.begin.as_bytes()).find(|at| {
            let inner = &text[at + self.begin.len()..];
            let inner = &inner[..inner.len().min(INNER_BYTES_MAX + end.len())];
            let inner = &inner[..memchr::memchr(b'\n', inner).unwrap_or(inner.len())];
            memmem::find(inner, end.as_bytes()).is_some()
        })
    }

    fn shown(&self) -> String {
        format!("{}{}", self.begin, self.end.as_ref().map_or_else(String::new, |end| format!("..{end}")))
    }
}

/// What is looked for, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholders {
    /// The placeholders.
    pub patterns: Vec<Placeholder>,
    /// The files that are looked into; empty for every text file.
    pub files: Vec<Glob>,
    /// Larger files are not looked into, in bytes; at most [`SCAN_BYTES_MAX`] counts.
    pub scan_bytes_max: u64,
}

/// Looks at names and into files.
pub(super) fn look(
    asked: &Placeholders,
    root: &Root,
    items: &[Item],
    found: &mut Collected,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let largest = asked.scan_bytes_max.min(SCAN_BYTES_MAX);
    let (mut left, mut unread) = (READ_BYTES_MAX, 0_u64);
    for item in items {
        stop_if(cancel)?;
        let name = item.path.components().next_back().unwrap_or_default();
        for pattern in asked.patterns.iter().filter(|pattern| pattern.find(name).is_some()) {
            let what = format!("has the placeholder {} in its name", pattern.shown());
            found.add(Severity::Hard, Some(&item.path), &what, "rename it");
        }
        let is_meant = asked.files.is_empty() || asked.files.iter().any(|glob| glob.matches(&item.path));
        if item.kind != Kind::File || !is_meant || item.stamp.size == 0 || item.stamp.size > largest {
            continue;
        }
        if item.stamp.size > left {
            unread += 1;
            continue;
        }
        left -= item.stamp.size;
        look_into(asked, root, item, found);
    }
    if unread > 0 {
        let what = format!(
            "{unread} files were not looked into: a look reads {} MiB of small files at the most",
            READ_BYTES_MAX >> 20
        );
        found.add(Severity::Warning, None, &what, "name fewer with `files`, or set `scan_max` lower");
    }
    Ok(())
}

fn look_into(asked: &Placeholders, root: &Root, item: &Item, found: &mut Collected) {
    let text = match read(root, &item.path, item.stamp.size) {
        Ok(text) => text,
        // It went away: the capture is looked at again before anything is pushed.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => {
            let what = format!("cannot be looked into: {}", error.kind());
            return found.add(Severity::Hard, Some(&item.path), &what, "make it readable for Verisim");
        }
    };
    // What is no text has no placeholders that anybody forgot.
    if memchr::memchr(0, &text[..text.len().min(TEXT_BYTES)]).is_some() {
        return;
    }
    for pattern in &asked.patterns {
        if let Some(at) = pattern.find(&text) {
            let line = memchr::memchr_iter(b'\n', &text[..at]).count() + 1;
            let what = format!("has the placeholder {} in line {line}", pattern.shown());
            found.add(Severity::Hard, Some(&item.path), &what, FILL);
        }
    }
}

/// What a small file holds; never more than the size that it had when it was listed.
fn read(root: &Root, path: &RelPath, size: u64) -> std::io::Result<Vec<u8>> {
    let file = root.open_file(path.as_bytes(), OFlags::empty())?;
    // What stands there now may be something else, which would never end.
    if !file.metadata()?.is_file() {
        return Err(std::io::ErrorKind::NotFound.into());
    }
    let mut text = Vec::new();
    file.take(size).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::tree::walk;

    fn patterns(texts: &[&str]) -> Vec<Placeholder> {
        texts.iter().map(|text| Placeholder::new(text).unwrap()).collect()
    }

    fn found(dir: &std::path::Path, scan_bytes_max: u64, files: &[&str]) -> Vec<(Option<String>, String)> {
        let asked = Placeholders {
            patterns: patterns(&["{{*}}", "TODO_FILL"]),
            files: files.iter().map(|glob| Glob::new(glob).unwrap()).collect(),
            scan_bytes_max,
        };
        let root = Root::open(dir).unwrap();
        let items = walk(&root).unwrap();
        let mut found = Collected::new(&"unfilled".parse().unwrap(), Severity::Hard);
        look(&asked, &root, &items, &mut found, &CancellationToken::new()).unwrap();
        let findings = found.finish().map(|found| found.findings).unwrap_or_default();
        findings.into_iter().map(|finding| (finding.path, finding.what)).collect()
    }

    #[test]
    fn placeholders_in_names_and_in_text_are_told_with_their_line() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &[u8]| std::fs::write(dir.path().join(name), text).unwrap();
        write("sheet.csv", b"sample,project\n1,{{project}}\n");
        write("notes.txt", b"\xff\xfe TODO_FILL");
        write("fine.txt", b"{ {a} } {{ on one line,\nnot on two }} TODO");
        write("image.bin", b"\0\0{{x}}");
        write("{{sample}}.txt", b"");
        write("far.txt", &[b"{{".as_slice(), &[b'x'; 300], b"}}"].concat());
        let told = found(dir.path(), 1 << 20, &[]);
        let shown: Vec<(&str, &str)> =
            told.iter().map(|(path, what)| (path.as_deref().unwrap(), what.as_str())).collect();
        assert_eq!(
            shown,
            [
                ("notes.txt", "has the placeholder TODO_FILL in line 1"),
                ("sheet.csv", "has the placeholder {{..}} in line 2"),
                ("{{sample}}.txt", "has the placeholder {{..}} in its name"),
            ]
        );
        assert_eq!(found(dir.path(), 1 << 20, &["*.csv"]).len(), 2, "the name counts all the same");
        assert_eq!(found(dir.path(), 5, &[]).len(), 1);
    }

    #[test]
    fn inv_7_what_a_hostile_capture_holds_neither_stops_nor_misleads_the_look() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("secret"), "{{x}}").unwrap();
        symlink(outside.path().join("secret"), dir.path().join("link")).unwrap();
        symlink(outside.path(), dir.path().join("folder")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("pipe"),
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
        // One line, and every byte of it could begin a placeholder.
        std::fs::write(dir.path().join("braces"), vec![b'{'; 1 << 20]).unwrap();
        std::fs::write(dir.path().join("huge"), vec![b'x'; (1 << 20) + 1]).unwrap();
        assert_eq!(found(dir.path(), 1 << 20, &[]), []);
        // What was a file when it was listed is a pipe when it is opened.
        let root = Root::open(dir.path()).unwrap();
        let mut items = walk(&root).unwrap();
        items.retain(|item| item.path.as_bytes() == b"pipe" || item.path.as_bytes() == b"link");
        for item in &mut items {
            (item.kind, item.stamp.size) = (Kind::File, 10);
        }
        let asked = Placeholders { patterns: patterns(&["{{*}}"]), files: Vec::new(), scan_bytes_max: 100 };
        let mut found = Collected::new(&"unfilled".parse().unwrap(), Severity::Hard);
        look(&asked, &root, &items, &mut found, &CancellationToken::new()).unwrap();
        let findings = found.finish().unwrap().findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(
            findings[0].path.as_deref() == Some("link")
                && findings[0].what.starts_with("cannot be looked into")
        );
    }

    #[test]
    fn only_what_can_be_told_from_text_is_a_placeholder() {
        for bad in ["", "x", "*", "{{*", "*}}", "a*b*c", "a\nb", &"x".repeat(101)] {
            assert!(Placeholder::new(bad).is_err(), "{bad:?}");
        }
    }
}
