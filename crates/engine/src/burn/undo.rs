//! Undoing a past: what was planted goes, what was there before is there again, and the directories bear the times they bore.

use futures_util::stream::{self, StreamExt as _};
use verisim_core::{
    BurnDirectory, BurnFate, BurnFile, BurnHow, BurnIn, BurnState, BurnStep, BurnTimes, DecoyPath, Digest,
    DirectoryOutcome, Effect, Failure, FailureKind, FileKind, FileStat, FileTimes, FileWrite, LedgerChange,
    OwnerPolicy, Removal, RemoveOutcome, StatRequest, TimesChange, TimesOutcome, Timestamp, WriteMode,
    WriteOutcome,
};

use super::{ATTEMPTS_MAX, BATCH_FILES, BurnResult, Burner, QUESTIONS_AT_ONCE, may_pass};

/// What an undo left behind.
#[derive(Debug, Clone, Default)]
pub struct Undone {
    /// How many files went.
    pub removed: u32,
    /// How many are again what they were before.
    pub restored: u32,
    /// Files that somebody changed since, which stay as they are.
    pub left: Vec<DecoyPath>,
    /// Directories that stay because something of somebody else's is in them, or that could not be set back, and why.
    pub directories: Vec<(DecoyPath, String)>,
}

impl Burner {
    /// Takes back a past, finished or not, and forgets it.
    ///
    /// # Errors
    /// When the decoy fails for good or for too long, or the store does; the same call goes on.
    pub async fn undo(&self, mut burn: BurnIn) -> BurnResult<Undone> {
        if burn.state != BurnState::Undoing {
            self.find_begun(&burn).await?;
            let was_done = burn.state == BurnState::Done;
            let directories = self.decide_directories(was_done).await?;
            burn.state = BurnState::Undoing;
            let step = BurnStep { burn: Some(burn.clone()), directories, ..self.step() };
            self.store.step_burn_in(step).await?;
        }
        let mut undone = Undone::default();
        let mut until = burn.files;
        while until > 0 {
            let from = until.saturating_sub(BATCH_FILES);
            let files = self.batch(from, until).await?;
            self.check_stop()?;
            self.undo_batch(&burn, &files, &mut undone).await?;
            until = from;
            (self.progress)(burn.files - until, burn.files);
        }
        self.undo_directories(&mut undone).await?;
        let left = u32::try_from(undone.left.len()).unwrap_or(u32::MAX);
        let detail = format!(
            "{} files are gone, {} are again what they were, {left} were changed since and stay",
            undone.removed, undone.restored
        );
        let events = vec![self.event(&burn, undone.removed + undone.restored, left, detail)];
        self.store.step_burn_in(BurnStep { events, ..self.step() }).await?;
        Ok(undone)
    }

    /// What a killed process had begun is found out, so that nothing of it stays.
    async fn find_begun(&self, burn: &BurnIn) -> BurnResult<()> {
        let mut from = 0;
        while burn.state == BurnState::Planting && from < burn.begun {
            let files = self.batch(from, burn.begun.min(from + BATCH_FILES)).await?;
            let open: Vec<&BurnFile> = files.iter().filter(|file| file.fate == BurnFate::Planned).collect();
            let mut fates = self.probe(&open).await?;
            fates.retain(|(_, fate)| *fate != BurnFate::Planned);
            if !fates.is_empty() {
                let step = BurnStep { burn: Some(burn.clone()), fates, ..self.step() };
                self.store.step_burn_in(step).await?;
            }
            from += BATCH_FILES;
        }
        Ok(())
    }

    /// Which times each directory gets in the end. Where somebody was there since, that is what shows, and stays.
    async fn decide_directories(&self, was_done: bool) -> BurnResult<Vec<BurnDirectory>> {
        let directories = self.store.burnt_directories(&self.decoy).await?;
        let exact = self.connector.capabilities().mtime_ns;
        let asking = directories.into_iter().map(|mut dir| async move {
            self.check_stop()?;
            let found = self.connector.stat(&dir.path, StatRequest::Times).await?;
            let found = found.filter(|found| found.kind == FileKind::Directory);
            dir.restore = found.map(|found| restored(&dir, &found, was_done, exact));
            Ok(dir)
        });
        let answers: Vec<BurnResult<_>> = stream::iter(asking).buffered(QUESTIONS_AT_ONCE).collect().await;
        answers.into_iter().collect()
    }

    async fn undo_batch(&self, burn: &BurnIn, files: &[BurnFile], undone: &mut Undone) -> BurnResult<()> {
        let mut open: Vec<&BurnFile> = files.iter().filter(|file| file.fate == BurnFate::Planted).collect();
        for file in files {
            undone.count(file, file.fate);
        }
        let mut ledger: Vec<LedgerChange> = files
            .iter()
            .filter(|file| file.fate == BurnFate::Taken)
            .filter_map(|file| self.forgotten(file))
            .collect();
        let mut attempt = 0;
        loop {
            let secret = self.store.secret().await?;
            let undoing = open.iter().map(|file| {
                let secret = &secret;
                async move { (file.number, self.undo_file(file, secret).await) }
            });
            let outcomes: Vec<(u32, Result<BurnFate, Failure>)> =
                stream::iter(undoing).buffered(QUESTIONS_AT_ONCE).collect().await;
            let (mut fates, mut failed) = (Vec::new(), None);
            for (file, (number, outcome)) in open.iter().zip(outcomes) {
                match outcome {
                    Ok(fate) => {
                        undone.count(file, fate);
                        fates.push((number, fate));
                        ledger.extend(
                            Some(fate)
                                .filter(|fate| *fate == BurnFate::Undone)
                                .and_then(|_| self.forgotten(file)),
                        );
                    }
                    Err(failure) => drop(failed.get_or_insert(failure)),
                }
            }
            open.retain(|file| !fates.iter().any(|(number, _)| *number == file.number));
            let ledger = std::mem::take(&mut ledger);
            if !(fates.is_empty() && ledger.is_empty()) {
                let step = BurnStep { burn: Some(burn.clone()), fates, ledger, ..self.step() };
                self.store.step_burn_in(step).await?;
            }
            let Some(failure) = failed else { return Ok(()) };
            attempt += 1;
            if !may_pass(&failure) || attempt >= ATTEMPTS_MAX {
                return Err(failure.into());
            }
            self.pause(attempt).await?;
        }
    }

