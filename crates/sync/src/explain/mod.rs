//! What a tool meant: one function per tool from how it ended and what it printed to a failure kind.
//!
//! Exit codes are weak evidence, and words are weaker: a file may be called `permission denied.bin`, and a login banner may
//! say anything. So what decides is, in this order: the phase (connecting, sending, probing), the error number that the tool
//! prints, the side that it names, then the exit code. Words count only as whole lines or as the end of a chain of causes,
//! after everything that a user named was taken out.

mod lines;
mod rclone;
mod rclone_codes;
mod rsync;
mod shell;
mod ssh;
pub(crate) mod store;

use verisim_core::{Decision, Effect, FailureKind, OperationClass, Policy, policy, printable};

use self::lines::Text;
use crate::errno::Side;

/// The tools that carry captures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// rsync over ssh; with [`ToolOperation::Hashsum`], the hasher that is run over ssh.
    Rsync,
    /// rclone.
    Rclone,
}

/// What the tool was to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolOperation {
    /// Sending a capture.
    Push,
    /// Hashing what is there, by a command over ssh where the tool is rsync.
    Hashsum,
    /// Reading back what is there.
    Fetch,
}

/// How the tool ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolEnd {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// By us, because the operator stopped it.
    Stopped,
    /// By us, because it took too long, or said nothing for too long.
    TimedOut,
    /// It was never started: it is not on this machine.
    Missing,
}

impl ToolEnd {
    /// The end that a shell shows as `status`: 128 + n, and in some languages -n, is signal n.
    #[must_use]
    pub const fn of_status(status: i32) -> Self {
        match status {
            ..0 => Self::Signal(status.saturating_neg()),
            129..=192 => Self::Signal(status - 128),
            _ => Self::Code(status),
        }
    }
}

/// All that is known of a run that did not go well.
#[derive(Debug, Clone, Copy)]
pub struct ToolRun<'a> {
    /// The tool.
    pub tool: Tool,
    /// What it was to do.
    pub operation: ToolOperation,
    /// How it ended.
    pub end: ToolEnd,
    /// What it printed on standard error. Of more than 1 MiB, the first and the last half are read.
    pub stderr: &'a [u8],
    /// The free bytes at the destination, where a probe has found out.
    pub free_bytes: Option<u64>,
}

/// What could tell what the text alone cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// How much is free at the destination.
    FreeSpace,
}

impl Probe {
    /// What to do, for a person.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::FreeSpace => "ask how much is free at the destination (df, `rclone about`, sftp's df)",
        }
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FreeSpace => "free_space",
        }
    }
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What went wrong.
    pub kind: FailureKind,
    /// Whether something arrived all the same.
    pub effect: Effect,
    /// On which side.
    pub class: OperationClass,
    /// What the queue does about it.
    pub policy: Policy,
    /// What a person can do about it.
    pub hint: &'static str,
    /// The line that decided; empty where it was the exit code. Printable and bounded.
    pub evidence: String,
    /// What would tell more.
    pub probe: Option<Probe>,
}

/// Less than this is a full disk, when a server says no more than "failure" to a write.
const FULL_BELOW_BYTES: u64 = 16 << 20;

/// Says what a run came to; `None` when nothing went wrong.
#[must_use]
pub fn explain(run: &ToolRun<'_>) -> Option<Explanation> {
    let text = Text::of(run.stderr);
    let finding = match (run.end, run.tool) {
        (ToolEnd::Stopped, _) => Finding::new(FailureKind::Cancelled, Side::Source, "we stopped it"),
        (ToolEnd::TimedOut, _) => Finding::new(
            FailureKind::Network,
            Side::Far,
            "it said nothing for too long, or took too long, and was ended; look at the way to the destination",
        ),
        (ToolEnd::Missing, tool) => {
            Finding::new(FailureKind::ToolMissing, Side::Source, missing_here(tool)).before()
        }
        (ToolEnd::Code(0), _) => return None,
        (_, Tool::Rsync) => match run.operation {
            ToolOperation::Push => rsync::find(run.end, &text, rsync::PUSH),
            ToolOperation::Fetch => rsync::find(run.end, &text, rsync::FETCH),
            ToolOperation::Hashsum => shell::find(run.end, &text),
        },
        // Nothing had to be sent: said only where it was asked for, and no failure.
        (ToolEnd::Code(9), Tool::Rclone) if run.operation == ToolOperation::Push => return None,
        (_, Tool::Rclone) => rclone::find(run.end, run.operation, &text),
    };
    Some(finding.probed(run.free_bytes).explained(run.operation))
}

const fn missing_here(tool: Tool) -> &'static str {
    match tool {
        Tool::Rsync => "install rsync and an ssh client on this machine (apt install rsync openssh-client)",
        Tool::Rclone => "install rclone on this machine (apt install rclone)",
    }
}

/// A piece of evidence, weighed against the others.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    kind: FailureKind,
    side: Side,
    hint: &'static str,
    evidence: String,
    /// Nothing was sent yet.
    is_before: bool,
    probe: Option<Probe>,
}

