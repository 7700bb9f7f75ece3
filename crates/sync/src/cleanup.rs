//! Deleting what is here, by a written list: nothing that is not on it, and nothing that is not still, at that moment, what
//! was verified.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use rustix::fs::{AtFlags, OFlags};
use serde::{Deserialize, Serialize};
use verisim_core::manifest::{Entry, METADATA_DIR, Parser, Sorted};
use verisim_core::{CancellationToken, Capture, Digest, Failure, FailureKind, Hasher, RelPath};

use crate::errno::{Side, failure};
use crate::interlock::{RootNow, Writers};
use crate::journal;
use crate::late::Named;
use crate::leftover::Left;
use crate::sending::MANIFEST;
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
    let (mut any, mut none_pushed) = (false, true);
    let read = journal::each_done(work_dir, |path, _| {
        none_pushed = false;
        any = any || root.stat(path.as_bytes()).is_ok_and(|stat| stat.is_some());
    });
    match read {
        Err(_) => RootNow::Gone,
        Ok(()) if any || none_pushed => RootNow::AsPushed,
        Ok(()) => RootNow::Empty,
    }
}

/// Which of the files that were pushed somebody has open for writing.
pub(crate) fn writers_now(capture: &Capture, work_dir: &Path) -> Writers {
    let look = || {
        let mut wanted = HashSet::new();
        journal::each_done(work_dir, |_, done| {
            wanted.insert(done.stamp.inode);
        })?;
        let device = Root::open(&capture.root)?.identity()?.device;
        let open = verisim_sys::written_to(device, &wanted)?;
        let mut files = BTreeSet::new();
        if !open.is_empty() {
            journal::each_done(work_dir, |path, done| {
                if open.contains(&{ done.stamp.inode }) {
                    files.insert(path);
                }
            })?;
        }
        let mut named = Named::default();
        files.iter().for_each(|path| named.add(path));
        Ok::<_, io::Error>(named.told())
    };
    match look() {
        Ok(None) => Writers::None,
        Ok(Some(files)) => Writers::Some(files),
        // Without its folder there is nothing to write into; that it is not there is told by its own interlock.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Writers::None,
        Err(error) => Writers::Unknown(error.to_string()),
    }
}

/// Writes the list of what goes, durably: every file of the verified manifest, as it was when it was sent. Returns its hash.
pub(crate) fn write_list(work_dir: &Path, manifest: Digest) -> Result<Digest, Failure> {
    let sent = journal::completed(work_dir).map_err(state("reading the journal"))?;
    let new = work_dir.join("cleanup.new");
    let mut lines = Lines {
        out: io::BufWriter::new(crate::private::create(&new).map_err(state("making the list"))?),
        hasher: Hasher::new(),
    };
    let mut read = File::open(work_dir.join(MANIFEST)).map_err(state("opening the manifest"))?;
    let mut parser = Parser::new(Sorted::Required);
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; 1 << 16]);
    let mut wrote = Ok(());
    let torn = |error| Failure::new(FailureKind::Unknown, OPERATION, error);
    loop {
        let piece = match read.read(&mut buffer).map_err(state("reading the manifest"))? {
            0 => break,
            length => &buffer[..length],
        };
        hasher.update(piece);
        let doom = |entry: Entry| {
            let done = sent.get(&entry.path).filter(|done| done.sha256 == entry.sha256);
            if let (Some(done), true) = (done, wrote.is_ok()) {
                wrote = lines.put(&Doomed { path: entry.path, stamp: done.stamp, sha256: entry.sha256 });
            }
        };
        parser.feed(piece, doom).map_err(torn)?;
    }
    parser.finish().map_err(torn)?;
    // Only now is it known that the manifest is the one that was verified; until it is renamed, the list is none.
    if hasher.finish() != manifest {
        let what = "the manifest in the work folder is not the one that was verified";
        return Err(Failure::new(FailureKind::Unknown, OPERATION, what));
    }
    let written = wrote.and_then(|()| {
        lines.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&new, work_dir.join(LIST))?;
        File::open(work_dir)?.sync_all()
    });
    written.map_err(state("writing the list"))?;
    Ok(lines.hasher.finish())
}

/// The list while it is written.
struct Lines {
    out: io::BufWriter<File>,
    hasher: Hasher,
}

impl Lines {
    fn put(&mut self, doomed: &Doomed) -> io::Result<()> {
        let mut line = serde_json::to_vec(doomed)?;
        line.push(b'\n');
        self.hasher.update(&line);
        self.out.write_all(&line)
    }
}

