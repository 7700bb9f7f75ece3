//! The loop itself. One turn does whatever is due; then it rests until something is.

mod away;
mod breakers;
mod changes;
mod dispatch;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use verisim_core::{CancellationToken, DecoyName, JobId, Lane, NewEvent, StoreResult, Timestamp};

use self::changes::Handover;
use crate::LifePlanner;
use crate::activity::BatchEnd;
use crate::breaker::Breaker;
use crate::life;
use crate::shared::{Cause, Shared};
use crate::sync::StepEnd;

/// The loop's own memory. All of it can be lost.
pub(crate) struct Loop {
    shared: Arc<Shared>,
    secret: [u8; 32],
    tasks: JoinSet<End>,
    /// How many tasks run per lane.
    busy: HashMap<Lane, usize>,
    breakers: BTreeMap<DecoyName, Breaker>,
    /// Stops everything that runs.
    stop: CancellationToken,
    /// Stops what is given up without loss when the drain begins: steps of sync jobs, which go on where they were, and
    /// questions whether somebody is there again.
    stop_early: CancellationToken,
    /// Events that the store is yet to take; bounded by how many breakers there are.
    unsent: VecDeque<NewEvent>,
    timers: Timers,
    /// Whether something may have become due or free since the last look into the queue.
    look: bool,
    /// Whether events may have been committed since the last publication.
    news: bool,
    /// When the last lease that was left behind has run out.
    abandoned: Option<Timestamp>,
    /// What each task works on, in case that it ends without an answer.
    work: HashMap<tokio::task::Id, (Lane, Vec<JobId>)>,
    /// The steps of sync jobs that run.
    steps: HashMap<tokio::task::Id, Running>,
    /// When the queue was looked into last.
    looked_at: Option<Timestamp>,
    /// When a job becomes due, as the store said last.
    next_due: Option<Timestamp>,
    /// Every slot before this is decided.
    planned_to: Option<Timestamp>,
    /// How long the loop waits after the store refused the next time.
    store_retry: Duration,
    /// Captures are being looked for.
    discovers: bool,
    /// Whether captures that rest were compared with the operator's rules since the start.
    rules_asked: bool,
    /// The planning passes to another planner.
    handover: Option<Handover>,
    /// Decoys that left, for which jobs may be queued.
    to_sweep: BTreeSet<DecoyName>,
    /// Lanes that alone are served, by a run for given jobs.
    only: Option<Vec<Lane>>,
}

/// When the loop's own duties are due. `None`: not before something changes.
#[derive(Debug, Default)]
struct Timers {
    heartbeat: Option<Timestamp>,
    discover: Option<Timestamp>,
    prune: Option<Timestamp>,
    store: Option<Timestamp>,
    /// When it is looked whether the store is still there.
    presence: Option<Timestamp>,
    /// When the last turn began: a clock that shows less was set back.
    last_turn: Option<Timestamp>,
    /// It was, and the store does not know yet.
    is_set_back: bool,
}

/// A step of a sync job that runs.
struct Running {
    lane: Lane,
    began: Timestamp,
    /// It has the place that is kept for short ones, and gives it up in time.
    is_guest: bool,
}

/// What a task ended with.
enum End {
    Batch(BatchEnd),
    Step(StepEnd),
    Taught(Box<dyn LifePlanner>),
    Swept { decoy: DecoyName, swept: StoreResult<()> },
    Probe { decoy: DecoyName, answer: Result<(), Option<Cause>> },
    Asked { lane: Lane, answer: Result<(), String> },
    Discovered(StoreResult<usize>),
    Tidied(StoreResult<()>),
}

