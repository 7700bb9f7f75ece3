//! The control socket, from both ends.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use verisim_core::{
    ActivityState, CancellationToken, DecoyPath, EventId, JobId, JobState, RemoveFile, SyncState,
};
use verisim_engine::Engine;
use verisim_engine::control::{
    Answer, Client, ClientError, JobQuery, Operator, Refusal, RefusalKind, Request, Server, ServerParts,
};
use verisim_testkit::doubles::{ModelSync, plant, sync_spec};

use crate::stage::{Stage, at, name, pass_time, settle};

/// A running engine with its socket.
struct Daemon {
    stage: Stage,
    handle: verisim_engine::Handle,
    stop: CancellationToken,
    path: PathBuf,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

impl Daemon {
    fn start(stage: Stage) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let engine = Engine::new(stage.parts());
        let handle = engine.handle();
        let stop = CancellationToken::new();
        let parts = ServerParts {
            operator: Operator::new(handle.clone()),
            shutdown: stop.clone(),
            uid: std::fs::metadata(dir.path()).unwrap().uid(),
        };
        let server = Server::bind(&path, parts).unwrap();
        let end = stop.clone();
        let run = stop.clone();
        let tasks =
            vec![tokio::spawn(async move { engine.run(run).await.unwrap() }), tokio::spawn(server.run(end))];
        Self { stage, handle, stop, path, tasks, _dir: dir }
    }

    async fn client(&self) -> Client {
        Client::connect(&self.path).await.unwrap().unwrap()
    }

    async fn pass(&self, seconds: u64) {
        pass_time(&self.handle, &self.stage.clock, at(seconds)).await;
    }

