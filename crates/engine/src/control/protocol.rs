//! What travels over the control socket: one JSON object a line, with the version of the protocol in it.

use serde::{Deserialize, Serialize};
use verisim_core::{
    Action, Audited, Body, CaptureName, DecoyName, DecoyPath, DestinationName, Event, EventId, FailureKind,
    GateRuleName, JobId, JobKind, Lane, RelPath, StoreError, Timestamp,
};

use super::view::{JobView, LedgerView, RunningView, StatusView};
use super::why::WhyView;
use crate::Preview;

/// The version of this protocol. Both sides refuse another one.
pub const PROTOCOL_VERSION: u32 = 1;
/// The socket's name in the state folder.
pub const SOCKET_NAME: &str = "control.sock";
/// The longest line in bytes, either way: a file of 12 MiB in base64, and some room.
pub const LINE_BYTES_MAX: usize = 17 * 1024 * 1024;

/// One line of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The client's [`PROTOCOL_VERSION`].
    pub v: u32,
    /// What it wants.
    #[serde(flatten)]
    pub request: Request,
}

impl Call {
    /// A call of this version.
    #[must_use]
    pub const fn new(request: Request) -> Self {
        Self { v: PROTOCOL_VERSION, request }
    }
}

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// How everything stands.
    Status,
    /// Some jobs, newest first.
    Jobs(JobQuery),
    /// One job.
    Job {
        /// Which.
        job: JobId,
    },
    /// Committed events, oldest first.
    Events {
        /// After this one.
        after: EventId,
        /// On these topics, as a filter.
        topic: String,
        /// At most so many; 1,000 at the most.
        limit: usize,
    },
    /// Events as they are committed, one line each, without end.
    Follow {
        /// After this one; without it, from now on.
        after: Option<EventId>,
        /// On these topics, as a filter.
        topic: String,
    },
    /// An action by hand.
    Act {
        /// Makes a repeated call harmless: a random token of the caller.
        token: String,
        /// Where.
        decoy: DecoyName,
        /// What.
        action: Box<Action>,
        /// Why, for people.
        why: String,
        /// After this it is skipped.
        deadline: Option<Timestamp>,
    },
    /// Waits until a job is final or parked.
    Wait {
        /// Which.
        job: JobId,
        /// At most so many milliseconds.
        limit_ms: u64,
    },
    /// A file of a decoy, in lines of bounded length.
    Read {
        /// Where.
        decoy: DecoyName,
        /// Which.
        path: DecoyPath,
        /// At most so many bytes.
        limit: u64,
    },
    /// A capture, before the next look finds it.
    SyncAdd {
        /// The rule that covers it.
        rule: CaptureName,
        /// The directory below the rule's folder; `None` for the folder itself.
        relative: Option<RelPath>,
    },
    /// Another pass of verification.
    Verify {
        /// Which.
        job: JobId,
    },
    /// A look at a capture that was cleaned up: everything at its destination is hashed, and compared with what the store
    /// keeps. Answered when that is done; ended when the client goes.
    Audit {
        /// Which.
        job: JobId,
    },
    /// Another try of what failed, or now of what waits.
    Retry {
        /// Which.
        job: JobId,
    },
    /// Another try of many captures.
    RetryAll(RetryQuery),
    /// No further try.
    Cancel {
        /// Which.
        job: JobId,
    },
    /// A decision about what a capture's gate found.
    Gate(GateDecision),
    /// A piece of the manifest of a capture that was verified, 0 first.
    Manifest {
        /// Whose.
        job: JobId,
        /// Which piece.
        piece: u32,
    },
    /// How far the running pushes are.
    Progress,
    /// What the personas will do next.
    Plan {
        /// At most so many; 10,000 at the most.
        limit: usize,
    },
    /// What is known to be on a decoy, in the order of the paths.
    Ledger {
        /// Which.
        decoy: DecoyName,
        /// Only what waits for a person.
        frozen: bool,
        /// After this path.
        after: Option<DecoyPath>,
        /// At most so many; 1,000 at the most.
        limit: usize,
    },
    /// A decision about a path that is left alone.
    Release {
        /// Where.
        decoy: DecoyName,
        /// Which.
        path: DecoyPath,
        /// What is decided.
        decision: Release,
    },
    /// The root that a decoy has now is its root.
    AcceptRoot {
        /// Which.
        decoy: DecoyName,
    },
    /// Why a path is what it is.
    Why {
        /// On which decoy.
        decoy: DecoyName,
        /// Which path.
        path: DecoyPath,
    },
    /// The daemon ends, after it has drained.
    Shutdown,
}

