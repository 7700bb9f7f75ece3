//! A decoy's root that is another one than before: a mount that is missing, a copy, a new beginning.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use verisim_connect::RootfsConnector;
use verisim_core::{
    Action, ActivityDriver, ActivityState, CancellationToken, DecoyPath, DriverKind, EditFile, EventPayload,
    OwnershipPolicy, Store as _, TextEdit, Timestamp,
};
use verisim_drivers::{Connectors, FileDriver};
use verisim_engine::control::{Operator, RefusalKind, Release};
use verisim_engine::{Engine, EngineParts, Member};
use verisim_testkit::VirtualClock;
use verisim_testkit::doubles::{decoy, plant};

use crate::stage::{Stage, at, live, name, pass_time};

/// A stage with a decoy `files` whose root is a real directory.
struct Host {
    stage: Stage,
    dir: tempfile::TempDir,
}

fn edit(path: &str, body: &'static str) -> Action {
    let edits = vec![TextEdit::Whole { body: body.into() }];
    Action::Edit(EditFile { path: DecoyPath::new(path).unwrap(), edits, shared: false })
}

impl Host {
    fn new() -> Self {
        let host = Self { stage: Stage::new(&[]), dir: tempfile::tempdir().unwrap() };
        fs::create_dir(host.root()).unwrap();
        host
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn away(&self) -> PathBuf {
        self.dir.path().join("away")
    }

    /// The mount goes, and its mount point is left.
    fn unmount(&self) {
        fs::rename(self.root(), self.away()).unwrap();
        fs::create_dir(self.root()).unwrap();
    }

    fn mount(&self) {
        fs::remove_dir_all(self.root()).unwrap();
        fs::rename(self.away(), self.root()).unwrap();
    }

    /// The parts of a new process.
    fn parts(&self) -> EngineParts {
        let clock = Arc::<VirtualClock>::clone(&self.stage.clock);
        let connector: Arc<RootfsConnector> = Arc::new(RootfsConnector::new(self.root(), clock));
        let connectors = Connectors::new();
        connectors.insert(name("files"), Arc::<RootfsConnector>::clone(&connector) as _);
        let driver: Arc<dyn ActivityDriver> = Arc::new(FileDriver::new(connectors));
        let fleet = verisim_engine::Fleet::new([Member { decoy: decoy("files").unwrap(), connector }]);
        let drivers = HashMap::from([(DriverKind::File, driver)]);
        EngineParts { drivers, fleet, ..self.stage.parts() }
    }

    async fn live_until(&self, end: Timestamp) {
        live(Engine::new(self.parts()), &self.stage.clock, end).await;
    }

    /// Plants so many files, one process long.
    async fn plant(&self, files: usize) {
        for file in 0..files {
            self.stage.enqueue_action("files", plant(&format!("/srv/{file}"), "ours\n").unwrap(), None).await;
        }
        self.live_until(at(5)).await;
        assert_eq!(fs::read_dir(self.root().join("srv")).unwrap().count(), files);
    }

    /// What was told about whether it is worked on.
    fn told(&self) -> Vec<(bool, String)> {
        let events = self.stage.store.all_events();
        let about = events.into_iter().filter(|e| matches!(e.body.payload, EventPayload::Reachable { .. }));
        about.map(|event| (event.body.success, event.body.detail)).collect()
    }

    fn tampered(&self) -> usize {
        let events = self.stage.store.all_events();
        events.iter().filter(|e| matches!(e.body.payload, EventPayload::Tampered { .. })).count()
    }

    async fn frozen(&self) -> usize {
        let all = self.stage.store.ledger_scan(None, 1000).await.unwrap();
        all.iter().filter(|entry| entry.ownership == OwnershipPolicy::HandsOff).count()
    }
}

#[tokio::test]
async fn a_mount_that_is_missing_at_the_start_freezes_nothing_and_is_well_when_it_comes() {
    let host = Host::new();
    host.plant(40).await;
    host.unmount();
    let mut jobs = Vec::new();
    for file in 0..40 {
        let action = edit(&format!("/srv/{file}"), "ours\nmore\n");
        // Every other one is too late when the mount comes.
        let deadline = (file % 2 == 1).then(|| at(60));
        jobs.push(host.stage.enqueue_action("files", action, deadline).await);
    }
    let engine = Engine::new(host.parts());
    let (handle, stop) = (engine.handle(), CancellationToken::new());
    let run = tokio::spawn(engine.run(stop.clone()));
    pass_time(&handle, &host.stage.clock, at(1000)).await;
    let told = host.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].1.contains("mount it") && told[0].1.contains("verisim decoy accept files"), "{told:?}");
    assert_eq!((host.tampered(), host.frozen().await), (0, 0));
    assert_eq!(fs::read_dir(host.root()).unwrap().count(), 0, "something was done on the mount point");
    let status = Operator::new(handle.clone()).status().await.unwrap();
    assert!(status.decoys[0].why.as_deref().unwrap().contains("of 20 known paths"), "{status:?}");
    for (file, job) in jobs.iter().enumerate() {
        let expected = if file % 2 == 1 { ActivityState::Skipped } else { ActivityState::Queued };
        assert_eq!(host.stage.state(*job), expected);
        assert_eq!(host.stage.events_of(*job).len(), file % 2, "no job failed");
    }
    host.mount();
    pass_time(&handle, &host.stage.clock, at(1000 + 1801)).await;
    assert_eq!(host.told().iter().map(|(well, _)| *well).collect::<Vec<_>>(), [false, true]);
    assert!(jobs.iter().step_by(2).all(|job| host.stage.state(*job) == ActivityState::Done));
    assert_eq!(fs::read(host.root().join("srv/0")).unwrap(), b"ours\nmore\n");
    assert_eq!((host.tampered(), host.frozen().await), (0, 0));
    // A mount that goes while the daemon runs is the same.
    host.unmount();
    host.stage.enqueue_action("files", edit("/srv/1", "x"), None).await;
    handle.wake();
    pass_time(&handle, &host.stage.clock, at(5000)).await;
    assert_eq!((host.tampered(), host.frozen().await), (0, 0));
    assert!(host.told().last().unwrap().1.contains("decoy accept"), "{:?}", host.told());
    stop.cancel();
    run.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_root_that_was_copied_with_its_files_is_taken_for_the_same_and_told_once() {
    let host = Host::new();
    host.plant(9).await;
    host.unmount();
    fs::create_dir(host.root().join("srv")).unwrap();
    for file in 0..9 {
        // Somebody changed some meanwhile.
        let body = if file < 3 { "theirs" } else { "ours\n" };
        fs::write(host.root().join(format!("srv/{file}")), body).unwrap();
    }
    let job = host.stage.enqueue_action("files", edit("/srv/8", "new\n"), None).await;
    host.live_until(at(10)).await;
    assert_eq!(host.stage.state(job), ActivityState::Done);
    let told = host.told();
    assert!(told.len() == 1 && told[0].0 && told[0].1.contains("6 of 9"), "{told:?}");
    let job = host.stage.enqueue_action("files", edit("/srv/7", "new\n"), None).await;
    host.live_until(at(20)).await;
    assert_eq!((host.stage.state(job), host.told().len()), (ActivityState::Done, 1));
}

