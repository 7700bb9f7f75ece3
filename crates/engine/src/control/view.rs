//! Jobs and the daemon's state as they are shown to people and scripts.

use serde::{Deserialize, Serialize};
use verisim_core::{
    Action, Counters, DecoyName, DecoyPath, Digest, FailureKind, FileClass, Health, Job, JobId, JobKind,
    JobState, Lane, LedgerEntry, OwnershipPolicy, PersonaName, Progress, Schedule, SessionId, SyncProgress,
    SyncState, Timestamp, Work,
};

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// Whether it is an action or a sync.
    pub kind: JobKind,
    /// Its state's name.
    pub state: String,
    /// Whether nothing happens to it by itself any more: it is final, or waits for a person.
    pub rests: bool,
    /// The decoy or destination, as `decoy/name` or `destination/name`.
    pub lane: Lane,
    /// Of an action: what, for instance `plant`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub action: Option<String>,
    /// Of an action: its path; of a sync: the capture, as `rule` or `rule/relative path`.
    pub subject: String,
    /// Of a sync: the remote folder below the destination's root.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remote: Option<String>,
    /// Of an action: whose work it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub persona: Option<PersonaName>,
    /// Of an action: in which session.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<SessionId>,
    /// Of an action: why.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub why: String,
    /// When it should happen.
    pub planned_at: Timestamp,
    /// When it is looked at next.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_at: Option<Timestamp>,
    /// After this it is skipped.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deadline: Option<Timestamp>,
    /// How often what happened.
    pub counters: Counters,
    /// Its last failure.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure: Option<(FailureKind, String)>,
    /// Whether an effect was started whose fate is open.
    pub fate_open: bool,
    /// Of a sync: how far it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub progress: Option<SyncProgress>,
    /// Of a sync: since when its destination is away. Nothing is begun for it until it is back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub away_since: Option<Timestamp>,
    /// Of a sync: it is due, and waits for these, which have all the places of its destination.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub behind: Vec<JobId>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl JobView {
    /// The view of a job.
    #[must_use]
    pub fn of(job: Job) -> Self {
        let rests = rests(job.state, job.schedule);
        let lane = job.work.lane();
        let kind = job.work.kind();
        let mut view = Self {
            id: job.id,
            kind,
            state: job.state.name().to_owned(),
            rests,
            lane,
            action: None,
            subject: String::new(),
            remote: None,
            persona: None,
            session: None,
            why: String::new(),
            planned_at: job.planned_at,
            next_at: match job.schedule {
                Schedule::At(at) => Some(at),
                Schedule::Parked => None,
            },
            deadline: job.deadline,
            counters: job.counters,
            failure: job.last_failure,
            fate_open: job.intended.is_some(),
            progress: job.progress,
            away_since: None,
            behind: Vec::new(),
            created_at: job.created_at,
            updated_at: job.updated_at,
        };
        match job.work {
            Work::Activity { action, persona, session, why, .. } => {
                view.action = Some(action.name().to_owned());
                view.subject = match &*action {
                    Action::Traffic(traffic) => format!("to {traffic}"),
                    action => action.paths().0.map(ToString::to_string).unwrap_or_default(),
                };
                view.persona = persona;
                view.session = session;
                view.why = why;
            }
            Work::Sync(spec) => {
                let relative = spec.capture.relative.map_or_else(String::new, |path| format!("/{path}"));
                view.subject = format!("{}{relative}", spec.capture.rule);
                view.remote = Some(spec.remote.path.to_string());
            }
        }
        view
    }
}

/// What is known of one path on a decoy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerView {
    /// The decoy.
    pub decoy: DecoyName,
    /// The path.
    pub path: DecoyPath,
    /// What it is in the story.
    pub class: FileClass,
    /// Whose file it is; `hands_off` waits for a person.
    pub policy: OwnershipPolicy,
    /// The hash of the content as we left it; of an append-only file, that of the bytes we added last.
    pub sha256: Digest,
    /// Its size as we left it, in bytes.
    pub size: u64,
    /// Whose it is in the story.
    pub persona: Option<PersonaName>,
    /// How often it was edited or added to.
    pub edits: u32,
    /// Since when it is known.
    pub since: Timestamp,
    /// When we changed it last.
    pub changed_at: Timestamp,
}

impl LedgerView {
    /// The view of an entry.
    #[must_use]
    pub fn of(entry: LedgerEntry) -> Self {
        Self {
            decoy: entry.decoy,
            path: entry.path,
            class: entry.class,
            policy: entry.ownership,
            sha256: entry.sha256,
            size: entry.size,
            persona: entry.persona,
            edits: entry.edits,
            since: entry.planted_at,
            changed_at: entry.changed_at,
        }
    }
}

/// Whether nothing happens to a job by itself any more.
pub(crate) const fn rests(state: JobState, schedule: Schedule) -> bool {
    state.is_final() || matches!(schedule, Schedule::Parked)
}

/// Whether whoever waits for a job has waited enough: it rests, or it is verified, and what is to come takes hours or days.
pub(crate) const fn has_settled(state: JobState, schedule: Schedule) -> bool {
    rests(state, schedule) || matches!(state, JobState::Sync(SyncState::Verified))
}

/// How far a running push is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningView {
    /// The job.
    pub job: JobId,
    /// How far it is.
    #[serde(flatten)]
    pub progress: Progress,
}

/// A decoy as the daemon sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecoyView {
    /// Its name.
    pub name: DecoyName,
    /// What it is for.
    pub role: String,
    /// Since when it does not answer; `None` where it does, as far as is known.
    pub silent_since: Option<Timestamp>,
    /// Why it does not answer, or what was found, where it answers and is not the decoy that is known; or why it left.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
    /// Since when it is not in the fleet any more.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub left_since: Option<Timestamp>,
}

/// A destination that is away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwayView {
    /// Its lane, as `destination/name`.
    pub lane: Lane,
    /// Since when.
    pub since: Timestamp,
    /// Why it counts as away.
    pub why: String,
}

/// How everything stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusView {
    /// The daemon's time.
    pub now: Timestamp,
    /// Which start of the daemon this is.
    pub worker: String,
    /// How the store stands.
    pub store: Health,
    /// Why the store refuses just now.
    pub trouble: Option<String>,
    /// How many jobs run at this moment.
    pub running: usize,
    /// When the next slot of a persona is.
    pub next_slot: Option<Timestamp>,
    /// The decoys, by name.
    pub decoys: Vec<DecoyView>,
    /// The destinations that are away, by name.
    #[serde(default)]
    pub away: Vec<AwayView>,
}
