//! Captures on their way home: every report leads where the policy and the state machine say.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use verisim_core::{
    Counters, Effect, EventPayload, FailureKind, JobId, JobState, OperationClass, ResumeAt, Schedule, Store,
    SyncEvent, SyncReport, SyncState, SyncTask,
};
use verisim_testkit::doubles::{ModelSync, sync_spec};

use crate::stage::{Stage, at, failure};

const JOB: JobId = JobId(1);

fn one() -> Stage {
    Stage::with_sync(&[], ModelSync::new(vec![sync_spec("cowrie", "run-1", "vault").unwrap()]))
}

fn failed(task: &SyncTask, kind: FailureKind, class: OperationClass) -> SyncReport {
    let error = Box::new(failure(kind, Effect::NotApplied).into());
    SyncReport::Failed { error, class, progress: Box::new(task.progress.clone()) }
}

fn advanced(task: &SyncTask, event: SyncEvent) -> SyncReport {
    let progress = Box::new(task.progress.clone());
    SyncReport::Advanced { event, progress, next: Schedule::At(task.now), damaged: Vec::new() }
}

fn state(stage: &Stage) -> SyncState {
    match stage.job(JOB).state {
        JobState::Sync(state) => state,
        JobState::Activity(state) => panic!("{state}"),
    }
}

/// Fails the first step in `state` with `kind`, and lives a little.
async fn after_one_failure(state: SyncState, kind: FailureKind, class: OperationClass) -> Stage {
    let stage = one();
    let mut hit = false;
    stage.sync.set_script(move |task| {
        (task.state == state && !std::mem::replace(&mut hit, true)).then(|| failed(task, kind, class))
    });
    stage.live_until(at(5)).await;
    stage
}

