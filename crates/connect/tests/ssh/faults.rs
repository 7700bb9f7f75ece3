//! The connection is cut at every step of every call, before and after the server acted on it, and the server is killed while
//! it does: what is answered is true, a file is wholly old or wholly new, what is left over is found and settled, and the call
//! is made again where it has not taken effect.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::decoy::{connector, target, without_sftp};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use verisim_connect::{SshConnector, WayIn};
use verisim_core::{
    ByteCount, ByteRange, Connector, Digest, Effect, Failure, FailureKind, Move, MoveOutcome, Removal,
    RemoveOutcome, WriteOutcome,
};
use verisim_ssh::Target;
use verisim_testkit::Proxy;
use verisim_testkit::decoy_under_test::{
    addition, answer, names_in, new_file, path, replacement, staging, write_one,
};
use verisim_testkit::doubles::Phase;
use verisim_testkit::sshd::{Sshd, SshdOptions};

/// More steps than any call has.
const STEPS_MAX: u32 = 120;

/// What goes wrong at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The network goes, before or after the server had what was sent.
    Cut(Phase),
    /// The server is killed while it does what was sent.
    Kill,
}

const FAULTS: [Fault; 3] = [Fault::Cut(Phase::Before), Fault::Cut(Phase::After), Fault::Kill];

struct Site {
    sshd: Arc<Sshd>,
    proxy: Proxy,
    way: Target,
    way_in: WayIn,
    /// Whether the steps are counted from before the connection is made.
    from_the_beginning: bool,
    _held: Option<tempfile::TempDir>,
}

impl Site {
    async fn new() -> Option<Self> {
        let sshd = Sshd::start(SshdOptions { locked_in: true, ..SshdOptions::default() })?;
        Some(Self::before(sshd, WayIn::Sftp, None).await)
    }

    async fn over_commands() -> Option<Self> {
        let (sshd, held) = without_sftp()?;
        Some(Self::before(sshd, WayIn::Exec, Some(held)).await)
    }

    async fn before(sshd: Sshd, way_in: WayIn, held: Option<tempfile::TempDir>) -> Self {
        let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], sshd.port())), Duration::ZERO).await;
        let mut way = target(&sshd);
        way.host_key_alias = Some(way.known_as());
        way.port = proxy.address().port();
        Self { sshd: Arc::new(sshd), proxy, way, way_in, from_the_beginning: false, _held: held }
    }

    fn unconnected(&self) -> SshConnector {
        connector(self.way.clone(), self.way_in, self.way_in == WayIn::Exec)
    }

    async fn connected(&self) -> SshConnector {
        let connector = self.unconnected();
        connector.connect().await.unwrap();
        connector
    }

    fn arm(&self, fault: Fault, step: u32) {
        match fault {
            Fault::Cut(phase) => self.proxy.cut_after(step, phase),
            Fault::Kill => {
                let sshd = Arc::clone(&self.sshd);
                self.proxy.act_after(step, move || sshd.signal_serving(Signal::KILL));
            }
        }
    }

    /// Waits until nobody serves a connection that is gone.
    async fn settled(&self) {
        for _ in 0..500 {
            if self.sshd.serving().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("a connection is served that is gone");
    }

    /// Calls `attempt` once for every step at which a fault can happen, until a call comes through that none has met; after
    /// each fault `check` sees the decoy's root and what was answered, what was left over is settled over a connection of
    /// its own, and the call is made again where it has not taken effect. `prepare` makes the root what it was, and `done`
    /// says whether it is as it shall be.
    async fn at_every_step<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        prepare: impl Fn(&Path),
        attempt: impl Fn(SshConnector) -> F,
        done: impl Fn(&Path) -> bool,
        check: impl Fn(&Path, Result<T, Failure>, &str),
    ) {
        let root = self.sshd.root();
        // Where there are many steps that take long, each has one of the faults, and its neighbours have the others.
        let is_long = self.way_in == WayIn::Exec || self.from_the_beginning;
        let rounds = if is_long { 1 } else { FAULTS.len() };
        for round in 0..rounds {
            let mut hits = 0;
            for step in 0..=STEPS_MAX {
                assert!(step < STEPS_MAX, "the call never came through");
                let fault = FAULTS[if rounds == 1 { step as usize % FAULTS.len() } else { round }];
                empty(&root);
                prepare(&root);
                let connector = match self.from_the_beginning {
                    true => self.unconnected(),
                    false => self.connected().await,
                };
                let before = self.proxy.hits();
                self.arm(fault, step);
                let outcome = answer(attempt(connector)).await;
                let hit = self.proxy.hits() > before;
                self.proxy.disarm();
                let what = format!("{fault:?} at step {step}");
                self.settled().await;
                check(&root, outcome, &what);
                self.mend(&root, &attempt, &done, &what).await;
                if !hit {
                    break;
                }
                hits += 1;
            }
            assert!(hits > 2, "the injection was hit only {hits} times");
        }
    }

    async fn mend<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        root: &Path,
        attempt: impl Fn(SshConnector) -> F,
        done: impl Fn(&Path) -> bool,
        what: &str,
    ) {
        let connector = self.connected().await;
        let ours = [Digest::of(b"old"), Digest::of(b"new"), Digest::of(b"oldnew")];
        for at in ["/a", "/d/e/a"] {
            let settled = answer(connector.settle(&path(at), staging(1), &ours)).await.unwrap();
            assert_eq!(settled, None, "{what}");
        }
        let left: Vec<_> = names_in(root).into_iter().filter(|name| name.starts_with('.')).collect();
        assert!(left.is_empty(), "{what}: {left:?}");
        // OpenSSH renames by a link and an unlink. One that is killed between the two leaves both names of one file, and the
        // next move finds the new one taken.
        if is_one_file(&root.join("a"), &root.join("b")) {
            std::fs::remove_file(root.join("a")).unwrap();
        }
        if !done(root) {
            answer(attempt(connector)).await.unwrap();
        }
        assert!(done(root), "{what}: made again, it is not as it shall be");
    }
}

