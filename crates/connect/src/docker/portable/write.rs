//! Writing through archives: many files in one, read back afterwards.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bollard::query_parameters::UploadToContainerOptions;
use bollard::{Docker, body_stream};
use bytes::Bytes;
use verisim_core::{
    Digest, Effect, Failure, FailureKind, FileKind, FileStat, FileWrite, Timestamp, WriteOutcome, Written,
};

use super::Portable;
use super::confirm::{Back, read_back};
use super::look::{Look, nothing};
use super::pack::Pack;
use super::plan::{Parcel, Plan, Step, plan};
use crate::docker::engine::late;
use crate::rooted::BATCH_FILES_MAX;

const OPERATION: &str = "docker.write";
/// How long one archive may take to be planned, sent and read back.
const BATCH_TIME_MAX: Duration = Duration::from_secs(300);
/// How much content travels in one archive, unless a single file has more: so much goes to and fro well within the time
/// above, also to an engine that is far away.
const BATCH_BYTES_MAX: usize = 128 * 1024 * 1024;

impl Portable {
    pub(in crate::docker) async fn write(&self, files: &[FileWrite]) -> Vec<Result<WriteOutcome, Failure>> {
        let mut outcomes: Vec<Result<WriteOutcome, Failure>> = Vec::with_capacity(files.len());
        let mut failed: HashMap<&verisim_core::DecoyPath, FailureKind> = HashMap::new();
        while outcomes.len() < files.len() {
            let rest = &files[outcomes.len()..];
            if let Some(kind) = failed.get(&rest[0].path) {
                let detail = format!("{}: an earlier write to it in the same batch failed", rest[0].path);
                outcomes.push(Err(Failure::new(*kind, OPERATION, detail)));
                continue;
            }
            let batch = &rest[..batch_length(rest, |path| failed.contains_key(path))];
            let written = tokio::time::timeout(BATCH_TIME_MAX, self.write_batch(batch)).await;
            let written = written.unwrap_or_else(|_| {
                let late = late(OPERATION, self.engine.address(), BATCH_TIME_MAX, Effect::Unknown);
                batch.iter().map(|_| Err(late.clone())).collect()
            });
            for (file, outcome) in batch.iter().zip(&written) {
                if let Err(failure) = outcome {
                    failed.insert(&file.path, failure.kind);
                }
            }
            outcomes.extend(written);
        }
        outcomes
    }

    /// Writes files of which no two have one path.
    async fn write_batch(&self, files: &[FileWrite]) -> Vec<Result<WriteOutcome, Failure>> {
        let all = |failure: Failure| files.iter().map(|_| Err(failure.clone())).collect();
        let running = match self.running(OPERATION).await {
            Ok(running) => running,
            Err(failure) => return all(failure),
        };
        let now = match self.engine_time(OPERATION).await {
            Ok(now) => now,
            Err(failure) => return all(failure),
        };
        let look = Look::new(self, &running, OPERATION);
        // What would hold up the engine at the confirmation is met before anything is sent.
        let (harmless, plan) = tokio::join!(look.require_harmless(), plan(&look, files, now));
        if let Err(failure) = harmless {
            return all(failure);
        }
        let sent = match pack(&plan, files) {
            Ok(None) => Ok(()),
            Ok(Some(archive)) => self.send(&running.id, archive).await,
            Err(error) => Err(Failure::new(FailureKind::Unknown, OPERATION, error)),
        };
        if sent.is_ok() {
            look.remember(&plan.directories);
        }
        judge(&look, plan, files, sent).await
    }

    pub(super) async fn send(&self, id: &str, archive: Vec<Bytes>) -> Result<(), Failure> {
        let put = |docker: Docker| async move {
            let options = UploadToContainerOptions {
                path: "/".into(),
                // A directory of ours must not take the place of a file of theirs, nor the other way round.
                no_overwrite_dir_non_dir: Some("true".into()),
                ..UploadToContainerOptions::default()
            };
            let body = body_stream(futures_util::stream::iter(archive));
            docker.upload_to_container(id, Some(options), body).await
        };
        self.engine.request(OPERATION, BATCH_TIME_MAX, Effect::Unknown, put).await
    }
}

/// How many files from the start go into one archive: none twice, and none whose path failed before.
fn batch_length(files: &[FileWrite], is_failed: impl Fn(&verisim_core::DecoyPath) -> bool) -> usize {
    let mut paths = HashSet::new();
    let mut bytes = 0_usize;
    for file in files.iter().take(BATCH_FILES_MAX) {
        bytes = bytes.saturating_add(file.body.len());
        let is_full = !paths.is_empty() && bytes > BATCH_BYTES_MAX;
        if is_full || is_failed(&file.path) || !paths.insert(&file.path) {
            break;
        }
    }
    paths.len().max(1)
}

