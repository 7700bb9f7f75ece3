//! The connection is cut at every step of every call, before and after the server acted on it: what is answered is true, a
//! file is wholly old or wholly new, and what is left over is found and settled.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::decoy::{connector, target};
use verisim_connect::{SshConnector, WayIn};
use verisim_core::{
    ByteCount, ByteRange, Connector, Digest, Effect, Failure, FailureKind, Removal, RemoveOutcome,
    WriteOutcome,
};
use verisim_ssh::Target;
use verisim_testkit::Proxy;
use verisim_testkit::decoy_under_test::{
    addition, answer, names_in, new_file, path, replacement, staging, write_one,
};
use verisim_testkit::doubles::Phase;
use verisim_testkit::sshd::{Sshd, SshdOptions};

/// More steps than any call has.
const STEPS_MAX: u32 = 60;

struct Site {
    sshd: Sshd,
    proxy: Proxy,
    way: Target,
}

impl Site {
    async fn new() -> Option<Self> {
        let sshd = Sshd::start(SshdOptions { locked_in: true, ..SshdOptions::default() })?;
        let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], sshd.port())), Duration::ZERO).await;
        let mut way = target(&sshd);
        way.host_key_alias = Some(way.known_as());
        way.port = proxy.address().port();
        Some(Self { sshd, proxy, way })
    }

    async fn connected(&self) -> SshConnector {
        let connector = connector(self.way.clone(), WayIn::Sftp, false);
        connector.connect().await.unwrap();
        connector
    }

    /// Calls `attempt` once for every step at which the connection can be cut, and on both sides of it, until a call comes
    /// through that no cut has met. `prepare` and `check` see the decoy's root before and after.
    async fn at_every_step<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        prepare: impl Fn(&Path),
        attempt: impl Fn(SshConnector) -> F,
        check: impl Fn(&Path, Result<T, Failure>, u32, Phase),
    ) {
        let root = self.sshd.root();
        for phase in [Phase::Before, Phase::After] {
            let mut hits = 0;
            for step in 0..=STEPS_MAX {
                assert!(step < STEPS_MAX, "the call never came through");
                for entry in std::fs::read_dir(&root).unwrap() {
                    let entry = entry.unwrap().path();
                    let removed = if entry.is_dir() {
                        std::fs::remove_dir_all(&entry)
                    } else {
                        std::fs::remove_file(&entry)
                    };
                    removed.unwrap();
                }
                prepare(&root);
                let connector = self.connected().await;
                let before = self.proxy.hits();
                self.proxy.cut_after(step, phase);
                let outcome = answer(attempt(connector)).await;
                self.proxy.disarm();
                let hit = self.proxy.hits() > before;
                check(&root, outcome, step, phase);
                // What was left over is settled by the next that comes, over a connection of its own.
                let connector = self.connected().await;
                let ours = [Digest::of(b"old"), Digest::of(b"new"), Digest::of(b"oldnew")];
                for at in ["/a", "/d/e/a"] {
                    let settled = answer(connector.settle(&path(at), staging(1), &ours)).await.unwrap();
                    assert_eq!(settled, None, "step {step} {phase:?}");
                }
                let left: Vec<_> = names_in(&root).into_iter().filter(|name| name.starts_with('.')).collect();
                assert!(left.is_empty(), "step {step} {phase:?}: {left:?}");
                if !hit {
                    break;
                }
                hits += 1;
            }
            assert!(hits > 2, "the injection was hit only {hits} times");
        }
    }
}

/// An effect that is told must be what is there: `old` before, `new` after; `None` for no file.
fn agrees(
    root: &Path,
    at: &str,
    outcome: Result<bool, Failure>,
    old: Option<&[u8]>,
    new: Option<&[u8]>,
    what: &str,
) {
    let there = std::fs::read(root.join(at)).ok();
    let (is_old, is_new) = (there.as_deref() == old, there.as_deref() == new);
    assert!(is_old || is_new, "{what}: it is torn: {there:?}");
    match outcome {
        Ok(done) => assert!(done && is_new, "{what}: told as done, but {there:?}"),
        Err(failure) => {
            assert_eq!(failure.kind, FailureKind::Network, "{what}: {failure}");
            match failure.effect {
                Effect::NotApplied => assert!(is_old, "{what}: told as not applied, but {there:?}"),
                Effect::Applied => assert!(is_new, "{what}: told as applied, but {there:?}"),
                Effect::Unknown => {}
            }
        }
    }
}