impl Loop {
    /// Recovers: every lease of an earlier process is taken back, what it had started is asked for when leased again.
    pub(crate) async fn start(shared: Arc<Shared>) -> StoreResult<Self> {
        let secret = shared.store.secret().await?;
        let now = shared.now();
        let taken = shared.store.take_back(now, true).await?;
        if shared.store.clock_set_back(now).await? > 0 {
            tracing::warn!(
                "the clock was set back since the last run; what waited for a time of the old one waits anew"
            );
        }
        life::load(&shared).await?;
        let mut unsent = VecDeque::from([shared.health_event("started", String::new())]);
        if taken > 0 {
            let detail = format!("{taken} jobs of an earlier process were taken back");
            unsent.push_back(shared.health_event("recovered", detail));
        }
        let has_sync = shared.sync.is_some();
        let stop = CancellationToken::new();
        Ok(Self {
            secret,
            tasks: JoinSet::new(),
            busy: HashMap::new(),
            breakers: BTreeMap::new(),
            stop_early: stop.child_token(),
            stop,
            unsent,
            timers: Timers { discover: has_sync.then_some(now), prune: Some(now), ..Timers::default() },
            look: true,
            news: true,
            abandoned: None,
            work: HashMap::new(),
            steps: HashMap::new(),
            looked_at: None,
            next_due: None,
            planned_to: None,
            store_retry: shared.settings.store_retry_min,
            discovers: false,
            rules_asked: false,
            handover: None,
            to_sweep: shared.left.to_sweep().into_iter().collect(),
            only: None,
            shared,
        })
    }

    /// Serves only these lanes, and neither plans nor looks for captures.
    pub(crate) fn only(mut self, lanes: Vec<Lane>) -> Self {
        self.only = Some(lanes);
        self.timers.discover = None;
        self.timers.prune = None;
        // It is no daemon that comes and goes.
        self.unsent.clear();
        self
    }

