//! One run, from its start until nothing of it is left.

use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::pin::{Pin, pin};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};
use verisim_core::CancellationToken;

use super::{Ask, Ended, Input, Limits, Printed, Ran, Runner, Secrets, Taker, TimeOut};
use crate::{Error, HeadTail, Result};

/// How much is read at once.
const PIECE_BYTES: usize = 64 << 10;
/// How long output is waited for that something still holds after the tool is gone.
const REST_TIME: Duration = Duration::from_secs(1);
/// How long a tool that was killed may take to go. One that hangs in the kernel cannot be waited for.
const KILLED_TIME: Duration = Duration::from_secs(5);

impl Runner {
    /// Runs a tool and keeps what it prints.
    ///
    /// # Errors
    /// When it cannot be started for want of something of this machine; that it is missing is no error but an end.
    pub async fn run(&self, ask: Ask, cancel: &CancellationToken) -> Result<Ran> {
        let mut kept = HeadTail::new(ask.limits.kept_bytes);
        let secrets = ask.secrets.clone();
        let mut ran = self.stream(ask, cancel, &mut kept).await?;
        ran.stdout = printed(kept, &secrets);
        Ok(ran)
    }

    /// Runs a tool and passes on what it prints on standard output as it comes, secrets included. When whoever takes it
    /// wants no more, the tool is ended. One that is cancelled before it begins is not started.
    ///
    /// # Errors
    /// As [`Runner::run`].
    pub async fn stream(&self, ask: Ask, cancel: &CancellationToken, taker: &mut dyn Taker) -> Result<Ran> {
        let mut stderr = HeadTail::new(ask.limits.kept_bytes);
        let Some(program) = self.find(&ask.program) else {
            return Ok(ran(Ended::Missing, stderr, &ask.secrets));
        };
        let command = self.command(&program, &ask);
        let (limits, secrets, input) = (ask.limits, ask.secrets, ask.input);
        let mut run = match self.spawner.spawn(with_input(command, &input)?, cancel).await {
            Ok(Some(child)) => Running::of(child)?,
            Ok(None) => return Ok(ran(Ended::Cancelled, stderr, &secrets)),
            Err(error) if is_missing(&error) => return Ok(ran(Ended::Missing, stderr, &secrets)),
            Err(error) => return Err(call("start the tool", &error)),
        };
        let watched = {
            let feed = pin!(feed(run.child.stdin.take(), input));
            run.watch(limits, cancel, feed, &mut stderr, taker).await
        };
        let ended = run.finish(watched, limits.grace, &mut stderr).await?;
        Ok(ran(ended, stderr, &secrets))
    }

