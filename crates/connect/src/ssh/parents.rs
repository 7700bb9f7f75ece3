//! The directories on the way to a new file.

use verisim_core::{DecoyPath, FailureKind, FileMode, FileWrite, Owner, OwnerPolicy, place};
use verisim_ssh::Error;
use verisim_ssh::sftp::{Attributes, SetAttributes};

use super::places::{Parent, Places};
use super::problem::{Outcome, at, changing, explained};
use super::remote::Remote;
use super::settle::{beside, discard};
use crate::tree::Problem;

/// The set-group-ID bit: what is made in such a directory belongs to its group, and directories inherit the bit.
const SET_GROUP_ID: u32 = 0o2000;

/// Finds the directory that shall hold `file`, and makes it if that is wanted and it is not there.
pub(super) async fn find_or_make(remote: &dyn Remote, file: &FileWrite, places: &Places) -> Outcome<Parent> {
    let Some(dir) = file.path.parent() else {
        return Err(Problem::new(FailureKind::Denied, "/: the root of a decoy is no file"));
    };
    let place = places.of(&dir, file.make_parents);
    let mut place = place.lock().await;
    match &*place {
        Some(Ok(parent)) => return Ok(places.shared(&dir, parent)),
        Some(Err(problem)) => return Err(problem.repeated()),
        None => {}
    }
    let parent = look_or_make(remote, &dir, file, places).await;
    *place = Some(parent.as_ref().map(Parent::clone).map_err(Problem::repeated));
    parent
}

async fn look_or_make(
    remote: &dyn Remote,
    dir: &DecoyPath,
    file: &FileWrite,
    places: &Places,
) -> Outcome<Parent> {
    if let Some(parent) = there(remote, dir, places).await? {
        return Ok(parent);
    }
    if !file.make_parents {
        // Something that is no directory may stand there.
        return Err(match remote.lstat(dir.as_bytes()).await.map_err(at(dir))? {
            None => Problem::new(FailureKind::NotFound, format!("{dir}: it is not there")),
            Some(_) => in_the_way(dir),
        });
    }
    let _one = places.making.lock().await;
    make(remote, dir.clone(), file, places).await
}

/// The directory, if it stands; on a file system that holds files.
async fn there(remote: &dyn Remote, dir: &DecoyPath, places: &Places) -> Outcome<Option<Parent>> {
    let found = remote.place(dir.as_bytes()).await.map_err(at(dir))?;
    let Some((attributes, space)) = found else { return Ok(None) };
    if space.is_some_and(|space| space.blocks == 0) {
        return Err(not_real(dir));
    }
    let before = places.before(dir, attributes);
    let free_bytes = space.map(|space| space.free_bytes);
    Ok(Some(Parent { owner_set: true, before, free_bytes }))
}

fn not_real(dir: &DecoyPath) -> Problem {
    let what = format!("{dir}: it is on a file system that holds no files of its own");
    Problem::new(FailureKind::Denied, what)
}

fn in_the_way(dir: &DecoyPath) -> Problem {
    Problem::new(FailureKind::Denied, format!("{dir}: something stands there that is not a directory"))
}

async fn make(remote: &dyn Remote, dir: DecoyPath, file: &FileWrite, places: &Places) -> Outcome<Parent> {
    let above: Vec<DecoyPath> = std::iter::successors(Some(dir), DecoyPath::parent).collect();
    let names: Vec<&[u8]> = above.iter().map(DecoyPath::as_bytes).collect();
    let looks = remote.directories(&names).await.map_err(at(&file.path))?;
    let mut missing = Vec::new();
    let mut holder = None;
    for (dir, look) in above.into_iter().zip(looks) {
        match look.map_err(at(&dir))? {
            Some(attributes) => {
                holder = Some((dir, attributes));
                break;
            }
            None => missing.push(dir),
        }
    }
    let Some((mut holder, mut attributes)) = holder else {
        return Err(Problem::new(FailureKind::NotFound, "/: the decoy's root is not there"));
    };
    let Some(mut parent) = there(remote, &holder, places).await? else {
        return Err(changing(&holder)(gone()));
    };
    for dir in missing.into_iter().rev() {
        let Step { made, owner_set, now } = descend(remote, &holder, &attributes, &dir, file).await?;
        parent.owner_set &= owner_set;
        if made {
            places.made(&dir);
        }
        (holder, attributes) = (dir, now);
    }
    Ok(parent)
}

