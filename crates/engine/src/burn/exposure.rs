//! Whether a decoy lives already: then nothing on it is back-dated.

use verisim_core::{
    DecoyPath, EventId, EventQuery, FileClass, JobFilter, JobId, JobKind, Lane, LedgerEntry, Timestamp,
    Topic, TopicFilter,
};

use super::{BurnResult, Burner};

/// How many rows are looked at in one go.
const PAGE: usize = 256;

/// What shows that a decoy lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exposure {
    /// The ledger knows a file there that is of no past.
    File {
        /// Which.
        path: DecoyPath,
        /// When it was planted.
        at: Timestamp,
        /// Whether a person put it there.
        by_hand: bool,
    },
    /// An action was carried out there, or begun.
    Action {
        /// Which job.
        job: JobId,
        /// When it last changed.
        at: Timestamp,
    },
}

impl Burner {
    /// What shows that the decoy lives, or lived since its root was last accepted by a person.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn exposure(&self) -> BurnResult<Option<Exposure>> {
        if let Some(found) = self.living_file().await? {
            return Ok(Some(found));
        }
        let since = self.accepted_at().await?;
        let mut before: Option<JobId> = None;
        loop {
            let filter = JobFilter {
                kind: Some(JobKind::Activity),
                states: Vec::new(),
                lanes: Lane::all_of_decoy(&self.decoy).into(),
                before,
                limit: PAGE,
            };
            let jobs = self.store.jobs(filter).await?;
            let lived = jobs.iter().find(|job| job.counters.attempts > 0 && Some(job.updated_at) > since);
            if let Some(job) = lived {
                return Ok(Some(Exposure::Action { job: job.id, at: job.updated_at }));
            }
            match jobs.last() {
                Some(last) if jobs.len() == PAGE => before = Some(last.id),
                _ => return Ok(None),
            }
        }
    }

    /// A file in the ledger that no past put there. The first one is enough.
    async fn living_file(&self) -> BurnResult<Option<Exposure>> {
        let mut after = (self.decoy.clone(), DecoyPath::root());
        loop {
            let entries = self.store.ledger_scan(Some(after.clone()), PAGE).await?;
            let length = entries.len();
            for entry in entries {
                if entry.decoy != self.decoy {
                    return Ok(None);
                }
                if !self.is_of_past(&entry).await? {
                    let by_hand = entry.class == FileClass::Manual;
                    return Ok(Some(Exposure::File { path: entry.path, at: entry.changed_at, by_hand }));
                }
                after = (entry.decoy, entry.path);
            }
            if length < PAGE {
                return Ok(None);
            }
        }
    }

    async fn is_of_past(&self, entry: &LedgerEntry) -> BurnResult<bool> {
        let file = self.store.burnt_file(&self.decoy, &entry.path).await?;
        Ok(file.is_some_and(|file| file.facts.sha256 == entry.sha256 || entry.persona == file.facts.persona))
    }

    /// When a person last said that the decoy's root was replaced: what happened before that happened elsewhere.
    async fn accepted_at(&self) -> BurnResult<Option<Timestamp>> {
        let topic: Result<TopicFilter, _> = Topic::accepted(&self.decoy).as_str().parse();
        let Ok(topics) = topic else { return Ok(None) };
        let (mut after, mut found) = (EventId(0), None);
        loop {
            let page = self.store.events(EventQuery { after, topics: topics.clone(), limit: PAGE }).await?;
            found = page.events.last().map(|event| event.body.time).or(found);
            if page.seen <= after {
                return Ok(found);
            }
            after = page.seen;
        }
    }
}
