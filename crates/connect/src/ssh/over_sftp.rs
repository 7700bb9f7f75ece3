//! The steps over SFTP.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::{join_all, try_join_all};
use futures_util::stream;
use verisim_core::{DecoyPath, FileKind, Hasher};
use verisim_ssh::sftp::{
    Attributes, Handle, OpenFlags, Order, READ_BYTES_MAX, SetAttributes, Sftp, Space, Status, WRITE_BYTES_MAX,
};
use verisim_ssh::{Error, Result};

use super::problem::{permitted, present, strange};
use super::reads::{Reads, Sink};
use super::remote::{Adding, Appended, Content, Fetched, Making, Path, Remote, Wanted};

/// How many parts of a directory are asked for at once.
const LISTS_AT_ONCE: usize = 8;
/// How often a file is read anew that changes while it is read.
const ATTEMPTS_MAX: usize = 3;
/// How many entries of a directory are looked through for the number of names of one of them.
const LINK_SEARCH_MAX: usize = 50_000;
/// The most that is appended in one write: what OpenSSH takes in one packet, with room to spare.
const APPEND_BYTES_MAX: usize = 128 * 1024;

/// A host over SFTP.
pub(super) struct OverSftp(pub(super) Arc<Sftp>);

/// Whether a file system holds files of its own. Those that do not (procfs, sysfs, cgroups, devpts, most of FUSE) have no
/// blocks. A server that cannot tell is not asked for what lies where these usually are.
fn is_real(space: Option<Space>, path: &Path) -> bool {
    match space {
        Some(space) => space.blocks > 0,
        None => ![b"/proc/".as_slice(), b"/sys/", b"/dev/"].iter().any(|dir| path.starts_with(dir)),
    }
}

impl OverSftp {
    /// Opens for reading without ever waiting. Opened for both, not even a FIFO that was put there this instant makes the
    /// server wait for its other end. What may not be written, or cannot, is opened for reading alone.
    async fn open_to_read(&self, path: &Path) -> Result<Handle> {
        match self.0.open_file(path, OpenFlags::READ_WRITE, None).await {
            Err(Error::Status { status: Status::PermissionDenied | Status::Failure, .. }) => {
                self.0.open_file(path, OpenFlags::READ, None).await
            }
            opened => opened,
        }
    }

    /// Reads what is wanted of an open file, and closes it. `None` when it is not what it seemed to be. `at_once` sends
    /// everything in one go, where one read should be enough.
    async fn read_and_close(
        &self,
        handle: &Handle,
        size: u64,
        wanted: Wanted,
        at_once: bool,
    ) -> Result<Option<Content>> {
        let hashed = wanted.hash_max.is_some_and(|limit| size <= limit) && wanted.offset == 0;
        let length = match hashed {
            true => size,
            false => wanted.length.min(size.saturating_sub(wanted.offset)),
        };
        let keep = usize::try_from(wanted.length).unwrap_or(usize::MAX);
        let mut sink = Sink { keep, bytes: Vec::new(), hasher: hashed.then(Hasher::new) };
        let mut reads = Reads::new(&self.0, handle, wanted.offset, length);
        if at_once && length <= u64::from(READ_BYTES_MAX) {
            reads.send().await?;
        } else {
            reads.pump(&mut sink).await?;
        }
        let after = self.0.send_fstat(handle).await?;
        let space = match self.0.extensions().fstatvfs {
            true => Some(self.0.send_space_of_open(handle).await?),
            false => None,
        };
        let closed = self.0.send(Order::Close(handle)).await?;
        let got = reads.pump(&mut sink).await;
        let attributes = after.done().await?;
        let space = match space {
            Some(space) => Some(space.done().await?),
            None => None,
        };
        closed.done().await?;
        if attributes.kind() != Some(FileKind::Regular) || !is_real(space, b"") {
            return Ok(None);
        }
        let got = got?;
        if hashed && (got != length || attributes.size != Some(size)) {
            return Err(strange("it changes while it is read"));
        }
        let digest = sink.hasher.map(Hasher::finish);
        Ok(Some(Content { attributes, digest, bytes: sink.bytes.into() }))
    }