#[tokio::test]
async fn a_capture_is_found_pushed_and_verified_and_every_state_is_an_event() {
    let stage = one();
    stage.live_until(at(5)).await;
    let states: Vec<_> = stage
        .events_of(JOB)
        .into_iter()
        .map(|event| (event.body.topic.to_string(), event.body.payload))
        .map(|(topic, payload)| match payload {
            EventPayload::Sync(sync) => (topic, sync.state, sync.remote),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [("queued", "QUEUED"), ("awaiting_verify", "AWAITING_VERIFY"), ("verified", "VERIFIED")];
    let expected: Vec<_> = expected
        .map(|(topic, state)| (format!("sync.1.{topic}"), state.to_owned(), "vault:cowrie/run-1".to_owned()))
        .into();
    assert_eq!(states, expected);
    assert_eq!(stage.job(JOB).schedule, Schedule::Parked);
    // What was confirmed can be said from the store alone.
    let mut manifest = Vec::new();
    for piece in 0..4 {
        manifest.extend(stage.store.manifest(JOB, piece).await.unwrap().unwrap_or_default());
    }
    assert_eq!(manifest, b"piece 0 of job 1\npiece 1 of job 1\n");
    // Looking again finds nothing new.
    stage.live_until(at(600)).await;
    assert_eq!(stage.store.all_jobs().len(), 1);
}

#[tokio::test]
async fn every_failure_of_a_push_or_a_verification_leads_where_the_policy_says() {
    use FailureKind as K;
    use OperationClass as C;
    use SyncState as S;
    for (from, kind, class, expected) in [
        (S::Running, K::Network, C::Destination, S::Queued),
        (S::Running, K::Unknown, C::Destination, S::Queued),
        (S::Running, K::Auth, C::Destination, S::Failed),
        (S::Running, K::Denied, C::Destination, S::Failed),
        (S::Running, K::Config, C::Destination, S::Failed),
        (S::Running, K::NotFound, C::Destination, S::Failed),
        (S::Running, K::SourceVanished, C::Capture, S::Failed),
        (S::Running, K::NotFound, C::Capture, S::Failed),
        (S::Running, K::SourceChanged, C::Capture, S::Waiting),
        (S::Running, K::NoSpace, C::Destination, S::Blocked(ResumeAt::Push)),
        (S::Running, K::ToolMissing, C::Destination, S::Blocked(ResumeAt::Push)),
        (S::Running, K::Cancelled, C::Destination, S::Cancelled),
        (S::AwaitingVerify, K::Network, C::Destination, S::AwaitingVerify),
        (S::AwaitingVerify, K::ToolMissing, C::Destination, S::Blocked(ResumeAt::Verify)),
        (S::AwaitingVerify, K::SourceChanged, C::Capture, S::Waiting),
        (S::AwaitingVerify, K::Auth, C::Destination, S::Failed),
        (S::Waiting, K::Denied, C::Capture, S::Failed),
        (S::Waiting, K::Network, C::Capture, S::Waiting),
        (S::Verified, K::Denied, C::Destination, S::Verified),
        (S::Verified, K::Network, C::Destination, S::Verified),
    ] {
        let stage = after_one_failure(from, kind, class).await;
        assert_eq!(state(&stage), expected, "{kind} in {from}");
        assert_eq!(stage.job(JOB).last_failure.unwrap().0, kind);
        let rests = matches!(expected, S::Failed | S::Cancelled);
        assert_eq!(stage.job(JOB).schedule == Schedule::Parked, rests, "{kind} in {from}");
        let told = stage.events_of(JOB).into_iter().any(|event| event.body.failure == Some(kind));
        assert!(told, "{kind} in {from}");
    }
}

#[tokio::test]
async fn a_first_mismatch_is_sent_again_and_the_second_fails() {
    for by_event in [false, true] {
        let stage = one();
        stage.sync.set_script(move |task| {
            (task.state == SyncState::AwaitingVerify).then(|| match by_event {
                true => advanced(task, SyncEvent::Mismatched),
                false => failed(task, FailureKind::HashMismatch, OperationClass::Destination),
            })
        });
        stage.live_until(at(5)).await;
        assert_eq!(state(&stage), SyncState::Failed);
        let pushes = stage.sync.steps().iter().filter(|(_, state)| *state == SyncState::Running).count();
        assert_eq!((pushes, stage.job(JOB).counters.mismatches), (2, 2));
    }
}

#[tokio::test]
async fn a_blocked_capture_goes_on_where_it_was() {
    let stage =
        after_one_failure(SyncState::AwaitingVerify, FailureKind::ToolMissing, OperationClass::Destination)
            .await;
    stage.live_until(at(400)).await;
    assert_eq!(state(&stage), SyncState::Verified);
    let pushes = stage.sync.steps().iter().filter(|(_, state)| *state == SyncState::Running).count();
    assert_eq!(pushes, 1);
    assert_eq!(stage.job(JOB).counters, Counters { blocks: 1, ..Counters::default() });
}

#[tokio::test]
async fn an_interlock_that_cannot_be_asked_does_not_hold() {
    let stage = one();
    stage.sync.set_script(|task| match task.state {
        SyncState::Verified => Some(advanced(task, SyncEvent::InterlocksHold)),
        SyncState::CleanupEligible => Some(failed(task, FailureKind::Network, OperationClass::Destination)),
        _ => None,
    });
    let mut seen = stage.sync.steps().len();
    stage.live_until(at(2)).await;
    assert_ne!(state(&stage), SyncState::Cleaning);
    seen = stage.sync.steps().len() - seen;
    assert!(seen < 20, "it is not asked without end: {seen} steps");
}

#[tokio::test]
async fn damage_at_the_destination_is_an_event_of_its_own() {
    let stage = one();
    stage.sync.set_script(|task| {
        (task.state == SyncState::AwaitingVerify).then(|| SyncReport::Advanced {
            event: SyncEvent::MismatchedAgain,
            progress: Box::new(task.progress.clone()),
            next: Schedule::Parked,
            damaged: vec!["payload.bin".into()],
        })
    });
    stage.live_until(at(5)).await;
    let damage = stage.events_of(JOB).into_iter().find(|e| e.body.topic.as_str() == "sync.1.remote_damaged");
    let EventPayload::RemoteDamaged { names, .. } = damage.unwrap().body.payload else { panic!() };
    assert_eq!(names, ["payload.bin"]);
}

#[tokio::test]
async fn two_steps_at_a_time_per_destination_and_many_destinations_at_once() {
    let mut specs = Vec::new();
    for destination in ["vault", "nas"] {
        for number in 0..12 {
            specs.push(sync_spec(destination, &format!("run-{number}"), destination).unwrap());
        }
    }
    let stage = Stage::with_sync(&[], ModelSync::new(specs));
    stage.live_until(at(30)).await;
    assert_eq!(stage.sync.at_once_max(), 2);
    let jobs = stage.store.all_jobs();
    assert_eq!(jobs.len(), 24);
    assert!(jobs.iter().all(|job| job.state == JobState::Sync(SyncState::Verified)));
}

#[tokio::test]
async fn what_stays_is_looked_at_again_and_told_only_when_the_reason_changes() {
    let stage = one();
    let looks = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&looks);
    stage.sync.set_script(move |task| {
        (task.state == SyncState::Waiting).then(|| {
            let look = count.fetch_add(1, Ordering::SeqCst);
            let mut progress = task.progress.clone();
            progress.note = Some(if look < 5 { "files are being written" } else { "a gate holds it" }.into());
            let next = Schedule::At(task.now + Duration::from_secs(10));
            SyncReport::Stay { progress: Box::new(progress), next }
        })
    });
    stage.live_until(at(95)).await;
    assert_eq!(looks.load(Ordering::SeqCst), 10);
    assert_eq!(stage.events_of(JOB).len(), 2);
    assert!(stage.store.outbox(10).await.unwrap().is_empty());
}
