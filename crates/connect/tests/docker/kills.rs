//! The container, or its engine, dies at every step of every deed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use verisim_connect::{DockerConnector, Reach};
use verisim_core::{
    ByteCount, ByteRange, Connector as _, Effect, Failure, FailureKind, FileMode, FileWrite, Owner,
    OwnerPolicy, WriteMode, WriteOutcome,
};
use verisim_testkit::decoy_under_test::{answer, new_file, path, replacement, staging};
use verisim_testkit::{RealContainer, RealEngine};

use crate::decoys::connector;
use crate::effects::{DEEDS, Deed, Trial};
use crate::injection::{Blow, Injection, Point, Way};
use crate::unseen::in_network_of;

/// Files of one batch: enough that a death comes in the middle of it.
const FILES: usize = 256;
/// How often the container dies.
const DEATHS: usize = 3;

/// A batch of plants, or of edits of what the batch before planted.
fn batch(death: usize, number: usize) -> Vec<FileWrite> {
    let content = |edit| vec![b'a' + u8::from(edit); 4_000];
    let is_edit = number % 2 == 1;
    let file = |n: usize| {
        let at = format!("/srv/{death}/{}-{n}", number / 2);
        if is_edit {
            return replacement(at, &content(false), content(true));
        }
        let owner = OwnerPolicy::Set(Owner { uid: 1234, gid: 1234 });
        FileWrite { owner, mode: Some(FileMode::new(0o640)), ..new_file(at, content(false)) }
    };
    (0..FILES).map(|n| FileWrite { staging: staging(n as i64), ..file(n) }).collect()
}

/// In the middle of the writes, reads and connections of the fast way, wherever that may be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_4_a_container_that_dies_while_it_is_written_to_is_told_truly() {
    let Some(engine) = RealEngine::start() else { return };
    let container = engine.container("decoy", &[]);
    let connector = connector(&engine, "decoy", Reach::Fast);
    fs::write(container.root().join("read"), b"as it is").unwrap();
    let (mut failed, mut unsure) = (0, 0);
    for death in 0..DEATHS {
        let pid = container.pid();
        let listener = in_network_of(pid);
        let to = listener.local_addr().unwrap();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20 + 25 * death as u64));
            kill(pid);
        });
        let reading = until_it_fails(&connector, async |connector| {
            let read = answer(connector.read(&path("/read"), ByteRange::first(ByteCount(99)))).await?;
            assert_eq!(&read[..], b"as it is");
            Ok(())
        });
        let dialling = until_it_fails(&connector, async |connector| {
            let dialled = answer(connector.dial(to)).await?;
            drop((dialled, listener.accept().unwrap()));
            Ok(())
        });
        let (outcomes, (), ()) = tokio::join!(write_on(&connector, death), reading, dialling);
        killer.join().unwrap();
        while engine.docker(&["inspect", "--format", "{{.State.Running}}", "decoy"]) == "true" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        container.change(&["start"]);
        let root = container.root();
        for (file, outcome) in outcomes {
            match outcome {
                Ok(WriteOutcome::Written(_)) => {
                    let at = root.join(file.path.to_string().trim_start_matches('/'));
                    assert_eq!(fs::read(at).unwrap(), &file.body[..], "{}", file.path);
                }
                Ok(WriteOutcome::Foreign(found)) => panic!("{}: {found:?}", file.path),
                Err(failure) => {
                    failed += 1;
                    unsure += usize::from(failure.effect == Effect::Unknown);
                    assert_true(&root, &file, &failure);
                }
            }
        }
    }
    assert!(failed > 0 && unsure > 0, "it never died in the middle: {failed} failed, {unsure} unsure");
}

/// Writes one batch after the other until the container dies; only of the last one it is not yet certain what is there.
async fn write_on(
    connector: &DockerConnector,
    death: usize,
) -> Vec<(FileWrite, Result<WriteOutcome, Failure>)> {
    for number in 0..1_000 {
        let files = batch(death, number);
        let outcomes = answer(connector.write(&files)).await;
        let done: Vec<_> = files.into_iter().zip(outcomes).collect();
        if done.iter().any(|(_, outcome)| outcome.is_err()) {
            return done;
        }
    }
    panic!("it did not die");
}

