//! Work that blocks for as long as a disk or a share does.
//!
//! It is done by threads that are kept for a while, and the oldest that has nothing to do is taken first. What a thread gives back to
//! the allocator of glibc stays in that thread's arena, up to 64 MiB of it, and steps of a job follow each other, each with a
//! list of the same capture: with a thread of its own for each, the daemon took 262 MiB for a million files, and takes 173
//! with these.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use verisim_core::{Failure, FailureKind};

/// How many threads are kept while there is nothing to do.
const IDLE_MAX: usize = 8;
/// How long each is.
const KEPT: Duration = Duration::from_secs(30);

/// The threads of this process.
static THREADS: Threads = Threads::new();

/// Runs `work` on a thread of its own, outside the threads that serve everybody.
pub(crate) async fn blocking<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    THREADS.done(name, work).await
}

/// Has `work` done by a thread of its own, and does not wait for it.
pub(crate) fn start(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let run = move || {
        work();
        Box::new(|| ()) as Told
    };
    THREADS.start(name, run)
}

/// Threads that take one work after the other.
struct Threads(Mutex<Idle>);

/// Those without work.
struct Idle {
    /// How many threads were ever made: the number of the next.
    made: u64,
    waiting: Vec<(u64, Sender<Work>)>,
}

struct Work {
    name: &'static str,
    run: Box<dyn FnOnce() -> Told + Send>,
}

/// Says what came of a work: once its thread has nothing to do, so that what comes next is done by it.
type Told = Box<dyn FnOnce() + Send>;

impl Threads {
    const fn new() -> Self {
        Self(Mutex::new(Idle { made: 0, waiting: Vec::new() }))
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn done<T: Send + 'static>(
        &'static self,
        name: &'static str,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (send, receive) = tokio::sync::oneshot::channel();
        let run = move || {
            let done = work();
            Box::new(move || drop(send.send(done))) as Told
        };
        self.start(name, run)?;
        let ended = |_| Failure::new(FailureKind::Unknown, name, "the work ended without a result");
        receive.await.map_err(ended)?
    }

    /// Has `run` done by a thread that has nothing to do, or by another one.
    fn start(
        &'static self,
        name: &'static str,
        run: impl FnOnce() -> Told + Send + 'static,
    ) -> Result<(), Failure> {
        let mut work = Work { name, run: Box::new(run) };
        loop {
            let Some(idle) = oldest(&mut self.lock().waiting) else { break };
            match idle.send(work) {
                Ok(()) => return Ok(()),
                Err(back) => work = back.0,
            }
        }
        let number = {
            let mut idle = self.lock();
            idle.made += 1;
            idle.made
        };
        let (send, receive) = channel();
        let serve = move || self.serve(number, work, &send, &receive);
        let refused = |error: io::Error| {
            let what = format_args!("no thread could be started: {error}");
            Failure::new(FailureKind::Unknown, name, what)
        };
        std::thread::Builder::new().name(name.into()).spawn(serve).map(drop).map_err(refused)
    }

    /// Does `work`, and what comes after it. A panic ends the thread, which nobody waits for then.
    fn serve(&self, number: u64, mut work: Work, send: &Sender<Work>, receive: &Receiver<Work>) {
        loop {
            let tell = (work.run)();
            let is_kept = self.keep(number, send);
            tell();
            if !is_kept {
                return;
            }
            let Some(next) = self.next(number, receive) else { return };
            work = next;
            // For people who look at the threads of this process.
            let _ = std::ffi::CString::new(work.name).map(|name| rustix::thread::set_name(&name));
        }
    }

    /// Whether the thread of this number is kept for what comes next.
    fn keep(&self, number: u64, send: &Sender<Work>) -> bool {
        let mut idle = self.lock();
        let is_kept = idle.waiting.len() < IDLE_MAX;
        if is_kept {
            idle.waiting.push((number, send.clone()));
        }
        is_kept
    }

    /// What the thread of this number is to do next, unless it has waited for long enough.
    fn next(&self, number: u64, receive: &Receiver<Work>) -> Option<Work> {
        match receive.recv_timeout(KEPT) {
            Ok(next) => return Some(next),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        {
            let mut idle = self.lock();
            if let Some(at) = idle.waiting.iter().position(|(waiting, _)| *waiting == number) {
                idle.waiting.remove(at);
                return None;
            }
        }
        // Somebody has taken it just now, and work is on its way.
        receive.recv().ok()
    }
}

fn oldest(waiting: &mut Vec<(u64, Sender<Work>)>) -> Option<Sender<Work>> {
    let at = (0..waiting.len()).min_by_key(|at| waiting[*at].0)?;
    Some(waiting.swap_remove(at).1)
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use super::*;

    /// Threads that no other test gives work to.
    fn own() -> &'static Threads {
        Box::leak(Box::new(Threads::new()))
    }

    async fn on(threads: &'static Threads) -> Option<ThreadId> {
        threads.done("sync.test", || Ok(std::thread::current().id())).await.ok()
    }

    #[tokio::test]
    async fn works_that_follow_each_other_have_one_thread_and_those_beside_each_other_have_their_own() {
        let threads = own();
        let first = on(threads).await;
        assert_eq!(on(threads).await, first);
        let (one, told) = std::sync::mpsc::channel::<()>();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let waits = tokio::spawn(threads.done("sync.test", move || {
            let _ = begun.send(());
            let _ = told.recv();
            Ok(std::thread::current().id())
        }));
        has_begun.await.unwrap();
        let beside = on(threads).await;
        drop(one);
        let waited = waits.await.unwrap().ok();
        assert_eq!(waited, first);
        assert_ne!(waited, beside);
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_and_the_next_work_is_done() {
        let threads = own();
        let failed = threads.done("sync.test", || -> Result<(), Failure> { panic!("on purpose") }).await;
        assert!(failed.unwrap_err().detail.contains("without a result"));
        assert!(on(threads).await.is_some());
    }
}
