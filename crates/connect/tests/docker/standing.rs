//! A container that is not as it should be, and an engine that is not there: each its kind and effect, on both ways.

use std::fs;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use verisim_connect::{DockerConnector, DockerOptions, Engine, EngineAddress, Reach};
use verisim_core::{ByteCount, ByteRange, Connector as _, Effect, Failure, FailureKind, StatRequest};
use verisim_testkit::decoy_under_test::{answer, new_file, path, replacement, write_one, written};
use verisim_testkit::{RealContainer, RealEngine};

use crate::decoys::{OwnClock, connector};

const WAYS: [Reach; 2] = [Reach::Fast, Reach::Portable];

/// Every call fails alike, and nothing happens.
async fn assert_unreachable(connector: &DockerConnector, kind: FailureKind, what: &str) {
    let check = |call: &str, failure: Option<Failure>| {
        let failure = failure.unwrap_or_else(|| panic!("{what}: {call} should have failed"));
        let got = (failure.kind, failure.effect);
        assert_eq!(got, (kind, Effect::NotApplied), "{what}: {call}, {:?}: {failure}", connector.reach());
    };
    check("write", write_one(connector, new_file("/srv/never", "x")).await.err());
    check("replace", write_one(connector, replacement("/srv/a", b"a", "x")).await.err());
    check("read", answer(connector.read(&path("/srv/a"), ByteRange::first(ByteCount(9)))).await.err());
    check("stat", answer(connector.stat(&path("/srv/a"), StatRequest::Plain)).await.err());
    check("probe", answer(connector.probe()).await.err());
    if connector.capabilities().dial {
        check("dial", answer(connector.dial(([127, 0, 0, 1], 9).into())).await.err());
    }
}

fn both(engine: &RealEngine, container: &str) -> [DockerConnector; 2] {
    WAYS.map(|way| connector(engine, container, way))
}

async fn assert_all_unreachable(connectors: &[DockerConnector], kind: FailureKind, what: &str) {
    for connector in connectors {
        assert_unreachable(connector, kind, what).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_does_not_run_is_said_to_be_so() {
    let Some(engine) = RealEngine::start() else { return };
    assert_all_unreachable(&both(&engine, "nobody"), FailureKind::NotFound, "missing").await;
    let container = engine.container("decoy", &[]);
    let both_ways = both(&engine, "decoy");
    for (number, connector) in both_ways.iter().enumerate() {
        written(connector, new_file(format!("/srv/{number}"), "x")).await;
    }
    container.change(&["pause"]);
    assert_all_unreachable(&both_ways, FailureKind::NotFound, "paused").await;
    // Also for one that never met it running.
    assert_all_unreachable(&both(&engine, "decoy"), FailureKind::NotFound, "paused").await;
    container.change(&["unpause"]);
    container.change(&["kill"]);
    assert_all_unreachable(&both_ways, FailureKind::NotFound, "stopped").await;
    container.change(&["start"]);
    for (number, connector) in both_ways.iter().enumerate() {
        written(connector, new_file(format!("/srv/again{number}"), "x")).await;
    }
    assert!(!container.root().join("srv/never").exists());
    made_anew(&engine, container, &both_ways).await;
    restarting(&engine).await;
    read_only_and_full(&engine).await;
}

/// Another container under the same name is another decoy, until a probe has met it.
async fn made_anew(engine: &RealEngine, container: RealContainer<'_>, both_ways: &[DockerConnector]) {
    drop(container);
    let _container = engine.container("decoy", &[]);
    for connector in both_ways {
        let failure = write_one(connector, new_file("/srv/never", "x")).await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), (FailureKind::NotFound, Effect::NotApplied), "{failure}");
        answer(connector.probe()).await.unwrap();
        written(connector, new_file(format!("/srv/{:?}", connector.reach()), "x")).await;
    }
}

/// It ends at once, and its engine starts it again and again, later each time.
async fn restarting(engine: &RealEngine) {
    let _container = engine.container_that("restless", &["--restart", "always"], &["/bin/busybox", "false"]);
    let state = || engine.docker(&["inspect", "--format", "{{.State.Restarting}}", "restless"]);
    'ways: for connector in both(engine, "restless") {
        for _ in 0..200 {
            if state() == "true"
                && let Err(failure) = write_one(&connector, new_file("/srv/a", "x")).await
                && failure.kind == FailureKind::Network
            {
                assert_eq!(failure.effect, Effect::NotApplied);
                continue 'ways;
            }
        }
        panic!("{:?}: it was never met restarting", connector.reach());
    }
}

