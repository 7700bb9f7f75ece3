//! The far side: what it is asked, by a script or by rsync, and what it is found to be.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::Mutex;
use verisim_core::{CancellationToken, Failure, FailureKind, RelPath, Remote, TransportError};
use verisim_sys::{Ask, Ended, HeadTail, Input, Limits, Ran, Runner, Taker};

use super::line::{Line, Taken};
use super::version::{FSYNC_SINCE, RsyncVersion, USABLE_SINCE};
use super::{RsyncOptions, bare, ssh};
use crate::errno::{Side, failure};
use crate::explain::{Tool, ToolOperation};
use crate::shell::{self, Shell, script};
use crate::tool::{Desk, Look, ended, output};

/// How much of a script's answer is kept: markers, a hash, and numbers.
const ANSWER_BYTES: usize = 256 << 10;
/// How long a script may be silent: a login, and the making durable of what was sent to a slow disk.
const SCRIPT_SILENCE: Duration = Duration::from_secs(90);
/// How long rsync may be silent over nothing.
const SILENCE: Duration = Duration::from_secs(120);
/// How fast a large file is compared by a slow disk at the least: rsync is silent meanwhile.
const COMPARED_PER_SECOND: u64 = 10 << 20;
pub(super) const OPERATION: &str = "rsync_ssh.reach";

/// A host, and what is asked of it.
pub(super) struct Far {
    pub(super) options: RsyncOptions,
    pub(super) runner: Runner,
    pub(super) arguments: Vec<OsString>,
    pub(super) line: Line,
    /// A wrapper around rsync (rrsync since 3.2.7) holds its directory for one run, and refuses others.
    alone: Mutex<()>,
}

/// How the far side is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// By commands, beside rsync.
    Shell(Shell),
    /// By rsync alone.
    Bare,
}

/// What is known of both sides, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FarFacts {
    /// The rsync on this machine.
    pub here: Option<RsyncVersion>,
    /// The rsync there, as far as it can be asked.
    pub there: Option<RsyncVersion>,
    /// What it says of itself, where it says no version that is understood.
    pub there_says: String,
    /// Whether commands may be run there; otherwise what is there is read back to be verified.
    pub commands: bool,
    /// The hasher that is used there.
    pub hasher: Option<&'static str>,
}

impl fmt::Display for Far {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.options.host, String::from_utf8_lossy(&self.options.path))
    }
}

/// The version of the rsync there.
fn version_of(shell: &Shell) -> Option<RsyncVersion> {
    RsyncVersion::parse(&shell.rsync)
}

impl Way {
    /// Fails where there is no rsync.
    pub(super) fn require_rsync(&self, operation: &'static str) -> Result<(), Failure> {
        match self {
            Self::Shell(shell) if shell.rsync.trim().is_empty() => {
                let what = "there is no rsync on the destination: install it there, or say where it is (`rsync_path`)";
                Err(Failure::new(FailureKind::ToolMissing, operation, what))
            }
            Self::Shell(_) | Self::Bare => Ok(()),
        }
    }

    /// Whether the rsync there is known to flush what it writes when it is asked to.
    pub(super) fn flushes(&self) -> bool {
        match self {
            Self::Shell(shell) => version_of(shell).is_some_and(|version| version >= FSYNC_SINCE),
            Self::Bare => false,
        }
    }
}

impl Far {
    pub(super) fn new(options: RsyncOptions, runner: Runner) -> Self {
        let arguments = ssh::arguments(&options);
        Self { options, runner, arguments, line: Line::default(), alone: Mutex::default() }
    }

    /// Fails where this machine lacks a tool, or the key.
    pub(super) fn require_tools(&self) -> Result<(), Failure> {
        // ssh passes over a key that is not there, and the host's refusal would be taken for the reason.
        if let Some(key) = self.options.key.as_ref().filter(|key| !key.is_file()) {
            let what = format_args!("the key {} is not there, or is no file", key.display());
            return Err(Failure::new(FailureKind::Config, OPERATION, what));
        }
        for (tool, mend) in [("rsync", "apt install rsync"), ("ssh", "apt install openssh-client")] {
            if self.runner.find(tool).is_none() {
                let what = format_args!("{tool} is not on this machine: {mend}");
                return Err(Failure::new(FailureKind::ToolMissing, OPERATION, what));
            }
        }
        Ok(())
    }

