//! Decoys that join and leave while the engine runs.

use std::sync::Arc;

use verisim_core::{ActivityState, EventPayload, Store, StoreError};
use verisim_engine::control::Operator;
use verisim_engine::{Arrival, Departure, Engine, FleetChange, Handle, LifePlanner, Member};
use verisim_testkit::MemoryStore;
use verisim_testkit::doubles::{Fault, FaultStore, Faults, Phase, SwitchConnector, decoy, plant};

use crate::planning::Metronome;
use crate::stage::{Stage, at, name, pass_time};

fn arrival(stage: &Stage, text: &str) -> Arrival {
    let connector = stage.switches.get(&name(text)).map_or_else(SwitchConnector::new, Arc::clone);
    Arrival {
        member: Member { decoy: decoy(text).unwrap(), connector },
        personas: vec!["maria-keller".parse().unwrap()],
        detail: "by its label".into(),
    }
}

fn departure(text: &str) -> Departure {
    Departure {
        decoy: decoy(text).unwrap(),
        reason: "removed".into(),
        detail: "its container is gone".into(),
        keeps_work: false,
    }
}

fn planner() -> Option<Box<dyn LifePlanner>> {
    Some(Box::new(Metronome::new()))
}

/// Makes a change, and lets the clock go on until it is made.
async fn change(handle: &Handle, stage: &Stage, change: FleetChange) -> bool {
    let (asked, clock) = (handle.clone(), Arc::clone(&stage.clock));
    let made = tokio::spawn(async move { asked.change_fleet(change).await });
    let until = verisim_core::Clock::now(clock.as_ref()) + std::time::Duration::from_secs(120);
    while !made.is_finished() && verisim_core::Clock::now(clock.as_ref()) < until {
        crate::stage::settle().await;
        pass_time(
            handle,
            &clock,
            verisim_core::Clock::now(clock.as_ref()) + std::time::Duration::from_secs(1),
        )
        .await;
    }
    assert!(made.is_finished(), "the change is never made");
    made.await.unwrap()
}

fn done(stage: &Stage) -> Vec<String> {
    let jobs = stage.store.all_jobs();
    jobs.iter().filter(|job| job.state.name() == "DONE").map(|job| job.key.to_string()).collect()
}

fn told(stage: &Stage, decoy: &str) -> Vec<String> {
    let events = stage.store.all_events().into_iter();
    let about = events.filter(|event| {
        event.body.decoy.as_ref().is_some_and(|name| name.as_str() == decoy)
            && matches!(event.body.payload, EventPayload::Joined { .. } | EventPayload::Left { .. })
    });
    about.map(|event| event.body.topic.to_string()).collect()
}

