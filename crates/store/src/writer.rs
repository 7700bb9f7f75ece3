//! The one thread that writes. It takes what waits, runs it in one transaction, commits once, and answers all: many
//! writers share one fsync, and a lone one waits for nobody.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use verisim_core::{StoreError, StoreResult};

use crate::error::Outcome;
use crate::presence::Presence;
use crate::tx::{Safety, State, Tx, Write};

/// Commands that may wait; further callers wait before they ask.
const WAITING_MAX: usize = 512;
/// Commands of one transaction. Bounds how long the first of them waits for the last.
const GROUP_MAX: usize = 128;
/// Pages after which a commit moves the log into the database file, as far as readers let it (16 MiB).
pub(crate) const CHECKPOINT_PAGES: u32 = 4096;
/// From here on readers are waited for, so that the log can begin anew.
const LOG_BYTES_MAX: u64 = 128 << 20;
/// A log that is larger than this is emptied after [`IDLE`]. A smaller one stays: to begin a log costs a flush, and a lone
/// job shall not pay for it.
const LOG_BYTES_IDLE: u64 = 4 << 20;
/// So long without a command is idle.
const IDLE: Duration = Duration::from_secs(5);

/// How often the writer did what. For tests and measurements.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Metrics {
    /// Transactions that were flushed to the disk before they were answered.
    pub flushed: u64,
    /// Transactions that were not.
    pub unflushed: u64,
    /// Commands.
    pub commands: u64,
}

/// What the writer tells everybody.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) published: AtomicI64,
    pub(crate) pruned: AtomicI64,
    flushed: AtomicU64,
    unflushed: AtomicU64,
    commands: AtomicU64,
}

/// The way to the writer. When it is dropped, the writer finishes what was asked and ends.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Waiting>>>,
    places: Arc<Semaphore>,
    thread: Option<std::thread::JoinHandle<()>>,
    pub(crate) shared: Arc<Shared>,
}

impl Writer {
    /// Starts the thread. The lock of `presence` is let go when it has ended.
    pub(crate) fn start(
        path: PathBuf,
        db: Connection,
        state: State,
        presence: Presence,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (queue, inbox) = mpsc::channel();
        let mut worker = Worker {
            path,
            db,
            state,
            presence,
            shared: Arc::clone(&shared),
            full: None,
            log_bytes_max: LOG_BYTES_MAX,
        };
        worker.tell();
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(move || {
            worker.serve(&inbox);
        })?;
        Ok(Self {
            queue: Some(queue),
            places: Arc::new(Semaphore::new(WAITING_MAX)),
            thread: Some(thread),
            shared,
        })
    }

    pub(crate) async fn ask<W: Write>(&self, what: W) -> StoreResult<W::Answer> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let command = Box::new(Command { what, answer: None, reply, _place: place });
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(command).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    pub(crate) fn metrics(&self) -> Metrics {
        Metrics {
            flushed: self.shared.flushed.load(Ordering::Relaxed),
            unflushed: self.shared.unflushed.load(Ordering::Relaxed),
            commands: self.shared.commands.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the store panicked");
        }
    }
}

