//! Names that a destination's file system does not take, or takes for others.

use std::hash::{BuildHasher as _, RandomState};

use unicode_normalization::UnicodeNormalization as _;
use verisim_core::{CancellationToken, Failure, FailureKind, RelPath, Severity};

use super::OPERATION;
use super::collect::Collected;
use crate::tree::{Item, Kind};

/// What names a file system takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameProfile {
    /// Windows, and shares of it or that behave like it (SMB).
    Windows,
    /// FAT32, as on sticks and memory cards.
    Fat,
    /// Linux and other Unixes.
    Posix,
    /// Object stores.
    S3,
}

/// The longest file that FAT32 takes, in bytes.
const FAT_BYTES_MAX: u64 = (1 << 32) - 1;
/// The longest path that every program on Windows opens, its drive included (`MAX_PATH`).
const WINDOWS_PATH_UNITS_MAX: usize = 259;
/// `PATH_MAX` of Linux, without the NUL. One name is never too long: a capture has none of more than 255 bytes, and no file
/// system of these takes less.
const POSIX_PATH_BYTES_MAX: usize = 4095;
/// The longest key of S3, in bytes (Amazon S3, "Naming Amazon S3 objects").
const S3_KEY_BYTES_MAX: usize = 1024;

impl NameProfile {
    /// The profile of this name in a configuration.
    ///
    /// # Errors
    /// When there is none; says which there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "windows" | "smb" => Self::Windows,
            "fat" => Self::Fat,
            "posix" => Self::Posix,
            "s3" => Self::S3,
            other => return Err(format!("{other:?} is none of windows, smb, fat, posix, s3")),
        })
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Windows => "Windows",
            Self::Fat => "FAT",
            Self::Posix => "Unix",
            Self::S3 => "an object store",
        }
    }

    /// Whether names that differ only in case or in how accents are composed are one name there. Windows keeps compositions
    /// apart, but many servers and clients between here and there do not.
    const fn folds(self) -> bool {
        matches!(self, Self::Windows | Self::Fat)
    }
}

const RENAME: &str = "rename it";

/// Looks at every name. `above` is the folder at the destination.
pub(super) fn look(
    profile: NameProfile,
    items: &[Item],
    above: &RelPath,
    found: &mut Collected,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let prefix = above.as_bytes().len() + 1;
    for item in items {
        stop_if(cancel)?;
        let name = item.path.components().next_back().unwrap_or_default();
        if let Some(what) = illegal(profile, name) {
            found.add(Severity::Hard, Some(&item.path), &what, RENAME);
        }
        if let Some((severity, what)) = too_long(profile, &item.path, prefix) {
            found.add(severity, Some(&item.path), &what, "shorten its name, or that of a folder above it");
        }
        if profile == NameProfile::Fat && item.kind == Kind::File && item.stamp.size > FAT_BYTES_MAX {
            found.add(Severity::Hard, Some(&item.path), "is too large for FAT32", "split it, or use exFAT");
        }
    }
    if profile.folds() { collisions(profile, items, found, cancel) } else { Ok(()) }
}

pub(super) fn stop_if(cancel: &CancellationToken) -> Result<(), Failure> {
    match cancel.is_cancelled() {
        true => Err(Failure::new(FailureKind::Cancelled, OPERATION, "stopped")),
        false => Ok(()),
    }
}

/// Why a name cannot be there.
fn illegal(profile: NameProfile, name: &[u8]) -> Option<String> {
    let there = profile.title();
    if profile == NameProfile::Posix {
        return None;
    }
    let Ok(text) = std::str::from_utf8(name) else {
        return Some(format!("is not UTF-8, and {there} has no such name"));
    };
    if profile == NameProfile::S3 {
        return text
            .chars()
            .any(char::is_control)
            .then(|| format!("has a control character, which {there} garbles"));
    }
    if let Some(bad) = text.chars().find(|c| matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*' | '\\')) {
        return Some(format!("has the character {bad}, which {there} does not allow"));
    }
    if text.chars().any(|c| c < ' ') {
        return Some(format!("has a control character, which {there} does not allow"));
    }
    if text.ends_with(['.', ' ']) {
        return Some(format!("ends with a dot or a space, which {there} drops"));
    }
    is_reserved(text).then(|| format!("is the name of a device on {there}"))
}

/// Names that stand for devices, with any extension (Microsoft, "Naming Files, Paths, and Namespaces").
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end_matches(' ').to_ascii_uppercase();
    let numbered = |port: &str| {
        stem.strip_prefix(port).is_some_and(|number| {
            let mut digits = number.chars();
            matches!((digits.next(), digits.next()), (Some('1'..='9' | '¹' | '²' | '³'), None))
        })
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || numbered("COM")
        || numbered("LPT")
}

/// Whether a path is too long there. `prefix` is how much stands before it, in bytes.
fn too_long(profile: NameProfile, path: &RelPath, prefix: usize) -> Option<(Severity, String)> {
    let bytes = prefix + path.as_bytes().len();
    match profile {
        NameProfile::Windows | NameProfile::Fat => {
            let units = prefix + String::from_utf8_lossy(path.as_bytes()).encode_utf16().count();
            // A share may take it all the same; many programs there will not open it.
            (units > WINDOWS_PATH_UNITS_MAX).then(|| {
                let what = format!(
                    "has a path of more than {WINDOWS_PATH_UNITS_MAX} characters, which many programs on Windows do not open"
                );
                (Severity::Warning, what)
            })
        }
        NameProfile::Posix => (bytes > POSIX_PATH_BYTES_MAX)
            .then(|| (Severity::Hard, format!("has a path of more than {POSIX_PATH_BYTES_MAX} bytes"))),
        NameProfile::S3 => (bytes > S3_KEY_BYTES_MAX)
            .then(|| (Severity::Hard, format!("has a path of more than {S3_KEY_BYTES_MAX} bytes"))),
    }
}

