//! An event as a sentence.

use std::time::Duration;

use verisim_core::{
    DecoyPath, Digest, Event, EventPayload, Payload, PersonaName, SyncPayload, TrafficPayload, printable,
};

use crate::config::units::show_size;
use crate::error::CliResult;
use crate::output::{Output, Tone, paint};
use crate::render::table::counted;
use crate::render::time;

/// How many names a list shows.
const LISTED_MAX: usize = 8;

/// An event in pieces, so that a line and a live view can arrange them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// How it is to be taken.
    pub(crate) tone: Tone,
    /// Where: a decoy, a capture, or the daemon.
    pub(crate) place: String,
    /// Who, where somebody did it.
    pub(crate) who: String,
    /// What was done.
    pub(crate) verb: String,
    /// To what.
    pub(crate) object: String,
    /// What else there is to say.
    pub(crate) detail: String,
}

/// Tells an event. All text that came from a decoy or a capture is escaped.
pub(crate) fn tell(event: &Event) -> Told {
    let body = &event.body;
    let mut told = Told {
        tone: if body.success { Tone::Good } else { Tone::Bad },
        place: body.decoy.as_ref().map_or_else(|| "verisim".to_owned(), ToString::to_string),
        who: body.persona.as_ref().map(ToString::to_string).unwrap_or_default(),
        verb: String::new(),
        object: String::new(),
        detail: String::new(),
    };
    match &body.payload {
        EventPayload::Activity(payload) => activity(payload, &mut told),
        EventPayload::NotDone { action, path, state } => {
            told.verb = format!("{action} {}", state.to_lowercase());
            told.object = path.as_ref().map(ToString::to_string).unwrap_or_default();
            told.detail = failure(event);
            told.tone = if state == "FAILED" { Tone::Bad } else { Tone::Warn };
        }
        EventPayload::Tampered { path, expected, found } => tampered(path, [*expected, *found], &mut told),
        EventPayload::Reachable { reachable } => {
            told.verb = if *reachable { "answers" } else { "is left alone" }.into();
            if let Some(name) = destination(event) {
                told.place = "evidence".into();
                told.verb = if *reachable { "is back" } else { "is away" }.into();
                told.object = name.to_owned();
            }
            told.detail = failure(event);
            told.tone = if *reachable { Tone::Good } else { Tone::Bad };
        }
        EventPayload::Joined { role, services, personas } => {
            joined(event, role, services, personas, &mut told);
        }
        EventPayload::Left { reason } => {
            told.verb = "leaves".into();
            told.object = printable(reason);
            told.detail = printable(&event.body.detail);
            told.tone = Tone::Warn;
        }
        EventPayload::Released { path, decision, sha256 } => {
            told.verb = if decision == "adopt" { "adopted" } else { "forgotten" }.into();
            told.object = path.to_string();
            let hash = sha256.map_or_else(String::new, |digest| format!(", {}", short(&digest)));
            told.detail = format!("{}{hash}", printable(&event.body.detail));
        }
        EventPayload::RootAccepted { forgotten } => {
            told.verb = "starts anew".into();
            told.detail = format!(
                "{} of its former root forgotten, {}",
                counted(*forgotten, "path"),
                printable(&event.body.detail)
            );
        }
        EventPayload::BurnIn { state, days, files, left } => {
            burn_in(state, (*days, *files, *left), &mut told);
        }
        EventPayload::Sync(payload) => sync(event, payload, &mut told),
        EventPayload::Gate { capture, rule, by, reason, revoked } => {
            told.place = "evidence".into();
            told.who = printable(by);
            told.verb = if *revoked { "revokes the override of" } else { "overrides" }.into();
            told.object = format!("{} of {}", printable(rule), printable(capture));
            told.detail = printable(reason);
            told.tone = Tone::Warn;
        }
        EventPayload::RemoteDamaged { remote, names, total } => {
            told.place = "evidence".into();
            told.verb = "DAMAGED".into();
            told.object = remote.to_string();
            let more = (*total).saturating_sub(names.len() as u64);
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            let total = (*total).max(names.len() as u64);
            told.detail = format!("{total} at the destination: {}{more}", printable(&names.join(", ")));
            told.tone = Tone::Bad;
        }
        EventPayload::Health { status } => {
            told.verb = printable(status);
            told.detail = printable(&body.detail);
        }
    }
    told
}