/// What a run through the list came to.
#[derive(Debug, Default)]
pub(crate) struct Cleaned {
    /// Files that are gone, whoever deleted them.
    pub(crate) gone: u64,
    /// Files on the list that stay, because they are not what was verified.
    pub(crate) kept: u64,
    /// Every file that is in the capture now: those that were kept, and those that came late.
    pub(crate) left: Left,
}

/// Asked before every file and every directory that goes; an error ends the run there.
pub(crate) type MayGoOn<'a> = &'a dyn Fn() -> Result<(), Failure>;

/// Goes on until `cancel` says otherwise.
pub(crate) fn until(cancel: &CancellationToken) -> Result<(), Failure> {
    match cancel.is_cancelled() {
        true => Err(Failure::new(FailureKind::Cancelled, OPERATION, "stopped")),
        false => Ok(()),
    }
}

/// Deletes by the list, then the directories that became empty. May end at any point, and be repeated from any.
pub(crate) fn delete(
    capture: &Capture,
    work_dir: &Path,
    list: Digest,
    remove_metadata: bool,
    may_go_on: MayGoOn<'_>,
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
        may_go_on()?;
        let doomed: Doomed =
            serde_json::from_slice(&line).map_err(|error| state("reading the list")(error.into()))?;
        if delete_file(&root, &doomed)? { cleaned.gone += 1 } else { cleaned.kept += 1 }
    }
    remove_empty_directories(&root, may_go_on)?;
    cleaned.left = Left::of(&source::walk(&root, OPERATION)?);
    if remove_metadata && cleaned.kept == 0 {
        discard_metadata(&root, may_go_on)?;
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
    let hashed = rustix::fs::fstat(&file).map_err(|error| lost(error.into()))?;
    if !is_same(&hashed) {
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
    // The hashing took its time: what stands under the name now must be the file that was hashed, and nobody may have touched
    // it meanwhile. A time of modification can be put back; the time of change cannot.
    let changed = |stat: &rustix::fs::Stat| (stat.st_ctime, stat.st_ctime_nsec);
    match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if is_same(&stat) && changed(&stat) == changed(&hashed) => {}
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
fn remove_empty_directories(root: &Root, may_go_on: MayGoOn<'_>) -> Result<(), Failure> {
    let items = source::walk(root, OPERATION)?;
    for item in items.iter().rev().filter(|item| item.kind == Kind::Directory) {
        may_go_on()?;
        if let Ok((parent, name)) = root.parent_of(&item.path) {
            let _ = rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR);
        }
    }
    Ok(())
}

fn discard_metadata(root: &Root, may_go_on: MayGoOn<'_>) -> Result<(), Failure> {
    let lost = |error: io::Error| failure(Side::Source, OPERATION, "removing .verisim", &error);
    let metadata = match root.descend(METADATA_DIR) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(lost(error)),
    };
    for name in source::OURS {
        may_go_on()?;
        crate::native::folder::discard(&metadata, name).map_err(lost)?;
    }
    may_go_on()?;
    match rustix::fs::unlinkat(root, METADATA_DIR, AtFlags::REMOVEDIR) {
        Ok(()) | Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTEMPTY) => Ok(()),
        Err(error) => Err(lost(error.into())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use std::cell::Cell;
    use std::collections::BTreeSet;
    use std::fs;

    use verisim_core::{CaptureName, RootIdentity};

    use super::*;

    const LISTED: [&str; 5] = ["a", "d/b", "d/e/c", "d/e/changed", "f/vanished"];

    /// A capture with a list of five of its files, and one that came later.
    fn site() -> (tempfile::TempDir, Capture, Digest) {
        let dir = tempfile::tempdir().unwrap();
        let (capture, work) = (dir.path().join("run"), dir.path().join("work"));
        fs::create_dir(&work).unwrap();
        let mut list = Vec::new();
        for path in LISTED {
            let file = capture.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, path).unwrap();
            let root = Root::open(&capture).unwrap();
            let stamp = Stamp::of(&root.stat(path).unwrap().unwrap());
            let doomed =
                Doomed { path: RelPath::new(path).unwrap(), stamp, sha256: Digest::of(path.as_bytes()) };
            serde_json::to_writer(&mut list, &doomed).unwrap();
            list.push(b'\n');
        }
        fs::write(work.join(LIST), &list).unwrap();
        fs::write(capture.join("d/late"), "late").unwrap();
        fs::create_dir(capture.join(METADATA_DIR)).unwrap();
        fs::write(capture.join(METADATA_DIR).join("owner"), "us\n").unwrap();
        let identity: RootIdentity = Root::open(&capture).unwrap().identity().unwrap();
        let rule = CaptureName::new("lab").unwrap();
        let capture = Capture { rule, relative: None, root: capture, identity, generation: 1 };
        (dir, capture, Digest::of(&list))
    }

    fn left(capture: &Capture) -> BTreeSet<String> {
        let root = Root::open(&capture.root).unwrap();
        let items = crate::tree::walk(&root).unwrap();
        items.into_iter().filter(|item| item.kind == Kind::File).map(|item| item.path.to_string()).collect()
    }

    /// A run that ends before its step `k`; answers whether it got to its end.
    fn run(site: &(tempfile::TempDir, Capture, Digest), metadata: bool, k: usize) -> Option<Cleaned> {
        let steps = Cell::new(0);
        let stop = || {
            steps.set(steps.get() + 1);
            match steps.get() > k {
                true => Err(Failure::new(FailureKind::Unknown, OPERATION, "the power went")),
                false => Ok(()),
            }
        };
        delete(&site.1, &site.0.path().join("work"), site.2, metadata, &stop).ok()
    }

    #[test]
    fn defect_09_inv_6_a_stop_at_any_step_goes_on_by_the_list_and_takes_nothing_else() {
        let mut stops = 0;
        for k in 0.. {
            let site = site();
            let ended = run(&site, false, k).is_some();
            stops += usize::from(!ended);
            let before = left(&site.1);
            assert!(before.contains("d/late"), "stopped at {k}");
            // While nobody looked, one was changed to the same length, one went, and one came under a deleted name.
            if before.contains("d/e/changed") {
                fs::write(site.1.root.join("d/e/changed"), "D/E/CHANGED").unwrap();
            }
            let _ = fs::remove_file(site.1.root.join("f/vanished"));
            let is_new = !before.contains("a");
            if is_new {
                fs::write(site.1.root.join("a"), "another a").unwrap();
            }
            let cleaned = run(&site, false, usize::MAX).unwrap();
            let mut expected = BTreeSet::from(["d/late".to_owned()]);
            expected.extend(before.contains("d/e/changed").then(|| "d/e/changed".to_owned()));
            expected.extend(is_new.then(|| "a".to_owned()));
            assert_eq!(left(&site.1), expected, "stopped at {k}");
            assert_eq!(usize::try_from(cleaned.kept).unwrap(), expected.len() - 1, "stopped at {k}");
            let told = cleaned.left.told().unwrap();
            assert!(expected.iter().all(|file| told.contains(file.as_str())), "stopped at {k}: {told}");
            assert!(site.1.root.join(".verisim/owner").exists() && !site.1.root.join("f").exists());
            if ended {
                break;
            }
        }
        assert!(stops > LISTED.len(), "every file and every directory is a step: {stops}");
    }

    /// Somebody writes into a file while it is hashed, behind where the hashing is, and puts its times back.
    #[test]
    fn inv_6_a_file_that_changes_behind_the_hashing_stays() {
        use std::os::unix::fs::FileExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (at, size) = (dir.path().join("large"), 768 << 20);
        let file = fs::File::create(&at).unwrap();
        file.set_len(size).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let stamp = Stamp::of(&root.stat("large").unwrap().unwrap());
        let mut zeros = Hasher::new();
        let piece = vec![0; 1 << 20];
        (0..size >> 20).for_each(|_| zeros.update(&piece));
        let doomed = Doomed { path: RelPath::new("large").unwrap(), stamp, sha256: zeros.finish() };
        let writer = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(60));
            file.write_at(b"late", 0).unwrap();
            file.set_modified(modified).unwrap();
        });
        let is_gone = delete_file(&root, &doomed).unwrap();
        writer.join().unwrap();
        // Where the machine was too busy, the hashing saw it, which is as well.
        let mut first = [0; 4];
        fs::File::open(&at).unwrap().read_exact_at(&mut first, 0).unwrap();
        assert!(!is_gone && first == *b"late");
    }

    #[test]
    fn a_stop_at_any_step_is_made_up_for_with_the_metadata_too() {
        let mut k = 0;
        loop {
            let site = site();
            fs::remove_file(site.1.root.join("d/late")).unwrap();
            let ended = run(&site, true, k).is_some();
            assert_eq!(run(&site, true, usize::MAX).unwrap().kept, 0);
            assert_eq!(fs::read_dir(&site.1.root).unwrap().count(), 0, "stopped at {k}");
            if ended {
                break;
            }
            k += 1;
        }
        assert!(k > LISTED.len() + source::OURS.len());
    }

    #[test]
    fn a_list_that_is_not_the_one_that_was_written_deletes_nothing() {
        let mut site = site();
        site.2 = Digest::of(b"another");
        let before = left(&site.1);
        assert!(run(&site, true, usize::MAX).is_none());
        assert_eq!(left(&site.1), before);
    }
}