/// Which captures a client wants tried again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RetryQuery {
    /// In one of these states; empty means those that failed. Case does not matter.
    pub states: Vec<String>,
    /// For this destination.
    pub destination: Option<DestinationName>,
    /// Found by this rule.
    pub rule: Option<CaptureName>,
    /// With a lower id than this: where the last answer says so.
    pub before: Option<JobId>,
}

/// What a person decides about the gate before a capture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateDecision {
    /// Which capture.
    pub job: JobId,
    /// The rule of its gate.
    pub rule: GateRuleName,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// An override is taken back, not given.
    pub revoke: bool,
}

/// What a person decides about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// What stands there is ours from now on.
    Adopt,
    /// What stands there is somebody else's: it leaves the ledger, and is never touched.
    Forget,
}

impl Release {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Adopt => "adopt",
            Self::Forget => "forget",
        }
    }
}

/// Which jobs a client wants to see.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JobQuery {
    /// Of one kind.
    pub kind: Option<JobKind>,
    /// In one of these states; empty means any. Case does not matter.
    pub states: Vec<String>,
    /// In this lane; a decoy's takes in its connections.
    pub lane: Option<Lane>,
    /// With a lower id than this.
    pub before: Option<JobId>,
    /// At most so many; 10,000 at the most.
    pub limit: usize,
}

/// One line of the daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The daemon's [`PROTOCOL_VERSION`].
    pub v: u32,
    /// What it says.
    #[serde(flatten)]
    pub said: Said,
}

/// An answer, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// What was asked for.
    Answer(Answer),
    /// Why it is not done.
    Refusal(Refusal),
}

impl Reply {
    /// A reply of this version.
    #[must_use]
    pub fn new(result: Result<Answer, Refusal>) -> Self {
        Self { v: PROTOCOL_VERSION, said: result.map_or_else(Said::Refusal, Said::Answer) }
    }

    /// The answer.
    ///
    /// # Errors
    /// When it is a refusal.
    pub fn into_result(self) -> Result<Answer, Refusal> {
        match self.said {
            Said::Answer(answer) => Ok(answer),
            Said::Refusal(refusal) => Err(refusal),
        }
    }
}

/// What the daemon says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// How everything stands.
    Status(Box<StatusView>),
    /// Some jobs.
    Jobs(Vec<JobView>),
    /// One job.
    Job(Box<JobView>),
    /// Some events.
    Events {
        /// The events.
        events: Vec<Event>,
        /// Where the next query begins.
        seen: EventId,
        /// Events up to this id may have been pruned.
        pruned: EventId,
    },
    /// One event that is followed.
    Event(Box<Event>),
    /// A job was made, or was there.
    Made {
        /// Which.
        job: JobId,
        /// Whether it was made by this call.
        new: bool,
    },
    /// What was found of a capture that was cleaned up.
    Audited(Box<Audited>),
    /// Captures are tried again.
    Retried {
        /// Which.
        jobs: Vec<JobId>,
        /// There may be more, with lower ids than this.
        next: Option<JobId>,
        /// The destinations that are away, and are asked at once whether they are back.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        asked: Vec<Lane>,
    },
    /// A piece of a file.
    Piece {
        /// The bytes.
        body: Body,
        /// Whether another piece follows.
        more: bool,
    },
    /// How far the running pushes are.
    Progress(Vec<RunningView>),
    /// What the personas will do next.
    Plan(Vec<Preview>),
    /// Some of what is known to be on a decoy.
    Ledger(Vec<LedgerView>),
    /// Why a path is what it is.
    Why(Box<WhyView>),
    /// Another root was accepted.
    Accepted {
        /// How many paths were known on the former one.
        forgotten: u64,
    },
    /// It is done.
    Done,
}

