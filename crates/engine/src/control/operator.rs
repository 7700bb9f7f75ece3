//! What a person can ask of the engine, and have changed by legal edges only.

use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use verisim_core::{
    Action, ActivityEvent, ActivityState, ByteCount, CaptureName, Committed, Counters, DecoyName, DecoyPath,
    DriverKind, Enqueued, EventId, EventPage, EventQuery, FailureKind, IdempotencyKey, Intervention, Job,
    JobFilter, JobId, JobState, Lane, NewEvent, NewJob, Recorded, RelPath, Schedule, SyncEvent, SyncState,
    Timestamp, TopicFilter, Work,
};

use super::change::change_event;
use super::protocol::{JobQuery, Refusal, RefusalKind};
use super::view::{DecoyView, JobView, RunningView, StatusView, has_settled};
use crate::change::Left;
use crate::engine::Handle;
use crate::shared::Shared;
use crate::sync::new_job;
use crate::{Preview, life};

/// The most rows of one answer.
const JOBS_MAX: usize = 10_000;
const EVENTS_MAX: usize = 1_000;
const PREVIEW_MAX: usize = 10_000;
/// How often a wait looks by itself, in case that a wake-up got lost.
const WAIT_LOOK: Duration = Duration::from_secs(5);

/// What a person can ask, of a running engine or of one that is only put together.
#[derive(Clone)]
pub struct Operator {
    handle: Handle,
}

/// What an operator's answer is.
pub type Asked<T> = Result<T, Refusal>;

impl Operator {
    /// An operator of this engine.
    #[must_use]
    pub const fn new(handle: Handle) -> Self {
        Self { handle }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// The engine.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// How everything stands.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn status(&self) -> Asked<StatusView> {
        let shared = self.shared();
        let store = shared.store.health().await?;
        let away = self.away().await?;
        let silent = shared.silent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let view = |decoy: &verisim_core::Decoy| DecoyView {
            name: decoy.name.clone(),
            role: decoy.role.clone(),
            silent_since: silent.get(&decoy.name).map(|silence| silence.since),
            why: silent.get(&decoy.name).map(|silence| silence.cause.text().to_owned()),
            left_since: None,
        };
        let gone = |left: Left| DecoyView {
            name: left.decoy.name.clone(),
            role: left.decoy.role.clone(),
            silent_since: None,
            why: Some(left.detail),
            left_since: Some(left.since),
        };
        let mut decoys: Vec<DecoyView> = shared.fleet.decoys().iter().map(|decoy| view(decoy)).collect();
        decoys.extend(shared.left.all().into_iter().map(gone));
        decoys.sort_by(|a, b| a.name.cmp(&b.name));
        let trouble = shared.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(StatusView {
            now: shared.now(),
            worker: shared.worker.to_string(),
            store,
            trouble: trouble.as_ref().map(ToString::to_string),
            running: shared.running.held().len(),
            next_slot: life::next_at(shared),
            decoys,
            away,
        })
    }

