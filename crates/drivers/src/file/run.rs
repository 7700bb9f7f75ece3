//! Carries out what was prepared, and confirms it by what is there afterwards (INV-5).

use std::collections::VecDeque;

use bytes::Bytes;
use verisim_core::{
    Action, ActivityError, ActivityResult, AppendPayload, Body, Connector, DecoyPath, Digest, EditPayload,
    Effect, Failure, FailureKind, FileTimes, FileWrite, Intended, LEDGER_BODY_BYTES_MAX, Move, MoveOutcome,
    MovePayload, OwnerPolicy, Payload, PlantPayload, Prepared, Removal, RemoveOutcome, RemovePayload,
    WriteMode, WriteOutcome, Written,
};

use super::{evidence, not_a_file, tampered};

const OPERATION: &str = "file.run";

/// Carries tasks out in order; writes that follow one another travel together.
pub(super) async fn run(connector: &dyn Connector, tasks: &[Prepared], durable: bool) -> Vec<ActivityResult> {
    let mut results = Vec::with_capacity(tasks.len());
    let mut rest = tasks;
    while let Some(first) = rest.first() {
        let writes: Vec<FileWrite> = rest.iter().map_while(|task| as_write(task, durable)).collect();
        if writes.is_empty() {
            results.push(run_one(connector, first).await);
            rest = &rest[1..];
            continue;
        }
        let (now, later) = rest.split_at(writes.len());
        let mut outcomes = VecDeque::from(connector.write(&writes).await);
        for task in now {
            let outcome = outcomes.pop_front().unwrap_or_else(|| {
                Err(Failure::new(FailureKind::Unknown, OPERATION, "the connector gave no answer")
                    .with_effect(Effect::Unknown))
            });
            results.push(judge_write(connector, task, outcome).await);
        }
        rest = later;
    }
    results
}

/// The write that a task amounts to; `None` where it is none, or where task and intention do not belong together.
fn as_write(prepared: &Prepared, durable: bool) -> Option<FileWrite> {
    let staging = prepared.task.staging;
    let base = |path: &DecoyPath, body: Bytes, how: WriteMode| FileWrite {
        path: path.clone(),
        body,
        how,
        mode: None,
        owner: OwnerPolicy::Keep,
        times: FileTimes::Live,
        make_parents: false,
        durable,
        staging,
    };
    match (&*prepared.task.action, &prepared.intended) {
        (Action::Plant(plant), Intended::Create { .. }) => Some(FileWrite {
            mode: Some(plant.mode),
            owner: plant.owner,
            times: plant.times,
            make_parents: true,
            ..base(&plant.path, plant.body.0.clone(), WriteMode::Create)
        }),
        (Action::Append(append), Intended::Append { .. }) => {
            Some(base(&append.path, append.body.0.clone(), WriteMode::Append))
        }
        (Action::Edit(edit), Intended::Replace { old, .. }) => {
            Some(base(&edit.path, prepared.content.clone()?, WriteMode::Replace { expected: *old }))
        }
        _ => None,
    }
}

async fn judge_write(
    connector: &dyn Connector,
    prepared: &Prepared,
    outcome: Result<WriteOutcome, Failure>,
) -> ActivityResult {
    let (expected, wanted) = match &prepared.intended {
        Intended::Create { sha256 } => (None, *sha256),
        Intended::Append { sha256, .. } => (prepared.task.known.as_ref().map(|known| known.sha256), *sha256),
        Intended::Replace { old, new } => (Some(*old), *new),
        Intended::Move { .. } | Intended::Remove { .. } | Intended::Email { .. } | Intended::Traffic => {
            return Err(mismatched(prepared).into());
        }
    };
    let path = prepared.task.action.paths().0.cloned().unwrap_or_else(DecoyPath::root);
    match outcome? {
        WriteOutcome::Written(written) if written.sha256 == wanted => Ok(payload(prepared, &written)),
        // What was written was changed before it could be read back.
        WriteOutcome::Written(_) => Err(tampered(&path, Some(wanted), evidence(connector, &path).await?)),
        WriteOutcome::Foreign(found) => Err(tampered(&path, expected, found)),
    }
}

fn payload(prepared: &Prepared, written: &Written) -> Payload {
    match &*prepared.task.action {
        Action::Append(append) => Payload::Append(AppendPayload {
            path: append.path.clone(),
            offset: written.offset,
            bytes: append.body.as_bytes().len() as u64,
            sha256: written.sha256,
            mtime: written.stat.mtime,
        }),
        Action::Edit(edit) => Payload::Edit(EditPayload {
            path: edit.path.clone(),
            before: match prepared.intended {
                Intended::Replace { old, .. } => old,
                _ => written.sha256,
            },
            after: written.sha256,
            bytes: written.stat.size,
            body: prepared.content.clone().and_then(ledger_body),
            mtime: written.stat.mtime,
        }),
        action => Payload::Plant(PlantPayload {
            path: action.paths().0.cloned().unwrap_or_else(DecoyPath::root),
            class: match action {
                Action::Plant(plant) => plant.class,
                _ => verisim_core::FileClass::Manual,
            },
            sha256: written.sha256,
            bytes: written.stat.size,
            mode: written.stat.mode,
            mtime: written.stat.mtime,
            owner_set: written.owner_set,
        }),
    }
}

/// A content as the ledger keeps it; `None` where it is too large.
pub(super) fn ledger_body(content: Bytes) -> Option<Body> {
    (content.len() <= LEDGER_BODY_BYTES_MAX).then_some(Body(content))
}

async fn run_one(connector: &dyn Connector, prepared: &Prepared) -> ActivityResult {
    match (&*prepared.task.action, &prepared.intended) {
        (Action::Move(rename), Intended::Move { sha256 }) => {
            let request = Move { from: rename.from.clone(), to: rename.to.clone(), expected: *sha256 };
            match connector.rename(&request).await? {
                MoveOutcome::Moved(stat) => confirm_move(connector, request, stat.sha256).await,
                MoveOutcome::Foreign(found) => Err(tampered(&rename.from, Some(*sha256), found)),
                MoveOutcome::Occupied(found) => Err(tampered(&rename.to, None, found)),
            }
        }
        (Action::Remove(remove), Intended::Remove { sha256 }) => {
            let request =
                Removal { path: remove.path.clone(), expected: *sha256, staging: prepared.task.staging };
            match connector.remove(&request).await? {
                RemoveOutcome::Gone { by_us } => Ok(Payload::Remove(RemovePayload {
                    path: request.path,
                    sha256: by_us.then_some(*sha256),
                })),
                RemoveOutcome::Foreign(found) => Err(tampered(&remove.path, Some(*sha256), found)),
            }
        }
        (action @ (Action::Traffic(_) | Action::Email(_)), _) => Err(not_a_file(OPERATION, action).into()),
        _ => Err(mismatched(prepared).into()),
    }
}

async fn confirm_move(
    connector: &dyn Connector,
    request: Move,
    digest: Option<Digest>,
) -> Result<Payload, ActivityError> {
    if digest != Some(request.expected) {
        let found = evidence(connector, &request.to).await?;
        return Err(tampered(&request.to, Some(request.expected), found));
    }
    Ok(Payload::Move(MovePayload { from: request.from, to: request.to, sha256: request.expected }))
}

/// What was prepared does not fit the action: a mistake of ours, before which nothing happened.
fn mismatched(prepared: &Prepared) -> Failure {
    let name = prepared.task.action.name();
    Failure::new(FailureKind::Config, OPERATION, format!("{name} was prepared as something else"))
}