fn burn_in(state: &str, (days, files, left): (u32, u32, u32), told: &mut Told) {
    told.verb = if state == "undone" { "loses its past" } else { "has a past" }.into();
    told.object = format!("of {}", counted(u64::from(days), "day"));
    told.detail = format!("{}, {left} left alone", counted(u64::from(files), "file"));
}

/// As much of a hash as tells it from others.
fn short(digest: &Digest) -> String {
    digest.to_string().chars().take(12).collect()
}

fn tampered(path: &DecoyPath, [expected, found]: [Option<Digest>; 2], told: &mut Told) {
    let nothing = || "nothing".to_owned();
    told.verb = "TAMPERED".into();
    told.object = path.to_string();
    told.detail = format!(
        "expected {}, found {}; hands off until you decide: `verisim release`",
        expected.map_or_else(nothing, |digest| short(&digest)),
        found.map_or_else(nothing, |digest| short(&digest))
    );
    told.tone = Tone::Bad;
}

fn joined(event: &Event, role: &str, services: &[String], personas: &[PersonaName], told: &mut Told) {
    told.verb = "joins".into();
    told.object = printable(role);
    let work = if personas.len() == 1 { "works" } else { "work" };
    let who = match personas {
        [] => "nobody".to_owned(),
        all => listed(all.iter().map(PersonaName::as_str)),
    };
    let offers = printable(&listed(services.iter().map(String::as_str)));
    let how = printable(&event.body.detail);
    told.detail =
        format!("{how}; offers {offers}; {who} {} there", if personas.is_empty() { "works" } else { work });
}

