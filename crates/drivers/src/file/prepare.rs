//! Says what an effect shall leave behind, before it begins.

use bytes::Bytes;
use verisim_core::{
    Action, ActivityError, AppendFile, ByteCount, ByteRange, Connector, DecoyPath, Digest, EditFile, Failure,
    FailureKind, FileKind, Intended, LedgerEntry, OwnershipPolicy, Prepared, StatRequest, Task, apply_edits,
};

use super::{evidence, not_a_file, tampered};

const OPERATION: &str = "file.prepare";
/// The largest file that is edited: far more than any text a person edits. Its whole content is held in memory twice.
const EDIT_BYTES_MAX: usize = 8 * 1024 * 1024;

pub(super) async fn prepare(connector: &dyn Connector, task: Task) -> Result<Prepared, ActivityError> {
    let known = task.known.as_ref();
    let (intended, content) = match &*task.action {
        Action::Plant(plant) => {
            allow_new(&plant.path, known)?;
            (Intended::Create { sha256: Digest::of(plant.body.as_bytes()) }, None)
        }
        Action::Append(append) => (prepare_append(connector, append, known).await?, None),
        Action::Edit(edit) => {
            let (intended, content) = prepare_edit(connector, edit, known).await?;
            (intended, Some(content))
        }
        Action::Move(rename) => (Intended::Move { sha256: ours_alone(&rename.from, known)?.sha256 }, None),
        Action::Remove(remove) => {
            (Intended::Remove { sha256: ours_alone(&remove.path, known)?.sha256 }, None)
        }
        Action::Traffic(_) | Action::Email(_) => return Err(not_a_file(OPERATION, &task.action).into()),
    };
    Ok(Prepared { task, intended, content })
}

fn refused(kind: FailureKind, path: &DecoyPath, why: &str) -> Failure {
    Failure::new(kind, OPERATION, format!("{path}: {why}"))
}

fn hands_off(path: &DecoyPath) -> Failure {
    refused(
        FailureKind::Denied,
        path,
        "somebody else changed it, and it is left alone until a person decides",
    )
}

fn foreign(path: &DecoyPath) -> Failure {
    refused(FailureKind::Denied, path, "a person decided that it is somebody else's; it is never touched")
}

fn allow_new(path: &DecoyPath, known: Option<&LedgerEntry>) -> Result<(), Failure> {
    match known.map(|entry| entry.ownership) {
        None => Ok(()),
        Some(OwnershipPolicy::HandsOff) => Err(hands_off(path)),
        Some(OwnershipPolicy::Foreign) => Err(foreign(path)),
        Some(OwnershipPolicy::Owned | OwnershipPolicy::Append) => {
            Err(refused(FailureKind::Config, path, "it was planted already; a file that is there is edited"))
        }
    }
}

/// The entry of a file that is ours alone: its hash is known, and only it may be edited, moved or removed.
fn ours_alone<'k>(path: &DecoyPath, known: Option<&'k LedgerEntry>) -> Result<&'k LedgerEntry, Failure> {
    let Some(entry) = known else {
        return Err(refused(FailureKind::Config, path, "it is not a file of ours"));
    };
    match entry.ownership {
        OwnershipPolicy::Owned => Ok(entry),
        OwnershipPolicy::HandsOff => Err(hands_off(path)),
        OwnershipPolicy::Foreign => Err(foreign(path)),
        OwnershipPolicy::Append => {
            Err(refused(FailureKind::Config, path, "others write to it too; it is only ever added to"))
        }
    }
}

/// The entry of a file that others write to as well.
fn not_ours_alone<'k>(
    path: &DecoyPath,
    known: Option<&'k LedgerEntry>,
) -> Result<Option<&'k LedgerEntry>, Failure> {
    match known.map(|entry| entry.ownership) {
        None | Some(OwnershipPolicy::Append) => Ok(known),
        Some(OwnershipPolicy::HandsOff) => Err(hands_off(path)),
        Some(OwnershipPolicy::Foreign) => Err(foreign(path)),
        Some(OwnershipPolicy::Owned) => {
            Err(refused(FailureKind::Config, path, "it is ours alone, and is edited as such"))
        }
    }
}

async fn prepare_append(
    connector: &dyn Connector,
    append: &AppendFile,
    known: Option<&LedgerEntry>,
) -> Result<Intended, ActivityError> {
    let path = &append.path;
    let known = not_ours_alone(path, known)?;
    let stat = connector.stat(path, StatRequest::Plain).await?;
    match stat {
        Some(stat) if stat.kind == FileKind::Regular => Ok(Intended::Append {
            offset: stat.size,
            length: append.body.as_bytes().len() as u64,
            sha256: Digest::of(append.body.as_bytes()),
        }),
        None if known.is_none() => {
            Err(refused(FailureKind::Config, path, "there is no file to add to").into())
        }
        None | Some(_) => {
            let expected = known.map(|entry| entry.sha256);
            Err(tampered(path, expected, evidence(connector, path).await?))
        }
    }
}

async fn prepare_edit(
    connector: &dyn Connector,
    edit: &EditFile,
    known: Option<&LedgerEntry>,
) -> Result<(Intended, Bytes), ActivityError> {
    let path = &edit.path;
    let old = match edit.shared {
        true => not_ours_alone(path, known)?.map(|entry| entry.sha256),
        false => Some(ours_alone(path, known)?.sha256),
    };
    // One byte more than is allowed, so that a longer file is not taken for its beginning.
    let whole = ByteRange::first(ByteCount(EDIT_BYTES_MAX as u64 + 1));
    let content = match connector.read(path, whole).await {
        Ok(content) => content,
        Err(failure) if matches!(failure.kind, FailureKind::NotFound | FailureKind::Denied) => {
            let found = evidence(connector, path).await?;
            // A regular file that we may not read is a matter of permissions, not of tampering.
            return match &found.stat {
                Some(stat) if stat.kind == FileKind::Regular => Err(failure.into()),
                _ if old.is_none() => {
                    Err(refused(FailureKind::Config, path, "there is no file to change").into())
                }
                _ => Err(tampered(path, old, found)),
            };
        }
        Err(failure) => return Err(failure.into()),
    };
    let found = Digest::of(&content);
    if !edit.shared && old != Some(found) {
        return Err(tampered(path, old, evidence(connector, path).await?));
    }
    let content = apply_edits(&content, &edit.edits, EDIT_BYTES_MAX)
        .map_err(|error| refused(FailureKind::Config, path, &error.to_string()).with_source(error))?;
    Ok((Intended::Replace { old: found, new: Digest::of(&content) }, content.into()))
}
