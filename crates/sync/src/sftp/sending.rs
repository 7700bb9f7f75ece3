//! Sending files: many small ones side by side, a large one with many writes under way.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use verisim_core::{Digest, Failure, FailureKind, FileKind, FileMode};
use verisim_ssh::sftp::{Handle, OpenFlags, Order, SetAttributes, Status};
use verisim_ssh::{Error, Result};

use super::directories::{Looks, times};
use super::problem::explained;
use super::writing::Writing;
use crate::native::copy::RESUME_BYTES_MIN;
use crate::native::partial::partial_name;
use crate::reading::Read;
use crate::tool::{Local, Tally};
use crate::tree::Item;

const OPERATION: &str = "sftp.push";
/// How many small files are under way at once, and how many bytes of them.
const FILES_AT_ONCE: usize = 64;
const BYTES_AT_ONCE: usize = 16 << 20;
/// How much of a large file is sent before that is told.
const REPORTED_BYTES: u64 = 8 << 20;

/// What one push sends, and how far it is.
pub(super) struct Sending<'a> {
    pub(super) looks: &'a Looks<'a>,
    pub(super) tally: Tally,
    /// How much of which file is there already.
    pub(super) kept: HashMap<usize, u64>,
}

/// A small file that was sent.
struct Sent {
    at: usize,
    bytes: usize,
    sha256: Digest,
}

impl Sending<'_> {
    /// Sends what comes, and notes what is complete.
    pub(super) async fn run(
        &mut self,
        local: &mut Local,
        mut taken: mpsc::Receiver<Read>,
    ) -> std::result::Result<(), Failure> {
        let looks = self.looks;
        let items = local.items();
        let mut under_way = FuturesUnordered::new();
        let (mut bytes_under_way, mut is_over) = (0, false);
        loop {
            let has_room = under_way.len() < FILES_AT_ONCE && bytes_under_way < BYTES_AT_ONCE;
            tokio::select! {
                Some(done) = under_way.next() => {
                    let Sent { at, bytes, sha256 } = done?;
                    bytes_under_way -= bytes;
                    self.tally.note(local, at, sha256, bytes as u64)?;
                }
                read = taken.recv(), if has_room && !is_over => match read {
                    None => is_over = true,
                    Some(Read::Whole { at, bytes, sha256 }) => {
                        let Some(item) = items.get(at) else { continue };
                        bytes_under_way += bytes.len();
                        under_way.push(async move {
                            looks.whole(item, &bytes).await?;
                            Ok(Sent { at, bytes: bytes.len(), sha256 })
                        });
                    }
                    Some(Read::Begin { at }) => {
                        let Some(item) = items.get(at) else { continue };
                        self.large(local, at, item, &mut taken).await?;
                    }
                    // They come only behind the beginning.
                    Some(Read::Piece { .. } | Read::End { .. }) => {}
                },
                else => return Ok(()),
            }
        }
    }

    /// Sends a large file, from where an interrupted push has left it. That the reader ends before it does is told by the reader.
    async fn large(
        &mut self,
        local: &mut Local,
        at: usize,
        item: &Item,
        taken: &mut mpsc::Receiver<Read>,
    ) -> std::result::Result<(), Failure> {
        let looks = self.looks;
        let kept = self.kept.get(&at).copied().unwrap_or(0);
        if item.stamp.size >= RESUME_BYTES_MIN && kept == 0 {
            local.begin(item)?;
        }
        let name = looks.partial(partial_name(&item.path).as_bytes());
        let failed = async |error| looks.failed(item, &error).await;
        let opened = match kept {
            0 => looks.create(&name).await,
            _ => looks.there.sftp.open_file(&name, OpenFlags::WRITE, None).await,
        };
        let handle = match opened {
            Ok(handle) => handle,
            Err(error) => return Err(failed(error).await),
        };
        let mut writing = Writing::new(looks.there.sftp, handle);
        let mut reported = 0;
        while let Some(read) = taken.recv().await {
            match read {
                Read::Piece { offset, bytes } => {
                    if let Err(error) = writing.write(offset, &bytes).await {
                        return Err(failed(error).await);
                    }
                    let done = offset + bytes.len() as u64;
                    if done.saturating_sub(reported) >= REPORTED_BYTES {
                        reported = done;
                        self.tally.tell(done);
                    }
                }
                Read::End { sha256 } => {
                    if let Err(error) = writing.finish(dressed(item), true).await {
                        return Err(failed(error).await);
                    }
                    looks.appear(&name, item).await?;
                    return self.tally.note(local, at, sha256, item.stamp.size);
                }
                Read::Begin { .. } | Read::Whole { .. } => {
                    let what = "a file ended before its end";
                    return Err(Failure::new(FailureKind::Unknown, OPERATION, what));
                }
            }
        }
        Ok(())
    }
}

