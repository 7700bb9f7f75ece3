//! A command of the operator's that is asked about a capture.
//!
//! It is started with its arguments as they are configured, without a shell, and ends within its time with whatever it
//! started. What it answers is its exit code: 0 nothing is wrong, 1 each line on its standard output is a hard finding, 2 each is
//! a warning. Everything else (another code, a signal, no answer in time, no such program) means that it could not be
//! asked, and is a hard finding: a gate that cannot be asked is closed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::time::Duration;

use verisim_core::{CancellationToken, Capture, Failure, FailureKind, Severity};
use verisim_sys::{Ask, Ended, Limits, Ran, Runner};

use super::OPERATION;
use super::collect::Collected;

/// What stands for the capture's folder in an argument.
const CAPTURE: &str = "{capture}";
/// How much of each output is kept: what is beyond that is left out.
const KEPT_BYTES: usize = 8 << 10;
/// How long it has to go once it is asked to.
const GRACE: Duration = Duration::from_secs(2);

/// What answers 0, 1 or 2.
const MEND: &str = "mend what the command says about the capture";
const MEND_COMMAND: &str =
    "mend the command: it must answer in time with 0 (nothing is wrong), 1 (findings) or 2 (warnings)";

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateCommand {
    /// The program: absolute, or a name that is looked for.
    pub program: String,
    /// Its arguments; `{capture}` in one stands for the capture's folder.
    pub arguments: Vec<String>,
    /// How long it may take.
    pub time_max: Duration,
}

/// What commands are started with.
#[derive(Clone)]
pub struct GateTools {
    /// What starts them.
    pub runner: Runner,
    /// Their environment; where the capture is, and what it is called, is added.
    pub environment: Vec<(OsString, OsString)>,
}

/// Asks the command.
pub(super) async fn look(
    command: &GateCommand,
    tools: &GateTools,
    capture: &Capture,
    found: &mut Collected,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let ran = match tools.runner.run(ask(command, tools, capture), cancel).await {
        Ok(ran) => ran,
        Err(error) => {
            found.add(
                Severity::Hard,
                None,
                &format!("the command could not be asked: {error}"),
                MEND_COMMAND,
            );
            return Ok(());
        }
    };
    let why = match ran.ended {
        Ended::Cancelled => return Err(Failure::new(FailureKind::Cancelled, OPERATION, "stopped")),
        Ended::Code(0) => return Ok(()),
        Ended::Code(1) => {
            said(&ran, Severity::Hard, found);
            return Ok(());
        }
        Ended::Code(2) => {
            said(&ran, Severity::Warning, found);
            return Ok(());
        }
        Ended::Code(other) => format!("it ended with {other}"),
        Ended::Signal(signal) => format!("signal {signal} ended it"),
        Ended::TimedOut(_) => format!("it had not answered after {} s", command.time_max.as_secs()),
        Ended::Missing => format!("{} is not on this machine, or may not be run", command.program),
        Ended::Refused => "it was ended".to_owned(),
    };
    found.add(Severity::Hard, None, &format!("the command could not be asked: {why}"), MEND_COMMAND);
    Ok(())
}

fn ask(command: &GateCommand, tools: &GateTools, capture: &Capture) -> Ask {
    let mut ask = Ask::new(&command.program)
        .args(command.arguments.iter().map(|argument| filled(argument, &capture.root)))
        .env("VERISIM_CAPTURE", &capture.root)
        .env("VERISIM_RULE", capture.rule.as_str());
    ask.environment.extend(tools.environment.iter().cloned());
    let time = command.time_max;
    ask.limits = Limits { start: time, idle: time, total: Some(time), grace: GRACE, kept_bytes: KEPT_BYTES };
    ask
}

/// The argument with the capture's folder in it, in any bytes.
fn filled(argument: &str, root: &Path) -> OsString {
    let root = root.as_os_str().as_bytes();
    let mut parts = argument.split(CAPTURE);
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        out.extend_from_slice(root);
        out.extend_from_slice(part.as_bytes());
    }
    OsString::from_vec(out)
}

