//! Simulations: of people, of a flat clock, with each tell alone, and of nothing.

use verisim_audit::simulation::{Simulated, judge};
use verisim_audit::{Report, Verdict};
use verisim_core::Timestamp;

use crate::root::{DAY, Dice, Root, weight};

/// One line.
#[derive(Clone)]
struct Event {
    at: i64,
    nanos: u64,
    persona: &'static str,
    decoy: &'static str,
    session: usize,
    kind: &'static str,
    path: String,
    bytes: u64,
    body: u64,
}

fn judged(events: &[Event]) -> Report {
    let mut simulated = Simulated::new();
    for event in events {
        let time = Timestamp::from_second(event.at).unwrap().to_string();
        let Event { nanos, persona, decoy, session, kind, path, bytes, body, .. } = event;
        let line = serde_json::json!({
            "time": format!("{}.{nanos:09}+00:00", time.trim_end_matches('Z')),
            "persona": persona,
            "decoy": decoy,
            "session": session,
            "kind": kind,
            "path": path,
            "bytes": bytes,
            "sha256": format!("{body:064x}"),
        });
        simulated.line(line.to_string().as_bytes());
    }
    assert_eq!((simulated.events(), simulated.strange()), (events.len(), 0));
    judge("simulation", &simulated)
}

/// Two people for most of a year.
fn people() -> Vec<Event> {
    let mut dice = Dice::new(5);
    let mut events = Vec::new();
    for (number, session) in Root::good(5).sessions.iter().enumerate() {
        let (persona, decoy) = [("maria-keller", "files01"), ("jonas-brandt", "web01")][session.user];
        let kinds = [(session.from, "login"), (session.to, "logout")];
        let edits = session.edits.iter().map(|at| (*at, "edit"));
        let mut all: Vec<(i64, &str)> = kinds.into_iter().chain(edits).collect();
        all.sort_unstable();
        for (at, kind) in all {
            // Words that nobody else has.
            let word =
                |dice: &mut Dice| (0..6).map(|_| char::from(b'a' + dice.below(26) as u8)).collect::<String>();
            events.push(Event {
                at,
                nanos: dice.below(999_999_999),
                persona,
                decoy,
                session: number,
                kind,
                path: format!("/home/{persona}/Documents/{}-{}.txt", word(&mut dice), word(&mut dice)),
                bytes: dice.log_between(40.0, 40_000.0) as u64,
                body: dice.below(1 << 60),
            });
        }
    }
    events
}

/// Work of a person whose times are `at(n)`.
fn work(events: &mut Vec<Event>, at: impl Fn(i64) -> i64) {
    let begin = events[0].at / DAY * DAY;
    events.retain(|event| event.kind == "edit");
    for (event, n) in events.iter_mut().zip(0..) {
        event.at = begin + at(n);
        event.persona = "maria-keller";
    }
}

#[test]
fn people_pass() {
    let report = judged(&people());
    assert!(report.score >= 85, "{report:#?}");
    assert_eq!(report.verdict, Verdict::LivedIn);
}

#[test]
fn a_flat_clock_gated_by_working_hours_does_not() {
    let mut events = people();
    let event = Event { kind: "plant", nanos: 0, bytes: 47, body: 1, ..events.remove(0) };
    let at = |n: i64| 1_794_960_000 + n / 480 * DAY + 9 * 3600 + n % 480 * 60;
    let path = |n: i64| format!("/home/mkeller/notes-{}.txt", n % 8);
    let flat: Vec<Event> = (0..3000).map(|n| Event { at: at(n), path: path(n), ..event.clone() }).collect();
    let report = judged(&flat);
    assert!(report.score < 30, "{report:#?}");
    for code in ["even_rate", "whole_seconds", "same_content", "one_size"] {
        assert!(weight(&report, code) > 3.0, "{code}: {report:#?}");
    }
}

#[test]
fn each_tell_alone_is_found_in_a_simulation() {
    let good = judged(&people());
    let planted = |code: &str, least_db: f64, plant: &dyn Fn(&mut Vec<Event>)| {
        let mut events = people();
        plant(&mut events);
        let report = judged(&events);
        assert!(weight(&report, code) >= least_db, "{code}: {report:#?}");
        assert!(weight(&good, code) < 0.5, "{code} is in the good one too: {good:#?}");
        assert!(report.score < good.score || least_db < 3.0, "{code}: {report:#?}");
    };
    planted("whole_seconds", 8.0, &|events| events.iter_mut().for_each(|event| event.nanos = 0));
    planted("same_content", 8.0, &|events| events.iter_mut().for_each(|event| event.body %= 9));
    planted("same_names_on_hosts", 4.0, &|events| {
        let copies: Vec<Event> = events
            .iter()
            .map(|event| Event { decoy: "db01", body: event.body + 1, ..event.clone() })
            .collect();
        events.extend(copies);
        events.sort_by_key(|event| event.at);
    });
    planted("few_names", 4.0, &|events| {
        for (n, event) in events.iter_mut().enumerate() {
            event.path = format!("/home/{}/{}-{n}.txt", event.persona, ["notes", "todo", "draft"][n % 3]);
        }
    });
    planted("one_size", 3.0, &|events| events.iter_mut().for_each(|event| event.bytes = 100));
    planted("edits_without_sessions", 8.0, &|events| {
        events.iter_mut().filter(|event| event.kind == "edit").for_each(|event| event.session += 100_000);
    });
    planted("time_goes_back", 2.5, &|events| events.reverse());
    planted("even_rate", 8.0, &|events| work(events, |n| n * 600));
    planted("no_bursts", 4.0, &|events| work(events, |n| n * 7200 + n * n * 7919 % 6000));
    planted("work_at_all_hours", 4.0, &|events| work(events, |n| n * 5 * 3600 + n * n % 3000));
    planted("weekends_like_other_days", 3.0, &|events| work(events, |n| n * DAY + 10 * 3600 + n * n % 9000));
}

#[test]
fn what_is_no_simulation_is_said_to_be_none() {
    let mut simulated = Simulated::new();
    for line in [&b"hello"[..], b"{\"time\":\"yesterday\",\"persona\":\"a\"}"] {
        simulated.line(line);
    }
    let report = judge("simulation", &simulated);
    assert_eq!((report.verdict, report.entries), (Verdict::Lifeless, 0));
    assert!(report.left_out[0].starts_with("2 lines"), "{report:?}");
}