/// A command whose caller waits.
trait Waiting: Send {
    fn safety(&self) -> Safety;
    fn run(&mut self, tx: &mut Tx<'_>) -> Outcome<()>;
    fn reply(self: Box<Self>, result: StoreResult<()>);
}

struct Command<W: Write> {
    what: W,
    answer: Option<W::Answer>,
    reply: oneshot::Sender<StoreResult<W::Answer>>,
    _place: OwnedSemaphorePermit,
}

impl<W: Write> Waiting for Command<W> {
    fn safety(&self) -> Safety {
        W::SAFETY
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Outcome<()> {
        self.answer = Some(self.what.run(tx)?);
        Ok(())
    }

    fn reply(self: Box<Self>, result: StoreResult<()>) {
        let Self { answer, reply, .. } = *self;
        let answer = result.and_then(|()| answer.ok_or(StoreError::Closed));
        // The caller may have given up waiting; what it asked for is done all the same.
        let _ = reply.send(answer);
    }
}

struct Worker {
    path: PathBuf,
    db: Connection,
    state: State,
    /// Declared after the database, so that the lock is let go when that is closed.
    presence: Presence,
    shared: Arc<Shared>,
    /// The level of `PRAGMA synchronous` that is set: FULL or NORMAL.
    full: Option<bool>,
    /// The log is emptied, whoever reads, when it is larger than this.
    log_bytes_max: u64,
}

impl Worker {
    fn serve(&mut self, inbox: &mpsc::Receiver<Box<dyn Waiting>>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        let mut log_is_small = true;
        loop {
            let first = if log_is_small {
                inbox.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected)
            } else {
                inbox.recv_timeout(IDLE)
            };
            match first {
                Ok(first) => group.push(first),
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    self.empty_log();
                    log_is_small = true;
                    continue;
                }
            }
            group.extend(inbox.try_iter().take(GROUP_MAX - 1));
            self.shared.commands.fetch_add(u64::try_from(group.len()).unwrap_or(0), Ordering::Relaxed);
            self.commit(&mut group);
            let log_bytes = file_bytes(&wal_path(&self.path));
            if log_bytes > self.log_bytes_max {
                self.empty_log();
                // Where a reader holds it, it is tried again when it has grown as much again.
                self.log_bytes_max = file_bytes(&wal_path(&self.path)) + LOG_BYTES_MAX;
            }
            log_is_small = log_bytes <= LOG_BYTES_IDLE;
        }
    }

    /// Runs a group in one transaction and answers it. When one of it fails, each gets a transaction of its own.
    fn commit(&mut self, group: &mut Vec<Box<dyn Waiting>>) {
        match self.attempt(group) {
            Ok(()) => {
                self.state.commit();
                self.tell();
                group.drain(..).for_each(|command| command.reply(Ok(())));
            }
            Err(error) => {
                self.state.roll_back();
                if group.len() == 1 {
                    group.drain(..).for_each(|command| command.reply(Err(error.clone())));
                } else {
                    for command in group.drain(..) {
                        self.commit(&mut vec![command]);
                    }
                }
            }
        }
    }

    fn attempt(&mut self, group: &mut [Box<dyn Waiting>]) -> StoreResult<()> {
        // What is written to a file without a name is lost: nothing may follow from it.
        if !self.presence.holds() {
            return Err(StoreError::Gone { path: self.path.clone() });
        }
        let safety = group.iter().map(|command| command.safety()).max().unwrap_or(Safety::Look);
        let mut tx = Tx { db: &self.db, state: &mut self.state };
        if safety == Safety::Look {
            return group.iter_mut().try_for_each(|c| c.run(&mut tx)).map_err(|fault| fault.at(&self.path));
        }
        let full = safety == Safety::Power;
        let outcome = (|| {
            if self.full != Some(full) {
                // This pragma does its work while it is prepared, so there is nothing to keep prepared.
                self.db.execute_batch(if full {
                    "PRAGMA synchronous=FULL"
                } else {
                    "PRAGMA synchronous=NORMAL"
                })?;
                self.full = Some(full);
            }
            self.db.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
            group.iter_mut().try_for_each(|command| command.run(&mut tx))?;
            self.db.prepare_cached("COMMIT")?.execute(())?;
            Ok(())
        })();
        let count = if full { &self.shared.flushed } else { &self.shared.unflushed };
        count.fetch_add(1, Ordering::Relaxed);
        outcome.map_err(|fault: crate::error::Fault| {
            // After some errors SQLite has rolled back by itself already.
            if !self.db.is_autocommit()
                && let Err(error) = self.db.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "the store could not roll back");
            }
            fault.at(&self.path)
        })
    }

    /// Tells the readers what is committed.
    fn tell(&self) {
        self.shared.published.store(self.state.numbers.published, Ordering::Release);
        self.shared.pruned.store(self.state.numbers.pruned, Ordering::Release);
    }

    /// Moves the log into the database file and truncates it. That it cannot be done now is no error: the log stays.
    fn empty_log(&self) {
        // Who only looks leaves it to those who write.
        if self.db.is_readonly("main").unwrap_or(false) {
            return;
        }
        let done = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get::<_, i64>(0));
        if let Err(error) = done {
            tracing::warn!(%error, "the log of the store could not be moved into it");
        }
    }
}

/// The log beside a database file.
pub(crate) fn wal_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// The length of a file; 0 when there is none.
pub(crate) fn file_bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
