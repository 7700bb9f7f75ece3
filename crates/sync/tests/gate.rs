//! The gate before a push, as a capture meets it on its way.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::fs;
use std::time::Duration;

use common::{OFF, ON, Row, Site, content, sentinel, write_tree};
use verisim_core::{GateOverride, Revocation, Schedule, Severity, SyncState, Timestamp};
use verisim_sync::{
    CaptureRule, Courier, GateAsks, GateCommand, GateRule, Glob, NameProfile, Placeholder, Placeholders,
};

fn rule(name: &str, asks: GateAsks) -> GateRule {
    GateRule { name: name.parse().unwrap(), severity: Severity::Hard, asks }
}

fn forbid(pattern: &str) -> GateRule {
    rule("forbidden", GateAsks::Forbidden(vec![Glob::new(pattern).unwrap()]))
}

fn gated(site: &Site, gate: Vec<GateRule>, cleanup: verisim_core::CleanupRule) -> Courier {
    site.courier(CaptureRule { gate: gate.into(), ..site.rule(sentinel(), cleanup) })
}

/// What a person does who overrides the rule.
fn overridden(row: &mut Row, rule: &str, at: Timestamp) {
    let report = row.progress.gate.clone().unwrap();
    let found = report.found.iter().find(|found| found.rule.as_str() == rule).unwrap();
    let (rule, print) = (found.rule.clone(), found.print);
    let given = GateOverride { rule, print, reason: "known".into(), by: "ann".into(), at, revoked: None };
    row.progress.overrides.push(given);
}

fn revoked(row: &mut Row, at: Timestamp) {
    for given in &mut row.progress.overrides {
        given.revoked = Some(Revocation { reason: "no".into(), by: "bob".into(), at });
    }
}

async fn row(site: &Site, courier: &Courier) -> Row {
    Row::new(site.only(courier).await)
}

#[tokio::test]
async fn a_hard_finding_holds_a_capture_until_it_is_mended() {
    let site = Site::new();
    let run = site.path("captures/run1");
    write_tree(
        &run,
        &[("data/a", b"alpha"), ("data/b.tmp", b"beta"), ("sheet.csv", b"{{sample}}"), ("done", b"")],
    );
    let placeholders = Placeholders {
        patterns: vec![Placeholder::new("{{*}}").unwrap()],
        files: Vec::new(),
        scan_bytes_max: 1 << 20,
    };
    let warned =
        GateRule { severity: Severity::Warning, ..rule("names", GateAsks::Names(NameProfile::Windows)) };
    fs::write(run.join("a:b"), "").unwrap();
    let courier = gated(
        &site,
        vec![forbid("*.tmp"), rule("unfilled", GateAsks::Placeholders(placeholders)), warned],
        OFF,
    );
    let mut row = row(&site, &courier).await;
    let now = site.clock.now();
    let Schedule::At(next) = row.step(&courier, now).await else { panic!("never looked at again") };
    assert_eq!((row.state, next > now), (SyncState::Waiting, true));
    let note = row.progress.note.clone().unwrap();
    for told in [
        "held by its gate",
        "forbidden: data/b.tmp",
        "*.tmp",
        "unfilled: sheet.csv",
        "line 1",
        "verisim sync show 1",
    ] {
        assert!(note.contains(told), "{told} is not in {note}");
    }
    assert!(!note.contains("a:b"), "a warning holds nothing: {note}");
    assert_eq!(fs::read_dir(site.path("vault")).unwrap().count(), 0);
    // The same is said at the next look, and once is enough: it is no news.
    let before = row.progress.clone();
    row.step(&courier, next).await;
    assert_eq!(row.progress, before);
    fs::remove_file(run.join("data/b.tmp")).unwrap();
    row.step(&courier, next).await;
    assert!(
        row.progress.note.as_ref().is_some_and(|note| !note.contains("forbidden")),
        "{:?}",
        row.progress.note
    );
    fs::write(run.join("sheet.csv"), "sample 7").unwrap();
    row.step(&courier, next).await;
    assert_eq!(row.state, SyncState::Queued);
    let note = row.progress.note.clone().unwrap();
    assert!(note.contains("names: a:b has the character :"), "{note}");
    row.run(&courier, next, 20).await;
    assert_eq!(row.state, SyncState::Verified, "{:?}", row.progress);
}

#[tokio::test]
async fn an_override_lets_through_what_was_seen_and_nothing_else() {
    let site = Site::new();
    let run = site.path("captures/run1");
    write_tree(&run, &[("a.tmp", b"1"), ("done", b"")]);
    let courier = gated(&site, vec![forbid("*.tmp")], OFF);
    let mut row = row(&site, &courier).await;
    let now = site.clock.now();
    row.step(&courier, now).await;
    overridden(&mut row, "forbidden", now);
    fs::write(run.join("b.tmp"), "2").unwrap();
    row.step(&courier, now).await;
    assert_eq!(row.state, SyncState::Waiting, "nobody has seen b.tmp");
    fs::remove_file(run.join("b.tmp")).unwrap();
    row.step(&courier, now).await;
    assert_eq!(row.state, SyncState::Queued);
    // Revoked before anything was sent: nothing is.
    let mut other = row.clone();
    revoked(&mut other, now);
    other.step(&courier, now).await;
    assert_eq!(other.state, SyncState::Waiting);
    other.step(&courier, now).await;
    assert_eq!(other.state, SyncState::Waiting);
    assert_eq!(fs::read_dir(site.path("vault")).unwrap().count(), 0);
    row.run(&courier, now, 20).await;
    assert_eq!(row.state, SyncState::Verified, "{:?}", row.progress);
}

