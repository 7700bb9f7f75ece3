//! The way to the engine breaks at every step.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use verisim_connect::{DockerConnector, DockerOptions, Engine, EngineAddress, Reach};
use verisim_core::{
    Action, Body, ByteCount, ByteRange, Connector as _, Decoy, DecoyName, Digest, Effect, FailureKind, Fate,
    FileClass, FileMode, FileTimes, FileWrite, Intended, JobId, Owner, OwnerPolicy, PlantFile, StatRequest,
    Task, WriteOutcome,
};
use verisim_drivers::{Connectors, FileDriver};
use verisim_testkit::decoy_under_test::{answer, new_file, path, staging, write_one};
use verisim_testkit::{RealContainer, RealEngine};

use crate::decoys::OwnClock;

/// Larger than what the engine writes at once, so that it can be torn.
const FILE_BYTES: usize = 300_000;

/// Where a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Before anything is sent.
    AtOnce,
    /// In the middle of what we send: after so many bytes, if there are as many.
    Sending(usize),
    /// When the answer is about to come: what was asked for has happened.
    Answering,
    /// In the middle of the answer.
    HalfAnswered,
}

const CUTS: [Cut; 5] =
    [Cut::AtOnce, Cut::Sending(100), Cut::Sending(150_000), Cut::Answering, Cut::HalfAnswered];

/// Passes connections on to an engine, one of which it cuts.
struct Cutter {
    socket: PathBuf,
    connections: Arc<AtomicUsize>,
    was_hit: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Cutter {
    fn start(engine: &RealEngine, cut: Option<(usize, Cut)>) -> Self {
        let socket = engine.folder().join("cutter.sock");
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let (connections, was_hit) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, hit, behind) = (Arc::clone(&connections), Arc::clone(&was_hit), engine.socket());
        let task = tokio::spawn(async move {
            loop {
                let (front, _) = listener.accept().await.unwrap();
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let cut = cut.and_then(|(at, cut)| (at == number).then_some(cut));
                tokio::spawn(pass(front, behind.clone(), cut, Arc::clone(&hit)));
            }
        });
        Self { socket, connections, was_hit, task }
    }