#[tokio::test]
async fn files_that_are_gone_from_the_root_that_is_known_are_tampering() {
    let host = Host::new();
    host.plant(3).await;
    fs::remove_dir_all(host.root().join("srv")).unwrap();
    let job = host.stage.enqueue_action("files", edit("/srv/0", "new\n"), None).await;
    host.live_until(at(10)).await;
    assert_eq!((host.stage.state(job), host.tampered()), (ActivityState::Tampered, 1));
}

#[tokio::test]
async fn a_root_that_was_replaced_on_purpose_is_accepted_and_life_starts_anew() {
    let host = Host::new();
    host.plant(5).await;
    host.unmount();
    let old = host.stage.enqueue_action("files", edit("/srv/0", "x"), None).await;
    let new = host.stage.enqueue_action("files", plant("/srv/new", "new\n").unwrap(), None).await;
    let engine = Engine::new(host.parts());
    let (handle, stop) = (engine.handle(), CancellationToken::new());
    let run = tokio::spawn(engine.run(stop.clone()));
    pass_time(&handle, &host.stage.clock, at(20)).await;
    assert_eq!(host.stage.state(new), ActivityState::Queued);
    let operator = Operator::new(handle.clone());
    assert_eq!(operator.accept_root(&name("files")).await.unwrap(), 5);
    pass_time(&handle, &host.stage.clock, at(25)).await;
    assert_eq!(host.stage.state(old), ActivityState::Cancelled);
    assert_eq!(host.stage.state(new), ActivityState::Done);
    let known = operator.ledger(&name("files"), false, None, 100).await.unwrap();
    assert_eq!(known.iter().map(|entry| entry.path.to_string()).collect::<Vec<_>>(), ["/srv/new"]);
    let again = operator.accept_root(&name("files")).await.unwrap_err();
    assert_eq!(again.kind, RefusalKind::WrongState, "{again}");
    stop.cancel();
    run.await.unwrap().unwrap();
    assert_eq!(host.tampered(), 0);
}

