//! Destinations that are away, and places at those that are there.

use std::time::Duration;

use verisim_core::{
    CancellationToken, DestinationName, FailureKind, Job, JobState, Lane, ResumeAt, SyncState, Work,
};
use verisim_engine::Engine;
use verisim_engine::control::{Answer, Operator, RefusalKind, RetryQuery};
use verisim_testkit::doubles::{ModelSync, sync_spec};

use crate::stage::{Stage, at, pass_time, settle};

const HOUR: u64 = 3600;

fn vault() -> DestinationName {
    DestinationName::new("vault").unwrap()
}

/// So many captures for each of two destinations.
fn stage(captures: usize) -> Stage {
    let mut specs = Vec::new();
    for destination in ["vault", "nas"] {
        for number in 0..captures {
            specs.push(sync_spec(destination, &format!("run-{number}"), destination).unwrap());
        }
    }
    Stage::with_sync(&[], ModelSync::new(specs))
}

fn lane(job: &Job) -> Lane {
    job.work.lane()
}

fn of<'a>(jobs: &'a [Job], destination: &'a str) -> impl Iterator<Item = &'a Job> {
    jobs.iter().filter(move |job| lane(job).0.ends_with(destination))
}

fn is_verified(job: &Job) -> bool {
    job.state == JobState::Sync(SyncState::Verified)
}

/// How often a destination was said to be away, and to be back.
fn said(stage: &Stage) -> (usize, usize) {
    let events = stage.store.all_events();
    let about = events.iter().filter(|event| event.body.topic.as_str() == "destination.vault.reachable");
    let (back, away): (Vec<_>, Vec<_>) = about.partition(|event| event.body.success);
    (away.len(), back.len())
}

