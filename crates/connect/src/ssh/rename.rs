//! Another name for a file of ours, and a file of ours that goes.

use verisim_core::{
    DecoyPath, DirectoryOutcome, Effect, FailureKind, FileKind, Move, MoveOutcome, Removal, RemoveOutcome,
};
use verisim_ssh::sftp::Status;

use super::look::{self, as_found, file_stat};
use super::problem::{Outcome, appearing, changing, explained, unsure};
use super::remote::{Fetched, Remote};
use super::settle::{Names, put_back, settle_in};
use crate::tree::Problem;

/// Renames a file whose content hashes to what is expected, where nothing stands under the new name. The hash is taken
/// before, and again under the new name: what was changed in between goes back.
///
/// OpenSSH's server renames by a link and an unlink. One that is killed between the two leaves both names of one file, which
/// SFTP cannot tell from a copy that somebody made: the new name is then told as occupied, and nothing is lost.
pub(super) async fn rename(remote: &dyn Remote, request: &Move) -> Outcome<MoveOutcome> {
    let (from, to) = (request.from.as_bytes(), request.to.as_bytes());
    let failed = changing(&request.from);
    let Some(to_dir) = request.to.parent() else {
        return Err(Problem::new(FailureKind::Config, "/: it is no name for a file"));
    };
    let (there, dir, space) = tokio::join!(
        look::evidence(remote, from),
        remote.directory(to_dir.as_bytes()),
        remote.space(to_dir.as_bytes())
    );
    match there.map_err(&failed)? {
        Fetched::File(content) if content.digest == Some(request.expected) => {}
        Fetched::Absent if dir.as_ref().is_ok_and(Option::is_none) => return Err(nowhere(request)),
        other => return Ok(MoveOutcome::Foreign(as_found(&other))),
    }
    if dir.map_err(changing(&request.to))?.is_none() {
        return Err(nowhere(request));
    }
    if space.map_err(changing(&request.to))?.is_some_and(|space| space.blocks == 0) {
        let what = format!("{to_dir}: it is on a file system that holds no files of its own");
        return Err(Problem::new(FailureKind::Denied, what));
    }
    if let Err(error) = remote.rename_new(from, to).await {
        if !error.is_answer() {
            return Err(appearing(&request.to)(error));
        }
        if remote.lstat(to).await.map_err(&failed)?.is_some() {
            return Ok(MoveOutcome::Occupied(look::found(remote, to).await));
        }
        if remote.lstat(from).await.map_err(&failed)?.is_none() {
            return Ok(MoveOutcome::Foreign(look::nothing()));
        }
        return Err(explained(remote, &to_dir, 0, error, failed).await);
    }
    let unsure = unsure(&request.to);
    match look::evidence(remote, to).await.map_err(&unsure)? {
        Fetched::Absent => {
            let detail = format!("{}: it was removed right after it got its new name", request.to);
            return Err(Problem::new(FailureKind::Unknown, detail).with_effect(Effect::Applied));
        }
        Fetched::File(content) if content.digest == Some(request.expected) => {
            return Ok(MoveOutcome::Moved(file_stat(&content.attributes, content.digest)));
        }
        _ => {}
    }
    match remote.rename_new(to, from).await {
        Ok(()) => Ok(MoveOutcome::Foreign(look::found(remote, from).await)),
        // Somebody made a new file under the old name; what moved is foreign too, and stays where it is.
        Err(error) if error.is_answer() => Ok(MoveOutcome::Foreign(look::found(remote, to).await)),
        Err(error) => Err(unsure(error)),
    }
}

fn nowhere(request: &Move) -> Problem {
    let what = format!("{}: the directory it should move to is not there", request.to);
    Problem::new(FailureKind::Config, what)
}

/// Takes a file away under its staging name, hashes it there, and removes it; or puts it back.
pub(super) async fn remove(remote: &dyn Remote, request: &Removal) -> Outcome<RemoveOutcome> {
    let path = &request.path;
    let failed = changing(path);
    let Some(names) = Names::of(path, request.staging) else {
        return Ok(RemoveOutcome::Foreign(look::found(remote, b"/").await));
    };
    let ours = [request.expected];
    if let Some(found) = settle_in(remote, &names, &ours).await.map_err(&failed)? {
        return Ok(RemoveOutcome::Foreign(found));
    }
    match look::evidence(remote, names.name()).await.map_err(&failed)? {
        Fetched::Absent => return Ok(RemoveOutcome::Gone { by_us: false }),
        Fetched::File(content) if content.digest == Some(request.expected) => {}
        other => return Ok(RemoveOutcome::Foreign(as_found(&other))),
    }
    match remote.rename_over(names.name(), &names.kept).await {
        Ok(()) => {}
        Err(error) if error.status() == Some(Status::NoSuchFile) => {
            return Ok(RemoveOutcome::Gone { by_us: false });
        }
        Err(error) if !error.is_answer() => return Err(appearing(path)(error)),
        Err(error) => return Err(explained(remote, &names.dir, 0, error, failed).await),
    }
    let unsure = unsure(path);
    match look::digest(remote, &names.kept).await {
        Ok(digest) if digest == Some(request.expected) => {
            let by_us = remote.remove(&names.kept).await.map_err(&unsure)?;
            return Ok(RemoveOutcome::Gone { by_us });
        }
        Err(error) if !error.is_answer() => return Err(unsure(error)),
        _ => {}
    }
    if remote.lstat(&names.kept).await.map_err(&unsure)?.is_none() {
        return Ok(RemoveOutcome::Gone { by_us: false });
    }
    put_back(remote, &names, &ours).await.map(RemoveOutcome::Foreign).map_err(unsure)
}

/// Removes a directory, if nothing is in it.
pub(super) async fn remove_directory(remote: &dyn Remote, path: &DecoyPath) -> Outcome<DirectoryOutcome> {
    let failed = changing(path);
    let name = path.as_bytes();
    if path.file_name().is_none() {
        return Err(Problem::new(FailureKind::Denied, "/: the root of a decoy is not removed"));
    }
    match remote.lstat(name).await.map_err(&failed)? {
        None => return Ok(DirectoryOutcome::Gone { by_us: false }),
        Some(found) if found.kind() != Some(FileKind::Directory) => return Ok(DirectoryOutcome::Foreign),
        Some(_) => {}
    }
    match remote.remove_directory(name).await {
        Ok(()) => return Ok(DirectoryOutcome::Gone { by_us: true }),
        Err(error) if !error.is_answer() => return Err(appearing(path)(error)),
        Err(error) if error.status() == Some(Status::NoSuchFile) => {
            return Ok(DirectoryOutcome::Gone { by_us: false });
        }
        // "Failure" is what SFTP says of a directory that is not empty, among others.
        Err(error) => {
            let (entries, _) = remote.list(name, 1).await.map_err(&failed)?;
            if entries.is_empty() {
                return Err(failed(error));
            }
        }
    }
    Ok(DirectoryOutcome::NotEmpty)
}
