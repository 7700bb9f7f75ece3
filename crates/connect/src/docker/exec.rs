//! Commands inside a container: only where the configuration allows it, because an intruder sees them.

use std::pin::Pin;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use verisim_core::{ByteCount, Effect, Exec, ExecOutput, Failure, FailureKind};

use super::{ContainerName, Engine};

const OPERATION: &str = "docker.exec";
/// How much is kept of one output at the most, whatever was asked for.
const OUTPUT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Runs a command. One that takes too long goes on inside: an engine has no way to end it.
pub(super) async fn exec(
    engine: &Engine,
    container: &ContainerName,
    command: &Exec,
) -> Result<ExecOutput, Failure> {
    let argv = command.argv.iter().map(|word| String::from_utf8(word.clone()));
    let argv: Vec<String> = argv.collect::<Result<_, _>>().map_err(|_| {
        Failure::new(FailureKind::Config, OPERATION, "an engine takes only words that are UTF-8")
    })?;
    engine.running(OPERATION, container).await?;
    let config = ExecConfig {
        attach_stdin: Some(!command.stdin.is_empty()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(argv),
        ..ExecConfig::default()
    };
    let asked = container.clone();
    let create = |docker: Docker| async move { docker.create_exec(asked.as_str(), config).await };
    let id = engine.question(OPERATION, create).await?.id;
    let run = |docker: Docker| async move { start(&docker, &id, command).await };
    let (output, code) = engine.request(OPERATION, command.time_limit, Effect::Unknown, run).await?;
    let code = code.and_then(|code| i32::try_from(code).ok());
    match code {
        Some(126 | 127) if says_no_program(&output) => {
            let detail = String::from_utf8_lossy(&output.stdout).into_owned();
            Err(Failure::new(FailureKind::ToolMissing, OPERATION, detail))
        }
        // A shell reports a signal as 128 and its number; so do engines.
        Some(code) if code > 128 => Ok(ExecOutput { code: None, ..output }),
        code => Ok(ExecOutput { code, ..output }),
    }
}

/// What the engine puts in the place of an output when the program is not there, or cannot be run.
fn says_no_program(output: &ExecOutput) -> bool {
    output.stdout.starts_with(b"OCI runtime exec failed")
}

async fn start(docker: &Docker, id: &str, command: &Exec) -> Result<(ExecOutput, Option<i64>), Error> {
    let options = StartExecOptions { detach: false, tty: false, output_capacity: None };
    let StartExecResults::Attached { output, input } = docker.start_exec(id, Some(options)).await? else {
        return Ok((ExecOutput { code: None, stdout: Bytes::new(), stderr: Bytes::new() }, None));
    };
    let limit = command.output_limit.0.min(OUTPUT_BYTES_MAX);
    // Both at once: a command may answer before it has read everything.
    let feeding = feed(input, command.stdin.clone());
    let (_input, output) = tokio::join!(feeding, collect(output, ByteCount(limit)));
    let code = docker.inspect_exec(id).await?.exit_code;
    Ok((output?, code))
}

type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// Gives a command its input, and its end. It need not read either. Where it gets no input, that way stays open until it
/// ends: the engine would take its closing for the end of our interest.
async fn feed(mut input: Input, bytes: Bytes) -> Input {
    if !bytes.is_empty() {
        let _ = input.write_all(&bytes).await;
        let _ = input.shutdown().await;
    }
    input
}

/// The outputs, each cut to the limit; what is beyond is read and dropped, so that the command can end.
async fn collect(
    mut output: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>,
    limit: ByteCount,
) -> Result<ExecOutput, Error> {
    let (mut stdout, mut stderr) = (BytesMut::new(), BytesMut::new());
    while let Some(piece) = output.next().await {
        let (kept, piece) = match piece? {
            LogOutput::StdErr { message } => (&mut stderr, message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => (&mut stdout, message),
            LogOutput::StdIn { .. } => continue,
        };
        let room = usize::try_from(limit.0).unwrap_or(usize::MAX).saturating_sub(kept.len());
        kept.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    Ok(ExecOutput { code: None, stdout: stdout.freeze(), stderr: stderr.freeze() })
}
