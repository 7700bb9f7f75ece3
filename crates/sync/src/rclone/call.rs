//! One run of rclone.

use std::ffi::OsString;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use verisim_core::{CancellationToken, Failure, FailureKind, Inventory, ToolOutput, TransportError};
use verisim_sys::{Ask, Ended, HeadTail, Input, Limits, Printed, Ran, Runner, Secrets, Taker};

use super::RcloneOptions;
use super::config::{Prepared, prepare};
use crate::explain::{Tool, ToolOperation};
use crate::tool::{Gauge, ended};

/// What is asked of every run. Nobody sits here who could answer; what is tried again is decided by the queue; a link there
/// is no file; and names that differ only in their composition are two.
const ALWAYS: [&str; 13] = [
    "--use-json-log",
    "--log-level=NOTICE",
    "--ask-password=false",
    "--retries=1",
    "--low-level-retries=3",
    "--contimeout=20s",
    "--timeout=2m",
    "--no-unicode-normalization",
    "--skip-links",
    "--sftp-skip-links",
    "--transfers=8",
    "--checkers=8",
    "--sftp-ask-password=false",
];
/// How long a run may be silent that answers when it is done. A silent connection is ended by rclone itself.
const SILENCE: Duration = Duration::from_secs(300);
/// How long a run may be silent that reads everything: rclone watches over its connections.
const LONG_SILENCE: Duration = Duration::from_secs(86_400);
/// How much of an answer is kept of each end.
pub(super) const ANSWER_BYTES: usize = 128 << 20;
/// A line of the log that is longer is cut.
const LINE_BYTES_MAX: usize = 64 << 10;
/// What rclone says of a log that is no file (1.60), although nothing is wrong.
const NOISE: &[u8] = b"Failed to seek log file to end: seek /dev/stdout: ";
/// How much of the log is kept of each end.
const LOG_BYTES: usize = 32 << 10;

/// rclone, with its configuration.
pub(super) struct Rclone {
    pub(super) options: RcloneOptions,
    runner: Runner,
}

/// What is run.
#[derive(Debug, Default)]
pub(super) struct Call {
    /// The command and its arguments.
    pub(super) arguments: Vec<OsString>,
    /// Where it runs.
    pub(super) folder: Option<PathBuf>,
    /// A list of paths, on its standard input.
    pub(super) list: Option<File>,
    /// It reads everything before it is done.
    pub(super) is_long: bool,
}