#[tokio::test]
async fn a_weekend_without_the_storage_fails_nothing_and_is_told_twice() {
    let stage = stage(20);
    stage.sync.set_away(&vault(), true);
    let engine = Engine::new(stage.parts());
    let (handle, stop) = (engine.handle(), CancellationToken::new());
    let run = tokio::spawn(engine.run(stop.clone()));
    pass_time(&handle, &stage.clock, at(60 * HOUR)).await;
    let jobs = stage.store.all_jobs();
    assert!(of(&jobs, "nas").all(is_verified), "the other destination is not held up");
    assert!(of(&jobs, "vault").all(|job| !is_verified(job) && !job.state.is_final()));
    assert_eq!(said(&stage), (1, 0));
    let blocked =
        of(&jobs, "vault").filter(|job| job.state == JobState::Sync(SyncState::Blocked(ResumeAt::Push)));
    let blocked = blocked.count();
    assert!((1..=2).contains(&blocked), "those that found out, and no other: {blocked}");
    // Each of them is an event of its own; nobody is woken by the looks that follow.
    let events = stage.store.all_events();
    let told = events.iter().filter(|event| event.body.topic.as_str().ends_with(".blocked")).count();
    assert_eq!(told, blocked);
    // Once every five minutes, however many wait.
    assert!((700..=721).contains(&stage.sync.asked()), "{}", stage.sync.asked());
    let operator = Operator::new(handle.clone());
    let status = operator.status().await.unwrap();
    assert_eq!((status.away.len(), status.away[0].lane.0.as_ref()), (1, "destination/vault"));
    assert!(status.away[0].since < at(60) && status.away[0].why.contains("not mounted"));
    let waiting = of(&jobs, "vault").last().unwrap().id;
    assert_eq!(operator.job(waiting).await.unwrap().away_since, Some(status.away[0].since));

    stage.sync.set_away(&vault(), false);
    pass_time(&handle, &stage.clock, at(61 * HOUR)).await;
    let jobs = stage.store.all_jobs();
    assert!(jobs.iter().all(is_verified));
    assert_eq!(said(&stage), (1, 1));
    assert!(jobs.iter().all(|job| job.counters.failures == 0), "no step of the ladder was used up");
    assert!(operator.status().await.unwrap().away.is_empty());
    stop.cancel();
    run.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_verification_goes_on_where_it_was_and_a_new_start_finds_out_again() {
    let stage = stage(1);
    // It goes away after the push, when it is to be verified.
    let sync = std::sync::Arc::clone(&stage.sync);
    stage.sync.set_script(move |task| {
        if task.state == SyncState::AwaitingVerify && task.spec.remote.destination == vault() {
            sync.set_away(&vault(), true);
        }
        None
    });
    stage.live_until(at(HOUR)).await;
    let job = stage.store.all_jobs().into_iter().find(|job| lane(job).0.ends_with("vault")).unwrap();
    assert_eq!(job.state, JobState::Sync(SyncState::Blocked(ResumeAt::Verify)));
    // Known from the blocked job alone.
    let operator = Operator::new(Engine::new(stage.parts()).handle());
    let away = operator.status().await.unwrap().away;
    assert_eq!((away.len(), away[0].since < at(60)), (1, true));
    stage.sync.set_script(|_| None);
    stage.sync.set_away(&vault(), false);
    stage.live_until(at(2 * HOUR)).await;
    assert!(stage.store.all_jobs().iter().all(is_verified));
    let pushes = stage.sync.steps().iter().filter(|step| **step == (job.id, SyncState::Running)).count();
    assert_eq!(pushes, 1, "what was pushed is not pushed again");
}

/// A capture that was verified is verified still, where nobody can look: by its own pass, by one that an operator asks for,
/// and by those that wait behind it.
#[tokio::test]
async fn a_destination_that_is_away_is_no_finding() {
    let stage = stage(6);
    let engine = Engine::new(stage.parts());
    let (handle, stop) = (engine.handle(), CancellationToken::new());
    let run = tokio::spawn(engine.run(stop.clone()));
    pass_time(&handle, &stage.clock, at(10)).await;
    assert!(stage.store.all_jobs().iter().all(is_verified));
    stage.sync.set_away(&vault(), true);
    let operator = Operator::new(handle.clone());
    let jobs = stage.store.all_jobs();
    for job in of(&jobs, "vault") {
        let asked = operator.verify(job.id).await;
        assert!(asked.is_ok_and(|job| job.state == "AWAITING_VERIFY"));
    }
    pass_time(&handle, &stage.clock, at(70)).await;
    let jobs = stage.store.all_jobs();
    assert!(
        of(&jobs, "vault").all(is_verified),
        "{:?}",
        jobs.iter().map(|job| job.state).collect::<Vec<_>>()
    );
    assert_eq!(said(&stage), (1, 0));
    let told = stage.store.all_events().into_iter().filter(|event| {
        event.body.topic.as_str().ends_with(".verified") && event.body.failure == Some(FailureKind::Network)
    });
    assert!((1..=2).contains(&told.count()), "by those that found out");
    // Known to be away, it is asked, and nothing is changed.
    let first = of(&jobs, "vault").next().unwrap().id;
    let (asked, events) = (stage.sync.asked(), stage.store.all_events().len());
    let refusal = operator.verify(first).await.unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Away);
    assert!(
        refusal.message.contains("stays VERIFIED") && refusal.message.contains("not mounted"),
        "{refusal:?}"
    );
    assert_eq!((stage.sync.asked(), stage.store.all_events().len()), (asked + 1, events));
    // It is back, and the next one who asks gets a pass.
    stage.sync.set_away(&vault(), false);
    let passes = stage.job(first).progress.unwrap().passes_total;
    operator.verify(first).await.unwrap();
    pass_time(&handle, &stage.clock, at(80)).await;
    assert_eq!(stage.job(first).progress.unwrap().passes_total, passes + 1);
    assert!(stage.store.all_jobs().iter().all(is_verified));
    stop.cancel();
    run.await.unwrap().unwrap();
}

/// Where every further pass fails as the network does, the ladder's last wait is the pace, and nothing ever fails of it.
#[tokio::test]
async fn passes_that_cannot_be_made_use_up_no_try() {
    let stage = stage(1);
    stage.live_until(at(10)).await;
    let job = stage.store.all_jobs()[0].id;
    stage.sync.set_script(move |task| {
        let error = crate::stage::failure(FailureKind::Network, verisim_core::Effect::NotApplied);
        let progress = Box::new(task.progress.clone());
        match task.state {
            SyncState::Verified => Some(verisim_core::SyncReport::Advanced {
                event: verisim_core::SyncEvent::PassDue,
                progress,
                next: verisim_core::Schedule::At(task.now),
                damaged: Vec::new(),
            }),
            SyncState::AwaitingVerify => Some(verisim_core::SyncReport::Failed {
                error: Box::new(error.into()),
                class: verisim_core::OperationClass::Destination,
                progress,
            }),
            _ => None,
        }
    });
    stage.sync.set_outdated(true);
    stage.live_until(at(24 * HOUR)).await;
    let looks =
        stage.sync.steps().into_iter().filter(|step| *step == (job, SyncState::AwaitingVerify)).count();
    let row = stage.job(job);
    assert!(is_verified(&row) || row.state == JobState::Sync(SyncState::AwaitingVerify), "{}", row.state);
    assert!((10..40).contains(&looks), "{looks}");
    let note = row.progress.unwrap().note.unwrap_or_default();
    assert!(note.contains("could not be made"), "{note}");
}