#[tokio::test]
async fn a_frozen_path_is_adopted_or_forgotten_by_a_person_and_not_before() {
    let host = Host::new();
    host.plant(3).await;
    for file in ["srv/0", "srv/1"] {
        fs::write(host.root().join(file), "theirs\n").unwrap();
    }
    for file in ["/srv/0", "/srv/1"] {
        host.stage.enqueue_action("files", edit(file, "x"), None).await;
    }
    host.live_until(at(10)).await;
    assert_eq!(host.frozen().await, 2);
    let operator = Operator::new(Engine::new(host.parts()).handle());
    let (files, path) = (name("files"), |text: &str| DecoyPath::new(text).unwrap());
    let listed = operator.ledger(&files, true, None, 100).await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.path.to_string()).collect::<Vec<_>>(), ["/srv/0", "/srv/1"]);
    let adopted = operator.release(&files, &path("/srv/0"), Release::Adopt).await.unwrap().unwrap();
    assert_eq!((adopted.policy, adopted.size), (OwnershipPolicy::Owned, 7));
    assert_eq!(operator.release(&files, &path("/srv/1"), Release::Forget).await.unwrap(), None);
    let unknown = operator.release(&files, &path("/etc/passwd"), Release::Adopt).await.unwrap_err();
    assert_eq!(unknown.kind, RefusalKind::NotFound);
    let decided = host.stage.store.all_events();
    let decided: Vec<_> =
        decided.iter().filter(|e| matches!(e.body.payload, EventPayload::Released { .. })).collect();
    assert_eq!(decided.len(), 2);
    assert!(decided.iter().all(|event| event.body.detail == "by the operator"));
    // What was adopted is worked on; what was forgotten is never touched, and nobody is told of it again.
    let edited = host.stage.enqueue_action("files", edit("/srv/0", "ours again\n"), None).await;
    let refused = host.stage.enqueue_action("files", plant("/srv/1", "x").unwrap(), None).await;
    host.live_until(at(20)).await;
    assert_eq!(host.stage.state(edited), ActivityState::Done);
    assert_eq!(host.stage.state(refused), ActivityState::Failed);
    assert_eq!(fs::read(host.root().join("srv/1")).unwrap(), b"theirs\n");
    assert_eq!(host.tampered(), 2);
    let shown = operator.ledger(&files, false, None, 100).await.unwrap();
    assert_eq!(shown.len(), 2, "what was forgotten left the ledger: {shown:?}");
    // Once it is gone there is nothing left to remember.
    fs::remove_file(host.root().join("srv/1")).unwrap();
    operator.release(&files, &path("/srv/1"), Release::Forget).await.unwrap();
    let planted = host.stage.enqueue_action("files", plant("/srv/1", "x").unwrap(), None).await;
    host.live_until(at(30)).await;
    assert_eq!(host.stage.state(planted), ActivityState::Done);
}

#[tokio::test]
async fn what_cannot_be_adopted_is_refused_and_nothing_changes() {
    let host = Host::new();
    host.plant(2).await;
    fs::remove_file(host.root().join("srv/0")).unwrap();
    fs::remove_file(host.root().join("srv/1")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", host.root().join("srv/1")).unwrap();
    let operator = Operator::new(Engine::new(host.parts()).handle());
    for file in ["/srv/0", "/srv/1"] {
        let path = DecoyPath::new(file).unwrap();
        let refusal = operator.release(&name("files"), &path, Release::Adopt).await.unwrap_err();
        assert!(refusal.message.contains("only be forgotten"), "{refusal}");
    }
    // An action whose fate is open must be looked into first.
    let job = host.stage.enqueue_action("files", edit("/srv/0", "x"), None).await;
    let leased = host.stage.store.lease(verisim_core::LeaseRequest {
        worker: verisim_core::WorkerId("other".into()),
        kind: verisim_core::LaneKind::Decoy,
        now: at(10),
        until: at(40),
        lanes_max: 9,
        per_lane_max: 9,
        allowance: HashMap::new(),
    });
    assert_eq!(leased.await.unwrap()[0].job.id, job);
    let path = DecoyPath::new("/srv/0").unwrap();
    let refusal = operator.release(&name("files"), &path, Release::Forget).await.unwrap_err();
    assert!(refusal.message.contains("under way"), "{refusal}");
}
