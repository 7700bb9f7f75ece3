//! What the end of a tool means. Its text is read here, through `explain`, and nowhere else.

use verisim_core::{Failure, FailureKind, ToolOutput, TransportError};
use verisim_sys::{Ended, Ran};

use crate::explain::{Tool, ToolEnd, ToolOperation, ToolRun, explain};

/// What a run came to: its output where it went well, and its failure otherwise. `free_bytes` is what a probe found.
pub(crate) fn ended(
    ran: &Ran,
    tool: Tool,
    what: ToolOperation,
    operation: &'static str,
    free_bytes: Option<u64>,
) -> Result<ToolOutput, TransportError> {
    let end = match ran.ended {
        Ended::Code(code) => ToolEnd::Code(code),
        Ended::Signal(signal) => ToolEnd::Signal(signal),
        Ended::Cancelled => ToolEnd::Stopped,
        Ended::TimedOut(_) => ToolEnd::TimedOut,
        Ended::Missing => ToolEnd::Missing,
        Ended::Refused => {
            let what = "the tool said what it cannot say, and was ended";
            let failure = Failure::new(FailureKind::Unknown, operation, what);
            return Err(TransportError { failure, output: output(ran) });
        }
    };
    let stderr = ran.stderr.text();
    let run = ToolRun { tool, operation: what, end, stderr: &stderr, free_bytes };
    let Some(found) = explain(&run) else { return Ok(output(ran)) };
    let detail = match found.evidence.as_str() {
        "" => found.hint.to_owned(),
        evidence => format!("{evidence}: {}", found.hint),
    };
    let failure = Failure::new(found.kind, operation, detail).with_effect(found.effect);
    Err(TransportError { failure, output: output(ran) })
}

/// What a run printed on standard error, for people.
pub(crate) fn output(ran: &Ran) -> ToolOutput {
    let (code, signal) = match ran.ended {
        Ended::Code(code) => (Some(code), None),
        Ended::Signal(signal) => (None, Some(signal)),
        Ended::Cancelled | Ended::TimedOut(_) | Ended::Missing | Ended::Refused => (None, None),
    };
    let text = String::from_utf8_lossy(&ran.stderr.text()).into_owned();
    ToolOutput { code, signal, text, omitted_bytes: ran.stderr.omitted_bytes }
}
