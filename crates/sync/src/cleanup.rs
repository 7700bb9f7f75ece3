//! Deleting what is here, by a written list: nothing that is not on it, and nothing that is not still, at that moment, what
//! was verified.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use rustix::fs::{AtFlags, OFlags};
use serde::{Deserialize, Serialize};
use verisim_core::manifest::{METADATA_DIR, Parser, Sorted};
use verisim_core::{CancellationToken, Capture, Digest, Failure, FailureKind, Hasher, RelPath};

use crate::errno::{Side, failure};
use crate::interlock::RootNow;
use crate::native::journal;
use crate::native::push::MANIFEST;
use crate::source;
use crate::tree::{Kind, Root, Stamp};

const OPERATION: &str = "sync.cleanup";
/// The list, in the job's work folder.
const LIST: &str = "cleanup.list";
/// The longest line of the list that is read.
const LINE_BYTES_MAX: u64 = 20_000;

/// One file that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Doomed {
    path: RelPath,
    stamp: Stamp,
    sha256: Digest,
}

fn state(what: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| failure(Side::State, OPERATION, what, &error)
}

/// What the capture's root is now.
pub(crate) fn root_now(capture: &Capture, work_dir: &Path) -> RootNow {
    let root = match Root::open(&capture.root) {
        Ok(root) => root,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return RootNow::Another,
        Err(_) => return RootNow::Gone,
    };
    match root.identity() {
        Ok(identity) if source::is_same(&identity, &capture.identity) => {}
        Ok(_) => return RootNow::Another,
        Err(_) => return RootNow::Gone,
    }
    let Ok(pushed) = journal::completed(work_dir) else { return RootNow::Gone };
    let any = pushed.keys().any(|path| root.stat(path.as_bytes()).is_ok_and(|stat| stat.is_some()));
    if any || pushed.is_empty() { RootNow::AsPushed } else { RootNow::Empty }
}

/// Writes the list of what goes, durably: every file of the verified manifest, as it was when it was sent. Returns its hash.
pub(crate) fn write_list(work_dir: &Path, manifest: Digest) -> Result<Digest, Failure> {
    let sent = journal::completed(work_dir).map_err(state("reading the journal"))?;
    let bytes = std::fs::read(work_dir.join(MANIFEST)).map_err(state("reading the manifest"))?;
    if Digest::of(&bytes) != manifest {
        let what = "the manifest in the work folder is not the one that was verified";
        return Err(Failure::new(FailureKind::Unknown, OPERATION, what));
    }
    let mut verified = Vec::new();
    let mut parser = Parser::new(Sorted::Required);
    let parsed = parser.feed(&bytes, |entry| verified.push(entry)).and_then(|()| parser.finish());
    parsed.map_err(|error| Failure::new(FailureKind::Unknown, OPERATION, error))?;
    let written = (|| {
        let new = work_dir.join("cleanup.new");
        let mut out = io::BufWriter::new(File::create(&new)?);
        let mut hasher = Hasher::new();
        for entry in verified {
            let Some(done) = sent.get(&entry.path).filter(|done| done.sha256 == entry.sha256) else {
                continue;
            };
            let doomed = Doomed { path: entry.path, stamp: done.stamp, sha256: entry.sha256 };
            let mut line = serde_json::to_vec(&doomed)?;
            line.push(b'\n');
            hasher.update(&line);
            out.write_all(&line)?;
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&new, work_dir.join(LIST))?;
        File::open(work_dir)?.sync_all()?;
        Ok(hasher.finish())
    })();
    written.map_err(state("writing the list"))
}

/// What a run through the list came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cleaned {
    /// Files that are gone, whoever deleted them.
    pub(crate) gone: u64,
    /// Files that stay, because they are not what was verified.
    pub(crate) kept: u64,
}

/// Deletes by the list, then the directories that became empty. May be repeated at any point.
pub(crate) fn delete(
    capture: &Capture,
    work_dir: &Path,
    list: Digest,
    remove_metadata: bool,
    cancel: &CancellationToken,
) -> Result<Cleaned, Failure> {
    let root = source::open(capture, OPERATION)?;
    let bytes = File::open(work_dir.join(LIST)).map_err(state("opening the list"))?;
    require_hash(&bytes, list)?;
    let mut lines = BufReader::new(File::open(work_dir.join(LIST)).map_err(state("opening the list"))?);
    let mut cleaned = Cleaned::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = Read::take(&mut lines, LINE_BYTES_MAX).read_until(b'\n', &mut line);
        if read.map_err(state("reading the list"))? == 0 {
            break;
        }
        if cancel.is_cancelled() {
            return Err(Failure::new(FailureKind::Cancelled, OPERATION, "stopped"));
        }
        let doomed: Doomed =
            serde_json::from_slice(&line).map_err(|error| state("reading the list")(error.into()))?;
        if delete_file(&root, &doomed)? { cleaned.gone += 1 } else { cleaned.kept += 1 }
    }
    remove_empty_directories(&root)?;
    if remove_metadata && cleaned.kept == 0 {
        discard_metadata(&root)
            .map_err(|error| failure(Side::Source, OPERATION, "removing .verisim", &error))?;
    }
    Ok(cleaned)
}

fn require_hash(mut file: &File, expected: Digest) -> Result<(), Failure> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(state("reading the list"))? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    if hasher.finish() == expected {
        return Ok(());
    }
    Err(Failure::new(FailureKind::Unknown, OPERATION, "the list is not the one that was written"))
}

/// Deletes one file, if it still is what was verified. `false`: it is not, and stays.
fn delete_file(root: &Root, doomed: &Doomed) -> Result<bool, Failure> {
    let lost =
        |error: io::Error| failure(Side::Source, OPERATION, &format!("deleting {}", doomed.path), &error);
    let file = match root.open_file(doomed.path.as_bytes(), OFlags::empty()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        // A link, a directory, a pipe or a file that cannot be read any more is not what was verified.
        Err(_) => return Ok(false),
    };
    let is_same = |stat: &rustix::fs::Stat| {
        rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() && Stamp::of(stat) == doomed.stamp
    };
    if !is_same(&rustix::fs::fstat(&file).map_err(|error| lost(error.into()))?) {
        return Ok(false);
    }
    let mut reader = file.take(doomed.stamp.size.saturating_add(1));
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(false),
        }
    }
    if hasher.finish() != doomed.sha256 {
        return Ok(false);
    }
    let (parent, name) = root.parent_of(&doomed.path).map_err(lost)?;
    // The hashing took its time: what stands under the name now must be the file that was hashed.
    match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if is_same(&stat) => {}
        Ok(_) => return Ok(false),
        Err(rustix::io::Errno::NOENT) => return Ok(true),
        Err(error) => return Err(lost(error.into())),
    }
    match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(true),
        Err(error) => Err(lost(error.into())),
    }
}

/// Removes every directory that is empty by now, the deepest first. One that holds anything stays.
fn remove_empty_directories(root: &Root) -> Result<(), Failure> {
    let items = source::walk(root, OPERATION)?;
    for item in items.iter().rev().filter(|item| item.kind == Kind::Directory) {
        if let Ok((parent, name)) = root.parent_of(&item.path) {
            let _ = rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR);
        }
    }
    Ok(())
}

fn discard_metadata(root: &Root) -> io::Result<()> {
    let metadata = match root.descend(METADATA_DIR) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for name in source::OURS {
        crate::native::folder::discard(&metadata, name)?;
    }
    match rustix::fs::unlinkat(root, METADATA_DIR, AtFlags::REMOVEDIR) {
        Ok(()) | Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTEMPTY) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
