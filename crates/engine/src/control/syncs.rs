//! What a person can ask of captures, of many at once, and of their destinations.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use verisim_core::{
    Audited, FailureKind, Job, JobFilter, JobId, JobKind, JobState, Lane, Schedule, SyncEvent, SyncState,
    Work,
};

use super::operator::{Asked, Operator, wrong_state};
use super::protocol::{Answer, Refusal, RefusalKind, RetryQuery};
use super::view::{AwayView, JobView};

/// How many captures are tried again by one call at the most.
const RETRIES_MAX: usize = 1_000;
/// How many of them wait for the store together, so that they share its flushes.
const TOGETHER: usize = 64;
/// How many blocked captures are looked at to learn since when a destination is away.
const BLOCKED_MAX: usize = 1_000;
/// What waits for something that it lacks, wherever it goes on.
const BLOCKED: SyncState = SyncState::Blocked(verisim_core::ResumeAt::Push);
/// The states in which a capture may be tried again with others. What was cancelled, or could not be proved, waits for a
/// person who names it.
pub const RETRIED_STATES: [&str; 4] = ["FAILED", "CANCELLED", "UNVERIFIED", "BLOCKED"];

impl Operator {
    /// A piece of the manifest that a capture's first pass confirmed, and whether another follows.
    ///
    /// # Errors
    /// When there is no such job or piece, or the store cannot be read.
    pub async fn manifest(&self, id: JobId, piece: u32) -> Asked<Answer> {
        self.find(id).await?;
        let store = &self.shared().store;
        let Some(bytes) = store.manifest(id, piece).await? else {
            let message = format!("no manifest of job {id} is kept: it is once a capture was verified");
            return Err(Refusal::new(RefusalKind::NotFound, message));
        };
        let more = match piece.checked_add(1) {
            Some(next) => store.manifest(id, next).await?.is_some(),
            None => false,
        };
        Ok(Answer::Piece { body: bytes.into(), more })
    }

    /// Has a capture verified once more. One whose destination is away stays what it is.
    ///
    /// # Errors
    /// When its state does not allow it, its destination is away, there is none of this id, or the store cannot be written.
    pub async fn verify(&self, id: JobId) -> Asked<JobView> {
        let job = self.find(id).await?;
        let JobState::Sync(state) = job.state else {
            return Err(wrong_state(&job, "only a capture is verified"));
        };
        let to = match state {
            SyncState::AwaitingVerify => Ok(state),
            SyncState::CleanupEligible => {
                state.next(SyncEvent::InterlockLost).and_then(|state| state.next(SyncEvent::PassDue))
            }
            state => state.next(SyncEvent::PassDue),
        };
        let to = to.map_err(|_| {
            let why = match state {
                SyncState::Cleaning => "it was verified, and is being cleaned up",
                SyncState::Cleaned => {
                    "it was verified and cleaned up; `sync verify` of this version has it looked at by an audit"
                }
                SyncState::Failed | SyncState::Unverified | SyncState::Cancelled => {
                    "only what was verified before is verified again; see `sync retry`"
                }
                _ => "it is verified by itself as soon as it was pushed",
            };
            wrong_state(&job, why)
        })?;
        if to != state {
            self.require_there(&job).await?;
        }
        self.change(&job, JobState::Sync(to), Schedule::At(self.shared().now()), None).await
    }

    /// Looks at a capture that was cleaned up, at its destination, and compares it with the manifest that the store keeps. What
    /// is found is told in the events of an audit.
    ///
    /// # Errors
    /// When it was not cleaned up, nobody could look, there is none of this id, its manifest is gone, or the store cannot be
    /// used.
    pub async fn audit(&self, id: JobId) -> Asked<Audited> {
        let job = self.find(id).await?;
        let (JobState::Sync(SyncState::Cleaned), Work::Sync(spec)) = (job.state, &job.work) else {
            let why = "only a capture that was cleaned up is looked at in this way; `sync verify` has others verified";
            return Err(wrong_state(&job, why));
        };
        let shared = self.shared();
        let Some(worker) = &shared.sync else {
            return Err(Refusal::new(RefusalKind::Unsupported, "no destination is configured"));
        };
        let lost = || {
            let message = format!("no manifest of job {id} is kept any more to compare it with");
            Refusal::new(RefusalKind::NotFound, message)
        };
        if shared.store.manifest(id, 0).await?.is_none() {
            return Err(lost());
        }
        match crate::sync::audit(shared, &**worker, &job, spec, true).await? {
            Ok(found) => {
                self.handle().wake();
                found.ok_or_else(lost)
            }
            Err(error) => Err(Refusal {
                kind: RefusalKind::Away,
                message: format!("job {id} could not be looked at: {}", error.failure.detail),
                failure: Some(error.failure.kind),
            }),
        }
    }

