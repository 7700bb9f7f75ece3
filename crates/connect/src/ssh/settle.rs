//! What a killed process, or a broken connection, left under a staging name.

use verisim_core::{DecoyPath, Digest, FileKind, Found, Staging};
use verisim_ssh::sftp::Status;
use verisim_ssh::{Error, Result};

use super::look;
use super::problem::{Outcome, changing};
use super::remote::{Fetched, Remote};

/// How often something is put back while somebody else keeps making and removing what stands in its place.
const PUT_BACK_ATTEMPTS_MAX: usize = 16;

/// How many backups of one name there may be. More foreign versions than that, each in the instant of a write of ours, are
/// somebody's game with us.
const BACKUPS_MAX: usize = 32;

/// The names beside a file under which a write of it is staged.
pub(super) struct Names {
    /// The file.
    pub(super) path: DecoyPath,
    /// Its directory.
    pub(super) dir: DecoyPath,
    /// Where what was displaced stands: whole, and ours or foreign.
    pub(super) kept: Vec<u8>,
    /// Where what is not finished stands: torn, and ours.
    pub(super) partial: Vec<u8>,
}

impl Names {
    /// `None` for the root, which is no file.
    pub(super) fn of(path: &DecoyPath, staging: Staging) -> Option<Self> {
        let dir = path.parent()?;
        let (kept, partial) = (beside(&dir, &staging.file_name()), beside(&dir, &staging.partial_name()));
        Some(Self { path: path.clone(), dir, kept, partial })
    }

    pub(super) fn name(&self) -> &[u8] {
        self.path.as_bytes()
    }
}

/// The path of an entry of a directory. It may be longer than a path may be; then the server says so.
pub(super) fn beside(dir: &DecoyPath, name: &[u8]) -> Vec<u8> {
    let dir = if dir.file_name().is_none() { b"" } else { dir.as_bytes() };
    [dir, b"/", name].concat()
}

/// Deals with the leftovers of a killed write beside `path`, as the port describes it.
pub(super) async fn settle(
    remote: &dyn Remote,
    path: &DecoyPath,
    staging: Staging,
    ours: &[Digest],
) -> Outcome<Option<Found>> {
    let Some(names) = Names::of(path, staging) else { return Ok(None) };
    let above = std::iter::successors(path.parent(), DecoyPath::parent);
    let torn: Vec<Vec<u8>> = above.map(|dir| beside(&dir, &staging.partial_name())).collect();
    // What is torn is ours and goes; what will not go is somebody else's and stays.
    // Before anything else: putting back uses the same name.
    let stands = match remote.lstat_all(&torn).await {
        Ok(found) => torn.iter().zip(found).filter_map(|(torn, found)| found.map(|_| torn)).collect(),
        Err(error) if error.is_answer() => torn.iter().collect::<Vec<_>>(),
        Err(error) => return Err(changing(path)(error)),
    };
    for outcome in futures_util::future::join_all(stands.into_iter().map(|torn| discard(remote, torn))).await
    {
        if let Err(error) = outcome
            && !error.is_answer()
        {
            return Err(changing(path)(error));
        }
    }
    settle_in(remote, &names, ours).await.map_err(changing(path))
}

/// Removes what a killed process left under the partial name: a regular file, or an empty directory. Whether anything did.
pub(super) async fn discard(remote: &dyn Remote, torn: &[u8]) -> Result<bool> {
    match remote.lstat(torn).await?.and_then(|found| found.kind()) {
        Some(FileKind::Regular) => remote.remove(torn).await,
        Some(FileKind::Directory) => remote.remove_directory(torn).await.map(|()| true),
        Some(FileKind::Symlink | FileKind::Special) | None => Ok(false),
    }
}

/// The same for what was displaced beside one file.
pub(super) async fn settle_in(remote: &dyn Remote, names: &Names, ours: &[Digest]) -> Result<Option<Found>> {
    if remote.lstat(&names.kept).await?.is_none() {
        return Ok(None);
    }
    if is_one_of(remote, &names.kept, ours).await? {
        return remote.remove(&names.kept).await.map(|_| None);
    }
    put_back(remote, names, ours).await.map(Some)
}

/// Puts foreign content, which we displaced, back under its name, and removes what comes out if it is ours. Where two
/// versions met that are both foreign, the later one keeps the name, and the earlier one is kept beside it as `NAME~`, the
/// way editors keep what they replace: nothing foreign is ever lost.
pub(super) async fn put_back(remote: &dyn Remote, names: &Names, ours: &[Digest]) -> Result<Found> {
    let mut last = None;
    for _ in 0..PUT_BACK_ATTEMPTS_MAX {
        let there = look::evidence(remote, names.name()).await?;
        let step = match &there {
            Fetched::Absent => remote.rename_new(&names.kept, names.name()).await,
            Fetched::File(content) if content.digest.is_some_and(|digest| ours.contains(&digest)) => {
                exchange_ours(remote, names, ours).await
            }
            Fetched::File(_) | Fetched::NotFile(_) | Fetched::NotReal(_) => {
                match keep_beside(remote, &names.kept, names.name()).await {
                    Err(error) if !error.is_answer() => Err(error),
                    // It has all those names already, or they are too long: then it stays under the staging name.
                    _ => return Ok(look::as_found(&there)),
                }
            }
        };
        match step {
            Ok(()) => return Ok(look::found(remote, names.name()).await),
            Err(error) if !error.is_answer() => return Err(error),
            // That it is gone means that somebody else dealt with it; else the name is taken by now.
            Err(_) if remote.lstat(&names.kept).await?.is_none() => {
                return Ok(look::found(remote, names.name()).await);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or(Error::Lost { detail: "it was replaced at every attempt to put it back".into() }))
}

/// Puts what is kept in the place of what is ours; what that displaces is looked at once more.
async fn exchange_ours(remote: &dyn Remote, names: &Names, ours: &[Digest]) -> Result<()> {
    discard(remote, &names.partial).await?;
    remote.displace(names.name(), &names.partial, &names.kept).await?;
    if is_one_of(remote, &names.partial, ours).await? {
        return remote.remove(&names.partial).await.map(|_| ());
    }
    // Somebody wrote a later version in this very moment. It must not stay under a name for what is torn.
    match keep_beside(remote, &names.partial, names.name()).await {
        Err(error) if error.is_answer() => remote.rename_new(&names.partial, &names.kept).await.or(Ok(())),
        renamed => renamed,
    }
}

/// Gives something foreign the first free name of a backup: `NAME~`, then `NAME.~2~` and so on, as editors number them.
async fn keep_beside(remote: &dyn Remote, from: &[u8], name: &[u8]) -> Result<()> {
    let mut last = remote.rename_new(from, &[name, b"~"].concat()).await;
    for number in 2..=BACKUPS_MAX {
        match &last {
            // Where it is gone, or nobody answers, another name is no help.
            Err(error) if error.is_answer() && error.status() != Some(Status::NoSuchFile) => {}
            _ => return last,
        }
        last = remote.rename_new(from, &[name, format!(".~{number}~").as_bytes()].concat()).await;
    }
    last
}

/// Whether it is a regular file with one of these contents. What cannot be read is not ours.
async fn is_one_of(remote: &dyn Remote, path: &[u8], ours: &[Digest]) -> Result<bool> {
    match look::digest(remote, path).await {
        Ok(digest) => Ok(digest.is_some_and(|digest| ours.contains(&digest))),
        Err(error) if error.is_answer() => Ok(false),
        Err(error) => Err(error),
    }
}