fn is_written(outcome: &WriteOutcome) -> bool {
    matches!(outcome, WriteOutcome::Written(_))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plant_that_is_cut_off_is_whole_or_absent() {
    let Some(site) = Site::new().await else { return };
    site.at_every_step(
        |_| {},
        |connector| async move {
            write_one(&connector, new_file("/d/e/a", "new")).await.map(|outcome| is_written(&outcome))
        },
        |root, outcome, step, phase| {
            agrees(root, "d/e/a", outcome, None, Some(b"new"), &format!("step {step} {phase:?}"));
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_is_cut_off_is_wholly_old_or_wholly_new() {
    let Some(site) = Site::new().await else { return };
    site.at_every_step(
        |root| std::fs::write(root.join("a"), b"old").unwrap(),
        |connector| async move {
            write_one(&connector, replacement("/a", b"old", "new")).await.map(|outcome| is_written(&outcome))
        },
        |root, outcome, step, phase| {
            agrees(root, "a", outcome, Some(b"old"), Some(b"new"), &format!("step {step} {phase:?}"));
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_addition_that_is_cut_off_is_there_once_or_not_at_all() {
    let Some(site) = Site::new().await else { return };
    site.at_every_step(
        |root| std::fs::write(root.join("a"), b"old").unwrap(),
        |connector| async move {
            write_one(&connector, addition("/a", "new")).await.map(|outcome| is_written(&outcome))
        },
        |root, outcome, step, phase| {
            agrees(root, "a", outcome, Some(b"old"), Some(b"oldnew"), &format!("step {step} {phase:?}"));
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_is_cut_off_is_told_as_it_is() {
    let Some(site) = Site::new().await else { return };
    site.at_every_step(
        |root| std::fs::write(root.join("a"), b"old").unwrap(),
        |connector| async move {
            let removal = Removal { path: path("/a"), expected: Digest::of(b"old"), staging: staging(1) };
            connector.remove(&removal).await.map(|outcome| matches!(outcome, RemoveOutcome::Gone { .. }))
        },
        |root, outcome, step, phase| {
            agrees(root, "a", outcome, Some(b"old"), None, &format!("step {step} {phase:?}"));
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_is_cut_off_is_made_again_or_fails() {
    let Some(site) = Site::new().await else { return };
    site.at_every_step(
        |root| std::fs::write(root.join("a"), b"old").unwrap(),
        |connector| async move { connector.read(&path("/a"), ByteRange::first(ByteCount(9))).await },
        |_, outcome, step, phase| match outcome {
            Ok(read) => assert_eq!(&read[..], b"old", "step {step} {phase:?}"),
            Err(failure) => {
                assert_eq!((failure.kind, failure.effect), (FailureKind::Network, Effect::NotApplied));
            }
        },
    )
    .await;
}

/// A hundred small files take a handful of round trips: what a client says at once goes out at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_takes_about_as_many_round_trips_as_one_file() {
    let Some(sshd) = Sshd::start(SshdOptions { locked_in: true, ..SshdOptions::default() }) else { return };
    let delay = Duration::from_millis(25);
    let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], sshd.port())), delay).await;
    let mut way = target(&sshd);
    way.host_key_alias = Some(way.known_as());
    way.port = proxy.address().port();
    let connector = connector(way, WayIn::Sftp, false);
    connector.connect().await.unwrap();
    std::fs::create_dir(sshd.root().join("d")).unwrap();
    let mut took = Vec::new();
    for (name, count) in [("one", 1), ("many", 100)] {
        let batch: Vec<_> = (0..count)
            .map(|number| {
                let file = new_file(format!("/d/{name}{number}"), format!("body {number}"));
                verisim_core::FileWrite { staging: staging(1_000 + number), ..file }
            })
            .collect();
        let begun = started();
        for outcome in answer(connector.write(&batch)).await {
            assert!(matches!(outcome, Ok(WriteOutcome::Written(_))), "{outcome:?}");
        }
        took.push(begun.elapsed());
    }
    // Two rounds of sequences, and as much again for a busy machine.
    assert!(took[1] < took[0] * 8, "one file {:?}, a hundred {:?}", took[0], took[1]);
}

#[expect(clippy::disallowed_methods, reason = "what is measured is how long a real connection takes")]
fn started() -> std::time::Instant {
    std::time::Instant::now()
}