    /// Some jobs, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn jobs(&self, query: &JobQuery) -> Asked<Vec<JobView>> {
        let filter = JobFilter {
            kind: query.kind,
            states: query.states.iter().map(|state| state.to_ascii_uppercase().replace('-', "_")).collect(),
            lanes: query.lane.as_ref().map(Lane::with_kin).unwrap_or_default(),
            before: query.before,
            limit: query.limit.min(JOBS_MAX),
        };
        Ok(self.shared().store.jobs(filter).await?.into_iter().map(|job| self.view(job)).collect())
    }

    /// One job.
    ///
    /// # Errors
    /// When there is none of this id, or the store cannot be read.
    pub async fn job(&self, id: JobId) -> Asked<JobView> {
        self.find(id).await.map(|job| self.view(job))
    }

    /// A job as it is shown.
    fn view(&self, job: Job) -> JobView {
        let away = self.shared().away.get(&job.work.lane());
        let behind = if away.is_none() { self.behind(&job) } else { Vec::new() };
        JobView { away_since: away.map(|away| away.since), behind, ..JobView::of(job) }
    }

    /// What has all the places of a capture's destination, while that is due and has none.
    fn behind(&self, job: &Job) -> Vec<JobId> {
        let shared = self.shared();
        let is_due = matches!(job.schedule, Schedule::At(at) if at <= shared.now());
        if !is_due || !matches!(job.state, JobState::Sync(state) if !state.is_final()) {
            return Vec::new();
        }
        let taken = shared.running.in_lane(&job.work.lane());
        let is_full = taken.len() >= shared.settings.pushes_per_destination_max;
        if is_full && !taken.contains(&job.id) { taken } else { Vec::new() }
    }

    pub(super) async fn find(&self, id: JobId) -> Asked<Job> {
        let job = self.shared().store.job(id).await?;
        job.ok_or_else(|| Refusal::new(RefusalKind::NotFound, format!("there is no job {id}")))
    }

    /// Committed events, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn events(&self, after: EventId, topics: TopicFilter, limit: usize) -> Asked<EventPage> {
        let query = EventQuery { after, topics, limit: limit.min(EVENTS_MAX) };
        Ok(self.shared().store.events(query).await?)
    }

    /// Enqueues an action by hand. `token` makes a repeated call harmless.
    ///
    /// # Errors
    /// When there is no such decoy, no driver for the action, or the store cannot be written.
    pub async fn act(
        &self,
        token: &str,
        decoy: &DecoyName,
        action: Action,
        why: &str,
        deadline: Option<Timestamp>,
    ) -> Asked<(JobId, bool)> {
        let shared = self.shared();
        let member = self.member(decoy)?;
        let Some(driver) = shared.drivers.get(&action.driver()) else {
            return Err(Refusal::new(RefusalKind::Unsupported, "there is no driver for this action"));
        };
        let can = driver.capabilities(&member.decoy);
        let allowed = match &action {
            Action::Plant(_) => can.plant,
            Action::Append(_) => can.append,
            Action::Edit(_) => can.edit,
            Action::Move(_) | Action::Remove(_) => can.remove,
            Action::Email(_) => can.email,
            Action::Traffic(_) => can.traffic,
        };
        if !allowed {
            let message = format!("{decoy} cannot do '{}': its connector does not allow it", action.name());
            return Err(Refusal::new(RefusalKind::Unsupported, message));
        }
        let now = shared.now();
        let job = NewJob {
            key: IdempotencyKey(format!("hand/{token}").into()),
            work: Work::Activity {
                decoy: decoy.clone(),
                action: action.into(),
                persona: None,
                session: None,
                why: verisim_core::printable(why),
            },
            state: JobState::Activity(ActivityState::Queued),
            planned_at: now,
            schedule: Schedule::At(now),
            deadline,
        };
        self.enqueue(job).await
    }

    async fn enqueue(&self, job: NewJob) -> Asked<(JobId, bool)> {
        let answers = self.shared().store.enqueue(vec![job], None).await?;
        self.handle.wake();
        match answers.first() {
            Some(Enqueued::New(id)) => Ok((*id, true)),
            Some(Enqueued::Known(id)) => Ok((*id, false)),
            None => Err(Refusal::new(RefusalKind::Store, "the store did not say what became of the job")),
        }
    }

    pub(super) fn member(&self, decoy: &DecoyName) -> Asked<crate::Member> {
        let found = self.shared().fleet.get(decoy);
        found.ok_or_else(|| {
            let message = match self.shared().left.get(decoy) {
                Some(left) => format!("the decoy {decoy} left the fleet at {}: {}", left.since, left.detail),
                None => format!("there is no decoy {decoy}"),
            };
            Refusal::new(RefusalKind::NotFound, message)
        })
    }

    /// Reads a file of a decoy.
    ///
    /// # Errors
    /// When there is no such decoy or file, or the decoy cannot be reached.
    pub async fn read(&self, decoy: &DecoyName, path: &DecoyPath, limit: ByteCount) -> Asked<Bytes> {
        let member = self.member(decoy)?;
        let driver = self.shared().drivers.get(&DriverKind::File);
        let driver =
            driver.ok_or_else(|| Refusal::new(RefusalKind::Unsupported, "there is no file driver"))?;
        driver.read_file(&member.decoy, path, limit).await.map_err(|failure| Refusal {
            kind: match failure.kind {
                FailureKind::NotFound => RefusalKind::NotFound,
                _ => RefusalKind::Decoy,
            },
            message: failure.to_string(),
            failure: Some(failure.kind),
        })
    }

    /// Enqueues a capture before the next look finds it: `relative` below the folder of `rule`, or that folder. A directory
    /// that replaced a captured one is a new capture.
    ///
    /// # Errors
    /// When nothing is set up for syncs, the rule sees no capture there, or the store cannot be used.
    pub async fn sync_add(&self, rule: &CaptureName, relative: Option<&RelPath>) -> Asked<(JobId, bool)> {
        let shared = self.shared();
        let Some(worker) = &shared.sync else {
            return Err(Refusal::new(RefusalKind::Unsupported, "no destination is configured"));
        };
        let known: Vec<_> = shared.store.captures().await?.into_iter().map(|(_, capture)| capture).collect();
        match worker.spec_for(rule, relative, &known).await {
            Ok(Some(spec)) => self.enqueue(new_job(spec, shared.now())).await,
            Ok(None) => {
                let message = format!("the rule {rule} sees no capture there: it must be a directory");
                Err(Refusal::new(RefusalKind::NotFound, message))
            }
            Err(error) => Err(Refusal {
                kind: RefusalKind::NotFound,
                message: error.failure.to_string(),
                failure: Some(error.failure.kind),
            }),
        }
    }

    /// Waits until a job is final, parked or verified, at most for `limit`; answers how it stands then.
    ///
    /// # Errors
    /// When there is none of this id, or the store cannot be read.
    pub async fn wait(&self, id: JobId, limit: Duration) -> Asked<JobView> {
        let mut events = self.handle.bus().subscribe(TopicFilter::all(), 1);
        let until = self.shared().after(limit);
        loop {
            let job = self.find(id).await?;
            if has_settled(job.state, job.schedule) || self.shared().now() >= until {
                return Ok(self.view(job));
            }
            // One event or a gap, it does not matter: something happened.
            let look = self.shared().after(WAIT_LOOK).min(until);
            tokio::select! {
                Some(_) = events.next() => {}
                () = self.shared().clock.sleep_until(look) => {}
            }
        }
    }

    /// Has a job that failed tried again, and one that waits looked at now.
    ///
    /// # Errors
    /// When its state does not allow it, there is none of this id, or the store cannot be written.
    pub async fn retry(&self, id: JobId) -> Asked<JobView> {
        self.retry_job(self.find(id).await?).await
    }

    pub(super) async fn retry_job(&self, job: Job) -> Asked<JobView> {
        let at_once = Schedule::At(self.shared().now());
        match job.state {
            JobState::Activity(ActivityState::Queued | ActivityState::Blocked)
            | JobState::Sync(
                SyncState::Waiting | SyncState::Queued | SyncState::AwaitingVerify | SyncState::Blocked(_),
            ) => self.change(&job, job.state, at_once, None).await,
            JobState::Activity(_) => Err(wrong_state(
                &job,
                "an action is not repeated once it is over; plant or remove by a new job",
            )),
            JobState::Sync(state) => {
                let to = state.next(SyncEvent::Retried);
                let to = to.map_err(|_| wrong_state(&job, "only what failed or waits is tried again"))?;
                // Counters start again, but for how often it was started.
                let counters = Counters { attempts: job.counters.attempts, ..Counters::default() };
                self.change(&job, JobState::Sync(to), at_once, Some(counters)).await
            }
        }
    }

    /// Stops a job for good.
    ///
    /// # Errors
    /// When its state does not allow it, there is none of this id, or the store cannot be written.
    pub async fn cancel(&self, id: JobId) -> Asked<JobView> {
        let job = self.find(id).await?;
        let to = match job.state {
            // Its effect is under way: what is on the decoy and what the ledger says would part for ever.
            JobState::Activity(ActivityState::Running) => {
                return Err(wrong_state(
                    &job,
                    "it is being carried out at this moment; ask again in a few seconds",
                ));
            }
            JobState::Activity(state) => state.next(ActivityEvent::Cancelled).map(JobState::Activity),
            JobState::Sync(state) => state.next(SyncEvent::Cancelled).map(JobState::Sync),
        };
        let to = to.map_err(|_| wrong_state(&job, "it cannot be stopped any more"))?;
        self.change(&job, to, Schedule::Parked, None).await
    }

    /// Has what a person changed noted beside the capture.
    pub(super) async fn chronicle(&self, job: &Job, events: Vec<NewEvent>) {
        if let (Work::Sync(spec), Some(worker)) = (&job.work, &self.shared().sync) {
            let what = Committed {
                job: job.id,
                spec: (**spec).clone(),
                attempt: job.counters.failures.saturating_add(1),
                manifest: job.progress.as_ref().and_then(|progress| progress.manifest),
                events,
            };
            crate::sync::chronicle(worker, what).await;
        }
    }

    pub(super) async fn change(
        &self,
        job: &Job,
        to: JobState,
        schedule: Schedule,
        counters: Option<Counters>,
    ) -> Asked<JobView> {
        let now = self.shared().now();
        let change = Intervention {
            job: job.id,
            from: job.state,
            to,
            at: now,
            schedule,
            counters,
            overrides: None,
            events: change_event(job, to, now).into_iter().collect(),
        };
        let events = change.events.clone();
        match self.shared().store.intervene(change).await? {
            Recorded::Committed => {
                self.chronicle(job, events).await;
                // A step that runs works for a lease that is over.
                self.handle.stop_job(job.id);
                // Whoever has something done now does not want to wait until its destination is asked again.
                self.shared().away.ask_now(&job.work.lane(), now);
                self.handle.wake();
                self.job(job.id).await
            }
            Recorded::Stale => Err(wrong_state(job, "it has just changed; ask again")),
        }
    }

    /// How far the running pushes are.
    #[must_use]
    pub fn progress(&self) -> Vec<RunningView> {
        let running = self.handle.progress();
        running.into_iter().map(|(job, progress)| RunningView { job, progress }).collect()
    }

    /// What the personas will do next.
    #[must_use]
    pub fn preview(&self, limit: usize) -> Vec<Preview> {
        self.handle.preview(limit.min(PREVIEW_MAX))
    }
}

pub(super) fn wrong_state(job: &Job, why: &str) -> Refusal {
    Refusal::new(RefusalKind::WrongState, format!("job {} is {}: {why}", job.id, job.state))
}