    /// The ledger knows nothing of it any more.
    fn forgotten(&self, file: &BurnFile) -> Option<LedgerChange> {
        file.facts.class?;
        Some(LedgerChange::Remove { decoy: self.decoy.clone(), path: file.path.clone() })
    }

    async fn undo_file(&self, file: &BurnFile, secret: &[u8; 32]) -> Result<BurnFate, Failure> {
        let staging = Self::staging(secret, file.number);
        let expected = file.facts.sha256;
        let Some(before) = &file.before else {
            let removal = Removal { path: file.path.clone(), expected, staging };
            return Ok(match self.connector.remove(&removal).await? {
                RemoveOutcome::Gone { .. } => BurnFate::Undone,
                RemoveOutcome::Foreign(_) => BurnFate::Left,
            });
        };
        let write = FileWrite {
            path: file.path.clone(),
            body: before.body.0.clone(),
            how: WriteMode::Replace { expected },
            mode: Some(before.dress.mode),
            owner: OwnerPolicy::Set(before.dress.owner),
            times: FileTimes::Past { mtime: before.dress.mtime, atime: before.dress.atime },
            make_parents: false,
            durable: true,
            staging,
        };
        let was = Digest::of(before.body.as_bytes());
        match self.connector.write(&[write]).await.pop() {
            Some(Ok(WriteOutcome::Written(done))) if done.sha256 == was => Ok(BurnFate::Undone),
            // A killed undo had come so far.
            Some(Ok(WriteOutcome::Foreign(found))) if found.sha256 == Some(was) => Ok(BurnFate::Undone),
            Some(Ok(_)) => Ok(BurnFate::Left),
            Some(Err(failure)) => Err(failure),
            None => Err(Failure::new(FailureKind::Unknown, "burn.undo", "the connector gave no answer")
                .with_effect(Effect::Unknown)),
        }
    }

    /// What was made goes if it is empty, and what stays gets the times that were decided, the deepest first.
    async fn undo_directories(&self, undone: &mut Undone) -> BurnResult<()> {
        let mut directories = self.store.burnt_directories(&self.decoy).await?;
        directories.reverse();
        let mut stay = Vec::with_capacity(directories.len());
        for dir in directories {
            if dir.before.is_none() {
                self.check_stop()?;
                match self.connector.remove_directory(&dir.path).await? {
                    DirectoryOutcome::Gone { .. } => continue,
                    DirectoryOutcome::NotEmpty => {
                        undone.directories.push((dir.path.clone(), "something is in it".to_owned()));
                    }
                    DirectoryOutcome::Foreign => {
                        undone.directories.push((dir.path.clone(), "it is no directory any more".to_owned()));
                        continue;
                    }
                }
            }
            stay.extend(dir.restore.map(|times| TimesChange {
                path: dir.path,
                kind: FileKind::Directory,
                atime: times.atime,
                mtime: times.mtime,
            }));
        }
        for (change, outcome) in stay.iter().zip(self.connector.set_times(&stay).await) {
            match outcome {
                Ok(TimesOutcome::Set(_)) => {}
                Ok(TimesOutcome::Foreign(_)) => {
                    undone.directories.push((change.path.clone(), "it is no directory any more".to_owned()));
                }
                Err(failure) if may_pass(&failure) => return Err(failure.into()),
                Err(failure) => undone.directories.push((change.path.clone(), failure.detail)),
            }
        }
        Ok(())
    }
}

/// The times that a directory gets in the end. One that shows another time than the past left there was changed by somebody
/// since, and so was one that we made and somebody else uses: their time stays. While a past is being planted nobody can tell.
fn restored(dir: &BurnDirectory, found: &FileStat, was_done: bool, exact: bool) -> BurnTimes {
    let now = BurnTimes { atime: found.atime, mtime: found.mtime };
    let same = |one: Timestamp, other: Timestamp| match exact {
        true => one == other,
        false => one.as_second() == other.as_second(),
    };
    match dir.before {
        Some(before) if !was_done || same(found.mtime, dir.after.mtime) => before,
        _ => now,
    }
}

impl Undone {
    fn count(&mut self, file: &BurnFile, fate: BurnFate) {
        match (fate, file.facts.how) {
            (BurnFate::Undone, BurnHow::New) => self.removed += 1,
            (BurnFate::Undone, _) => self.restored += 1,
            (BurnFate::Left, _) => self.left.push(file.path.clone()),
            _ => {}
        }
    }
}
