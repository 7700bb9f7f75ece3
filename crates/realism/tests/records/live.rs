//! Records go on where a past ended.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use verisim_audit::read::{self, LoginKind};
use verisim_audit::{Evidence, NamedHistory, NamedLog, coherence};
use verisim_core::{
    Body, DecoyPath, Digest, FileClass, FileKind, FileMode, FileStat, LedgerChange, LedgerEntry,
    OwnershipPolicy, TextEdit, apply_edits,
};
use verisim_realism::{Change, Decision, Doing, Grown, LedgerIndex, Planner, RecordKeeper, Slot, decide};

use crate::sandbox::{Lived, in_zone};

/// A decoy on which people live after its past.
struct Alive {
    lived: Lived,
    keeper: RecordKeeper,
    ledger: LedgerIndex,
    /// What was added to records, with when.
    grown: Vec<(Timestamp, Grown)>,
    /// Files of people, with whose they are and when they were changed.
    files: BTreeMap<DecoyPath, (Slot, Timestamp)>,
}

impl Alive {
    fn new(lived: Lived) -> Self {
        let keeper = RecordKeeper::new(lived.decoy, lived.records.keeping.as_ref().unwrap());
        let ledger = LedgerIndex::new(&lived.world);
        Self { lived, keeper, ledger, grown: Vec::new(), files: BTreeMap::new() }
    }

    /// Lives until `until`; what `fails` names is decided and never done.
    fn live(&mut self, until: Timestamp, fails: impl Fn(&Slot) -> bool) {
        let world = self.lived.world.clone();
        let mut before = Planner::with_sessions(&world, self.lived.until - SignedDuration::from_hours(12));
        while let Some(slot) = before.pop_until(self.lived.until) {
            match slot.doing {
                Doing::Login => drop(self.keeper.login(&world, &slot)),
                Doing::Logout => drop(self.keeper.logout(&world, &slot, &self.ledger)),
                Doing::Work | Doing::Look => {}
            }
        }
        self.keeper.go_on();
        let mut slots = Planner::with_sessions(&world, self.lived.until);
        while let Some(slot) = slots.pop_until(until) {
            let grown = match slot.doing {
                Doing::Login => self.keeper.login(&world, &slot),
                Doing::Logout => self.keeper.logout(&world, &slot, &self.ledger),
                Doing::Work | Doing::Look if self.keeper.has_missed(&slot) => continue,
                Doing::Work | Doing::Look => {
                    if let Some(decision) = decide(&world, &slot, &self.ledger) {
                        self.ledger.begin(&decision, slot.at + SignedDuration::from_secs(20));
                        self.keeper.decided(&decision);
                        if !fails(&slot) {
                            self.happen(&decision);
                        }
                    }
                    continue;
                }
            };
            self.grown.extend(grown.into_iter().map(|grown| (slot.at, grown)));
        }
    }

    fn happen(&mut self, decision: &Decision) {
        self.ledger.assume(decision, 100);
        let (slot, decoy) = (decision.slot, self.lived.world.decoy(self.lived.decoy).unwrap().name.clone());
        let put = |path: &DecoyPath| {
            LedgerChange::Put(Box::new(LedgerEntry {
                decoy: decoy.clone(),
                path: path.clone(),
                ownership: OwnershipPolicy::Owned,
                sha256: Digest::of(b""),
                size: 100,
                class: FileClass::Note,
                persona: None,
                edits: 0,
                body: None,
                planted_at: slot.at,
                changed_at: slot.at,
            }))
        };
        let change = match &decision.change {
            Change::Create { path, .. } | Change::Edit { path, .. } | Change::Append { path, .. } => {
                self.files.insert(path.clone(), (slot, slot.at));
                put(path)
            }
            Change::Rename { from, to, .. } => {
                let was = self.files.remove(from).unwrap();
                self.files.insert(to.clone(), was);
                LedgerChange::Rename { decoy, from: from.clone(), to: to.clone() }
            }
            Change::Remove { path, .. } => {
                self.files.remove(path);
                LedgerChange::Remove { decoy, path: path.clone() }
            }
            Change::Visit { .. } | Change::Mail { .. } => return,
        };
        self.keeper.learn(&change);
    }

    /// A file of records as it is now.
    fn body(&self, path: &str) -> Vec<u8> {
        let mut body = self.lived.body(path).unwrap_or_default().to_vec();
        for (_, Grown { path: at, body: new, offset }) in &self.grown {
            if at.as_bytes() != path.as_bytes() {
                continue;
            }
            let edit = match offset {
                Some(offset) => TextEdit::Patch { offset: *offset, bytes: new.clone() },
                None => TextEdit::Patch { offset: body.len() as u64, bytes: new.clone() },
            };
            body = apply_edits(&body, &[edit], 1 << 26).unwrap();
        }
        body
    }

