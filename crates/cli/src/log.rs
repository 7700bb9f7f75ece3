//! What the daemon says while it runs: on standard error, one bounded line a message.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use verisim_core::{CancellationToken, Clock, Event, EventPayload, SyncPayload, SyncState, TopicFilter};
use verisim_engine::control::Operator;
use verisim_engine::{Delivery, LocalBus};

use crate::args::{Global, LogFormat};
use crate::output::Output;
use crate::render::time;

/// The longest line, in bytes.
const LINE_BYTES_MAX: usize = 4096;

/// Begins to log. `VERISIM_LOG` refines what is shown, in the manner of `RUST_LOG`; `loud` is what is shown without -v.
pub(crate) fn start(global: &Global, output: Output, format: LogFormat, loud: LevelFilter) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => loud,
        (false, 1) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .with_env_var("VERISIM_LOG")
        .from_env_lossy();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines).with_target(false);
    // A second start in one process changes nothing: the first one stays.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(output.color_messages).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_ansi(false).try_init(),
    };
}

/// How many events the log may be behind before it says that it missed some.
const BEHIND_EVENTS_MAX: usize = 1024;

/// How many names of damaged files the log is told; the event has more.
const NAMES_LOGGED: usize = 5;

/// Tells the log what somebody who reads nothing else must learn: tampering, damage, decoys that do not answer and what failed
/// as warnings, captures on their way as information. Ends with the bus.
pub(crate) async fn follow(bus: &LocalBus) {
    let mut news = bus.subscribe(TopicFilter::all(), BEHIND_EVENTS_MAX);
    while let Some(delivery) = news.next().await {
        match delivery {
            Delivery::Event(event) => tell(&event),
            Delivery::Missed { first, last } => {
                tracing::warn!(%first, %last, "events came too fast for the log; `verisim events` has them");
            }
        }
    }
}

fn tell(event: &Event) {
    let (id, topic, detail) = (event.id, &event.body.topic, &event.body.detail);
    match &event.body.payload {
        EventPayload::Tampered { path, .. } => tracing::warn!(event = %id, %topic, %path, "tampered with"),
        EventPayload::RemoteDamaged { remote, names, total } => {
            let files = (*total).max(names.len() as u64);
            let first = names.iter().take(NAMES_LOGGED).map(String::as_str).collect::<Vec<_>>().join(", ");
            tracing::warn!(event = %id, %topic, %remote, files, first, "damaged at the destination");
        }
        // What is no decoy is a destination.
        EventPayload::Reachable { reachable } => match (&event.body.decoy, reachable) {
            (Some(decoy), false) => tracing::warn!(event = %id, %topic, detail, "{decoy} is left alone"),
            (Some(decoy), true) => tracing::info!(event = %id, %topic, detail, "{decoy} answers"),
            (None, false) => {
                tracing::warn!(event = %id, %topic, detail, "a destination is away; its captures wait");
            }
            (None, true) => tracing::info!(event = %id, %topic, detail, "a destination is back"),
        },
        EventPayload::NotDone { action, path, state } => {
            let path = path.as_ref().map_or_else(String::new, ToString::to_string);
            tracing::warn!(event = %id, %topic, action, path, state, detail, "not done");
        }
        EventPayload::Sync(sync) => tell_capture(event, sync),
        EventPayload::Gate { capture, rule, by, reason, revoked } => {
            tracing::warn!(event = %id, %topic, capture, rule, by, reason, revoked, "its gate was overridden, or that was revoked");
        }
        EventPayload::Health { status } if status == "degraded" => {
            tracing::warn!(event = %id, detail, "degraded");
        }
        EventPayload::Released { path, decision, .. } => {
            tracing::info!(event = %id, %topic, %path, decision, "decided");
        }
        EventPayload::RootAccepted { forgotten } => {
            tracing::info!(event = %id, %topic, forgotten, "another root was accepted");
        }
        EventPayload::BurnIn { state, days, files, left } => {
            tracing::info!(event = %id, %topic, state, days, files, left, detail, "burn-in");
        }
        EventPayload::Joined { role, personas, .. } => {
            let personas =
                personas.iter().map(verisim_core::PersonaName::as_str).collect::<Vec<_>>().join(", ");
            tracing::info!(event = %id, %topic, role, personas, detail, "joined");
        }
        EventPayload::Left { reason } => tracing::info!(event = %id, %topic, reason, detail, "left"),
        EventPayload::Activity(_) | EventPayload::Health { .. } => {
            tracing::debug!(event = %id, %topic, detail, "done");
        }
    }
}