impl Call {
    /// A command with its arguments.
    pub(super) fn new<T: Into<OsString>>(arguments: impl IntoIterator<Item = T>) -> Self {
        Self { arguments: arguments.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// With more arguments.
    pub(super) fn args<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// With a list of paths.
    pub(super) fn list(mut self, list: File) -> Self {
        self.list = Some(list);
        self.args(["--files-from-raw", "-"])
    }
}

/// What a run that copies came to.
pub(super) struct Copied {
    pub(super) ran: Ran,
    pub(super) sent: Inventory,
}

impl Rclone {
    pub(super) fn new(options: RcloneOptions, runner: Runner) -> Self {
        Self { options, runner }
    }

    /// Fails where rclone is not on this machine.
    pub(super) fn require_tool(&self, operation: &'static str) -> Result<(), Failure> {
        if self.runner.find(&self.options.program).is_some() {
            return Ok(());
        }
        let what = format_args!(
            "{} is not on this machine: install rclone (apt install rclone)",
            self.options.program.display()
        );
        Err(Failure::new(FailureKind::ToolMissing, operation, what))
    }

    fn ask(&self, call: Call, Prepared { file, secrets }: Prepared) -> Ask {
        let mut ask = Ask::new(&self.options.program).args(call.arguments).args(ALWAYS);
        ask = ask.args(["--config".into(), file.into_os_string()]);
        ask.environment.clone_from(&self.options.environment);
        ask.folder = call.folder;
        ask.input = call.list.map_or(Input::Nothing, Input::File);
        ask.secrets = secrets;
        let silence = if call.is_long { LONG_SILENCE } else { SILENCE };
        ask.limits = Limits { start: silence, idle: silence, ..Limits::default() };
        ask
    }

    /// Runs rclone and keeps what it answers. Any end but a good one is a failure.
    pub(super) async fn answer(
        &self,
        call: Call,
        (what, operation): (ToolOperation, &'static str),
        cancel: &CancellationToken,
    ) -> Result<Vec<u8>, TransportError> {
        let mut kept = HeadTail::new(ANSWER_BYTES);
        let ran = self.run(call, operation, &mut kept, cancel).await?;
        let output = ended(&ran, Tool::Rclone, what, operation, None)?;
        let (mut head, tail, omitted) = kept.finish();
        if omitted > 0 {
            let failure = Failure::new(FailureKind::Unknown, operation, "rclone does not end what it says");
            return Err(TransportError { failure, output });
        }
        head.extend(tail);
        Ok(head)
    }

    /// Runs rclone. What it answers goes to `taker`.
    pub(super) async fn run(
        &self,
        call: Call,
        operation: &'static str,
        taker: &mut dyn Taker,
        cancel: &CancellationToken,
    ) -> Result<Ran, TransportError> {
        self.require_tool(operation)?;
        let ask = self.ask(call, prepare(&self.options)?);
        let ran = self.runner.stream(ask, cancel, taker).await;
        Ok(ran.map_err(|error| {
            Failure::new(FailureKind::Unknown, operation, format_args!("rclone could not be run: {error}"))
        })?)
    }

    /// Runs rclone to copy or move, with its log where it can be read along.
    pub(super) async fn copy(
        &self,
        call: Call,
        (gauge, before): (Option<Gauge>, Inventory),
        operation: &'static str,
        cancel: &CancellationToken,
    ) -> Result<Copied, TransportError> {
        self.require_tool(operation)?;
        let prepared = prepare(&self.options)?;
        let secrets = prepared.secrets.clone();
        let call = call.args(["--log-file=/dev/stdout", "--stats=1s", "--stats-log-level=NOTICE"]);
        let mut log = Log::new(gauge, before);
        let ran = self.runner.stream(self.ask(call, prepared), cancel, &mut log).await;
        let mut ran = ran.map_err(|error| {
            Failure::new(FailureKind::Unknown, operation, format_args!("rclone could not be run: {error}"))
        })?;
        let sent = log.sent;
        add_log(&mut ran, log, &secrets);
        Ok(Copied { ran, sent })
    }

    /// Copies or moves what needs no telling; any end but a good one is a failure.
    pub(super) async fn carry(
        &self,
        call: Call,
        operation: &'static str,
        cancel: &CancellationToken,
    ) -> Result<ToolOutput, TransportError> {
        let copied = self.copy(call, (None, Inventory::default()), operation, cancel).await?;
        ended(&copied.ran, Tool::Rclone, ToolOperation::Push, operation, None)
    }
}

/// The log stands before what was printed on standard error.
fn add_log(ran: &mut Ran, log: Log, secrets: &Secrets) {
    let (head, tail, omitted) = log.kept.finish();
    let mut text = secrets.mask(&head);
    if omitted > 0 {
        text.extend(format!("\n[... {omitted} bytes left out ...]\n").into_bytes());
    }
    text.extend(secrets.mask(&tail));
    text.extend(ran.stderr.text());
    let text = without_noise(&text);
    ran.stderr = Printed { head: text, tail: Vec::new(), omitted_bytes: 0 };
    if ran.ended == Ended::Refused {
        ran.ended = Ended::Cancelled;
    }
}

/// Without the lines that say nothing.
fn without_noise(text: &[u8]) -> Vec<u8> {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| memchr::memmem::find(line, NOISE).is_none()).flatten().copied().collect()
}

#[derive(Deserialize)]
struct Line {
    stats: Stats,
}

#[derive(Deserialize)]
struct Stats {
    bytes: u64,
    transfers: u64,
}

/// Reads the log along: counts go to the gauge, and complaints are kept.
struct Log {
    gauge: Option<Gauge>,
    before: Inventory,
    sent: Inventory,
    line: Vec<u8>,
    kept: HeadTail,
}

impl Log {
    fn new(gauge: Option<Gauge>, before: Inventory) -> Self {
        Self { gauge, before, sent: Inventory::default(), line: Vec::new(), kept: HeadTail::new(LOG_BYTES) }
    }

    fn line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        let Ok(Line { stats }) = serde_json::from_slice(&line) else {
            line.push(b'\n');
            return self.kept.push(&line);
        };
        self.sent = Inventory { files: stats.transfers, bytes: stats.bytes };
        if let Some(gauge) = &self.gauge {
            gauge.sent(Inventory {
                files: self.before.files.saturating_add(stats.transfers),
                bytes: self.before.bytes.saturating_add(stats.bytes),
            });
        }
    }
}

#[async_trait]
impl Taker for Log {
    async fn take(&mut self, piece: &[u8]) -> ControlFlow<()> {
        for byte in piece {
            match byte {
                b'\n' => self.line(),
                byte if self.line.len() < LINE_BYTES_MAX => self.line.push(*byte),
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const SAID: &str = "{\"level\":\"error\",\"msg\":\"Failed to copy: permission denied\",\"object\":\"a\"}\n\
        {\"level\":\"notice\",\"msg\":\"\\nTransferred\",\"stats\":{\"bytes\":5,\"checks\":0,\"eta\":null,\"transfers\":2}}\nplain\n";

    #[test]
    fn what_says_nothing_is_left_out() {
        let said = b"a\n{\"level\":\"error\",\"msg\":\"Failed to seek log file to end: seek /dev/stdout: illegal seek\"}\nb";
        assert_eq!(without_noise(said), b"a\nb");
    }

    #[test]
    fn counts_are_read_and_complaints_are_kept() {
        for size in [1, 7, 1000] {
            let mut log = Log::new(None, Inventory::default());
            for piece in SAID.as_bytes().chunks(size) {
                let _ = log.take(piece).now_or_never();
            }
            assert_eq!(log.sent, Inventory { files: 2, bytes: 5 });
            let (kept, _, _) = log.kept.finish();
            let kept = String::from_utf8(kept).unwrap();
            assert!(
                kept.contains("permission denied") && kept.ends_with("plain\n") && !kept.contains("stats")
            );
        }
        let mut log = Log::new(None, Inventory::default());
        let _ = log.take(&vec![b'x'; 10 << 20]).now_or_never();
        assert!(log.line.len() <= LINE_BYTES_MAX);
    }
}
