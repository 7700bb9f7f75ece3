//! How files are looked after: which are gone on with, set aside or thrown away, and where what is old goes.

use verisim_core::{DecoyPath, FileClass, OwnershipPolicy};

use crate::ledger_index::{Held, State};

/// A log that is longer gets no more lines from us.
const LOG_BYTES_MAX: u32 = 8 << 20;

/// Folders for what is old, in the languages that there are, beside those that are called by a year.
const ARCHIVES: [&str; 9] =
    ["old", "archive", "Archive", "alt", "Archiv", "anciens", "archives", "antiguos", "archivo"];

pub(crate) fn can_edit(held: &Held) -> bool {
    held.state == State::Open
        && held.class.ownership() == OwnershipPolicy::Owned
        && !matches!(
            held.class,
            FileClass::Scratch | FileClass::Manual | FileClass::Record | FileClass::Cache
        )
}

/// Whether nobody goes on with a file of that name: a page that was printed is done, and so is what was set aside.
pub(crate) fn is_done(path: &DecoyPath) -> bool {
    path.as_bytes().ends_with(b".pdf") || is_archive(folder_name(path))
}

pub(crate) fn can_append(held: &Held) -> bool {
    held.class.ownership() == OwnershipPolicy::Append
        && held.class != FileClass::Record
        && held.size < LOG_BYTES_MAX
        && !is_rotated(&held.path)
}

pub(crate) fn can_rename(held: &Held) -> bool {
    matches!(
        held.class,
        FileClass::Note | FileClass::Draft | FileClass::Script | FileClass::Document | FileClass::Spreadsheet
    )
}

pub(crate) fn can_throw_away(held: &Held) -> bool {
    can_rename(held) || matches!(held.class, FileClass::Todo | FileClass::Source | FileClass::Cache)
}

/// Whether a name is that of a log that was rotated: `x.log.1`, `x.log.2.gz`.
fn is_rotated(path: &DecoyPath) -> bool {
    let name = path.file_name().unwrap_or_default();
    let name = name.strip_suffix(b".gz").unwrap_or(name);
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && name[..name.len() - digits].ends_with(b".log.")
}

/// The name of the folder that a file is in.
fn folder_name(path: &DecoyPath) -> &[u8] {
    path.as_bytes().rsplit(|byte| *byte == b'/').nth(1).unwrap_or_default()
}

/// Whether a folder of that name is one for what is old: by a word, or called by a year.
fn is_archive(name: &[u8]) -> bool {
    let is_year = name.len() == 4 && name.starts_with(b"20") && name.iter().all(u8::is_ascii_digit);
    is_year || ARCHIVES.iter().any(|word| word.as_bytes() == name)
}

/// Folders for what is old beside a file: those in which something of the persona's lies already, since a move makes none.
pub(crate) fn archives(seen: &[&Held], file: &DecoyPath) -> Vec<DecoyPath> {
    let Some(home) = file.parent() else { return Vec::new() };
    let folders = seen.iter().filter_map(|held| held.path.parent());
    let mut found: Vec<DecoyPath> = folders
        .filter(|folder| is_archive(folder.file_name().unwrap_or_default()))
        .filter(|folder| folder.parent().is_some_and(|above| above == home))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Adds to a path of a folder one for what is old, as people of this language call it.
pub(crate) fn push_archive(language: crate::Language, year: i16, by_year: bool, path: &mut String) {
    let word = match language {
        crate::Language::English => "old",
        crate::Language::German => "alt",
        crate::Language::French => "anciens",
        crate::Language::Spanish => "antiguos",
    };
    if by_year {
        path.push_str(&year.to_string());
    } else {
        path.push_str(word);
    }
    path.push('/');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_logs_and_archives_are_known_by_their_names() {
        let path = |text: &str| DecoyPath::new(text).unwrap();
        for rotated in ["/a/x.log.1", "/a/x.log.12", "/a/x.log.3.gz"] {
            assert!(is_rotated(&path(rotated)), "{rotated}");
        }
        for other in ["/a/x.log", "/a/x.log.gz", "/a/log.1", "/a/x.log.1a"] {
            assert!(!is_rotated(&path(other)), "{other}");
        }
        for archive in ["/a/2026/x", "/a/old/x", "/a/Archiv/x"] {
            assert!(is_archive(folder_name(&path(archive))), "{archive}");
        }
        for other in ["/a/1999/x", "/a/20266/x", "/a/olds/x", "/2026", "/old"] {
            assert!(!is_archive(folder_name(&path(other))), "{other}");
        }
    }
}
