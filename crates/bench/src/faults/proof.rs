//! The proof: by what was seen of both folders from outside, and, for what nobody can see there, by the store after the
//! daemon has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use verisim_core::{
    EventId, EventPayload, EventQuery, JobFilter, JobState, Store, SyncState, Timestamp, TopicFilter, Work,
};
use verisim_testkit::VirtualClock;

use super::MIN_AGE;
use super::flips::{FILE, Flipped};
use super::home::Home;
use super::watch::{Fate, hashes, stamps};
use crate::measure::Error;

/// Passes that a deletion takes.
const PASSES_MIN: u32 = 2;
/// How much later than its first pass began a capture may be seen sealed: the age counts from the pass.
const SEEN_LATE: Duration = Duration::from_secs(10);
/// How many events are read at once.
const PAGE: usize = 1_000;

/// What the store says of one capture.
struct Told {
    state: SyncState,
    passes: u32,
    why: Option<String>,
    damaged: bool,
}

impl Home {
    /// What is wrong.
    pub(super) fn prove(&self, flipped: &Flipped) -> Result<Vec<String>, Error> {
        let fates = self.watch.fates();
        let mut wrong = Vec::new();
        let told = self.told(&mut wrong)?;
        let (mut ages, mut again, mut found) = (Vec::new(), 0, 0);
        for (name, fate) in &fates {
            let Some(told) = told.get(name) else {
                wrong.push(format!("{name} has no job"));
                continue;
            };
            if !matches!(told.state, SyncState::Verified | SyncState::Cleaned) {
                wrong.push(format!("{name} ended as {}: {:?}", told.state, told.why));
            }
            if hashes(&fate.there)? != fate.files {
                wrong.push(format!("{name} is not there as it was captured, and is {}", told.state));
            }
            if told.state != SyncState::Cleaned && hashes(&fate.here)? != fate.files {
                wrong.push(format!("{name} is not here as it was captured, and is {}", told.state));
            }
            if fate.gone.is_some() {
                ages.extend(early(name, fate, told, flipped, &mut wrong));
            }
            if flipped.contains_key(name) {
                found += usize::from(told.damaged);
            } else if stamps(&fate.there, &fate.files) != fate.stamps {
                again += 1;
                wrong.push(format!("{name} was sent again after it was verified"));
            }
        }
        let youngest = ages.iter().min().copied().unwrap_or_default();
        println!(
            "{} captures, {} of them deleted here, the youngest {:.0} s after it was first verified (the rule asks for {} s); \
             {again} were sent again once verified",
            fates.len(),
            ages.len(),
            youngest.as_secs_f64(),
            MIN_AGE.as_secs()
        );
        println!(
            "{found} of {} flipped bits were found, by name, before anything was deleted here",
            flipped.len()
        );
        if found != flipped.len() {
            wrong.push(format!("{} flipped bits were not found", flipped.len() - found));
        }
        Ok(wrong)
    }

    /// What the store says of every capture.
    fn told(&self, wrong: &mut Vec<String>) -> Result<BTreeMap<String, Told>, Error> {
        let clock = VirtualClock::new(Timestamp::UNIX_EPOCH);
        let store = verisim_store::SqliteStore::open(&self.at("state/verisim.db"), clock)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let damaged = runtime.block_on(damaged(&store))?;
        let filter = JobFilter { limit: 1_000_000, ..JobFilter::default() };
        let mut out = BTreeMap::new();
        for job in runtime.block_on(store.jobs(filter))? {
            let (Work::Sync(spec), JobState::Sync(state)) = (&job.work, job.state) else { continue };
            let Some(name) = spec.capture.root.file_name().and_then(|name| name.to_str()) else { continue };
            let progress = job.progress.unwrap_or_default();
            let why = job.last_failure.map(|failure| format!("{failure:?}")).or(progress.note);
            let damaged = damaged.contains(&job.id.0);
            let told = Told { state, passes: progress.passes_total, why, damaged };
            if out.insert(name.to_owned(), told).is_some() {
                wrong.push(format!("{name} has two jobs"));
            }
        }
        Ok(out)
    }
}

/// The jobs of which an event says that the damaged file is damaged.
async fn damaged(store: &impl Store) -> Result<BTreeSet<i64>, Error> {
    let topics: TopicFilter = "sync.*.remote_damaged".parse()?;
    let (mut after, mut out) = (EventId(0), BTreeSet::new());
    loop {
        let page = store.events(EventQuery { after, topics: topics.clone(), limit: PAGE }).await?;
        for event in &page.events {
            if let (Some(job), EventPayload::RemoteDamaged { names, .. }) =
                (event.body.job, &event.body.payload)
                && names.iter().any(|name| name.ends_with(FILE))
            {
                out.insert(job.0);
            }
        }
        if page.seen == after {
            return Ok(out);
        }
        after = page.seen;
    }
}

/// Whether a capture went too early; answers how old its first pass was.
fn early(
    name: &str,
    fate: &Fate,
    told: &Told,
    flipped: &Flipped,
    wrong: &mut Vec<String>,
) -> Option<Duration> {
    let (gone, Some(sealed)) = (fate.gone?, fate.sealed) else {
        wrong.push(format!("{name} was deleted before it was sealed"));
        return None;
    };
    // What was damaged has to be verified twice once more.
    let since = flipped.get(name).copied().unwrap_or(sealed);
    let age = gone.saturating_duration_since(since);
    if age + SEEN_LATE < MIN_AGE {
        wrong.push(format!("{name} was deleted {} s after its first pass", age.as_secs()));
    }
    if !fate.right {
        wrong.push(format!("{name} was deleted while it was not there as it was captured"));
    }
    if told.passes < PASSES_MIN || told.state != SyncState::Cleaned {
        wrong.push(format!("{name} was deleted after {} passes and is {}", told.passes, told.state));
    }
    Some(age)
}
