//! The directories of a capture there: made level by level, looked at before anything is named in them, and dressed at the end.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use verisim_core::{Clock, Failure, FileKind, FileMode, RelPath, Remote};
use verisim_ssh::Result;
use verisim_ssh::sftp::{Attributes, Order, Sent, SetAttributes};

use super::claim::in_the_way;
use super::look::There;
use super::problem::{changing, explained, present};
use crate::tree::{Item, Kind};

const OPERATION: &str = "sftp.push";
const FOLDER_MODE: u32 = 0o755;
/// How many directories are asked about at once.
const AT_ONCE: usize = 64;
/// How long a look at a directory holds.
const HOLDS: Duration = Duration::from_secs(1);
/// How many looks are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// Looks at directories: each of them, and all that lead to it, must be directories and no links.
pub(super) struct Looks<'a> {
    pub(super) there: There<'a>,
    pub(super) to: &'a Remote,
    pub(super) clock: Arc<dyn Clock>,
    seen: Mutex<HashMap<Vec<u8>, Duration>>,
}

impl<'a> Looks<'a> {
    pub(super) fn new(there: There<'a>, to: &'a Remote, clock: Arc<dyn Clock>) -> Self {
        Self { there, to, clock, seen: Mutex::default() }
    }

    /// Fails unless the directory that holds `path` is one now, or was within the last second.
    pub(super) async fn parent_of(&self, path: &[u8]) -> std::result::Result<(), Failure> {
        let directory = memchr::memrchr(b'/', path).map_or(&b""[..], |slash| path.split_at(slash).0);
        let now = self.clock.monotonic();
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.get(directory).is_some_and(|seen| now.saturating_sub(*seen) < HOLDS) {
                return Ok(());
            }
            if seen.len() >= REMEMBERED_MAX {
                seen.clear();
            }
        }
        let whole = [self.to.path.as_bytes(), b"/", directory].concat();
        let whole = whole.strip_suffix(b"/").unwrap_or(&whole);
        let doing = format!("looking at {}", String::from_utf8_lossy(whole));
        let ends = whole.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
        let mut sent: VecDeque<(usize, Sent<'_, Attributes>)> = VecDeque::new();
        let failed = |error| changing(OPERATION, &doing, &error);
        for end in ends.chain([whole.len()]) {
            let asked = self.there.sftp.send_lstat(&self.there.path(whole.split_at(end).0)).await;
            sent.push_back((end, asked.map_err(failed)?));
        }
        for (end, asked) in sent {
            if asked.done().await.map_err(failed)?.kind() != Some(FileKind::Directory) {
                return Err(in_the_way(&String::from_utf8_lossy(whole.split_at(end).0)));
            }
        }
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(directory.to_vec(), now);
        Ok(())
    }
}

impl There<'_> {
    /// Makes every directory of the capture that is not there: those above before those below, so that nothing is made
    /// through a link.
    pub(super) async fn make_directories(
        &self,
        to: &Remote,
        items: &[Item],
    ) -> std::result::Result<(), Failure> {
        let mut levels: Vec<Vec<&RelPath>> = Vec::new();
        for item in items.iter().filter(|item| item.kind == Kind::Directory) {
            let depth = item.path.components().count();
            if levels.len() < depth {
                levels.resize_with(depth, Vec::new);
            }
            if let Some(level) = levels.get_mut(depth.saturating_sub(1)) {
                level.push(&item.path);
            }
        }
        for directories in levels.iter().flat_map(|level| level.chunks(AT_ONCE)) {
            let mut sent = Vec::with_capacity(directories.len());
            for path in directories {
                let name = self.within(to, path.as_bytes());
                let asked = async {
                    let made = self.sftp.send(Order::MakeDirectory(&name, FOLDER_MODE)).await?;
                    Ok((made, self.sftp.send_lstat(&name).await?))
                };
                let asked: Result<_> = asked.await;
                sent.push((path, asked.map_err(|error| self.unmade(path, &error))?));
            }
            for (path, (made, looked)) in sent {
                let made = made.done().await;
                let looked = present(looked.done().await).map_err(|error| self.unmade(path, &error))?;
                match (made, looked.map(|found| found.kind())) {
                    (_, Some(Some(FileKind::Directory))) => {}
                    (Err(error), None) => {
                        let doing = format!("making the directory {path}");
                        return Err(
                            explained(self.sftp, (&self.options.path, 0), OPERATION, &doing, &error).await
                        );
                    }
                    _ => return Err(in_the_way(&path.to_string())),
                }
            }
        }
        Ok(())
    }

    fn unmade(&self, path: &RelPath, error: &verisim_ssh::Error) -> Failure {
        changing(OPERATION, &format!("making the directory {path}"), error)
    }

    /// Looks at every directory once more: a link that was put in the place of one has led files astray. Then gives them their
    /// modes and times, the deepest first; what the server refuses stays as it is, since no file depends on it.
    pub(super) async fn dress_directories(
        &self,
        to: &Remote,
        items: &[Item],
    ) -> std::result::Result<(), Failure> {
        let mut directories: Vec<&Item> = items.iter().filter(|item| item.kind == Kind::Directory).collect();
        for some in directories.chunks(AT_ONCE) {
            let mut sent = Vec::with_capacity(some.len());
            for item in some {
                let asked = self.sftp.send_lstat(&self.within(to, item.path.as_bytes())).await;
                sent.push((&item.path, asked.map_err(|error| self.unmade(&item.path, &error))?));
            }
            for (path, asked) in sent {
                let found = present(asked.done().await).map_err(|error| self.unmade(path, &error))?;
                if found.and_then(|found| found.kind()) != Some(FileKind::Directory) {
                    return Err(in_the_way(&path.to_string()));
                }
            }
        }
        if !self.sftp.extensions().lsetstat {
            return Ok(());
        }
        directories.reverse();
        for some in directories.chunks(AT_ONCE) {
            let mut sent = Vec::with_capacity(some.len());
            for item in some {
                let set = SetAttributes {
                    owner: None,
                    mode: Some(FileMode::new(item.mode() & 0o777 | 0o700)),
                    times: times(item.stamp.mtime_ns()),
                };
                let asked =
                    self.sftp.send(Order::SetThere(&self.within(to, item.path.as_bytes()), set)).await;
                sent.push(asked.map_err(|error| self.unmade(&item.path, &error))?);
            }
            for asked in sent {
                if let Err(error) = asked.done().await
                    && !error.is_answer()
                {
                    return Err(changing(OPERATION, "dressing directories", &error));
                }
            }
        }
        Ok(())
    }
}

/// Both times of a copy, in whole seconds, where version 3 can say them.
pub(super) fn times(mtime_ns: i128) -> Option<(u32, u32)> {
    let seconds = u32::try_from(mtime_ns.div_euclid(1_000_000_000)).ok()?;
    Some((seconds, seconds))
}
