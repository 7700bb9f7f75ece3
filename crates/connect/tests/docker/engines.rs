//! What an engine tells: its containers, what happens to them, and commands run inside.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use verisim_connect::{ContainerHappening, ContainerState, DockerConnector, DockerOptions, Engine, Reach};
use verisim_core::{ByteCount, Clock as _, Connector as _, Exec, FailureKind};
use verisim_testkit::RealEngine;
use verisim_testkit::decoy_under_test::{answer, new_file, written};

use crate::decoys::{OwnClock, address};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_are_listed_and_what_happens_to_them_is_told() {
    let Some(real) = RealEngine::start() else { return };
    let engine = Engine::connect(address(&real)).await.unwrap();
    assert!(engine.is_here());
    let mut events = Box::pin(engine.events());
    // The first question makes the stream begin.
    let watching = tokio::spawn(async move {
        let mut told = Vec::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => told.push((event.name.map(|name| name.to_string()), event.happening)),
                Err(failure) => return (told, failure),
            }
        }
        panic!("it ends with a failure");
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    {
        let container = real.container("files01-ssh", &["--label", "verisim.decoy=files01"]);
        let beside = real.container_that(
            "files01-smb",
            &["--network", "container:files01-ssh"],
            &["/bin/busybox", "sleep", "1000"],
        );
        let found = engine.containers().await.unwrap();
        let ssh = found.iter().find(|one| one.name.as_str() == "files01-ssh").unwrap();
        assert_eq!(ssh.state, ContainerState::Running);
        assert_eq!(ssh.labels.get("verisim.decoy").map(String::as_str), Some("files01"));
        let smb = found.iter().find(|one| one.name.as_str() == "files01-smb").unwrap();
        assert_eq!(smb.network, format!("container:{}", ssh.id));
        drop(beside);
        container.change(&["pause"]);
        assert_eq!(engine.containers().await.unwrap()[0].state, ContainerState::Paused);
        container.change(&["unpause"]);
        exec(&engine).await;
    }
    drop(real);
    let (told, failure) = tokio::time::timeout(Duration::from_secs(20), watching).await.unwrap().unwrap();
    assert_eq!(failure.kind, FailureKind::Network);
    let of: Vec<_> = told
        .into_iter()
        .filter(|(name, _)| name.as_deref() == Some("files01-ssh"))
        .map(|(_, what)| what)
        .collect();
    use ContainerHappening as H;
    assert_eq!(of, [H::Created, H::Started, H::Paused, H::Unpaused, H::Ended, H::Removed]);
}

/// Only where it is allowed; argv and input as they are, and bounds on time and output.
async fn exec(engine: &Engine) {
    let make = |exec| {
        let options =
            DockerOptions { container: "files01-ssh".parse().unwrap(), reach: Some(Reach::Fast), exec };
        DockerConnector::new(engine.clone(), options, Arc::new(OwnClock))
    };
    let command = |argv: &[&str], stdin: &'static str| Exec {
        argv: argv.iter().map(|word| word.as_bytes().to_vec()).collect(),
        stdin: Bytes::from_static(stdin.as_bytes()),
        time_limit: Duration::from_secs(10),
        output_limit: ByteCount(1000),
    };
    let refused = answer(make(false).exec(&command(&["/bin/busybox", "true"], ""))).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unsupported);
    let connector = make(true);
    assert!(connector.capabilities().exec);
    let done =
        answer(connector.exec(&command(&["/bin/busybox", "cat"], "in $PUT 'as it is'"))).await.unwrap();
    assert_eq!((done.code, &done.stdout[..]), (Some(0), &b"in $PUT 'as it is'"[..]));
    let done = answer(connector.exec(&command(&["/bin/busybox", "echo", "$HOME; a b"], ""))).await.unwrap();
    assert_eq!(&done.stdout[..], b"$HOME; a b\n");
    let done =
        answer(connector.exec(&command(&["/bin/busybox", "sh", "-c", "echo no >&2; exit 3"], ""))).await;
    let done = done.unwrap();
    assert_eq!((done.code, &done.stderr[..]), (Some(3), &b"no\n"[..]));
    let done = answer(connector.exec(&command(&["/bin/busybox", "seq", "100000"], ""))).await.unwrap();
    assert_eq!((done.code, done.stdout.len()), (Some(0), 1000));
    let endless = Exec { time_limit: Duration::from_secs(1), ..command(&["/bin/busybox", "yes"], "") };
    let late = answer(connector.exec(&endless)).await.unwrap_err();
    assert_eq!((late.kind, late.effect), (FailureKind::Network, verisim_core::Effect::Unknown));
    let missing = answer(connector.exec(&command(&["/no/such/program"], ""))).await;
    assert!(matches!(&missing, Err(failure) if failure.kind == FailureKind::ToolMissing), "{missing:?}");
}

/// Over TCP an engine is somewhere else: files go the portable way by themselves, and no connection leaves from there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_engine_is_reached_the_portable_way() {
    let Some(real) = RealEngine::start() else { return };
    let container = real.container("decoy", &[]);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    let socket = real.socket();
    let passing = tokio::spawn(async move {
        loop {
            let (mut front, _) = listener.accept().await.unwrap();
            let mut behind = tokio::net::UnixStream::connect(&socket).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut front, &mut behind).await });
        }
    });
    let engine = Engine::connect(format!("tcp://{at}").parse().unwrap()).await.unwrap();
    assert!(!engine.is_here());
    let options = DockerOptions { container: "decoy".parse().unwrap(), reach: None, exec: false };
    let connector = DockerConnector::new(engine, options, Arc::new(OwnClock));
    assert_eq!(connector.reach(), Reach::Portable);
    written(&connector, new_file("/srv/a", "x")).await;
    assert_eq!(std::fs::read(container.root().join("srv/a")).unwrap(), b"x");
    let facts = answer(connector.probe()).await.unwrap();
    let apart = facts.clock.unwrap().as_second() - OwnClock.now().as_second();
    assert!(apart.abs() < 5, "its clock is that of the engine: {apart}");
    assert!(!connector.capabilities().dial);
    let failure = answer(connector.dial(([127, 0, 0, 1], 9).into())).await.err().unwrap();
    assert_eq!(failure.kind, FailureKind::Unsupported);
    passing.abort();
}
