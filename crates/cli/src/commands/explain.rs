//! `verisim sync explain`: what rsync or rclone meant, by the function that the queue asks too.

use std::io::Read as _;

use serde::Serialize;
use verisim_core::{ByteCount, Decision, Effect, FailureKind};
use verisim_sync::{Explanation, Tool, ToolEnd, ToolOperation, ToolRun, decision_name};
use verisim_sys::HeadTail;

use crate::args::{ExplainArgs, OperationArg, ToolArg};
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::output::{Output, Tone};

/// How much is read of each end of a log.
const HALF_BYTES: usize = 512 << 10;

/// What is told, for programs.
#[derive(Serialize)]
struct Told<'a> {
    /// `null` when nothing went wrong.
    kind: Option<FailureKind>,
    effect: Option<Effect>,
    policy: Option<&'static str>,
    hint: &'a str,
    /// The line that decided.
    #[serde(skip_serializing_if = "str::is_empty")]
    evidence: &'a str,
    /// What would tell more.
    #[serde(skip_serializing_if = "Option::is_none")]
    probe: Option<&'static str>,
}

/// Reads what the tool printed, and says what it meant.
pub(super) fn explain(output: Output, args: &ExplainArgs) -> CliResult {
    let stderr = read_input(output)?;
    let run = ToolRun {
        tool: match args.tool {
            ToolArg::Rsync => Tool::Rsync,
            ToolArg::Rclone => Tool::Rclone,
        },
        operation: match args.operation {
            OperationArg::Push => ToolOperation::Push,
            OperationArg::Hashsum => ToolOperation::Hashsum,
        },
        end: ToolEnd::of_status(args.exit),
        stderr: &stderr,
        free_bytes: args.free_space.map(|ByteCount(bytes)| bytes),
    };
    match verisim_sync::explain(&run) {
        Some(explanation) => tell(output, &explanation)?,
        None if output.json => {
            let hint = "nothing went wrong";
            let told = Told { kind: None, effect: None, policy: None, hint, evidence: "", probe: None };
            output.typed("explanation", &told)?;
        }
        None => output.line("nothing went wrong: this is how the tool ends when it has done its work")?,
    }
    Ok(Exit::Done)
}

fn tell(output: Output, explanation: &Explanation) -> CliResult<()> {
    let policy = decision_name(explanation.policy.decision);
    if output.json {
        return output.typed(
            "explanation",
            &Told {
                kind: Some(explanation.kind),
                effect: Some(explanation.effect),
                policy: Some(policy),
                hint: explanation.hint,
                evidence: &explanation.evidence,
                probe: explanation.probe.map(verisim_sync::Probe::name),
            },
        );
    }
    let row = |name: &str, value: &str| {
        output.line(format!("{}  {value}", output.paint(Tone::Faint, format_args!("{name:<8}"))))
    };
    row("kind", &output.paint(Tone::Strong, explanation.kind))?;
    row(
        "effect",
        match explanation.effect {
            Effect::NotApplied => "not applied: nothing was sent",
            Effect::Unknown => {
                "unknown: some of it may be there; what is there is looked at before more is sent"
            }
            Effect::Applied => "applied: it is there",
        },
    )?;
    row("policy", &format!("{policy}: {}", words(explanation.policy.decision)))?;
    if !explanation.evidence.is_empty() {
        row("because", &explanation.evidence)?;
    }
    row("do", explanation.hint)?;
    match explanation.probe {
        Some(probe) => row("probe", &format!("{}, and give it with --free-space", probe.about())),
        None => Ok(()),
    }
}

/// What the queue does, in words.
const fn words(decision: Decision) -> &'static str {
    match decision {
        Decision::BackOff | Decision::Unreachable => {
            "tried again after 30 s, 2 min, 8 min, 30 min and 2 h, then failed"
        }
        Decision::Fail => "failed at once; `verisim sync retry` once it is mended",
        Decision::Block => "blocked; asked again every 5 minutes without using up an attempt",
        Decision::RetryTransfer => "what differs is sent once more; the second time, failed",
        Decision::AwaitCompleteness => "waits until the capture is complete",
        Decision::Answer => "an answer, not a failure",
        Decision::CreateFolder => "the folder is made; where that cannot be, failed",
        Decision::Cancel => "stopped",
    }
}

fn read_input(output: Output) -> CliResult<Vec<u8>> {
    let mut input = std::io::stdin().lock();
    if std::io::IsTerminal::is_terminal(&input) {
        output.say("reading what the tool printed, up to end of file (Ctrl-D) ..");
    }
    let mut kept = HeadTail::new(HALF_BYTES);
    let mut piece = vec![0; 64 << 10];
    loop {
        match input.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => kept.push(piece.split_at(read).0),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(CliError::new(Exit::Usage, format!("cannot read standard input: {error}")));
            }
        }
    }
    let (mut text, tail, omitted) = kept.finish();
    if omitted > 0 {
        text.push(b'\n');
    }
    text.extend(tail);
    Ok(text)
}
