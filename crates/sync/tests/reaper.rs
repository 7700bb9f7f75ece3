//! The reaper deletes after the last pass that was asked for and never before, in a virtual month in which everything that an
//! interlock asks about changes: a model that knows what really is, and was written from the promises of cleanup rather than
//! from its code, judges every file that goes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use common::{ON, Row, Site, sentinel, write_tree};
use futures_util::StreamExt as _;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};
use verisim_core::manifest::{Parser, Sorted};
use verisim_core::{
    Capture, CleanupRule, Digest, Failure, FailureKind, GateOverride, Hashes, Proof, PushOptions, Remote,
    RemoteFile, RemoteStat, Revocation, Schedule, Severity, SyncEvent, SyncState, SyncTransport, Timestamp,
    TransportCapabilities, TransportError, TransportResult,
};
use verisim_sync::{
    CaptureRule, Courier, CourierOptions, Destination, GateAsks, GateRule, Glob, NativeTransport,
};

const HOUR: Duration = Duration::from_secs(3600);
const FILES: [(&str, &[u8]); 4] = [("a", b"alpha"), ("b", b"beta"), ("d/c", b"gamma"), ("done", b"")];

/// What becomes of the world.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// The destination goes away, or comes back.
    Away(bool),
    /// It says that the folder is somebody else's.
    ForeignOwner(bool),
    /// It says that no manifest is sealed there, or another.
    NotSealed(bool),
    /// Listings end in the middle with an error.
    Cut(bool),
    /// It only knows a hash that is not SHA-256.
    OtherProof(bool),
    /// A byte rots there.
    Rot(usize),
    /// A file gets another content here, as long as the former.
    Change(usize),
    /// A file gets another time here.
    Touch(usize),
    /// A file comes here.
    Late(u8),
    /// A file is put aside here, or comes back.
    Hide(usize, bool),
    /// Every file is put aside, as where a mount went away; or they come back.
    Empty(bool),
    /// Another directory with the same files takes the capture's place.
    Replace,
    /// The operator changes the rule; the daemon starts anew with it.
    Rule { enabled: bool, passes: u32, hours: u64, other: bool },
    /// Somebody revokes what lets the capture through its gate, or gives it again.
    Gate(bool),
    /// The clock of this machine is set, by so many hours.
    Clock(i64),
}

/// A turn for the worse, and the one that undoes it; some cannot be undone.
fn faults() -> Vec<(Turn, Option<Turn>)> {
    let rule = |enabled, passes, hours| Turn::Rule { enabled, passes, hours, other: false };
    let mut out: Vec<(Turn, Option<Turn>)> = [
        Turn::Away as fn(bool) -> Turn,
        Turn::ForeignOwner,
        Turn::NotSealed,
        Turn::Cut,
        Turn::OtherProof,
        Turn::Empty,
        |is| Turn::Gate(!is),
        |is| Turn::Hide(1, is),
    ]
    .map(|turn| (turn(true), Some(turn(false))))
    .into();
    out.push((Turn::Replace, Some(Turn::Replace)));
    out.push((rule(false, 2, 24), Some(rule(true, 2, 24))));
    out.push((rule(true, 5, 24), Some(rule(true, 1, 24))));
    out.push((rule(true, 2, 24 * 9), None));
    let lasting =
        [Turn::Rot(0), Turn::Change(1), Turn::Touch(2), Turn::Late(7), Turn::Clock(-96), Turn::Clock(96)];
    out.extend(lasting.map(|turn| (turn, None)));
    out
}

/// Some faults over a month, each with the hour in which it begins and how long it lasts, as turns in the order of their hours.
fn month() -> impl Strategy<Value = Vec<(i64, Turn)>> {
    let fault = (0..20 * 24_i64, 1..10 * 24_i64, prop::sample::select(faults()));
    let rule = (1..5_u32, 1..12_u64, any::<bool>()).prop_map(|(passes, days, other)| Turn::Rule {
        enabled: true,
        passes,
        hours: days * 24,
        other,
    });
    (rule, prop::collection::vec(fault, 0..6)).prop_map(|(rule, faults)| {
        let mut turns = vec![(0, rule)];
        for (begins, lasts, (fault, undone)) in faults {
            turns.push((begins, fault));
            turns.extend(undone.map(|undone| (begins + lasts, undone)));
        }
        turns.sort_by_key(|(hour, _)| *hour);
        turns
    })
}