fn is_one_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let inode = |path: &Path| std::fs::symlink_metadata(path).map(|meta| meta.ino());
    matches!((inode(one), inode(other)), (Ok(one), Ok(other)) if one == other)
}

fn empty(root: &Path) {
    for entry in std::fs::read_dir(root).unwrap() {
        let entry = entry.unwrap().path();
        let removed =
            if entry.is_dir() { std::fs::remove_dir_all(&entry) } else { std::fs::remove_file(&entry) };
        removed.unwrap();
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

fn has(root: &Path, at: &str, content: Option<&[u8]>) -> bool {
    std::fs::read(root.join(at)).ok().as_deref() == content
}

fn is_written(outcome: &WriteOutcome) -> bool {
    matches!(outcome, WriteOutcome::Written(_))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plant_that_is_cut_off_is_whole_or_absent() {
    let Some(site) = Site::new().await else { return };
    plant_at_every_step(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plant_that_is_cut_off_is_whole_or_absent_over_commands() {
    let Some(site) = Site::over_commands().await else { return };
    plant_at_every_step(&site).await;
}

/// Nobody takes a connection that breaks while it is made for a host that is not who it should be, or cannot what it can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_contact_that_is_cut_off_is_the_network() {
    let Some(mut site) = Site::new().await else { return };
    site.from_the_beginning = true;
    plant_at_every_step(&site).await;
    let Some(mut site) = Site::over_commands().await else { return };
    site.from_the_beginning = true;
    site.at_every_step(
        |root| std::fs::write(root.join("a"), b"old").unwrap(),
        |connector| async move { connector.read(&path("/a"), ByteRange::first(ByteCount(9))).await },
        |root| has(root, "a", Some(b"old")),
        |_, outcome, what| match outcome {
            Ok(read) => assert_eq!(&read[..], b"old", "{what}"),
            Err(failure) => {
                let told = (failure.kind, failure.effect);
                assert_eq!(told, (FailureKind::Network, Effect::NotApplied), "{what}: {failure}");
            }
        },
    )
    .await;
}

async fn plant_at_every_step(site: &Site) {
    // Two directories are made on the way, where that does not take too long.
    let at = if site.way_in == WayIn::Exec { "/a" } else { "/d/e/a" };
    site.at_every_step(
        |_| {},
        |connector| async move {
            write_one(&connector, new_file(at, "new")).await.map(|outcome| is_written(&outcome))
        },
        |root| has(root, &at[1..], Some(b"new")),
        |root, outcome, what| agrees(root, &at[1..], outcome, None, Some(b"new"), what),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_is_cut_off_is_wholly_old_or_wholly_new() {
    let Some(site) = Site::new().await else { return };
    edit_at_every_step(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_is_cut_off_is_wholly_old_or_wholly_new_over_commands() {
    let Some(site) = Site::over_commands().await else { return };
    edit_at_every_step(&site).await;
}

async fn edit_at_every_step(site: &Site) {
    site.at_every_step(
        |root| std::fs::write(root.join("a"), b"old").unwrap(),
        |connector| async move {
            write_one(&connector, replacement("/a", b"old", "new")).await.map(|outcome| is_written(&outcome))
        },
        |root| has(root, "a", Some(b"new")),
        |root, outcome, what| agrees(root, "a", outcome, Some(b"old"), Some(b"new"), what),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_addition_that_is_cut_off_is_there_once_or_not_at_all() {
    let Some(site) = Site::new().await else { return };
    addition_at_every_step(&site, b"new").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_addition_that_is_cut_off_is_there_once_or_not_at_all_over_commands() {
    let Some(site) = Site::over_commands().await else { return };
    // It travels in several pieces: some cuts fall into the middle of it.
    addition_at_every_step(&site, &[b'n'; 300_000]).await;
}

async fn addition_at_every_step(site: &Site, body: &[u8]) {
    let whole = [b"old", body].concat();
    site.at_every_step(
        |root| std::fs::write(root.join("a"), b"old").unwrap(),
        |connector| {
            let file = addition("/a", body.to_vec());
            async move { write_one(&connector, file).await.map(|outcome| is_written(&outcome)) }
        },
        |root| has(root, "a", Some(&whole)),
        |root, outcome, what| agrees(root, "a", outcome, Some(b"old"), Some(&whole), what),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_is_cut_off_is_told_as_it_is() {
    let Some(site) = Site::new().await else { return };
    removal_at_every_step(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_is_cut_off_is_told_as_it_is_over_commands() {
    let Some(site) = Site::over_commands().await else { return };
    removal_at_every_step(&site).await;
}

async fn removal_at_every_step(site: &Site) {
    site.at_every_step(
        |root| std::fs::write(root.join("a"), b"old").unwrap(),
        |connector| async move {
            let removal = Removal { path: path("/a"), expected: Digest::of(b"old"), staging: staging(1) };
            connector.remove(&removal).await.map(|outcome| matches!(outcome, RemoveOutcome::Gone { .. }))
        },
        |root| has(root, "a", None),
        |root, outcome, what| agrees(root, "a", outcome, Some(b"old"), None, what),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_is_cut_off_is_made_again_or_fails() {
    let Some(site) = Site::new().await else { return };
    site.at_every_step(
        |root| std::fs::write(root.join("a"), b"old").unwrap(),
        |connector| async move { connector.read(&path("/a"), ByteRange::first(ByteCount(9))).await },
        |root| has(root, "a", Some(b"old")),
        |_, outcome, what| match outcome {
            Ok(read) => assert_eq!(&read[..], b"old", "{what}"),
            Err(failure) => {
                assert_eq!((failure.kind, failure.effect), (FailureKind::Network, Effect::NotApplied));
            }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_cut_off_leaves_one_of_the_two_names() {
    let Some(site) = Site::new().await else { return };
    move_at_every_step(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_cut_off_leaves_one_of_the_two_names_over_commands() {
    let Some(site) = Site::over_commands().await else { return };
    move_at_every_step(&site).await;
}

async fn move_at_every_step(site: &Site) {
    site.at_every_step(
        |root| std::fs::write(root.join("a"), b"old").unwrap(),
        |connector| async move {
            let request = Move { from: path("/a"), to: path("/b"), expected: Digest::of(b"old") };
            connector.rename(&request).await.map(|outcome| matches!(outcome, MoveOutcome::Moved(_)))
        },
        |root| has(root, "a", None) && has(root, "b", Some(b"old")),
        |root, outcome, what| {
            assert!(has(root, "a", Some(b"old")) || has(root, "b", Some(b"old")), "{what}: it is lost");
            agrees(root, "b", outcome, None, Some(b"old"), what);
        },
    )
    .await;
}

/// What is dialled answers with what it got. How many came is counted.
async fn echo() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, came) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&came);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut said = [0; 5];
                if client.read_exact(&mut said).await.is_ok() {
                    let _ = client.write_all(&said).await;
                }
            });
        }
    });
    (at, came)
}

/// A connection that leaves from the decoy: it comes about, or the answer says truly whether anybody saw it; one that broke
/// ends, and the next one is made anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dial_that_is_cut_off_is_told_as_it_is() {
    let Some(sshd) = Sshd::start(SshdOptions::default()) else { return };
    let site = Site::before(sshd, WayIn::Sftp, None).await;
    let (to, came) = echo().await;
    for fault in FAULTS {
        let (mut dials, mut talks) = (0, 0);
        for step in 0..=STEPS_MAX {
            assert!(step < STEPS_MAX, "it never came through");
            let connector = site.connected().await;
            let (hits, seen) = (site.proxy.hits(), came.load(Ordering::SeqCst));
            site.arm(fault, step);
            let dialled = answer(connector.dial(to)).await;
            let what = format!("{fault:?} at step {step}");
            let through = match dialled {
                Ok(mut stream) => {
                    let mut said = [0; 5];
                    // What breaks is seen as an end or an error, and nothing hangs.
                    let wrote = answer(stream.write_all(b"hello")).await.is_ok();
                    let read = answer(stream.read_exact(&mut said)).await.is_ok();
                    talks += 1;
                    wrote && read && &said == b"hello"
                }
                Err(failure) => {
                    dials += 1;
                    site.settled().await;
                    assert_eq!(failure.kind, FailureKind::Network, "{what}: {failure}");
                    let was_seen = came.load(Ordering::SeqCst) > seen;
                    match failure.effect {
                        Effect::NotApplied => assert!(!was_seen, "{what}: told as never opened"),
                        Effect::Applied => assert!(was_seen, "{what}: told as opened"),
                        Effect::Unknown => {}
                    }
                    false
                }
            };
            let hit = site.proxy.hits() > hits;
            site.proxy.disarm();
            // The same connector reaches it again: nothing has to be made anew by hand.
            if !through {
                assert!(hit, "{what}: it failed by itself");
                let mut stream = answer(connector.dial(to)).await.unwrap();
                answer(stream.write_all(b"again")).await.unwrap();
                let mut said = [0; 5];
                answer(stream.read_exact(&mut said)).await.unwrap();
                assert_eq!(&said, b"again", "{what}");
            }
            if !hit {
                break;
            }
        }
        assert!(dials > 0 && talks > 0, "{fault:?} met {dials} while they were made, {talks} afterwards");
    }
}

/// A hundred small files take a handful of round trips: what a client says at once goes out at once, and a directory that all
/// of them need is made once.
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
    for to_make in [&[][..], &["new", "deep"]] {
        let mut took = Vec::new();
        for (name, count) in [("one", 1), ("many", 100)] {
            let dirs: Vec<String> = to_make.iter().map(|dir| format!("{dir}-{name}")).collect();
            let dir =
                std::iter::once("/d").chain(dirs.iter().map(String::as_str)).collect::<Vec<_>>().join("/");
            let batch: Vec<_> = (0..count)
                .map(|number| {
                    let file = new_file(format!("{dir}/{name}{number}"), format!("body {number}"));
                    verisim_core::FileWrite { staging: staging(1_000 + number), ..file }
                })
                .collect();
            let begun = started();
            let mut made = Vec::new();
            for outcome in answer(connector.write(&batch)).await {
                match outcome {
                    Ok(WriteOutcome::Written(written)) => made.extend(written.made_parents),
                    other => panic!("{other:?}"),
                }
            }
            took.push(begun.elapsed());
            assert_eq!(made.len(), to_make.len(), "each is told once: {made:?}");
        }
        // Two rounds of sequences, and as much again for a busy machine.
        assert!(took[1] < took[0] * 8, "{to_make:?}: one file {:?}, a hundred {:?}", took[0], took[1]);
    }
}

#[expect(clippy::disallowed_methods, reason = "what is measured is how long a real connection takes")]
fn started() -> std::time::Instant {
    std::time::Instant::now()
}
