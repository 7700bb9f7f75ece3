//! One batch of actions on one decoy: what was started earlier is asked for, what is too late is skipped, and the rest is
//! prepared, made durable, carried out and recorded, in this order.

use std::collections::BTreeMap;
use std::sync::Arc;

use verisim_core::{
    ActivityDriver, ActivityError, ActivityState, CancellationToken, Decoy, DecoyName, DecoyPath, DriverKind,
    Effect, Failure, FailureKind, Fate, HostFacts, Intended, JobId, JobState, Lane, LeasedJob, Prepared,
    Recorded, Staging, StartMark, Task,
};

use super::judge::{Bench, Outcome, cause, policy_of, sign};
use super::piece::{self, Piece, action_of, given_up, is_late, kind_name, unanswered};
use crate::breaker::Sign;
use crate::contact::{NoContact, contact, meet};
use crate::shared::{Cause, Shared};

/// A batch of actions on one decoy.
pub(crate) struct Batch {
    pub(crate) shared: Arc<Shared>,
    pub(crate) decoy: DecoyName,
    pub(crate) lane: Lane,
    pub(crate) secret: [u8; 32],
    pub(crate) cancel: CancellationToken,
}

/// What a batch came to.
#[derive(Debug)]
pub(crate) struct BatchEnd {
    pub(crate) decoy: DecoyName,
    /// Where it ran.
    pub(crate) lane: Lane,
    /// What its outcomes say about the decoy, in order.
    pub(crate) signs: Vec<Sign>,
    /// Why it may have to be left alone.
    pub(crate) cause: Option<Cause>,
    /// Whether leases were left behind because the store refused: they are taken back when they have run out.
    pub(crate) abandoned: bool,
}

impl Batch {
    /// Carries out jobs that were leased together, in pieces of bounded size.
    pub(crate) async fn run(self, jobs: Vec<LeasedJob>) -> BatchEnd {
        let (decoy, lane) = (self.decoy.clone(), self.lane.clone());
        let mut end = BatchEnd { decoy, lane, signs: Vec::new(), cause: None, abandoned: false };
        for (number, jobs) in piece::cut(jobs, self.shared.settings.batch_bytes_max).into_iter().enumerate() {
            let ids: Vec<JobId> = jobs.iter().map(|leased| leased.job.id).collect();
            let mut piece = Piece::default();
            if self.cancel.is_cancelled() || (number > 0 && self.shared.ending.is_cancelled()) {
                let give = |leased| (leased, Outcome::HandedBack { open: false });
                piece.done = jobs.into_iter().map(give).collect();
            } else {
                self.carry_out(jobs, &mut piece).await;
            }
            for (leased, outcome) in &piece.done {
                let sign = sign(leased, outcome);
                end.signs.push(sign);
                end.cause = cause(sign, outcome).or(end.cause);
            }
            let recorded = self.record(&piece).await;
            end.abandoned |= piece.abandoned || !recorded;
            ids.into_iter().for_each(|id| self.shared.running.end(id));
        }
        end
    }

    fn bench(&self) -> Bench {
        Bench {
            now: self.shared.now(),
            seed: self.shared.seed,
            effect_settle: self.shared.settings.effect_settle,
        }
    }