/// The archive of a plan; `None` when there is nothing to send.
fn pack(plan: &Plan, files: &[FileWrite]) -> std::io::Result<Option<Vec<Bytes>>> {
    let mut pack = Pack::new();
    for (path, dress) in &plan.directories {
        pack.directory(path, *dress)?;
    }
    let mut is_empty = true;
    for (step, file) in plan.steps.iter().zip(files) {
        if let Ok(Step::Send(parcel)) = step {
            pack.file(&parcel.real, parcel.dress, &file.body)?;
            is_empty = false;
        }
    }
    if is_empty { Ok(None) } else { pack.finish().map(Some) }
}

/// Says of each file what became of it: by what stands there now, also when the engine said that something went wrong in
/// the middle, unless it went away.
async fn judge(
    look: &Look<'_>,
    plan: Plan,
    files: &[FileWrite],
    sent: Result<(), Failure>,
) -> Vec<Result<WriteOutcome, Failure>> {
    let parcels: Vec<(&Parcel, u64)> = plan
        .steps
        .iter()
        .zip(files)
        .filter_map(|(step, file)| match step {
            Ok(Step::Send(parcel)) => Some((parcel, file.body.len() as u64)),
            _ => None,
        })
        .collect();
    let worth_looking = match &sent {
        Ok(()) => true,
        Err(failure) => failure.effect == Effect::Unknown && failure.kind != FailureKind::Network,
    };
    let back = match worth_looking && !parcels.is_empty() {
        true => read_back(look, &parcels).await,
        false => Ok(HashMap::new()),
    };
    drop(parcels);
    let mut outcomes = Vec::with_capacity(files.len());
    for (step, file) in plan.steps.into_iter().zip(files) {
        outcomes.push(match step {
            Err(failure) => Err(failure),
            Ok(Step::Answer(answer)) => Ok(answer),
            Ok(Step::Send(parcel)) => match (&sent, &back) {
                (Err(failure), _) if !worth_looking => Err(failure.clone()),
                (Err(failure), Err(_)) => Err(failure.clone()),
                (Ok(()), Err(failure)) => Err(failure.clone().with_effect(Effect::Applied)),
                (sent, Ok(back)) => {
                    judge_one(look, file, parcel.clone(), back.get(&parcel.real), sent.as_ref().err()).await
                }
            },
        });
    }
    outcomes
}

/// What became of one file, by what was read back. `trouble` is what the engine said when it did not unpack all.
async fn judge_one(
    look: &Look<'_>,
    file: &FileWrite,
    parcel: Parcel,
    back: Option<&Back>,
    trouble: Option<&Failure>,
) -> Result<WriteOutcome, Failure> {
    let Some(back) = back else {
        return Err(match trouble {
            // Nothing stood there before, and nothing does now; or it was to be replaced, and was removed first.
            Some(failure) => failure.clone().with_effect(match file.how {
                verisim_core::WriteMode::Create => Effect::NotApplied,
                _ => Effect::Unknown,
            }),
            None => look
                .failed(FailureKind::Unknown, &file.path, "it was removed right after it appeared")
                .with_effect(Effect::Applied),
        });
    };
    if let Some(failure) = trouble
        && back.sha256 != Some(Digest::of(&file.body))
    {
        return Err(failure.clone().with_effect(Effect::Unknown));
    }
    let Some(sha256) = back.sha256 else {
        let found = async {
            Ok(match look.seen(&parcel.real).await? {
                Some(seen) => look.found(&parcel.real, &seen).await?,
                None => nothing(),
            })
        };
        // Ours was there, whatever took its place.
        return found
            .await
            .map(WriteOutcome::Foreign)
            .map_err(|failure: Failure| failure.with_effect(Effect::Applied));
    };
    Ok(WriteOutcome::Written(Written {
        stat: stat(&parcel, back),
        sha256,
        offset: 0,
        owner_set: back.head.owner == parcel.dress.owner,
        made_parents: parcel.made_parents,
    }))
}

/// What was read back; a time that is the one that was sent, to the second, is that one.
fn stat(parcel: &Parcel, back: &Back) -> FileStat {
    let sent = parcel.dress.mtime;
    let is_as_sent = whole_second(sent) == back.head.mtime.as_second();
    let mtime = if is_as_sent { sent } else { back.head.mtime };
    FileStat {
        kind: FileKind::Regular,
        size: back.head.size,
        mode: back.head.mode,
        owner: back.head.owner,
        inode: None,
        links: None,
        mtime,
        atime: if is_as_sent { parcel.dress.atime.max(mtime) } else { mtime },
        ctime: None,
        btime: None,
        sha256: back.sha256,
    }
}

/// The second in which a time lies, counted downwards also before 1970.
fn whole_second(time: Timestamp) -> i64 {
    time.as_second() - i64::from(time.subsec_nanosecond() < 0)
}
