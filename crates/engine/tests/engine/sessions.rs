//! Connections have places of their own: they keep neither files nor each other waiting, and there are never too many.

use std::collections::HashMap;

use tokio::task::JoinHandle;
use verisim_core::{
    Action, ActivityState, CancellationToken, Effect, Event, EventPayload, FailureKind, JobId, StoreResult,
    Traffic, TrafficProtocol,
};
use verisim_engine::Engine;
use verisim_testkit::doubles::{Call, DriverFault, action_job, plant};

use crate::stage::{Stage, at, failure, name, settle};

fn visit() -> Action {
    Action::Traffic(Traffic::new(name("web01"), TrafficProtocol::Http))
}

fn begin(stage: &Stage) -> JoinHandle<StoreResult<()>> {
    tokio::spawn(Engine::new(stage.parts()).run(CancellationToken::new()))
}

/// Lets so many seconds pass, one by one.
async fn live(stage: &Stage, from: u64, until: u64) {
    for second in from..=until {
        stage.clock.advance_to(at(second));
        settle().await;
    }
}

fn in_state(stage: &Stage, jobs: &[JobId], state: ActivityState) -> usize {
    jobs.iter().filter(|job| stage.state(**job) == state).count()
}

#[tokio::test]
async fn a_file_does_not_wait_for_a_session_that_never_ends() {
    let stage = Stage::new(&["files01"]);
    stage.traffic.set_script(|call, _| (call == Call::Run).then_some(DriverFault::Hang));
    let session = stage.enqueue_action("files01", visit(), None).await;
    let engine = Engine::new(stage.parts());
    let handle = engine.handle();
    let running = tokio::spawn(engine.run(CancellationToken::new()));
    live(&stage, 0, 5).await;
    assert_eq!(stage.state(session), ActivityState::Running);
    let file = stage.enqueue_action("files01", plant("/srv/1", "x").unwrap(), None).await;
    handle.wake();
    live(&stage, 6, 6).await;
    assert_eq!(stage.state(file), ActivityState::Done);
    assert_eq!(stage.state(session), ActivityState::Running);
    running.abort();
}

#[tokio::test]
async fn a_session_that_never_ends_holds_up_no_other() {
    let stage = Stage::new(&["files01"]);
    let mut all = Vec::new();
    for _ in 0..20 {
        all.push(stage.enqueue_action("files01", visit(), None).await);
    }
    let endless = all[3];
    stage.traffic.set_script(move |call, task| {
        (call == Call::Run && task.job == endless).then_some(DriverFault::Hang)
    });
    let running = begin(&stage);
    live(&stage, 0, 5).await;
    assert_eq!(in_state(&stage, &all, ActivityState::Done), 19);
    assert_eq!(stage.state(endless), ActivityState::Running);
    running.abort();
}

/// INV-10 as well: one that has no place in time is skipped.
#[tokio::test]
async fn there_are_never_too_many_sessions_and_every_decoy_gets_its_share() {
    let decoys: Vec<String> = (0..20).map(|number| format!("host{number:02}")).collect();
    let names: Vec<&str> = decoys.iter().map(String::as_str).collect();
    let stage = Stage::new(&names);
    stage.traffic.set_script(|call, _| (call == Call::Run).then_some(DriverFault::Hang));
    let mut all: HashMap<&str, Vec<JobId>> = HashMap::new();
    // One decoy asks for far more than the others, and first.
    for decoy in [&names[..1], &names[..]].concat() {
        for _ in 0..10 {
            all.entry(decoy).or_default().push(stage.enqueue_action(decoy, visit(), Some(at(90))).await);
        }
    }
    let running = begin(&stage);
    live(&stage, 0, 5).await;
    let under_way: Vec<usize> =
        all.values().map(|jobs| in_state(&stage, jobs, ActivityState::Running)).collect();
    let settings = &stage.settings;
    assert_eq!(under_way.iter().sum::<usize>(), settings.sessions_at_once_max);
    assert!(
        under_way.iter().all(|count| (3..=settings.sessions_per_decoy_max).contains(count)),
        "{under_way:?}"
    );
    // The driver is given up after ten minutes; then it is too late for the others.
    live(&stage, 600, 700).await;
    let jobs: Vec<JobId> = all.values().flatten().copied().collect();
    assert_eq!(in_state(&stage, &jobs, ActivityState::Unknown), settings.sessions_at_once_max);
    assert_eq!(in_state(&stage, &jobs, ActivityState::Skipped), jobs.len() - settings.sessions_at_once_max);
    running.abort();
}

/// However well its connections go, a decoy whose files cannot be reached is left alone.
#[tokio::test]
async fn sessions_do_not_hide_that_a_decoy_is_silent() {
    let stage = Stage::new(&["files01"]);
    stage.driver.set_script(|call, _| {
        let silent = DriverFault::Fail(failure(FailureKind::Network, Effect::NotApplied));
        (call == Call::Run).then_some(silent)
    });
    let mut jobs = Vec::new();
    for number in 0..5 {
        let file = plant(&format!("/srv/{number}"), "x").unwrap();
        for (action, second) in [(file, 2 * number), (visit(), 2 * number + 1)] {
            jobs.push(action_job(&format!("test/{second}"), &name("files01"), action, at(second), None));
        }
    }
    stage.enqueue(jobs).await;
    stage.live_until(at(20)).await;
    let silent = |event: &Event| matches!(event.body.payload, EventPayload::Reachable { reachable: false });
    assert!(stage.store.all_events().iter().any(silent));
}

/// Many sessions of a decoy that is not known yet begin together: it is asked once who it is.
#[tokio::test]
async fn a_decoy_is_asked_once_who_it_is() {
    let stage = Stage::new(&["files01"]);
    let mut all = Vec::new();
    for _ in 0..6 {
        all.push(stage.enqueue_action("files01", visit(), None).await);
    }
    all.push(stage.enqueue_action("files01", plant("/srv/1", "x").unwrap(), None).await);
    let running = begin(&stage);
    live(&stage, 0, 2).await;
    assert_eq!(in_state(&stage, &all, ActivityState::Done), 7);
    assert_eq!(stage.switches[&name("files01")].probes(), 1);
    running.abort();
}
