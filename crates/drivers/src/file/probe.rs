//! Finds out what became of an effect that was started and not recorded (INV-4).

use bytes::Bytes;
use memchr::memmem;
use verisim_core::{
    Action, AppendFile, AppendPayload, ByteCount, ByteRange, Connector, DecoyPath, Digest, EditPayload,
    Failure, Fate, FileKind, FileStat, FileTimes, FileWrite, Found, Intended, MoveFile, MovePayload,
    OwnerPolicy, Payload, PlantFile, PlantPayload, RemovePayload, StatRequest, Task, WriteMode, WriteOutcome,
};

use super::run::ledger_body;
use super::{evidence, not_a_file, tamper};

const OPERATION: &str = "file.probe";
/// How far behind the recorded offset added bytes are looked for.
const SEARCH_BYTES_MAX: u64 = 8 * 1024 * 1024;

pub(super) async fn probe(
    connector: &dyn Connector,
    task: &Task,
    intended: &Intended,
) -> Result<Fate, Failure> {
    match (&*task.action, intended) {
        (Action::Plant(plant), Intended::Create { sha256 }) => {
            probe_plant(connector, task, plant, *sha256).await
        }
        (Action::Edit(edit), Intended::Replace { old, new }) => {
            probe_edit(connector, task, &edit.path, *old, *new).await
        }
        (Action::Append(append), Intended::Append { offset, sha256, .. }) => {
            probe_append(connector, task, append, *offset, *sha256).await
        }
        (Action::Move(rename), Intended::Move { sha256 }) => probe_move(connector, rename, *sha256).await,
        (Action::Remove(remove), Intended::Remove { sha256 }) => {
            probe_remove(connector, task, &remove.path, *sha256).await
        }
        (action @ (Action::Traffic(_) | Action::Email(_)), _) => Err(not_a_file(OPERATION, action)),
        // An intention of another action says nothing about this one.
        _ => Ok(Fate::Unknowable),
    }
}

/// What stands under the path once leftovers are dealt with; or the foreign content that had been displaced.
async fn after_settling(
    connector: &dyn Connector,
    task: &Task,
    path: &DecoyPath,
    ours: &[Digest],
) -> Result<Result<Found, Found>, Failure> {
    if let Some(found) = connector.settle(path, task.staging, ours).await? {
        return Ok(Err(found));
    }
    evidence(connector, path).await.map(Ok)
}

async fn probe_plant(
    connector: &dyn Connector,
    task: &Task,
    plant: &PlantFile,
    sha256: Digest,
) -> Result<Fate, Failure> {
    let found = match after_settling(connector, task, &plant.path, &[sha256]).await? {
        Ok(found) | Err(found) => found,
    };
    if let Some(torn) = torn(connector, plant, &found) {
        return mend(connector, task, plant, torn).await;
    }
    Ok(match &found.stat {
        None => Fate::NotApplied,
        Some(stat) if found.sha256 == Some(sha256) => {
            planted(plant, sha256, stat, owner_is(stat, plant.owner))
        }
        Some(_) => Fate::Tampered(tamper(&plant.path, None, found)),
    })
}

fn planted(plant: &PlantFile, sha256: Digest, stat: &FileStat, owner_set: bool) -> Fate {
    Fate::Applied(Payload::Plant(PlantPayload {
        path: plant.path.clone(),
        class: plant.class,
        sha256,
        bytes: stat.size,
        mode: stat.mode,
        mtime: stat.mtime,
        owner_set,
    }))
}

/// The hash of a file of ours that is not finished: the beginning of what was intended, or all of it before it was given
/// its mode and owner. Only a connector that cannot let a file appear in one step leaves one. Whoever cut a file of ours
/// just there is not told from that.
fn torn(connector: &dyn Connector, plant: &PlantFile, found: &Found) -> Option<Digest> {
    let (stat, sha256) = (found.stat.as_ref()?, found.sha256?);
    if connector.capabilities().atomic_replace || stat.kind != FileKind::Regular {
        return None;
    }
    let body = plant.body.as_bytes();
    let begun = body.get(..usize::try_from(stat.size).ok()?)?;
    let is_dressed = stat.mode == plant.mode && owner_is(stat, plant.owner);
    (Digest::of(begun) == sha256 && (begun.len() < body.len() || !is_dressed)).then_some(sha256)
}

/// Writes the whole file over what is torn, if it is still that.
async fn mend(
    connector: &dyn Connector,
    task: &Task,
    plant: &PlantFile,
    torn: Digest,
) -> Result<Fate, Failure> {
    let write = FileWrite {
        path: plant.path.clone(),
        body: plant.body.0.clone(),
        how: WriteMode::Replace { expected: torn },
        mode: Some(plant.mode),
        owner: plant.owner,
        times: plant.times,
        make_parents: true,
        durable: false,
        staging: task.staging,
    };
    Ok(match write_one(connector, write).await? {
        WriteOutcome::Written(written) => planted(plant, written.sha256, &written.stat, written.owner_set),
        WriteOutcome::Foreign(found) => Fate::Tampered(tamper(&plant.path, None, found)),
    })
}