    /// Everything, as the auditor sees it.
    fn evidence(&self) -> Evidence {
        let mut evidence = self.lived.evidence();
        for (path, (slot, at)) in &self.files {
            let persona = self.lived.world.persona(slot.persona).unwrap();
            let mut entry = evidence.entries[0].clone();
            entry.path = path.clone();
            entry.stat = FileStat {
                kind: FileKind::Regular,
                mtime: *at,
                atime: *at,
                owner: persona.owner,
                mode: FileMode::new(0o644),
                ..entry.stat
            };
            evidence.entries.push(entry);
        }
        evidence.wtmp = Some(read::utmp(&self.body("/var/log/wtmp")));
        evidence.lastlog = Some(read::lastlog(&self.body("/var/log/lastlog")));
        for path in self.grown.iter().map(|(_, grown)| grown.path.clone()) {
            let name = String::from_utf8_lossy(path.as_bytes()).into_owned();
            if name.ends_with(".log") {
                evidence.logs.retain(|log| log.path != path);
                let mtime = self.grown.last().unwrap().0;
                let log = Some(read::log(&self.body(&name), mtime, self.lived.zone()));
                evidence.logs.push(NamedLog { path, mtime, log, is_cut: false });
            } else if name.ends_with("history") {
                evidence.histories.retain(|history| history.path != path);
                let history = read::history(&self.body(&name));
                evidence.histories.push(NamedHistory { path, history });
            }
        }
        evidence
    }
}

fn alive(seed: u64, busy: bool) -> Alive {
    let mut world = std::sync::Arc::into_inner(in_zone("UTC", seed, 8)).unwrap();
    if busy {
        let mut settings = world.settings().clone();
        settings.busy = true;
        world = verisim_realism::World::new(
            seed,
            world.personas().cloned().collect(),
            world.decoys().cloned().collect(),
            settings,
        )
        .unwrap();
    }
    Alive::new(Lived::new(&std::sync::Arc::new(world), 0, 40, "2026-11-23T10:00:00Z"))
}

#[test]
fn what_people_do_after_a_past_lies_in_sessions_that_the_records_tell_of() {
    for (busy, lasts) in [(false, SignedDuration::from_hours(72)), (true, SignedDuration::from_mins(50))] {
        let mut alive = alive(5, busy);
        let before = coherence(&alive.evidence());
        let until = alive.lived.until + lasts;
        alive.live(until, |_| false);
        let found = coherence(&alive.evidence());
        // Whoever is still there has no end yet.
        assert_eq!(found.outside_wtmp, [], "busy {busy}: of {}", found.edits_in_wtmp);
        assert_eq!(found.outside_logs, [], "busy {busy}: of {}", found.edits_in_logs);
        assert_eq!(found.unknown, [], "busy {busy}: of {}", found.names);
        assert!(found.edits_in_wtmp > before.edits_in_wtmp + 10, "{before:?} {found:?}");
        assert!(found.names > before.names + 10, "{before:?} {found:?}");
        assert!(
            coherence(&{
                let mut evidence = alive.evidence();
                evidence.wtmp = Some(read::utmp(alive.lived.body("/var/log/wtmp").unwrap()));
                evidence
            })
            .outside_wtmp
            .len()
                > 5
        );
    }
}

#[test]
fn what_is_added_is_of_its_moment_in_order_and_at_a_terminal_that_is_free() {
    let mut alive = alive(9, true);
    alive.live(alive.lived.until + SignedDuration::from_mins(90), |_| false);
    for (at, grown) in &alive.grown {
        let name = String::from_utf8_lossy(grown.path.as_bytes()).into_owned();
        if name.ends_with("wtmp") {
            for record in read::utmp(grown.body.as_bytes()) {
                assert!((record.at.as_second() - at.as_second()).abs() <= 1, "{record:?} at {at}");
            }
        } else if name.ends_with(".log") {
            for line in &read::log(grown.body.as_bytes(), *at, "UTC").lines {
                let line = line.at;
                assert!((line.as_second() - at.as_second()).abs() <= 1, "{line:?} at {at}");
            }
        }
    }
    let wtmp = read::utmp(&alive.body("/var/log/wtmp"));
    let mut there = BTreeMap::new();
    let mut pids = Vec::new();
    let start = wtmp.iter().rposition(|record| record.kind == LoginKind::Boot).unwrap_or(0);
    for record in wtmp.iter().skip(start + 1) {
        match record.kind {
            LoginKind::Login => {
                assert_eq!(there.insert(record.line.clone(), record.pid), None, "{record:?}");
                pids.push(record.pid);
            }
            LoginKind::Logout => assert_eq!(there.remove(&record.line), Some(record.pid), "{record:?}"),
            LoginKind::Boot | LoginKind::RunLevel | LoginKind::Other => {}
        }
    }
    assert!(pids.len() > 30 && pids.is_sorted(), "{pids:?}");
    let last = read::lastlog(&alive.body("/var/log/lastlog"));
    for persona in alive.lived.world.personas() {
        let told =
            wtmp.iter().rfind(|record| record.kind == LoginKind::Login && record.user == persona.login);
        let told = told.map(|record| (record.at.as_second(), record.host.clone()));
        let known = last.iter().find(|last| last.uid == persona.owner.uid);
        let known = known.map(|last| (last.at.as_second(), last.host.clone()));
        assert_eq!(told, known, "{}", persona.login);
    }
}

