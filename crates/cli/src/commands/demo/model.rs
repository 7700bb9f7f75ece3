//! What the demonstration shows: the company as events tell of it.

use std::collections::{BTreeMap, VecDeque};

use verisim_core::{Event, EventPayload, Job, JobId, Payload, Progress, SyncPayload, Timestamp, Work};

use super::company::{HOSTS, PEOPLE};
use crate::render::event::{Told, tell};

/// How many recent events are kept.
const RECENT_MAX: usize = 64;

/// The company now.
pub(super) struct Model {
    /// The hosts, in the order of [`HOSTS`].
    pub(super) hosts: Vec<HostRow>,
    /// The people, in the order of [`PEOPLE`].
    pub(super) people: Vec<PersonRow>,
    /// What happened, the newest last.
    pub(super) recent: VecDeque<(Timestamp, Told)>,
    /// The captures, by job.
    pub(super) captures: BTreeMap<JobId, CaptureRow>,
    /// How many live effects were confirmed.
    pub(super) effects: u64,
    /// How many things did not go well.
    pub(super) troubles: u64,
    /// How many files belong to nobody they should, because we may not set owners.
    pub(super) owners_missing: u64,
}

/// One host.
pub(super) struct HostRow {
    pub(super) name: &'static str,
    pub(super) role: &'static str,
    /// How many files of the story are on it.
    pub(super) files: i64,
    /// How many effects there were since the start.
    pub(super) effects: u64,
    /// When something happened last.
    pub(super) last: Option<Timestamp>,
}

/// One person.
pub(super) struct PersonRow {
    pub(super) name: &'static str,
    pub(super) full_name: &'static str,
    pub(super) role: &'static str,
    /// What the person did last: when, where, what.
    pub(super) last: Option<(Timestamp, String, String)>,
}

/// One capture.
pub(super) struct CaptureRow {
    /// Its name, as `rule/directory`.
    pub(super) name: String,
    /// The state of its job.
    pub(super) state: String,
    /// How far the push is.
    pub(super) progress: Option<Progress>,
    /// What it holds.
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// Why it waits.
    pub(super) note: Option<String>,
}

impl CaptureRow {
    /// Whether it rests, and well.
    pub(super) fn is_verified(&self) -> bool {
        self.state == "VERIFIED"
    }
}

impl Model {
    pub(super) fn new() -> Self {
        let host = |host: &super::company::Host| HostRow {
            name: host.name,
            role: host.role,
            files: 0,
            effects: 0,
            last: None,
        };
        let person = |person: &super::company::Employee| PersonRow {
            name: person.name,
            full_name: person.full_name,
            role: person.role,
            last: None,
        };
        Self {
            hosts: HOSTS.iter().map(host).collect(),
            people: PEOPLE.iter().map(person).collect(),
            recent: VecDeque::with_capacity(RECENT_MAX),
            captures: BTreeMap::new(),
            effects: 0,
            troubles: 0,
            owners_missing: 0,
        }
    }

    /// Learns what was there before.
    pub(super) fn count_file(&mut self, decoy: &str) {
        if let Some(host) = self.hosts.iter_mut().find(|host| host.name == decoy) {
            host.files += 1;
        }
    }

    /// Learns from an event; answers how it is told.
    pub(super) fn take(&mut self, event: &Event) -> Told {
        let told = tell(event);
        self.troubles += u64::from(!event.body.success);
        match &event.body.payload {
            EventPayload::Activity(payload) => self.activity(event, payload, &told),
            EventPayload::Sync(payload) => self.sync(event, payload),
            EventPayload::NotDone { .. }
            | EventPayload::Tampered { .. }
            | EventPayload::Reachable { .. }
            | EventPayload::Joined { .. }
            | EventPayload::Left { .. }
            | EventPayload::Released { .. }
            | EventPayload::RootAccepted { .. }
            | EventPayload::BurnIn { .. }
            | EventPayload::Gate { .. }
            | EventPayload::RemoteDamaged { .. }
            | EventPayload::Health { .. } => {}
        }
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((event.body.time, told.clone()));
        told
    }

    fn activity(&mut self, event: &Event, payload: &Payload, told: &Told) {
        let grown = match payload {
            Payload::Plant(plant) => {
                self.owners_missing += u64::from(!plant.owner_set);
                1
            }
            Payload::Remove(_) => -1,
            Payload::Append(_)
            | Payload::Edit(_)
            | Payload::Move(_)
            | Payload::Email(_)
            | Payload::Traffic(_) => 0,
        };
        self.effects += 1;
        let host = self.hosts.iter_mut().find(|host| host.name == told.place);
        if let Some(host) = host {
            host.files += grown;
            host.effects += 1;
            host.last = Some(event.body.time);
        }
        let person = self.people.iter_mut().find(|person| person.name == told.who);
        if let Some(person) = person {
            person.last =
                Some((event.body.time, told.place.clone(), format!("{} {}", told.verb, told.object)));
        }
    }

    fn sync(&mut self, event: &Event, payload: &SyncPayload) {
        let Some(job) = event.body.job else { return };
        let row = self.captures.entry(job).or_insert_with(|| CaptureRow {
            name: verisim_core::printable(&payload.capture),
            state: String::new(),
            progress: None,
            files: 0,
            bytes: 0,
            note: None,
        });
        row.state.clone_from(&payload.state);
        row.note = payload.note.as_deref().map(verisim_core::printable);
        if let Some(inventory) = &payload.inventory {
            (row.files, row.bytes) = (inventory.files, inventory.bytes);
        }
    }

    /// Learns of a capture's job, of which there need not be an event yet.
    pub(super) fn job(&mut self, job: &Job) {
        let Work::Sync(spec) = &job.work else { return };
        self.captures.entry(job.id).or_insert_with(|| CaptureRow {
            name: match &spec.capture.relative {
                Some(relative) => format!("{}/{relative}", spec.capture.rule),
                None => spec.capture.rule.to_string(),
            },
            state: String::new(),
            progress: None,
            files: 0,
            bytes: 0,
            note: None,
        });
        let Some(row) = self.captures.get_mut(&job.id) else { return };
        row.state = job.state.name().to_owned();
        if let Some((kind, detail)) = job.last_failure.as_ref().filter(|_| !row.is_verified()) {
            row.note = Some(verisim_core::printable(&format!("{kind}: {detail}")));
        }
        if let Some(inventory) = job.progress.as_ref().and_then(|progress| progress.inventory) {
            (row.files, row.bytes) = (inventory.files, inventory.bytes);
        }
    }

    /// Learns how far the pushes are.
    pub(super) fn progress(&mut self, running: &[(JobId, Progress)]) {
        for (job, progress) in running {
            if let Some(row) = self.captures.get_mut(job) {
                row.progress = Some(*progress);
            }
        }
    }

    /// How many captures are verified.
    pub(super) fn verified(&self) -> usize {
        self.captures.values().filter(|row| row.is_verified()).count()
    }
}
