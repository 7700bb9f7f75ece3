//! Events: stored with what they tell of, published after that.

use std::sync::atomic::Ordering;

use rusqlite::Connection;
use verisim_core::{EVENT_VERSION, Event, EventId, EventPage, EventQuery, NewEvent, Topic};

use crate::codes;
use crate::error::{Fault, Outcome};
use crate::tx::{Safety, Tx, Write};
use crate::wire;
use crate::writer::Shared;

/// Rows that one query looks at, whatever its filter lets through.
const SCANNED_MAX: i64 = 10_000;

/// Events, encoded.
pub(crate) struct NewEvents(Vec<EventRow>);

struct EventRow {
    time: i64,
    decoy: Option<String>,
    topic: String,
    event: String,
}

impl NewEvents {
    pub(crate) fn new(events: &[NewEvent]) -> Outcome<Self> {
        let row = |event: &NewEvent| {
            Ok(EventRow {
                time: codes::time(event.time),
                decoy: event.decoy.as_ref().map(ToString::to_string),
                topic: event.topic.as_str().to_owned(),
                event: wire::encode(event)?,
            })
        };
        events.iter().map(row).collect::<Outcome<_>>().map(Self)
    }

    /// Stores them in the transaction that is under way. Ids rise in the order of commits, because there is one writer.
    pub(crate) fn store(&self, tx: &mut Tx<'_>) -> Outcome<Vec<EventId>> {
        self.0.iter().map(|row| row.store(tx)).collect()
    }
}

impl EventRow {
    fn store(&self, tx: &mut Tx<'_>) -> Outcome<EventId> {
        let id = tx.state.numbers.last_event + 1;
        tx.run(
            "INSERT INTO event (id, time, decoy, topic, event) VALUES (?1, ?2, ?3, ?4, ?5)",
            (id, self.time, &self.decoy, &self.topic, &self.event),
        )?;
        tx.state.numbers.last_event = id;
        if let (Some(decoy), Some(counts)) = (&self.decoy, &mut tx.state.events_of) {
            match counts.get_mut(decoy) {
                Some(count) => *count += 1,
                None => drop(counts.insert(decoy.clone(), 1)),
            }
        }
        Ok(EventId(id))
    }
}

impl Write for NewEvents {
    type Answer = Vec<EventId>;
    const SAFETY: Safety = Safety::Power;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<Vec<EventId>> {
        self.store(tx)
    }
}

/// Moves the outbox position forward; never back, and never beyond what is there.
pub(crate) struct Published(pub(crate) EventId);

impl Write for Published {
    type Answer = ();
    const SAFETY: Safety = Safety::Process;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<()> {
        let up_to = self.0.0.min(tx.state.numbers.last_event);
        if up_to > tx.state.numbers.published {
            tx.set_meta("published", up_to)?;
            tx.state.numbers.published = up_to;
        }
        Ok(())
    }
}

fn event(id: i64, text: &str) -> Outcome<Event> {
    Ok(Event { v: EVENT_VERSION, id: EventId(id), body: wire::decode(text)? })
}

pub(crate) fn outbox(db: &Connection, published: i64, limit: usize) -> Outcome<Vec<Event>> {
    let mut select = db.prepare_cached("SELECT id, event FROM event WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let mut rows = select.query((published, i64::try_from(limit).unwrap_or(i64::MAX)))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(event(row.get(0)?, row.get_ref(1)?.as_str().map_err(Fault::invalid)?)?);
    }
    Ok(events)
}

pub(crate) fn query(db: &Connection, query: &EventQuery, shared: &Shared) -> Outcome<EventPage> {
    let mut select =
        db.prepare_cached("SELECT id, topic, event FROM event WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let mut rows = select.query((query.after.0, SCANNED_MAX))?;
    let mut page = EventPage { events: Vec::new(), seen: query.after, pruned: EventId(0) };
    while page.events.len() < query.limit
        && let Some(row) = rows.next()?
    {
        let id: i64 = row.get(0)?;
        let topic =
            Topic::parse(row.get_ref(1)?.as_str().map_err(Fault::invalid)?).map_err(Fault::invalid)?;
        if query.topics.matches(&topic) {
            page.events.push(event(id, row.get_ref(2)?.as_str().map_err(Fault::invalid)?)?);
        }
        page.seen = EventId(id);
    }
    // Read after the snapshot began: what was pruned since is still in it, and to say too much is safe.
    page.pruned = EventId(shared.pruned.load(Ordering::Acquire));
    Ok(page)
}
