//! What is known before the first effect: the files with their numbers, the directories as they are and as they shall be.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt as _};
use verisim_core::{
    BurnDirectory, BurnFile, BurnIn, BurnPlan, BurnTimes, DecoyPath, FileKind, FileStat, StatRequest,
    Timestamp,
};

use super::{BurnResult, Burner, QUESTIONS_AT_ONCE, above};

/// How many paths that were left out are named.
const NAMED_MAX: usize = 5;

/// A past as it was drawn, before it is known what the decoy's directories are.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// The row, in the state `Planting`; numbers in it are set here.
    pub burn: BurnIn,
    /// The files, in the order of their times; their numbers are set here.
    pub files: Vec<BurnFile>,
    /// When what came into which directory, and went.
    pub comings: Vec<Comings>,
}

/// What a directory went through.
#[derive(Debug, Clone)]
pub struct Comings {
    /// Which.
    pub path: DecoyPath,
    /// When an entry first came.
    pub first: Timestamp,
    /// When an entry last came or went.
    pub last: Timestamp,
    /// When somebody last looked into it.
    pub read: Timestamp,
}

impl Burner {
    /// Looks at every directory that the past touches, and stores the whole of it, with what is there before. Nothing is
    /// changed on the decoy. Files that lie behind a link, or below what is no directory, are left out and told.
    ///
    /// # Errors
    /// When the decoy cannot be asked, or the store refuses.
    pub async fn begin(&self, drawn: Drawn) -> BurnResult<BurnIn> {
        let Drawn { mut burn, mut files, comings } = drawn;
        let wanted: BTreeSet<DecoyPath> = files.iter().flat_map(|file| above(&file.path)).collect();
        let stats = self.look(wanted).await?;
        let blocked: BTreeSet<&DecoyPath> = stats
            .iter()
            .filter(|(_, stat)| stat.as_ref().is_some_and(|stat| stat.kind != FileKind::Directory))
            .map(|(path, _)| path)
            .collect();
        let is_blocked = |path: &DecoyPath| above(path).any(|dir| blocked.contains(&dir));
        let (out, kept): (Vec<BurnFile>, Vec<BurnFile>) =
            files.drain(..).partition(|file| is_blocked(&file.path));
        if let Some(note) = left_out(&out, &blocked) {
            burn.notes.push(note);
        }
        files = kept;
        for (number, file) in (0_u32..).zip(files.iter_mut()) {
            file.number = number;
        }
        burn.files = u32::try_from(files.len()).unwrap_or(u32::MAX);
        burn.begun = 0;
        let directories = directories(&files, &stats, &comings, burn.until);
        let plan = BurnPlan { burn: burn.clone(), files, directories };
        self.store.begin_burn_in(plan).await?;
        Ok(burn)
    }

    async fn look(&self, paths: BTreeSet<DecoyPath>) -> BurnResult<BTreeMap<DecoyPath, Option<FileStat>>> {
        let asking = paths.into_iter().map(|path| async move {
            self.check_stop()?;
            let found = self.connector.stat(&path, StatRequest::Times).await?;
            Ok((path, found))
        });
        let answers: Vec<BurnResult<_>> = stream::iter(asking).buffered(QUESTIONS_AT_ONCE).collect().await;
        answers.into_iter().collect()
    }
}

fn left_out(out: &[BurnFile], blocked: &BTreeSet<&DecoyPath>) -> Option<String> {
    if out.is_empty() {
        return None;
    }
    let names: Vec<String> = blocked.iter().take(NAMED_MAX).map(|path| path.to_string()).collect();
    Some(format!(
        "{} files were left out, since they lie behind what is no directory itself ({}): what a link leads to could not be \
         put back as it was",
        out.len(),
        names.join(", ")
    ))
}

/// The directories that lie above the files: what they bear now, and what they shall bear. One that is made came when the
/// first entry below it did, and that moved the time of the one that holds it.
fn directories(
    files: &[BurnFile],
    stats: &BTreeMap<DecoyPath, Option<FileStat>>,
    comings: &[Comings],
    until: Timestamp,
) -> Vec<BurnDirectory> {
    let kept: BTreeSet<DecoyPath> = files.iter().flat_map(|file| above(&file.path)).collect();
    let mut told: BTreeMap<&DecoyPath, Comings> =
        comings.iter().filter(|one| kept.contains(&one.path)).map(|one| (&one.path, one.clone())).collect();
    // The deepest first, so that a directory's own coming is known before it counts for the one that holds it.
    for dir in kept.iter().rev() {
        let is_made = stats.get(dir).is_some_and(Option::is_none);
        let (Some(own), Some(holder)) = (told.get(dir).cloned(), dir.parent()) else { continue };
        let Some(holder) = kept.get(&holder).filter(|_| is_made) else { continue };
        let entry = told.entry(holder).or_insert_with(|| Comings {
            path: holder.clone(),
            first: own.first,
            last: own.first,
            read: own.read,
        });
        entry.first = entry.first.min(own.first);
        entry.last = entry.last.max(own.first);
        entry.read = entry.read.max(entry.last);
    }
    let directory = |path: &DecoyPath| {
        let before = stats.get(path).and_then(Option::as_ref);
        let before = before.map(|stat| BurnTimes { atime: stat.atime, mtime: stat.mtime });
        let came = told.get(path);
        let after = match (before, came) {
            // It keeps the time at which it was last read: we look without leaving a trace.
            (Some(before), Some(came)) => {
                BurnTimes { atime: before.atime, mtime: before.mtime.max(came.last) }
            }
            (Some(before), None) => before,
            (None, Some(came)) => BurnTimes { atime: came.read, mtime: came.last },
            (None, None) => BurnTimes { atime: until, mtime: until },
        };
        BurnDirectory { path: path.clone(), before, after, restore: None }
    };
    kept.iter().map(directory).collect()
}