/// A capture that rests unverified did not fail, and yet nothing goes on before somebody acts.
fn tell_capture(event: &Event, sync: &SyncPayload) {
    let (id, detail) = (event.id, &event.body.detail);
    let (capture, state, note) = (&sync.capture, &sync.state, sync.note.as_deref().unwrap_or_default());
    if state == SyncState::Unverified.name() {
        let job = event.body.job.map_or_else(String::new, |job| job.to_string());
        tracing::warn!(
            event = %id, capture, state, note, detail,
            "capture is not proved at its destination, and nothing is deleted here; `verisim sync show {job}` says why, \
             `verisim sync retry {job}` tries again"
        );
    } else if event.body.success {
        tracing::info!(event = %id, capture, state, note, "capture");
    } else {
        tracing::warn!(event = %id, capture, state, note, detail, "capture");
    }
}

/// How soon after the start it is said what comes next: by then the first plan is made.
const FIRST_PULSE: Duration = Duration::from_secs(2);
/// How often it is said again.
const PULSE: Duration = Duration::from_secs(3600);

/// Says what comes next, so that a quiet day does not look like a dead daemon: once after the start, then once an hour.
pub(crate) struct Pulse {
    pub(crate) operator: Operator,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether anybody works on the decoys.
    pub(crate) has_people: bool,
    /// Whether decoys are looked for.
    pub(crate) looks_for_decoys: bool,
    /// Whether captures are looked for.
    pub(crate) has_captures: bool,
}

impl Pulse {
    /// Until `end`.
    pub(crate) async fn beat(self, end: CancellationToken) {
        let mut wait = FIRST_PULSE;
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = end.cancelled() => return,
            }
            wait = PULSE;
            // What the store refuses is told where it happens.
            let Ok(status) = self.operator.status().await else { continue };
            let open: Vec<String> = status
                .store
                .open_jobs
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(state, count)| format!("{count} {}", state.to_lowercase().replace('_', " ")))
                .collect();
            let next = match status.next_slot {
                Some(at) => {
                    format!("somebody works {} ({})", time::distance(at, self.clock.now()), time::utc(at))
                }
                None if status.decoys.iter().all(|decoy| decoy.left_since.is_some())
                    && self.looks_for_decoys =>
                {
                    "no decoy is there yet; they are looked for among containers".into()
                }
                None if self.has_people => "nobody works in the coming two weeks".into(),
                None => "no persona works here".into(),
            };
            let captures = if self.has_captures { "; captures are looked for once a minute" } else { "" };
            let jobs = if open.is_empty() { "none".into() } else { open.join(", ") };
            tracing::info!(jobs, "{next}{captures}");
        }
    }
}

/// Writes lines to standard error, each cut to a bound.
struct Lines;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Lines {
    /// One call is one message.
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let mut out = io::stderr().lock();
        if message.len() > LINE_BYTES_MAX {
            let cut = &message[..LINE_BYTES_MAX];
            out.write_all(String::from_utf8_lossy(cut).trim_end_matches('\u{fffd}').as_bytes())?;
            out.write_all(b"\n")?;
        } else {
            out.write_all(message)?;
        }
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use verisim_core::{EventId, JobId, NewEvent, Timestamp, Topic};

    use super::*;

    fn said_of(state: SyncState) -> String {
        let event = Event {
            v: verisim_core::EVENT_VERSION,
            id: EventId(1),
            body: NewEvent {
                job: Some(JobId(7)),
                ..NewEvent::new(
                    Topic::sync(JobId(7), state),
                    EventPayload::Sync(SyncPayload {
                        state: state.name().to_owned(),
                        capture: "runs/042".to_owned(),
                        remote: "nas:runs/042".to_owned(),
                        inventory: None,
                        proof: None,
                        note: None,
                        findings: verisim_core::Findings::default(),
                    }),
                    Timestamp::UNIX_EPOCH,
                )
            },
        };
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(Arc::new(std::fs::File::create(&log).unwrap()));
        tracing::subscriber::with_default(subscriber.finish(), || tell(&event));
        std::fs::read_to_string(&log).unwrap()
    }

    #[test]
    fn a_capture_that_rests_unverified_is_a_warning_that_says_what_to_do() {
        let said = said_of(SyncState::Unverified);
        assert!(said.contains("WARN") && said.contains("`verisim sync retry 7`"), "{said}");
        assert!(said_of(SyncState::Verified).contains("INFO"));
    }
}