impl Finding {
    fn new(kind: FailureKind, side: Side, hint: &'static str) -> Self {
        Self { kind, side, hint, evidence: String::new(), is_before: false, probe: None }
    }

    /// Somebody stopped it, and not we.
    fn stopped_here() -> Self {
        let hint = "somebody stopped it on this machine; `verisim sync retry` begins again";
        Self::new(FailureKind::Cancelled, Side::Source, hint)
    }

    /// As this line says.
    fn by(mut self, line: &str) -> Self {
        self.evidence = printable(line);
        self
    }

    /// Before anything was sent.
    fn before(mut self) -> Self {
        self.is_before = true;
        self
    }

    fn asking(mut self, probe: Probe) -> Self {
        self.probe = Some(probe);
        self
    }

    /// With what a probe found out.
    fn probed(mut self, free_bytes: Option<u64>) -> Self {
        if let (Some(Probe::FreeSpace), Some(free)) = (self.probe, free_bytes) {
            self.probe = None;
            if free < FULL_BELOW_BYTES {
                self.kind = FailureKind::NoSpace;
                self.hint = NO_SPACE;
            } else {
                self.hint =
                    "the server refused a write without a reason, and has space: its own log says why";
            }
        }
        self
    }

    fn explained(self, operation: ToolOperation) -> Explanation {
        let effect = match operation {
            ToolOperation::Hashsum | ToolOperation::Fetch => Effect::NotApplied,
            ToolOperation::Push if self.is_before => Effect::NotApplied,
            ToolOperation::Push => Effect::Unknown,
        };
        let class = match self.side {
            Side::Source | Side::State => OperationClass::Capture,
            Side::Destination | Side::Far => OperationClass::Destination,
        };
        Explanation {
            kind: self.kind,
            effect,
            class,
            policy: policy(self.kind, effect, class),
            hint: self.hint,
            evidence: self.evidence,
            probe: self.probe,
        }
    }

    /// How much it weighs against another of the same run: a full disk breaks connections and leaves files unset, a file
    /// that may not be read is also missing at the far side, and a broken connection is what everything ends in.
    const fn weight(&self) -> u8 {
        match self.kind {
            FailureKind::Cancelled => 12,
            FailureKind::NoSpace => 11,
            FailureKind::ToolMissing => 10,
            FailureKind::Auth => 9,
            FailureKind::SourceChanged => 8,
            FailureKind::Denied => 7,
            FailureKind::Config => 6,
            FailureKind::HashMismatch => 5,
            FailureKind::SourceVanished => 4,
            FailureKind::Unsupported => 3,
            FailureKind::NotFound => 2,
            FailureKind::Network => 1,
            FailureKind::Unknown => 0,
        }
    }
}

/// The weightiest of all, and of equals the first.
fn strongest(findings: impl IntoIterator<Item = Finding>) -> Option<Finding> {
    findings.into_iter().reduce(|a, b| if b.weight() > a.weight() { b } else { a })
}

/// A number of the kernel that a tool printed.
fn by_errno(side: Side, number: i32) -> FailureKind {
    crate::errno::kind(side, rustix::io::Errno::from_raw_os_error(number))
}

/// What a person can do about a kind, where the line that decided says no more.
const fn advice(kind: FailureKind, side: Side) -> &'static str {
    let is_here = matches!(side, Side::Source | Side::State);
    match kind {
        FailureKind::Network => "look at the way to the destination: is it up, and reachable from here?",
        FailureKind::Unknown => "nothing here is known; what the tool printed is all there is",
        FailureKind::Auth => {
            "the destination refused who we are: look at the key or token, and at the account there"
        }
        FailureKind::Denied if is_here => "let this user read the capture, or run as a user who may",
        FailureKind::Denied => "let the account there write to that folder; it may also be mounted read-only",
        FailureKind::HashMismatch => {
            "what arrived is not what was sent: look at the disk and the memory on both sides"
        }
        FailureKind::SourceVanished => {
            "a file of the capture went away: whoever removed it must be kept from that"
        }
        FailureKind::SourceChanged => {
            "the capture is still being written: mark its end with a sentinel, or wait longer"
        }
        FailureKind::NotFound => "the folder there does not exist: make it, or mend its path",
        FailureKind::Unsupported => "the other side cannot do this; another transport may",
        FailureKind::ToolMissing => "install the tool on the destination",
        FailureKind::NoSpace => NO_SPACE,
        FailureKind::Config => "mend the settings: the line above says which",
        FailureKind::Cancelled => "it was stopped; `verisim sync retry` begins again",
    }
}

const NO_SPACE: &str = "free some space there; the job goes on by itself";

/// The name of what the queue does, for programs.
#[must_use]
pub const fn decision_name(decision: Decision) -> &'static str {
    match decision {
        Decision::BackOff => "back_off",
        Decision::Unreachable => "unreachable",
        Decision::Fail => "fail",
        Decision::Block => "block",
        Decision::RetryTransfer => "retry_transfer",
        Decision::AwaitCompleteness => "await_completeness",
        Decision::Answer => "answer",
        Decision::CreateFolder => "create_folder",
        Decision::Cancel => "cancel",
    }
}
