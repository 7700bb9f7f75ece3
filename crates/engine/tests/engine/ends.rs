//! Leases while work runs, the drain, and runs for given jobs only.

use std::time::Duration;

use verisim_core::{
    ActivityState, CancellationToken, Effect, FailureKind, JobId, JobState, Store, SyncState,
};
use verisim_engine::{Engine, OneShot};
use verisim_testkit::doubles::{Call, DriverFault, ModelSync, plant, sync_spec};

use crate::stage::{Stage, at, failure, settle};

/// Moves the clock on in steps of a second, for work that the engine waits for.
async fn seconds(stage: &Stage, count: u64) {
    for _ in 0..count {
        stage.clock.advance(Duration::from_secs(1));
        settle().await;
    }
}

#[tokio::test]
async fn defect_05_inv_3_heartbeats_keep_a_lease_and_a_lost_one_stops_its_work() {
    let stage = Stage::with_sync(&[], ModelSync::new(vec![sync_spec("cowrie", "run-1", "vault").unwrap()]));
    stage.sync.set_held(true);
    let stop = CancellationToken::new();
    let run = tokio::spawn(Engine::new(stage.parts()).run(stop.clone()));
    settle().await;
    seconds(&stage, 100).await;
    // Three leases have passed, and it is still ours.
    assert_eq!(stage.store.take_back(at(100), false).await.unwrap(), 0);
    assert_eq!(stage.job(JobId(1)).state, JobState::Sync(SyncState::Running));
    // Somebody takes it: within a heartbeat the push is stopped, and its outcome does not count.
    assert_eq!(stage.store.take_back(at(100), true).await.unwrap(), 1);
    stage.sync.set_held(false);
    seconds(&stage, 11).await;
    assert_eq!(stage.job(JobId(1)).state, JobState::Sync(SyncState::Verified));
    assert_eq!(stage.job(JobId(1)).counters.leases_lost, 1);
    stop.cancel();
    run.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_drain_gives_running_work_its_time_and_then_hands_it_back() {
    let stage =
        Stage::with_sync(&["files01"], ModelSync::new(vec![sync_spec("cowrie", "run-1", "vault").unwrap()]));
    stage.sync.set_held(true);
    let started = stage.enqueue_action("files01", plant("/srv/x", "x").unwrap(), None).await;
    stage.driver.set_script(|call, _| (call == Call::Run).then_some(DriverFault::HangAfter));
    let stop = CancellationToken::new();
    let run = tokio::spawn(Engine::new(stage.parts()).run(stop.clone()));
    settle().await;
    assert_eq!(stage.state(started), ActivityState::Running);
    stop.cancel();
    // A push goes on where it was, and may have hours to go: it gives way at once. An action is soon over.
    settle().await;
    assert_eq!(stage.job(JobId(2)).state, JobState::Sync(SyncState::Queued));
    seconds(&stage, 19).await;
    assert!(!run.is_finished(), "it has twenty seconds");
    seconds(&stage, 3).await;
    assert!(run.is_finished());
    run.await.unwrap().unwrap();
    // Both are handed back; the started one will be asked for before it is tried again (INV-4).
    assert_eq!(stage.state(started), ActivityState::Queued);
    assert!(stage.job(started).intended.is_some());
    assert_eq!(stage.job(JobId(2)).state, JobState::Sync(SyncState::Queued));
    let said = |status: &str| {
        stage.store.all_events().iter().any(|event| {
            matches!(&event.body.payload, verisim_core::EventPayload::Health { status: s } if s == status)
        })
    };
    assert!(said("started") && said("stopping"));
    assert!(stage.store.outbox(10).await.unwrap().is_empty());
    // A new process finds it done.
    stage.driver.set_script(|_, _| None);
    stage.sync.set_held(false);
    stage.live_until(at(120)).await;
    assert_eq!((stage.state(started), stage.effects(started)), (ActivityState::Done, 1));
}

#[tokio::test]
async fn a_driver_that_hangs_is_given_up_and_its_effect_asked_for() {
    let mut stage = Stage::new(&["files01"]);
    stage.settings.batch_time_max = Duration::from_secs(60);
    let job = stage.enqueue_action("files01", plant("/srv/x", "x").unwrap(), None).await;
    let mut hung = false;
    stage.driver.set_script(move |call, _| {
        (call == Call::Run && !std::mem::replace(&mut hung, true)).then_some(DriverFault::HangAfter)
    });
    let stop = CancellationToken::new();
    let run = tokio::spawn(Engine::new(stage.parts()).run(stop.clone()));
    settle().await;
    seconds(&stage, 120).await;
    assert_eq!((stage.state(job), stage.effects(job)), (ActivityState::Done, 1));
    stop.cancel();
    settle().await;
    run.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_driver_that_panics_fails_its_job_and_nothing_else() {
    for wanted in [Call::Prepare, Call::Run, Call::Probe] {
        let stage = Stage::new(&["files01", "files02"]);
        let job = stage.enqueue_action("files01", plant("/srv/x", "x").unwrap(), None).await;
        let other = stage.enqueue_action("files02", plant("/srv/x", "x").unwrap(), None).await;
        let mut times = 0;
        stage.driver.set_script(move |call, task| {
            // A probe is made where the outcome of a run is not known.
            let ours = task.job == job;
            if ours && wanted == Call::Probe && call == Call::Run && times == 0 {
                return Some(DriverFault::FailAfter(failure(FailureKind::Network, Effect::Unknown)));
            }
            times += usize::from(ours && call == wanted);
            (ours && call == wanted && times == 1).then_some(DriverFault::Panic)
        });
        let stop = CancellationToken::new();
        let run = tokio::spawn(Engine::new(stage.parts()).run(stop.clone()));
        settle().await;
        assert_eq!(stage.job(job).counters.failures, 1, "{wanted:?}: an attempt is used up");
        assert_eq!(stage.state(other), ActivityState::Done);
        seconds(&stage, 300).await;
        assert_eq!((stage.state(job), stage.effects(job)), (ActivityState::Done, 1), "{wanted:?}");
        stop.cancel();
        settle().await;
        run.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_run_for_given_jobs_serves_their_decoys_only_and_ends() {
    let stage = Stage::new(&["a", "b"]);
    let wanted = stage.enqueue_action("a", plant("/srv/x", "x").unwrap(), None).await;
    let other = stage.enqueue_action("b", plant("/srv/x", "x").unwrap(), None).await;
    let limit = Duration::from_secs(10);
    let end = Engine::new(stage.parts()).run_jobs(&[wanted], limit, CancellationToken::new()).await.unwrap();
    assert_eq!(end, OneShot::Finished);
    assert_eq!((stage.state(wanted), stage.state(other)), (ActivityState::Done, ActivityState::Queued));
    let health = stage.store.all_events().iter().any(|e| e.body.topic.as_str().starts_with("system"));
    assert!(!health, "a command is no daemon");
}

#[tokio::test]
async fn a_run_for_given_jobs_ends_when_the_time_is_up_and_leaves_them_in_the_queue() {
    let stage = Stage::new(&["a"]);
    let job = stage.enqueue_action("a", plant("/srv/x", "x").unwrap(), None).await;
    stage.driver.set_script(|call, _| {
        let failure =
            crate::stage::failure(verisim_core::FailureKind::Network, verisim_core::Effect::NotApplied);
        (call == Call::Run).then_some(DriverFault::Fail(failure))
    });
    let engine = Engine::new(stage.parts());
    let run = tokio::spawn(async move {
        engine.run_jobs(&[job], Duration::from_secs(20), CancellationToken::new()).await.unwrap()
    });
    settle().await;
    seconds(&stage, 21).await;
    assert_eq!(run.await.unwrap(), OneShot::TimeUp);
    assert_eq!(stage.state(job), ActivityState::Queued);
}
