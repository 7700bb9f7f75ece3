//! The portable way: archives through the engine.
//!
//! The engine unpacks them with its own code, chrooted into the container (since the mending of CVE-2018-15664), so that no
//! link leads out of it. What an archive cannot do is said in the capabilities, and what it cannot promise is this:
//!
//! - A file does not appear in one step: the engine makes it, fills it, and then gives it owner, mode and times. One that is
//!   replaced is removed first. An engine that is killed meanwhile leaves the beginning of the new content, or nothing.
//!   Whoever probes afterwards finds the beginning of what was intended, and may write it again.
//! - Whether a name is free is asked before, and not in the same step. What somebody makes there in between is lost. What
//!   stands there afterwards is read back and judged all the same.
//! - Nothing can be added to, listed, renamed or removed, and only directories can be given other times: an entry of an
//!   archive that is a file is a new file. How many names a file has, when it was last read, and when its
//!   inode changed is not told. Reading moves the access time.
//! - What is mounted inside, but is no volume (`/proc`, `/dev`, tmpfs), is not seen by the engine: a file would be written
//!   underneath, where the container does not see it either. Such paths are refused.

mod accounts;
mod archive;
mod confirm;
mod fetch;
mod look;
mod pack;
mod plan;
mod query;
mod times;
mod write;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use verisim_core::{
    ByteCount, ByteRange, Clock, DecoyPath, Effect, Failure, FailureKind, FileKind, FileStat, HostFacts,
    StatRequest, Timestamp,
};

use self::look::Look;
use self::pack::Dress;
use super::engine::late;
use super::fast::identity;
use super::standing::Running;
use super::{ContainerName, Engine};
use crate::rooted::{FILE_BYTES_MAX, PROBE_TIME_MAX};
use crate::tree;

pub(super) use self::query::raw_query;

/// How long reading or looking may take: an engine that starts a process for it, on a machine under load.
const QUESTION_TIME_MAX: Duration = Duration::from_secs(60);
/// How far into a file a range may begin: an archive has no middle, and all before it must be received.
const SKIP_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The first version of the API whose engines stay inside a container while they unpack, whatever links stand there: that
/// of Docker 19.03 (CVE-2018-15664). Podman's are newer.
const API_VERSION_MIN: (u32, u32) = (1, 40);
/// The most that is read of a file that tells facts.
const FACT_BYTES_MAX: u64 = 256 * 1024;

/// A container whose files are reached through its engine.
#[derive(Clone)]
pub(super) struct Portable {
    engine: Engine,
    name: ContainerName,
    clock: Arc<dyn Clock>,
    /// The container that calls go to: what the latest probe found, or else the first call.
    met: Arc<Mutex<Option<String>>>,
    /// How we left the directories that we sent, by container.
    left: Arc<Mutex<HashMap<(String, DecoyPath), Dress>>>,
    /// Set once the engine is known to be new enough.
    is_safe: Arc<OnceLock<()>>,
    /// By how many nanoseconds the engine's clock is ahead of ours.
    ahead: Arc<OnceLock<i64>>,
}

impl Portable {
    pub(super) fn new(engine: Engine, name: ContainerName, clock: Arc<dyn Clock>) -> Self {
        Self {
            engine,
            name,
            clock,
            met: Arc::default(),
            left: Arc::default(),
            is_safe: Arc::default(),
            ahead: Arc::default(),
        }
    }

    /// The container, if it runs and is the one that was met before.
    async fn running(&self, operation: &'static str) -> Result<Running, Failure> {
        if self.is_safe.get().is_none() {
            self.require_safe(operation).await?;
        }
        let running = self.engine.running(operation, &self.name).await?;
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        if *met.get_or_insert_with(|| running.id.clone()) == running.id {
            return Ok(running);
        }
        let detail = format!("the container {} is another one since, made anew", self.name);
        Err(Failure::new(FailureKind::NotFound, operation, detail))
    }

    /// Refuses an engine that could be led out of the container.
    async fn require_safe(&self, operation: &'static str) -> Result<(), Failure> {
        let version = self.engine.question(operation, |docker| async move { docker.version().await }).await?;
        let said = version.api_version.unwrap_or_default();
        if api_version(&said).is_some_and(|version| version >= API_VERSION_MIN) {
            let _ = self.is_safe.set(());
            return Ok(());
        }
        let detail = format!(
            "the engine at {} speaks version {said:?} of the API; those before 1.40 follow links out of a container while \
             they unpack (CVE-2018-15664)",
            self.engine.address()
        );
        Err(Failure::new(FailureKind::Unsupported, operation, detail))
    }

    /// Waits for a question, but not for ever.
    async fn within<T>(
        &self,
        operation: &'static str,
        limit: Duration,
        work: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(limit, work).await {
            Ok(answer) => answer,
            Err(_) => Err(late(operation, self.engine.address(), limit, Effect::NotApplied)),
        }
    }

    pub(super) async fn read(&self, path: &DecoyPath, range: ByteRange) -> Result<Bytes, Failure> {
        const OPERATION: &str = "docker.read";
        self.within(OPERATION, QUESTION_TIME_MAX, async {
            let running = self.running(OPERATION).await?;
            match self.read_in(&Look::new(self, &running, OPERATION), path, range).await {
                Err(failure) if failure.kind == FailureKind::NotFound => {
                    self.running(OPERATION).await?;
                    Err(failure)
                }
                answer => answer,
            }
        })
        .await
    }

