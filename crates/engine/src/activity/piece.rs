//! The pieces of a batch, and what the steps of one have in common.

use std::collections::HashMap;
use std::sync::Arc;

use verisim_core::{
    Action, DriverKind, Effect, Failure, FailureKind, JobId, LeasedJob, LedgerEntry, Timestamp, Work,
};

use super::judge::Outcome;
use crate::shared::GivenUp;

/// What stands between the beginning and the end of a piece of a batch.
#[derive(Default)]
pub(super) struct Piece {
    pub(super) done: Vec<(LeasedJob, Outcome)>,
    pub(super) known: HashMap<JobId, LedgerEntry>,
    pub(super) abandoned: bool,
}

impl Piece {
    /// Every one of these jobs comes to the same; `outcome` gets whether an effect of it was started.
    pub(super) fn finish(&mut self, jobs: Vec<LeasedJob>, outcome: impl Fn(bool) -> Outcome) {
        self.done.extend(jobs.into_iter().map(|leased| {
            let outcome = outcome(leased.job.intended.is_some());
            (leased, outcome)
        }));
    }
}

pub(super) fn action_of(leased: &LeasedJob) -> Option<&Arc<Action>> {
    match &leased.job.work {
        Work::Activity { action, .. } => Some(action),
        Work::Sync(_) => None,
    }
}

/// The length of what an action carries.
fn content_bytes(action: &Action) -> usize {
    match action {
        Action::Plant(plant) => plant.body.as_bytes().len(),
        Action::Append(append) => append.body.as_bytes().len(),
        Action::Email(email) => email.message.as_bytes().len(),
        Action::Edit(_) | Action::Move(_) | Action::Remove(_) | Action::Traffic(_) => 0,
    }
}

pub(super) fn is_late(leased: &LeasedJob, now: Timestamp) -> bool {
    leased.job.deadline.is_some_and(|deadline| deadline < now)
}

/// What becomes of a job whose work was given up.
pub(super) fn given_up(reason: GivenUp, operation: &'static str, effect: Effect, open: bool) -> Outcome {
    match reason.failure(operation, effect) {
        None => Outcome::HandedBack { open },
        Some(failure) => Outcome::Failed { failure, open },
    }
}

pub(super) fn unanswered(operation: &'static str, effect: Effect) -> Failure {
    Failure::new(FailureKind::Unknown, operation, "the driver left a task without an answer")
        .with_effect(effect)
}

pub(super) const fn kind_name(kind: DriverKind) -> &'static str {
    match kind {
        DriverKind::File => "files",
        DriverKind::Email => "mail",
        DriverKind::Traffic => "connections",
    }
}

/// Cuts a batch into pieces of at most so many bytes, but at least one job.
pub(super) fn cut(jobs: Vec<LeasedJob>, bytes_max: usize) -> Vec<Vec<LeasedJob>> {
    let mut pieces: Vec<Vec<LeasedJob>> = Vec::new();
    let mut bytes = 0;
    for leased in jobs {
        let length = action_of(&leased).map_or(0, |action| content_bytes(action));
        bytes += length;
        match pieces.last_mut() {
            Some(piece) if bytes <= bytes_max => piece.push(leased),
            _ => {
                bytes = length;
                pieces.push(vec![leased]);
            }
        }
    }
    pieces
}
