//! The process dies at every step of a run, and a new one goes on over the same store and decoys.

use std::sync::Arc;
use std::time::Duration;

use verisim_core::{
    Action, ActivityState, Body, CancellationToken, Clock as _, DecoyPath, DriverKind, EditFile, JobId,
    JobState, MoveFile, RemoveFile, Store, StoreError, SyncState, TextEdit, Traffic, TrafficProtocol,
    WorkerId,
};
use verisim_engine::Engine;
use verisim_testkit::MemoryStore;
use verisim_testkit::doubles::{Fault, FaultStore, Faults, ModelDriver, ModelSync, Phase, plant, sync_spec};

use crate::stage::{Stage, at, live, name, pass_time};

/// Some life and one capture: every kind of action, with an order to keep.
async fn populated() -> (Stage, Vec<JobId>) {
    let sync = ModelSync::new(vec![sync_spec("cowrie", "run-1", "vault").unwrap()]);
    let stage = Stage::with_sync(&["a", "b"], sync);
    let path = |text: &str| DecoyPath::new(text).unwrap();
    let edit = EditFile {
        path: path("/srv/x"),
        edits: vec![TextEdit::Append { text: Body::from("more\n") }],
        shared: false,
    };
    let mut jobs = Vec::new();
    for decoy in ["a", "b"] {
        for action in [
            plant("/srv/x", "one\n").unwrap(),
            Action::Edit(edit.clone()),
            Action::Move(MoveFile { from: path("/srv/x"), to: path("/srv/y") }),
            plant("/srv/z", "two\n").unwrap(),
            Action::Remove(RemoveFile { path: path("/srv/z") }),
            Action::Traffic(Traffic::new(name("b"), TrafficProtocol::Http)),
        ] {
            jobs.push(stage.enqueue_action(decoy, action, None).await);
        }
    }
    (stage, jobs)
}

/// One process: lives until `end`, or until it dies.
async fn process(
    stage: &mut Stage,
    faults: &Arc<Faults>,
    number: usize,
    end: verisim_core::Timestamp,
) -> bool {
    stage.driver = ModelDriver::mortal(DriverKind::File, &stage.driver, Arc::clone(faults));
    stage.traffic = ModelDriver::mortal(DriverKind::Traffic, &stage.traffic, Arc::clone(faults));
    let mut parts = stage.parts();
    let store: Arc<dyn Store> = Arc::<MemoryStore>::clone(&stage.store);
    parts.store = FaultStore::new(store, Arc::clone(faults));
    parts.worker = WorkerId(format!("process/{number}").into());
    let engine = Engine::new(parts);
    let handle = engine.handle();
    let run = engine.run(CancellationToken::new());
    tokio::select! {
        biased;
        // Dropping the run is the death: nothing of it goes on.
        () = faults.dead().cancelled() => false,
        ended = run => panic!("it ended by itself: {ended:?}"),
        () = pass_time(&handle, &stage.clock, end) => true,
    }
}

fn assert_all_done_once(stage: &Stage, jobs: &[JobId], context: &str) {
    for job in jobs {
        let row = stage.job(*job);
        let is_traffic = matches!(&row.work, verisim_core::Work::Activity { action, .. }
            if action.driver() == DriverKind::Traffic);
        // A connection that was under way when the process died cannot be known, and is not repeated (INV-4).
        let fine = match stage.state(*job) {
            ActivityState::Done => stage.effects(*job) == 1,
            ActivityState::Unknown => is_traffic && stage.effects(*job) <= 1,
            _ => false,
        };
        assert!(fine, "{context}: {row:?} happened {} times", stage.effects(*job));
        let ends = stage.events_of(*job).len();
        assert_eq!(ends, 1, "{context}: job {job} has {ends} outcomes");
    }
    let syncs: Vec<_> =
        stage.store.all_jobs().into_iter().filter(|job| matches!(job.state, JobState::Sync(_))).collect();
    assert_eq!(syncs.len(), 1, "{context}");
    assert_eq!(syncs[0].state, JobState::Sync(SyncState::Verified), "{context}");
    for decoy in ["a", "b"] {
        let file = |path: &str| stage.driver.file(&name(decoy), &DecoyPath::new(path).unwrap());
        assert_eq!(file("/srv/y").unwrap(), "one\nmore\n", "{context}");
        assert_eq!((file("/srv/x"), file("/srv/z")), (None, None), "{context}");
    }
}

