//! A simulation, judged from its lines alone: what `verisim simulate --json` prints, or anything of that form.
//!
//! Each line is an object with a `time` (RFC 3339; its offset is taken for the persona's own), `persona`, `decoy`,
//! `session`, `kind`, `class`, `path`, `bytes` and `sha256`; more is passed over, and what is missing blinds the checks
//! that need it. `at` is taken for `time`, and `action` for `kind`.

mod checks;

use std::collections::BTreeMap;

use jiff::Zoned;
use jiff::fmt::temporal::{DateTimeParser, Pieces, PiecesOffset};
use serde::Deserialize;

use crate::judge::{combined, in_order, score};
use crate::report::{Report, Verdict};
use crate::stats::{reach, seconds};

/// The longest line that is read, in bytes: a simulation with bodies has none longer.
const LINE_BYTES_MAX: usize = 1 << 20;
/// How many lines are judged, the first.
const EVENTS_MAX: usize = 5_000_000;

#[derive(Deserialize)]
struct Line {
    time: Option<String>,
    at: Option<String>,
    persona: Option<String>,
    decoy: Option<String>,
    session: Option<serde_json::Value>,
    kind: Option<String>,
    action: Option<String>,
    path: Option<String>,
    bytes: Option<u64>,
    sha256: Option<String>,
}

/// One event of a simulation.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Seconds since 1970.
    pub(crate) at: f64,
    /// The hour where the persona is.
    pub(crate) hour: u8,
    /// Whether it is Saturday or Sunday there.
    pub(crate) is_weekend: bool,
    pub(crate) decoy: String,
    pub(crate) session: String,
    pub(crate) kind: String,
    pub(crate) path: Option<String>,
    pub(crate) bytes: Option<u64>,
    pub(crate) sha256: Option<String>,
}

impl Event {
    /// Whether it changes a file.
    pub(crate) fn is_work(&self) -> bool {
        matches!(self.kind.as_str(), "plant" | "edit" | "append")
    }
}

/// The events of a simulation, as they are read line by line.
#[derive(Debug, Default)]
pub struct Simulated {
    /// By persona, in the order of the lines.
    people: BTreeMap<String, Vec<Event>>,
    count: usize,
    strange: usize,
    is_cut: bool,
}

impl Simulated {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one line. What is no event is counted, and passed over.
    pub fn line(&mut self, line: &[u8]) {
        if line.trim_ascii().is_empty() {
            return;
        }
        if self.count >= EVENTS_MAX {
            self.is_cut = true;
            return;
        }
        match event(line) {
            Some((persona, event)) => {
                self.count += 1;
                self.people.entry(persona).or_default().push(event);
            }
            None => self.strange += 1,
        }
    }

    /// How many events were read.
    #[must_use]
    pub fn events(&self) -> usize {
        self.count
    }

    /// How many lines were none.
    #[must_use]
    pub fn strange(&self) -> usize {
        self.strange
    }
}

fn event(line: &[u8]) -> Option<(String, Event)> {
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    let line: Line = serde_json::from_slice(line).ok()?;
    let local = local(&line.time.or(line.at)?)?;
    let is_weekend = matches!(local.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday);
    let event = Event {
        at: seconds(local.timestamp()),
        hour: u8::try_from(local.hour()).unwrap_or(0) % 24,
        is_weekend,
        decoy: line.decoy.unwrap_or_default(),
        session: line.session.map(|session| session.to_string()).unwrap_or_default(),
        kind: line.kind.or(line.action).unwrap_or_default(),
        path: line.path,
        bytes: line.bytes,
        sha256: line.sha256,
    };
    Some((line.persona?, event))
}

/// A time with its own offset.
fn local(text: &str) -> Option<Zoned> {
    let at = DateTimeParser::new().parse_timestamp(text).ok()?;
    let offset = match Pieces::parse(text).ok()?.offset()? {
        PiecesOffset::Numeric(offset) => offset.offset(),
        _ => jiff::tz::Offset::UTC,
    };
    Some(at.to_zoned(jiff::tz::TimeZone::fixed(offset)))
}

/// Judges a simulation.
#[must_use]
pub fn judge(name: &str, simulated: &Simulated) -> Report {
    let findings = in_order(checks::all(&simulated.people));
    let score = score(combined(&findings));
    let confidence = (reach(simulated.count, 300) * 100.0).round() / 100.0;
    let verdict = match score {
        _ if simulated.count == 0 => Verdict::Lifeless,
        ..50 => Verdict::Decoy,
        _ if simulated.count < 30 => Verdict::Unclear,
        50..85 => Verdict::Doubtful,
        _ => Verdict::LivedIn,
    };
    let mut left_out = Vec::new();
    if simulated.strange > 0 {
        left_out.push(format!("{} lines that are no events", simulated.strange));
    }
    if simulated.is_cut {
        left_out.push(format!("what comes after {EVENTS_MAX} events"));
    }
    Report {
        name: name.to_owned(),
        score,
        confidence,
        verdict,
        entries: simulated.count,
        personal: simulated.people.values().flatten().filter(|event| event.is_work()).count(),
        unpacked: 0,
        findings,
        left_out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_the_hour_where_the_persona_is() {
        let line = br#"{"time":"2026-11-23T09:30:00.5+01:00","persona":"a","kind":"edit","session":7}"#;
        let (persona, event) = event(line).unwrap();
        assert_eq!((persona.as_str(), event.hour, event.session.as_str()), ("a", 9, "7"));
        let mut simulated = Simulated::new();
        for line in [
            &b"{}"[..],
            b"no json",
            b"",
            br#"{"at":"2026-11-23T09:30:00Z","time":"2026-11-23T09:30:00Z","persona":"a","action":"plant"}"#,
        ] {
            simulated.line(line);
        }
        assert_eq!((simulated.events(), simulated.strange()), (1, 2));
        assert_eq!(judge("x", &Simulated::new()).verdict, Verdict::Lifeless);
    }
}