/// A key that was taken away after a capture was verified: its job fails, since no try of ours mends that; what was verified stands,
/// the job says so, and what to do. Nothing of it is cleaned up, and a retry goes on.
#[tokio::test]
async fn what_was_verified_stands_where_nobody_is_let_in_any_more() {
    let stage = stage(1);
    stage.live_until(at(10)).await;
    let job = stage.store.all_jobs()[0].id;
    let before = stage.job(job).progress.unwrap();
    assert!(before.passes_total > 0);
    stage.sync.set_script(move |task| {
        let error = crate::stage::failure(FailureKind::Auth, verisim_core::Effect::NotApplied);
        let mut progress = Box::new(task.progress.clone());
        progress.note = Some(error.detail.clone());
        match task.state {
            SyncState::Verified => Some(verisim_core::SyncReport::Advanced {
                event: verisim_core::SyncEvent::PassDue,
                progress,
                next: verisim_core::Schedule::At(task.now),
                damaged: Vec::new(),
            }),
            SyncState::AwaitingVerify => Some(verisim_core::SyncReport::Failed {
                error: Box::new(error.into()),
                class: verisim_core::OperationClass::Destination,
                progress,
            }),
            _ => None,
        }
    });
    stage.sync.set_outdated(true);
    stage.live_until(at(HOUR)).await;
    let row = stage.job(job);
    assert_eq!(row.state, JobState::Sync(SyncState::Failed));
    let after = row.progress.unwrap();
    assert_eq!((after.passes, after.manifest), (before.passes, before.manifest));
    let note = after.note.unwrap();
    assert!(note.contains("that stands") && note.contains(&format!("verisim sync retry {job}")), "{note}");
    let told = stage.store.all_events().into_iter().rfind(|event| event.body.job == Some(job)).unwrap();
    assert!(format!("{:?}", told.body.payload).contains("that stands"), "{told:?}");
    stage.sync.set_script(|_| None);
    stage.sync.set_outdated(false);
    let engine = Engine::new(stage.parts());
    let handle = engine.handle();
    Operator::new(handle).retry(job).await.unwrap();
    drop(engine);
    stage.live_until(at(2 * HOUR)).await;
    assert!(is_verified(&stage.job(job)));
}

#[tokio::test]
async fn whoever_retries_does_not_wait_until_the_destination_is_asked_again() {
    let stage = stage(3);
    stage.sync.set_away(&vault(), true);
    let engine = Engine::new(stage.parts());
    let (handle, stop) = (engine.handle(), CancellationToken::new());
    let run = tokio::spawn(engine.run(stop.clone()));
    pass_time(&handle, &stage.clock, at(10)).await;
    stage.sync.set_away(&vault(), false);
    let jobs = stage.store.all_jobs();
    let blocked =
        of(&jobs, "vault").find(|job| job.state == JobState::Sync(SyncState::Blocked(ResumeAt::Push)));
    Operator::new(handle.clone()).retry(blocked.unwrap().id).await.unwrap();
    pass_time(&handle, &stage.clock, at(15)).await;
    let jobs = stage.store.all_jobs();
    assert!(of(&jobs, "vault").any(is_verified));
    assert_eq!(said(&stage), (1, 1));
    stop.cancel();
    run.await.unwrap().unwrap();
}

/// Moves the clock on in steps of a second, for work that does not end by itself.
async fn seconds(stage: &Stage, count: u64) {
    for _ in 0..count {
        stage.clock.advance(Duration::from_secs(1));
        settle().await;
    }
}

fn name_of(job: &Job) -> String {
    match &job.work {
        Work::Sync(spec) => spec.capture.relative.as_ref().unwrap().to_string(),
        Work::Activity { .. } => panic!(),
    }
}

