//! Finding captures: which directories there are, and which of them are not known yet.

use std::io;

use rustix::fs::{AtFlags, FileType};
use verisim_core::manifest::{MANIFEST_PATH, METADATA_DIR};
use verisim_core::{
    Capture, CaptureName, Digest, Failure, FailureKind, RelPath, Remote, RootIdentity, SyncSpec,
    TransportError,
};

use crate::errno::{Side, failure};
use crate::rule::{CaptureRule, Each};
use crate::source::is_same;
use crate::tree::Root;

/// How many captures one look brings at the most; the next look brings more.
const FOUND_MAX: usize = 256;
/// How many entries that cannot be looked at one look names. They are there at the next look too, so they must not
/// take the places of captures.
const REFUSED_MAX: usize = 16;
const OPERATION: &str = "sync.discover";

type Found = Result<SyncSpec, TransportError>;

/// Looks through the folder of `rule`. `installation` tells this daemon's captures from those of others at one destination.
pub(crate) fn discover(rule: &CaptureRule, known: &[Capture], installation: &str) -> Vec<Found> {
    let lost = |what: &str, error: &io::Error| {
        Err(failure(Side::Source, OPERATION, &format!("{what} of rule {}", rule.name), error).into())
    };
    let root = match Root::open(&rule.path) {
        Ok(root) => root,
        Err(error) => return vec![lost("opening the folder", &error)],
    };
    if rule.each == Each::Whole {
        return match root.identity() {
            Ok(identity) => spec(rule, None, identity, known, installation).into_iter().collect(),
            Err(error) => vec![lost("looking at the folder", &error)],
        };
    }
    let mut names = match root.names() {
        Ok(names) => names,
        Err(error) => return vec![lost("listing the folder", &error)],
    };
    names.sort_unstable();
    let (mut out, mut refused) = (Vec::new(), 0);
    for name in names {
        if out.len() - refused >= FOUND_MAX {
            break;
        }
        let found = match directory(&root, &name) {
            Ok(None) => link_away(rule, &root, &name).map(|failure| Err(failure.into())),
            Ok(Some(identity)) => match RelPath::new(&name) {
                Ok(relative) if relative.is_metadata() => None,
                Ok(relative) => spec(rule, Some(relative), identity, known, installation)
                    .filter(|_| !root.descend(&name).and_then(|dir| is_cleaned(&dir)).unwrap_or(false)),
                Err(error) => Some(Err(Failure::new(FailureKind::Unsupported, OPERATION, error).into())),
            },
            Err(error) => {
                let shown =
                    RelPath::new(&name).map_or_else(|_| "an entry".to_owned(), |path| path.to_string());
                Some(lost(&format!("opening {shown}"), &error))
            }
        };
        match found {
            Some(Err(_)) if refused >= REFUSED_MAX => {}
            Some(Err(error)) => {
                refused += 1;
                out.push(Err(error));
            }
            found => out.extend(found),
        }
    }
    out
}

/// The capture that the directory `relative` of the rule's folder is, known or not; without `relative`, the folder itself.
pub(crate) fn spec_for(
    rule: &CaptureRule,
    relative: Option<&RelPath>,
    known: &[Capture],
    installation: &str,
) -> Result<Option<SyncSpec>, TransportError> {
    let lost = |error: io::Error| failure(Side::Source, OPERATION, "looking at the capture", &error);
    let root = Root::open(&rule.path).map_err(lost)?;
    let identity = match (rule.each, relative) {
        (Each::Whole, None) => Some(root.identity().map_err(lost)?),
        (Each::Directory, Some(relative))
            if relative.components().count() == 1 && !relative.is_metadata() =>
        {
            directory(&root, relative.as_bytes()).map_err(lost)?
        }
        (Each::Whole, Some(_)) | (Each::Directory, _) => None,
    };
    let Some(identity) = identity else { return Ok(None) };
    let (Generation::Known(generation) | Generation::New(generation)) =
        generation(rule, relative, &identity, known);
    make(rule, relative.cloned(), identity, generation, installation).map(Some)
}

