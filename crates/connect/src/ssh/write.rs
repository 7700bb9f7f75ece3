//! Many files at once.
//!
//! Each file is a sequence of steps that wait for each other; the sequences of a batch run side by side, and their requests
//! travel together. So a batch takes about as many round trips as one file. What shares a path, or a staging name in one
//! directory, is done one after the other, in the order of the batch.

use std::collections::HashMap;

use futures_util::StreamExt as _;
use futures_util::stream;
use verisim_core::{DecoyPath, FailureKind, FileTimes, FileWrite, WriteMode, WriteOutcome};
use verisim_ssh::sftp::Attributes;

use super::create::{Done, create};
use super::places::Places;
use super::remote::Remote;
use super::times::Touched;
use super::{append, problem::Outcome, replace};
use crate::tree::{FILE_BYTES_MAX, Problem};

/// How many sequences run side by side: enough to fill a line of some 100 ms, and few enough to bound what is in memory.
const AT_ONCE: usize = 128;

/// The outcomes, in order, and the directories whose times are still to be settled.
pub(super) async fn write(remote: &dyn Remote, files: &[FileWrite]) -> (Vec<Outcome<WriteOutcome>>, Touched) {
    let places = Places::default();
    let chains = chains(files);
    let running = chains.into_iter().map(|chain| run(remote, files, chain, &places));
    let mut done = stream::iter(running).buffer_unordered(AT_ONCE);
    let mut outcomes: Vec<Option<Outcome<WriteOutcome>>> = files.iter().map(|_| None).collect();
    let mut touched = Touched::default();
    while let Some(chain) = done.next().await {
        for (index, outcome) in chain {
            outcomes[index] = Some(outcome.map(|done| {
                touched.add(&files[index], &done.outcome, done.before);
                done.outcome
            }));
        }
    }
    drop(done);
    places.undo(remote).await;
    let missing = || Err(Problem::new(FailureKind::Unknown, "it was not carried out"));
    (outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(missing)).collect(), touched)
}

async fn run(
    remote: &dyn Remote,
    files: &[FileWrite],
    chain: Vec<usize>,
    places: &Places,
) -> Vec<(usize, Outcome<Done>)> {
    let mut failed: HashMap<&DecoyPath, FailureKind> = HashMap::new();
    let mut out = Vec::with_capacity(chain.len());
    for index in chain {
        let file = &files[index];
        let outcome = match failed.get(&file.path) {
            Some(kind) => {
                let detail = format!("{}: an earlier write to it in the same batch failed", file.path);
                Err(Problem::new(*kind, detail))
            }
            None => write_one(remote, file, places).await,
        };
        if let Err(problem) = &outcome {
            failed.insert(&file.path, problem.kind());
        }
        out.push((index, outcome));
    }
    out
}

async fn write_one(remote: &dyn Remote, file: &FileWrite, places: &Places) -> Outcome<Done> {
    if file.body.len() as u64 > FILE_BYTES_MAX {
        let detail = format!("{}: {} bytes are more than a file may have", file.path, file.body.len());
        return Err(Problem::new(FailureKind::Config, detail));
    }
    match file.how {
        WriteMode::Create => create(remote, file, places).await,
        WriteMode::Replace { expected } => replace::replace(remote, file, expected).await,
        WriteMode::Append => append::append(remote, file).await,
    }
}

/// Groups what must be done one after the other.
fn chains(files: &[FileWrite]) -> Vec<Vec<usize>> {
    #[derive(PartialEq, Eq, Hash)]
    enum Key<'f> {
        Path(&'f DecoyPath),
        Staging(Option<DecoyPath>, Vec<u8>),
    }
    let mut group_of: HashMap<Key<'_>, usize> = HashMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let keys = [Key::Path(&file.path), Key::Staging(file.path.parent(), file.staging.file_name())];
        let found: Vec<usize> = keys.iter().filter_map(|key| group_of.get(key).copied()).collect();
        let into = found.iter().copied().min().unwrap_or(groups.len());
        if into == groups.len() {
            groups.push(Vec::new());
        }
        for other in found.into_iter().filter(|other| *other != into) {
            let moved = std::mem::take(&mut groups[other]);
            groups[into].extend(moved);
            group_of.values_mut().filter(|group| **group == other).for_each(|group| *group = into);
        }
        groups[into].push(index);
        for key in keys {
            group_of.insert(key, into);
        }
    }
    groups.iter_mut().for_each(|group| group.sort_unstable());
    groups.retain(|group| !group.is_empty());
    groups
}

/// Whether anything of the batch bears times of the past.
pub(super) fn has_past(files: &[FileWrite]) -> bool {
    files.iter().any(|file| matches!(file.times, FileTimes::Past { .. }))
}

/// What a directory was before it gained an entry; `None` if the batch made it.
pub(super) type Before = (DecoyPath, Option<Attributes>);

#[cfg(test)]
mod tests {
    use verisim_testkit::decoy_under_test::{new_file, staging};

    use super::*;

    #[test]
    fn what_shares_a_name_is_done_in_order_and_the_rest_side_by_side() {
        let file = |at: &str, job| FileWrite { staging: staging(job), ..new_file(at, "x") };
        let files = [
            file("/a/1", 1),
            file("/a/2", 2),
            file("/a/1", 3),
            file("/b/1", 1),
            file("/a/3", 1),
            file("/a/2", 3),
        ];
        assert_eq!(chains(&files), [vec![0, 1, 2, 4, 5], vec![3]]);
    }
}
