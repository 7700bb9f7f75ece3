//! This side of a push that a tool carries out.

use std::collections::HashSet;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use verisim_core::{
    CancellationToken, Capture, Digest, Failure, FailureKind, Inventory, PushOptions, Pushed, RelPath,
    Remote, ToolOutput,
};

use super::gauge::Gauge;
use super::hash;
use crate::errno::{Side, failure};
use crate::journal::{Complete, Done, Hashed, Journal, Known, Locked};
use crate::sending::{files, note_kept, note_needed, require_what_was_pushed, subject, write_manifest};
use crate::tree::{Item, Kind, Root};
use crate::{private, source, special};

/// How many bytes former attempts of a push have sent, in the work folder.
const SENT: &str = "bytes_sent";
/// How many files are hashed at once.
const HASHERS: usize = 4;

/// Which files: those that are sent where they differ, or those that are sent although they seem to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lot {
    /// Sent where they are not there.
    Plain,
    /// Sent in any case.
    Forced,
}

/// The capture while a tool pushes it. Blocks; used on threads of its own.
pub(crate) struct Local {
    source: Arc<Root>,
    items: Arc<Vec<Item>>,
    known: Vec<Known>,
    journal: Journal,
    /// What former attempts have sent, and the capture holds no more, or otherwise.
    gone: Vec<(RelPath, Done)>,
    options: PushOptions,
    forced: HashSet<RelPath>,
    cancel: CancellationToken,
    operation: &'static str,
}

impl Local {
    /// Opens the capture for a push to `remote`. Waits for a push of the same job to end. `about` says where the destination
    /// is: a journal about another one is void.
    pub(crate) fn open(
        capture: &Capture,
        remote: &Remote,
        about: &impl Serialize,
        options: PushOptions,
        cancel: CancellationToken,
        operation: &'static str,
    ) -> Result<Self, Failure> {
        let state = |what: &'static str| move |error| failure(Side::State, operation, what, &error);
        let subject = subject(&(capture, remote, about), &options).map_err(state("naming the job"))?;
        let journal =
            Locked::take(&options.work_dir, &cancel).map_err(|error| match cancel.is_cancelled() {
                true => Failure::new(FailureKind::Cancelled, operation, "stopped"),
                false => state("opening the journal")(error),
            })?;
        let source = source::open(capture, operation)?;
        source::refuse_foreign_metadata(&source, &remote.owner, operation)?;
        let items = source::walk_until(&source, operation, &cancel)?;
        let opened = journal.open(&options.work_dir, &subject, &items);
        let (journal, notes) = opened.map_err(state("opening the journal"))?;
        require_what_was_pushed(&options.work_dir, &items, operation)?;
        let forced = options.forced.iter().cloned().collect();
        let (known, gone) = (notes.known, notes.gone.into_iter().collect());
        let (source, items) = (Arc::new(source), Arc::new(items));
        Ok(Self { source, items, known, journal, gone, options, forced, cancel, operation })
    }

    /// Hashes what is not hashed yet.
    pub(crate) fn hash(&mut self) -> Result<(), Failure> {
        let wanted: Vec<usize> = self
            .with_known()
            .filter(|(_, item, known)| item.kind == Kind::File && **known == Known::Nothing)
            .map(|(at, ..)| at)
            .collect();
        let found = Mutex::new((&mut self.known, &mut self.journal));
        let operation = self.operation;
        let note = |at: usize, item: &Item, sha256: Digest| {
            let state = |error| failure(Side::State, operation, "writing the journal", &error);
            let line = Hashed::new(&item.path, Done { stamp: item.stamp, sha256 }).map_err(state)?;
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.1.note_hashed(&line).map_err(state)?;
            if let Some(known) = found.0.get_mut(at) {
                *known = Known::Hashed(sha256);
            }
            Ok(())
        };
        hash::hash_all(&self.source, &self.items, &wanted, (HASHERS, operation), &self.cancel, &note)
    }

    /// The files that are to be sent, in their order.
    pub(crate) fn todo(&self, lot: Lot) -> impl Iterator<Item = &Item> {
        self.with_known()
            .filter(|(_, item, known)| item.kind == Kind::File && !matches!(known, Known::Complete(_)))
            .map(|(_, item, _)| item)
            .filter(move |item| self.is_forced(&item.path) == (lot == Lot::Forced))
    }