/// A list as people write it; `nothing` for an empty one.
fn listed<'t>(all: impl Iterator<Item = &'t str>) -> String {
    let all: Vec<&str> = all.take(LISTED_MAX).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

/// The destination that an event is about.
fn destination(event: &Event) -> Option<&str> {
    event.body.topic.as_str().strip_prefix("destination.")?.strip_suffix(".reachable")
}

fn failure(event: &Event) -> String {
    let detail = printable(&event.body.detail);
    match event.body.failure {
        Some(kind) if detail.is_empty() => kind.to_string(),
        Some(kind) => format!("{kind}: {detail}"),
        None => detail,
    }
}

fn activity(payload: &Payload, told: &mut Told) {
    let (verb, object, detail) = match payload {
        Payload::Plant(plant) => {
            let owner = if plant.owner_set { "" } else { ", owner not set" };
            if !plant.owner_set {
                told.tone = Tone::Warn;
            }
            let class = plant.class.to_string().replace('_', " ");
            ("writes", plant.path.to_string(), format!("{class}, {}{owner}", show_size(plant.bytes)))
        }
        Payload::Append(append) => {
            ("adds to", append.path.to_string(), format!("+{}", show_size(append.bytes)))
        }
        Payload::Edit(edit) => ("edits", edit.path.to_string(), format!("now {}", show_size(edit.bytes))),
        Payload::Move(rename) => ("renames", rename.from.to_string(), format!("to {}", rename.to)),
        Payload::Remove(remove) => ("removes", remove.path.to_string(), String::new()),
        Payload::Email(email) => ("mails", printable(&email.message_id), show_size(email.bytes)),
        Payload::Traffic(traffic) => {
            let port = traffic.port.filter(|port| Some(*port) != traffic.protocol.usual_port());
            let port = port.map_or_else(String::new, |port| format!(":{port}"));
            ("visits", format!("{}{port}", traffic.to), visit(traffic))
        }
    };
    told.verb = verb.into();
    told.object = object;
    told.detail = detail;
}

/// What was said on a connection, in a few words.
fn visit(traffic: &TrafficPayload) -> String {
    let mut said = vec![traffic.protocol.to_string()];
    said.extend(traffic.login.as_ref().map(|login| format!("as {}", printable(login))));
    if let Some(requests) = traffic.requests.filter(|requests| *requests > 0) {
        said.push(counted(u64::from(requests), "answer"));
    }
    said.push(format!("{:.1} s", Duration::from_millis(traffic.duration_ms).as_secs_f64()));
    said.push(format!("{} in, {} out", show_size(traffic.received_bytes), show_size(traffic.sent_bytes)));
    said.extend(traffic.banner.as_deref().map(printable));
    said.join(", ")
}

fn sync(event: &Event, payload: &SyncPayload, told: &mut Told) {
    told.place = "evidence".into();
    told.verb = payload.state.to_lowercase().replace('_', " ");
    told.object = printable(&payload.capture);
    let mut said = Vec::new();
    if let Some(inventory) = &payload.inventory {
        said.push(format!("{} files, {}", inventory.files, show_size(inventory.bytes)));
    }
    said.push(format!("to {}", printable(&payload.remote)));
    // What failed is said below, with its kind.
    let is_news = |note: &&str| !note.is_empty() && (event.body.success || *note != event.body.detail);
    if let Some(note) = payload.note.as_deref().filter(is_news) {
        said.push(printable(note));
    }
    let failure = failure(event);
    if !event.body.success && !failure.is_empty() {
        said.push(failure);
    }
    told.detail = said.join("; ");
    told.tone = match payload.state.as_str() {
        "VERIFIED" | "CLEANED" => Tone::Good,
        "FAILED" | "UNVERIFIED" => Tone::Bad,
        "BLOCKED" | "CANCELLED" => Tone::Warn,
        _ => Tone::Plain,
    };
}

/// Prints an event as a result: as one line, or as one object.
pub(crate) fn show(output: Output, event: &Event) -> CliResult<()> {
    if output.json { output.object(event) } else { output.line(line(event, output.color)) }
}

/// An event as one line.
pub(crate) fn line(event: &Event, color: bool) -> String {
    let told = tell(event);
    let mut out = format!(
        "{} {:>6}  {:<12}",
        paint(color, Tone::Faint, time::utc(event.body.time)),
        event.id.0,
        told.place
    );
    for (text, tone) in [
        (&told.who, Tone::Plain),
        (&told.verb, told.tone),
        (&told.object, Tone::Strong),
        (&told.detail, Tone::Faint),
    ] {
        if !text.is_empty() {
            out.push_str("  ");
            out.push_str(&paint(color, tone, text));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use verisim_core::{
        DecoyName, DecoyPath, Digest, EVENT_VERSION, EventId, FileClass, FileMode, NewEvent, PlantPayload,
        Timestamp, Topic,
    };

    use super::*;

    #[test]
    fn a_hostile_name_cannot_reach_the_terminal() {
        let event = Event {
            v: EVENT_VERSION,
            id: EventId(7),
            body: NewEvent {
                decoy: Some(DecoyName::new("files01").unwrap()),
                detail: "\x1b[2J".into(),
                ..NewEvent::new(
                    Topic::health(),
                    EventPayload::Activity(Payload::Plant(PlantPayload {
                        path: DecoyPath::new(b"/tmp/\x1b]0;x\x07\n").unwrap(),
                        class: FileClass::Note,
                        sha256: Digest::of(b""),
                        bytes: 2000,
                        mode: FileMode::new(0o644),
                        mtime: Timestamp::UNIX_EPOCH,
                        owner_set: false,
                    })),
                    Timestamp::UNIX_EPOCH,
                )
            },
        };
        let text = line(&event, false);
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert!(
            text.contains("files01") && text.contains("1.9 KiB") && text.contains("owner not set"),
            "{text}"
        );
    }
}
