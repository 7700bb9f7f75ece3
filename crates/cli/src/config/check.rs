//! What only the whole shows: names that are given twice, and folders that overlap.

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use super::read::Reader;
use super::section::Section;
use crate::error::show;

/// Notes entries whose text under `key` was given before.
pub(super) fn once(what: &str, key: &str, entries: &[Section<'_>]) {
    let mut seen = HashSet::new();
    for entry in entries {
        let Some(name) = entry.peek(key) else { continue };
        if !seen.insert(name) {
            let text = format!("the {what} `{}` is named a second time", verisim_core::printable(name));
            entry.mistake(entry.place_of(key), text, format!("give every {what} a name of its own"));
        }
    }
}

/// Whether a text can name a folder as it stands. What a shell would make of it is nobody's work here.
pub(super) fn folder(text: &str) -> Result<(), String> {
    let shell_name = |part: &str| {
        part.strip_prefix('$')
            .is_some_and(|rest| rest.starts_with(|c: char| c == '{' || c == '_' || c.is_ascii_alphabetic()))
    };
    if text.trim().is_empty() {
        return Err("the path is blank".into());
    }
    if text.trim() != text {
        return Err(format!("{text:?} begins or ends with a blank"));
    }
    if text.contains('\0') {
        return Err("the path has a NUL".into());
    }
    if text.starts_with('~') {
        return Err("`~` is not expanded; write the full path".into());
    }
    if let Some(name) = text.split('/').find(|part| shell_name(part)) {
        return Err(format!("`{}` is not expanded; write the full path", verisim_core::printable(name)));
    }
    Ok(())
}

/// Folders that hold a part of the running system, or the homes of its people: none is a decoy's root. What lies below
/// them may be one, for instance a honeyfs in `/usr/share`.
const SYSTEM: [&str; 21] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/sbin",
    "/var",
    "/var/lib",
];
/// Below these there are no files that stay.
const KERNEL: [&str; 2] = ["/proc", "/sys"];

/// Which part of the running system a folder is, under whatever name: a link and a bind mount of it are the same folder.
fn system_part(real: &Path) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let own = identity(real);
    let same = |part: &&&str| real == Path::new(part) || (own.is_some() && own == identity(Path::new(part)));
    let below = |part: &&&str| real.starts_with(part);
    SYSTEM.iter().find(same).or_else(|| KERNEL.iter().find(below)).copied()
}

/// What a folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    State,
    Decoy,
    Destination,
    Capture,
}

/// A folder of this machine that the configuration gives a meaning.
pub(super) struct Place {
    pub(super) kind: Kind,
    title: String,
    span: Range<usize>,
    path: PathBuf,
    /// Links resolved as far as the path exists.
    real: PathBuf,
}

impl Place {
    pub(super) fn new(kind: Kind, name: &str, path: &Path, span: Range<usize>) -> Self {
        let name = verisim_core::printable(name);
        let title = match kind {
            Kind::State => "the state folder".to_owned(),
            Kind::Decoy => format!("the root of the decoy `{name}`"),
            Kind::Destination => format!("the destination `{name}`"),
            Kind::Capture => format!("the folder of the capture `{name}`"),
        };
        Self { kind, title, span, path: path.to_owned(), real: real_path(path) }
    }
}

/// Notes a folder for evidence on another machine, and that it lies inside another destination's. `host` says where, in
/// words that are the same for the same place.
pub(super) fn note_evidence(
    reader: &Reader<'_>,
    section: &Section<'_>,
    span: Range<usize>,
    (host, path): (String, &str),
    name: &str,
) {
    let there = PathBuf::from(path);
    let mut others = reader.evidence.borrow_mut();
    let overlaps = |(other, folder, _): &&(String, PathBuf, String)| {
        *other == host && (folder.starts_with(&there) || there.starts_with(folder))
    };
    if let Some((_, _, other)) = others.iter().find(overlaps) {
        let what = format!("this folder and that of the destination `{other}` lie inside each other");
        let mend = "evidence of one would be taken for the other's: keep them apart";
        section.mistake(span, what, mend);
    }
    others.push((host, there, verisim_core::printable(name)));
}

