//! Actions on decoys: order, outcomes, and what each policy does.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::stage::{Stage, at, failure, live, name, start};
use verisim_core::{
    Action, ActivityState, Body, DecoyPath, DriverKind, EditFile, Effect, EventPayload, FailureKind,
    JobState, Ladder, MoveFile, OwnershipPolicy, RemoveFile, Schedule, Store, TextEdit, Timestamp, Traffic,
    TrafficProtocol,
};
use verisim_engine::Engine;
use verisim_testkit::doubles::{Call, DriverFault, action_job, plant};

fn note(number: usize) -> Action {
    plant(&format!("/home/ann/note-{number}.txt"), &format!("note {number}\n")).unwrap()
}

fn edit(path: &str, line: &str) -> Action {
    Action::Edit(EditFile {
        path: DecoyPath::new(path).unwrap(),
        edits: vec![TextEdit::Append { text: Body::from(line.to_owned()) }],
        shared: false,
    })
}

#[tokio::test]
async fn a_file_lives_from_plant_to_removal_and_the_ledger_knows() {
    let stage = Stage::new(&["files01"]);
    let path = DecoyPath::new("/home/ann/a.txt").unwrap();
    let to = DecoyPath::new("/home/ann/b.txt").unwrap();
    let plant = stage.enqueue_action("files01", plant("/home/ann/a.txt", "one\n").unwrap(), None).await;
    let edit = stage.enqueue_action("files01", edit("/home/ann/a.txt", "two\n"), None).await;
    let rename = Action::Move(MoveFile { from: path, to: to.clone() });
    let rename = stage.enqueue_action("files01", rename, None).await;
    stage.live_until(at(10)).await;
    assert_eq!(stage.driver.order(), [plant, edit, rename]);
    assert_eq!(stage.driver.file(&name("files01"), &to).unwrap(), "one\ntwo\n");
    let entry = stage.store.ledger(&[(name("files01"), to.clone())]).await.unwrap().remove(0).unwrap();
    assert_eq!((entry.edits, entry.ownership), (1, OwnershipPolicy::Owned));
    assert_eq!(entry.body.unwrap(), Body::from("one\ntwo\n"));
    let remove = Action::Remove(RemoveFile { path: to.clone() });
    let remove = stage.enqueue_action("files01", remove, None).await;
    stage.live_until(at(20)).await;
    for job in [plant, edit, rename, remove] {
        assert_eq!(stage.state(job), ActivityState::Done);
        assert_eq!(stage.effects(job), 1);
        let events = stage.events_of(job);
        assert_eq!(events.len(), 1);
        assert!(events[0].body.success && matches!(events[0].body.payload, EventPayload::Activity(_)));
    }
    assert!(stage.store.ledger_scan(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn inv_1_the_intention_is_in_the_row_before_any_effect() {
    let stage = Stage::new(&["files01"]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (store, log) = (Arc::clone(&stage.store), Arc::clone(&seen));
    stage.driver.set_script(move |call, task| {
        if call == Call::Run {
            let job = store.all_jobs().into_iter().find(|job| job.id == task.job).unwrap();
            log.lock().unwrap().push((job.state, job.intended.is_some(), job.counters.attempts));
        }
        None
    });
    for number in 0..3 {
        stage.enqueue_action("files01", note(number), None).await;
    }
    stage.live_until(at(10)).await;
    assert_eq!(*seen.lock().unwrap(), [(JobState::Activity(ActivityState::Running), true, 1); 3]);
}

#[tokio::test]
async fn inv_2_the_bus_carries_committed_events_in_order_and_each_outcome_is_there_with_its_state() {
    let stage = Stage::new(&["files01"]);
    let engine = verisim_engine::Engine::new(stage.parts());
    let mut all = engine.handle().bus().subscribe(verisim_core::TopicFilter::all(), 100);
    let job = stage.enqueue_action("files01", note(1), None).await;
    crate::stage::live(engine, &stage.clock, at(10)).await;
    let mut ids = Vec::new();
    while let Some(verisim_engine::Delivery::Event(event)) = all.next().await {
        assert!(stage.store.all_events().contains(&event));
        if event.body.job == Some(job) {
            assert_eq!(stage.state(job), ActivityState::Done);
        }
        ids.push(event.id);
    }
    assert!(ids.is_sorted() && ids.len() == stage.store.all_events().len(), "{ids:?}");
    assert!(stage.store.outbox(10).await.unwrap().is_empty());
}

/// Every decision of the policy table, as far as it concerns actions: what the job becomes after one failure, and when it
/// is looked at next.
#[tokio::test]
async fn every_failure_kind_leads_where_the_policy_says() {
    use FailureKind as K;
    for (kind, expected, waits) in [
        (K::Network, ActivityState::Queued, true),
        (K::Unknown, ActivityState::Queued, true),
        (K::NotFound, ActivityState::Queued, true),
        (K::ToolMissing, ActivityState::Blocked, true),
        (K::NoSpace, ActivityState::Blocked, true),
        (K::Auth, ActivityState::Failed, false),
        (K::Denied, ActivityState::Failed, false),
        (K::Unsupported, ActivityState::Failed, false),
        (K::Config, ActivityState::Failed, false),
        (K::SourceVanished, ActivityState::Failed, false),
        (K::SourceChanged, ActivityState::Failed, false),
        (K::Cancelled, ActivityState::Cancelled, false),
    ] {
        let stage = Stage::new(&["files01"]);
        stage.driver.set_script(move |call, _| {
            (call == Call::Run).then(|| DriverFault::Fail(failure(kind, Effect::NotApplied)))
        });
        let job = stage.enqueue_action("files01", note(1), None).await;
        stage.live_until(at(5)).await;
        assert_eq!(stage.state(job), expected, "{kind}");
        assert_eq!(matches!(stage.job(job).schedule, Schedule::At(_)), waits, "{kind}");
        assert_eq!(stage.job(job).intended, None, "{kind}");
        assert_eq!(stage.job(job).last_failure.unwrap().0, kind);
        let event = stage.events_of(job).remove(0);
        assert_eq!((event.body.success, event.body.failure), (false, Some(kind)));
    }
}

#[tokio::test]
async fn defect_15_a_network_failure_uses_all_five_delays_and_then_fails() {
    let mut stage = Stage::new(&["files01"]);
    stage.settings.breaker_failures = 100;
    let tries = Arc::new(Mutex::new(Vec::new()));
    let (clock, log) = (Arc::clone(&stage.clock), Arc::clone(&tries));
    stage.driver.set_script(move |call, _| {
        (call == Call::Run).then(|| {
            log.lock().unwrap().push(verisim_core::Clock::now(&*clock));
            DriverFault::Fail(failure(FailureKind::Network, Effect::NotApplied))
        })
    });
    let job = stage.enqueue_action("files01", note(1), None).await;
    stage.live_until(at(6 * 3600)).await;
    assert_eq!(stage.state(job), ActivityState::Failed);
    let tries = tries.lock().unwrap();
    let waits: Vec<Duration> =
        tries.windows(2).map(|pair| Duration::try_from(pair[1].duration_since(pair[0])).unwrap()).collect();
    assert_eq!(waits.len(), Ladder::DELAYS.len());
    for (wait, delay) in waits.iter().zip(Ladder::DELAYS) {
        assert!(*wait >= delay * 9 / 10 && *wait <= delay * 11 / 10, "{wait:?} for {delay:?}");
    }
}

#[tokio::test]
async fn a_hash_mismatch_is_sent_once_more_and_then_fails() {
    let stage = Stage::new(&["files01"]);
    stage.driver.set_script(|call, _| {
        (call == Call::Run).then(|| DriverFault::Fail(failure(FailureKind::HashMismatch, Effect::NotApplied)))
    });
    let job = stage.enqueue_action("files01", note(1), None).await;
    stage.live_until(at(5)).await;
    assert_eq!(stage.state(job), ActivityState::Failed);
    assert_eq!((stage.job(job).counters.attempts, stage.job(job).counters.mismatches), (2, 2));
}

#[tokio::test]
async fn a_blocked_job_asks_every_five_minutes_without_using_up_attempts() {
    let stage = Stage::new(&["files01"]);
    let switch = &stage.switches[&name("files01")];
    switch.set_space(false);
    let has_space = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = Arc::clone(&has_space);
    stage.driver.set_script(move |call, _| {
        let full = !flag.load(std::sync::atomic::Ordering::SeqCst);
        (call == Call::Run && full)
            .then(|| DriverFault::Fail(failure(FailureKind::NoSpace, Effect::NotApplied)))
    });
    let job = stage.enqueue_action("files01", note(1), None).await;
    stage.live_until(at(3600)).await;
    assert_eq!(stage.state(job), ActivityState::Blocked);
    // Twelve times by the job, and once before it was first worked on.
    assert_eq!(switch.probes(), 13);
    assert_eq!(stage.job(job).counters.attempts, 1);
    switch.set_space(true);
    has_space.store(true, std::sync::atomic::Ordering::SeqCst);
    stage.live_until(at(3600 + 301)).await;
    assert_eq!(stage.state(job), ActivityState::Done);
    assert_eq!(stage.job(job).counters.attempts, 2);
}

#[tokio::test]
async fn one_in_back_off_holds_up_its_path_and_nothing_else() {
    let stage = Stage::new(&["files01"]);
    let first = stage.enqueue_action("files01", note(1), None).await;
    let behind = stage.enqueue_action("files01", edit("/home/ann/note-1.txt", "more\n"), None).await;
    let beside = stage.enqueue_action("files01", note(2), None).await;
    let mut failed = false;
    stage.driver.set_script(move |call, task| {
        let hit = call == Call::Run && task.job == first && !std::mem::replace(&mut failed, true);
        hit.then(|| DriverFault::Fail(failure(FailureKind::Network, Effect::NotApplied)))
    });
    stage.live_until(at(5)).await;
    assert_eq!(stage.driver.order(), [beside]);
    assert_eq!(stage.state(behind), ActivityState::Queued);
    stage.live_until(at(60)).await;
    assert_eq!(stage.driver.order(), [beside, first, behind]);
}

#[tokio::test]
async fn many_decoys_run_at_once_one_batch_each_and_no_batch_shares_a_path() {
    let names: Vec<String> = (0..40).map(|number| format!("d{number}")).collect();
    let texts: Vec<&str> = names.iter().map(String::as_str).collect();
    let stage = Stage::new(&texts);
    let mut jobs = Vec::new();
    for decoy in &texts {
        for number in 0..100 {
            let key = format!("{decoy}/{number}");
            jobs.push(action_job(&key, &name(decoy), note(number), start(), None));
        }
    }
    let ids = stage.enqueue(jobs).await;
    stage.live_until(at(5)).await;
    assert!(ids.iter().all(|id| stage.effects(*id) == 1));
    assert!(stage.driver.runs().iter().all(|(_, tasks)| *tasks <= 64));
    assert_eq!(stage.driver.runs().len(), 80);
}

#[tokio::test]
async fn a_large_batch_is_carried_out_in_pieces_of_four_megabytes() {
    let stage = Stage::new(&["files01"]);
    let large = "x".repeat(1_500_000);
    for number in 0..5 {
        let action = plant(&format!("/srv/{number}"), &large).unwrap();
        stage.enqueue_action("files01", action, None).await;
    }
    stage.live_until(at(5)).await;
    assert_eq!(stage.driver.runs().iter().map(|(_, tasks)| *tasks).collect::<Vec<_>>(), [2, 2, 1]);
}

#[tokio::test]
async fn inv_4_an_effect_of_unknown_fate_is_probed_before_it_is_applied_again() {
    // The answer got lost after the effect: the probe finds it, and it is not repeated.
    let stage = Stage::new(&["files01"]);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&calls);
    stage.driver.set_script(move |call, _| {
        let mut calls = log.lock().unwrap();
        calls.push(call);
        (call == Call::Run).then(|| DriverFault::FailAfter(failure(FailureKind::Network, Effect::Unknown)))
    });
    let job = stage.enqueue_action("files01", note(1), None).await;
    stage.live_until(at(5)).await;
    assert_eq!(stage.state(job), ActivityState::Queued);
    assert!(stage.job(job).intended.is_some());
    stage.live_until(at(60)).await;
    assert_eq!(stage.state(job), ActivityState::Done);
    assert_eq!(stage.effects(job), 1);
    assert_eq!(*calls.lock().unwrap(), [Call::Prepare, Call::Run, Call::Probe]);

    // It had not happened: it is carried out after the probe.
    let stage = Stage::new(&["files01"]);
    let mut lost = false;
    stage.driver.set_script(move |call, _| {
        (call == Call::Run && !std::mem::replace(&mut lost, true))
            .then(|| DriverFault::Fail(failure(FailureKind::Network, Effect::Unknown)))
    });
    let job = stage.enqueue_action("files01", note(1), None).await;
    stage.live_until(at(60)).await;
    assert_eq!((stage.state(job), stage.effects(job)), (ActivityState::Done, 1));
}

#[tokio::test]
async fn inv_4_what_cannot_be_probed_is_not_repeated() {
    let stage = Stage::new(&["files01"]);
    stage.traffic.set_script(|call, _| {
        (call == Call::Run).then(|| DriverFault::Fail(failure(FailureKind::Network, Effect::Unknown)))
    });
    let action = Action::Traffic(Traffic::new(name("files01"), TrafficProtocol::Http));
    assert_eq!(action.driver(), DriverKind::Traffic);
    let job = stage.enqueue_action("files01", action, None).await;
    stage.live_until(at(3600)).await;
    assert_eq!(stage.state(job), ActivityState::Unknown);
    assert_eq!(stage.job(job).counters.attempts, 1);
}

#[tokio::test]
async fn connections_to_a_host_that_is_down_do_not_make_the_decoy_unreachable() {
    let stage = Stage::new(&["files01"]);
    stage.traffic.set_script(|call, _| {
        (call == Call::Run).then(|| DriverFault::Fail(failure(FailureKind::Network, Effect::NotApplied)))
    });
    for _ in 0..20 {
        let action = Action::Traffic(Traffic::new(name("web01"), TrafficProtocol::Http));
        stage.enqueue_action("files01", action, None).await;
    }
    stage.live_until(at(120)).await;
    let file = stage.enqueue_action("files01", note(1), None).await;
    stage.live_until(at(130)).await;
    assert_eq!(stage.state(file), ActivityState::Done);
}

#[tokio::test]
async fn drivers_are_told_that_the_end_has_come() {
    let stage = Stage::new(&["files01"]);
    let parts = stage.parts();
    let ending = parts.ending.clone();
    assert!(!ending.is_cancelled());
    live(Engine::new(parts), &stage.clock, at(5)).await;
    assert!(ending.is_cancelled());
}

#[tokio::test]
async fn inv_4_the_last_failure_of_an_open_fate_is_asked_for_at_once_or_stays_unknown() {
    for (probe_answers, expected) in [(true, ActivityState::Done), (false, ActivityState::Unknown)] {
        let stage = Stage::new(&["files01"]);
        stage.driver.set_script(move |call, _| match call {
            Call::Run => Some(DriverFault::FailAfter(failure(FailureKind::Denied, Effect::Unknown))),
            Call::Probe if !probe_answers => {
                Some(DriverFault::Fail(failure(FailureKind::Network, Effect::NotApplied)))
            }
            _ => None,
        });
        let job = stage.enqueue_action("files01", note(1), None).await;
        stage.live_until(at(5)).await;
        assert_eq!(stage.state(job), expected);
    }
}

#[tokio::test]
async fn tampering_is_told_kept_and_freezes_the_path() {
    let stage = Stage::new(&["files01"]);
    let path = DecoyPath::new("/home/ann/note-1.txt").unwrap();
    stage.enqueue_action("files01", note(1), None).await;
    stage.live_until(at(5)).await;
    stage.driver.intrude(&name("files01"), &path, b"owned by me");
    let job = stage.enqueue_action("files01", edit("/home/ann/note-1.txt", "x\n"), None).await;
    stage.live_until(at(10)).await;
    assert_eq!(stage.state(job), ActivityState::Tampered);
    assert_eq!(stage.driver.file(&name("files01"), &path).unwrap(), "owned by me");
    let entry = stage.store.ledger(&[(name("files01"), path)]).await.unwrap().remove(0).unwrap();
    assert_eq!(entry.ownership, OwnershipPolicy::HandsOff);
    assert_eq!(stage.store.frozen()[0].evidence, "owned by me");
    let topics: HashSet<_> = stage.events_of(job).iter().map(|e| e.body.topic.to_string()).collect();
    assert!(topics.contains("decoy.files01.tampered") && topics.contains("orchestrator.file.files01"));
    assert!(stage.events_of(job).iter().any(|event| matches!(
        event.body.payload,
        EventPayload::Tampered { expected: Some(_), found: Some(_), .. }
    )));
}

#[tokio::test]
async fn inv_10_a_stale_action_is_skipped_and_an_event_says_so() {
    // Already late when it is leased.
    let stage = Stage::new(&["files01"]);
    let late = stage.enqueue_action("files01", note(1), Some(start() - Duration::from_secs(1))).await;
    // A deadline caps a back-off: it is skipped then, not two hours later.
    let capped = stage.enqueue_action("files01", note(2), Some(at(60))).await;
    // It caps a block too.
    let blocked = stage.enqueue_action("files01", note(3), Some(at(90))).await;
    stage.driver.set_script(move |call, task| {
        let kind = if task.job == capped { FailureKind::Network } else { FailureKind::ToolMissing };
        (call == Call::Run).then(|| DriverFault::Fail(failure(kind, Effect::NotApplied)))
    });
    let skipped = |stage: &Stage, job| -> Timestamp {
        assert_eq!(stage.state(job), ActivityState::Skipped);
        assert_eq!(stage.effects(job), 0);
        let event = stage.events_of(job).pop().unwrap();
        assert!(matches!(event.body.payload, EventPayload::NotDone { state, .. } if state == "SKIPPED"));
        event.body.time
    };
    stage.live_until(at(5)).await;
    assert_eq!(skipped(&stage, late), start());
    stage.live_until(at(3600)).await;
    assert!(skipped(&stage, capped) < at(61));
    assert!(skipped(&stage, blocked) < at(91));
}

#[tokio::test]
async fn inv_10_a_late_effect_of_unknown_fate_is_asked_for_and_not_run_late() {
    for (applied, expected) in [(true, ActivityState::Done), (false, ActivityState::Skipped)] {
        let stage = Stage::new(&["files01"]);
        stage.driver.set_script(move |call, _| {
            let lost = failure(FailureKind::Network, Effect::Unknown);
            (call == Call::Run)
                .then(|| if applied { DriverFault::FailAfter(lost) } else { DriverFault::Fail(lost) })
        });
        let job = stage.enqueue_action("files01", note(1), Some(at(10))).await;
        stage.live_until(at(60)).await;
        assert_eq!((stage.state(job), stage.effects(job)), (expected, u32::from(applied)));
    }
}

#[tokio::test]
async fn what_is_queued_for_a_decoy_that_left_the_fleet_fails_with_a_clear_reason() {
    let stage = Stage::new(&["files01"]);
    stage.fleet.remove(&name("files01"));
    let job = stage.enqueue_action("files01", note(1), None).await;
    stage.live_until(at(5)).await;
    assert_eq!(stage.state(job), ActivityState::Failed);
    assert!(stage.job(job).last_failure.unwrap().1.contains("files01"));
}