    /// Runs a script there. What it answers goes to `taker`.
    pub(super) async fn script(
        &self,
        script: Vec<u8>,
        taker: &mut dyn Taker,
        cancel: &CancellationToken,
    ) -> Result<Ran, TransportError> {
        let turn = match self.take_line(cancel).await {
            Taken::Failed(ran) => return Ok(ran),
            Taken::Own => None,
            Taken::Shared(turn) => Some(turn),
        };
        let mut ask = Ask::new("ssh").args(self.ssh_arguments(turn.as_ref()));
        ask = ask.args(["--".into(), self.host_word(), "sh".into()]);
        ask.environment = self.options.environment.clone();
        ask.input = Input::Bytes(script);
        ask.limits = Limits { start: SCRIPT_SILENCE, idle: SCRIPT_SILENCE, ..Limits::default() };
        self.runner.stream(ask, cancel, taker).await.map_err(|error| not_run(&error))
    }

    pub(super) fn host_word(&self) -> OsString {
        (&self.options.host).into()
    }

    /// Runs a script and takes its whole answer; any end but a good one is a failure.
    async fn ask(
        &self,
        script: Vec<u8>,
        operation: &'static str,
        cancel: &CancellationToken,
    ) -> Result<Vec<u8>, TransportError> {
        let mut said = HeadTail::new(ANSWER_BYTES);
        let ran = self.script(script, &mut said, cancel).await?;
        let output = ended(&ran, Tool::Rsync, ToolOperation::Hashsum, operation, None)?;
        let (answer, _, _) = said.finish();
        if shell::is_whole(&answer) {
            return Ok(answer);
        }
        let what = "the far side did not answer what was asked";
        Err(TransportError { failure: Failure::new(FailureKind::Unknown, operation, what), output })
    }

    /// Runs rsync. `largest` is the largest file that it may have to compare.
    pub(super) async fn rsync(
        &self,
        way: &Way,
        rsync: Rsync,
        taker: &mut dyn Taker,
        cancel: &CancellationToken,
    ) -> Result<Ran, TransportError> {
        // Where it is cancelled meanwhile, the run ends before it begins.
        let _alone = tokio::select! {
            alone = self.alone.lock(), if *way == Way::Bare => Some(alone),
            () = cancel.cancelled(), if *way == Way::Bare => None,
            else => None,
        };
        let turn = match self.take_line(cancel).await {
            Taken::Failed(ran) => return Ok(ran),
            Taken::Own => None,
            Taken::Shared(turn) => Some(turn),
        };
        let mut ask = Ask::new("rsync").args(rsync.arguments);
        if *way != Way::Bare {
            // A wrapper around rsync reads the arguments, so they must stand in the command there.
            ask = ask.args(["-s"]);
        }
        let ssh = self.runner.find("ssh").unwrap_or_else(|| PathBuf::from("ssh"));
        ask = ask.args(["-e".into(), ssh::remote_shell(&ssh, &self.ssh_arguments(turn.as_ref()))]);
        if let Some(path) = &self.options.rsync_path {
            ask = ask.args([format!("--rsync-path={path}")]);
        }
        ask = ask.args(["--"]).args(rsync.places);
        ask.environment = self.options.environment.clone();
        ask.folder = rsync.folder;
        ask.input = rsync.list.map_or(Input::Nothing, Input::File);
        let silence = SILENCE + Duration::from_secs(rsync.largest_bytes / COMPARED_PER_SECOND);
        ask.limits = Limits { start: silence, idle: silence, ..Limits::default() };
        self.runner.stream(ask, cancel, taker).await.map_err(|error| not_run(&error))
    }

    /// A place on the far side, as rsync takes it; `below` the destination's root.
    pub(super) fn place(&self, below: &[u8]) -> OsString {
        let mut out = ssh::host_of(&self.options).into_vec();
        out.push(b':');
        out.extend(self.path_of(below));
        OsString::from_vec(out)
    }