#[tokio::test]
async fn inv_6_a_revoked_override_keeps_every_local_file_until_it_is_given_again() {
    let site = Site::new();
    let run = site.path("captures/run1");
    write_tree(&run, &[("a.tmp", b"1"), ("b", b"2"), ("done", b"")]);
    let courier = gated(&site, vec![forbid("*.tmp")], ON);
    let mut row = row(&site, &courier).await;
    let mut now = site.clock.now();
    row.step(&courier, now).await;
    overridden(&mut row, "forbidden", now);
    while row.state != SyncState::CleanupEligible {
        let Schedule::At(at) = row.step(&courier, now).await else { panic!("{row:?}") };
        now = now.max(at);
    }
    revoked(&mut row, now);
    now = row.run(&courier, now, 40).await;
    assert_eq!(content(&run).len(), 3, "nothing goes");
    assert_eq!(row.state, SyncState::Verified);
    assert!(row.progress.note.as_ref().unwrap().contains("gate is closed"), "{:?}", row.progress.note);
    overridden(&mut row, "forbidden", now);
    // Also in the midst of deleting, a revocation stops it where it is.
    while row.state != SyncState::Cleaning {
        let Schedule::At(at) = row.step(&courier, now).await else { panic!("{row:?}") };
        now = now.max(at);
    }
    revoked(&mut row, now);
    row.run(&courier, now, 5).await;
    assert_eq!((row.state, content(&run).len()), (SyncState::Cleaning, 3));
    overridden(&mut row, "forbidden", now);
    row.run(&courier, now, 40).await;
    assert_eq!((row.state, content(&run).len()), (SyncState::Cleaned, 0), "{:?}", row.progress);
}

#[tokio::test]
async fn inv_6_what_was_pushed_before_there_was_a_gate_has_to_pass_it_before_anything_goes() {
    let site = Site::new();
    let run = site.path("captures/run1");
    write_tree(&run, &[("a.tmp", b"1"), ("done", b"")]);
    let mut row = row(&site, &site.courier(site.rule(sentinel(), ON))).await;
    let before = site.courier(site.rule(sentinel(), ON));
    let mut now = site.clock.now();
    while row.state != SyncState::Verified {
        row.step(&before, now).await;
    }
    let courier = gated(&site, vec![forbid("*.tmp")], ON);
    let is_told = |row: &Row| row.progress.note.as_ref().is_some_and(|note| note.contains("gate is closed"));
    while !is_told(&row) {
        let Schedule::At(at) = row.step(&courier, now).await else { panic!("{row:?}") };
        now = now.max(at);
    }
    assert_eq!((row.state, content(&run).len()), (SyncState::Verified, 2), "{:?}", row.progress);
    overridden(&mut row, "forbidden", now);
    row.run(&courier, now, 20).await;
    assert_eq!(row.state, SyncState::Cleaned, "{:?}", row.progress);
}

#[tokio::test]
async fn a_command_is_asked_at_every_look_and_a_gate_that_cannot_be_asked_is_closed() {
    let site = Site::new();
    write_tree(&site.path("captures/run1"), &[("a", b"1"), ("done", b"")]);
    let consent = site.path("consent");
    let script = format!("test -e {} || {{ echo no consent; exit 1; }}", consent.display());
    let command = |arguments: &[&str]| {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let (program, time_max) = ("sh".to_owned(), Duration::from_secs(10));
        rule("consent", GateAsks::Command(GateCommand { program, arguments, time_max }))
    };
    let courier = gated(&site, vec![command(&["-c", "exit 77"])], OFF);
    let mut row = row(&site, &courier).await;
    let now = site.clock.now();
    row.step(&courier, now).await;
    assert!(row.progress.note.as_ref().unwrap().contains("could not be asked: it ended with 77"));
    let courier = gated(&site, vec![command(&["-c", &script])], OFF);
    row.step(&courier, now).await;
    assert!(row.progress.note.as_ref().unwrap().contains("consent: no consent"), "{:?}", row.progress.note);
    fs::write(&consent, "").unwrap();
    row.step(&courier, now).await;
    assert_eq!(row.state, SyncState::Queued);
}

#[tokio::test]
async fn the_longer_a_capture_is_held_the_more_rarely_it_is_looked_at() {
    let site = Site::new();
    let run = site.path("captures/run1");
    let names: Vec<String> = (0..1000).map(|n| format!("many/{n}.tmp")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    write_tree(&run, &files);
    write_tree(&run, &[("done", b"")]);
    let courier = gated(&site, vec![forbid("*.tmp")], OFF);
    let mut row = row(&site, &courier).await;
    let mut now = site.clock.now();
    let mut waits = Vec::new();
    for _ in 0..12 {
        let Schedule::At(at) = row.step(&courier, now).await else { panic!("{row:?}") };
        waits.push(at.duration_since(now).as_secs());
        now = at;
    }
    assert_eq!((waits[0], *waits.last().unwrap()), (30, 900), "{waits:?}");
    assert!(waits.is_sorted(), "{waits:?}");
    let found = &row.progress.gate.as_ref().unwrap().found[0];
    assert_eq!((found.hard_total, found.findings.len()), (1000, 20));
    assert!(row.progress.note.as_ref().unwrap().len() < 1000);
}