#[test]
fn what_was_never_done_is_in_no_history_and_what_was_taken_away_is_left_alone() {
    let mut alive = alive(5, true);
    alive.keeper.leave(&DecoyPath::new("/var/log/wtmp").unwrap());
    alive.live(alive.lived.until + SignedDuration::from_mins(50), |slot| slot.sequence.is_multiple_of(2));
    let found = coherence(&alive.evidence());
    assert_eq!(found.unknown, [], "of {}", found.names);
    assert!(!alive.grown.is_empty());
    assert!(alive.grown.iter().all(|(_, grown)| !grown.path.as_bytes().ends_with(b"wtmp")));
}

#[test]
fn whoever_goes_on_after_a_start_writes_the_same() {
    let [mut one, mut two] = [alive(3, true), alive(3, true)];
    let until = one.lived.until + SignedDuration::from_mins(50);
    one.live(until, |_| false);
    two.live(until, |_| false);
    assert_eq!(one.grown, two.grown);
    let keeping = one.lived.records.keeping.unwrap();
    let text = serde_json::to_string(&keeping).unwrap();
    assert_eq!(serde_json::from_str::<verisim_core::RecordKeeping>(&text).unwrap(), keeping);
    let hostile = verisim_core::RecordKeeping {
        files: keeping.files.iter().map(|(path, _)| (path.clone(), Body::from(vec![0xff; 100]))).collect(),
        services: vec![("x".into(), 0)],
        pid: u32::MAX,
        session: u32::MAX,
        pid_at: Timestamp::MAX,
        ..keeping
    };
    two.keeper = RecordKeeper::new(two.lived.decoy, &hostile);
    two.live(until, |_| false);
}

#[test]
fn of_a_session_that_nobody_saw_begin_nothing_is_told() {
    let mut alive = alive(3, true);
    let world = alive.lived.world.clone();
    let mut slots = Planner::with_sessions(&world, alive.lived.until);
    let login =
        std::iter::from_fn(|| slots.pop_until(Timestamp::MAX)).find(|slot| slot.doing == Doing::Login);
    let login = login.unwrap();
    let mut logouts = std::iter::from_fn(|| slots.pop_until(Timestamp::MAX));
    let logout = logouts.find(|slot| {
        slot.doing == Doing::Logout && slot.session == login.session && slot.persona == login.persona
    });
    let logout = logout.unwrap();
    // It began while nobody was there to write it down.
    assert!(!alive.keeper.login(&world, &login).is_empty());
    alive.keeper.go_on();
    assert!(alive.keeper.has_missed(&logout));
    assert_eq!(alive.keeper.logout(&world, &logout, &alive.ledger), []);
    // It was written down, and then we were started anew.
    alive.keeper.restart();
    let entry = LedgerEntry {
        decoy: world.decoy(login.decoy).unwrap().name.clone(),
        path: DecoyPath::new("/var/log/wtmp").unwrap(),
        ownership: OwnershipPolicy::Append,
        sha256: Digest::of(b""),
        size: 384,
        class: FileClass::Record,
        persona: None,
        edits: 1,
        body: None,
        planted_at: login.at,
        changed_at: login.at + SignedDuration::from_millis(300),
    };
    alive.keeper.load(&entry);
    alive.keeper.login(&world, &login);
    alive.keeper.go_on();
    assert!(!alive.keeper.has_missed(&logout));
    assert!(!alive.keeper.logout(&world, &logout, &alive.ledger).is_empty());
    // What somebody else changed is left alone.
    alive.keeper.load(&LedgerEntry { ownership: OwnershipPolicy::HandsOff, ..entry });
    let grown = alive.keeper.login(&world, &login);
    assert!(grown.iter().all(|grown| grown.path.as_bytes() != b"/var/log/wtmp"));
}

/// A record that somebody took away is not made anew.
#[test]
fn a_record_that_is_gone_is_not_added_to() {
    let mut alive = alive(3, true);
    let decoy = alive.lived.world.decoy(alive.lived.decoy).unwrap().name.clone();
    let wtmp = DecoyPath::new("/var/log/wtmp").unwrap();
    alive.keeper.learn(&LedgerChange::Remove { decoy, path: wtmp.clone() });
    alive.live(alive.lived.until + SignedDuration::from_mins(30), |_| false);
    assert!(!alive.grown.is_empty() && alive.grown.iter().all(|(_, grown)| grown.path != wtmp));
}
