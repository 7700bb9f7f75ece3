//! Looking into a container through its engine.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use bollard::Docker;
use bollard::container::PathStatResponse;
use bollard::errors::Error;
use bollard::query_parameters::ContainerArchiveInfoOptionsBuilder;
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::OnceCell;
use verisim_core::{
    DecoyPath, Effect, Failure, FailureKind, FileKind, FileMode, FileStat, Found, Owner, Timestamp,
};

use super::Portable;
use super::archive::Broken;
use super::pack::Dress;
use super::query::as_text;
use crate::docker::failure::failure;
use crate::docker::standing::Running;
use crate::rooted::FILE_BYTES_MAX;

/// How much of what was found is kept as evidence, in bytes.
const EVIDENCE_BYTES_MAX: usize = 64 * 1024;
/// How many questions to the engine are under way at once.
pub(super) const QUESTIONS_AT_ONCE: usize = 8;
/// How many directories are remembered.
const DIRECTORIES_MAX: usize = 4_096;
/// The owner of what the engine does not put into an archive (sockets): the kernel's nobody.
const NOBODY: Owner = Owner { uid: 65_534, gid: 65_534 };

/// One look at a container: what was seen is remembered for as long as the look takes.
pub(super) struct Look<'p> {
    pub(super) portable: &'p Portable,
    pub(super) running: &'p Running,
    pub(super) operation: &'static str,
    known: Mutex<HashMap<DecoyPath, Option<Seen>>>,
    /// Whether the engine may pack archives here; set once that was asked.
    pub(super) is_harmless: OnceCell<()>,
    /// Whether an archive is asked for where the engine alone does not say what stands there.
    may_open: bool,
}

/// What the engine answers when it is asked what stands under a path.
enum Answer {
    There(PathStatResponse),
    Nothing,
    /// It failed without a word, as it does at a link that leads round in a circle, and below what is no directory.
    Unsaid(Error),
}

/// What the engine tells of a path without opening anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) kind: FileKind,
    pub(super) size: u64,
    pub(super) mode: FileMode,
    /// To the nanosecond.
    pub(super) mtime: Timestamp,
    /// Where a link leads in the end, from the container's root.
    pub(super) target: Option<DecoyPath>,
}

/// What stands where a directory is looked for.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A directory, by its path without links.
    There(DecoyPath, Seen),
    /// Nothing, from some component on.
    Missing {
        /// The last directory that is there, without links.
        base: DecoyPath,
        /// What it is.
        seen: Seen,
        /// What is missing below it, outermost first: as asked for, and without links.
        missing: Vec<(DecoyPath, DecoyPath)>,
    },
    /// Something that is no directory.
    Blocked,
}

impl<'p> Look<'p> {
    pub(super) fn new(portable: &'p Portable, running: &'p Running, operation: &'static str) -> Self {
        let (known, is_harmless) = (Mutex::default(), OnceCell::new());
        Self { portable, running, operation, known, is_harmless, may_open: true }
    }

    /// A look that asks for no archive, whatever it meets.
    pub(super) fn without_opening(&self) -> Self {
        Self { may_open: false, ..Self::new(self.portable, self.running, self.operation) }
    }

    /// How we left a directory, if we sent it before.
    pub(super) fn left(&self, dir: &DecoyPath) -> Option<Dress> {
        let left = self.portable.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.get(&(self.running.id.clone(), dir.clone())).copied()
    }

    /// Remembers how we left directories.
    pub(super) fn remember(&self, directories: &BTreeMap<DecoyPath, Dress>) {
        let mut left = self.portable.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.len() + directories.len() > DIRECTORIES_MAX {
            left.clear();
        }
        let all = directories.iter().take(DIRECTORIES_MAX);
        left.extend(all.map(|(dir, dress)| ((self.running.id.clone(), dir.clone()), *dress)));
    }

    pub(super) fn failed(&self, kind: FailureKind, path: &DecoyPath, what: &str) -> Failure {
        Failure::new(kind, self.operation, format!("{path}: {what}"))
    }

    pub(super) fn broken(&self, path: &DecoyPath, broken: Broken) -> Failure {
        match broken {
            Broken::Engine(error) => {
                failure(self.operation, self.portable.engine.address(), error, Effect::NotApplied)
            }
            Broken::Nonsense(what) => self.failed(
                FailureKind::Network,
                path,
                &format!("the engine's archive makes no sense: {what}"),
            ),
        }
    }

