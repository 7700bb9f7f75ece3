//! Planting: batch after batch in the order of times, then the times of the directories.

use verisim_core::{
    Body, BurnFate, BurnFile, BurnHow, BurnIn, BurnState, BurnStep, DecoyPath, Digest, Effect, Failure,
    FileKind, FileWrite, LEDGER_BODY_BYTES_MAX, LedgerChange, LedgerEntry, OwnershipPolicy, StatRequest,
    TimesChange, TimesOutcome, WriteOutcome,
};

use super::probe::as_write;
use super::{ATTEMPTS_MAX, BATCH_FILES, BurnError, BurnResult, Burner, may_pass};

/// What a burn-in left behind.
#[derive(Debug, Clone, Default)]
pub struct Planted {
    /// How many files are there.
    pub files: u32,
    /// Where something of somebody else's stands, which was left as it is.
    pub taken: Vec<DecoyPath>,
    /// How many files do not belong to whom they should, because we may not set that.
    pub owners_not_set: u32,
    /// Directories that do not bear their times, and why.
    pub directories: Vec<(DecoyPath, String)>,
}

impl Burner {
    /// Plants what is not planted yet, and ends the burn-in. What a killed process had begun is looked for first.
    ///
    /// # Errors
    /// When the decoy fails for good or for too long, or the store does; the same call goes on.
    pub async fn plant(&self, mut burn: BurnIn) -> BurnResult<Planted> {
        let mut planted = Planted::default();
        let mut from = 0;
        while from < burn.files {
            let until = burn.files.min(from + BATCH_FILES);
            let files = self.batch(from, until).await?;
            for file in files.iter().filter(|file| file.fate != BurnFate::Planned) {
                planted.count(file, file.fate);
            }
            let open: Vec<BurnFile> =
                files.into_iter().filter(|file| file.fate == BurnFate::Planned).collect();
            if !open.is_empty() {
                self.check_stop()?;
                self.plant_batch(&mut burn, until, open, &mut planted).await?;
            }
            from = until;
            (self.progress)(from, burn.files);
        }
        self.set_directory_times(&mut planted).await?;
        burn.state = BurnState::Done;
        burn.ended_at = Some(self.now());
        let detail = format!("{} files of {} days: {}", planted.files, burn.days, burn.story);
        let left = u32::try_from(planted.taken.len()).unwrap_or(u32::MAX);
        let events = vec![self.event(&burn, planted.files, left, detail)];
        self.store.step_burn_in(BurnStep { burn: Some(burn), events, ..self.step() }).await?;
        Ok(planted)
    }