    async fn carry_out(&self, jobs: Vec<LeasedJob>, piece: &mut Piece) {
        let Some(member) = self.shared.fleet.get(&self.decoy) else {
            if self.shared.left.has(&self.decoy) {
                return piece.finish(jobs, |open| Outcome::HandedBack { open });
            }
            let detail = format!("there is no decoy {} in the fleet any more", self.decoy);
            let failure = Failure::new(FailureKind::Config, "engine.run", detail);
            return piece.finish(jobs, |open| Outcome::Failed { failure: failure.clone(), open });
        };
        let is_blocked = |leased: &LeasedJob| leased.job.state == JobState::Activity(ActivityState::Blocked);
        let is_known = self.shared.is_admitted(&self.decoy);
        let met = match is_known && !jobs.iter().any(is_blocked) {
            true => None,
            // The answer is needed for more than to recognise it.
            false if jobs.iter().any(is_blocked) => Some(contact(&self.shared, &self.cancel, &member).await),
            false => meet(&self.shared, &self.cancel, &member).await,
        };
        match &met {
            Some(Err(NoContact::Stranger(failure))) => {
                return piece.finish(jobs, |open| Outcome::Withheld { failure: failure.clone(), open });
            }
            Some(Err(NoContact::Store(error))) => {
                self.shared.report_trouble(error);
                piece.abandoned = true;
                return;
            }
            Some(Err(NoContact::Failed(failure))) if !is_known => {
                return piece.finish(jobs, |open| Outcome::Failed { failure: failure.clone(), open });
            }
            Some(Err(NoContact::Cancelled)) if !is_known => {
                return piece.finish(jobs, |open| Outcome::HandedBack { open });
            }
            _ => {}
        }
        if !self.look_up(&jobs, piece).await {
            return;
        }
        let (blocked, jobs): (Vec<_>, Vec<_>) = jobs.into_iter().partition(is_blocked);
        self.unblock(met.as_ref(), blocked, piece);
        let mut by_driver: BTreeMap<DriverKind, Vec<LeasedJob>> = BTreeMap::new();
        for leased in jobs {
            if let Some(action) = action_of(&leased) {
                by_driver.entry(action.driver()).or_default().push(leased);
            }
        }
        for (kind, jobs) in by_driver {
            match self.shared.drivers.get(&kind) {
                Some(driver) => self.drive(driver.as_ref(), &member.decoy, jobs, piece).await,
                None => {
                    let detail = format!("there is no driver for {}", kind_name(kind));
                    let failure = Failure::new(FailureKind::Unsupported, "engine.run", detail);
                    piece.finish(jobs, |open| Outcome::Failed { failure: failure.clone(), open });
                }
            }
        }
    }

    /// Reads what the ledger knows of the paths. Without it nothing can be done.
    async fn look_up(&self, jobs: &[LeasedJob], piece: &mut Piece) -> bool {
        let path = |leased: &LeasedJob| -> Option<(JobId, (DecoyName, DecoyPath))> {
            let path = action_of(leased)?.paths().0?.clone();
            Some((leased.job.id, (self.decoy.clone(), path)))
        };
        let (ids, paths): (Vec<_>, Vec<_>) = jobs.iter().filter_map(path).unzip();
        match self.shared.store.ledger(&paths).await {
            Ok(entries) => {
                let known = ids.into_iter().zip(entries).filter_map(|(id, entry)| Some((id, entry?)));
                piece.known.extend(known);
                true
            }
            Err(error) => {
                self.shared.report_trouble(&error);
                piece.abandoned = true;
                false
            }
        }
    }

    /// Sees whether what blocked jobs lack is there, by what the decoy answered.
    fn unblock(
        &self,
        met: Option<&Result<HostFacts, NoContact>>,
        blocked: Vec<LeasedJob>,
        piece: &mut Piece,
    ) {
        let now = self.shared.now();
        for leased in blocked {
            let short_of_space = matches!(leased.job.last_failure, Some((FailureKind::NoSpace, _)));
            let outcome = match met {
                _ if is_late(&leased, now) && leased.job.intended.is_none() => Outcome::Stale,
                Some(Ok(facts)) if short_of_space && (facts.free_bytes == Some(0) || !facts.writable) => {
                    Outcome::StillBlocked
                }
                Some(Ok(_)) => Outcome::Unblocked,
                Some(Err(NoContact::Cancelled)) => {
                    Outcome::HandedBack { open: leased.job.intended.is_some() }
                }
                Some(Err(_)) | None => Outcome::StillBlocked,
            };
            piece.done.push((leased, outcome));
        }
    }