/// Why the daemon does not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// For dispatch.
    pub kind: RefusalKind,
    /// For people.
    pub message: String,
    /// The failure behind it, where a decoy or a transport failed.
    pub failure: Option<FailureKind>,
}

/// Kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The line is not a call of this version.
    BadRequest,
    /// There is no such job, decoy or file.
    NotFound,
    /// It does not fit the state that the job is in.
    WrongState,
    /// Too many are connected already.
    Busy,
    /// The store could not.
    Store,
    /// The decoy could not be reached, or refused.
    Decoy,
    /// The destination could not be reached.
    Away,
    /// It is not set up for this.
    Unsupported,
    /// The time was up.
    TimeUp,
}

impl Refusal {
    /// A refusal without a failure behind it.
    pub fn new(kind: RefusalKind, message: impl std::fmt::Display) -> Self {
        Self { kind, message: message.to_string(), failure: None }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::new(RefusalKind::Store, error)
    }
}

#[cfg(test)]
mod tests {
    use verisim_core::{Effect, Failure};

    use super::*;

    /// Every line as it travels: a change of one of these is a change of the protocol, and asks for another version.
    #[test]
    fn the_lines_are_as_they_always_were() {
        let job = JobId(7);
        let decoy = DecoyName::new("files01").unwrap();
        let path = DecoyPath::new("/home/ann/a.txt").unwrap();
        let remove = Action::Remove(verisim_core::RemoveFile { path: path.clone() });
        let (name, file) = (decoy.clone(), path.clone());
        let calls = [
            (Request::Status, r#"{"v":1,"request":"status"}"#),
            (
                Request::Jobs(JobQuery { states: vec!["FAILED".into()], limit: 5, ..JobQuery::default() }),
                r#"{"v":1,"request":"jobs","kind":null,"states":["FAILED"],"lane":null,"before":null,"limit":5}"#,
            ),
            (Request::Job { job }, r#"{"v":1,"request":"job","job":7}"#),
            (
                Request::Events { after: EventId(3), topic: ">".into(), limit: 9 },
                r#"{"v":1,"request":"events","after":3,"topic":">","limit":9}"#,
            ),
            (
                Request::Follow { after: None, topic: "sync.>".into() },
                r#"{"v":1,"request":"follow","after":null,"topic":"sync.>"}"#,
            ),
            (
                Request::Act {
                    token: "t".into(),
                    decoy: decoy.clone(),
                    action: Box::new(remove),
                    why: "by hand".into(),
                    deadline: None,
                },
                r#"{"v":1,"request":"act","token":"t","decoy":"files01","action":{"action":"remove","path":"/home/ann/a.txt"},"why":"by hand","deadline":null}"#,
            ),
            (Request::Wait { job, limit_ms: 60_000 }, r#"{"v":1,"request":"wait","job":7,"limit_ms":60000}"#),
            (
                Request::Read { decoy, path, limit: 10 },
                r#"{"v":1,"request":"read","decoy":"files01","path":"/home/ann/a.txt","limit":10}"#,
            ),
            (Request::Verify { job }, r#"{"v":1,"request":"verify","job":7}"#),
            (Request::Audit { job }, r#"{"v":1,"request":"audit","job":7}"#),
            (Request::Retry { job }, r#"{"v":1,"request":"retry","job":7}"#),
            (Request::Cancel { job }, r#"{"v":1,"request":"cancel","job":7}"#),
            (
                Request::Gate(GateDecision {
                    job,
                    rule: GateRuleName::new("names").unwrap(),
                    reason: "known".into(),
                    by: "ann".into(),
                    revoke: false,
                }),
                r#"{"v":1,"request":"gate","job":7,"rule":"names","reason":"known","by":"ann","revoke":false}"#,
            ),
            (Request::Manifest { job, piece: 2 }, r#"{"v":1,"request":"manifest","job":7,"piece":2}"#),
            (Request::Progress, r#"{"v":1,"request":"progress"}"#),
            (Request::Plan { limit: 3 }, r#"{"v":1,"request":"plan","limit":3}"#),
            (
                Request::Ledger { decoy: name.clone(), frozen: true, after: None, limit: 9 },
                r#"{"v":1,"request":"ledger","decoy":"files01","frozen":true,"after":null,"limit":9}"#,
            ),
            (
                Request::Why { decoy: name.clone(), path: file.clone() },
                r#"{"v":1,"request":"why","decoy":"files01","path":"/home/ann/a.txt"}"#,
            ),
            (
                Request::Release { decoy: name.clone(), path: file, decision: Release::Adopt },
                r#"{"v":1,"request":"release","decoy":"files01","path":"/home/ann/a.txt","decision":"adopt"}"#,
            ),
            (Request::AcceptRoot { decoy: name }, r#"{"v":1,"request":"accept_root","decoy":"files01"}"#),
            (Request::Shutdown, r#"{"v":1,"request":"shutdown"}"#),
        ];
        for (request, line) in calls {
            let call = Call::new(request);
            assert_eq!(serde_json::to_string(&call).unwrap(), line);
            assert_eq!(serde_json::from_str::<Call>(line).unwrap(), call);
        }
    }

    #[test]
    fn the_replies_are_as_they_always_were() {
        let job = JobId(7);
        let failure = Failure::new(verisim_core::FailureKind::NotFound, "rootfs.read", "no such file");
        assert_eq!(failure.effect, Effect::NotApplied);
        let refusal = Refusal {
            kind: RefusalKind::NotFound,
            message: failure.to_string(),
            failure: Some(failure.kind),
        };
        let replies = [
            (Ok(Answer::Done), r#"{"v":1,"answer":"done"}"#),
            (Ok(Answer::Made { job, new: true }), r#"{"v":1,"answer":{"made":{"job":7,"new":true}}}"#),
            (
                Ok(Answer::Piece { body: Body::from("a\n"), more: false }),
                r#"{"v":1,"answer":{"piece":{"body":{"text":"a\n"},"more":false}}}"#,
            ),
            (
                Err(refusal),
                r#"{"v":1,"refusal":{"kind":"not_found","message":"no such file","failure":"not_found"}}"#,
            ),
        ];
        for (result, line) in replies {
            let reply = Reply::new(result);
            assert_eq!(serde_json::to_string(&reply).unwrap(), line);
            assert_eq!(serde_json::from_str::<Reply>(line).unwrap(), reply);
        }
    }

    #[test]
    fn the_lines_of_a_retry_of_many_are_as_they_always_were() {
        let destination = DestinationName::new("vault").ok();
        let call = Call::new(Request::RetryAll(RetryQuery { destination, ..RetryQuery::default() }));
        let line =
            r#"{"v":1,"request":"retry_all","states":[],"destination":"vault","rule":null,"before":null}"#;
        assert_eq!(serde_json::to_string(&call).unwrap(), line);
        assert_eq!(serde_json::from_str::<Call>(line).unwrap(), call);
        let reply =
            |asked| Reply::new(Ok(Answer::Retried { jobs: vec![JobId(7)], next: Some(JobId(7)), asked }));
        let line = r#"{"v":1,"answer":{"retried":{"jobs":[7],"next":7}}}"#;
        assert_eq!(serde_json::to_string(&reply(Vec::new())).unwrap(), line);
        assert_eq!(serde_json::from_str::<Reply>(line).unwrap(), reply(Vec::new()));
        // Only where somebody is away there is more.
        let asked = vec![Lane("destination/vault".into())];
        let line = r#"{"v":1,"answer":{"retried":{"jobs":[7],"next":7,"asked":["destination/vault"]}}}"#;
        assert_eq!(serde_json::to_string(&reply(asked.clone())).unwrap(), line);
        assert_eq!(serde_json::from_str::<Reply>(line).unwrap(), reply(asked));
    }
}