#[tokio::test]
async fn a_decoy_that_joins_is_planned_for_and_one_that_leaves_has_its_work_cancelled() {
    let stage = Stage::new(&["up"]);
    let mut parts = stage.parts();
    parts.planner = None;
    let engine = Engine::new(parts);
    let (handle, stop) = (engine.handle(), verisim_core::CancellationToken::new());
    let operator = Operator::new(handle.clone());
    let run = tokio::spawn(engine.run(stop.clone()));
    pass_time(&handle, &stage.clock, at(35)).await;
    let joined = FleetChange {
        left: vec![],
        joined: vec![arrival(&stage, "files01")],
        changed: vec![],
        planner: planner(),
    };
    assert!(change(&handle, &stage, joined).await);
    pass_time(&handle, &stage.clock, at(95)).await;
    // Its planner begins where it joined: nothing of what lies before is made up for.
    assert_eq!(done(&stage), ["slot/4", "slot/5", "slot/7", "slot/8"]);
    assert_eq!(told(&stage, "files01"), ["decoy.files01.joined"]);
    // It leaves with work in the queue, some of which was begun.
    stage.driver.set_script(|call, task| {
        let begun = task.action.paths().0.is_some_and(|path| path.to_string() == "/srv/begun");
        (begun && call == verisim_testkit::doubles::Call::Run).then(|| {
            verisim_testkit::doubles::DriverFault::Fail(crate::stage::failure(
                verisim_core::FailureKind::Network,
                verisim_core::Effect::Unknown,
            ))
        })
    });
    let begun = stage.enqueue_action("files01", plant("/srv/begun", "x").unwrap(), None).await;
    handle.wake();
    pass_time(&handle, &stage.clock, at(96)).await;
    assert!(stage.job(begun).intended.is_some(), "its fate is open");
    let mut waits = verisim_testkit::doubles::action_job(
        "later",
        &name("files01"),
        plant("/srv/later", "x").unwrap(),
        at(900),
        None,
    );
    waits.schedule = verisim_core::Schedule::At(at(900));
    let waits = stage.enqueue(vec![waits]).await[0];
    let left =
        FleetChange { left: vec![departure("files01")], joined: vec![], changed: vec![], planner: None };
    assert!(change(&handle, &stage, left).await);
    pass_time(&handle, &stage.clock, at(1200)).await;
    assert_eq!(stage.state(waits), ActivityState::Cancelled);
    assert_eq!(stage.job(waits).counters.failures, 0);
    let event = stage.events_of(waits).pop().unwrap().body;
    assert!(event.detail.contains("left the fleet: its container is gone"), "{event:?}");
    assert_eq!(stage.state(begun), ActivityState::Queued, "nobody knows whether it happened");
    assert_eq!(told(&stage, "files01"), ["decoy.files01.joined", "decoy.files01.left"]);
    let status = operator.status().await.unwrap();
    let shown = status.decoys.iter().find(|decoy| decoy.name == name("files01")).unwrap();
    assert!(shown.left_since.is_some() && shown.why.as_deref() == Some("its container is gone"));
    // It is refused by name, and with what is known of it.
    let refused = operator.act("t", &name("files01"), plant("/srv/no", "x").unwrap(), "by hand", None).await;
    assert!(refused.unwrap_err().message.contains("left the fleet"));
    // It is back: what was begun is asked for, and only that.
    let failures = stage.job(begun).counters.failures;
    stage.driver.set_script(|_, _| None);
    let back = FleetChange {
        left: vec![],
        joined: vec![arrival(&stage, "files01")],
        changed: vec![],
        planner: None,
    };
    assert!(change(&handle, &stage, back).await);
    pass_time(&handle, &stage.clock, at(1500)).await;
    assert_eq!(stage.state(begun), ActivityState::Done);
    assert_eq!((stage.effects(begun), stage.job(begun).counters.failures), (1, failures));
    assert_eq!(stage.state(waits), ActivityState::Cancelled);
    stop.cancel();
    run.await.unwrap().unwrap();
    let late = FleetChange { left: vec![], joined: vec![], changed: vec![], planner: None };
    assert!(!handle.change_fleet(late).await, "nobody is there to make it");
}

#[tokio::test]
async fn the_planning_is_handed_over_once_the_store_tells_what_is_known_and_nothing_is_planned_twice() {
    for call in ["ledger_scan", "jobs", "ledger"] {
        let stage = Stage::new(&["files01"]);
        let mut calls = 0;
        let faults = Faults::new(move |name, when| {
            calls += u32::from(name == call && when == Phase::Before);
            let refuses = name == call && when == Phase::Before && calls % 3 == 0;
            refuses.then(|| Fault::Refuse(StoreError::Full { path: "/state/verisim.db".into() }))
        });
        let mut parts = stage.parts();
        let inner: Arc<dyn Store> = Arc::<MemoryStore>::clone(&stage.store);
        parts.store = FaultStore::new(inner, faults);
        parts.planner = planner();
        let engine = Engine::new(parts);
        let (handle, stop) = (engine.handle(), verisim_core::CancellationToken::new());
        let run = tokio::spawn(engine.run(stop.clone()));
        for second in [5, 30, 61, 150, 151, 290] {
            pass_time(&handle, &stage.clock, at(second)).await;
            let next = FleetChange { left: vec![], joined: vec![], changed: vec![], planner: planner() };
            assert!(change(&handle, &stage, next).await, "{call}");
        }
        pass_time(&handle, &stage.clock, at(1200)).await;
        stop.cancel();
        run.await.unwrap().unwrap();
        let mut made: Vec<String> = stage.store.all_jobs().iter().map(|job| job.key.to_string()).collect();
        made.sort();
        assert_eq!(made, Metronome::expected(), "{call}");
    }
}