    /// An absolute path on the far side.
    pub(super) fn path_of(&self, below: &[u8]) -> Vec<u8> {
        let root = self.options.path.strip_suffix(b"/").unwrap_or(&self.options.path);
        [root, b"/", below].concat()
    }

    /// Finds out how the far side is asked.
    pub(super) async fn find_way(&self, cancel: &CancellationToken) -> Result<Way, TransportError> {
        self.require_tools()?;
        let here = self.here(cancel).await?;
        if here.is_some_and(|here| here < USABLE_SINCE) {
            let what =
                format_args!("the rsync on this machine is older than {USABLE_SINCE}: install a newer one");
            return Err(Failure::new(FailureKind::ToolMissing, OPERATION, what).into());
        }
        let rsync = self.options.rsync_path.as_deref().unwrap_or("rsync");
        let mut said = HeadTail::new(ANSWER_BYTES);
        let ran = self.script(script::inquire(Some(rsync)), &mut said, cancel).await?;
        let (answer, _, _) = said.finish();
        match (ran.ended, shell::shell(&answer)) {
            (Ended::Code(_), Some(shell)) if shell::is_whole(&answer) => Ok(Way::Shell(shell)),
            // Something else than a shell has answered, or was started for us: rsync itself will say what it is.
            (Ended::Code(0..255), None) => Ok(Way::Bare),
            _ => {
                let _ = ended(&ran, Tool::Rsync, ToolOperation::Hashsum, OPERATION, None)?;
                let what = "the far side did not answer what was asked";
                let failure = Failure::new(FailureKind::Unknown, OPERATION, what);
                Err(TransportError { failure, output: output(&ran) })
            }
        }
    }

    /// What is known of both sides.
    pub(super) async fn facts(&self, cancel: &CancellationToken) -> Result<FarFacts, TransportError> {
        self.require_tools()?;
        let here = self.here(cancel).await?;
        Ok(match self.find_way(cancel).await? {
            Way::Shell(shell) => FarFacts {
                here,
                there: version_of(&shell),
                hasher: shell.hasher.map(|hasher| hasher.call),
                there_says: shell.rsync,
                commands: true,
            },
            Way::Bare => {
                FarFacts { here, there: None, there_says: String::new(), commands: false, hasher: None }
            }
        })
    }

    async fn here(&self, cancel: &CancellationToken) -> Result<Option<RsyncVersion>, TransportError> {
        let mut ask = Ask::new("rsync").args(["--version"]);
        ask.environment = self.options.environment.clone();
        let ran = self.runner.run(ask, cancel).await.map_err(|error| not_run(&error))?;
        let _ = ended(&ran, Tool::Rsync, ToolOperation::Push, OPERATION, None)?;
        let text = String::from_utf8_lossy(&ran.stdout.head).into_owned();
        Ok(RsyncVersion::parse(text.lines().next().unwrap_or_default()))
    }

    /// Whose the folder is. Changes nothing.
    pub(super) async fn look(
        &self,
        way: &Way,
        at: &Remote,
        operation: &'static str,
        cancel: &CancellationToken,
    ) -> Result<Look, TransportError> {
        let Way::Shell(shell) = way else { return bare::look(self, at, operation, cancel).await };
        let script = script::look(&self.options.path, &at.path, shell.hasher);
        let answer = self.ask(script, operation, cancel).await?;
        let mut look = shell::look(&answer, self, operation)?;
        if shell.hasher.is_none() && look.owner.is_some() {
            look.sealed = bare::sealed(self, way, at, operation, cancel).await?;
        }
        Ok(look)
    }

    /// Makes the folder and its marker, and the destination's where it has none; then looks whose it is.
    pub(super) async fn claim(
        &self,
        way: &Way,
        to: &Remote,
        fresh: &str,
        cancel: &CancellationToken,
    ) -> Result<Look, TransportError> {
        const OPERATION: &str = "rsync_ssh.push";
        let Way::Shell(shell) = way else {
            bare::claim(self, to, fresh, cancel).await?;
            return bare::look(self, to, OPERATION, cancel).await;
        };
        let owner = crate::tool::shown(&to.owner);
        let script = script::claim(&self.options.path, &to.path, (&owner, fresh), shell.hasher);
        let answer = self.ask(script, OPERATION, cancel).await?;
        Ok(shell::look(&answer, self, OPERATION)?)
    }