/// A root that takes no writes, and a volume that is full.
async fn read_only_and_full(engine: &RealEngine) {
    let volume = engine.folder().join("volume");
    fs::create_dir(&volume).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("tmpfs", &volume, "tmpfs", flags, c"size=256k").unwrap();
    let mount = format!("{}:/full", volume.display());
    let container = engine.container("still", &["--read-only", "--volume", &mount]);
    for connector in both(engine, "still") {
        let failure = write_one(&connector, new_file("/srv/a", "x")).await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), (FailureKind::Denied, Effect::NotApplied), "{failure}");
        assert!(!answer(connector.probe()).await.unwrap().writable);
    }
    drop(container);
    let _container = engine.container("full", &["--volume", &mount]);
    fs::write(volume.join("ballast"), vec![0; 200 * 1024]).unwrap();
    for connector in both(engine, "full") {
        let failure = write_one(&connector, new_file("/full/a", vec![7; 128 * 1024])).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::NoSpace, "{:?}: {failure}", connector.reach());
        if connector.capabilities().atomic_replace {
            assert_eq!(failure.effect, Effect::NotApplied);
            assert!(!volume.join("a").exists());
        } else if volume.join("a").exists() {
            assert_eq!(failure.effect, Effect::Unknown, "what is torn is not said to be absent");
        }
        let _ = fs::remove_file(volume.join("a"));
        written(&connector, new_file(format!("/full/small{:?}", connector.reach()), "x")).await;
    }
    rustix::mount::unmount(&volume, rustix::mount::UnmountFlags::DETACH).unwrap();
}

/// Nobody there, nobody who listens, and somebody who never answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_does_not_answer_is_the_network() {
    let dir = tempfile::tempdir().unwrap();
    let (none, dead, slow) = (dir.path().join("none"), dir.path().join("dead"), dir.path().join("slow"));
    drop(UnixListener::bind(&dead).unwrap());
    let _silent = UnixListener::bind(&slow).unwrap();
    for socket in [none, dead, slow] {
        let address = EngineAddress::Socket(socket.clone());
        let patience = std::time::Duration::from_millis(300);
        let engine = Engine::at(address.clone()).with_patience(patience);
        let failure = engine.containers().await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), (FailureKind::Network, Effect::NotApplied), "{failure}");
        for way in WAYS {
            let options = DockerOptions { container: "x".parse().unwrap(), reach: Some(way), exec: false };
            let connector = DockerConnector::new(engine.clone(), options, Arc::new(OwnClock));
            assert_unreachable(&connector, FailureKind::Network, &socket.display().to_string()).await;
        }
    }
}

/// The engine opens the container's account files whenever it packs an archive, and a FIFO never answers: then the engine
/// keeps the container locked for ever. An intruder who sets that trap must not have it sprung by us.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_7_a_container_that_would_hold_up_its_engine_is_not_read_in_archives() {
    let Some(engine) = RealEngine::start() else { return };
    let container = engine.container("decoy", &[]);
    let root = container.root();
    let portable = connector(&engine, "decoy", Reach::Portable);
    written(&portable, new_file("/srv/a", "x")).await;
    let away = |name: &str| {
        let _ = fs::remove_file(root.join(name));
    };
    for (name, link) in [("etc/passwd", None), ("etc/group", None), ("etc/passwd", Some("trap"))] {
        let kept = fs::read(root.join(name)).unwrap_or_default();
        away(name);
        let at = match link {
            Some(link) => {
                std::os::unix::fs::symlink(link, root.join(name)).unwrap();
                root.join("etc").join(link)
            }
            None => root.join(name),
        };
        rustix::fs::mkfifoat(rustix::fs::CWD, &at, rustix::fs::Mode::RWXU).unwrap();
        let read = answer(portable.read(&path("/srv/a"), ByteRange::first(ByteCount(9)))).await;
        assert_eq!(read.unwrap_err().kind, FailureKind::Denied, "{name}");
        let stat = answer(portable.stat(&path("/srv/a"), StatRequest::Hash(ByteCount(99)))).await;
        assert_eq!(stat.unwrap_err().kind, FailureKind::Denied, "{name}");
        let failure = write_one(&portable, new_file("/srv/never", "x")).await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), (FailureKind::Denied, Effect::NotApplied), "{name}");
        assert!(!root.join("srv/never").exists());
        let probed = answer(portable.probe()).await.unwrap_err();
        assert!(probed.kind == FailureKind::Denied && probed.detail.contains("FIFO"), "{probed}");
        fs::remove_file(&at).unwrap();
        away(name);
        fs::write(root.join(name), kept).unwrap();
        let read = answer(portable.read(&path("/srv/a"), ByteRange::first(ByteCount(9)))).await;
        assert_eq!(&read.unwrap()[..], b"x", "{name}: the engine answers");
    }
}
