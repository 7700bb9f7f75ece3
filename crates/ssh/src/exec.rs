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

impl Session {
    /// Runs a command.
    ///
    /// # Errors
    /// [`Error::NotOffered`] when the server runs none, and before anything of it has begun [`Error::Channel`]. With any
    /// other error it may have run.
    pub async fn run(&self, command: &Command) -> Result<Output> {
        let channel = self.open().await?;
        let (mut reader, writer) = channel.split();
        let running = async {
            writer.exec(true, command.line.clone()).await.map_err(|error| channel_error(&error))?;
            loop {
                match reader.wait().await {
                    Some(ChannelMsg::Success) => break,
                    Some(ChannelMsg::Failure | ChannelMsg::Close) => {
                        return Err(Error::NotOffered { what: "commands" });
                    }
                    // It may have begun.
                    None => return Err(Error::Lost { detail: "before the command answered".into() }),
                    Some(_) => {}
                }
            }
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
