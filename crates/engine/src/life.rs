//! Planning just in time: slots whose time has come become jobs, all of one turn in one transaction with the cursor.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use verisim_core::{
    ActivityState, BurnState, JobFilter, JobId, JobKind, JobState, NewJob, OwnershipPolicy, Schedule,
    StoreResult, Timestamp, Work,
};

use crate::planner::{Decision, Draft, LifePlanner, Planned};
use crate::shared::Shared;

/// How many ledger entries are loaded in one go.
const LOAD_PAGE: usize = 1_000;

/// What a turn of planning came to.
pub(crate) struct PlanTurn {
    /// How many jobs were enqueued.
    pub(crate) enqueued: usize,
    /// Every slot before this is decided.
    pub(crate) cursor: Option<Timestamp>,
    /// Whether slots that are due are left for the next turn.
    pub(crate) more: bool,
}

fn planner(shared: &Shared) -> MutexGuard<'_, Option<Box<dyn LifePlanner>>> {
    shared.planner.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When the next slot is.
pub(crate) fn next_at(shared: &Shared) -> Option<Timestamp> {
    planner(shared).as_ref().and_then(|planner| planner.next_at())
}

/// Brings the planner up to what the store knows, and to the instant from which it goes on: where it had come to, but not
/// further back than a slot can still be in time.
pub(crate) async fn load(shared: &Shared) -> StoreResult<()> {
    let Some(mut planner) = planner(shared).take() else { return Ok(()) };
    teach(shared, planner.as_mut()).await?;
    let now = shared.now();
    let oldest = now.saturating_sub(shared.settings.plan_grace).unwrap_or(Timestamp::MIN);
    let from = shared.store.plan_cursor().await?.map_or(now, |cursor| cursor.max(oldest));
    planner.seek(from);
    *self::planner(shared) = Some(planner);
    Ok(())
}

/// Brings a planner up to what the store knows: which records go on, what is on the decoys, and which actions are under way.
pub(crate) async fn teach(shared: &Shared, planner: &mut dyn LifePlanner) -> StoreResult<()> {
    for burn in shared.store.burn_ins().await? {
        if let Some(keeping) = burn.keeping.filter(|_| burn.state == BurnState::Done) {
            planner.keep(&burn.decoy, &keeping);
        }
    }
    let mut after = None;
    loop {
        let page = shared.store.ledger_scan(after, LOAD_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.decoy.clone(), last.path.clone()));
        page.into_iter().for_each(|entry| planner.load(entry));
    }
    let mut before = None;
    loop {
        let page = shared.store.jobs(open_actions(before)).await?;
        let Some(last) = page.last() else { return Ok(()) };
        before = Some(last.id);
        page.iter().for_each(|job| planner.expect(&job.work, job.deadline.unwrap_or(Timestamp::MAX)));
    }
}

/// Asks for the actions that are not over, the newest first.
fn open_actions(before: Option<JobId>) -> JobFilter {
    JobFilter {
        kind: Some(JobKind::Activity),
        states: vec!["QUEUED".into(), "RUNNING".into(), "BLOCKED".into()],
        lanes: Vec::new(),
        before,
        limit: LOAD_PAGE,
    }
}

/// Decides the slots whose time has come. A decoy that does not answer is left alone: what would be planned for it could
/// not happen in time.
pub(crate) async fn plan(
    shared: &Shared,
    is_reachable: impl Fn(&verisim_core::DecoyName) -> bool,
) -> StoreResult<PlanTurn> {
    let mut first = None;
    let turn = plan_from(shared, is_reachable, &mut first).await;
    if let (Err(_), Some(first)) = (&turn, first)
        && let Some(planner) = planner(shared).as_mut()
    {
        // What was taken did not become jobs: it is decided again. What the store took after all is known by its key.
        planner.seek(first);
    }
    turn
}

/// Plans, and tells when the first slot was that it took.
async fn plan_from(
    shared: &Shared,
    is_reachable: impl Fn(&verisim_core::DecoyName) -> bool,
    first: &mut Option<Timestamp>,
) -> StoreResult<PlanTurn> {
    let now = shared.now();
    let mut ready = Vec::new();
    let mut drafts = Vec::new();
    let mut slots = 0;
    let mut last = None;
    while slots < shared.settings.plan_slots_per_turn_max {
        let Some(decision) = planner(shared).as_mut().and_then(|planner| planner.next(now)) else { break };
        slots += 1;
        match decision {
            Decision::LeaveAlone { at } => last = Some(at),
            Decision::Act(planned) => {
                last = Some(planned.at);
                ready.push(*planned);
            }
            Decision::Several { at, planned } => {
                last = Some(at);
                ready.extend(planned);
            }
            Decision::Needs(draft) => {
                last = Some(draft.at);
                drafts.push(draft);
            }
        }
        *first = first.or(last);
    }
    let more = slots == shared.settings.plan_slots_per_turn_max;
    // Others may have a slot at the very instant of the last one; a slot that comes again is known by its key.
    let all_due = now.saturating_add(Duration::from_nanos(1)).unwrap_or(now);
    let cursor = if more { last } else { Some(all_due) };
    ready.extend(compose(shared, drafts).await?);
    ready.retain(|planned| planned.deadline >= now && is_reachable(&planned.decoy));
    // Ids rise in the order given, and jobs of one path run in the order of their ids.
    ready.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.key.cmp(&b.key)));
    let enqueued = ready.len();
    if enqueued > 0 {
        let jobs = ready.into_iter().map(new_job).collect();
        shared.store.enqueue(jobs, cursor).await?;
    }
    Ok(PlanTurn { enqueued, cursor, more })
}

/// Fetches the contents that decisions need, in one query, and finishes them.
async fn compose(shared: &Shared, drafts: Vec<Draft>) -> StoreResult<Vec<Planned>> {
    if drafts.is_empty() {
        return Ok(Vec::new());
    }
    let paths: Vec<_> = drafts.iter().map(|draft| (draft.decoy.clone(), draft.path.clone())).collect();
    let entries = shared.store.ledger(&paths).await?;
    let composed = drafts.into_iter().zip(entries).filter_map(|(draft, entry)| {
        let entry = entry.filter(|entry| entry.ownership == OwnershipPolicy::Owned)?;
        (draft.finish)(entry.body.as_ref())
    });
    Ok(composed.collect())
}

fn new_job(planned: Planned) -> NewJob {
    NewJob {
        key: planned.key,
        work: Work::Activity {
            decoy: planned.decoy,
            action: planned.action.into(),
            persona: Some(planned.persona),
            session: Some(planned.session),
            why: planned.why,
        },
        state: JobState::Activity(ActivityState::Queued),
        planned_at: planned.at,
        schedule: Schedule::At(planned.at),
        deadline: Some(planned.deadline),
    }
}

/// Remembers how far was planned, so that the next start decides nothing twice. After a crash, what was left alone since
/// the last job was enqueued is decided once more, with what is known then.
pub(crate) async fn remember(shared: &Shared, cursor: Option<Timestamp>) -> StoreResult<()> {
    if cursor.is_some() {
        shared.store.enqueue(Vec::new(), cursor).await?;
    }
    Ok(())
}