    /// The open capture, for whoever reads it in the same pass that sends it.
    pub(crate) fn source(&self) -> Arc<Root> {
        Arc::clone(&self.source)
    }

    /// Everything that it holds, sorted.
    pub(crate) fn items(&self) -> Arc<Vec<Item>> {
        Arc::clone(&self.items)
    }

    /// What former attempts have sent, and is not in the capture as it was.
    pub(crate) fn gone(&self) -> &[(RelPath, Done)] {
        &self.gone
    }

    /// Where among the items those files are that are to be sent, forced or not.
    pub(crate) fn positions(&self) -> Vec<usize> {
        self.with_known()
            .filter(|(_, item, known)| item.kind == Kind::File && !matches!(known, Known::Complete(_)))
            .map(|(at, ..)| at)
            .collect()
    }

    /// Whether a former attempt has begun to send this very file, and did not end.
    pub(crate) fn is_begun_from(&self, item: &Item) -> bool {
        self.journal.begun.get(&item.path) == Some(&item.stamp)
    }

    /// Notes that a large file is begun.
    pub(crate) fn begin(&mut self, item: &Item) -> Result<(), Failure> {
        self.journal.begin(&item.path, item.stamp).map_err(|error| self.unwritten(&error))
    }

    /// Notes that the file at this position stands complete under its name there, and the hash of the bytes that were sent.
    pub(crate) fn complete(&mut self, at: usize, sha256: Digest) -> Result<(), Failure> {
        let Some(item) = self.items.get(at) else { return Ok(()) };
        let done = Done { stamp: item.stamp, sha256 };
        let noted = Complete::new(&item.path, done).and_then(|line| self.journal.append(&line));
        noted.map_err(|error| self.unwritten(&error))?;
        if let Some(known) = self.known.get_mut(at) {
            *known = Known::Complete(sha256);
        }
        Ok(())
    }

    /// Makes the notes durable: from here on they outlive a crash of this machine.
    pub(crate) fn checkpoint(&mut self) -> Result<(), Failure> {
        self.journal.checkpoint().map_err(|error| self.unwritten(&error))
    }

    fn unwritten(&self, error: &io::Error) -> Failure {
        failure(Side::State, self.operation, "writing the journal", error)
    }

    /// How many files these are, and their bytes.
    pub(crate) fn amount(&self, lot: Lot) -> Inventory {
        inventory(self.todo(lot))
    }

    /// The regular files with their hashes.
    pub(crate) fn hashed(&self) -> impl Iterator<Item = (&Item, Digest)> {
        self.with_known().filter_map(|(_, item, known)| match known {
            Known::Hashed(sha256) | Known::Complete(sha256) => Some((item, *sha256)),
            Known::Nothing => None,
        })
    }

    /// Whether anything of the capture is complete at the destination already, and must not be sent again.
    pub(crate) fn is_begun(&self) -> bool {
        self.known.iter().any(|known| matches!(known, Known::Complete(_)))
    }

