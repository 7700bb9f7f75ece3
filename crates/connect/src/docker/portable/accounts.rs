//! What an engine opens inside a container while it packs an archive, and what is never opened.

use futures_util::future::join_all;
use verisim_core::{DecoyPath, Failure, FailureKind, FileKind, NotRegular};

use super::look::Look;

/// An engine looks up the names of owners for an archive, with the container's root as its own. It opens these as they
/// come, and one that is a FIFO holds it up for ever, with the container locked (seen with Docker 20.10). The last one is
/// read by engines that use the C library.
const LOOKED_UP: [&str; 3] = ["/etc/passwd", "/etc/group", "/etc/nsswitch.conf"];

impl Look<'_> {
    /// Refuses a container that would hold up its engine. Asked once for each look: an intruder who is quicker than that
    /// harms a decoy's container, and nothing else.
    pub(super) async fn require_harmless(&self) -> Result<(), Failure> {
        let asked = self.is_harmless.get_or_try_init(|| async {
            let paths: Vec<DecoyPath> =
                LOOKED_UP.iter().filter_map(|path| DecoyPath::new(*path).ok()).collect();
            let look = self.without_opening();
            // The engine follows the links on the way by itself, within the container, here as in an archive.
            let answers = join_all(paths.iter().map(|path| look.seen(path))).await;
            for (path, seen) in paths.into_iter().zip(answers) {
                let Some(seen) = seen? else { continue };
                let end = match seen.target {
                    Some(target) => look.seen(&target).await?,
                    None => Some(seen),
                };
                if end.is_some_and(|seen| seen.kind == FileKind::Special) {
                    return Err(self.trap(&path));
                }
            }
            Ok(())
        });
        asked.await.copied()
    }

    /// What stands there is not opened.
    pub(super) fn not_regular(&self, path: &DecoyPath, kind: FileKind) -> Failure {
        let why = NotRegular(kind);
        self.failed(FailureKind::Denied, path, &why.to_string()).with_source(why)
    }

    fn trap(&self, path: &DecoyPath) -> Failure {
        let what = "it is no regular file there but a FIFO or a device, which would hold up the engine at every archive; somebody \
             set a trap, so that nothing is read on the portable path";
        self.failed(FailureKind::Denied, path, what).with_source(NotRegular(FileKind::Special))
    }
}