    fn connector(&self, reach: Reach) -> DockerConnector {
        let options = DockerOptions { container: "decoy".parse().unwrap(), reach: Some(reach), exec: false };
        let engine = Engine::at(EngineAddress::Socket(self.socket.clone()));
        DockerConnector::new(engine, options, Arc::new(OwnClock))
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(front: UnixStream, behind: PathBuf, cut: Option<Cut>, was_hit: Arc<AtomicBool>) {
    let hit = || was_hit.store(true, Ordering::SeqCst);
    if cut == Some(Cut::AtOnce) {
        return hit();
    }
    let Ok(behind) = UnixStream::connect(behind).await else { return };
    let ((mut from_us, mut to_us), (mut from_engine, mut to_engine)) =
        (front.into_split(), behind.into_split());
    let sending = async {
        let mut buffer = vec![0; 16 * 1024];
        let mut sent = 0;
        while let Ok(got @ 1..) = from_us.read(&mut buffer).await {
            if let Some(Cut::Sending(most)) = cut
                && sent + got > most
            {
                let _ = to_engine.write_all(&buffer[..most - sent]).await;
                return hit();
            }
            sent += got;
            if to_engine.write_all(&buffer[..got]).await.is_err() {
                return;
            }
        }
        let _ = to_engine.shutdown().await;
        // What is answered decides when it is over.
        std::future::pending::<()>().await;
    };
    let answering = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(got @ 1..) = from_engine.read(&mut buffer).await {
            let kept = match cut {
                Some(Cut::Answering) => 0,
                Some(Cut::HalfAnswered) => 40,
                _ => got,
            };
            if to_us.write_all(&buffer[..kept.min(got)]).await.is_err() || kept < got {
                return hit();
            }
        }
    };
    tokio::select! {
        () = sending => {}
        () = answering => {}
    }
}

fn body() -> Vec<u8> {
    (0..FILE_BYTES).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// How many connections some work takes when nothing breaks.
async fn count(engine: &RealEngine, reach: Reach, work: impl AsyncFn(&DockerConnector)) -> usize {
    let cutter = Cutter::start(engine, None);
    work(&cutter.connector(reach)).await;
    cutter.connections.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_4_a_way_that_breaks_at_any_step_is_told_truly_and_mended() {
    let Some(engine) = RealEngine::start() else { return };
    let container = engine.container("decoy", &[]);
    for reach in [Reach::Fast, Reach::Portable] {
        let steps = count(&engine, reach, async |connector| {
            let file = new_file(format!("/count/{reach:?}"), body());
            assert!(matches!(write_one(connector, file).await, Ok(WriteOutcome::Written(_))));
        })
        .await;
        assert!(steps >= 2, "{reach:?} asks the engine at least twice: {steps}");
        let mut hits = 0;
        for step in 0..steps {
            for cut in CUTS {
                hits += usize::from(cut_write(&engine, &container, reach, step, cut).await);
            }
        }
        // Only the long request has a middle so late; every other cut is met.
        assert!(hits >= steps * (CUTS.len() - 1), "{reach:?}: {hits} of {steps} steps were cut");
    }
    reads(&engine, &container).await;
}

/// Whether the cut was met.
async fn cut_write(
    engine: &RealEngine,
    container: &RealContainer<'_>,
    reach: Reach,
    step: usize,
    cut: Cut,
) -> bool {
    let what = format!("{reach:?}, step {step}, {cut:?}");
    let cutter = Cutter::start(engine, Some((step, cut)));
    let at = format!("/cut/{step}/{reach:?}-{cut:?}").replace(['(', ')'], "");
    let owner = OwnerPolicy::Set(Owner { uid: 1234, gid: 1234 });
    let file = FileWrite { owner, mode: Some(FileMode::new(0o640)), ..new_file(&at, body()) };
    let outcome = write_one(&cutter.connector(reach), file).await;
    let there = fs::read(container.root().join(at.trim_start_matches('/'))).ok();
    if !cutter.was_hit.load(Ordering::SeqCst) {
        assert!(matches!(outcome, Ok(WriteOutcome::Written(_))), "{what}: {outcome:?}");
        return false;
    }
    let failure = match outcome {
        Err(failure) => failure,
        Ok(outcome) => panic!("{what}: it should have failed: {outcome:?}"),
    };
    assert_eq!(failure.kind, FailureKind::Network, "{what}: {failure}");
    match failure.effect {
        Effect::NotApplied => assert_eq!(there, None, "{what}: something was written"),
        Effect::Applied => assert_eq!(there.as_deref(), Some(&body()[..]), "{what}"),
        Effect::Unknown => {}
    }
    mend(engine, &at, reach, failure.effect).await;
    let mended = container.root().join(at.trim_start_matches('/'));
    assert_eq!(fs::read(&mended).unwrap(), body(), "{what}: it is not whole");
    let meta = fs::metadata(&mended).unwrap();
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!((meta.mode() & 0o7777, meta.uid()), (0o640, 1234), "{what}: it is not as it should be");
    true
}

async fn mend(engine: &RealEngine, at: &str, reach: Reach, effect: Effect) {
    let cutter = Cutter::start(engine, None);
    plant_again(cutter.connector(reach), at, body(), effect).await;
}

/// What the engine of Verisim does after a failure: probes where it must, and tries again where nothing happened.
pub(crate) async fn plant_again(connector: DockerConnector, at: &str, body: Vec<u8>, effect: Effect) {
    let connectors = Connectors::new();
    let name = DecoyName::new("d").unwrap();
    connectors.insert(name.clone(), Arc::new(connector));
    let driver = FileDriver::new(connectors);
    let sha256 = Digest::of(&body);
    let plant = PlantFile {
        path: path(at),
        body: Body::from(body),
        class: FileClass::Manual,
        mode: FileMode::new(0o640),
        owner: OwnerPolicy::Set(Owner { uid: 1234, gid: 1234 }),
        times: FileTimes::Live,
    };
    let task = Task {
        job: JobId(1),
        decoy: Arc::new(Decoy { name, services: Vec::new(), role: String::new(), address: None }),
        action: Arc::new(Action::Plant(plant)),
        known: None,
        staging: staging(1),
    };
    use verisim_core::ActivityDriver as _;
    let fate = match effect {
        Effect::NotApplied => Fate::NotApplied,
        _ => answer(driver.probe(&task, &Intended::Create { sha256 })).await.unwrap(),
    };
    match fate {
        Fate::Applied(_) => {}
        Fate::NotApplied => {
            let prepared = answer(driver.prepare(vec![task])).await.remove(0).unwrap();
            answer(driver.run(&[prepared])).await.remove(0).unwrap();
        }
        fate @ (Fate::Tampered(_) | Fate::Unknowable) => panic!("{at}: {fate:?}"),
    }
}

/// Questions break too; they change nothing, and the next one is answered.
async fn reads(engine: &RealEngine, container: &RealContainer<'_>) {
    fs::write(container.root().join("read"), body()).unwrap();
    let range = ByteRange::first(ByteCount(1_000_000));
    for reach in [Reach::Fast, Reach::Portable] {
        let steps = count(engine, reach, async |connector| {
            assert_eq!(answer(connector.read(&path("/read"), range)).await.unwrap().len(), FILE_BYTES);
        })
        .await;
        for step in 0..steps {
            for cut in [Cut::AtOnce, Cut::Answering, Cut::HalfAnswered] {
                let cutter = Cutter::start(engine, Some((step, cut)));
                let connector = cutter.connector(reach);
                let failure = answer(connector.read(&path("/read"), range)).await.unwrap_err();
                let got = (failure.kind, failure.effect);
                assert_eq!(
                    got,
                    (FailureKind::Network, Effect::NotApplied),
                    "{reach:?} {step} {cut:?}: {failure}"
                );
                assert!(cutter.was_hit.load(Ordering::SeqCst));
                let stat = answer(connector.stat(&path("/read"), StatRequest::Plain)).await.unwrap();
                assert!(stat.is_some());
            }
        }
    }
}