    /// Asks the destination, where it was away when it was last heard of.
    async fn require_there(&self, job: &Job) -> Asked<()> {
        let shared = self.shared();
        let (Some(away), Some(worker), Work::Sync(spec)) =
            (shared.away.get(&job.work.lane()), &shared.sync, &job.work)
        else {
            return Ok(());
        };
        let why = match shared.bounded(&shared.ending, worker.answers(&spec.remote)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(failure)) => failure.detail,
            Err(_) => "it did not answer in time".to_owned(),
        };
        let message = format!(
            "job {} stays {}: {} is away since {:.0}: {why}",
            job.id,
            job.state,
            job.work.lane(),
            away.since
        );
        Err(Refusal { kind: RefusalKind::Away, message, failure: Some(FailureKind::Network) })
    }

    /// Has captures tried again that are in one of the states of `query`, newest first; answers which, and where the next
    /// call goes on. One that moved on meanwhile is left alone. Without states: what failed, and what waits for a destination
    /// that is away. Destinations that are away are asked at once whether they are back: whoever has captures tried again now
    /// does not want to wait for that either.
    ///
    /// # Errors
    /// When captures are not tried again out of such a state, or the store cannot be used.
    pub async fn retry_all(&self, query: &RetryQuery) -> Asked<Answer> {
        let states: Vec<String> = match query.states.as_slice() {
            [] => vec![SyncState::Failed.name().to_owned(), BLOCKED.name().to_owned()],
            named => named.iter().map(|state| state.to_ascii_uppercase()).collect(),
        };
        if let Some(other) = states.iter().find(|state| !RETRIED_STATES.contains(&state.as_str())) {
            let message =
                format!("captures are tried again out of {}, not {other}", RETRIED_STATES.join(", "));
            return Err(Refusal::new(RefusalKind::BadRequest, verisim_core::printable(&message)));
        }
        let filter = JobFilter {
            kind: Some(JobKind::Sync),
            states,
            lanes: query.destination.iter().map(Lane::of_destination).collect(),
            before: query.before,
            limit: RETRIES_MAX,
        };
        let asked = match query.before {
            None => self.ask_away_now(query),
            Some(_) => Vec::new(),
        };
        let page = self.shared().store.jobs(filter).await?;
        let next = page.last().filter(|_| page.len() == RETRIES_MAX).map(|job| job.id);
        let is_meant = |job: &Job| match &job.work {
            Work::Sync(spec) => {
                let of_rule = query.rule.as_ref().is_none_or(|rule| spec.capture.rule == *rule);
                let lacks_something = job.state.name() == BLOCKED.name() && waits_for(job).is_none();
                of_rule && !(query.states.is_empty() && lacks_something)
            }
            Work::Activity { .. } => false,
        };
        let meant = page.into_iter().filter(is_meant).map(|job| self.retry_job(job));
        let mut answers = futures_util::stream::iter(meant).buffered(TOGETHER);
        let mut jobs = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(job) => jobs.push(job.id),
                Err(refusal) if refusal.kind == RefusalKind::WrongState => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(Answer::Retried { jobs, next, asked })
    }

    /// Has the destinations that are away, or the one that is meant, asked at once; answers which.
    fn ask_away_now(&self, query: &RetryQuery) -> Vec<Lane> {
        let shared = self.shared();
        let mut lanes = shared.away.lanes();
        if let Some(destination) = &query.destination {
            let meant = Lane::of_destination(destination);
            lanes.retain(|lane| *lane == meant);
        }
        for lane in &lanes {
            shared.away.ask_now(lane, shared.now());
        }
        if !lanes.is_empty() {
            self.handle().wake();
        }
        lanes
    }

    /// The destinations that are away: as the running engine knows, and else as the captures tell that were blocked by it.
    pub(super) async fn away(&self) -> Asked<Vec<AwayView>> {
        let shared = self.shared();
        let filter = JobFilter {
            kind: Some(JobKind::Sync),
            states: vec![BLOCKED.name().to_owned()],
            limit: BLOCKED_MAX,
            ..JobFilter::default()
        };
        let mut found: BTreeMap<Lane, AwayView> = BTreeMap::new();
        for job in shared.store.jobs(filter).await? {
            let Some(why) = waits_for(&job) else { continue };
            let lane = job.work.lane();
            let view = AwayView { lane: lane.clone(), since: job.updated_at, why: why.to_owned() };
            let known = found.entry(lane).or_insert(view);
            known.since = known.since.min(job.updated_at);
        }
        for lane in shared.away.lanes() {
            if let Some(away) = shared.away.get(&lane) {
                found.insert(lane.clone(), AwayView { lane, since: away.since, why: away.why });
            }
        }
        Ok(found.into_values().collect())
    }
}

/// Why a blocked capture waits for its destination; `None` where it lacks something else.
fn waits_for(job: &Job) -> Option<&str> {
    match (job.state, &job.last_failure) {
        (JobState::Sync(_), Some((FailureKind::Network | FailureKind::Unknown, why))) => Some(why),
        _ => None,
    }
}