async fn until_it_fails(
    connector: &DockerConnector,
    work: impl AsyncFn(&DockerConnector) -> Result<(), Failure>,
) {
    loop {
        if let Err(failure) = work(connector).await {
            let kinds = [FailureKind::Network, FailureKind::NotFound];
            assert!(kinds.contains(&failure.kind), "{failure}");
            assert_eq!(failure.effect, Effect::NotApplied, "{failure}");
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Wholly as it was or wholly as it should be, and as it was where that is said.
fn assert_true(root: &Path, file: &FileWrite, failure: &Failure) {
    assert!(matches!(failure.kind, FailureKind::Network | FailureKind::NotFound), "{failure}");
    let there = fs::read(root.join(file.path.to_string().trim_start_matches('/'))).ok();
    let before = matches!(file.how, WriteMode::Replace { .. }).then(|| vec![b'a'; 4_000]);
    match failure.effect {
        Effect::NotApplied => assert_eq!(there, before, "{}", file.path),
        Effect::Unknown => {
            let is_whole = there == before || there.as_deref() == Some(&file.body[..]);
            assert!(is_whole, "{}: it is torn", file.path);
        }
        Effect::Applied => panic!("{failure}"),
    }
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = kill_process(pid, Signal::KILL);
}

/// How many requests a deed takes when nothing happens.
async fn steps(engine: &RealEngine, root: &Path, reach: Reach, trial: &Trial) -> usize {
    trial.prepare(root);
    let way = Way::start(engine, None);
    trial.act(&way.connector(reach)).await.unwrap();
    way.connections()
}

/// Also between the questions that precede a deed, and between those that follow it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_4_a_container_that_dies_at_any_step_is_told_truly() {
    let Some(engine) = RealEngine::start() else { return };
    let container = engine.container("decoy", &[]);
    for reach in [Reach::Fast, Reach::Portable] {
        // Connections never go through archives.
        for deed in DEEDS.into_iter().filter(|deed| reach == Reach::Fast || *deed != Deed::Dial) {
            let listener = in_network_of(container.pid());
            let to = listener.local_addr().unwrap();
            let counted = Trial { deed, at: format!("/{deed:?}{reach:?}/count/a"), to };
            let steps = steps(&engine, &container.root(), reach, &counted).await;
            // The looks at directories, in between, are all alike.
            for step in (0..steps).filter(|step| *step < 2 || step + 3 >= steps) {
                container_dies(&engine, &container, reach, deed, step).await;
            }
        }
    }
}

async fn container_dies(
    engine: &RealEngine,
    container: &RealContainer<'_>,
    reach: Reach,
    deed: Deed,
    step: usize,
) {
    let what = format!("{reach:?}, {deed:?}, the container dies at step {step}");
    let pid = container.pid();
    let listener = in_network_of(pid);
    let trial =
        Trial { deed, at: format!("/{deed:?}{reach:?}/{step}/a"), to: listener.local_addr().unwrap() };
    trial.prepare(&container.root());
    let blow: Blow = Arc::new(move || {
        kill(pid);
        // The engine learns of it a moment later; both must be borne, and this is the one that can be waited for.
        std::thread::sleep(Duration::from_millis(200));
    });
    let way = Way::start(engine, Some(Injection { step, point: Point::AtOnce, blow: Some(blow) }));
    let connector = way.connector(reach);
    let outcome = trial.act(&connector).await;
    assert!(way.was_hit(), "{what}");
    drop(way);
    container.change(&["start"]);
    let root = container.root();
    let way = Way::start(engine, None);
    let Err(failure) = outcome else {
        // An engine unpacks into a container that does not run, too.
        trial.judge(&what, &root, if reads(deed) { Effect::NotApplied } else { Effect::Applied }, true);
        return;
    };
    let kinds = [FailureKind::NotFound, FailureKind::Network];
    assert!(kinds.contains(&failure.kind), "{what}: {failure}");
    assert!(deed != Deed::Dial || failure.effect == Effect::NotApplied, "{what}: {failure}");
    let torn = trial.judge(&what, &root, failure.effect, connector.capabilities().atomic_replace);
    assert!(!torn, "{what}: nothing ends the engine's own work");
    let listener = in_network_of(container.pid());
    let again = Trial { to: listener.local_addr().unwrap(), ..trial };
    again.make_good(&way.connector(reach), &root, failure.effect).await;
}

fn reads(deed: Deed) -> bool {
    matches!(deed, Deed::Read | Deed::Dial)
}

/// An engine and a container that survives it only on disk.
struct Mortal {
    engine: RealEngine,
}

impl Mortal {
    fn start() -> Option<Self> {
        let engine = RealEngine::start()?;
        let run =
            ["run", "-d", "--name", "decoy", "--stop-timeout", "0", "--network", "none", "verisim-test"];
        engine.docker(&[&run[..], &["/bin/busybox", "sleep", "10000"]].concat());
        Some(Self { engine })
    }

    fn pid(&self) -> u32 {
        self.engine.docker(&["inspect", "--format", "{{.State.Pid}}", "decoy"]).parse().unwrap()
    }

    fn root(&self) -> PathBuf {
        format!("/proc/{}/root", self.pid()).into()
    }

    async fn dies(&mut self, reach: Reach, deed: Deed, step: usize, point: Point) -> bool {
        let what = format!("{reach:?}, {deed:?}, the engine dies at step {step}, {point:?}");
        let listener = in_network_of(self.pid());
        let at = format!("/{deed:?}{reach:?}/{step}{point:?}/a").replace(['(', ')'], "-");
        let trial = Trial { deed, at, to: listener.local_addr().unwrap() };
        trial.prepare(&self.root());
        let daemon = self.engine.pid();
        let blow: Blow = Arc::new(move || {
            // What was sent shall have been used when it happens.
            std::thread::sleep(Duration::from_millis(300));
            kill(daemon);
        });
        let way = Way::start(&self.engine, Some(Injection { step, point, blow: Some(blow) }));
        let connector = way.connector(reach);
        let Err(failure) = trial.act(&connector).await else { panic!("{what}: it should have failed") };
        assert!(way.was_hit(), "{what}");
        drop(way);
        assert_eq!(failure.kind, FailureKind::Network, "{what}: {failure}");
        self.engine.kill();
        self.engine.restart();
        self.engine.docker(&["start", "decoy"]);
        let root = self.root();
        let torn = trial.judge(&what, &root, failure.effect, connector.capabilities().atomic_replace);
        let way = Way::start(&self.engine, None);
        let listener = in_network_of(self.pid());
        let again = Trial { to: listener.local_addr().unwrap(), ..trial };
        again.make_good(&way.connector(reach), &root, failure.effect).await;
        torn
    }
}

/// It begins anew each time, which takes seconds: so the fast way, which asks two questions and then no more, meets each
/// death once, and the archives meet it at each kind of request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_4_an_engine_that_dies_leaves_nothing_torn_for_long() {
    let Some(mut mortal) = Mortal::start() else { return };
    for (number, deed) in DEEDS.into_iter().enumerate() {
        mortal.dies(Reach::Fast, deed, number % 2, Point::AtOnce).await;
    }
    let listener = in_network_of(mortal.pid());
    let to = listener.local_addr().unwrap();
    let counted = |deed| Trial { deed, at: format!("/{deed:?}/count/a"), to };
    let reading = steps(&mortal.engine, &mortal.root(), Reach::Portable, &counted(Deed::Read)).await;
    mortal.dies(Reach::Portable, Deed::Read, reading - 1, Point::HalfAnswered).await;
    let planting = steps(&mortal.engine, &mortal.root(), Reach::Portable, &counted(Deed::Plant)).await;
    let mut torn = 0;
    // The last two requests are the archive that is unpacked and the one that is read back.
    for (step, point) in [
        (1, Point::Answering),
        (planting - 2, Point::Sending(150_000)),
        (planting - 2, Point::Answering),
        (planting - 1, Point::AtOnce),
    ] {
        torn += usize::from(mortal.dies(Reach::Portable, Deed::Plant, step, point).await);
    }
    assert!(torn > 0, "nothing was torn, and so nothing shown to be mended");
}