    async fn read_in(&self, look: &Look<'_>, path: &DecoyPath, range: ByteRange) -> Result<Bytes, Failure> {
        let absent = || look.failed(FailureKind::NotFound, path, "it is not there");
        let Some((real, seen)) = look.at(path).await? else { return Err(absent()) };
        if seen.kind != FileKind::Regular {
            return Err(look.not_regular(path, seen.kind));
        }
        if range.length.0 == 0 || range.offset >= seen.size {
            return Ok(Bytes::new());
        }
        if range.offset > SKIP_BYTES_MAX {
            return Err(look.failed(
                FailureKind::Unsupported,
                path,
                "an archive cannot be read so far from its start",
            ));
        }
        let Some((mut archive, head)) = look.fetch(&real).await? else { return Err(absent()) };
        if head.kind != FileKind::Regular {
            return Err(look.not_regular(path, head.kind));
        }
        let length = usize::try_from(range.length.0.min(FILE_BYTES_MAX.0)).unwrap_or(usize::MAX);
        let read = archive.read(range.offset, length).await;
        read.map(Bytes::from).map_err(|broken| look.broken(path, broken))
    }

    pub(super) async fn stat(
        &self,
        path: &DecoyPath,
        request: StatRequest,
    ) -> Result<Option<FileStat>, Failure> {
        const OPERATION: &str = "docker.stat";
        self.within(OPERATION, QUESTION_TIME_MAX, async {
            let running = self.running(OPERATION).await?;
            let look = Look::new(self, &running, OPERATION);
            let Some((real, seen)) = look.at(path).await? else {
                // The engine says the same of a path and of a container that are not there.
                return self.running(OPERATION).await.map(|_| None);
            };
            let limit = match request {
                StatRequest::Plain | StatRequest::Times => None,
                StatRequest::Hash(limit) => Some(limit.0.min(FILE_BYTES_MAX.0)),
            };
            look.stat(path, &real, &seen, limit).await.map(Some)
        })
        .await
    }

    /// The facts that the decoy's files and its engine tell. How much space is free they do not.
    pub(super) async fn probe(&self) -> Result<HostFacts, Failure> {
        const OPERATION: &str = "docker.probe";
        self.within(OPERATION, PROBE_TIME_MAX, async {
            // Whoever probes goes on with whichever container bears the name.
            *self.met.lock().unwrap_or_else(PoisonError::into_inner) = None;
            let running = self.running(OPERATION).await?;
            let clock = self.engine_time(OPERATION).await?;
            let look = Look::new(self, &running, OPERATION);
            look.require_harmless().await?;
            let release = match self.text(&look, "/etc/os-release").await? {
                None => self.text(&look, "/usr/lib/os-release").await?,
                found => found,
            };
            let hostname = self.text(&look, "/etc/hostname").await?;
            let passwd = self.text(&look, "/etc/passwd").await?;
            Ok(HostFacts {
                os: release.as_deref().and_then(tree::pretty_name),
                hostname: hostname.as_deref().and_then(tree::first_word),
                clock: Some(clock),
                accounts: passwd.as_deref().map(tree::accounts).unwrap_or_default(),
                free_bytes: None,
                writable: !running.is_read_only,
                identity: Some(identity(&running.id)),
            })
        })
        .await
    }

    /// A small file as text. What cannot be had is no fact; but an engine that does not answer is a failure.
    async fn text(&self, look: &Look<'_>, path: &str) -> Result<Option<String>, Failure> {
        let Ok(path) = DecoyPath::new(path) else { return Ok(None) };
        match self.read_in(look, &path, ByteRange::first(ByteCount(FACT_BYTES_MAX))).await {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(failure) if failure.kind == FailureKind::Network => Err(failure),
            Err(_) => Ok(None),
        }
    }

    /// What the engine's clock shows: the container's.
    async fn engine_time(&self, operation: &'static str) -> Result<Timestamp, Failure> {
        if self.engine.is_here() {
            return Ok(self.clock.now());
        }
        if let Some(ahead) = self.ahead.get() {
            let now = self.clock.now();
            return Ok(Timestamp::from_nanosecond(now.as_nanosecond() + i128::from(*ahead)).unwrap_or(now));
        }
        let info = self.engine.question(operation, |docker| async move { docker.info().await }).await?;
        let now = self.clock.now();
        let said: Option<Timestamp> = info.system_time.and_then(|time| time.parse().ok());
        let shown = said.unwrap_or(now);
        let ahead = shown.as_nanosecond() - now.as_nanosecond();
        let _ = self.ahead.set(i64::try_from(ahead).unwrap_or(0));
        Ok(shown)
    }
}

/// `1.41` as numbers.
fn api_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_engine_is_told_from_a_new_one() {
        for (text, is_new) in [("1.39", false), ("1.40", true), ("1.100", true), ("2.0", true), ("", false)] {
            assert_eq!(api_version(text).is_some_and(|version| version >= API_VERSION_MIN), is_new, "{text}");
        }
    }
}
