//! Sending a capture: look, refuse what must be refused, send what is not there yet in parallel, look again.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, Mode};
use verisim_core::{
    CancellationToken, Capture, Clock, Failure, FailureKind, PushOptions, Pushed, RelPath, Remote, ToolOutput,
};

use crate::bandwidth::{Bucket, Level};
use crate::errno::{Side, failure};
use crate::journal::{Complete, Done, Journal, Known, Locked, Notes};
use crate::native::copy::{self, LastParent, Places, RESUME_BYTES_MIN};
use crate::native::folder;
use crate::native::meter::Meter;
use crate::native::partial;
use crate::sending::{find_at, note_kept, note_needed, require_what_was_pushed, subject, write_manifest};
use crate::tree::{Item, Kind, Root};
use crate::{source, special};

/// How much is sent before it is made durable and noted as such: what a crash of the machine may cost.
const CHECKPOINT_BYTES: u64 = 4 << 30;
const OPERATION: &str = "native.push";

/// Everything that one push needs.
pub(crate) struct Push {
    pub(crate) destination: PathBuf,
    /// How it is known again.
    pub(crate) known: crate::identity::KnownDestination,
    pub(crate) workers: usize,
    pub(crate) clock: Arc<dyn Clock>,
    /// What all pushes to the destination share of its bandwidth.
    pub(crate) level: Level,
    pub(crate) capture: Capture,
    pub(crate) remote: Remote,
    pub(crate) options: PushOptions,
    /// Stops it: the caller, or that nobody waits for it any more.
    pub(crate) cancel: CancellationToken,
}

fn lost(what: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| failure(Side::Destination, OPERATION, what, &error)
}