/// What the destination is like, and what it was asked and answered.
#[derive(Default)]
struct There {
    away: bool,
    foreign_owner: bool,
    not_sealed: bool,
    cut: bool,
    other_proof: bool,
    /// The files of the manifest of the last push that ended well, and the capture as it was then.
    pushed: Option<BTreeMap<PathBuf, Digest>>,
    manifest: Option<Digest>,
    as_pushed: BTreeMap<PathBuf, Seen>,
    /// What this step asked: the last answer to `stat`, and what a full listing showed.
    stat: Option<RemoteStat>,
    listed: Option<(bool, Proof)>,
    /// How often all of it was read there.
    listings: usize,
    /// Something was sent in this step, and a manifest sealed.
    sent: bool,
    sealed: bool,
}

/// A file as it is found here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    content: Vec<u8>,
    inode: u64,
    modified: (i64, i64),
}

/// A real destination that vanishes and lies.
struct Unreliable {
    real: NativeTransport,
    there: Arc<Mutex<There>>,
}

impl Unreliable {
    fn answer<T>(&self, operation: &'static str) -> Result<(), T>
    where
        T: From<Failure>,
    {
        if !self.there.lock().unwrap().away {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Network, operation, "no route to host").into())
    }
}

#[async_trait]
impl SyncTransport for Unreliable {
    fn capabilities(&self) -> TransportCapabilities {
        self.real.capabilities()
    }

    async fn push(&self, source: &Capture, to: &Remote, options: &PushOptions) -> TransportResult {
        self.answer::<TransportError>("model.push")?;
        let pushed = self.real.push(source, to, options).await?;
        let mut files = BTreeMap::new();
        let mut parser = Parser::new(Sorted::Required);
        parser
            .feed(&fs::read(&pushed.manifest).unwrap(), |entry| {
                files.insert(PathBuf::from(entry.path.to_string()), entry.sha256);
            })
            .unwrap();
        let mut there = self.there.lock().unwrap();
        there.as_pushed = seen(&source.root);
        (there.pushed, there.manifest, there.sent) = (Some(files), Some(pushed.manifest_sha256), true);
        Ok(pushed)
    }

    async fn hashsum(&self, at: &Remote, options: &PushOptions) -> Result<Hashes, TransportError> {
        self.answer::<TransportError>("model.hashsum")?;
        let hashes = self.real.hashsum(at, options).await?;
        let mut files: Vec<Result<RemoteFile, TransportError>> = hashes.files.collect().await;
        let mut there = self.there.lock().unwrap();
        if there.cut {
            files.truncate(2);
            files.push(Err(Failure::new(FailureKind::Network, "model.hashsum", "cut").into()));
        }
        let proof = if there.other_proof { Proof::Other } else { hashes.proof };
        there.listings += 1;
        let mut found = BTreeMap::new();
        let whole = files.iter().all(|file| match file {
            Ok(RemoteFile::Hashed(entry)) => {
                found.insert(PathBuf::from(entry.path.to_string()), entry.sha256);
                true
            }
            _ => false,
        });
        let expected = there.pushed.clone().unwrap_or_default();
        let same = expected.iter().all(|(path, sha256)| found.get(path) == Some(sha256));
        there.listed = whole.then_some((same, proof));
        Ok(Hashes { proof, files: Box::pin(futures_util::stream::iter(files)) })
    }

    async fn stat(&self, at: &Remote) -> Result<RemoteStat, TransportError> {
        self.there.lock().unwrap().stat = None;
        self.answer::<TransportError>("model.stat")?;
        let mut stat = self.real.stat(at).await?;
        let mut there = self.there.lock().unwrap();
        if there.foreign_owner {
            stat.owner = Some("somebody".into());
        }
        if there.not_sealed {
            stat.sealed = stat.sealed.map(|_| Digest::of(b"another"));
        }
        there.stat = Some(stat.clone());
        Ok(stat)
    }

