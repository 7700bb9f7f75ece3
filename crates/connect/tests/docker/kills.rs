//! The container, or its engine, dies while files are written.

use std::fs;
use std::time::Duration;

use verisim_connect::Reach;
use verisim_core::Connector as _;
use verisim_core::{Effect, FailureKind, FileMode, FileWrite, Owner, OwnerPolicy, WriteOutcome};
use verisim_testkit::RealEngine;
use verisim_testkit::decoy_under_test::{answer, new_file, write_one};

use crate::cuts::plant_again;
use crate::decoys::connector;

/// Files of one batch: enough that a death comes in the middle of it.
const FILES: usize = 256;
/// How often the container dies.
const DEATHS: usize = 3;

fn body(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from(at % 241).unwrap()).collect()
}

fn file(at: &str, bytes: usize) -> FileWrite {
    let owner = OwnerPolicy::Set(Owner { uid: 1234, gid: 1234 });
    FileWrite { owner, mode: Some(FileMode::new(0o640)), ..new_file(at, body(bytes)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_4_a_container_that_dies_while_it_is_written_to_is_told_truly() {
    let Some(engine) = RealEngine::start() else { return };
    let container = engine.container("decoy", &[]);
    let connector = connector(&engine, "decoy", Reach::Fast);
    let (mut failed, mut unsure) = (0, 0);
    for death in 0..DEATHS {
        let batches: Vec<Vec<FileWrite>> = (0..40)
            .map(|batch| (0..FILES).map(|n| file(&format!("/srv/{death}/{batch}-{n}"), 4_000)).collect())
            .collect();
        let pid = i32::try_from(container.pid()).unwrap();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20 + 25 * death as u64));
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        });
        let mut outcomes = Vec::new();
        for batch in &batches {
            let done = answer(connector.write(batch)).await;
            let is_over = done.iter().any(Result::is_err);
            outcomes.extend(batch.iter().zip(done));
            if is_over {
                break;
            }
        }
        killer.join().unwrap();
        while engine.docker(&["inspect", "--format", "{{.State.Running}}", "decoy"]) == "true" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        container.change(&["start"]);
        let root = container.root();
        for (file, outcome) in outcomes {
            let there = fs::read(root.join(file.path.to_string().trim_start_matches('/'))).ok();
            match outcome {
                Ok(WriteOutcome::Written(_)) => {
                    assert_eq!(there.as_deref(), Some(&file.body[..]), "{}", file.path);
                }
                Ok(WriteOutcome::Foreign(found)) => panic!("{}: {found:?}", file.path),
                Err(failure) => {
                    failed += 1;
                    assert!(
                        matches!(failure.kind, FailureKind::Network | FailureKind::NotFound),
                        "{failure}"
                    );
                    // Wholly there or not at all, and not at all where that is said.
                    match failure.effect {
                        Effect::NotApplied => assert_eq!(there, None, "{}", file.path),
                        Effect::Unknown => unsure += 1,
                        Effect::Applied => panic!("{failure}"),
                    }
                    assert!(there.is_none_or(|there| there == file.body), "{}: it is torn", file.path);
                }
            }
        }
    }
    assert!(failed > 0 && unsure > 0, "it never died in the middle: {failed} failed, {unsure} unsure");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_4_an_engine_that_dies_leaves_nothing_torn_for_long() {
    let Some(mut engine) = RealEngine::start() else { return };
    let run = [
        "run",
        "-d",
        "--name",
        "decoy",
        "--network",
        "none",
        "verisim-test",
        "/bin/busybox",
        "sleep",
        "10000",
    ];
    engine.docker(&run);
    let at = "/srv/large";
    let writing = {
        let connector = connector(&engine, "decoy", Reach::Portable);
        tokio::spawn(async move { write_one(&connector, file(at, 20_000_000)).await })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    engine.kill();
    let failure = writing.await.unwrap().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Network, "{failure}");
    engine.restart();
    engine.docker(&["start", "decoy"]);
    plant_again(connector(&engine, "decoy", Reach::Portable), at, body(20_000_000), failure.effect).await;
    let pid = engine.docker(&["inspect", "--format", "{{.State.Pid}}", "decoy"]);
    assert_eq!(fs::read(format!("/proc/{pid}/root{at}")).unwrap(), body(20_000_000));
}
