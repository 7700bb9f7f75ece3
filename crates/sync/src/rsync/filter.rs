//! Which entries of a capture rsync takes up.
//!
//! It walks the capture itself, and follows no link while it does. A list of paths would be safer in nothing: rsync looks each of
//! them up by its name, through whatever link somebody has put into its way by then.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use verisim_core::RelPath;

/// So many files are named one by one; of more, all are looked at, and rsync finds those that are not there.
pub(super) const NAMED_MAX: usize = 1000;

/// Which files of a capture a run takes up.
pub(super) enum Only<'p> {
    /// All.
    All,
    /// These, and all where there are too many of them.
    These(Vec<&'p RelPath>),
    /// All but what stands under these.
    Without(Vec<RelPath>),
}

impl<'p> Only<'p> {
    /// These files alone.
    pub(super) fn these(paths: impl Iterator<Item = &'p RelPath>) -> Self {
        let these: Vec<&RelPath> = paths.take(NAMED_MAX + 1).collect();
        if these.len() <= NAMED_MAX { Self::These(these) } else { Self::All }
    }
}

/// Writes the rules, each with a NUL after it: nothing of ours, all directories, and of the files those that are meant. Opens
/// them from their begin.
pub(super) fn write_rules(file: &Path, only: &Only<'_>) -> io::Result<File> {
    let mut out = io::BufWriter::new(crate::private::create(file)?);
    let mut rule = |kind: &[u8], pattern: &[u8]| {
        out.write_all(kind).and_then(|()| out.write_all(pattern)).and_then(|()| out.write_all(b"\0"))
    };
    rule(b"- ", b"/.verisim/")?;
    match only {
        Only::All => {}
        Only::These(paths) => {
            rule(b"+ ", b"*/")?;
            paths.iter().try_for_each(|path| rule(b"+ ", &pattern(path)))?;
            rule(b"- ", b"*")?;
        }
        Only::Without(paths) => paths.iter().try_for_each(|path| rule(b"- ", &pattern(path)))?,
    }
    out.flush()?;
    File::open(file)
}

/// The pattern that matches this path alone. Backslashes count as such only where there is a wildcard (rsync(1), PATTERN MATCHING
/// RULES).
fn pattern(path: &RelPath) -> Vec<u8> {
    let bytes = path.as_bytes();
    let is_wild = bytes.iter().any(|byte| b"*?[".contains(byte));
    let mut out = vec![b'/'];
    for byte in bytes {
        if is_wild && b"*?[\\".contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_its_path_alone() {
        for (path, expected) in [
            ("d/plain", "/d/plain"),
            ("back\\slash", "/back\\slash"),
            ("*?[a]{b}", "/\\*\\?\\[a]{b}"),
            ("b\\*", "/b\\\\\\*"),
        ] {
            assert_eq!(pattern(&RelPath::new(path).unwrap()), expected.as_bytes());
        }
    }

    #[test]
    fn of_too_many_all_are_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<RelPath> = (0..=NAMED_MAX).map(|n| RelPath::new(format!("{n}")).unwrap()).collect();
        let rules = |count| {
            write_rules(&dir.path().join("r"), &Only::these(paths.iter().take(count))).unwrap();
            std::fs::read(dir.path().join("r")).unwrap()
        };
        assert_eq!(rules(1), b"- /.verisim/\0+ */\0+ /0\0- *\0");
        assert_eq!(rules(paths.len()), b"- /.verisim/\0");
    }
}
