//! One connection for runs that follow each other. To connect costs each side more than most of what is asked.
//!
//! An ssh of ours holds it and serves it at a socket in a private folder; the ssh of a run finds that, or, where the host allows
//! no further session or the connection is gone by then, connects by itself. One run has it at a time: those beside it have
//! connections of their own, as much bandwidth as before, and never too many sessions in one. It ends soon after the last
//! run, with whatever failed, with the transport, and with this process.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::DropGuard;
use verisim_core::CancellationToken;
use verisim_sys::{Ask, Ended, HeadTail, Limits, Printed, Ran, Runner, TimeOut};

use super::far::Far;
use super::ssh;
use crate::tool::Desk;

/// How long it is kept for the next run: from the end of a push to its verification.
const LINGER: Duration = Duration::from_secs(5);
/// How often is looked whether it is there.
const LOOK: Duration = Duration::from_millis(4);
/// How long connecting and logging in may take.
const LOGIN: Duration = Duration::from_secs(90);
/// It says nothing, and ssh itself finds out that the other side is silent.
const SILENCE: Duration = Duration::from_secs(365 * 86_400);
/// The longest name of a socket, which is 107 bytes (unix(7)), less what ssh adds while it makes it.
const SOCKET_BYTES_MAX: usize = 107 - 17;

/// The connection, or none.
#[derive(Default)]
pub(super) struct Line {
    state: Arc<Mutex<State>>,
    opening: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// How many have been opened.
    opened: u64,
}

struct Held {
    number: u64,
    socket: PathBuf,
    /// Whether a run has it.
    is_taken: bool,
    /// How many runs have had it.
    runs: u64,
    _end_when_dropped: DropGuard,
}

/// How a run gets to the host.
pub(super) enum Taken {
    /// By the connection that is there.
    Shared(Turn),
    /// By one of its own.
    Own,
    /// Not at all: connecting came to this.
    Failed(Ran),
}

/// The turn of one run, until it is dropped.
pub(super) struct Turn {
    state: Weak<Mutex<State>>,
    number: u64,
    pub(super) socket: PathBuf,
}

impl Line {
    /// Takes the connection for one run, and makes it where there is none. `ask` says how ssh is to hold it at a socket.
    pub(super) async fn take(
        &self,
        runner: &Runner,
        scratch: &Path,
        ask: impl FnOnce(&Path) -> Ask,
        cancel: &CancellationToken,
    ) -> Taken {
        // Without it, it would outlive a kill of ours.
        if !runner.is_tethered() {
            return Taken::Own;
        }
        let Ok(_opening) = self.opening.try_lock() else { return Taken::Own };
        match self.turn() {
            Some(taken) => taken,
            None => self.open(runner, scratch, ask, cancel).await,
        }
    }

    /// Ends it. A run that has it goes on to its end by itself, or fails.
    pub(super) fn end(&self) {
        lock(&self.state).held = None;
    }

    /// The turn, where there is a connection.
    fn turn(&self) -> Option<Taken> {
        let mut state = lock(&self.state);
        let held = state.held.as_mut()?;
        if held.is_taken {
            return Some(Taken::Own);
        }
        held.is_taken = true;
        let turn =
            Turn { state: Arc::downgrade(&self.state), number: held.number, socket: held.socket.clone() };
        Some(Taken::Shared(turn))
    }

    async fn open(
        &self,
        runner: &Runner,
        scratch: &Path,
        ask: impl FnOnce(&Path) -> Ask,
        cancel: &CancellationToken,
    ) -> Taken {
        let Ok(desk) = Desk::new(scratch, "rsync_ssh.reach") else { return Taken::Own };
        let socket = desk.path().join("s");
        // What ssh would take for a variable is in no name of ours.
        if socket.as_os_str().len() > SOCKET_BYTES_MAX || socket.as_os_str().as_bytes().contains(&b'$') {
            return Taken::Own;
        }
        let number = {
            let mut state = lock(&self.state);
            state.opened += 1;
            state.opened
        };
        let stop = CancellationToken::new();
        let end_when_dropped = stop.clone().drop_guard();
        let mut ended = hold(runner.clone(), ask(&socket), desk, stop, (Arc::downgrade(&self.state), number));
        let there = async {
            while !socket.exists() {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            biased;
            ran = &mut ended => return ran.map_or(Taken::Own, Taken::Failed),
            () = cancel.cancelled() => return Taken::Failed(nothing_but(Ended::Cancelled)),
            () = there => {}
            () = tokio::time::sleep(LOGIN) => {
                return Taken::Failed(nothing_but(Ended::TimedOut(TimeOut::Start)));
            }
        }
        let held = Held { number, socket, is_taken: false, runs: 0, _end_when_dropped: end_when_dropped };
        lock(&self.state).held = Some(held);
        self.turn().unwrap_or(Taken::Own)
    }
}

impl Far {
    /// Takes the connection that runs share, for one of them.
    pub(super) async fn take_line(&self, cancel: &CancellationToken) -> Taken {
        let hold = |socket: &Path| {
            let mut ask = Ask::new("ssh").args(self.arguments.clone()).args(ssh::holding(socket));
            ask = ask.args(["--".into(), self.host_word()]);
            ask.environment.clone_from(&self.options.environment);
            ask
        };
        self.line.take(&self.runner, &self.options.scratch, hold, cancel).await
    }

    /// Ends the connection that runs share: the next one finds out anew how things are.
    pub(super) fn hang_up(&self) {
        self.line.end();
    }

    /// The arguments of ssh before the host, for a run.
    pub(super) fn ssh_arguments(&self, turn: Option<&Turn>) -> Vec<OsString> {
        let mut out = self.arguments.clone();
        out.extend(ssh::by(turn.map(|turn| &*turn.socket)));
        out
    }
}

/// Has ssh hold the connection until it is told to stop, or ends. What it came to is answered.
fn hold(
    runner: Runner,
    mut ask: Ask,
    desk: Desk,
    stop: CancellationToken,
    (state, number): (Weak<Mutex<State>>, u64),
) -> oneshot::Receiver<Ran> {
    let (tell, told) = oneshot::channel();
    ask.limits = Limits { start: SILENCE, idle: SILENCE, ..Limits::default() };
    tokio::spawn(async move {
        let mut said = HeadTail::new(0);
        let ran = runner.stream(ask, &stop, &mut said).await;
        drop(desk);
        forget(&state, |held| held.number == number);
        if let Ok(ran) = ran {
            let _ = tell.send(ran);
        }
    });
    told
}

fn nothing_but(ended: Ended) -> Ran {
    Ran { ended, stdout: Printed::default(), stderr: Printed::default() }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets go of a connection of which this is so.
fn forget(state: &Weak<Mutex<State>>, which: impl FnOnce(&Held) -> bool) {
    if let Some(state) = state.upgrade() {
        let mut state = lock(&state);
        if state.held.as_ref().is_some_and(which) {
            state.held = None;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(state) = self.state.upgrade() else { return };
        let mut state = lock(&state);
        let Some(held) = state.held.as_mut().filter(|held| held.number == self.number) else { return };
        held.is_taken = false;
        held.runs += 1;
        let (number, runs, weak) = (held.number, held.runs, self.state.clone());
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    tokio::time::sleep(LINGER).await;
                    forget(&weak, |held| held.number == number && held.runs == runs && !held.is_taken);
                });
            }
            // Nothing could end it later.
            Err(_) => state.held = None,
        }
    }
}