    /// What stands under a path, its directory without links, and what it is; `None` when nothing does.
    pub(super) async fn at(&self, path: &DecoyPath) -> Result<Option<(DecoyPath, Seen)>, Failure> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(self.seen(path).await?.map(|seen| (path.clone(), seen)));
        };
        self.ask_ahead(std::iter::once(path.clone())).await?;
        let Place::There(parent, _) = self.directory(&parent).await? else { return Ok(None) };
        let real = self.join(&parent, name)?;
        Ok(self.remembered(&real).await?.map(|seen| (real, seen)))
    }

    /// Looks at some paths and all above them at once, so that walking down to them need not wait for each; what is known
    /// already is not asked for again. What stands below a link is forgotten again: it was looked at where the link leads,
    /// and not where the path says. What is refused is asked for again by whoever needs it, but an engine that does not
    /// answer is a failure.
    pub(super) async fn ask_ahead(&self, paths: impl Iterator<Item = DecoyPath>) -> Result<(), Failure> {
        let mut ahead = BTreeSet::new();
        for path in paths {
            let above = std::iter::successors(Some(path), DecoyPath::parent);
            // Who is among them has all above him there, too.
            for path in above {
                if !ahead.insert(path) {
                    break;
                }
            }
        }
        let mut links: Vec<DecoyPath> = Vec::new();
        let ahead: Vec<DecoyPath> = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let is_link =
                |seen: &Option<Seen>| seen.as_ref().is_some_and(|seen| seen.kind != FileKind::Directory);
            links.extend(ahead.iter().filter(|path| known.get(*path).is_some_and(is_link)).cloned());
            ahead.into_iter().filter(|path| !known.contains_key(path)).collect()
        };
        for some in ahead.chunks(QUESTIONS_AT_ONCE) {
            let answers = join_all(some.iter().map(|path| self.seen(path))).await;
            for (path, answer) in some.iter().zip(answers) {
                let seen = match answer {
                    Ok(seen) => seen,
                    Err(failure) if failure.kind == FailureKind::Network => return Err(failure),
                    Err(_) => continue,
                };
                if links.iter().any(|link| path.starts_with(link)) {
                    continue;
                }
                if seen.as_ref().is_some_and(|seen| seen.kind != FileKind::Directory) {
                    links.push(path.clone());
                }
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.insert(path.clone(), seen);
            }
        }
        Ok(())
    }

    /// The directory at a path, links in it followed inside the container.
    pub(super) async fn directory(&self, path: &DecoyPath) -> Result<Place, Failure> {
        let mut real = DecoyPath::root();
        let Some(mut seen) = self.remembered(&real).await? else { return Ok(Place::Blocked) };
        let mut asked = DecoyPath::root();
        let mut rest = path.components();
        while let Some(name) = rest.next() {
            asked = self.join(&asked, name)?;
            let mut next = self.join(&real, name)?;
            let mut found = self.remembered(&next).await?;
            if let Some(target) = found.as_ref().and_then(|seen| seen.target.clone()) {
                found = self.remembered(&target).await?;
                if found.is_none() {
                    return Ok(Place::Blocked);
                }
                next = target;
            }
            match found {
                Some(there) if there.kind == FileKind::Directory => {
                    (real, seen) = (next, there);
                }
                Some(_) => return Ok(Place::Blocked),
                None => {
                    let base = real;
                    let mut missing = vec![(asked.clone(), next.clone())];
                    for name in rest {
                        asked = self.join(&asked, name)?;
                        next = self.join(&next, name)?;
                        missing.push((asked.clone(), next.clone()));
                    }
                    return Ok(Place::Missing { base, seen, missing });
                }
            }
        }
        Ok(Place::There(real, seen))
    }

    pub(super) fn join(&self, dir: &DecoyPath, name: &[u8]) -> Result<DecoyPath, Failure> {
        dir.join(name).map_err(|error| Failure::new(FailureKind::Config, self.operation, error))
    }

    async fn remembered(&self, path: &DecoyPath) -> Result<Option<Seen>, Failure> {
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(path) {
            return Ok(known.clone());
        }
        let seen = self.seen(path).await?;
        lock().insert(path.clone(), seen.clone());
        Ok(seen)
    }

    /// What stands under a path whose directory has no links in it.
    pub(super) async fn seen(&self, real: &DecoyPath) -> Result<Option<Seen>, Failure> {
        if self.running.hidden.iter().any(|mount| real.starts_with(mount)) {
            let what =
                "what is mounted there is not seen by the engine, and so it cannot be reached through it";
            return Err(self.failed(FailureKind::Denied, real, what));
        }
        let (id, path) = (self.running.id.clone(), as_text(real.as_bytes()));
        let ask = |docker: Docker| async move {
            let options = ContainerArchiveInfoOptionsBuilder::new().path(&path).build();
            match docker.get_container_archive_info(&id, Some(options)).await {
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(Answer::Nothing),
                Err(error @ Error::DockerResponseServerError { status_code: 500, .. }) => {
                    Ok(Answer::Unsaid(error))
                }
                found => found.map(Answer::There),
            }
        };
        match self.portable.engine.question(self.operation, ask).await? {
            Answer::There(found) => self.understand(real, &found).map(Some),
            Answer::Nothing => Ok(None),
            Answer::Unsaid(error) if self.may_open => Box::pin(self.opened(real, error)).await.map(Some),
            Answer::Unsaid(_) => Ok(Some(circle())),
        }
    }

    /// The upper bits of Go's `fs.FileMode` say what it is.
    fn understand(&self, real: &DecoyPath, found: &PathStatResponse) -> Result<Seen, Failure> {
        let has = |bit: u32| found.file_mode & (1 << bit) != 0;
        let kind = match () {
            () if has(31) => FileKind::Directory,
            () if has(27) => FileKind::Symlink,
            () if has(26) || has(25) || has(24) || has(21) || has(19) => FileKind::Special,
            () => FileKind::Regular,
        };
        let special = [(23, 0o4000), (22, 0o2000), (20, 0o1000)];
        let special: u32 = special.iter().filter(|(bit, _)| has(*bit)).map(|(_, mode)| mode).sum();
        let mtime = found.modification_time.as_deref().and_then(|time| time.parse().ok());
        // A name that is not UTF-8 comes with replacement characters, and so leads nobody knows where.
        let target = match kind {
            FileKind::Symlink if found.link_target.contains(char::REPLACEMENT_CHARACTER) => {
                return Err(self.failed(
                    FailureKind::Denied,
                    real,
                    "it is a link whose target the engine cannot tell",
                ));
            }
            FileKind::Symlink => DecoyPath::new(&found.link_target).ok(),
            _ => None,
        };
        Ok(Seen {
            kind,
            size: u64::try_from(found.size).unwrap_or(0),
            mode: FileMode::new(found.file_mode & 0o777 | special),
            mtime: mtime.unwrap_or(Timestamp::UNIX_EPOCH),
            target,
        })
    }

    /// All that can be known of what was seen. `limit` is up to which size a regular file is hashed.
    pub(super) async fn stat(
        &self,
        path: &DecoyPath,
        real: &DecoyPath,
        seen: &Seen,
        limit: Option<u64>,
    ) -> Result<FileStat, Failure> {
        // A socket is in no archive, and a link in a circle neither.
        let fetched = match seen.kind {
            FileKind::Symlink if seen.target.is_none() => None,
            FileKind::Special => self.fetch(real).await.unwrap_or(None),
            _ => self.fetch(real).await?,
        };
        let Some((mut archive, head)) = fetched else {
            return Ok(self.told(seen, NOBODY, None));
        };
        let hashed = match limit {
            Some(limit) if head.kind == FileKind::Regular && head.size <= limit => {
                Some(archive.hash(0).await.map_err(|broken| self.broken(path, broken))?.0)
            }
            _ => None,
        };
        // In an archive only files have a length.
        let size = if head.kind == FileKind::Regular { head.size } else { seen.size };
        let now = Seen { kind: head.kind, size, mode: head.mode, ..seen.clone() };
        Ok(self.told(&now, head.owner, hashed))
    }

    fn told(&self, seen: &Seen, owner: Owner, sha256: Option<verisim_core::Digest>) -> FileStat {
        FileStat {
            kind: seen.kind,
            size: seen.size,
            mode: seen.mode,
            owner,
            inode: None,
            links: None,
            mtime: seen.mtime,
            // When it was last read is not told; it was not before it was written.
            atime: seen.mtime,
            ctime: None,
            btime: None,
            sha256,
        }
    }

    /// What stands under a name, as evidence. What cannot be read is reported without hash and content; but an engine that
    /// does not answer says nothing of the file, and is a failure.
    pub(super) async fn found(&self, real: &DecoyPath, seen: &Seen) -> Result<Found, Failure> {
        let mut stat = self.told(seen, NOBODY, None);
        let bare = |stat| Found { stat: Some(stat), sha256: None, head: Bytes::new() };
        let (mut archive, head) = match self.fetch(real).await {
            Ok(Some(fetched)) => fetched,
            Err(failure) if failure.kind == FailureKind::Network => return Err(failure),
            Ok(None) | Err(_) => return Ok(bare(stat)),
        };
        (stat.owner, stat.mode) = (head.owner, head.mode);
        if head.kind != FileKind::Regular {
            return Ok(bare(stat));
        }
        let broken = |broken| self.broken(real, broken);
        if head.size > FILE_BYTES_MAX.0 {
            let head = archive.read(0, EVIDENCE_BYTES_MAX).await.map_err(broken)?;
            return Ok(Found { head: head.into(), ..bare(stat) });
        }
        let (digest, head) = archive.hash(EVIDENCE_BYTES_MAX).await.map_err(broken)?;
        stat.sha256 = Some(digest);
        Ok(Found { sha256: Some(digest), head: head.into(), ..bare(stat) })
    }
}

/// A link that leads nowhere, and of which the engine tells nothing else.
pub(super) const fn circle() -> Seen {
    let (mode, mtime) = (FileMode::new(0o777), Timestamp::UNIX_EPOCH);
    Seen { kind: FileKind::Symlink, size: 0, mode, mtime, target: None }
}

/// Evidence of a name under which nothing stands.
pub(super) fn nothing() -> Found {
    Found { stat: None, sha256: None, head: Bytes::new() }
}