    async fn seal(&self, at: &Remote, manifest: &Path) -> Result<(), TransportError> {
        self.answer::<TransportError>("model.seal")?;
        self.real.seal(at, manifest).await?;
        self.there.lock().unwrap().sealed = true;
        Ok(())
    }
}

/// Every regular file of the capture but ours.
fn seen(root: &Path) -> BTreeMap<PathBuf, Seen> {
    let all = common::content(root).into_iter().map(|(path, content)| {
        let meta = fs::metadata(root.join(&path)).unwrap();
        (path, Seen { content, inode: meta.ino(), modified: (meta.mtime(), meta.mtime_nsec()) })
    });
    all.collect()
}

/// One capture, everything that changes around it, and the judge.
struct World {
    site: Site,
    there: Arc<Mutex<There>>,
    transport: Arc<Unreliable>,
    courier: Courier,
    rule: CleanupRule,
    row: Row,
    /// What the clock of this machine shows.
    now: Timestamp,
    /// The passes over what was pushed last, as the judge counts them: when by the clock, and how each was shown.
    passes: Vec<(Timestamp, Proof)>,
    /// The last full listing showed damage.
    damaged: bool,
    /// Somebody lets the capture through its gate.
    let_through: bool,
    /// The capture's own directory stands under its name.
    own_root: bool,
    /// Files went by other hands than the reaper's, and did not come back.
    hidden: BTreeMap<PathBuf, PathBuf>,
    deleted: usize,
}

impl World {
    async fn new() -> Self {
        let site = Site::new();
        write_tree(&site.path("captures/run"), &FILES);
        let there = Arc::new(Mutex::new(There::default()));
        let transport = Arc::new(Unreliable { real: site.transport(), there: Arc::clone(&there) });
        let courier = courier(&site, &transport, ON);
        let row = Row::new(site.only(&courier).await);
        let now = site.clock.now();
        Self {
            site,
            there,
            transport,
            courier,
            rule: ON,
            row,
            now,
            passes: Vec::new(),
            damaged: false,
            let_through: true,
            own_root: true,
            hidden: BTreeMap::new(),
            deleted: 0,
        }
    }

    fn run_dir(&self) -> PathBuf {
        self.site.path("captures/run")
    }

    fn set_rule(&mut self, rule: CleanupRule) {
        self.rule = rule;
        self.courier = courier(&self.site, &self.transport, rule);
    }

    /// Puts a file aside without a trace in it, or back.
    fn hide(&mut self, path: &Path, away: bool) {
        let (here, aside) = (
            self.run_dir().join(path),
            self.site.path(&format!("aside-{}", path.display()).replace('/', "_")),
        );
        if !self.own_root {
            return;
        }
        if away && here.exists() && !self.hidden.contains_key(path) {
            fs::rename(&here, &aside).unwrap();
            self.hidden.insert(path.into(), aside);
        } else if !away && let Some(aside) = self.hidden.remove(path) {
            fs::create_dir_all(here.parent().unwrap()).unwrap();
            fs::rename(aside, here).unwrap();
        }
    }

