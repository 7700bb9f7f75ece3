//! Decoys that do not answer.

use std::sync::Arc;

use verisim_core::{ActivityState, Effect, Event, EventPayload, FailureKind, JobState};
use verisim_testkit::doubles::{Call, DriverFault, plant};

use crate::stage::{Stage, at, failure, name};

fn told(stage: &Stage, decoy: &str) -> Vec<bool> {
    let topic = format!("decoy.{decoy}.reachable");
    let events = stage.store.all_events();
    events.iter().filter(|e| e.body.topic.as_str() == topic).map(|e| e.body.success).collect()
}

/// The decoy `down` does not answer, neither to a driver nor to a probe, as long as its switch is off.
fn wire(stage: &Stage) {
    let switch = Arc::clone(&stage.switches[&name("down")]);
    stage.driver.set_script(move |call, task| {
        let silent = task.decoy.name.as_str() == "down" && !switch.answers();
        (silent && call != Call::Probe)
            .then(|| DriverFault::Fail(failure(FailureKind::Network, Effect::NotApplied)))
    });
}

#[tokio::test]
async fn a_silent_decoy_is_left_alone_asked_now_and_then_and_taken_up_again() {
    let stage = Stage::new(&["down", "up"]);
    let switch = &stage.switches[&name("down")];
    switch.set_answers(false);
    wire(&stage);
    let mut jobs = Vec::new();
    for number in 0..5 {
        jobs.push(stage.enqueue_action("down", plant(&format!("/srv/{number}"), "x").unwrap(), None).await);
    }
    let other = stage.enqueue_action("up", plant("/srv/x", "x").unwrap(), None).await;
    stage.live_until(at(5)).await;
    assert_eq!(told(&stage, "down"), [false]);
    assert_eq!(stage.state(other), ActivityState::Done);
    // While it is left alone nothing is tried, though the back-offs of 30 s are over.
    let held = stage.enqueue_action("down", plant("/srv/later", "x").unwrap(), None).await;
    let tries = |stage: &Stage| jobs.iter().map(|job| stage.job(*job).counters.failures).sum::<u32>();
    assert_eq!(tries(&stage), 5);
    // Of one engine; the next one begins by trying.
    let engine = verisim_engine::Engine::new(stage.parts());
    let handle = engine.handle();
    let stop = verisim_core::CancellationToken::new();
    let run = tokio::spawn(engine.run(stop.clone()));
    crate::stage::pass_time(&handle, &stage.clock, at(3600)).await;
    assert_eq!(told(&stage, "down"), [false, false]);
    // By the breaker as it waits longer and longer, and once by the first batch of each engine.
    assert!(switch.probes() >= 5 && switch.probes() <= 12, "{} probes", switch.probes());
    assert!(stage.job(held).counters.failures <= 1);
    switch.set_answers(true);
    crate::stage::pass_time(&handle, &stage.clock, at(3600 + 1801)).await;
    assert_eq!(told(&stage, "down"), [false, false, true]);
    crate::stage::pass_time(&handle, &stage.clock, at(4 * 3600)).await;
    assert!(jobs.iter().all(|job| stage.state(*job) == ActivityState::Done && stage.effects(*job) == 1));
    stop.cancel();
    run.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_decoy_that_is_not_there_is_left_alone_at_once() {
    let stage = Stage::new(&["down"]);
    stage.driver.set_script(|call, _| {
        (call == Call::Prepare).then(|| DriverFault::Fail(failure(FailureKind::NotFound, Effect::NotApplied)))
    });
    let job = stage.enqueue_action("down", plant("/srv/x", "x").unwrap(), None).await;
    stage.live_until(at(5)).await;
    assert_eq!(told(&stage, "down"), [false]);
    assert_eq!(stage.state(job), ActivityState::Queued);
    // Why, in the words of whoever tried.
    let why = failure(FailureKind::NotFound, Effect::NotApplied).detail;
    let events = stage.store.all_events();
    let about = |event: &&Event| matches!(event.body.payload, EventPayload::Reachable { .. });
    assert_eq!(events.iter().find(about).unwrap().body.detail, format!("it does not answer: {why}"));
}

#[tokio::test]
async fn inv_10_what_becomes_stale_while_a_decoy_is_silent_is_skipped_and_an_event_says_so() {
    let stage = Stage::new(&["down"]);
    stage.switches[&name("down")].set_answers(false);
    wire(&stage);
    let mut jobs = Vec::new();
    for number in 0..8 {
        let action = plant(&format!("/srv/{number}"), "x").unwrap();
        jobs.push(stage.enqueue_action("down", action, Some(at(20))).await);
    }
    stage.live_until(at(200)).await;
    for job in jobs {
        assert_eq!(stage.job(job).state, JobState::Activity(ActivityState::Skipped));
        assert!(stage.events_of(job).last().unwrap().body.detail.contains("too late"));
        assert_eq!(stage.effects(job), 0);
    }
}