    /// A step in which nothing happens.
    pub(super) fn step(&self) -> BurnStep {
        BurnStep {
            decoy: self.decoy.clone(),
            burn: None,
            fates: Vec::new(),
            directories: Vec::new(),
            ledger: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Plants files of one batch, whatever it takes; those that may have been begun are looked for first.
    async fn plant_batch(
        &self,
        burn: &mut BurnIn,
        until: u32,
        mut open: Vec<BurnFile>,
        planted: &mut Planted,
    ) -> BurnResult<()> {
        for attempt in 0.. {
            let begun: Vec<&BurnFile> = open.iter().filter(|file| file.number < burn.begun).collect();
            if !begun.is_empty() {
                let fates = self.probe(&begun).await?;
                self.settle_fates(burn, &mut open, fates, planted).await?;
            }
            if burn.begun < until {
                burn.begun = until;
                self.store.step_burn_in(BurnStep { burn: Some(burn.clone()), ..self.step() }).await?;
            }
            if open.is_empty() {
                return Ok(());
            }
            let (fates, failure) = self.write(&open, planted).await?;
            self.settle_fates(burn, &mut open, fates, planted).await?;
            let Some(failure) = failure else { return Ok(()) };
            if !may_pass(&failure) || attempt + 1 >= ATTEMPTS_MAX {
                return Err(failure.into());
            }
            self.pause(attempt).await?;
        }
        Ok(())
    }

    /// Writes files; answers what is known of them, and the failure of the first of the others.
    async fn write(
        &self,
        open: &[BurnFile],
        planted: &mut Planted,
    ) -> BurnResult<(Vec<(u32, BurnFate)>, Option<Failure>)> {
        let secret = self.store.secret().await?;
        let mut fates = Vec::with_capacity(open.len());
        let mut failed = None;
        let mut writes: Vec<FileWrite> = Vec::with_capacity(open.len());
        let mut written: Vec<&BurnFile> = Vec::with_capacity(open.len());
        for file in open {
            match self.is_as_before(file).await {
                Ok(true) => {}
                Ok(false) => {
                    fates.push((file.number, BurnFate::Taken));
                    continue;
                }
                Err(failure) => {
                    failed.get_or_insert(failure);
                    continue;
                }
            }
            if let Some(write) = as_write(file, &secret) {
                writes.push(write);
                written.push(file);
            }
        }
        for (file, outcome) in written.iter().zip(self.connector.write(&writes).await) {
            match outcome {
                Ok(WriteOutcome::Written(done)) if done.sha256 == content_hash(file) => {
                    planted.owners_not_set += u32::from(!done.owner_set);
                    fates.push((file.number, BurnFate::Planted));
                }
                Ok(WriteOutcome::Written(_) | WriteOutcome::Foreign(_)) => {
                    fates.push((file.number, BurnFate::Taken));
                }
                Err(failure) => drop(failed.get_or_insert(failure)),
            }
        }
        Ok((fates, failed))
    }

    /// An addition goes only to what was there when it was drawn; the other ways of writing see that for themselves.
    async fn is_as_before(&self, file: &BurnFile) -> Result<bool, Failure> {
        let (BurnHow::Append, Some(before)) = (file.facts.how, &file.before) else { return Ok(true) };
        let limit = self.connector.capabilities().file_bytes_max;
        let found = self.connector.stat(&file.path, StatRequest::Hash(limit)).await?;
        Ok(found.and_then(|found| found.sha256) == Some(Digest::of(before.body.as_bytes())))
    }

    /// Commits what is known of some files, with what the ledger learns, and leaves the others open.
    async fn settle_fates(
        &self,
        burn: &BurnIn,
        open: &mut Vec<BurnFile>,
        fates: Vec<(u32, BurnFate)>,
        planted: &mut Planted,
    ) -> BurnResult<()> {
        let fates: Vec<(u32, BurnFate)> =
            fates.into_iter().filter(|(_, fate)| *fate != BurnFate::Planned).collect();
        if fates.is_empty() {
            return Ok(());
        }
        let fate_of = |file: &BurnFile| fates.iter().find(|(number, _)| *number == file.number);
        let mut ledger = Vec::new();
        for file in open.iter() {
            if let Some((_, fate)) = fate_of(file) {
                planted.count(file, *fate);
                ledger.extend(self.learnt(burn, file, *fate));
            }
        }
        open.retain(|file| fate_of(file).is_none());
        let step = BurnStep { burn: Some(burn.clone()), fates, ledger, ..self.step() };
        Ok(self.store.step_burn_in(step).await?)
    }

    /// What the ledger learns of a file. A name that somebody else has is never planned for again.
    fn learnt(&self, burn: &BurnIn, file: &BurnFile, fate: BurnFate) -> Option<LedgerChange> {
        let facts = &file.facts;
        let ownership = match fate {
            BurnFate::Planted => facts.ownership()?,
            BurnFate::Taken if facts.how == BurnHow::New => OwnershipPolicy::Foreign,
            _ => return None,
        };
        let body = file.body.as_ref().filter(|body| {
            ownership == OwnershipPolicy::Owned && body.as_bytes().len() <= LEDGER_BODY_BYTES_MAX
        });
        Some(LedgerChange::Put(Box::new(LedgerEntry {
            decoy: burn.decoy.clone(),
            path: file.path.clone(),
            ownership,
            sha256: facts.sha256,
            size: facts.size,
            class: facts.class?,
            persona: facts.persona.clone(),
            edits: facts.edits,
            body: body.map(|body| Body(body.0.clone())),
            planted_at: facts.born_at,
            changed_at: facts.dress.mtime,
        })))
    }

    /// Gives every directory the times it would bear. One that may not be set is told, and holds up nothing.
    async fn set_directory_times(&self, planted: &mut Planted) -> BurnResult<()> {
        if !self.connector.capabilities().directory_times {
            return Ok(());
        }
        let mut directories = self.store.burnt_directories(&self.decoy).await?;
        // The deepest first: what is done in a directory does not move the time of those above it.
        directories.reverse();
        if !self.connector.capabilities().file_times {
            directories.retain(|dir| dir.path.file_name().is_some());
        }
        let changes: Vec<TimesChange> = directories
            .iter()
            .map(|dir| TimesChange {
                path: dir.path.clone(),
                kind: FileKind::Directory,
                atime: dir.after.atime,
                mtime: dir.after.mtime,
            })
            .collect();
        for (dir, outcome) in directories.iter().zip(self.connector.set_times(&changes).await) {
            match outcome {
                Ok(TimesOutcome::Set(_)) => {}
                // Nothing of ours came to be there.
                Ok(TimesOutcome::Foreign(None)) => {}
                Ok(TimesOutcome::Foreign(Some(_))) => {
                    planted.directories.push((dir.path.clone(), "it is no directory any more".to_owned()));
                }
                Err(failure) if may_pass(&failure) && failure.effect != Effect::Applied => {
                    return Err(BurnError::Failed(failure));
                }
                Err(failure) => planted.directories.push((dir.path.clone(), failure.detail)),
            }
        }
        Ok(())
    }
}

/// The hash of what a write reads back: of an addition only what was added.
fn content_hash(file: &BurnFile) -> Digest {
    match (file.facts.how, &file.body) {
        (BurnHow::Append, Some(body)) => Digest::of(body.as_bytes()),
        _ => file.facts.sha256,
    }
}

impl Planted {
    fn count(&mut self, file: &BurnFile, fate: BurnFate) {
        match fate {
            BurnFate::Planted => self.files += 1,
            BurnFate::Taken => self.taken.push(file.path.clone()),
            BurnFate::Planned | BurnFate::Undone | BurnFate::Left => {}
        }
    }
}