    fn command(&self, program: &Path, ask: &Ask) -> Command {
        let mut command = match &self.tether {
            Some(tether) => {
                let mut command = new_command(tether);
                command.args(["--pdeathsig", "KILL", "--"]).arg(program);
                command
            }
            None => new_command(program),
        };
        command.args(&ask.arguments).env_clear();
        command.envs(ask.environment.iter().map(|(name, value)| (name, value))).env("LC_ALL", "C");
        command.current_dir(ask.folder.as_deref().unwrap_or_else(|| Path::new("/")));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        command
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one runner")]
fn new_command(program: &Path) -> Command {
    Command::new(program)
}

fn with_input(mut command: Command, input: &Input) -> Result<Command> {
    command.stdin(match input {
        Input::Nothing => Stdio::null(),
        Input::Bytes(_) => Stdio::piped(),
        Input::File(file) => {
            Stdio::from(file.try_clone().map_err(|error| call("give the tool its input", &error))?)
        }
    });
    Ok(command)
}

/// A tool that wants no more of its input is no failure of ours: its end says what became of it.
async fn feed(stdin: Option<ChildStdin>, input: Input) {
    if let (Some(mut stdin), Input::Bytes(bytes)) = (stdin, input) {
        let _ = stdin.write_all(&bytes).await;
        let _ = stdin.shutdown().await;
    }
}

/// A tool that runs, and all that it started in its group.
struct Running {
    /// Ends the group when this value goes; before the child, by whose number it is known.
    group: Group,
    exit: AsyncFd<OwnedFd>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    child: Child,
}

/// Why the watch over a tool ended.
enum Watched {
    /// The tool did.
    Over,
    /// It shall.
    End(Ended),
}

impl Running {
    fn of(mut child: Child) -> Result<Self> {
        let none = Error::Call { doing: "find the tool that was started", errno: rustix::io::Errno::SRCH };
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).ok_or(none)?;
        let group = Group(Some(pid));
        let pidfd = pidfd_open(pid, PidfdFlags::NONBLOCK).map_err(Error::call("hold the tool"))?;
        #[expect(
            deprecated,
            reason = "only what does not own its descriptor is unsound there, and this does"
        )]
        let exit = AsyncFd::new(pidfd).map_err(|error| call("watch the tool", &error))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        Ok(Self { group, exit, stdout, stderr, child })
    }

    async fn watch(
        &mut self,
        limits: Limits,
        cancel: &CancellationToken,
        mut feed: Pin<&mut (impl Future<Output = ()> + Send)>,
        said: &mut HeadTail,
        taker: &mut dyn Taker,
    ) -> Watched {
        let mut total = pin!(async {
            match limits.total {
                Some(total) => sleep(total).await,
                None => pending().await,
            }
        });
        let (mut out, mut err) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
        let Self { group, exit, stdout, stderr: errors, .. } = self;
        let (mut feeding, mut has_spoken, mut is_over) = (true, false, false);
        loop {
            let (silence, bound) = match (is_over, has_spoken) {
                (true, _) => (REST_TIME, TimeOut::Idle),
                (false, true) => (limits.idle, TimeOut::Idle),
                (false, false) => (limits.start, TimeOut::Start),
            };
            if is_over && stdout.is_none() && errors.is_none() {
                return Watched::Over;
            }
            tokio::select! {
                () = cancel.cancelled() => return Watched::End(Ended::Cancelled),
                () = &mut total => return Watched::End(Ended::TimedOut(TimeOut::Total)),
                () = &mut feed, if feeding => feeding = false,
                piece = read(stdout, &mut out), if stdout.is_some() => {
                    if let Some(piece) = piece {
                        has_spoken = true;
                        tokio::select! {
                            taken = taker.take(piece) => if taken.is_break() {
                                return Watched::End(Ended::Refused);
                            },
                            () = cancel.cancelled() => return Watched::End(Ended::Cancelled),
                        }
                    }
                },
                piece = read(errors, &mut err), if errors.is_some() => {
                    if let Some(piece) = piece {
                        has_spoken = true;
                        said.push(piece);
                    }
                },
                _ = exit.readable(), if !is_over => {
                    // What it started and left behind goes with it, and lets go of the outputs.
                    group.signal(Signal::KILL);
                    is_over = true;
                },
                () = sleep(silence) => {
                    return if is_over { Watched::Over } else { Watched::End(Ended::TimedOut(bound)) };
                },
            }
        }
    }

    /// Sees that nothing is left, and says how it ended.
    async fn finish(mut self, watched: Watched, grace: Duration, stderr: &mut HeadTail) -> Result<Ended> {
        if let Watched::End(_) = watched {
            self.group.signal(Signal::TERM);
            let mut piece = vec![0; PIECE_BYTES];
            let last_words = async {
                loop {
                    tokio::select! {
                        // What it said at last was said before it went.
                        biased;
                        said = read(&mut self.stderr, &mut piece), if self.stderr.is_some() => {
                            if let Some(said) = said {
                                stderr.push(said);
                            }
                        }
                        _ = self.exit.readable() => break,
                    }
                }
            };
            let _ = timeout(grace, last_words).await;
            self.group.signal(Signal::KILL);
        }
        let status = match timeout(KILLED_TIME, self.child.wait()).await {
            Ok(status) => Some(status.map_err(|error| call("wait for the tool", &error))?),
            Err(_) => None,
        };
        self.group.is_gone();
        Ok(match (watched, status) {
            (Watched::End(ended), _) => ended,
            (Watched::Over, Some(status)) => match (status.code(), status.signal()) {
                (Some(code), _) => Ended::Code(code),
                (None, signal) => Ended::Signal(signal.unwrap_or(0)),
            },
            (Watched::Over, None) => Ended::Signal(Signal::KILL.as_raw()),
        })
    }
}

/// Reads a piece. At the end, or when it fails, the output is closed.
async fn read<'b>(from: &mut Option<impl AsyncRead + Unpin>, piece: &'b mut [u8]) -> Option<&'b [u8]> {
    let Some(open) = from else { return pending().await };
    match open.read(piece).await {
        Ok(0) | Err(_) => {
            *from = None;
            None
        }
        Ok(length) => piece.get(..length),
    }
}

/// A process group. It bears the number of its first process, which stays taken until that was waited for.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            // That nobody is left in it is what is wanted.
            let _ = kill_process_group(pid, signal);
        }
    }

    /// Its number may be another's from now on.
    fn is_gone(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
}

fn call(doing: &'static str, error: &io::Error) -> Error {
    let errno = error.raw_os_error().map_or(rustix::io::Errno::IO, rustix::io::Errno::from_raw_os_error);
    Error::Call { doing, errno }
}

fn ran(ended: Ended, stderr: HeadTail, secrets: &Secrets) -> Ran {
    Ran { ended, stdout: Printed::default(), stderr: printed(stderr, secrets) }
}

/// With secrets masked, also those that stand where something was left out.
fn printed(kept: HeadTail, secrets: &Secrets) -> Printed {
    let (mut head, mut tail, mut omitted_bytes) = kept.finish();
    if omitted_bytes == 0 {
        head.append(&mut tail);
    } else {
        let cut = secrets.overlap();
        let (from_head, from_tail) = (cut.min(head.len()), cut.min(tail.len()));
        head.truncate(head.len() - from_head);
        tail.drain(..from_tail);
        omitted_bytes =
            omitted_bytes.saturating_add(u64::try_from(from_head + from_tail).unwrap_or(u64::MAX));
    }
    Printed { head: secrets.mask(&head), tail: secrets.mask(&tail), omitted_bytes }
}