    /// Runs until `shutdown`, and drains.
    ///
    /// # Errors
    /// When the store was taken away: what runs is stopped where it is, since nothing of it could be recorded.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> StoreResult<()> {
        while !shutdown.is_cancelled() {
            self.turn().await;
            self.check_store()?;
            self.rest(&shutdown).await;
        }
        self.drain().await;
        self.check_store()
    }

    /// Whether the store is still ours.
    pub(crate) fn check_store(&self) -> StoreResult<()> {
        let Some(error) = self.shared.lost.get() else { return Ok(()) };
        self.stop.cancel();
        Err(error.clone())
    }

    /// Does whatever is due.
    pub(crate) async fn turn(&mut self) {
        let now = self.shared.now();
        if self.shared.idle.begin_turn() {
            self.look = true;
            self.news = true;
        }
        while let Some(end) = self.tasks.try_join_next_with_id() {
            self.take(end);
        }
        self.notice_clock(now);
        if self.timers.store.is_some_and(|at| at > now) {
            return;
        }
        match self.serve(now).await {
            Ok(()) => {
                self.timers.store = None;
                self.store_retry = self.shared.settings.store_retry_min;
            }
            Err(error) => {
                self.shared.report_trouble(&error);
                self.look = true;
                self.news = true;
                self.timers.store = Some(self.shared.after(self.store_retry));
                self.store_retry = (self.store_retry * 2).min(self.shared.settings.store_retry_max);
            }
        }
    }

    async fn serve(&mut self, now: Timestamp) -> StoreResult<()> {
        self.heartbeat(now).await?;
        self.look_at_store(now).await?;
        if self.timers.is_set_back {
            self.shared.store.clock_set_back(now).await?;
            self.timers.is_set_back = false;
        }
        self.probe_open_decoys(now);
        self.ask_away(now);
        self.take_change(now);
        self.hand_over(now).await?;
        self.sweep_left();
        self.plan(now).await?;
        self.send_events().await?;
        let is_due = [self.next_due, self.next_long()].into_iter().flatten().any(|at| at <= now);
        if self.look || is_due {
            self.look = false;
            self.looked_at = Some(now);
            self.dispatch(now).await?;
            self.next_due = self.shared.store.next_due(now).await?;
        }
        self.discover(now);
        self.prune(now).await?;
        self.publish().await
    }

    async fn plan(&mut self, now: Timestamp) -> StoreResult<()> {
        if self.only.is_some() {
            return Ok(());
        }
        while life::next_at(&self.shared).is_some_and(|at| at <= now) {
            let breakers = &self.breakers;
            let left = &self.shared.left;
            let is_reachable =
                |decoy: &DecoyName| breakers.get(decoy).is_none_or(Breaker::is_closed) && !left.has(decoy);
            let turn = life::plan(&self.shared, is_reachable).await?;
            self.look |= turn.enqueued > 0;
            self.planned_to = turn.cursor;
            if !turn.more {
                break;
            }
        }
        Ok(())
    }

    /// Takes note of a task's end.
    fn take(&mut self, end: Result<(tokio::task::Id, End), JoinError>) {
        let now = self.shared.now();
        let end = match end {
            Ok((id, end)) => {
                self.work.remove(&id);
                self.steps.remove(&id);
                end
            }
            Err(error) => return self.take_broken(&error),
        };
        match end {
            End::Batch(end) => {
                self.free(&end.lane);
                if self.shared.left.has(&end.decoy) {
                    // What ran while it left, and what it had to hand back.
                    self.to_sweep.insert(end.decoy);
                } else {
                    self.note_signs(&end.decoy, &end.signs, end.cause.as_ref(), now);
                }
                self.ended(end.abandoned);
            }
            End::Step(end) => {
                self.free(&end.lane);
                if let Some(found) = end.away {
                    self.note_away(&end.lane, found, now);
                }
                self.ended(end.abandoned);
            }
            End::Asked { lane, answer } => {
                self.end_asking(&lane, answer, now);
                self.ended(false);
            }
            End::Taught(planner) => {
                self.end_teaching(planner);
                self.ended(false);
            }
            End::Swept { decoy, swept } => {
                self.end_sweep(decoy, swept);
                self.ended(false);
            }
            End::Probe { decoy, answer } => {
                self.end_probe(&decoy, answer, now);
                self.ended(false);
            }
            End::Discovered(found) => {
                self.discovers = false;
                match found {
                    Ok(found) => {
                        self.rules_asked = true;
                        self.look |= found > 0;
                    }
                    Err(error) => self.shared.report_trouble(&error),
                }
            }
            End::Tidied(Ok(())) => self.news = true,
            End::Tidied(Err(error)) => self.shared.report_trouble(&error),
        }
    }

    fn ended(&mut self, abandoned: bool) {
        self.look = true;
        self.news = true;
        if abandoned {
            self.abandoned = Some(self.shared.after(self.shared.settings.lease));
        }
    }

    /// A task that ended without an answer has left its leases behind.
    fn take_broken(&mut self, error: &JoinError) {
        if !error.is_cancelled() {
            tracing::error!(%error, "a task ended without an answer");
        }
        self.steps.remove(&error.id());
        if let Some((lane, jobs)) = self.work.remove(&error.id()) {
            jobs.into_iter().for_each(|job| self.shared.running.end(job));
            self.free(&lane);
        }
        self.ended(true);
    }

    fn free(&mut self, lane: &Lane) {
        if let Some(count) = self.busy.get_mut(lane) {
            *count -= 1;
            if *count == 0 {
                self.busy.remove(lane);
            }
        }
    }

    /// Waits until something ends, somebody calls, or something is due.
    async fn rest(&mut self, shutdown: &CancellationToken) {
        self.rest_until(shutdown, Timestamp::MAX).await;
    }

    /// As `rest`, but not longer than until `limit`.
    pub(crate) async fn rest_until(&mut self, shutdown: &CancellationToken, limit: Timestamp) {
        let until = self.next_turn().min(limit);
        let has_work = self.look || self.news;
        if !has_work || self.timers.store.is_some() {
            self.shared.idle.rest(until, self.tasks.len());
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            Some(end) = self.tasks.join_next_with_id() => self.take(end),
            () = self.shared.idle.called() => {}
            () = self.shared.clock.sleep_until(until) => {}
        }
    }

    /// When the next turn is due by the clock.
    fn next_turn(&self) -> Timestamp {
        let latest = self.shared.after(self.shared.settings.sleep_max);
        let plan = if self.only.is_none() { life::next_at(&self.shared) } else { None };
        let timers = &self.timers;
        if let Some(at) = timers.store {
            // While the store refuses, nothing else can be done.
            return at.min(latest);
        }
        let queue = [self.next_due, self.next_long(), self.breaker_due(), self.shared.away.due()];
        let duties = [timers.heartbeat, timers.discover, timers.prune, plan].into_iter().chain(queue);
        duties.flatten().fold(latest, Timestamp::min)
    }
}