    /// The capture as a process that we start may enter it before it runs anything: the very directory that was opened,
    /// whatever stands under its name by now.
    pub(crate) fn folder(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.source.as_fd().as_raw_fd()))
    }

    /// The work folder.
    pub(crate) fn work_dir(&self) -> &Path {
        &self.options.work_dir
    }

    /// What is in the capture beside files and directories: as JSON lines, and for people.
    pub(crate) fn special(&self) -> Result<(Vec<u8>, Vec<String>), Failure> {
        let listed = special::list(&self.source, &self.items).and_then(|listed| {
            special::note(&self.options.work_dir, &self.source, &self.items)?;
            Ok(listed)
        });
        listed.map_err(|error| failure(Side::Source, self.operation, "reading links", &error))
    }

    /// Tells how far the push is.
    pub(crate) fn gauge(&self) -> Gauge {
        let complete = self
            .with_known()
            .filter(|(_, _, known)| matches!(known, Known::Complete(_)))
            .map(|(_, item, _)| item);
        let (total, found) = (inventory(files(&self.items)), inventory(complete));
        Gauge::new(total, found, std::sync::Arc::clone(&self.options.progress))
    }

    /// Asks before the first byte whether there is room: a destination that is filled to the brim hurts others too. What
    /// former attempts have sent is there already.
    pub(crate) fn require_space(&self, free_bytes: Option<u64>) -> Result<(), Failure> {
        self.room().require(free_bytes)
    }

    /// The room that is asked for, to be asked elsewhere.
    pub(crate) fn room(&self) -> Room {
        let to_be_sent = self.amount(Lot::Plain).bytes.saturating_add(self.amount(Lot::Forced).bytes);
        self.room_for(to_be_sent.saturating_sub(self.sent_before()))
    }

    /// The same for so many bytes.
    pub(crate) fn require_room(&self, needed: u64, free_bytes: Option<u64>) -> Result<(), Failure> {
        self.room_for(needed).require(free_bytes)
    }

    fn room_for(&self, needed: u64) -> Room {
        Room { needed, work_dir: self.options.work_dir.clone(), operation: self.operation }
    }

    /// Notes what an attempt has sent that did not come to its end: the next one needs so much less room.
    pub(crate) fn note_sent(&self, bytes: u64) {
        let sent = self.sent_before().saturating_add(bytes);
        // Without the note, the next attempt may wait for more room than it needs, until there is as much.
        let _ = private::write(&self.options.work_dir.join(SENT), sent.to_string().as_bytes());
        note_kept(&self.options.work_dir, bytes);
    }

    fn sent_before(&self) -> u64 {
        let text = std::fs::read_to_string(self.options.work_dir.join(SENT)).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    /// Looks once more: the capture must be what it was when it was opened.
    pub(crate) fn require_unchanged(&self) -> Result<(), Failure> {
        source::require_unchanged(&self.source, &self.items, self.operation, &self.cancel)
    }

    /// Notes that everything is complete there, and durable, and writes the manifest.
    pub(crate) fn finish(
        mut self,
        sent: Inventory,
        remarks: Vec<String>,
        output: ToolOutput,
    ) -> Result<Pushed, Failure> {
        let operation = self.operation;
        let state =
            |what: &'static str| move |error: io::Error| failure(Side::State, operation, what, &error);
        let complete = self.items.iter().zip(&self.known).filter_map(|(item, known)| match known {
            Known::Hashed(sha256) => Some((item.path.clone(), Done { stamp: item.stamp, sha256: *sha256 })),
            Known::Nothing | Known::Complete(_) => None,
        });
        self.journal.note_all(complete).map_err(state("writing the journal"))?;
        self.journal.finish().map_err(state("writing the journal"))?;
        let _ = std::fs::remove_file(self.options.work_dir.join(SENT));
        let hash = |item: &Item| {
            let at = self.items.binary_search_by(|other| other.path.cmp(&item.path)).ok()?;
            match self.known.get(at)? {
                Known::Hashed(sha256) | Known::Complete(sha256) => Some(*sha256),
                Known::Nothing => None,
            }
        };
        let written = write_manifest(&self.options.work_dir, &self.items, hash);
        let (manifest, written) = written.map_err(state("writing the manifest"))?;
        Ok(Pushed {
            manifest,
            manifest_sha256: written.sha256,
            inventory: written.inventory,
            sent,
            remarks,
            output,
        })
    }

    fn with_known(&self) -> impl Iterator<Item = (usize, &Item, &Known)> {
        self.items.iter().zip(&self.known).enumerate().map(|(at, (item, known))| (at, item, known))
    }

    fn is_forced(&self, path: &RelPath) -> bool {
        self.options.force_all || self.forced.contains(path)
    }
}

/// What a push needs at its destination.
pub(crate) struct Room {
    needed: u64,
    work_dir: PathBuf,
    operation: &'static str,
}

impl Room {
    /// Fails where so much is not free. What was needed is noted, for whoever waits for it.
    pub(crate) fn require(&self, free_bytes: Option<u64>) -> Result<(), Failure> {
        let needed = self.needed;
        note_needed(&self.work_dir, needed);
        match free_bytes {
            Some(free) if free < needed => {
                let what = format_args!("{needed} bytes are to be sent, {free} are free at the destination");
                Err(Failure::new(FailureKind::NoSpace, self.operation, what))
            }
            _ => Ok(()),
        }
    }
}

/// Hashes a capture as every push by a tool begins: lists it, hashes what the journal in the work folder does not know yet, with
/// several threads, and notes each hash there. Says how many files and bytes have a hash now. Blocks.
///
/// # Errors
/// When a file cannot be read, or is not what was listed any more.
pub fn hash_capture(capture: &Capture, remote: &Remote, options: PushOptions) -> Result<Inventory, Failure> {
    let cancel = options.cancel.clone();
    let mut local = Local::open(capture, remote, &"", options, cancel, "sync.hash")?;
    local.hash()?;
    Ok(inventory(local.hashed().map(|(item, _)| item)))
}

