//! A command on the other side.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use russh::ChannelMsg;
use verisim_core::ByteCount;

use crate::session::{channel_error, timed};
use crate::{Error, Result, Session};

/// What is run on the other side.
#[derive(Debug, Clone)]
pub struct Command {
    /// The line that the login shell gets. Built of words that [`crate::quote`] made, never of anything else.
    pub line: Vec<u8>,
    /// What is put on its standard input.
    pub stdin: Bytes,
    /// How long it may take in all.
    pub time_max: Duration,
    /// How much is kept of each of its outputs; what is beyond is taken and dropped.
    pub output_max: ByteCount,
}

/// A command that runs. It is told that nobody listens any more when the session ends.
pub struct Running {
    reader: russh::ChannelReadHalf,
    /// The channel is open as long as this lives.
    _writer: russh::ChannelWriteHalf<russh::client::Msg>,
    _room: tokio::sync::OwnedSemaphorePermit,
    code: Option<u32>,
    has_ended: bool,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("has_ended", &self.has_ended).finish_non_exhaustive()
    }
}

/// What a running command says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// On its standard output.
    Output(Bytes),
    /// On its standard error.
    Error(Bytes),
    /// Nothing more: its exit code; `None` when a signal ended it.
    Ended(Option<u32>),
}

impl Running {
    /// What it says next, if it is not silent for longer than `silence_max`.
    ///
    /// # Errors
    /// When the connection is over, or the command is silent for too long.
    pub async fn next(&mut self, silence_max: Duration) -> Result<Said> {
        timed(silence_max, "the command", async {
            loop {
                match self.reader.wait().await {
                    Some(ChannelMsg::Data { data }) => return Ok(Said::Output(data)),
                    // 1 is standard error, the only extended kind there is (RFC 4254, 5.2).
                    Some(ChannelMsg::ExtendedData { data, ext: 1 }) => return Ok(Said::Error(data)),
                    Some(ChannelMsg::ExitStatus { exit_status }) => {
                        (self.code, self.has_ended) = (Some(exit_status), true);
                    }
                    Some(ChannelMsg::ExitSignal { .. }) => self.has_ended = true,
                    Some(ChannelMsg::Close) | None if self.has_ended => return Ok(Said::Ended(self.code)),
                    Some(ChannelMsg::Close) | None => {
                        return Err(Error::Lost { detail: "the command's end was not told".into() });
                    }
                    Some(_) => {}
                }
            }
        })
        .await
    }
}

/// What it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; `None` when a signal ended it, or the server did not say.
    pub code: Option<u32>,
    /// Its standard output, cut to the limit.
    pub stdout: Bytes,
    /// Its standard error, cut to the limit.
    pub stderr: Bytes,
}

/// How long a server may take to say that a command begins, and to take a few kilobytes for it.
const START_TIME_MAX: Duration = Duration::from_secs(20);

impl Session {
    /// Starts a command with this on its standard input, which should be no more than the window of a channel.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn start(&self, line: &[u8], stdin: Bytes) -> Result<Running> {
        let (channel, room) = self.open_for_command().await?;
        let (mut reader, writer) = channel.split();
        timed(START_TIME_MAX, "begin the command", async {
            writer.exec(true, line).await.map_err(|error| channel_error(&error))?;
            accepted(&mut reader).await?;
            // A command that does not read its input ends all the same, and says so.
            if writer.data_bytes(stdin).await.is_ok() {
                let _ = writer.eof().await;
            }
            Ok(())
        })
        .await?;
        Ok(Running { reader, _writer: writer, _room: room, code: None, has_ended: false })
    }

    /// Runs a command.
    ///
    /// # Errors
    /// [`Error::NotOffered`] when the server runs none, and before anything of it has begun [`Error::Channel`]. With any
    /// other error it may have run.
    pub async fn run(&self, command: &Command) -> Result<Output> {
        let (channel, _room) = self.open_for_command().await?;
        let (mut reader, writer) = channel.split();
        let running = async {
            writer.exec(true, command.line.clone()).await.map_err(|error| channel_error(&error))?;
            accepted(&mut reader).await?;
            let feeding = async {
                // A command that does not read its input ends all the same, and the channel with it.
                if !command.stdin.is_empty() {
                    let _ = writer.data_bytes(command.stdin.clone()).await;
                }
                let _ = writer.eof().await;
                std::future::pending::<()>().await;
            };
            tokio::select! {
                output = collect(&mut reader, command.output_max) => output,
                () = feeding => Err(Error::Lost { detail: "the input never ends".into() }),
            }
        };
        let answer = timed(command.time_max, "the command", running).await;
        // A command that goes on is told that nobody listens any more.
        let _ = writer.close().await;
        answer
    }
}

/// Waits until the server says that the command begins.
async fn accepted(reader: &mut russh::ChannelReadHalf) -> Result<()> {
    loop {
        match reader.wait().await {
            Some(ChannelMsg::Success) => return Ok(()),
            Some(ChannelMsg::Failure | ChannelMsg::Close) => {
                return Err(Error::NotOffered { what: "commands" });
            }
            // It may have begun.
            None => return Err(Error::Lost { detail: "before the command answered".into() }),
            Some(_) => {}
        }
    }
}

async fn collect(reader: &mut russh::ChannelReadHalf, limit: ByteCount) -> Result<Output> {
    let limit = usize::try_from(limit.0).unwrap_or(usize::MAX);
    let (mut stdout, mut stderr) = (BytesMut::new(), BytesMut::new());
    let mut code = None;
    let mut ended = false;
    let keep = |into: &mut BytesMut, data: &[u8]| {
        let room = limit.saturating_sub(into.len()).min(data.len());
        into.extend_from_slice(&data[..room]);
    };
    while let Some(message) = reader.wait().await {
        match message {
            ChannelMsg::Data { data } => keep(&mut stdout, &data),
            // 1 is standard error, the only extended kind there is (RFC 4254, 5.2).
            ChannelMsg::ExtendedData { data, ext: 1 } => keep(&mut stderr, &data),
            ChannelMsg::ExitStatus { exit_status } => (code, ended) = (Some(exit_status), true),
            ChannelMsg::ExitSignal { .. } => ended = true,
            ChannelMsg::Close => break,
            _ => {}
        }
    }
    if !ended {
        return Err(Error::Lost { detail: "the command's end was not told".into() });
    }
    Ok(Output { code, stdout: stdout.freeze(), stderr: stderr.freeze() })
}