    fn turn(&mut self, turn: Turn) {
        let file = |which: usize| PathBuf::from(FILES[which].0);
        let mut there = self.there.lock().unwrap();
        match turn {
            Turn::Away(is) => there.away = is,
            Turn::ForeignOwner(is) => there.foreign_owner = is,
            Turn::NotSealed(is) => there.not_sealed = is,
            Turn::Cut(is) => there.cut = is,
            Turn::OtherProof(is) => there.other_proof = is,
            _ => {}
        }
        drop(there);
        match turn {
            Turn::Rot(which) => {
                let there = self.site.remote_of(&self.row.spec).join(file(which));
                if there.exists() {
                    fs::write(there, "rotten").unwrap();
                }
            }
            Turn::Change(which) | Turn::Touch(which) => {
                let here = self.run_dir().join(file(which));
                let Ok(meta) = fs::metadata(&here) else { return };
                let time = meta.modified().unwrap();
                let handle = fs::File::options().write(true).open(&here).unwrap();
                if matches!(turn, Turn::Change(_)) {
                    let other: Vec<u8> = fs::read(&here).unwrap().iter().map(|byte| byte ^ 0x20).collect();
                    fs::write(&here, other).unwrap();
                    handle.set_modified(time + Duration::from_secs(1)).unwrap();
                } else {
                    handle.set_modified(time + Duration::from_secs(7)).unwrap();
                }
            }
            Turn::Late(number) if self.run_dir().exists() => {
                fs::write(self.run_dir().join(format!("late-{number}")), "late").unwrap();
            }
            Turn::Hide(which, away) => self.hide(&file(which), away),
            Turn::Empty(away) => FILES.iter().for_each(|(path, _)| self.hide(Path::new(path), away)),
            Turn::Replace => {
                let run = self.run_dir();
                if self.own_root && run.exists() {
                    fs::rename(&run, self.site.path("own")).unwrap();
                    let files = common::content(&self.site.path("own"));
                    fs::create_dir(&run).unwrap();
                    for (path, content) in files {
                        fs::create_dir_all(run.join(&path).parent().unwrap()).unwrap();
                        fs::write(run.join(path), content).unwrap();
                    }
                } else if !self.own_root {
                    fs::remove_dir_all(&run).unwrap();
                    fs::rename(self.site.path("own"), &run).unwrap();
                }
                self.own_root = !self.own_root;
            }
            Turn::Rule { enabled, passes, hours, other } => self.set_rule(CleanupRule {
                enabled,
                min_passes: passes,
                min_age: HOUR * u32::try_from(hours).unwrap(),
                accept_other_proof: other,
                remove_metadata: false,
            }),
            Turn::Gate(open) => {
                self.let_through = open;
                for given in self.row.progress.overrides.iter_mut().filter(|_| !open) {
                    let (reason, by) = ("no".into(), "bob".into());
                    given.revoked.get_or_insert(Revocation { reason, by, at: self.now });
                }
            }
            Turn::Clock(hours) => self.now += jiff::SignedDuration::from_hours(hours),
            _ => {}
        }
    }

    /// Who lets it through does so once the gate has said what it found.
    fn let_through(&mut self) {
        let progress = &mut self.row.progress;
        let held = progress.gate.as_ref().and_then(|report| report.held_by(&progress.overrides).next());
        if let (true, Some(found)) = (self.let_through, held) {
            let (rule, print) = (found.rule.clone(), found.print);
            let (reason, by, at) = ("known".into(), "ann".into(), self.now);
            progress.overrides.push(GateOverride { rule, print, reason, by, at, revoked: None });
        }
    }

    /// One step, judged.
    async fn step(&mut self) -> Schedule {
        self.let_through();
        let before = (self.row.state, seen(&self.run_dir()));
        {
            let mut there = self.there.lock().unwrap();
            (there.stat, there.listed, there.sent, there.sealed) = (None, None, false, false);
        }
        let next = self.row.step(&self.courier, self.now).await;
        let after = seen(&self.run_dir());
        self.count(before.0);
        let there = self.there.lock().unwrap();
        if before.0 == SyncState::CleanupEligible && self.row.state == SyncState::Cleaning {
            assert_eq!(self.why_not(&there), None, "the list was written");
            for (path, seen) in &before.1 {
                let pushed = there.as_pushed.get(path);
                assert_eq!(
                    pushed.map(|it| &it.content),
                    Some(&seen.content),
                    "{} is late evidence",
                    path.display()
                );
            }
        }
        let mut deleted = 0;
        for (path, was) in before.1.iter().filter(|(path, _)| !after.contains_key(*path)) {
            deleted += 1;
            let name = path.display();
            assert_eq!(before.0, SyncState::Cleaning, "{name} went");
            assert_eq!(self.why_not(&there), None, "{name} went");
            assert_eq!(there.as_pushed.get(path), Some(was), "{name} went, and is not what was verified");
        }
        for (path, is) in &after {
            assert_eq!(before.1.get(path), Some(is), "{} was changed by us", path.display());
        }
        drop(there);
        self.deleted += deleted;
        next
    }

    /// Counts passes as the promise does: full, over what was pushed last, one per verification that ended well.
    fn count(&mut self, from: SyncState) {
        let there = self.there.lock().unwrap();
        if there.sent {
            self.passes.clear();
            self.damaged = false;
        }
        let Some((same, proof)) = there.listed else { return };
        self.damaged = !same;
        if !same {
            if from == SyncState::AwaitingVerify {
                self.passes.clear();
            }
        } else if from == SyncState::Cleaning || (from == SyncState::AwaitingVerify && there.sealed) {
            self.passes.push((self.now, proof));
        }
    }

