//! The steps over SFTP.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::{join_all, try_join_all};
use futures_util::stream;
use verisim_core::{DecoyPath, FileKind};
use verisim_ssh::sftp::{Attributes, OpenFlags, Order, SetAttributes, Sftp, Space, Status};
use verisim_ssh::{Error, Result};

use super::problem::{present, strange};
use super::remote::{Adding, Appended, Fetched, Making, Path, Remote, Wanted};

/// How many parts of a directory are asked for at once.
const LISTS_AT_ONCE: usize = 8;
/// How often a file is read anew that changes while it is read.
const ATTEMPTS_MAX: usize = 3;
/// How many entries of a directory are looked through for the number of names of one of them.
const LINK_SEARCH_MAX: usize = 50_000;

/// The bits of a mode that a change of the owner takes away (chown(2)).
const SET_ID_BITS: u32 = 0o6000;

/// A host over SFTP.
pub(super) struct OverSftp {
    pub(super) sftp: Arc<Sftp>,
    /// Whether we are root there, and may give files away.
    pub(super) root: bool,
}

/// Whether a file system holds files of its own. Those that do not (procfs, sysfs, cgroups, devpts, most of FUSE) have no
/// blocks. A server that cannot tell is not asked for what lies where these usually are.
pub(super) fn is_real(space: Option<Space>, path: &Path) -> bool {
    match space {
        Some(space) => space.blocks > 0,
        None => ![b"/proc/".as_slice(), b"/sys/", b"/dev/"].iter().any(|dir| path.starts_with(dir)),
    }
}

#[async_trait]
impl Remote for OverSftp {
    fn may_reconnect(&self) -> bool {
        matches!(self.sftp.broken(), Some(Error::Lost { .. }))
    }

    async fn lstat(&self, path: &Path) -> Result<Option<Attributes>> {
        present(self.sftp.lstat(path).await)
    }

    async fn lstat_all(&self, paths: &[Vec<u8>]) -> Result<Vec<Option<Attributes>>> {
        try_join_all(paths.iter().map(|path| self.lstat(path))).await
    }

    async fn directories(&self, paths: &[&Path]) -> Result<Vec<Result<Option<Attributes>>>> {
        Ok(join_all(paths.iter().map(|path| self.directory(path))).await)
    }

    async fn directory(&self, path: &Path) -> Result<Option<Attributes>> {
        let found = present(self.sftp.stat(path).await)?;
        Ok(found.filter(|found| found.kind() == Some(FileKind::Directory)))
    }

    async fn space(&self, path: &Path) -> Result<Option<Space>> {
        if !self.sftp.extensions().statvfs {
            return Ok(None);
        }
        self.sftp.space(path).await.map(Some)
    }

    async fn place(&self, path: &Path) -> Result<Option<(Attributes, Option<Space>)>> {
        let (found, space) = tokio::join!(self.directory(path), self.space(path));
        match found? {
            Some(found) => Ok(Some((found, space?))),
            None => Ok(None),
        }
    }

