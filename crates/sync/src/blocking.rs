//! Work that blocks for as long as a disk or a share does.
//!
//! It is done by threads that are kept for a while, and the oldest that has nothing to do is taken first. What a thread gives back to
//! the allocator of glibc stays in that thread's arena, up to 64 MiB of it, and steps of a job follow each other, each with a
//! list of the same capture: on a thread of its own each would take its memory anew, and a million files would take 260 MiB
//! instead of 150.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use verisim_core::{Failure, FailureKind};

/// How many threads are kept while there is nothing to do.
const IDLE_MAX: usize = 8;
/// How long each is.
const KEPT: Duration = Duration::from_secs(30);

/// Threads without work.
static IDLE: Mutex<Idle> = Mutex::new(Idle { made: 0, waiting: Vec::new() });

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
pub(crate) type Told = Box<dyn FnOnce() + Send>;

/// Runs `work` on a thread of its own, outside the threads that serve everybody.
pub(crate) async fn blocking<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let (send, receive) = tokio::sync::oneshot::channel();
    let broken = |what: String| Failure::new(FailureKind::Unknown, name, what);
    let run = move || {
        let done = work();
        Box::new(move || drop(send.send(done))) as Told
    };
    start(name, run).map_err(|error| broken(format!("no thread could be started: {error}")))?;
    receive.await.map_err(|_| broken("the work ended without a result".into()))?
}

/// Has `run` done by a thread that has nothing to do, or by another one.
pub(crate) fn start(name: &'static str, run: impl FnOnce() -> Told + Send + 'static) -> io::Result<()> {
    let mut work = Work { name, run: Box::new(run) };
    loop {
        let Some(idle) = oldest(&mut lock().waiting) else { break };
        match idle.send(work) {
            Ok(()) => return Ok(()),
            Err(back) => work = back.0,
        }
    }
    let number = {
        let mut idle = lock();
        idle.made += 1;
        idle.made
    };
    let (send, receive) = channel();
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || serve(number, work, &send, &receive))
        .map(drop)
}

fn oldest(waiting: &mut Vec<(u64, Sender<Work>)>) -> Option<Sender<Work>> {
    let at = (0..waiting.len()).min_by_key(|at| waiting[*at].0)?;
    Some(waiting.swap_remove(at).1)
}

/// Does `work`, and what comes after it. A panic ends the thread, which nobody waits for then.
fn serve(number: u64, mut work: Work, send: &Sender<Work>, receive: &Receiver<Work>) {
    loop {
        let tell = (work.run)();
        let is_kept = {
            let mut idle = lock();
            let is_kept = idle.waiting.len() < IDLE_MAX;
            if is_kept {
                idle.waiting.push((number, send.clone()));
            }
            is_kept
        };
        tell();
        if !is_kept {
            return;
        }
        work = match receive.recv_timeout(KEPT) {
            Ok(next) => next,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                {
                    let mut idle = lock();
                    if let Some(at) = idle.waiting.iter().position(|(waiting, _)| *waiting == number) {
                        idle.waiting.remove(at);
                        return;
                    }
                }
                // Somebody has taken it just now, and work is on its way.
                match receive.recv() {
                    Ok(next) => next,
                    Err(_) => return,
                }
            }
        };
        // For people who look at the threads of this process.
        let _ = std::ffi::CString::new(work.name).map(|name| rustix::thread::set_name(&name));
    }
}

fn lock() -> MutexGuard<'static, Idle> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn on() -> Option<std::thread::ThreadId> {
        blocking("sync.test", || Ok(std::thread::current().id())).await.ok()
    }

    #[tokio::test]
    async fn works_that_follow_each_other_have_one_thread_and_those_beside_each_other_have_their_own() {
        let first = on().await;
        assert_eq!(on().await, first);
        let (one, told) = std::sync::mpsc::channel::<()>();
        let waits = tokio::spawn(blocking("sync.test", move || {
            let _ = told.recv();
            Ok(std::thread::current().id())
        }));
        tokio::time::sleep(Duration::from_millis(50)).await;
        let beside = on().await;
        drop(one);
        assert_ne!(waits.await.unwrap().ok(), beside);
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_and_the_next_work_is_done() {
        let failed = blocking("sync.test", || -> Result<(), Failure> { panic!("on purpose") }).await;
        assert!(failed.unwrap_err().detail.contains("without a result"));
        assert!(on().await.is_some());
    }
}