/// Each line that it printed is a finding.
fn said(ran: &Ran, severity: Severity, found: &mut Collected) {
    let text = ran.stdout.text();
    let mut none = true;
    for line in text.split(|byte| *byte == b'\n') {
        let line = OsStr::from_bytes(line).to_string_lossy();
        if !line.trim().is_empty() {
            none = false;
            found.add(severity, None, line.trim(), MEND);
        }
    }
    if none {
        found.add(severity, None, "the command does not let it through, and does not say why", MEND);
    }
}

#[cfg(test)]
mod tests {
    use verisim_core::{RootIdentity, RuleFindings};

    use super::*;

    fn tools() -> GateTools {
        let runner = Runner::new(["/usr/bin".into(), "/bin".into()]).unwrap();
        GateTools { runner, environment: vec![("PATH".into(), "/usr/bin:/bin".into())] }
    }

    async fn asked(program: &str, arguments: &[&str], time_max: Duration) -> Option<RuleFindings> {
        let root = Path::new(OsStr::from_bytes(b"/srv/odd \xff name")).to_owned();
        let identity = RootIdentity { device: 1, inode: 1, born_ns: None };
        let capture = Capture { rule: "lab".parse().unwrap(), relative: None, root, identity, generation: 1 };
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let command = GateCommand { program: program.into(), arguments, time_max };
        let mut found = Collected::new(&"lims".parse().unwrap(), Severity::Hard);
        look(&command, &tools(), &capture, &mut found, &CancellationToken::new()).await.unwrap();
        found.finish()
    }

    async fn script(text: &str, seconds: u64) -> Option<RuleFindings> {
        asked("sh", &["-c", text, "sh", "{capture}"], Duration::from_secs(seconds)).await
    }

    #[tokio::test]
    async fn the_exit_code_is_the_answer_and_each_line_a_finding() {
        assert_eq!(script("exit 0", 10).await, None);
        let hard = script("echo 'no consent form'; echo; echo 'no sample id'; exit 1", 10).await.unwrap();
        assert_eq!((hard.hard_total, hard.findings[0].what.as_str()), (2, "no consent form"));
        let warned = script("echo odd; exit 2", 10).await.unwrap();
        assert_eq!((warned.hard_total, warned.warnings_total), (0, 1));
        let silent = script("exit 1", 10).await.unwrap();
        assert!(silent.findings[0].what.contains("does not say why"));
        let bytes = script("printf '%s' \"$1\" | od -An -tx1 | tr -d '\\n'; exit 1", 10).await.unwrap();
        assert!(bytes.findings[0].what.contains("ff 20 6e"), "{bytes:?}");
    }

    #[tokio::test]
    async fn a_command_that_cannot_be_asked_closes_the_gate() {
        for (text, expected) in [("exit 3", "ended with 3"), ("kill -9 $$", "signal 9")] {
            let found = script(text, 10).await.unwrap();
            assert_eq!(found.hard_total, 1);
            assert!(found.findings[0].what.contains(expected), "{found:?}");
        }
        let missing = asked("/nowhere/at-all", &[], Duration::from_secs(5)).await.unwrap();
        assert!(missing.findings[0].what.contains("not on this machine"), "{missing:?}");
    }

    #[tokio::test]
    async fn a_command_that_hangs_forks_or_prints_without_end_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let forks = format!("sleep 600 & echo $! > {}; wait", pid.display());
        for text in [forks.as_str(), "sleep 600", "yes", "exec 2>&1; while :; do echo noise >&2; done"] {
            let found = script(text, 1).await.unwrap();
            assert!(found.findings[0].what.contains("not answered after 1 s"), "{text}: {found:?}");
        }
        let child = std::fs::read_to_string(&pid).unwrap();
        let state = std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        // Gone, or waiting for whoever takes in orphans to look.
        assert!(state.is_err() || state.unwrap().contains(") Z "), "its child lives");
        let loud = script("yes | head -c 3000000; exit 1", 20).await.unwrap();
        assert!(
            loud.findings.len() == verisim_core::FINDINGS_KEPT_MAX && loud.hard_total < 20_000,
            "{}",
            loud.hard_total
        );
    }
}
