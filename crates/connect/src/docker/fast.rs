//! The fast way: the root of a container's first process, as the kernel shows it.
//!
//! A number of a process may come to stand for another one at any moment, and writing into the wrong root would be writing
//! to somebody else's machine. So the process is held first (a pidfd, and its directory of `/proc`), and only then it is
//! asked whose it is: its control group must bear the container's id, and a second question to the engine must name the same
//! process and the same start. Its root is then opened and held, and the process must live after that. Before each call it
//! is asked again whether it lives, and whether it is paused; both are one system call. A process that ended in between is
//! found anew; one that ended during a call leaves an effect of which nobody knows whether the container still has it.

use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use verisim_core::{Effect, Failure, FailureKind, HostFacts, Timestamp};
use verisim_sys::{Freezer, HeldProcess, Root};

use super::standing::{Running, paused};
use super::{ContainerName, Engine};
use crate::rooted::{Calls, Operation, Rooted};
use crate::tree::{self, Problem};

/// How often a container is looked for whose first process ends while we look: one that restarts again and again.
const ATTEMPTS_MAX: usize = 3;

/// A container whose files are reached through the kernel.
#[derive(Clone)]
pub(super) struct Fast {
    engine: Engine,
    name: ContainerName,
    calls: Calls,
    known: Arc<Known>,
}

#[derive(Default)]
struct Known {
    /// The process that was found last; it goes when the process ends, so that the container's file system can.
    held: Mutex<Option<Arc<Held>>>,
    /// The container that calls go to: what the latest probe found, or else the first call.
    met: Mutex<Option<String>>,
    /// Only one looks at a time; the others find what it found.
    looking: tokio::sync::Mutex<()>,
}

/// A process that is certain to be the container's first one, and its root.
pub(super) struct Held {
    pub(super) container: String,
    pub(super) process: HeldProcess,
    root: Root,
    freezer: Option<Freezer>,
}

/// What a look at the held process before a call shows.
enum Now {
    Lives,
    Ended,
    Paused,
}

impl Held {
    fn now(&self) -> Result<Now, Problem> {
        let failed = |error: verisim_sys::Error| Problem::new(error.kind(), error.to_string());
        if !self.process.is_alive().map_err(failed)? {
            return Ok(Now::Ended);
        }
        match self.freezer.as_ref().map(Freezer::is_frozen) {
            Some(Ok(true)) => Ok(Now::Paused),
            // The group goes with its last process.
            Some(Err(_)) if !self.process.is_alive().map_err(failed)? => Ok(Now::Ended),
            Some(Ok(false) | Err(_)) | None => Ok(Now::Lives),
        }
    }
}

/// What came of a call, and of a container that was not there for it.
enum Done<T> {
    Answered(T),
    Ended,
    Paused,
}

impl Fast {
    pub(super) fn new(engine: Engine, name: ContainerName) -> Self {
        Self { engine, name, calls: Calls::new(), known: Arc::default() }
    }

    /// The container's first process, held. A probe takes whichever container bears the name now; any other call only the
    /// one that was met before.
    pub(super) async fn held(&self, operation: &'static str, is_probe: bool) -> Result<Arc<Held>, Failure> {
        if let Some(held) = self.current()
            && !is_probe
        {
            return Ok(held);
        }
        let _only_one = self.known.looking.lock().await;
        if let Some(held) = self.current()
            && !is_probe
        {
            return Ok(held);
        }
        let held = self.find(operation).await?;
        {
            let mut met = self.known.met.lock().unwrap_or_else(PoisonError::into_inner);
            if is_probe {
                *met = Some(held.container.clone());
            } else if *met.get_or_insert_with(|| held.container.clone()) != held.container {
                let detail = format!("the container {} is another one since, made anew", self.name);
                return Err(Failure::new(FailureKind::NotFound, operation, detail));
            }
        }
        self.keep(&held);
        Ok(held)
    }

    fn current(&self) -> Option<Arc<Held>> {
        let mut held = self.known.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_some_and(|held| !held.process.is_alive().unwrap_or(false)) {
            *held = None;
        }
        held.clone()
    }

    async fn find(&self, operation: &'static str) -> Result<Arc<Held>, Failure> {
        for _ in 0..ATTEMPTS_MAX {
            let before = self.engine.running(operation, &self.name).await?;
            if !before.is_plain {
                let detail = format!(
                    "the container {} runs with a kernel of its own; reach it the portable way",
                    self.name
                );
                return Err(Failure::new(FailureKind::Unsupported, operation, detail));
            }
            if let Some(held) = self.current().filter(|held| held.container == before.id) {
                return Ok(held);
            }
            let wanted = before.clone();
            let find = Operation::question(operation);
            let found = self.calls.run(find, || self.name.to_string(), move || hold(wanted)).await?;
            // Whatever we hold was the container's if the engine says the same as before we looked.
            if let Some(found) = found
                && self.engine.running(operation, &self.name).await? == before
            {
                return Ok(Arc::new(found));
            }
        }
        let detail = format!(
            "the container {} does not stand still, or its processes are not those of this machine (then reach it the \
             portable way)",
            self.name
        );
        Err(Failure::new(FailureKind::Network, operation, detail))
    }

