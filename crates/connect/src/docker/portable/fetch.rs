//! What an engine packs of a container, for somebody who looks into it.

use bollard::errors::Error;
use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use verisim_core::{DecoyPath, Effect, Failure, FailureKind};

use super::archive::{Archive, Broken, EntryHead};
use super::look::{Look, Seen, circle};
use super::query::as_text;
use crate::docker::failure::{failure, is_circle};

/// How much is received of a directory's archive for the sake of one file in it.
const ABOVE_BYTES_MAX: u64 = 64 * 1024 * 1024;

impl Look<'_> {
    /// What stands under a path when the engine failed at telling it, and said nothing: asked for an archive, it says why.
    pub(super) async fn opened(&self, real: &DecoyPath, unsaid: Error) -> Result<Seen, Failure> {
        match self.archive(real).await?.next().await {
            Err(Broken::Engine(error)) if is_circle(&error) => Ok(circle()),
            _ => Err(failure(self.operation, self.portable.engine.address(), unsaid, Effect::NotApplied)),
        }
    }

    /// The archive of a path whose directory has no links in it, up to the entry of the path itself. `None` when nothing
    /// stands there.
    pub(super) async fn fetch(&self, real: &DecoyPath) -> Result<Option<(Archive, EntryHead)>, Failure> {
        let mut archive = self.archive(real).await?;
        match archive.next().await {
            Ok(Some(head)) if real.file_name().is_none_or(|name| name == head.name) => {
                Ok(Some((archive, head)))
            }
            Ok(Some(_)) => {
                Err(self.broken(real, Broken::Nonsense("it holds something else than was asked for")))
            }
            // An engine packs nothing when it is asked for a name that is not UTF-8, but the directory with all in it.
            Ok(None) => self.fetch_from_above(real).await,
            Err(Broken::Engine(Error::DockerResponseServerError { status_code: 404, .. })) => Ok(None),
            Err(broken) => Err(self.broken(real, broken)),
        }
    }

    async fn fetch_from_above(&self, real: &DecoyPath) -> Result<Option<(Archive, EntryHead)>, Failure> {
        let (Some(above), Some(name)) = (real.parent(), real.file_name()) else { return Ok(None) };
        let mut archive = self.archive(&above).await?;
        let mut room = ABOVE_BYTES_MAX;
        loop {
            let head = match archive.next().await {
                Ok(Some(head)) => head,
                Ok(None) => return Ok(None),
                Err(broken) => return Err(self.broken(real, broken)),
            };
            let is_it = head.name.strip_suffix(name).is_some_and(|before| {
                // The archive's own name for the directory, which is one component.
                before.last() == Some(&b'/') && before.iter().filter(|byte| **byte == b'/').count() == 1
            });
            if is_it && !head.is_second_name {
                return Ok(Some((archive, EntryHead { name: name.to_vec(), ..head })));
            }
            let Some(left) = room.checked_sub(head.size.saturating_add(1)) else {
                let what = "it cannot be found among all that stands beside it";
                return Err(self.failed(FailureKind::Unsupported, real, what));
            };
            room = left;
        }
    }

    async fn archive(&self, real: &DecoyPath) -> Result<Archive, Failure> {
        self.require_harmless().await?;
        let options = DownloadFromContainerOptionsBuilder::new().path(&as_text(real.as_bytes())).build();
        let engine = &self.portable.engine;
        let docker = engine
            .docker()
            .map_err(|error| failure(self.operation, engine.address(), error, Effect::NotApplied))?;
        Ok(Archive::new(docker.download_from_container(&self.running.id, Some(options))))
    }
}