fn inventory<'i>(items: impl Iterator<Item = &'i Item>) -> Inventory {
    items.fold(Inventory::default(), |sum, item| Inventory {
        files: sum.files + 1,
        bytes: sum.bytes.saturating_add(item.stamp.size),
    })
}

/// Writes a list of paths, and opens it from its begin.
pub(crate) fn write_list<'p>(
    file: &Path,
    paths: impl Iterator<Item = &'p [u8]>,
) -> io::Result<std::fs::File> {
    let mut out = io::BufWriter::new(private::create(file)?);
    for path in paths {
        out.write_all(b"./")?;
        out.write_all(path)?;
        out.write_all(b"\0")?;
    }
    out.flush()?;
    std::fs::File::open(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use verisim_core::{CaptureName, DestinationName, Progress, ProgressSink, RootIdentity};

    use super::*;

    struct Nobody;
    impl ProgressSink for Nobody {
        fn report(&self, _: Progress) {}
    }

    fn open(dir: &Path, forced: &[&str]) -> Local {
        let root = dir.join("run");
        let meta = std::fs::metadata(&root).unwrap();
        let capture = Capture {
            rule: CaptureName::new("lab").unwrap(),
            relative: None,
            identity: RootIdentity { device: meta.dev(), inode: meta.ino(), born_ns: None },
            root,
            generation: 1,
        };
        let remote = Remote {
            destination: DestinationName::new("vault").unwrap(),
            path: RelPath::new("lab/run").unwrap(),
            owner: "us".into(),
        };
        let options = PushOptions {
            work_dir: dir.join("work"),
            forced: forced.iter().map(|path| RelPath::new(path).unwrap()).collect(),
            force_all: false,
            bandwidth: None,
            progress: std::sync::Arc::new(Nobody),
            cancel: CancellationToken::new(),
        };
        Local::open(&capture, &remote, &"there", options, CancellationToken::new(), "t.push").unwrap()
    }

    fn names(local: &Local, lot: Lot) -> Vec<String> {
        local.todo(lot).map(|item| item.path.to_string()).collect()
    }

    fn known(local: &Local) -> usize {
        local.known.iter().filter(|known| **known != Known::Nothing).count()
    }

    /// The local manifest is of what was hashed before the tool ran, and never made from what arrived.
    #[test]
    fn inv_12_what_was_hashed_is_not_hashed_again_and_what_is_complete_is_not_sent_again() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("run/d")).unwrap();
        for (name, content) in [("a", "alpha"), ("d/b", "beta")] {
            std::fs::write(dir.path().join("run").join(name), content).unwrap();
        }
        let mut local = open(dir.path(), &[]);
        assert_eq!((known(&local), names(&local, Lot::Plain)), (0, vec!["a".to_owned(), "d/b".to_owned()]));
        local.hash().unwrap();
        drop(local);
        // Killed before anything was sent: nothing is complete, and nothing is hashed again but what changed.
        std::fs::write(dir.path().join("run/a"), "alphA!").unwrap();
        let mut local = open(dir.path(), &[]);
        assert_eq!((known(&local), local.amount(Lot::Plain).files), (1, 2));
        local.note_sent(4);
        assert_eq!(local.require_space(Some(5)).unwrap_err().kind, FailureKind::NoSpace);
        local.require_space(Some(6)).unwrap();
        local.hash().unwrap();
        local.require_unchanged().unwrap();
        let pushed = local.finish(Inventory::default(), Vec::new(), ToolOutput::default()).unwrap();
        assert_eq!((pushed.inventory.files, pushed.inventory.bytes), (2, 10));
        let sealed = std::fs::read_to_string(&pushed.manifest).unwrap();
        assert!(sealed.contains(&Digest::of(b"alphA!").to_string()));
        let local = open(dir.path(), &[]);
        assert!(names(&local, Lot::Plain).is_empty() && names(&local, Lot::Forced).is_empty());
        drop(local);
        let local = open(dir.path(), &["d/b"]);
        assert!(names(&local, Lot::Plain).is_empty());
        assert_eq!((names(&local, Lot::Forced), known(&local)), (vec!["d/b".to_owned()], 1));
    }
}