    /// Remembers the process until it ends. What is held of its root keeps the container's file system mounted, and so it
    /// must go when the container does.
    fn keep(&self, held: &Arc<Held>) {
        *self.known.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(held));
        let (known, watched) = (Arc::downgrade(&self.known), Arc::downgrade(held));
        let Ok(pidfd) = rustix::io::dup(held.process.pidfd()) else { return };
        tokio::spawn(async move {
            #[expect(
                deprecated,
                reason = "a descriptor that closes itself early is what is unsound; an owned one cannot"
            )]
            let watched_pidfd = AsyncFd::with_interest(pidfd, Interest::READABLE);
            let Ok(pidfd) = watched_pidfd else { return };
            let _ended = pidfd.readable().await;
            if let Some(known) = known.upgrade() {
                let mut held = known.held.lock().unwrap_or_else(PoisonError::into_inner);
                if held.as_ref().is_some_and(|held| std::ptr::eq(Arc::as_ptr(held), watched.as_ptr())) {
                    *held = None;
                }
            }
        });
    }

    /// The facts that its files tell. Which container it is tells it from another one of the same name.
    pub(super) async fn probe(&self, now: Timestamp) -> Result<HostFacts, Failure> {
        let look = move |held: &Held| {
            let identity = Some(identity(&held.container));
            tree::facts(&held.root, now).map(|facts| HostFacts { identity, ..facts })
        };
        self.with_process(Operation::probe("docker.probe"), look).await
    }

    /// Does `work` with the held process, if it lives and is not paused.
    pub(super) async fn with_process<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce(&Held) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Failure> {
        // The same work cannot be given away twice, and so it waits where each attempt finds it.
        let work = Arc::new(Mutex::new(Some(work)));
        for _ in 0..ATTEMPTS_MAX {
            let held = self.held(operation.name, operation.is_probe).await?;
            let work = Arc::clone(&work);
            let run = move || {
                match held.now()? {
                    Now::Lives => {}
                    Now::Ended => return Ok(Done::Ended),
                    Now::Paused => return Ok(Done::Paused),
                }
                let Some(work) = work.lock().unwrap_or_else(PoisonError::into_inner).take() else {
                    return Err(Problem::new(FailureKind::Unknown, "it was done before"));
                };
                let answer = work(&held);
                if operation.effect == Effect::Unknown && !matches!(held.now(), Ok(Now::Lives | Now::Paused))
                {
                    let detail = "the container ended while something was done there";
                    return Err(Problem::new(FailureKind::Network, detail).with_effect(Effect::Unknown));
                }
                answer.map(Done::Answered)
            };
            match self.calls.run(operation, || format!("the container {}", self.name), run).await? {
                Done::Answered(answer) => return Ok(answer),
                Done::Ended => {}
                Done::Paused => return Err(paused(operation.name, &self.name)),
            }
        }
        let detail = format!("the container {} ends again and again", self.name);
        Err(Failure::new(FailureKind::Network, operation.name, detail))
    }
}

impl Rooted for Fast {
    async fn in_root<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce(&Root) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Failure> {
        self.with_process(operation, move |held| work(&held.root)).await
    }
}

/// What tells a container's root from that of another one, as long as it exists.
pub(super) fn identity(container: &str) -> String {
    format!("container {container}")
}

/// Holds the process that the engine names, if it is the container's; `None` when it is not, or ended.
fn hold(wanted: Running) -> Result<Option<Held>, Problem> {
    let held = HeldProcess::open(wanted.pid).and_then(|process| {
        if !process.is_in_group(&wanted.id)? {
            return Ok(None);
        }
        let (root, freezer) = (process.root()?, process.freezer()?);
        // What was opened belongs to the process, and not to a successor of its number, if it still lives.
        let alive = process.is_alive()?;
        Ok(alive.then_some(Held { container: wanted.id, process, root, freezer }))
    });
    match held {
        Err(error) if error.errno() == Some(Errno::SRCH) => Ok(None),
        Err(error) => Err(Problem::new(error.kind(), format!("the container's first process: {error}"))),
        held => Ok(held.unwrap_or(None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a process that is nobody's container is what is looked at"
    )]
    fn inv_7_a_process_that_is_not_the_container_s_is_not_held() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let wanted = |pid| Running::for_test("0123456789abcdef".repeat(4), pid);
        assert!(hold(wanted(child.id())).unwrap().is_none(), "it is in no group of that name");
        assert!(hold(wanted(std::process::id())).unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(hold(wanted(child.id())).unwrap().is_none(), "it ended");
    }
}