#[tokio::test]
async fn inv_12_a_death_at_any_step_loses_no_job_and_repeats_no_confirmed_effect() {
    let mut k = 0;
    loop {
        let (mut stage, jobs) = populated().await;
        let survived = process(&mut stage, &Faults::die_at(k), 1, at(600)).await;
        if !survived {
            assert!(process(&mut stage, &Faults::new(|_, _| None), 2, at(1200)).await);
        }
        assert_all_done_once(&stage, &jobs, &format!("death at step {k}"));
        if survived {
            break;
        }
        k += 1;
    }
    // The injection was hit, and often: every call of store and drivers has two steps.
    assert!(k > 100, "only {k} steps");
}

#[tokio::test]
async fn inv_12_many_deaths_in_a_row_lose_nothing_either() {
    for seed in 0..24_u64 {
        let (mut stage, jobs) = populated().await;
        let mut number = 0;
        let mut draw = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        loop {
            draw ^= draw << 13;
            draw ^= draw >> 7;
            draw ^= draw << 17;
            number += 1;
            let until = stage.clock.now() + Duration::from_secs(120);
            if process(&mut stage, &Faults::die_at((draw % 197) as usize), number, until).await {
                break;
            }
            assert!(number < 200, "seed {seed} gets nowhere");
        }
        assert_all_done_once(&stage, &jobs, &format!("seed {seed}"));
    }
}

#[tokio::test]
async fn a_store_that_refuses_now_and_then_is_waited_out_and_nothing_happens_twice() {
    for seed in 0..24_u64 {
        let (mut stage, jobs) = populated().await;
        let mut draw = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut calls = 0;
        let faults = Faults::new(move |_, phase| {
            draw ^= draw << 13;
            draw ^= draw >> 7;
            draw ^= draw << 17;
            calls += 1;
            let full = StoreError::Full { path: "/state/verisim.db".into() };
            // The start must succeed: a daemon whose store cannot be read says so and ends.
            (calls > 20 && phase == Phase::Before && draw % 4 == 0 && calls < 400)
                .then_some(Fault::Refuse(full))
        });
        assert!(process(&mut stage, &faults, 1, at(3600)).await);
        assert_all_done_once(&stage, &jobs, &format!("seed {seed}"));
    }
}

#[tokio::test]
async fn a_full_disk_stops_effects_is_told_when_it_can_be_and_is_waited_out() {
    let (stage, jobs) = populated().await;
    let clock = Arc::clone(&stage.clock);
    let faults = Faults::new(move |call, phase| {
        let full = clock.now() < at(300);
        let writes = matches!(call, "start" | "record" | "enqueue" | "emit" | "heartbeat");
        (full && writes && phase == Phase::Before)
            .then(|| Fault::Refuse(StoreError::Full { path: "/state/verisim.db".into() }))
    });
    let mut parts = stage.parts();
    let store: Arc<dyn Store> = Arc::<MemoryStore>::clone(&stage.store);
    parts.store = FaultStore::new(store, faults);
    let engine = Engine::new(parts);
    let handle = engine.handle();
    let stop = CancellationToken::new();
    let run = tokio::spawn(engine.run(stop.clone()));
    pass_time(&handle, &stage.clock, at(299)).await;
    assert!(jobs.iter().all(|job| stage.effects(*job) == 0), "an effect without a durable row");
    pass_time(&handle, &stage.clock, at(900)).await;
    stop.cancel();
    run.await.unwrap().unwrap();
    assert_all_done_once(&stage, &jobs, "full disk");
    let events = stage.store.all_events();
    assert!(events.iter().any(|event| event.body.detail.contains("is full") && !event.body.success));
}

#[tokio::test]
async fn defects_05_18_inv_3_a_stale_worker_changes_nothing() {
    let (stage, jobs) = populated().await;
    // Behind the engine's back every lease is taken away just before its outcome is recorded.
    let (store, mut robbed) = (Arc::clone(&stage.store), 0);
    let faults = Faults::new(move |call, phase| {
        if call == "record" && phase == Phase::Before && robbed < 2 {
            robbed += 1;
            futures_util::FutureExt::now_or_never(store.take_back(at(0), true));
        }
        None
    });
    let mut parts = stage.parts();
    let inner: Arc<dyn Store> = Arc::<MemoryStore>::clone(&stage.store);
    parts.store = FaultStore::new(inner, faults);
    live(Engine::new(parts), &stage.clock, at(600)).await;
    // What was recorded under a lost lease did not count; the next lease asked first, and found it done.
    assert_all_done_once(&stage, &jobs, "robbed");
    assert!(jobs.iter().any(|job| stage.job(*job).counters.leases_lost > 0));
}