/// Notes folders that are files, and folders that must not lie inside each other.
pub(super) fn places(mut places: Vec<Place>, top: &Section<'_>) {
    for place in &places {
        if place.path.exists() && !place.path.is_dir() {
            let what = format!("{} ({}) is a file", place.title, show(&place.path));
            top.mistake(place.span.clone(), what, "name a folder");
        } else if place.real == Path::new("/") {
            let what = format!("{} is the root of this machine", place.title);
            top.mistake(place.span.clone(), what, "name a folder below it");
        } else if place.kind == Kind::Decoy
            && let Some(part) = system_part(&place.real)
        {
            let what = format!("{} ({}) is {part} of this machine", place.title, show(&place.path));
            let mend = "personas would work on the machine itself: name a folder that is a decoy's own root";
            top.mistake(place.span.clone(), what, mend);
        }
    }
    // Sorted by path, everything that lies inside a folder follows it directly: not every pair has to be tried.
    places.sort_by(|a, b| a.real.cmp(&b.real).then(a.span.start.cmp(&b.span.start)));
    let mut outside: Vec<&Place> = Vec::new();
    for inner in &places {
        outside.retain(|outer| inner.real.starts_with(&outer.real));
        for outer in outside.iter().filter(|outer| outer.real != Path::new("/")) {
            if let Some(mend) = harm(outer, inner) {
                note(outer, inner, mend, top);
            }
        }
        outside.push(inner);
    }
}

/// How to mend it when `inner` lies inside `outer` or is the same folder, and that does harm.
fn harm(outer: &Place, inner: &Place) -> Option<&'static str> {
    let same = outer.real == inner.real;
    Some(match (outer.kind, inner.kind) {
        (Kind::Decoy, Kind::Decoy) => {
            "an intruder on one would see the other: give each decoy a root of its own"
        }
        (Kind::Capture, Kind::Capture) => "the same files would be pushed twice: take one of the two out",
        (Kind::Destination, Kind::Destination) => {
            "evidence of one would be taken for the other's: keep them apart"
        }
        (Kind::Destination, Kind::Capture) | (Kind::Capture, Kind::Destination) => {
            "what was pushed would be pushed again: move one of the two"
        }
        (Kind::Decoy, Kind::Destination) => {
            "an intruder would find the evidence: move the destination elsewhere"
        }
        (Kind::Destination, Kind::Decoy) => "evidence would be mixed with a decoy: move one of the two",
        (Kind::Capture, Kind::Decoy) => "our own activity would be captured: move one of the two",
        (Kind::Decoy, Kind::State) => "an intruder would find our store: move the state folder elsewhere",
        (Kind::State, Kind::Decoy) => "an intruder would be led to our store: move the decoy elsewhere",
        (Kind::Capture, Kind::State) => {
            "our own store would be taken for evidence: move the state folder elsewhere"
        }
        (Kind::Destination, Kind::State) if same => "keep our store and the evidence apart",
        (Kind::State, Kind::Destination | Kind::Capture) if same => "give it a folder of its own",
        (Kind::Decoy, Kind::Capture) if same => {
            "our own activity would be captured: name the folder in it where captures appear"
        }
        // What a decoy catches may lie inside it: bringing that home is the purpose. The rest keeps out of each other's way.
        (Kind::Decoy, Kind::Capture) | (Kind::State, _) | (Kind::Destination, Kind::State) => return None,
    })
}

/// Notes an overlap at the later of the two entries.
fn note(outer: &Place, inner: &Place, mend: &str, top: &Section<'_>) {
    let same = outer.real == inner.real;
    let (late, relation, early) = match (same, inner.span.start >= outer.span.start) {
        (true, true) => (inner, "is the same folder as", outer),
        (true, false) => (outer, "is the same folder as", inner),
        (false, true) => (inner, "lies inside", outer),
        (false, false) => (outer, "holds", inner),
    };
    top.mistake(late.span.clone(), format!("{} {relation} {}", late.title, early.title), mend);
}

/// The path with its links resolved as far as it exists; what does not exist yet is resolved as it is written.
fn real_path(path: &Path) -> PathBuf {
    let mut real = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::ParentDir => {
                real.pop();
            }
            Component::Normal(name) => {
                real.push(name);
                if let Ok(resolved) = real.canonicalize() {
                    real = resolved;
                }
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    real
}
