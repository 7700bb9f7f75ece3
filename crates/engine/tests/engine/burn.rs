//! A past is planted and taken back, and the process dies at every step of either.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use verisim_connect::RootfsConnector;
use verisim_core::{
    Body, BurnBefore, BurnDress, BurnFacts, BurnFate, BurnFile, BurnHow, BurnIn, BurnState,
    CancellationToken, Clock as _, Connector, DecoyPath, Digest, FileClass, FileMode, Owner, Store,
    Timestamp,
};
use verisim_engine::{BurnError, Burner, Comings, Drawn, Exposure};
use verisim_testkit::doubles::{FaultStore, Faults, FaultyConnector, Phase};
use verisim_testkit::{MemoryStore, VirtualClock};

use crate::stage::name;

const OLD: &[u8] = b"root:x:0:0::/root:/bin/sh\n";
const NEW: &[u8] = b"root:x:0:0::/root:/bin/sh\nann:x:1001:1001::/home/ann:/bin/sh\n";
const LOG: &[u8] = b"Jan  2 04:05:06 files01 sshd[7]: Server listening\n";

fn day(number: i64) -> Timestamp {
    Timestamp::new(1_767_225_600 + number * 86_400, 123_456_789).unwrap()
}

fn path(text: &str) -> DecoyPath {
    DecoyPath::new(text).unwrap()
}

/// A decoy with two system files and a directory of old times.
fn decoy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for made in ["root/etc", "root/home", "root/var/log", "outside"] {
        fs::create_dir_all(dir.path().join(made)).unwrap();
    }
    fs::write(dir.path().join("root/etc/passwd"), OLD).unwrap();
    fs::write(dir.path().join("root/var/log/auth.log"), LOG).unwrap();
    for old in ["etc/passwd", "var/log/auth.log", "etc", "home", "var/log", "var", "."] {
        set_times(&dir.path().join("root").join(old), -400);
    }
    dir
}