    /// Takes the jobs of one driver to their outcomes.
    async fn drive(
        &self,
        driver: &dyn ActivityDriver,
        decoy: &Arc<Decoy>,
        jobs: Vec<LeasedJob>,
        piece: &mut Piece,
    ) {
        let mut ready = Vec::new();
        for leased in jobs {
            let Some(task) = self.task(decoy, &leased, piece) else { continue };
            if let Some(intended) = leased.job.intended.clone() {
                match self.find_out(driver, &task, &intended).await {
                    Some(outcome) => {
                        piece.done.push((leased, outcome));
                        continue;
                    }
                    None => tracing::debug!(job = %leased.job.id, "a started effect had not happened"),
                }
            }
            if is_late(&leased, self.shared.now()) {
                piece.done.push((leased, Outcome::Stale));
            } else {
                ready.push((leased, task));
            }
        }
        let prepared = self.prepare(driver, ready, piece).await;
        let started = self.start(prepared, piece).await;
        self.execute(driver, started, piece).await;
    }

    fn task(&self, decoy: &Arc<Decoy>, leased: &LeasedJob, piece: &Piece) -> Option<Task> {
        Some(Task {
            job: leased.job.id,
            decoy: Arc::clone(decoy),
            action: Arc::clone(action_of(leased)?),
            known: piece.known.get(&leased.job.id).cloned(),
            staging: Staging::derive(&self.secret, leased.job.id),
        })
    }

    /// What became of an effect that was started earlier (INV-4); `None` when it did not happen and may be carried out.
    async fn find_out(
        &self,
        driver: &dyn ActivityDriver,
        task: &Task,
        intended: &Intended,
    ) -> Option<Outcome> {
        match self.shared.bounded(&self.cancel, driver.probe(task, intended)).await {
            Ok(Ok(Fate::NotApplied)) => None,
            Ok(Ok(Fate::Applied(payload))) => Some(Outcome::Confirmed(payload)),
            Ok(Ok(Fate::Tampered(tamper))) => Some(Outcome::Tampered(tamper)),
            Ok(Ok(Fate::Unknowable)) => Some(Outcome::Unknowable),
            Ok(Err(failure)) => Some(Outcome::Failed { failure, open: true }),
            Err(reason) => Some(given_up(reason, "engine.probe", Effect::Unknown, true)),
        }
    }

    async fn prepare(
        &self,
        driver: &dyn ActivityDriver,
        ready: Vec<(LeasedJob, Task)>,
        piece: &mut Piece,
    ) -> Vec<(LeasedJob, Prepared)> {
        if ready.is_empty() {
            return Vec::new();
        }
        let (jobs, tasks): (Vec<_>, Vec<_>) = ready.into_iter().unzip();
        let answers =
            match self.shared.bounded(&self.cancel, driver.prepare(tasks)).await {
                Ok(answers) => answers,
                Err(reason) => {
                    piece.done.extend(jobs.into_iter().map(|leased| {
                        (leased, given_up(reason, "engine.prepare", Effect::NotApplied, false))
                    }));
                    return Vec::new();
                }
            };
        let mut prepared = Vec::new();
        let mut answers = answers.into_iter();
        for leased in jobs {
            match answers.next() {
                Some(Ok(ready)) => prepared.push((leased, ready)),
                Some(Err(ActivityError::Failed(failure))) => {
                    piece.done.push((leased, Outcome::Failed { failure, open: false }));
                }
                Some(Err(ActivityError::Tampered(tamper))) => {
                    piece.done.push((leased, Outcome::Tampered(tamper)));
                }
                None => {
                    let failure = unanswered("engine.prepare", Effect::NotApplied);
                    piece.done.push((leased, Outcome::Failed { failure, open: false }));
                }
            }
        }
        prepared
    }