    /// Makes what was sent durable, where that can be asked for.
    pub(super) async fn settle(
        &self,
        way: &Way,
        path: &RelPath,
        operation: &'static str,
        cancel: &CancellationToken,
    ) -> Result<(), TransportError> {
        if *way == Way::Bare {
            return Ok(());
        }
        self.ask(script::settle(&self.options.path, path), operation, cancel).await.map(drop)
    }

    /// Sends the manifest, in one step and durably.
    pub(super) async fn put(
        &self,
        way: &Way,
        at: &Remote,
        (manifest, name): (&Path, &str),
        cancel: &CancellationToken,
    ) -> Result<(), TransportError> {
        const OPERATION: &str = "rsync_ssh.seal";
        if way.flushes() {
            return self.send_file(way, at, manifest, name, true, OPERATION, cancel).await;
        }
        if *way == Way::Bare {
            match self.send_file(way, at, manifest, name, true, OPERATION, cancel).await {
                // The rsync there may be too old to know how to flush.
                Err(error) if error.failure.kind == FailureKind::Config => {}
                sent => return sent,
            }
        }
        self.send_file(way, at, manifest, name, false, OPERATION, cancel).await?;
        self.settle(way, &at.path, OPERATION, cancel).await
    }

    /// Sends one file of ours into the folder, where it replaces what was there in one step.
    #[expect(clippy::too_many_arguments, reason = "each says another thing of one command")]
    pub(super) async fn send_file(
        &self,
        way: &Way,
        at: &Remote,
        file: &Path,
        name: &str,
        flush: bool,
        operation: &'static str,
        cancel: &CancellationToken,
    ) -> Result<(), TransportError> {
        let mut arguments: Vec<OsString> =
            ["--ignore-times", "--whole-file", "--perms", "--chmod=F644"].map(OsString::from).into();
        arguments.extend(flush.then(|| "--fsync".into()));
        // To the folder, under a name of its own: a wrapper around rsync holds what is named, and a file that is held cannot be
        // replaced in one step.
        let (folder, name) = name.rsplit_once('/').unwrap_or((".", name));
        let desk = Desk::new(file.parent().unwrap_or(&self.options.scratch), operation)?;
        let named = desk.path().join(name);
        let state = |error| failure(Side::State, operation, "preparing a file", &error);
        std::fs::hard_link(file, &named).or_else(|_| std::fs::copy(file, &named).map(drop)).map_err(state)?;
        let below = [at.path.as_bytes(), b"/", folder.as_bytes(), b"/"].concat();
        let places = vec![named.into_os_string(), self.place(&below)];
        let rsync = Rsync { arguments, places, folder: None, list: None, largest_bytes: 0 };
        let mut said = HeadTail::new(ANSWER_BYTES);
        let ran = self.rsync(way, rsync, &mut said, cancel).await?;
        ended(&ran, Tool::Rsync, ToolOperation::Push, operation, None).map(drop)
    }
}

/// One run of rsync.
pub(super) struct Rsync {
    /// Its options, without those that say how the host is reached.
    pub(super) arguments: Vec<OsString>,
    /// From where, and where to.
    pub(super) places: Vec<OsString>,
    /// Where it runs.
    pub(super) folder: Option<PathBuf>,
    /// A list of files, on its standard input.
    pub(super) list: Option<File>,
    /// The largest file that it may have to compare in silence.
    pub(super) largest_bytes: u64,
}

fn not_run(error: &verisim_sys::Error) -> TransportError {
    Failure::new(FailureKind::Unknown, OPERATION, format_args!("a tool could not be run: {error}")).into()
}

/// The words of an option whose value is a path there.
pub(super) fn option(name: &str, path: &[u8]) -> OsString {
    OsString::from_vec([name.as_bytes(), path].concat())
}

/// A local path with a slash at its end: its content is meant, and never it.
pub(super) fn content_of(folder: &Path) -> OsString {
    OsString::from_vec([folder.as_os_str().as_bytes(), b"/"].concat())
}