    /// What forbids that anything is deleted now; `None` where nothing does.
    fn why_not(&self, there: &There) -> Option<String> {
        // What is not shown by SHA-256 counts where the operator said so.
        let counts = |pass: &&(Timestamp, Proof)| pass.1 != Proof::Other || self.rule.accept_other_proof;
        let made = self.passes.iter().filter(counts).count();
        let Some((first, _)) = self.passes.iter().find(counts) else {
            return Some("nothing was verified".into());
        };
        let age = self.now.duration_since(*first);
        let (last, _) = self.passes.iter().rfind(counts).unwrap();
        let (apart, unseen) = (last.duration_since(*first), self.now.duration_since(*last));
        let Some(stat) = &there.stat else { return Some("the destination did not answer just now".into()) };
        let whys = [
            (!self.rule.enabled, "cleanup is off"),
            (made < self.rule.min_passes.max(1) as usize, "too few passes"),
            (age < self.rule.min_age.try_into().unwrap(), "the first pass is too young"),
            (apart < self.rule.min_age.try_into().unwrap(), "nobody looked since it is old enough"),
            (unseen.as_hours() > 24, "nobody looked for a day"),
            (self.damaged, "the last listing showed damage"),
            (
                stat.owner.as_deref() != Some(self.row.spec.remote.owner.as_str()),
                "the folder there is not ours",
            ),
            (stat.sealed.is_none() || stat.sealed != there.manifest, "what was verified is not sealed there"),
            (!self.let_through, "what let it through its gate was revoked"),
            (!self.own_root, "another directory stands in its place"),
        ];
        whys.into_iter().find(|(is, _)| *is).map(|(_, why)| why.to_owned())
    }

    /// Lives until `hours` have passed. Where nothing moves, a look every three hours is enough.
    async fn live(&mut self, hours: i64) {
        let mut left = Duration::from_secs(u64::try_from(hours).unwrap() * 3600);
        while !left.is_zero() && !self.row.state.is_final() {
            let before = self.row.state;
            let next = match self.step().await {
                Schedule::At(at) => Duration::try_from(at.duration_since(self.now)).unwrap_or_default(),
                Schedule::Parked => HOUR * 6,
            };
            let least = if self.row.state == before { HOUR * 3 } else { Duration::from_secs(60) };
            let wait = next.clamp(least, HOUR * 6).min(left);
            left = left.saturating_sub(wait);
            self.now += wait;
        }
    }

    /// Somebody puts back there what was pushed: from what is half deleted here nobody else can.
    fn mend(&self) {
        let remote = self.site.remote_of(&self.row.spec);
        for (path, seen) in &self.there.lock().unwrap().as_pushed {
            fs::write(remote.join(path), &seen.content).unwrap();
        }
    }

    /// Everything is well again, and an operator looks after what failed: now it must go.
    async fn recover(&mut self) {
        for turn in [
            Turn::Away(false),
            Turn::ForeignOwner(false),
            Turn::NotSealed(false),
            Turn::Cut(false),
            Turn::OtherProof(false),
            Turn::Gate(true),
        ] {
            self.turn(turn);
        }
        if !self.own_root {
            self.turn(Turn::Replace);
        }
        self.turn(Turn::Empty(false));
        // Who has begun to clean up by a rule that takes another hash has to go on by such a one.
        let accept_other_proof = self.row.state == SyncState::Cleaning;
        self.set_rule(CleanupRule { accept_other_proof, ..ON });
        for _ in 0..8 {
            if self.row.state == SyncState::Cleaning && self.damaged {
                self.mend();
            }
            if self.row.state == SyncState::Cleaned {
                return;
            }
            if let Ok(to) = self.row.state.next(SyncEvent::Retried) {
                self.row.state = to;
            }
            self.live(10 * 24).await;
        }
    }
}