    /// Version 3 has no number of names; the line that OpenSSH adds to an entry of a directory has it.
    async fn links(&self, path: &DecoyPath) -> Result<Option<u64>> {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
        let handle = self.sftp.open_directory(dir.as_bytes()).await?;
        let mut found = None;
        let mut seen = 0;
        let searched = loop {
            match self.sftp.read_directory(&handle).await {
                Ok(Some(entries)) => {
                    seen += entries.len();
                    if let Some(entry) = entries.iter().find(|entry| entry.name == name) {
                        let words = String::from_utf8_lossy(&entry.long).into_owned();
                        found = words.split_ascii_whitespace().nth(1).and_then(|links| links.parse().ok());
                        break Ok(());
                    }
                    if seen > LINK_SEARCH_MAX {
                        break Ok(());
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let closed = self.sftp.order(Order::Close(&handle)).await;
        searched.and(closed)?;
        Ok(found)
    }

    async fn fetch(&self, path: &Path, wanted: Wanted) -> Result<Fetched> {
        let mut last = strange("it changes while it is read");
        for attempt in 0..ATTEMPTS_MAX {
            let (seen, space) = tokio::join!(self.lstat(path), self.space(path));
            let Some(seen) = seen? else { return Ok(Fetched::Absent) };
            if seen.kind() != Some(FileKind::Regular) {
                return Ok(Fetched::NotFile(seen));
            }
            let real = match space {
                Ok(space) => is_real(space, path),
                // It was there a moment ago.
                Err(error) if error.status() == Some(Status::NoSuchFile) => continue,
                Err(error) => return Err(error),
            };
            if !real {
                return Ok(Fetched::NotReal(seen));
            }
            let size = seen.size.ok_or_else(|| strange("a file without a size"))?;
            let handle = match self.open_to_read(path).await {
                Err(error) if error.status() == Some(Status::NoSuchFile) => continue,
                opened => opened?,
            };
            match self.read_and_close(&handle, size, wanted, attempt == 0).await {
                Ok(Some(content)) => return Ok(Fetched::File(content)),
                Ok(None) => {}
                // It was exchanged for something that cannot be read, or changed: look again.
                Err(error @ Error::Status { .. }) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    async fn make(&self, path: &Path, file: Making<'_>) -> Result<bool> {
        let keeps_mode = file.owner.is_none() || file.mode.bits() & SET_ID_BITS == 0;
        if file.owner.is_some() && !(self.root && keeps_mode) {
            return self.make_with(path, file, false).await;
        }
        match self.make_with(path, file, true).await {
            // It may be the owner that may not be set, and nothing else.
            Err(Error::Status { status: Status::PermissionDenied | Status::BadMessage, .. })
                if file.owner.is_some() =>
            {
                self.make_with(path, file, false).await
            }
            made => made,
        }
    }

    async fn append(&self, path: &Path, adding: Adding<'_>, written: &mut bool) -> Result<Appended> {
        let opened = match self.sftp.open_file(path, OpenFlags::READ_APPEND, None).await {
            Err(error) if error.status() == Some(Status::PermissionDenied) => {
                self.sftp.open_file(path, OpenFlags::APPEND, None).await
            }
            opened => opened,
        };
        let handle = opened?;
        let done = self.append_to(&handle, adding, written).await;
        let closed = self.sftp.order(Order::Close(&handle)).await;
        let done = done?;
        closed.map(|()| done)
    }

    async fn rename_new(&self, from: &Path, to: &Path) -> Result<()> {
        self.sftp.order(Order::RenameNew(from, to)).await
    }

    async fn appear(
        &self,
        from: &Path,
        to: &Path,
        body: &Bytes,
        wanted: Wanted,
    ) -> (Result<()>, Result<Fetched>) {
        let renamed = self.rename_new(from, to).await;
        let confirmed = match &renamed {
            Ok(()) => self.confirm(to, body).await,
            Err(error) if error.is_answer() => Ok(None),
            Err(error) => Err(error.clone()),
        };
        let found = match confirmed {
            Ok(Some(content)) => Ok(Fetched::File(content)),
            Ok(None) => self.fetch(to, wanted).await,
            Err(error) => Err(error),
        };
        (renamed, found)
    }

    async fn rename_over(&self, from: &Path, to: &Path) -> Result<()> {
        self.sftp.order(Order::RenameOver(from, to)).await
    }

    async fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.sftp.order(Order::Link(from, to)).await
    }

    /// Three requests in one packet, which the server carries out one right after the other: the second name is taken anew,
    /// of what stands there now, and then that is replaced. What somebody else renames to the same name between these two
    /// calls of one process, some ten microseconds, is lost; SFTP has no exchange.
    async fn displace(&self, name: &Path, kept: &Path, new: &Path) -> Result<()> {
        let orders = [Order::Remove(kept), Order::Link(name, kept), Order::RenameOver(new, name)];
        // Whether the second name is there is seen by who looks at it.
        self.sftp.orders(&orders).await.pop().unwrap_or(Ok(()))
    }

    async fn remove(&self, path: &Path) -> Result<bool> {
        present(self.sftp.order(Order::Remove(path)).await).map(|removed| removed.is_some())
    }

    async fn make_directory(&self, path: &Path) -> Result<()> {
        self.sftp.order(Order::MakeDirectory(path, 0o700)).await
    }

    async fn remove_directory(&self, path: &Path) -> Result<()> {
        self.sftp.order(Order::RemoveDirectory(path)).await
    }

    async fn dress(&self, path: &Path, set: SetAttributes) -> Result<()> {
        let owner = SetAttributes { owner: set.owner, ..SetAttributes::default() };
        let rest = SetAttributes { owner: None, ..set };
        let orders = [owner, rest].into_iter().filter(|set| *set != SetAttributes::default());
        let orders: Vec<Order<'_>> = orders.map(|set| Order::Set(path, set)).collect();
        // The owner's refusal comes last, so that the rest was tried all the same.
        self.sftp.orders(&orders).await.into_iter().rev().collect()
    }

    async fn set_seconds(&self, path: &Path, times: (u32, u32)) -> Result<()> {
        let set = SetAttributes { times: Some(times), ..SetAttributes::default() };
        let order = match self.sftp.extensions().lsetstat {
            true => Order::SetThere(path, set),
            false => Order::Set(path, set),
        };
        self.sftp.order(order).await
    }

    async fn list(&self, path: &Path, limit: usize) -> Result<(Vec<(Bytes, FileKind)>, bool)> {
        let handle = self.sftp.open_directory(path).await?;
        let parts = stream::repeat(()).map(|()| self.sftp.read_directory(&handle)).buffered(LISTS_AT_ONCE);
        let mut out = Vec::new();
        let mut more = false;
        let mut failed = None;
        {
            let mut parts = std::pin::pin!(parts);
            'parts: while let Some(part) = parts.next().await {
                let entries = match part {
                    Ok(Some(entries)) => entries,
                    Ok(None) => break,
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                };
                for entry in entries {
                    if matches!(&entry.name[..], b"." | b"..") {
                        continue;
                    }
                    if out.len() == limit {
                        more = true;
                        break 'parts;
                    }
                    // OpenSSH always says the kind; what another does not say could be anything.
                    out.push((entry.name, entry.attributes.kind().unwrap_or(FileKind::Special)));
                }
            }
        }
        let closed = self.sftp.order(Order::Close(&handle)).await;
        match failed {
            Some(error) => Err(error),
            None => closed.map(|()| (out, more)),
        }
    }
}