fn set_times(at: &Path, number: i64) {
    let time = |extra: i32| rustix::fs::Timespec {
        tv_sec: day(number).as_second(),
        tv_nsec: i64::from(day(number).subsec_nanosecond() + extra),
    };
    let times = rustix::fs::Timestamps { last_access: time(5), last_modification: time(0) };
    rustix::fs::utimensat(rustix::fs::CWD, at, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Everything of a tree but what nobody can set: kind and mode, owner, both times to the nanosecond, content.
type Tree = BTreeMap<String, (u32, u32, u32, (i64, i64), (i64, i64), Option<Vec<u8>>)>;

/// Looks without moving an access time: a stat comes before what it reads, and the time is put back.
fn tree(root: &Path) -> Tree {
    fn walk(at: &Path, root: &Path, out: &mut Tree) {
        let meta = fs::symlink_metadata(at).unwrap();
        let body = meta.is_file().then(|| fs::read(at).unwrap());
        let (times, changes) = ((meta.atime(), meta.atime_nsec()), (meta.mtime(), meta.mtime_nsec()));
        let key = at.strip_prefix(root).unwrap().display().to_string();
        out.insert(key, (meta.mode(), meta.uid(), meta.gid(), times, changes, body));
        if meta.is_dir() {
            let mut names: Vec<_> = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()).collect();
            names.sort();
            names.iter().for_each(|name| walk(name, root, out));
        }
        if !meta.is_symlink() {
            let spec = |tv_sec, tv_nsec| rustix::fs::Timespec { tv_sec, tv_nsec };
            let times = rustix::fs::Timestamps {
                last_access: spec(meta.atime(), meta.atime_nsec()),
                last_modification: spec(meta.mtime(), meta.mtime_nsec()),
            };
            rustix::fs::utimensat(rustix::fs::CWD, at, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
                .unwrap();
        }
    }
    let mut out = Tree::new();
    walk(root, root, &mut out);
    out
}

fn file(at: &str, how: BurnHow, body: &[u8], whole: &[u8], mtime: i64) -> BurnFile {
    let owner = Owner { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() };
    let dress = BurnDress { mode: FileMode::new(0o640), owner, mtime: day(mtime), atime: day(mtime + 1) };
    let old = BurnDress { mode: FileMode::new(0o644), owner, mtime: day(-400), atime: day(-400) };
    let class = (how == BurnHow::New).then_some(FileClass::Note);
    BurnFile {
        number: 0,
        path: path(at),
        facts: BurnFacts {
            how,
            sha256: Digest::of(whole),
            size: whole.len() as u64,
            dress,
            class,
            persona: class.map(|_| "ann".parse().unwrap()),
            session: None,
            born_at: day(mtime - 1),
            edits: 3,
            why: "a test".into(),
        },
        body: Some(Body::from(body.to_vec())),
        before: match how {
            BurnHow::New => None,
            BurnHow::Append => Some(BurnBefore { body: Body::from(LOG), dress: with_atime(old) }),
            BurnHow::Rewrite => Some(BurnBefore { body: Body::from(OLD), dress: with_atime(old) }),
        },
        fate: BurnFate::Planned,
    }
}

/// As [`set_times`] left it.
fn with_atime(dress: BurnDress) -> BurnDress {
    BurnDress { atime: dress.mtime + Duration::from_nanos(5), ..dress }
}

/// A little past: accounts, a home with folders, a log that grows.
fn drawn(clock: &VirtualClock) -> Drawn {
    let added = b"Jan  3 04:05:06 files01 sshd[9]: Accepted publickey for ann\n";
    let files = vec![
        file("/etc/passwd", BurnHow::Rewrite, NEW, NEW, 1),
        file("/home/ann/notes/a.txt", BurnHow::New, b"one", b"one", 2),
        file("/home/ann/work/deep/b.txt", BurnHow::New, b"two", b"two", 3),
        file("/home/ann/c.txt", BurnHow::New, b"three", b"three", 4),
        file("/var/log/auth.log", BurnHow::Append, added, &[LOG, added].concat(), 5),
        file("/srv/d.txt", BurnHow::New, b"four", b"four", 6),
    ];
    let comings =
        [("/home/ann/notes", 2, 8), ("/home/ann/work/deep", 3, 3), ("/home/ann", 4, 7), ("/srv", 6, 6)].map(
            |(at, first, last)| Comings {
                path: path(at),
                first: day(first),
                last: day(last),
                read: day(last + 1),
            },
        );
    let burn = BurnIn {
        decoy: name("files01"),
        from: day(0),
        until: day(30),
        days: 30,
        story: "a test".into(),
        state: BurnState::Planting,
        files: 0,
        begun: 0,
        begun_at: clock.now(),
        ended_at: None,
        notes: Vec::new(),
        keeping: None,
    };
    Drawn { burn, files, comings: comings.into() }
}

struct Scene {
    dir: tempfile::TempDir,
    store: Arc<MemoryStore>,
    clock: Arc<VirtualClock>,
}

impl Scene {
    fn new() -> Self {
        Self { dir: decoy(), store: MemoryStore::new(), clock: VirtualClock::new(day(30)) }
    }

    fn tree(&self) -> Tree {
        tree(&self.dir.path().join("root"))
    }

    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(RootfsConnector::new(self.dir.path().join("root"), self.clock.clone()))
    }

    fn burner(&self) -> Burner {
        let store: Arc<dyn Store> = Arc::<MemoryStore>::clone(&self.store);
        self.over(store, self.connector())
    }

    fn over(&self, store: Arc<dyn Store>, connector: Arc<dyn Connector>) -> Burner {
        Burner {
            store,
            connector,
            clock: self.clock.clone(),
            decoy: name("files01"),
            stop: CancellationToken::new(),
            progress: Box::new(|_, _| {}),
        }
    }

    /// What a call of the command line does: goes on, or begins.
    async fn give(&self, burner: &Burner) -> Result<(), BurnError> {
        let burn = match burner.known().await? {
            Some(burn) if burn.state == BurnState::Done => return Ok(()),
            Some(burn) => burn,
            None => burner.begin(drawn(&self.clock)).await?,
        };
        burner.plant(burn).await.map(drop)
    }

    async fn take(&self, burner: &Burner) -> Result<(), BurnError> {
        match burner.known().await? {
            Some(burn) => burner.undo(burn).await.map(drop),
            None => Ok(()),
        }
    }

    /// Runs work whose pauses pass at once.
    async fn hurried<T>(&self, work: impl Future<Output = T>) -> T {
        let hurry = async {
            loop {
                tokio::task::yield_now().await;
                self.clock.advance_to_next();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! { done = work => done, () = hurry => unreachable!() }
    }
}

async fn unbroken() -> (Tree, Tree) {
    let scene = Scene::new();
    let before = scene.tree();
    scene.give(&scene.burner()).await.unwrap();
    (before, scene.tree())
}

#[tokio::test]
async fn a_past_bears_the_times_that_were_drawn_and_goes_without_a_trace() {
    let scene = Scene::new();
    let before = scene.tree();
    scene.give(&scene.burner()).await.unwrap();
    let after = scene.tree();
    let mtime = |at: &str| after[at].4;
    let expected = |number: i64| (day(number).as_second(), 123_456_789);
    for (at, number) in [
        ("home/ann/notes/a.txt", 2),
        ("home/ann/notes", 8),
        ("home/ann/work/deep", 3),
        // A directory came when its first entry did.
        ("home/ann/work", 3),
        ("home/ann", 7),
        ("home", 2),
        ("srv", 6),
        ("", 6),
        ("var/log", -400),
        ("etc", -400),
        ("etc/passwd", 1),
        ("var/log/auth.log", 5),
    ] {
        assert_eq!(mtime(at), expected(number), "{at:?}");
    }
    assert_eq!(after["etc"].3, before["etc"].3, "a directory that was there is not read");
    assert_eq!(after["etc/passwd"].5.as_deref(), Some(NEW));
    let known = scene.store.ledger_scan(None, 100).await.unwrap();
    assert_eq!(known.len(), 4, "the ledger lists people's files, and the system's not");
    assert!(known.iter().all(|entry| entry.edits == 3 && entry.planted_at < entry.changed_at));
    assert_eq!(scene.burner().exposure().await.unwrap(), None, "a past alone is no life");
    scene.take(&scene.burner()).await.unwrap();
    assert_eq!(scene.tree(), before);
    assert!(scene.store.ledger_scan(None, 100).await.unwrap().is_empty());
    assert!(scene.burner().known().await.unwrap().is_none());
}

/// INV-12: dying before or after any call of the store loses nothing and repeats nothing, of a past and of its undo.
#[tokio::test]
async fn inv_12_inv_4_a_past_survives_death_at_every_step() {
    let (before, after) = unbroken().await;
    for is_undo in [false, true] {
        let mut step = 0;
        loop {
            let scene = Scene::new();
            if is_undo {
                scene.give(&scene.burner()).await.unwrap();
            }
            let faults = Faults::die_at(step);
            let store: Arc<dyn Store> = Arc::<MemoryStore>::clone(&scene.store);
            let mortal = scene.over(FaultStore::new(store, Arc::clone(&faults)), scene.connector());
            let died = tokio::select! {
                biased;
                () = faults.dead().cancelled() => true,
                done = async { if is_undo { scene.take(&mortal).await } else { scene.give(&mortal).await } } => {
                    done.unwrap();
                    false
                }
            };
            if is_undo {
                scene.take(&scene.burner()).await.unwrap();
                assert_eq!(scene.tree(), before, "undo died at step {step}");
            } else {
                scene.give(&scene.burner()).await.unwrap();
                assert_eq!(scene.tree(), after, "died at step {step}");
                scene.take(&scene.burner()).await.unwrap();
                assert_eq!(scene.tree(), before, "died at step {step}, and undone");
            }
            if !died {
                break;
            }
            step += 1;
        }
        assert!(step > 8, "only {step} steps were met");
    }
}

/// INV-4: a lost answer, of an effect that happened or did not, is looked for; nothing is written twice.
#[tokio::test]
async fn inv_4_a_past_survives_every_lost_answer() {
    let (before, after) = unbroken().await;
    for phase in [Phase::Before, Phase::After] {
        let mut call = 0;
        loop {
            let scene = Scene::new();
            let faulty = FaultyConnector::new(scene.connector(), call, phase);
            let store: Arc<dyn Store> = Arc::<MemoryStore>::clone(&scene.store);
            let burner = scene.over(store, Arc::<FaultyConnector>::clone(&faulty));
            // What fails before anything was begun is tried again by who called.
            if scene.hurried(scene.give(&burner)).await.is_err() {
                scene.hurried(scene.give(&scene.burner())).await.unwrap();
            }
            assert_eq!(scene.tree(), after, "{phase:?} call {call}");
            let was_hit = faulty.was_hit();
            let faulty = FaultyConnector::new(scene.connector(), call, phase);
            let store: Arc<dyn Store> = Arc::<MemoryStore>::clone(&scene.store);
            let burner = scene.over(store, Arc::<FaultyConnector>::clone(&faulty));
            if scene.hurried(scene.take(&burner)).await.is_err() {
                scene.hurried(scene.take(&scene.burner())).await.unwrap();
            }
            assert_eq!(scene.tree(), before, "undo, {phase:?} call {call}");
            if !was_hit && !faulty.was_hit() {
                break;
            }
            call += 1;
        }
        assert!(call > 8, "only {call} calls were met");
    }
}

#[tokio::test]
async fn what_somebody_changed_since_stays_and_is_named() {
    let scene = Scene::new();
    let before = scene.tree();
    scene.give(&scene.burner()).await.unwrap();
    let host = |at: &str| scene.dir.path().join("root").join(at);
    fs::write(host("home/ann/c.txt"), "theirs").unwrap();
    fs::write(host("home/ann/work/theirs"), "theirs").unwrap();
    fs::write(host("etc/passwd"), [NEW, b"evil:x:0:0::/:/bin/sh\n"].concat()).unwrap();
    fs::write(host("etc/theirs"), "theirs").unwrap();
    let (work, etc) = (scene.tree()["home/ann/work"].4, scene.tree()["etc"].4);
    let burner = scene.burner();
    let burn = burner.known().await.unwrap().unwrap();
    let undone = burner.undo(burn).await.unwrap();
    let mut left = undone.left.clone();
    left.sort();
    assert_eq!(left, [path("/etc/passwd"), path("/home/ann/c.txt")]);
    let mut dirs: Vec<_> = undone.directories.iter().map(|(dir, _)| dir.clone()).collect();
    dirs.sort();
    assert_eq!(dirs, [path("/home/ann"), path("/home/ann/work")]);
    let now = scene.tree();
    assert_eq!((now["home/ann/work"].4, now["etc"].4), (work, etc), "when they were there shows");
    assert_eq!(fs::read(host("home/ann/c.txt")).unwrap(), b"theirs");
    for same in ["var/log/auth.log", "var/log", "var", ""] {
        assert_eq!(now[same], before[same], "{same:?}");
    }
    assert!(
        !host("srv").exists() && !host("home/ann/notes").exists() && !host("home/ann/work/deep").exists()
    );
}

/// What stands in the way stays, whatever it is, and nothing outside is touched.
#[tokio::test]
async fn inv_7_a_past_meets_a_hostile_decoy() {
    use std::os::unix::fs::symlink;
    let scene = Scene::new();
    let host = |at: &str| scene.dir.path().join("root").join(at);
    let outside = scene.dir.path().join("outside");
    fs::write(outside.join("kept"), "kept").unwrap();
    set_times(&outside.join("kept"), -7);
    set_times(&outside, -7);
    let was = tree(&outside);
    fs::create_dir_all(host("home/ann/work")).unwrap();
    // A folder of the way leads out, a name is a link to a file outside, another is a FIFO.
    symlink(&outside, host("home/ann/work/deep")).unwrap();
    symlink(outside.join("kept"), host("home/ann/c.txt")).unwrap();
    fs::create_dir(host("srv")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        host("srv/d.txt"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let burner = scene.burner();
    let mut plan = drawn(&scene.clock);
    plan.burn.state = BurnState::Planting;
    let burn = burner.begin(plan).await.unwrap();
    assert_eq!(burn.files, 5, "what lies behind a link is left out");
    assert!(burn.notes[0].contains("/home/ann/work/deep"), "{:?}", burn.notes);
    // Between the look and the write, what was read is exchanged for a link that leads out.
    fs::remove_file(host("etc/passwd")).unwrap();
    symlink(outside.join("kept"), host("etc/passwd")).unwrap();
    let planted = burner.plant(burn).await.unwrap();
    let mut taken = planted.taken.clone();
    taken.sort();
    assert_eq!(taken, [path("/etc/passwd"), path("/home/ann/c.txt"), path("/srv/d.txt")]);
    assert_eq!(planted.files, 2);
    assert_eq!(tree(&outside), was);
    let burn = burner.known().await.unwrap().unwrap();
    let undone = burner.undo(burn).await.unwrap();
    assert_eq!((undone.removed, undone.restored, undone.left.len()), (1, 1, 0));
    assert!(host("etc/passwd").is_symlink() && host("home/ann/c.txt").is_symlink());
    assert_eq!(tree(&outside), was);
}

#[tokio::test]
async fn a_decoy_with_a_file_of_the_present_lives() {
    let scene = Scene::new();
    scene.give(&scene.burner()).await.unwrap();
    let mut entry = scene.store.ledger_scan(None, 1).await.unwrap().remove(0);
    entry.path = path("/zz");
    entry.persona = None;
    let change = verisim_core::LedgerChange::Put(Box::new(entry));
    let amend = verisim_core::Amendment {
        decoy: name("files01"),
        change: verisim_core::Amend::Path(change),
        events: Vec::new(),
    };
    scene.store.amend(amend).await.unwrap();
    let found = scene.burner().exposure().await.unwrap();
    assert!(matches!(&found, Some(Exposure::File { path: at, .. }) if *at == path("/zz")), "{found:?}");
}
