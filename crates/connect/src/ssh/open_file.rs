//! What the steps over SFTP are made of: an open file, from its opening to its closing.

use bytes::Bytes;
use verisim_core::{FileKind, Hasher};
use verisim_ssh::sftp::{
    Handle, OpenFlags, Order, READ_BYTES_MAX, Reads, SetAttributes, Status, WRITE_BYTES_MAX,
};
use verisim_ssh::{Error, Result};

use super::over_sftp::{OverSftp, is_real};
use super::problem::{permitted, strange};
use super::reads::Sink;
use super::remote::{Adding, Appended, Content, Making, Path, Wanted};

/// The most that is appended in one write: what OpenSSH takes in one packet, with room to spare.
const APPEND_BYTES_MAX: usize = 128 * 1024;

impl OverSftp {
    /// Opens for reading without ever waiting. Opened for both, not even a FIFO that was put there this instant makes the
    /// server wait for its other end. What may not be written, or cannot, is opened for reading alone.
    pub(super) async fn open_to_read(&self, path: &Path) -> Result<Handle> {
        match self.sftp.open_file(path, OpenFlags::READ_WRITE, None).await {
            Err(Error::Status { status: Status::PermissionDenied | Status::Failure, .. }) => {
                self.sftp.open_file(path, OpenFlags::READ, None).await
            }
            opened => opened,
        }
    }

    /// Reads what is wanted of an open file, and closes it. `None` when it is not what it seemed to be. `at_once` sends
    /// everything in one go, where one read should be enough.
    pub(super) async fn read_and_close(
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
        let mut sink = Sink::of(keep, hashed.then(Hasher::new));
        let mut reads = Reads::new(&self.sftp, handle, wanted.offset, length);
        if at_once && length <= u64::from(READ_BYTES_MAX) {
            reads.send().await?;
        } else {
            reads.pump(|piece| sink.take(piece)).await?;
        }
        let after = self.sftp.send_fstat(handle).await?;
        let space = match self.sftp.extensions().fstatvfs {
            true => Some(self.sftp.send_space_of_open(handle).await?),
            false => None,
        };
        let closed = self.sftp.send(Order::Close(handle)).await?;
        let got = reads.pump(|piece| sink.take(piece)).await;
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

    /// Writes, dresses and closes a new file, all in one go. A change of owner takes set-id bits away, so then the mode comes
    /// after it; `at_once` sets everything with one request where nothing is lost by that.
    async fn fill(&self, handle: &Handle, file: Making<'_>, at_once: bool) -> Result<bool> {
        let mut orders: Vec<Order<'_>> = Vec::new();
        for (number, piece) in file.body.chunks(WRITE_BYTES_MAX).enumerate() {
            orders.push(Order::Write(handle, number as u64 * WRITE_BYTES_MAX as u64, piece));
        }
        let mut rest = SetAttributes { owner: file.owner, mode: Some(file.mode), times: file.times };
        let mut owning = None;
        if !at_once && let Some(owner) = rest.owner.take() {
            owning = Some(orders.len());
            orders.push(Order::SetOpen(handle, SetAttributes { owner: Some(owner), ..Default::default() }));
        }
        orders.push(Order::SetOpen(handle, rest));
        if file.durable && self.sftp.extensions().fsync {
            orders.push(Order::Sync(handle));
        }
        orders.push(Order::Close(handle));
        let mut owner_set = true;
        for (index, done) in self.sftp.orders(&orders).await.into_iter().enumerate() {
            if owning == Some(index) {
                owner_set = permitted(done)?;
            } else {
                done?;
            }
        }
        Ok(owner_set)
    }

    pub(super) async fn make_with(&self, path: &Path, file: Making<'_>, at_once: bool) -> Result<bool> {
        let handle = self.sftp.open_file(path, OpenFlags::CREATE_NEW, Some(0o600)).await?;
        let filled = self.fill(&handle, file, at_once).await;
        if filled.is_err() && !self.sftp.is_broken() {
            // What will not go is met by the next use of the name.
            let _ = self.sftp.order(Order::Remove(path)).await;
        }
        filled
    }

    /// Reads what got its name just now, and looks at the name after that: there must be a regular file with these bytes.
    /// `None` when anything is otherwise, and has to be looked at as what is not ours.
    pub(super) async fn confirm(&self, path: &Path, body: &Bytes) -> Result<Option<Content>> {
        let handle = match self.open_to_read(path).await {
            Err(Error::Status { .. }) => return Ok(None),
            opened => opened?,
        };
        let length = body.len() as u64;
        let mut sink = Sink::of(0, Some(Hasher::new())).like(body);
        let mut reads = Reads::new(&self.sftp, &handle, 0, length);
        if length <= u64::from(READ_BYTES_MAX) {
            reads.send().await?;
        } else {
            reads.pump(|piece| sink.take(piece)).await?;
        }
        let after = self.sftp.send_lstat(path).await?;
        let closed = self.sftp.send(Order::Close(&handle)).await?;
        let got = reads.pump(|piece| sink.take(piece)).await;
        let attributes = after.done().await;
        let closed = closed.done().await;
        let (got, attributes) = match (got, attributes, closed) {
            (Ok(got), Ok(attributes), Ok(())) => (got, attributes),
            (Err(error), _, _) | (_, Err(error), _) | (_, _, Err(error)) if !error.is_answer() => {
                return Err(error);
            }
            _ => return Ok(None),
        };
        let is_ours = got == length
            && sink.is_like()
            && attributes.kind() == Some(FileKind::Regular)
            && attributes.size == Some(length);
        let digest = sink.hasher.map(Hasher::finish);
        Ok(is_ours.then_some(Content { attributes, digest, bytes: Bytes::new() }))
    }

    pub(super) async fn append_to(
        &self,
        handle: &Handle,
        adding: Adding<'_>,
        written: &mut bool,
    ) -> Result<Appended> {
        let before = self.sftp.fstat(handle).await?;
        if before.kind() != Some(FileKind::Regular) {
            return Err(strange("it became something that is no file"));
        }
        let size_before = before.size.ok_or_else(|| strange("a file without a size"))?;
        let owner_set = match adding.owner.filter(|owner| before.owner != Some(*owner)) {
            None => true,
            Some(owner) => {
                let set = SetAttributes { owner: Some(owner), ..SetAttributes::default() };
                permitted(self.sftp.order(Order::SetOpen(handle, set)).await)?
            }
        };
        if adding.mode.is_some() {
            let set = SetAttributes { mode: adding.mode, ..SetAttributes::default() };
            self.sftp.order(Order::SetOpen(handle, set)).await?;
        }
        for (number, piece) in adding.body.chunks(APPEND_BYTES_MAX).enumerate() {
            let at = size_before + (number * APPEND_BYTES_MAX) as u64;
            if let Err(error) = self.sftp.order(Order::Write(handle, at, piece)).await {
                // A disk that is full may have taken a part; what the file says now tells.
                let untouched = error.is_answer()
                    && self.sftp.fstat(handle).await.is_ok_and(|now| now.size == before.size);
                *written = !untouched;
                return Err(error);
            }
            *written = true;
        }
        if adding.times.is_some() {
            // A file of somebody else's may be added to, but only its owner sets its times.
            let set = SetAttributes { times: adding.times, ..SetAttributes::default() };
            permitted(self.sftp.order(Order::SetOpen(handle, set)).await)?;
        }
        if adding.durable && self.sftp.extensions().fsync {
            self.sftp.order(Order::Sync(handle)).await?;
        }
        Ok(Appended { size_before, owner_set })
    }
}