    /// Writes, dresses and closes a new file, all in one go. A change of owner takes set-id bits away, so the mode comes
    /// after it.
    async fn fill(&self, handle: &Handle, file: Making<'_>) -> Result<bool> {
        let mut orders: Vec<Order<'_>> = Vec::new();
        for (number, piece) in file.body.chunks(WRITE_BYTES_MAX).enumerate() {
            orders.push(Order::Write(handle, number as u64 * WRITE_BYTES_MAX as u64, piece));
        }
        let owning = file.owner.map(|owner| {
            orders.push(Order::SetOpen(
                handle,
                SetAttributes { owner: Some(owner), ..SetAttributes::default() },
            ));
            orders.len() - 1
        });
        let rest = SetAttributes { owner: None, mode: Some(file.mode), times: file.times };
        orders.push(Order::SetOpen(handle, rest));
        if file.durable && self.0.extensions().fsync {
            orders.push(Order::Sync(handle));
        }
        orders.push(Order::Close(handle));
        let mut owner_set = true;
        for (index, done) in self.0.orders(&orders).await.into_iter().enumerate() {
            if owning == Some(index) {
                owner_set = permitted(done)?;
            } else {
                done?;
            }
        }
        Ok(owner_set)
    }
}

#[async_trait]
impl Remote for OverSftp {
    fn may_reconnect(&self) -> bool {
        matches!(self.0.broken(), Some(Error::Lost { .. }))
    }

    async fn lstat(&self, path: &Path) -> Result<Option<Attributes>> {
        present(self.0.lstat(path).await)
    }

    async fn lstat_all(&self, paths: &[Vec<u8>]) -> Result<Vec<Option<Attributes>>> {
        try_join_all(paths.iter().map(|path| self.lstat(path))).await
    }

    async fn directories(&self, paths: &[&Path]) -> Result<Vec<Result<Option<Attributes>>>> {
        Ok(join_all(paths.iter().map(|path| self.directory(path))).await)
    }

    async fn directory(&self, path: &Path) -> Result<Option<Attributes>> {
        let found = present(self.0.stat(path).await)?;
        Ok(found.filter(|found| found.kind() == Some(FileKind::Directory)))
    }

