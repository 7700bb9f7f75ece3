//! Commands on the far side, where the account may run them: by the scripts that the transport by rsync uses too.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use verisim_core::{CancellationToken, Failure, FailureKind, RelPath};
use verisim_ssh::{Error, Said, Session};
use verisim_sys::{HeadTail, Taker};

use super::problem::failed;
use super::{Line, SftpTransport};
use crate::shell::{self, Shell, script};

/// How much of a script's answer is kept: markers, and numbers.
const ANSWER_BYTES: usize = 256 << 10;
/// How much of what it says on standard error is kept, for people.
const COMPLAINT_BYTES: usize = 4 << 10;
/// How long a script may be silent: sixteen megabytes hashed by the slowest hasher of a small machine. While it hashes files it
/// says every 20 seconds that it is alive.
pub(super) const SILENCE: Duration = Duration::from_secs(90);
/// How long a `sync` may take, of all that the memory of a large machine holds for a slow disk.
const SYNC_TIME_MAX: Duration = Duration::from_secs(15 * 60);

/// Whether commands can be run there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Commands {
    /// They cannot, or what runs them does not see the folder that SFTP sees.
    None,
    /// By this shell.
    Shell(Shell),
}

impl Commands {
    /// What hashes there, and whether names come sorted.
    pub(super) const fn hasher(&self) -> Option<(script::Hasher, bool)> {
        match self {
            Self::Shell(Shell { hasher: Some(hasher), sorts, .. }) => Some((*hasher, *sorts)),
            Self::Shell(_) | Self::None => None,
        }
    }
}

impl SftpTransport {
    /// Whether commands can be run there, found out once. `marker` is what SFTP says that the destination is known by.
    pub(super) async fn commands(
        &self,
        line: &Line,
        marker: Option<&str>,
        operation: &'static str,
    ) -> Result<Arc<Commands>, Failure> {
        // Who is stopped gives up all of the operation, this wait included.
        let never = CancellationToken::new();
        let find = Box::pin(self.find_commands(line, marker, operation));
        self.commands.get(&never, operation, find).await
    }

    async fn find_commands(
        &self,
        line: &Line,
        marker: Option<&str>,
        operation: &'static str,
    ) -> Result<Commands, Failure> {
        let Some(answer) = ask(&line.session, script::inquire(None), SILENCE, operation).await? else {
            return Ok(Commands::None);
        };
        let Some(shell) = shell::shell(&answer) else { return Ok(Commands::None) };
        // SFTP may be locked into a folder, or lead to another machine: then a command would speak of something else.
        let root = script::look(&self.options.path, &nowhere()?, None);
        let seen = ask(&line.session, root, SILENCE, operation).await?;
        let seen = seen.and_then(|answer| shell::look(&answer, &self.options, operation).ok());
        Ok(match seen {
            Some(look) if look.marker.as_deref() == marker => Commands::Shell(shell),
            _ => Commands::None,
        })
    }

    /// Makes what was sent durable, where a command can do that, and removes what is left of partial copies.
    pub(super) async fn settle(
        &self,
        line: &Line,
        commands: &Commands,
        path: &RelPath,
        operation: &'static str,
    ) -> Result<(), Failure> {
        if *commands == Commands::None {
            return Ok(());
        }
        let answer =
            ask(&line.session, script::settle(&self.options.path, path), SYNC_TIME_MAX, operation).await?;
        if answer.is_some_and(|answer| shell::is_whole(&answer)) {
            return Ok(());
        }
        let what = "what was sent could not be made durable there: `sync` did not come to its end";
        Err(Failure::new(FailureKind::Unknown, operation, what))
    }
}

/// A name that is looked for only to be told whose the root is.
fn nowhere() -> Result<RelPath, Failure> {
    RelPath::new(".verisim").map_err(|error| Failure::new(FailureKind::Unknown, "sftp.reach", error))
}

/// What a script says, up to a bound.
struct Answer(Vec<u8>);

#[async_trait]
impl Taker for Answer {
    async fn take(&mut self, piece: &[u8]) -> ControlFlow<()> {
        self.0.extend_from_slice(piece);
        if self.0.len() > ANSWER_BYTES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// What a script answers within `time_max`; `None` where commands cannot be run, or something else has answered, or nothing.
async fn ask(
    session: &Session,
    script: Vec<u8>,
    time_max: Duration,
    operation: &'static str,
) -> Result<Option<Vec<u8>>, Failure> {
    let mut answer = Answer(Vec::new());
    let asking = run(session, script, &mut answer, time_max, operation);
    let Ok(ran) = tokio::time::timeout(time_max, asking).await else { return Ok(None) };
    Ok(match ran? {
        Ran::Ended => shell::is_whole(&answer.0).then_some(answer.0),
        Ran::Failed(_) | Ran::Refused => None,
    })
}

/// How a script ended.
pub(super) enum Ran {
    /// Well, or because nobody wants to hear more.
    Ended,
    /// With this to say, for people.
    Failed(String),
    /// The server runs none.
    Refused,
}

/// Runs a script. What it answers goes to `taker`, and it may be silent for so long. It ends with the session.
pub(super) async fn run(
    session: &Session,
    script: Vec<u8>,
    taker: &mut dyn Taker,
    silence_max: Duration,
    operation: &'static str,
) -> Result<Ran, Failure> {
    let doing = "a command there";
    let mut running = match session.start(b"sh", script.into()).await {
        Ok(running) => running,
        Err(Error::NotOffered { .. } | Error::Channel { .. }) => return Ok(Ran::Refused),
        Err(error) => return Err(failed(operation, doing, &error)),
    };
    let mut complaint = HeadTail::new(COMPLAINT_BYTES);
    loop {
        let said = match running.next(silence_max).await {
            Err(error @ Error::TimedOut { .. }) => return Ok(Ran::Failed(error.to_string())),
            said => said.map_err(|error| failed(operation, doing, &error))?,
        };
        match said {
            Said::Output(piece) => {
                if taker.take(&piece).await == ControlFlow::Break(()) {
                    return Ok(Ran::Ended);
                }
            }
            Said::Error(piece) => complaint.push(&piece),
            Said::Ended(Some(0)) => return Ok(Ran::Ended),
            Said::Ended(code) => {
                let code =
                    code.map_or_else(|| "by a signal".to_owned(), |code| format!("with exit code {code}"));
                let (text, _, _) = complaint.finish();
                return Ok(Ran::Failed(format!("{code}: {}", String::from_utf8_lossy(&text).trim())));
            }
        }
    }
}