#[tokio::test]
async fn huge_captures_do_not_keep_small_ones_waiting() {
    let names =
        (1..=3).map(|number| format!("huge-{number}")).chain((0..30).map(|number| format!("run-{number}")));
    let specs = names.map(|name| sync_spec("lab", &name, "vault").unwrap()).collect();
    let stage = Stage::with_sync(&[], ModelSync::new(specs));
    stage.sync.set_huge_held(true);
    let stop = CancellationToken::new();
    let run = tokio::spawn(Engine::new(stage.parts()).run(stop.clone()));
    settle().await;
    seconds(&stage, 50).await;
    let verified = || stage.store.all_jobs().iter().filter(|job| is_verified(job)).count();
    assert_eq!(verified(), 0, "both places are taken");
    // The third huge one comes before the small ones, and gives the guest's place up after its minute.
    seconds(&stage, 100).await;
    assert_eq!(verified(), 30);
    assert_eq!(stage.sync.at_once_max(), 3, "two and a guest");
    let lost: Vec<(String, u32)> = stage
        .store
        .all_jobs()
        .iter()
        .filter(|job| !is_verified(job))
        .map(|job| (name_of(job), job.counters.leases_lost))
        .collect();
    let expected = [("huge-1", 0), ("huge-2", 0), ("huge-3", 1)].map(|(name, lost)| (name.to_owned(), lost));
    assert_eq!(lost, expected, "those that have a place of their own keep it");
    // It comes back for another minute, each time after twice as long.
    seconds(&stage, 60 * 40).await;
    let third = stage.store.all_jobs().into_iter().find(|job| name_of(job) == "huge-3").unwrap();
    assert_eq!(third.counters.leases_lost, 3);
    stop.cancel();
    settle().await;
    run.await.unwrap().unwrap();
    stage.sync.set_huge_held(false);
    stage.live_until(at(3 * HOUR)).await;
    assert!(stage.store.all_jobs().iter().all(is_verified));
}

#[tokio::test]
async fn what_failed_is_tried_again_together_and_what_a_person_decided_only_by_name() {
    let stage = stage(600);
    stage.sync.set_script(|task| {
        let failure =
            crate::stage::failure(verisim_core::FailureKind::Denied, verisim_core::Effect::NotApplied);
        let progress = Box::new(task.progress.clone());
        let class = verisim_core::OperationClass::Destination;
        (task.state == SyncState::Running).then(|| verisim_core::SyncReport::Failed {
            error: Box::new(failure.into()),
            class,
            progress,
        })
    });
    stage.live_until(at(60)).await;
    let operator = Operator::new(Engine::new(stage.parts()).handle());
    let jobs = stage.store.all_jobs();
    assert!(jobs.iter().all(|job| job.state == JobState::Sync(SyncState::Failed)));
    let cancelled = jobs[0].id;
    operator.cancel(cancelled).await.unwrap();
    // Of one destination, then of one rule, then all: a thousand in a call.
    let ask = async |query: RetryQuery| match operator.retry_all(&query).await.unwrap() {
        Answer::Retried { jobs, next, .. } => (jobs.len(), next),
        other => panic!("{other:?}"),
    };
    let count = |state: SyncState| {
        stage.store.all_jobs().iter().filter(|job| job.state == JobState::Sync(state)).count()
    };
    assert_eq!(ask(RetryQuery { rule: "absent".parse().ok(), ..RetryQuery::default() }).await.0, 0);
    let (retried, next) = ask(RetryQuery::default()).await;
    assert_eq!((retried, next.is_some()), (1000, true));
    assert_eq!(ask(RetryQuery { before: next, ..RetryQuery::default() }).await, (199, None));
    assert_eq!((count(SyncState::Waiting), count(SyncState::Cancelled)), (1199, 1));
    assert!(stage.store.all_jobs().iter().all(|job| job.counters.failures == 0));
    let named = RetryQuery { states: vec!["cancelled".into()], ..RetryQuery::default() };
    assert_eq!(ask(named).await, (1, None));
    let wrong = RetryQuery { states: vec!["cleaned".into()], ..RetryQuery::default() };
    assert_eq!(operator.retry_all(&wrong).await.unwrap_err().kind, RefusalKind::BadRequest);
    stage.live_until(at(120)).await;
    let nas = DestinationName::new("nas").unwrap();
    assert_eq!(ask(RetryQuery { destination: Some(nas), ..RetryQuery::default() }).await, (600, None));
    let by_rule = RetryQuery { rule: "vault".parse().ok(), ..RetryQuery::default() };
    assert_eq!(ask(by_rule).await, (600, None));
}