/// Names in one folder that are one name there.
fn collisions(
    profile: NameProfile,
    items: &[Item],
    found: &mut Collected,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    // Sixteen bytes for each entry, however long the names are; with keys that whoever chose the names does not know.
    let keys = RandomState::new();
    let mut folds: Vec<(u64, u32)> = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        stop_if(cancel)?;
        if let (Some(folded), Ok(at)) = (fold(&item.path), u32::try_from(at)) {
            folds.push((keys.hash_one(folded), at));
        }
    }
    folds.sort_unstable();
    let mut same = Vec::new();
    for alike in folds.chunk_by(|left, right| left.0 == right.0).filter(|alike| alike.len() > 1) {
        let at = |at: u32| usize::try_from(at).ok().and_then(|at| items.get(at));
        let Some(first) = alike.first().and_then(|(_, first)| at(*first)) else { continue };
        let others = alike.iter().skip(1).filter_map(|(_, other)| at(*other));
        same.extend(
            others.filter(|other| fold(&other.path) == fold(&first.path)).map(|other| (other, first)),
        );
    }
    // In the order of the names, so that the same is told at every look.
    same.sort_unstable_by(|left, right| left.0.path.cmp(&right.0.path));
    for (other, first) in same {
        stop_if(cancel)?;
        let name = first.path.components().next_back().unwrap_or_default();
        let name = RelPath::new(name).map_or_else(|_| first.path.to_string(), |name| name.to_string());
        let there = profile.title();
        let what = format!("is the same name as {name} on {there}: only one of the two would arrive");
        found.add(Severity::Hard, Some(&other.path), &what, "rename one of the two");
    }
    Ok(())
}

/// The path with its last name as it is compared there; the folders above as they stand, so that those below two folders
/// that collide are not told as well.
fn fold(path: &RelPath) -> Option<String> {
    let text = std::str::from_utf8(path.as_bytes()).ok()?;
    let (above, name) = text.rsplit_once('/').unwrap_or(("", text));
    let name: String = name.nfc().flat_map(char::to_lowercase).nfc().collect();
    Some(format!("{above}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Stamp;

    fn found(profile: NameProfile, names: &[&[u8]]) -> Vec<(String, String)> {
        let item = |name: &&[u8]| Item::file(RelPath::new(*name).unwrap(), Stamp::new(1, 0, 1));
        let mut items: Vec<Item> = names.iter().map(item).collect();
        items.sort_by(|left, right| left.path.cmp(&right.path));
        let mut found = Collected::new(&"names".parse().unwrap(), Severity::Hard);
        let above = RelPath::new("lab/run").unwrap();
        look(profile, &items, &above, &mut found, &CancellationToken::new()).unwrap();
        let findings = found.finish().map(|found| found.findings).unwrap_or_default();
        findings.into_iter().map(|finding| (finding.path.unwrap(), finding.what)).collect()
    }

    #[test]
    fn names_that_windows_does_not_take_are_told_and_others_are_not() {
        for bad in [
            &b"a:b"[..],
            b"a?",
            b"x/y*",
            b"back\\slash",
            b"two\nlines",
            b"dot.",
            b"space ",
            b"CON",
            b"x/nul.txt",
            b"com1",
            "LPT².log".as_bytes(),
            b"a\xff",
            b"aux .txt",
            b"con .. .txt",
        ] {
            assert_eq!(found(NameProfile::Windows, &[bad]).len(), 1, "{}", String::from_utf8_lossy(bad));
        }
        for good in [&b"console"[..], b"com0", b"com10", b".hidden", b"a.b", b"nul-1"] {
            assert_eq!(found(NameProfile::Windows, &[good]), [], "{}", String::from_utf8_lossy(good));
        }
    }

    #[test]
    fn names_that_are_one_name_there_are_told_once_and_not_their_children() {
        let composed = "caf\u{e9}";
        let decomposed = "cafe\u{301}";
        let names: [&[u8]; 7] =
            [b"Run", b"Run/a", b"run", b"run/a", composed.as_bytes(), decomposed.as_bytes(), b"other/run"];
        let told = found(NameProfile::Windows, &names);
        let paths: Vec<&str> = told.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, [composed, "run"], "{told:?}");
        assert!(told[1].1.contains("as Run on Windows"), "{told:?}");
        assert_eq!(found(NameProfile::Posix, &names), []);
        assert_eq!(found(NameProfile::S3, &names), []);
        let many: Vec<Vec<u8>> = (0..64_u32)
            .map(|bits| (0..6).map(|at| if bits >> at & 1 == 0 { b'a' + at } else { b'A' + at }).collect())
            .collect();
        let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
        let told = found(NameProfile::Fat, &many);
        assert_eq!(told, found(NameProfile::Fat, &many), "the same at every look");
        assert_eq!(told.len(), verisim_core::FINDINGS_KEPT_MAX);
    }

    #[test]
    fn what_is_too_long_or_no_text_is_told_where_that_matters() {
        let long =
            ["a".repeat(250), "b".repeat(250), "c".repeat(250), "d".repeat(250), "e".repeat(60)].join("/");
        assert_eq!(found(NameProfile::S3, &[long.as_bytes()]).len(), 1);
        assert_eq!(found(NameProfile::Posix, &[long.as_bytes(), b"a\xff"]), []);
        assert!(found(NameProfile::Windows, &[long.as_bytes()])[0].1.contains("259"));
        assert_eq!(found(NameProfile::S3, &[b"a\xff", b"a\x07b", b"a:b"]).len(), 2);
    }
}