fn state(what: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| failure(Side::State, OPERATION, what, &error)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Push {
    /// Does it. Blocks; runs on a thread of its own.
    pub(crate) fn run(&self) -> Result<Pushed, Failure> {
        let about = (&self.capture, &self.remote, &self.destination);
        let subject = subject(&about, &self.options).map_err(state("naming the job"))?;
        let journal = Locked::take(&self.options.work_dir, &self.cancel).map_err(|error| {
            if self.cancel.is_cancelled() { cancelled() } else { state("opening the journal")(error) }
        })?;
        let source = source::open(&self.capture, OPERATION)?;
        source::refuse_foreign_metadata(&source, &self.remote.owner, OPERATION)?;
        let items = source::walk_until(&source, OPERATION, &self.cancel)?;
        let opened = journal.open(&self.options.work_dir, &subject, &items);
        let (mut journal, Notes { mut known, gone }) = opened.map_err(state("opening the journal"))?;
        require_what_was_pushed(&self.options.work_dir, &items, OPERATION)?;
        let root = self.known.open_to_push(&self.destination)?;
        let folder = folder::claim(&root, &self.remote)?;
        set_aside(&folder, &gone)?;
        for (item, known) in items.iter().zip(&mut known) {
            if matches!(known, Known::Complete(_)) && !is_there(&folder, &item.path, item.stamp.size) {
                *known = Known::Nothing;
            }
        }
        let is_todo =
            |(item, known): &(&Item, &Known)| item.kind == Kind::File && !matches!(known, Known::Complete(_));
        let mut todo: Vec<&Item> = items.iter().zip(&known).filter(is_todo).map(|(item, _)| item).collect();
        let (partial, kept) =
            prepare_partial(&folder, &todo).map_err(lost("preparing the partial copies"))?;
        self.require_space(&folder, &todo, kept)?;
        make_directories(&folder, &items)?;
        // The longest first, so that no worker begins one when the others are at their end; small ones by directory.
        let large = |item: &Item| std::cmp::Reverse(item.stamp.size.max(copy::BUFFER_BYTES as u64));
        todo.sort_unstable_by(|left, right| (large(left), &left.path).cmp(&(large(right), &right.path)));
        let meter = Meter::new(&items, &known, &*self.options.progress);
        let bucket = Bucket::new(self.options.bandwidth.clone(), Arc::clone(&self.clock), self.level.clone());
        // The first failure stops the other workers, and nothing outside this push.
        let stop = self.cancel.child_token();
        let places = Places {
            source: &source,
            folder: &folder,
            partial: &partial,
            bucket: &bucket,
            cancel: &stop,
            // A server learns of the end of a file when it is closed, so it shall be closed before it has its name.
            unnamed: AtomicBool::new(verisim_sys::is_local(&folder)),
            advanced: &|bytes| meter.advance(bytes),
        };
        let sent = self.send_all(&places, (&mut journal, &items, &mut known), todo, &meter);
        sent.inspect_err(|_| note_kept(&self.options.work_dir, meter.sent().bytes))?;
        let (listed, remarks) = special::list(&source, &items)
            .and_then(|listed| special::note(&self.options.work_dir, &source, &items).map(|()| listed))
            .map_err(|error| failure(Side::Source, OPERATION, "reading links", &error))?;
        folder::replace(&folder, folder::SPECIAL, &mut listed.as_slice())
            .map_err(lost("writing the list of special files"))?;
        dress_directories(&folder, &items);
        source::require_unchanged(&source, &items, OPERATION, &self.cancel)?;
        rustix::fs::syncfs(&folder).map_err(|error| lost("making it durable")(error.into()))?;
        journal.finish().map_err(state("writing the journal"))?;
        let hash = |item: &Item| match find_at(&items, &item.path).and_then(|at| known.get(at))? {
            Known::Complete(sha256) => Some(*sha256),
            Known::Hashed(_) | Known::Nothing => None,
        };
        let written = write_manifest(&self.options.work_dir, &items, hash);
        let (manifest, written) = written.map_err(state("writing the manifest"))?;
        Ok(Pushed {
            manifest,
            manifest_sha256: written.sha256,
            inventory: written.inventory,
            sent: meter.sent(),
            remarks,
            output: ToolOutput::default(),
        })
    }

    /// Asks before the first byte whether there is room: a destination that is filled to the brim hurts others too. `kept`
    /// bytes are there already, in partial copies.
    fn require_space(&self, folder: &Root, todo: &[&Item], kept: u64) -> Result<(), Failure> {
        // What has holes may take less, and shows when it is written.
        let dense: u64 = todo.iter().filter(|item| !item.is_sparse()).map(|item| item.stamp.size).sum();
        let needed = dense.saturating_sub(kept);
        note_needed(&self.options.work_dir, needed);
        let Ok(stat) = rustix::fs::fstatvfs(folder) else { return Ok(()) };
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if stat.f_blocks > 0 && free < needed {
            let what = format_args!("{needed} bytes are to be sent, {free} are free at the destination");
            return Err(Failure::new(FailureKind::NoSpace, OPERATION, what));
        }
        Ok(())
    }

    /// Sends `todo` with all workers.
    fn send_all(
        &self,
        places: &Places<'_>,
        notes: (&mut Journal, &[Item], &mut [Known]),
        todo: Vec<&Item>,
        meter: &Meter<'_>,
    ) -> Result<(), Failure> {
        meter.report();
        let shared = Shared {
            todo,
            next: AtomicUsize::new(0),
            notes: Mutex::new(notes),
            failed: Mutex::new(None),
            unsynced: AtomicU64::new(0),
            meter,
        };
        std::thread::scope(|scope| {
            for _ in 0..self.workers.clamp(1, shared.todo.len().max(1)) {
                let spawned = std::thread::Builder::new()
                    .name("push".into())
                    .spawn_scoped(scope, || shared.work(places));
                if let Err(error) = spawned {
                    shared.fail(state("starting a thread")(error), places.cancel);
                }
            }
        });
        match locked(&shared.failed).take() {
            _ if self.cancel.is_cancelled() => Err(cancelled()),
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }
}

fn cancelled() -> Failure {
    Failure::new(FailureKind::Cancelled, OPERATION, "stopped")
}

/// Whether a regular file of this size stands at the destination.
fn is_there(folder: &Root, path: &RelPath, size: u64) -> bool {
    folder.stat(path.as_bytes()).is_ok_and(|stat| {
        stat.is_some_and(|stat| {
            rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file()
                && u64::try_from(stat.st_size) == Ok(size)
        })
    })
}

/// What was sent by a push that never ended, and is not in the capture any more or is something else there now, is put
/// aside at the destination and never deleted: it would count as foreign, or be overwritten.
fn set_aside(folder: &Root, gone: &HashMap<RelPath, Done>) -> Result<(), Failure> {
    let mut aside = None;
    for (path, done) in gone {
        let moved = (|| {
            if folder.stat(path.as_bytes())?.is_none() {
                return Ok(());
            }
            if aside.is_none() {
                let dir = RelPath::new(folder::ASIDE).map_err(io::Error::other)?;
                aside = Some(folder.make_dirs(&dir, folder::DIR_MODE)?);
            }
            let (parent, name) = folder.parent_of(path)?;
            let kept = format!("{}-{}", partial::partial_name(path), &done.sha256.to_string()[..16]);
            match &aside {
                Some(aside) => Ok(rustix::fs::renameat(&parent, name, aside, kept)?),
                None => Ok(()),
            }
        })();
        moved.map_err(lost("putting aside what is not in the capture any more"))?;
    }
    Ok(())
}

fn make_directories(folder: &Root, items: &[Item]) -> Result<(), Failure> {
    for item in items.iter().filter(|item| item.kind == Kind::Directory) {
        let made = folder.parent_of(&item.path).and_then(|(parent, name)| {
            match rustix::fs::mkdirat(&parent, name, folder::DIR_MODE) {
                // Something that is no directory fails when it is opened.
                Ok(()) | Err(rustix::io::Errno::EXIST) => parent.descend(name).map(drop),
                Err(error) => Err(error.into()),
            }
        });
        made.map_err(|error| {
            failure(Side::Destination, OPERATION, &format!("making the directory {}", item.path), &error)
        })?;
    }
    Ok(())
}

/// Gives the directories their modes and times, the deepest first. What a mount refuses stays as it is: no file depends on it.
fn dress_directories(folder: &Root, items: &[Item]) {
    for item in items.iter().rev().filter(|item| item.kind == Kind::Directory) {
        if let Ok(dir) = folder.descend(item.path.as_bytes()) {
            let _ = rustix::fs::fchmod(&dir, Mode::from_raw_mode(item.mode() & 0o777 | 0o700));
            let _ = rustix::fs::futimens(&dir, &copy::times(item.stamp.mtime_ns()));
        }
    }
}

/// Opens the folder of partial copies, and clears it of those that nobody will go on with. Says how many bytes the others
/// hold.
fn prepare_partial(folder: &Root, todo: &[&Item]) -> io::Result<(Root, u64)> {
    let partial =
        folder.make_dirs(&RelPath::new(folder::PARTIAL).map_err(io::Error::other)?, folder::DIR_MODE)?;
    let resumable: std::collections::HashSet<String> = todo
        .iter()
        .filter(|item| item.stamp.size >= RESUME_BYTES_MIN)
        .map(|item| partial::partial_name(&item.path))
        .collect();
    let mut kept = 0;
    for name in partial.names()? {
        if std::str::from_utf8(&name).is_ok_and(|name| resumable.contains(name)) {
            let stat = rustix::fs::statat(&partial, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)?;
            kept += u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
        } else {
            folder::discard(&partial, &name)?;
        }
    }
    Ok((partial, kept))
}

/// What the workers of one push share.
struct Shared<'a> {
    todo: Vec<&'a Item>,
    next: AtomicUsize,
    /// The journal, the capture, and what is known of each of its entries.
    notes: Mutex<(&'a mut Journal, &'a [Item], &'a mut [Known])>,
    failed: Mutex<Option<Failure>>,
    /// Bytes sent since the last checkpoint.
    unsynced: AtomicU64,
    meter: &'a Meter<'a>,
}

impl Shared<'_> {
    fn work(&self, places: &Places<'_>) {
        let mut last = LastParent::default();
        let mut buffer = Vec::new();
        while !places.cancel.is_cancelled() {
            let Some(item) = self.todo.get(self.next.fetch_add(1, Ordering::Relaxed)) else { return };
            if let Err(failure) = self.one(places, item, &mut last, &mut buffer) {
                self.fail(failure, places.cancel);
            }
        }
    }

    fn one(
        &self,
        places: &Places<'_>,
        item: &Item,
        last: &mut LastParent,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let mut resume = false;
        if item.stamp.size >= RESUME_BYTES_MIN {
            let journal = &mut locked(&self.notes).0;
            resume = journal.begun.get(&item.path) == Some(&item.stamp);
            journal.begin(&item.path, item.stamp).map_err(state("writing the journal"))?;
        }
        let sha256 = copy::send(places, item, resume, last, buffer)?;
        let done = Done { stamp: item.stamp, sha256 };
        let line = Complete::new(&item.path, done).map_err(state("writing the journal"))?;
        let (journal, items, known) = &mut *locked(&self.notes);
        journal.append(&line).map_err(state("writing the journal"))?;
        if let Some(known) = find_at(items, &item.path).and_then(|at| known.get_mut(at)) {
            *known = Known::Complete(sha256);
        }
        self.meter.file_sent(item.stamp.size);
        if self.unsynced.fetch_add(item.stamp.size, Ordering::Relaxed) + item.stamp.size >= CHECKPOINT_BYTES {
            // Under the lock: what is noted while this lasts would count as durable without being it.
            rustix::fs::syncfs(places.folder).map_err(|error| lost("making it durable")(error.into()))?;
            journal.checkpoint().map_err(state("writing the journal"))?;
            self.unsynced.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Keeps the first failure and has the others stop.
    fn fail(&self, failure: Failure, stop: &CancellationToken) {
        locked(&self.failed).get_or_insert(failure);
        stop.cancel();
    }
}