async fn write_one(connector: &dyn Connector, write: FileWrite) -> Result<WriteOutcome, Failure> {
    connector.write(&[write]).await.pop().unwrap_or_else(|| {
        Err(Failure::new(verisim_core::FailureKind::Unknown, OPERATION, "the connector gave no answer")
            .with_effect(verisim_core::Effect::Unknown))
    })
}

fn owner_is(stat: &FileStat, policy: OwnerPolicy) -> bool {
    match policy {
        OwnerPolicy::Set(owner) => stat.owner == owner,
        OwnerPolicy::Keep => true,
    }
}

async fn probe_edit(
    connector: &dyn Connector,
    task: &Task,
    path: &DecoyPath,
    old: Digest,
    new: Digest,
) -> Result<Fate, Failure> {
    let found = match after_settling(connector, task, path, &[new, old]).await? {
        Ok(found) => found,
        Err(found) => return Ok(Fate::Tampered(tamper(path, Some(old), found))),
    };
    let Some(stat) = found.stat.as_ref().filter(|_| found.sha256 == Some(new)) else {
        return Ok(match found.sha256 {
            Some(sha256) if sha256 == old => Fate::NotApplied,
            _ => Fate::Tampered(tamper(path, Some(old), found)),
        });
    };
    let content = connector.read(path, ByteRange::first(ByteCount(stat.size))).await?;
    Ok(Fate::Applied(Payload::Edit(EditPayload {
        path: path.clone(),
        before: old,
        after: new,
        bytes: stat.size,
        // Only what still hashes to what was intended is what was written.
        body: Some(content).filter(|content| Digest::of(content) == new).and_then(ledger_body),
        mtime: stat.mtime,
    })))
}

async fn probe_append(
    connector: &dyn Connector,
    task: &Task,
    append: &AppendFile,
    offset: u64,
    sha256: Digest,
) -> Result<Fate, Failure> {
    let path = &append.path;
    let body = append.body.as_bytes();
    let found = evidence(connector, path).await?;
    let Some(stat) = found.stat.clone().filter(|stat| stat.kind == verisim_core::FileKind::Regular) else {
        let expected = task.known.as_ref().map(|known| known.sha256);
        return Ok(Fate::Tampered(tamper(path, expected, found)));
    };
    // A file that was cut short is searched from its beginning: ours may have been added after the cut.
    let from = if stat.size < offset { 0 } else { offset };
    let length = ByteCount(SEARCH_BYTES_MAX.max(body.len() as u64));
    let window = connector.read(path, ByteRange { offset: from, length }).await?;
    let applied = |at: u64, stat: &FileStat| {
        Fate::Applied(Payload::Append(AppendPayload {
            path: path.clone(),
            offset: at,
            bytes: body.len() as u64,
            sha256,
            mtime: stat.mtime,
        }))
    };
    if let Some(at) = memmem::find(&window, body) {
        return Ok(applied(from + at as u64, &stat));
    }
    if from == offset && !window.is_empty() && window.len() < body.len() && body.starts_with(&window) {
        // We were killed in the middle of the write: what is missing is added, so that no line stays torn.
        let rest = Bytes::copy_from_slice(&body[window.len()..]);
        return match complete(connector, task, path, rest).await? {
            WriteOutcome::Written(written) => Ok(applied(offset, &written.stat)),
            WriteOutcome::Foreign(found) => Ok(Fate::Tampered(tamper(path, None, found))),
        };
    }
    Ok(Fate::NotApplied)
}

async fn complete(
    connector: &dyn Connector,
    task: &Task,
    path: &DecoyPath,
    rest: Bytes,
) -> Result<WriteOutcome, Failure> {
    let write = FileWrite {
        path: path.clone(),
        body: rest,
        how: WriteMode::Append,
        mode: None,
        owner: OwnerPolicy::Keep,
        times: FileTimes::Live,
        make_parents: false,
        durable: false,
        staging: task.staging,
    };
    write_one(connector, write).await
}

async fn probe_move(connector: &dyn Connector, rename: &MoveFile, sha256: Digest) -> Result<Fate, Failure> {
    let limit = StatRequest::Hash(connector.capabilities().file_bytes_max);
    let has = |stat: &Option<FileStat>| stat.as_ref().is_some_and(|stat| stat.sha256 == Some(sha256));
    let from = evidence(connector, &rename.from).await?;
    if has(&from.stat) {
        return Ok(Fate::NotApplied);
    }
    let to = connector.stat(&rename.to, limit).await?;
    if has(&to) {
        return Ok(Fate::Applied(Payload::Move(MovePayload {
            from: rename.from.clone(),
            to: rename.to.clone(),
            sha256,
        })));
    }
    Ok(Fate::Tampered(tamper(&rename.from, Some(sha256), from)))
}

async fn probe_remove(
    connector: &dyn Connector,
    task: &Task,
    path: &DecoyPath,
    sha256: Digest,
) -> Result<Fate, Failure> {
    let found = match after_settling(connector, task, path, &[sha256]).await? {
        Ok(found) | Err(found) => found,
    };
    Ok(match found.sha256 {
        Some(there) if there == sha256 => Fate::NotApplied,
        None if found.stat.is_none() => {
            Fate::Applied(Payload::Remove(RemovePayload { path: path.clone(), sha256: Some(sha256) }))
        }
        _ => Fate::Tampered(tamper(path, Some(sha256), found)),
    })
}