    async fn space(&self, path: &Path) -> Result<Option<Space>> {
        if !self.0.extensions().statvfs {
            return Ok(None);
        }
        self.0.space(path).await.map(Some)
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
        let handle = self.0.open_directory(dir.as_bytes()).await?;
        let mut found = None;
        let mut seen = 0;
        let searched = loop {
            match self.0.read_directory(&handle).await {
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
        let closed = self.0.order(Order::Close(&handle)).await;
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
        let handle = self.0.open_file(path, OpenFlags::CREATE_NEW, Some(0o600)).await?;
        let filled = self.fill(&handle, file).await;
        if filled.is_err() && !self.0.is_broken() {
            // What will not go is met by the next use of the name.
            let _ = self.0.order(Order::Remove(path)).await;
        }
        filled
    }

    async fn append(&self, path: &Path, adding: Adding<'_>, written: &mut bool) -> Result<Appended> {
        let opened = match self.0.open_file(path, OpenFlags::READ_APPEND, None).await {
            Err(error) if error.status() == Some(Status::PermissionDenied) => {
                self.0.open_file(path, OpenFlags::APPEND, None).await
            }
            opened => opened,
        };
        let handle = opened?;
        let done = self.append_to(&handle, adding, written).await;
        let closed = self.0.order(Order::Close(&handle)).await;
        let done = done?;
        closed.map(|()| done)
    }

    async fn rename_new(&self, from: &Path, to: &Path) -> Result<()> {
        self.0.order(Order::RenameNew(from, to)).await
    }

    async fn appear(&self, from: &Path, to: &Path, wanted: Wanted) -> (Result<()>, Result<Fetched>) {
        match self.0.send(Order::RenameNew(from, to)).await {
            Ok(renaming) => {
                // It is sent already: what is asked for now is what stands there afterwards.
                let (renamed, fetched) = tokio::join!(renaming.done(), self.fetch(to, wanted));
                (renamed, fetched)
            }
            Err(error) => (Err(error.clone()), Err(error)),
        }
    }

    async fn rename_over(&self, from: &Path, to: &Path) -> Result<()> {
        self.0.order(Order::RenameOver(from, to)).await
    }

    async fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.0.order(Order::Link(from, to)).await
    }

    /// Three requests in one packet, which the server carries out one right after the other: the second name is taken anew,
    /// of what stands there now, and then that is replaced. What somebody else renames to the same name between these two
    /// calls of one process, some ten microseconds, is lost; SFTP has no exchange.
    async fn displace(&self, name: &Path, kept: &Path, new: &Path) -> Result<()> {
        let orders = [Order::Remove(kept), Order::Link(name, kept), Order::RenameOver(new, name)];
        // Whether the second name is there is seen by who looks at it.
        self.0.orders(&orders).await.pop().unwrap_or(Ok(()))
    }

    async fn remove(&self, path: &Path) -> Result<bool> {
        present(self.0.order(Order::Remove(path)).await).map(|removed| removed.is_some())
    }

    async fn make_directory(&self, path: &Path) -> Result<()> {
        self.0.order(Order::MakeDirectory(path, 0o700)).await
    }

    async fn remove_directory(&self, path: &Path) -> Result<()> {
        self.0.order(Order::RemoveDirectory(path)).await
    }

    async fn dress(&self, path: &Path, set: SetAttributes) -> Result<()> {
        let owner = SetAttributes { owner: set.owner, ..SetAttributes::default() };
        let rest = SetAttributes { owner: None, ..set };
        let orders = [owner, rest].into_iter().filter(|set| *set != SetAttributes::default());
        let orders: Vec<Order<'_>> = orders.map(|set| Order::Set(path, set)).collect();
        // The owner's refusal comes last, so that the rest was tried all the same.
        self.0.orders(&orders).await.into_iter().rev().collect()
    }

    async fn list(&self, path: &Path, limit: usize) -> Result<(Vec<(Bytes, FileKind)>, bool)> {
        let handle = self.0.open_directory(path).await?;
        let parts = stream::repeat(()).map(|()| self.0.read_directory(&handle)).buffered(LISTS_AT_ONCE);
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
        let closed = self.0.order(Order::Close(&handle)).await;
        match failed {
            Some(error) => Err(error),
            None => closed.map(|()| (out, more)),
        }
    }
}

impl OverSftp {
    async fn append_to(&self, handle: &Handle, adding: Adding<'_>, written: &mut bool) -> Result<Appended> {
        let before = self.0.fstat(handle).await?;
        if before.kind() != Some(FileKind::Regular) {
            return Err(strange("it became something that is no file"));
        }
        let size_before = before.size.ok_or_else(|| strange("a file without a size"))?;
        let owner_set = match adding.owner.filter(|owner| before.owner != Some(*owner)) {
            None => true,
            Some(owner) => {
                let set = SetAttributes { owner: Some(owner), ..SetAttributes::default() };
                permitted(self.0.order(Order::SetOpen(handle, set)).await)?
            }
        };
        if adding.mode.is_some() {
            let set = SetAttributes { mode: adding.mode, ..SetAttributes::default() };
            self.0.order(Order::SetOpen(handle, set)).await?;
        }
        for (number, piece) in adding.body.chunks(APPEND_BYTES_MAX).enumerate() {
            let at = size_before + (number * APPEND_BYTES_MAX) as u64;
            if let Err(error) = self.0.order(Order::Write(handle, at, piece)).await {
                // A disk that is full may have taken a part; what the file says now tells.
                let untouched =
                    error.is_answer() && self.0.fstat(handle).await.is_ok_and(|now| now.size == before.size);
                *written = !untouched;
                return Err(error);
            }
            *written = true;
        }
        if adding.times.is_some() {
            // A file of somebody else's may be added to, but only its owner sets its times.
            let set = SetAttributes { times: adding.times, ..SetAttributes::default() };
            permitted(self.0.order(Order::SetOpen(handle, set)).await)?;
        }
        if adding.durable && self.0.extensions().fsync {
            self.0.order(Order::Sync(handle)).await?;
        }
        Ok(Appended { size_before, owner_set })
    }
}