    /// Makes the intentions durable (INV-1). What is too late by now, or not ours any more, does not begin.
    async fn start(
        &self,
        prepared: Vec<(LeasedJob, Prepared)>,
        piece: &mut Piece,
    ) -> Vec<(LeasedJob, Prepared)> {
        let now = self.shared.now();
        let (late, prepared): (Vec<_>, Vec<_>) =
            prepared.into_iter().partition(|(leased, _)| is_late(leased, now));
        piece.done.extend(late.into_iter().map(|(leased, _)| (leased, Outcome::Stale)));
        if prepared.is_empty() {
            return prepared;
        }
        if self.cancel.is_cancelled() {
            let give = |(leased, _)| (leased, Outcome::HandedBack { open: false });
            piece.done.extend(prepared.into_iter().map(give));
            return Vec::new();
        }
        let mark = |(leased, ready): &(LeasedJob, Prepared)| StartMark {
            job: leased.job.id,
            fence: leased.fence,
            intended: ready.intended.clone(),
        };
        match self.shared.store.start(prepared.iter().map(mark).collect()).await {
            Ok(answers) => {
                let ours = |answer: &Recorded| *answer == Recorded::Committed;
                prepared.into_iter().zip(answers).filter(|(_, a)| ours(a)).map(|(ready, _)| ready).collect()
            }
            Err(error) => {
                self.shared.report_trouble(&error);
                piece.abandoned = true;
                Vec::new()
            }
        }
    }

    async fn execute(
        &self,
        driver: &dyn ActivityDriver,
        started: Vec<(LeasedJob, Prepared)>,
        piece: &mut Piece,
    ) {
        if started.is_empty() {
            return;
        }
        let (jobs, tasks): (Vec<_>, Vec<_>) = started.into_iter().unzip();
        let answers = self.shared.bounded(&self.cancel, driver.run(&tasks)).await;
        let (mut answers, gave_up) = match answers {
            Ok(answers) => (answers.into_iter(), None),
            Err(reason) => (Vec::new().into_iter(), Some(reason)),
        };
        for (leased, ready) in jobs.into_iter().zip(tasks) {
            let outcome = match (answers.next(), gave_up) {
                (Some(Ok(payload)), _) => Outcome::Confirmed(payload),
                (Some(Err(ActivityError::Tampered(tamper))), _) => Outcome::Tampered(tamper),
                (Some(Err(ActivityError::Failed(failure))), _) => {
                    self.after_failure(driver, &leased, &ready, failure).await
                }
                (None, Some(reason)) => given_up(reason, "engine.run", Effect::Unknown, true),
                (None, None) => {
                    Outcome::Failed { failure: unanswered("engine.run", Effect::Unknown), open: true }
                }
            };
            piece.done.push((leased, outcome));
        }
    }

    /// A failure after the effect was started. Where no later attempt would ask for an open fate, it is asked for now.
    async fn after_failure(
        &self,
        driver: &dyn ActivityDriver,
        leased: &LeasedJob,
        ready: &Prepared,
        failure: Failure,
    ) -> Outcome {
        let open = policy_of(&failure).probe_first;
        if !open || !self.bench().is_last(leased, &failure) {
            return Outcome::Failed { failure, open };
        }
        match self.find_out(driver, &ready.task, &ready.intended).await {
            None => Outcome::Failed { failure, open: false },
            Some(Outcome::Failed { .. }) => Outcome::Failed { failure, open: true },
            Some(outcome) => outcome,
        }
    }

    /// Writes down what came of it: outcome, event, ledger and state in one transaction (INV-2). Answers whether it is.
    async fn record(&self, piece: &Piece) -> bool {
        let bench = self.bench();
        let mut complete = true;
        let mut records = Vec::new();
        for (leased, outcome) in &piece.done {
            match bench.judge(leased, outcome, piece.known.get(&leased.job.id)) {
                Ok(record) => records.push(record),
                Err(error) => {
                    tracing::error!(job = %leased.job.id, %error, "an outcome does not fit the job's state");
                    complete = false;
                }
            }
        }
        complete && self.shared.record(records).await.is_ok()
    }
}