fn courier(site: &Site, transport: &Arc<Unreliable>, cleanup: CleanupRule) -> Courier {
    let destination = Destination { transport: Arc::clone(transport) as _, bandwidth: None };
    // It always finds something, so that the capture goes by an override alone.
    let asks = GateAsks::Forbidden(vec![Glob::new("done").unwrap()]);
    let gate = GateRule { name: "forbidden".parse().unwrap(), severity: Severity::Hard, asks };
    Courier::new(CourierOptions {
        rules: vec![CaptureRule { gate: [gate].into(), ..site.rule(sentinel(), cleanup) }],
        destinations: [("vault".parse().unwrap(), destination)].into(),
        state_dir: site.path("state"),
        tools: common::tools(),
        installation: "site-a".into(),
    })
}

/// How often what happened, over all months.
#[derive(Debug, Default)]
struct Tally {
    months: usize,
    cleaned_in_the_month: usize,
    deleted: usize,
    turns: usize,
}

#[test]
fn defect_09_inv_6_the_reaper_deletes_when_every_promise_holds_and_never_before() {
    let tally = RefCell::new(Tally::default());
    let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let done = TestRunner::new_with_rng(config, rng).run(&month(), |month| {
        runtime.block_on(async {
            let mut world = World::new().await;
            let mut hour = 0;
            for (at, turn) in &month {
                world.live(at - hour).await;
                hour = *at;
                world.turn(*turn);
            }
            world.live(30 * 24 - hour).await;
            let is_cleaned = world.row.state == SyncState::Cleaned;
            world.recover().await;
            let mut tally = tally.borrow_mut();
            tally.months += 1;
            tally.turns += month.len();
            tally.cleaned_in_the_month += usize::from(is_cleaned);
            tally.deleted += world.deleted;
            assert_eq!(world.row.state, SyncState::Cleaned, "{:?}", world.row.progress);
        });
        Ok(())
    });
    done.unwrap();
    let tally = tally.into_inner();
    assert!(tally.cleaned_in_the_month > 8 && tally.deleted > tally.months, "{tally:?}");
}

/// Every fault in every state on the way to cleanup, at the very moment before the next step.
#[tokio::test]
async fn defect_09_inv_6_no_fault_at_any_moment_makes_the_reaper_take_what_it_may_not() {
    use SyncState as S;
    for state in [S::Waiting, S::AwaitingVerify, S::Verified, S::CleanupEligible, S::Cleaning] {
        for (fault, undone) in faults() {
            let mut world = World::new().await;
            while world.row.state != state {
                let Schedule::At(at) = world.step().await else { panic!("{state} is never reached") };
                world.now = world.now.max(at);
            }
            world.turn(fault);
            world.live(4 * 24).await;
            undone.into_iter().for_each(|turn| world.turn(turn));
            world.recover().await;
            assert_eq!(world.row.state, S::Cleaned, "{fault:?} in {state}: {:?}", world.row.progress);
        }
    }
}

/// A pass reads all that is there, so there are as many as the operator asks for, and a capture at rest costs no reading. (In a pass
/// that finds damage, only what differs is sent again: `verifying.rs`.)
#[tokio::test]
async fn defect_20_a_capture_at_rest_is_not_read_again_and_again() {
    let mut world = World::new().await;
    world.set_rule(common::OFF);
    world.live(30 * 24).await;
    assert_eq!((world.row.state, world.there.lock().unwrap().listings), (SyncState::Verified, 1));
    world.set_rule(ON);
    world.live(10 * 24).await;
    assert_eq!(world.row.state, SyncState::Cleaned);
    let listings = world.there.lock().unwrap().listings;
    assert!((2..=3).contains(&listings), "{listings}");
}

/// All is well: after the second pass, a day after the first, and everything.
#[tokio::test]
async fn defect_09_inv_6_where_all_is_well_the_reaper_comes_after_the_second_pass() {
    let mut world = World::new().await;
    let began = world.now;
    while world.passes.len() < 2 {
        assert_eq!(seen(&world.run_dir()).len(), FILES.len());
        world.live(1).await;
    }
    assert!(world.now.duration_since(began).as_hours() >= 24);
    world.live(2).await;
    assert_eq!((world.row.state, world.deleted), (SyncState::Cleaned, FILES.len()));
}