struct Step {
    made: bool,
    owner_set: bool,
    now: Attributes,
}

/// Makes one directory. It is made under the partial name and appears in one step, with its owner.
async fn descend(
    remote: &dyn Remote,
    holder: &DecoyPath,
    holding: &Attributes,
    dir: &DecoyPath,
    file: &FileWrite,
) -> Outcome<Step> {
    let passed = |now| Step { made: false, owner_set: true, now };
    if remote.lstat(dir.as_bytes()).await.map_err(at(dir))?.is_some() {
        let now = remote.directory(dir.as_bytes()).await.map_err(at(dir))?;
        return now.map(passed).ok_or_else(|| in_the_way(dir));
    }
    let partial = beside(holder, &file.staging.partial_name());
    let mut made = remote.make_directory(&partial).await;
    if made.as_ref().is_err_and(Error::is_answer) && discard(remote, &partial).await.is_ok_and(|was| was) {
        made = remote.make_directory(&partial).await;
    }
    if let Err(error) = made {
        return Err(explained(remote, holder, 0, error, changing(dir)).await);
    }
    let appeared = async {
        let owner_set = dress(remote, &partial, holding, dir, file).await?;
        remote.rename_new(&partial, dir.as_bytes()).await?;
        Ok::<bool, Error>(owner_set)
    };
    let appeared = appeared.await;
    if appeared.is_err() {
        // Only an empty directory of ours can go this way.
        let _ = remote.remove_directory(&partial).await;
    }
    let now = remote.directory(dir.as_bytes()).await.map_err(at(dir))?;
    match (appeared, now) {
        (Ok(owner_set), Some(now)) => Ok(Step { made: true, owner_set, now }),
        // Somebody was faster than we.
        (Err(error), Some(now)) if error.is_answer() => Ok(passed(now)),
        (Err(error), None)
            if error.is_answer() && remote.lstat(dir.as_bytes()).await.is_ok_and(|it| it.is_some()) =>
        {
            Err(in_the_way(dir))
        }
        (Err(error), _) => Err(explained(remote, holder, 0, error, changing(dir)).await),
        (Ok(_), None) => Err(changing(dir)(gone())),
    }
}

fn gone() -> Error {
    let said = "it went away at once".to_owned();
    Error::Status { doing: "make the directory", status: verisim_ssh::sftp::Status::NoSuchFile, said }
}

async fn dress(
    remote: &dyn Remote,
    partial: &[u8],
    holder: &Attributes,
    dir: &DecoyPath,
    file: &FileWrite,
) -> verisim_ssh::Result<bool> {
    let asked = match file.owner {
        OwnerPolicy::Set(owner) => owner,
        // It does not matter: only the mode is taken from what comes out.
        OwnerPolicy::Keep => Owner::ROOT,
    };
    let (mut owner, mut mode) = place::directory(dir, asked);
    if let (Some(holding), Some(holder_owner)) = (holder.mode(), holder.owner)
        && holding.bits() & SET_GROUP_ID != 0
    {
        // As mkdir does it.
        owner.gid = holder_owner.gid;
        mode = FileMode::new(mode.bits() | SET_GROUP_ID);
    }
    let owner = matches!(file.owner, OwnerPolicy::Set(_)).then_some(owner);
    let set = SetAttributes { owner, mode: Some(mode), times: None };
    match remote.dress(partial, set).await {
        Ok(()) => Ok(true),
        // The mode of a directory that we made just now can be set; so it was the owner.
        Err(error) if owner.is_some() && error.is_answer() => {
            remote.dress(partial, SetAttributes { owner: None, ..set }).await.map(|()| false)
        }
        Err(error) => Err(error),
    }
}