impl Looks<'_> {
    /// Sends a small file: under a name of its own among the partial copies, then one step to its name.
    async fn whole(&self, item: &Item, bytes: &Bytes) -> std::result::Result<(), Failure> {
        let name = self.partial(partial_name(&item.path).as_bytes());
        let writing = async {
            let handle = self.create(&name).await?;
            let mut orders: Vec<Order<'_>> = Vec::with_capacity(3);
            let at_once = self.there.sftp.write_bytes();
            for (number, piece) in (0_u64..).zip(bytes.chunks(at_once)) {
                orders.push(Order::Write(&handle, number * at_once as u64, piece));
            }
            orders.extend([Order::SetOpen(&handle, dressed(item)), Order::Close(&handle)]);
            self.there.sftp.orders(&orders).await.into_iter().collect::<Result<()>>()
        };
        match writing.await {
            Ok(()) => self.appear(&name, item).await,
            Err(error) => {
                let failure = self.failed(item, &error).await;
                if error.is_answer() {
                    // It may stand in the way of others, on a disk that is full.
                    let _ = self.there.sftp.order(Order::Remove(&name)).await;
                }
                Err(failure)
            }
        }
    }

    /// A new file among the partial copies. What stands under its name is what nobody goes on with.
    async fn create(&self, name: &[u8]) -> Result<Handle> {
        match self.there.sftp.open_file(name, OpenFlags::CREATE_NEW, Some(0o600)).await {
            Err(Error::Status { status: Status::Failure, .. }) => {
                let _ = self.there.sftp.order(Order::Remove(name)).await;
                self.there.sftp.open_file(name, OpenFlags::CREATE_NEW, Some(0o600)).await
            }
            opened => opened,
        }
    }

    /// Gives a whole copy the name of what it is a copy of, in one step. What stands there is replaced, and a link is not followed.
    async fn appear(&self, name: &[u8], item: &Item) -> std::result::Result<(), Failure> {
        self.parent_of(item.path.as_bytes()).await?;
        let path = self.there.within(self.to, item.path.as_bytes());
        let sftp = self.there.sftp;
        let mut placed = sftp.order(Order::RenameOver(name, &path)).await;
        if placed.as_ref().is_err_and(|error| error.status() == Some(Status::Failure))
            && sftp.lstat(&path).await.is_ok_and(|found| found.kind() == Some(FileKind::Directory))
        {
            // What is a file now was a directory in an earlier push; what was in it has been set aside.
            if sftp.order(Order::RemoveDirectory(&path)).await.is_err_and(|error| error.is_answer()) {
                let what = format_args!("{} is a folder there, and not empty: move it away", item.path);
                return Err(Failure::new(FailureKind::Config, OPERATION, what));
            }
            placed = sftp.order(Order::RenameOver(name, &path)).await;
        }
        match placed {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(item, &error).await),
        }
    }

    async fn failed(&self, item: &Item, error: &Error) -> Failure {
        let doing = format!("sending {}", item.path);
        let root = (self.there.options.path.as_slice(), item.stamp.size);
        explained(self.there.sftp, root, OPERATION, &doing, error).await
    }
}

/// The permission bits and the times of the original. Set-id bits stay off in storage, and we must be able to read what we wrote.
fn dressed(item: &Item) -> SetAttributes {
    SetAttributes {
        owner: None,
        mode: Some(FileMode::new(item.mode() & 0o777 | 0o400)),
        times: times(item.stamp.mtime_ns()),
    }
}