/// The identity of the directory `name`; `None` for everything else, a link to a directory too.
fn directory(root: &Root, name: &[u8]) -> io::Result<Option<RootIdentity>> {
    let stat = match rustix::fs::statat(root, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if !FileType::from_raw_mode(stat.st_mode).is_dir() {
        return Ok(None);
    }
    match root.descend(name).and_then(|dir| dir.identity()) {
        Ok(identity) => Ok(Some(identity)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is said of a link that leads out of the folder: whoever put it there may take it for a capture. A link to something
/// beside it, such as `latest`, is a second name of what is found by its first.
fn link_away(rule: &CaptureRule, root: &Root, name: &[u8]) -> Option<Failure> {
    let target = rustix::fs::readlinkat(root, name, Vec::new()).ok()?;
    let path = RelPath::new(name).ok()?;
    let what = format_args!(
        "{path} of rule {} is a link, and no link is followed: put the directory itself here, or give the folder that it is in a rule",
        rule.name
    );
    target.as_bytes().contains(&b'/').then(|| Failure::new(FailureKind::Unsupported, OPERATION, what))
}

/// Whether nothing is in it but what we left in a capture that was pushed: all of it is at its destination, and who does not
/// know of it any more must not take it for a capture without files.
fn is_cleaned(dir: &Root) -> io::Result<bool> {
    if dir.stat(MANIFEST_PATH.as_bytes())?.is_none() {
        return Ok(false);
    }
    Ok(dir.names()?.iter().all(|name| name == METADATA_DIR.as_bytes()))
}

/// How many directories of one name there were, with this one.
enum Generation {
    Known(u32),
    New(u32),
}

/// A directory of a known name that is another directory is the next generation.
fn generation(
    rule: &CaptureRule,
    relative: Option<&RelPath>,
    identity: &RootIdentity,
    known: &[Capture],
) -> Generation {
    let mut next = 1;
    let same_name = |capture: &&Capture| capture.rule == rule.name && capture.relative.as_ref() == relative;
    for capture in known.iter().filter(same_name) {
        if is_same(&capture.identity, identity) {
            return Generation::Known(capture.generation);
        }
        next = next.max(capture.generation.saturating_add(1));
    }
    Generation::New(next)
}

/// The job for a directory, unless it is known.
fn spec(
    rule: &CaptureRule,
    relative: Option<RelPath>,
    identity: RootIdentity,
    known: &[Capture],
    installation: &str,
) -> Option<Found> {
    match generation(rule, relative.as_ref(), &identity, known) {
        Generation::Known(_) => None,
        Generation::New(generation) => Some(make(rule, relative, identity, generation, installation)),
    }
}

fn make(
    rule: &CaptureRule,
    relative: Option<RelPath>,
    identity: RootIdentity,
    generation: u32,
    installation: &str,
) -> Found {
    let root = match &relative {
        Some(relative) => rule.path.join(std::path::Path::new(std::ffi::OsStr::new(
            <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(relative.as_bytes()),
        ))),
        None => rule.path.clone(),
    };
    let path = remote_path(&rule.name, relative.as_ref(), generation)
        .map_err(|error| Failure::new(FailureKind::Unsupported, OPERATION, error))?;
    let shown = relative.as_ref().map(ToString::to_string).unwrap_or_default();
    // Another directory of this name may be found by who lost, restored or copied the state: it is another capture. Devices
    // are numbered anew at every boot.
    let directory = Digest::of(format!("{} {:?}", identity.inode, identity.born_ns).as_bytes());
    let owner = format!("{installation}/{}/{shown}/{generation}/{:.16}", rule.name, directory.to_string());
    Ok(SyncSpec {
        remote: Remote { destination: rule.destination.clone(), path, owner },
        capture: Capture { rule: rule.name.clone(), relative, root, identity, generation },
    })
}

/// Where a capture goes: its whole path below the rule. A later directory of the same name goes beside the first.
fn remote_path(
    rule: &CaptureName,
    relative: Option<&RelPath>,
    generation: u32,
) -> Result<RelPath, verisim_core::InvalidPath> {
    let mut path = rule.as_str().as_bytes().to_vec();
    if let Some(relative) = relative {
        path.push(b'/');
        path.extend_from_slice(relative.as_bytes());
    }
    if generation > 1 {
        path.extend_from_slice(format!("~{generation}").as_bytes());
    }
    RelPath::new(path)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use verisim_core::CleanupRule;

    use super::*;
    use crate::rule::Completeness;

    fn rule(path: &std::path::Path) -> CaptureRule {
        CaptureRule {
            audit: None,
            name: "cowrie".parse().unwrap(),
            path: path.to_owned(),
            each: Each::Directory,
            complete: Completeness::Quiet(Duration::from_secs(1)),
            gate: [].into(),
            destination: "vault".parse().unwrap(),
            cleanup: CleanupRule {
                enabled: false,
                min_passes: 2,
                min_age: Duration::from_secs(3600),
                accept_other_proof: false,
                remove_metadata: false,
            },
        }
    }

    #[test]
    fn a_link_that_leads_away_is_told_and_one_to_a_neighbour_is_not() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(dir.path().join("run-1")).unwrap();
        std::fs::write(dir.path().join("notes"), "").unwrap();
        std::os::unix::fs::symlink("run-1", dir.path().join("latest")).unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("run-2")).unwrap();
        let found = discover(&rule(dir.path()), &[], "here");
        let told: Vec<_> = found.iter().filter_map(|found| found.as_ref().err()).collect();
        assert_eq!((found.len(), told.len()), (2, 1), "{found:?}");
        assert!(told[0].failure.detail.starts_with("run-2 of rule cowrie is a link"), "{told:?}");
    }

    #[test]
    fn what_cannot_be_pushed_does_not_take_the_places_of_captures() {
        let dir = tempfile::tempdir().unwrap();
        let rule = rule(dir.path());
        let mut known = Vec::new();
        // The second directory of so long a name has no name at the destination: refused, at every look.
        for number in 0..FOUND_MAX + 10 {
            let name = format!("a{number:0>254}");
            std::fs::create_dir(dir.path().join(&name)).unwrap();
            known.push(Capture {
                rule: rule.name.clone(),
                relative: Some(RelPath::new(&name).unwrap()),
                root: dir.path().join(&name),
                identity: RootIdentity { device: 0, inode: 0, born_ns: None },
                generation: 1,
            });
        }
        std::fs::create_dir(dir.path().join("z")).unwrap();
        let found = discover(&rule, &known, "here");
        let captures: Vec<_> = found.iter().flatten().map(|spec| spec.remote.path.to_string()).collect();
        assert_eq!(captures, ["cowrie/z"]);
        assert_eq!(found.len(), 1 + REFUSED_MAX);
    }
}
