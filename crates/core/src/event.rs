//! Events: the append-only record of outcomes, and what the bus carries.

use serde::{Deserialize, Serialize};

use crate::{
    CaptureProof, DecoyName, DecoyPath, Digest, EventId, FailureKind, Findings, Inventory, JobId, Payload,
    PersonaName, RelPath, SessionId, Timestamp, Topic,
};

/// The version of the shape of events.
pub const EVENT_VERSION: u32 = 1;

/// A committed event. Its JSON is what `verisim events --json` prints and the bus carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The version of this shape: [`EVENT_VERSION`].
    pub v: u32,
    /// Rises in the order of commits.
    pub id: EventId,
    /// What happened.
    #[serde(flatten)]
    pub body: NewEvent,
}

/// An event that is yet to be committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    /// When.
    pub time: Timestamp,
    /// Where it is published.
    pub topic: Topic,
    /// The job it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub job: Option<JobId>,
    /// The decoy it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub decoy: Option<DecoyName>,
    /// Whose work it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub persona: Option<PersonaName>,
    /// In which session.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<SessionId>,
    /// Whether what was attempted is confirmed.
    pub success: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure: Option<FailureKind>,
    /// For people: the failure's detail, or the plan's reason.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub detail: String,
    /// What there is to say.
    pub payload: EventPayload,
}

impl NewEvent {
    /// An event about no job and no decoy: that something is so.
    #[must_use]
    pub const fn new(topic: Topic, payload: EventPayload, time: Timestamp) -> Self {
        Self {
            time,
            topic,
            job: None,
            decoy: None,
            persona: None,
            session: None,
            success: true,
            failure: None,
            detail: String::new(),
            payload,
        }
    }

    /// An event about a decoy and no job of it: that something is so. `detail` is for people, and printable.
    #[must_use]
    pub fn of_decoy(
        decoy: &DecoyName,
        topic: Topic,
        detail: String,
        payload: EventPayload,
        time: Timestamp,
    ) -> Self {
        Self { decoy: Some(decoy.clone()), detail, ..Self::new(topic, payload, time) }
    }
}

/// What an event says, typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventPayload {
    /// A confirmed action.
    Activity(Payload),
    /// An action that was not confirmed.
    NotDone {
        /// The action's name.
        action: String,
        /// Its path, where it has one.
        path: Option<DecoyPath>,
        /// The state the job is in now.
        state: String,
    },
    /// Foreign content under a path of ours.
    Tampered {
        /// The path.
        path: DecoyPath,
        /// What should have been there; `None` where nothing should.
        expected: Option<Digest>,
        /// What was there; `None` where nothing was, or it could not be hashed.
        found: Option<Digest>,
    },
    /// Whether a decoy, or by the topic a destination, answers.
    Reachable {
        /// Whether it does.
        reachable: bool,
    },
    /// A decoy came into the fleet while the daemon ran.
    Joined {
        /// What it is for.
        role: String,
        /// What it offers.
        services: Vec<String>,
        /// Who works on it.
        personas: Vec<PersonaName>,
    },
    /// A decoy went out of the fleet; what was queued for it is cancelled.
    Left {
        /// `removed`: it is no more; `stopped`: it does not run; `replaced`: another host has its name; `withdrawn`: it is
        /// not called a decoy any more.
        reason: String,
    },
    /// A person decided about a path that was left alone.
    Released {
        /// The path.
        path: DecoyPath,
        /// `adopt`: what stands there is ours from now on; `forget`: it is somebody else's for good.
        decision: String,
        /// The hash of what was adopted.
        sha256: Option<Digest>,
    },
    /// A person said that a decoy's root was replaced on purpose.
    RootAccepted {
        /// How many paths were known on the former root, and are forgotten.
        forgotten: u64,
    },
    /// A decoy got a past, or lost it again.
    BurnIn {
        /// `done`, or `undone`.
        state: String,
        /// How many days it reaches back.
        days: u32,
        /// How many files were planted, or taken back.
        files: u32,
        /// How many were left alone, since somebody else's content stands there.
        left: u32,
    },
    /// A sync job reached a state.
    Sync(SyncPayload),
    /// A person decided about what the gate before a capture found.
    Gate {
        /// The capture, as `rule` or `rule/relative path`.
        capture: String,
        /// The rule of the gate.
        rule: String,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// It is an override that was taken back, not one that was given.
        revoked: bool,
    },
    /// Damage at a destination.
    RemoteDamaged {
        /// The remote folder.
        remote: RelPath,
        /// What is missing or different, at most 100 names.
        names: Vec<String>,
        /// How many there are in all; 0 in events of a version that did not count.
        #[serde(skip_serializing_if = "is_zero", default)]
        total: u64,
    },
    /// The daemon's own state.
    Health {
        /// `started`, `stopping`, `recovered` or `degraded`.
        status: String,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a field by reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What there is to say of a sync job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncPayload {
    /// The state it reached.
    pub state: String,
    /// The capture, as `rule` or `rule/relative path`.
    pub capture: String,
    /// The remote folder, as `destination:path`.
    pub remote: String,
    /// What it holds.
    pub inventory: Option<Inventory>,
    /// The latest pass of verification.
    pub proof: Option<CaptureProof>,
    /// Why it waits or rests.
    pub note: Option<String>,
    /// What was found at the destination that is not as it was pushed, where this step looked and found something else than
    /// the last.
    #[serde(skip_serializing_if = "Findings::is_empty", default)]
    pub findings: Findings,
}
