//! Files, logins, logs and histories of one past are one story.

use std::sync::Arc;

use verisim_audit::read::{self, LoginKind};
use verisim_audit::{Evidence, coherence, judge_all};
use verisim_realism::{Existing, Settings, World};

use crate::common::{FILES, decoy, persona, world};
use crate::sandbox::{Lived, in_zone};

#[test]
fn every_edit_lies_in_a_session_and_every_name_in_a_history_is_right() {
    let world = world(3, 8, Settings::default());
    for number in 0..3 {
        let lived = Lived::new(&world, number, 120, "2026-11-23T10:00:00Z");
        assert_eq!(lived.records.left_out, []);
        let found = coherence(&lived.evidence());
        assert_eq!(found.outside_wtmp, [], "of {}", found.edits_in_wtmp);
        assert_eq!(found.outside_logs, [], "of {}", found.edits_in_logs);
        assert_eq!(found.unknown, [], "of {}", found.names);
        assert!(found.edits_in_wtmp > 100 && found.edits_in_logs > 20 && found.names > 1000, "{found:?}");
    }
}

/// The auditor knows nothing of how it was made.
#[test]
fn the_auditor_finds_nothing_in_the_records() {
    for (zone, seed) in [("UTC", 3), ("Europe/Berlin", 4), ("America/New_York", 5)] {
        let lived = Lived::new(&in_zone(zone, seed, 6), 0, 90, "2026-11-23T10:00:00Z");
        let mut evidence = lived.evidence();
        evidence.host.name = Some("host-0".to_owned());
        evidence.host.zone = Some(zone.to_owned());
        evidence.taken = lived.until + jiff::SignedDuration::from_mins(5);
        let found = findings(&evidence);
        let ours: Vec<_> = found.iter().filter(|(tell, ..)| [9, 10, 12, 13].contains(tell)).collect();
        assert!(ours.is_empty(), "{ours:?}");
        // It would, were they another story.
        for record in evidence.wtmp.iter_mut().flatten() {
            record.at += jiff::SignedDuration::from_hours(5);
        }
        assert!(findings(&evidence).iter().any(|(tell, ..)| *tell == 9));
    }
}

/// What weighs a decibel or more.
fn findings(evidence: &Evidence) -> Vec<(u8, String, f64)> {
    let reports = judge_all(std::slice::from_ref(evidence));
    let all = reports.iter().flat_map(|report| &report.findings);
    all.filter(|found| found.weight_db > 1.0)
        .map(|found| (found.tell, found.what.clone(), found.weight_db))
        .collect()
}

#[test]
fn who_goes_on_to_another_decoy_is_seen_to_arrive_there() {
    let people: Vec<_> = (0..6).map(persona).collect();
    let mut decoys: Vec<_> = (0..2).map(|number| decoy(number, 0..6)).collect();
    for decoy in &mut decoys {
        decoy.capabilities = verisim_core::DriverCapabilities { traffic: true, ..FILES };
    }
    let mut settings = Settings::default();
    settings.effects.traffic = 40;
    let world = Arc::new(World::new(9, people, decoys, settings).unwrap());
    let mut there = Existing::default();
    for number in 0..2 {
        there.peers.insert(
            format!("host-{number}").parse().unwrap(),
            format!("10.20.0.{}", 11 + number).parse().unwrap(),
        );
    }
    let [from, to] = [0, 1].map(|number| Lived::on(&world, number, 60, "2026-11-23T10:00:00Z", &there));
    let arrivals = read::utmp(to.body("/var/log/wtmp").unwrap());
    let mut count = 0;
    for number in 0..6 {
        let history =
            read::history(from.body(&format!("/home/user{number}/.bash_history")).unwrap_or_default());
        for gone in history.commands.iter().filter(|command| command.line == "ssh host-1") {
            let Some(at) = gone.at else { continue };
            let arrived = arrivals.iter().find(|record| {
                record.kind == LoginKind::Login
                    && record.user == format!("user{number}")
                    && record.host == "10.20.0.11"
                    && (0..=4).contains(&(record.at.as_second() - at.as_second()))
            });
            count += usize::from(arrived.is_some());
            assert!(arrived.is_some(), "{gone:?} of user{number}");
        }
    }
    assert!(count > 3, "{count}");
}

#[test]
fn the_last_start_is_the_real_one_and_nobody_is_there_in_it() {
    let world = in_zone("UTC", 21, 8);
    // In the middle of a session.
    let wtmp = read::utmp(Lived::new(&world, 0, 30, "2026-11-23T10:00:00Z").body("/var/log/wtmp").unwrap());
    let ends = |login: &read::Login| {
        wtmp.iter().find(|record| {
            record.kind == LoginKind::Logout && record.line == login.line && record.at > login.at
        })
    };
    let long = wtmp.iter().filter(|record| record.kind == LoginKind::Login && record.user != "user1");
    let long = long.filter_map(|login| Some((login, ends(login)?.at.as_second() - login.at.as_second())));
    let (login, _) = long.max_by_key(|(_, seconds)| *seconds).unwrap();
    let booted = login.at + jiff::SignedDuration::from_mins(20);
    let there =
        Existing { booted: Some(booted), kernel: Some("6.1.0-40-amd64".to_owned()), ..Existing::default() };
    let lived = Lived::on(&world, 0, 30, "2026-11-23T10:00:00Z", &there);
    let mut open = 0;
    for record in read::utmp(lived.body("/var/log/wtmp").unwrap()) {
        match record.kind {
            LoginKind::Login => open += 1,
            LoginKind::Logout => open -= 1,
            LoginKind::Boot if record.at.as_second() == booted.as_second() => {
                assert_eq!((open, &*record.host), (0, "6.1.0-40-amd64"));
                open = 100;
            }
            LoginKind::Boot | LoginKind::RunLevel | LoginKind::Other => {}
        }
    }
    assert_eq!(open, 100, "the start is recorded, and everybody left in the end");
    assert_eq!(coherence(&lived.evidence()).outside_wtmp, []);
}