    async fn end(self) {
        self.stop.cancel();
        for task in self.tasks {
            task.await.unwrap();
        }
        assert!(!self.path.exists());
        assert!(Client::connect(&self.path).await.unwrap().is_none());
    }
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> Refusal {
    match answer {
        Err(ClientError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_is_planted_read_and_removed_over_the_socket() {
    let daemon = Daemon::start(Stage::new(&["files01"]));
    assert_eq!(std::fs::metadata(&daemon.path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut client = daemon.client().await;
    let content = "line\n".repeat(500_000);
    let act = |token: &str, action| Request::Act {
        token: token.into(),
        decoy: name("files01"),
        action: Box::new(action),
        why: "by hand".into(),
        deadline: None,
    };
    let planting = act("t1", plant("/root/big.txt", &content).unwrap());
    let Answer::Made { job, new: true } = client.ask(planting.clone()).await.unwrap() else { panic!() };
    assert_eq!(client.ask(planting).await.unwrap(), Answer::Made { job, new: false });
    daemon.pass(1).await;
    let Answer::Job(view) = client.ask(Request::Wait { job, limit_ms: 1 }).await.unwrap() else { panic!() };
    assert_eq!((view.state.as_str(), view.rests, view.subject.as_str()), ("DONE", true, "/root/big.txt"));
    let path = DecoyPath::new("/root/big.txt").unwrap();
    let read = client.read(name("files01"), path.clone(), 1 << 30).await.unwrap();
    assert_eq!(read, content.as_bytes());
    client.ask(act("t2", verisim_core::Action::Remove(RemoveFile { path: path.clone() }))).await.unwrap();
    daemon.pass(2).await;
    let gone = refusal(client.read(name("files01"), path.clone(), 10).await);
    assert_eq!(gone.kind, RefusalKind::NotFound);
    let unknown = refusal(client.read(name("nobody"), path, 10).await);
    assert!(unknown.message.contains("nobody"));
    let Answer::Status(status) = client.ask(Request::Status).await.unwrap() else { panic!() };
    assert_eq!((status.running, status.decoys.len(), status.trouble), (0, 1, None));
    daemon.end().await;
}

#[tokio::test]
async fn events_are_followed_from_any_point_without_a_gap() {
    let daemon = Daemon::start(Stage::new(&["files01"]));
    for number in 0..40 {
        let action = plant(&format!("/srv/{number}"), "x").unwrap();
        daemon.stage.enqueue_action("files01", action, None).await;
    }
    daemon.handle.wake();
    daemon.pass(1).await;
    let mut early = daemon.client().await.follow(Some(EventId(5)), "orchestrator.>").await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 35 {
        seen.push(early.next().await.unwrap().unwrap().id.0);
    }
    let action = plant("/srv/late", "x").unwrap();
    daemon.stage.enqueue_action("files01", action, None).await;
    daemon.handle.wake();
    daemon.pass(2).await;
    while seen.len() < 37 {
        seen.push(early.next().await.unwrap().unwrap().id.0);
    }
    let stored: Vec<i64> = daemon.stage.store.all_events().iter().map(|event| event.id.0).collect();
    let wanted: Vec<i64> = stored.into_iter().filter(|id| *id > 5).collect();
    assert_eq!(seen, wanted);
    daemon.end().await;
    assert!(early.next().await.unwrap().is_none());
}

#[tokio::test]
async fn an_operator_moves_jobs_by_legal_edges_only() {
    let sync = ModelSync::new(vec![sync_spec("cowrie", "run-1", "vault").unwrap()]);
    let daemon = Daemon::start(Stage::with_sync(&["files01"], sync));
    daemon.pass(5).await;
    let mut client = daemon.client().await;
    let job = JobId(1);
    let state = |daemon: &Daemon| match daemon.stage.job(job).state {
        JobState::Sync(state) => state,
        JobState::Activity(state) => panic!("{state}"),
    };
    assert_eq!(state(&daemon), SyncState::Verified);
    let passes = |daemon: &Daemon| {
        daemon.stage.sync.steps().iter().filter(|(_, state)| *state == SyncState::AwaitingVerify).count()
    };
    assert_eq!(passes(&daemon), 1);
    client.ask(Request::Verify { job }).await.unwrap();
    daemon.pass(6).await;
    assert_eq!((state(&daemon), passes(&daemon)), (SyncState::Verified, 2));
    let refused = refusal(client.ask(Request::Retry { job }).await);
    assert_eq!(refused.kind, RefusalKind::WrongState);
    assert!(refused.message.contains("VERIFIED"), "{}", refused.message);
    client.ask(Request::Cancel { job }).await.unwrap();
    assert_eq!(state(&daemon), SyncState::Cancelled);
    assert_eq!(refusal(client.ask(Request::Verify { job }).await).kind, RefusalKind::WrongState);
    client.ask(Request::Retry { job }).await.unwrap();
    daemon.pass(7).await;
    assert_eq!(state(&daemon), SyncState::Verified);
    let missing = refusal(client.ask(Request::Job { job: JobId(99) }).await);
    assert_eq!(missing.kind, RefusalKind::NotFound);
    let query = JobQuery { states: vec!["verified".into()], limit: 10, ..JobQuery::default() };
    let Answer::Jobs(jobs) = client.ask(Request::Jobs(query)).await.unwrap() else { panic!() };
    assert_eq!((jobs.len(), jobs[0].subject.as_str()), (1, "cowrie/run-1"));
    daemon.end().await;
}

#[tokio::test]
async fn a_running_push_shows_its_progress_and_stops_when_it_is_cancelled() {
    let sync = ModelSync::new(vec![sync_spec("cowrie", "run-1", "vault").unwrap()]);
    sync.set_held(true);
    let daemon = Daemon::start(Stage::with_sync(&[], sync));
    settle().await;
    let mut client = daemon.client().await;
    let Answer::Progress(running) = client.ask(Request::Progress).await.unwrap() else { panic!() };
    assert_eq!((running[0].job, running[0].progress.files_done), (JobId(1), 3));
    let Answer::Job(view) = client.ask(Request::Cancel { job: JobId(1) }).await.unwrap() else { panic!() };
    assert_eq!(view.state, "CANCELLED");
    // It is over at once, and its own outcome came too late to count (INV-3).
    daemon.pass(1).await;
    let Answer::Progress(running) = client.ask(Request::Progress).await.unwrap() else { panic!() };
    assert!(running.is_empty());
    assert_eq!(daemon.stage.job(JobId(1)).state, JobState::Sync(SyncState::Cancelled));
    daemon.end().await;
}

/// A capture that is due and has no place at its destination says which ones have them.
#[tokio::test]
async fn who_waits_for_a_place_is_told_who_has_it() {
    let specs = ["run-1", "run-2", "run-3"].map(|run| sync_spec("cowrie", run, "vault").unwrap());
    let sync = ModelSync::new(specs.to_vec());
    sync.set_held(true);
    let daemon = Daemon::start(Stage::with_sync(&[], sync));
    settle().await;
    let mut client = daemon.client().await;
    let query = JobQuery { limit: 10, ..JobQuery::default() };
    let Answer::Jobs(jobs) = client.ask(Request::Jobs(query)).await.unwrap() else { panic!() };
    let waiting: Vec<_> = jobs.iter().filter(|job| !job.behind.is_empty()).collect();
    assert_eq!(waiting.len(), 1, "{jobs:?}");
    let others: Vec<JobId> = (1..=3).map(JobId).filter(|id| *id != waiting[0].id).collect();
    assert_eq!(waiting[0].behind, others);
    daemon.end().await;
}

#[tokio::test]
async fn an_action_is_cancelled_before_it_runs_and_not_repeated_after() {
    let daemon = Daemon::start(Stage::new(&["files01"]));
    daemon.stage.switches[&name("files01")].set_answers(false);
    let operator = Operator::new(daemon.handle.clone());
    let later = plant("/srv/later", "x").unwrap();
    let (job, _) = operator.act("a", &name("files01"), later, "by hand", None).await.unwrap();
    let cancelled = operator.cancel(job).await.unwrap();
    assert_eq!(cancelled.state, "CANCELLED");
    daemon.pass(5).await;
    assert_eq!(daemon.stage.effects(job), 0);
    let event = daemon.stage.events_of(job).remove(0);
    assert_eq!(event.body.detail, "by the operator");
    assert_eq!(operator.retry(job).await.unwrap_err().kind, RefusalKind::WrongState);
    assert_eq!(operator.cancel(job).await.unwrap_err().kind, RefusalKind::WrongState);
    assert_eq!(daemon.stage.state(job), ActivityState::Cancelled);
    daemon.end().await;
}

#[tokio::test]
async fn bad_lines_are_refused_and_end_nothing() {
    let daemon = Daemon::start(Stage::new(&[]));
    let stream = tokio::net::UnixStream::connect(&daemon.path).await.unwrap();
    let (input, mut output) = stream.into_split();
    let mut lines = tokio::io::BufReader::new(input).lines();
    for (line, want) in [
        ("{}", "bad_request"),
        ("\u{1b}[31m", "bad_request"),
        (r#"{"v":2,"request":"status"}"#, "version 1"),
        (r#"{"v":1,"request":"dance"}"#, "bad_request"),
        (r#"{"v":1,"request":"events","after":0,"topic":"A B","limit":1}"#, "bad_request"),
        (r#"{"v":1,"request":"status"}"#, "answer"),
    ] {
        output.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let reply = lines.next_line().await.unwrap().unwrap();
        assert!(reply.contains(want) && !reply.contains('\u{1b}'), "{line}: {reply}");
    }
    // A line that never ends is given up, not swallowed.
    let mut flood = tokio::net::UnixStream::connect(&daemon.path).await.unwrap();
    let chunk = vec![b'x'; 1 << 20];
    let mut sent = 0;
    while flood.write_all(&chunk).await.is_ok() {
        sent += chunk.len();
        assert!(sent < 64 << 20, "nobody stopped it");
    }
    let mut client = daemon.client().await;
    assert_eq!(client.ask(Request::Shutdown).await.unwrap(), Answer::Done);
    daemon.end().await;
}

#[tokio::test]
async fn a_full_house_is_told_so_in_words() {
    let daemon = Daemon::start(Stage::new(&["files01"]));
    let mut idle = Vec::new();
    for _ in 0..32 {
        let mut client = daemon.client().await;
        client.ask(Request::Status).await.unwrap();
        idle.push(client);
    }
    for _ in 0..20 {
        let refused = refusal(daemon.client().await.ask(Request::Status).await);
        assert_eq!(refused.kind, RefusalKind::Busy);
    }
    idle.pop();
    settle().await;
    let mut late = daemon.client().await;
    assert!(late.ask(Request::Status).await.is_ok());
    daemon.end().await;
}

#[tokio::test]
async fn who_says_nothing_for_five_minutes_loses_his_place() {
    let daemon = Daemon::start(Stage::new(&[]));
    let (mut silent, mut busy) = (daemon.client().await, daemon.client().await);
    silent.ask(Request::Status).await.unwrap();
    // Half a call keeps no place either.
    let mut half = tokio::net::UnixStream::connect(&daemon.path).await.unwrap();
    half.write_all(br#"{"v":1,"#).await.unwrap();
    settle().await;
    for _ in 0..3 {
        busy.ask(Request::Status).await.unwrap();
        daemon.stage.clock.advance(std::time::Duration::from_secs(101));
        settle().await;
    }
    assert!(matches!(silent.ask(Request::Status).await, Err(ClientError::Connection(_))));
    let mut rest = Vec::new();
    assert_eq!(tokio::io::AsyncReadExt::read_to_end(&mut half, &mut rest).await.unwrap(), 0);
    busy.ask(Request::Status).await.unwrap();
    daemon.end().await;
}
