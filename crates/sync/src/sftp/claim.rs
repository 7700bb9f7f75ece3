//! Making a folder ours, and the files of our own in it.

use bytes::Bytes;
use tokio::sync::mpsc;
use verisim_core::manifest::METADATA_DIR;
use verisim_core::{Failure, FailureKind, FileKind, Remote};
use verisim_ssh::sftp::{OpenFlags, Order, SetAttributes, Status};
use verisim_ssh::{Error, Result};

use super::look::There;
use super::problem::{changing, explained, present};
use super::writing::Writing;
use super::{Line, SftpTransport};
use crate::identity::MARKER;
use crate::native::folder;
use crate::reading::{Content, pieces};
use crate::tool::{Look, claim, shown};

const OPERATION: &str = "sftp.push";
const FOLDER_MODE: u32 = 0o755;
/// Nobody but the account itself puts anything among the files that are not whole yet.
const PARTIAL_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o644;

impl SftpTransport {
    /// Makes sure that the folder there is ours; nothing is changed there before that is so.
    pub(super) async fn claim(&self, line: &Line, to: &Remote) -> std::result::Result<Look, Failure> {
        let there = self.there(line);
        let _one_at_a_time = self.claiming.lock().await;
        let look = there.look(to, OPERATION).await?;
        let is_known = self.known.judge(&self.options, look.marker.as_deref())?;
        if claim(&look, to, OPERATION)? && is_known {
            there.make_metadata(to).await?;
            return Ok(look);
        }
        // Somebody else may be faster, here or at the destination's root.
        there.claim(to, self.known.fresh(), look.marker.is_none()).await?;
        let look = there.look(to, OPERATION).await?;
        self.known.judge(&self.options, look.marker.as_deref())?;
        if claim(&look, to, OPERATION)? {
            return Ok(look);
        }
        let what = format_args!("{} has no owner although it was claimed just now", to.path);
        Err(Failure::new(FailureKind::Unknown, OPERATION, what))
    }
}

impl There<'_> {
    async fn claim(&self, to: &Remote, fresh: &str, is_new: bool) -> std::result::Result<(), Failure> {
        if is_new {
            let text = format!("{fresh}\nVerisim knows this destination by this file. Leave it here.\n");
            let marker = self.path(MARKER.as_bytes());
            self.mark(&marker, fresh, text.as_bytes()).await?;
        }
        let bytes = to.path.as_bytes();
        let above = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
        for end in above.chain([bytes.len()]) {
            self.make_folder(&self.path(bytes.split_at(end).0), FOLDER_MODE).await?;
        }
        self.make_folder(&self.within(to, METADATA_DIR.as_bytes()), FOLDER_MODE).await?;
        let owner = format!("{}\n", shown(&to.owner));
        self.mark(&self.within(to, folder::OWNER.as_bytes()), fresh, owner.as_bytes()).await?;
        self.make_metadata(to).await
    }

    /// The folder of what is not whole yet. What stands in its place must be a folder, and no link to one.
    async fn make_metadata(&self, to: &Remote) -> std::result::Result<(), Failure> {
        self.make_folder(&self.within(to, folder::PARTIAL.as_bytes()), PARTIAL_MODE).await
    }

    /// Makes a folder that may be there already.
    pub(super) async fn make_folder(&self, path: &[u8], mode: u32) -> std::result::Result<(), Failure> {
        let name = String::from_utf8_lossy(path);
        let doing = format!("making the folder {name}");
        let asked = async {
            let made = self.sftp.send(Order::MakeDirectory(path, mode)).await?;
            let looked = self.sftp.send_lstat(path).await?;
            let made = made.done().await;
            Ok((made, present(looked.done().await)?))
        };
        let asked: Result<_> = asked.await;
        match asked.map_err(|error| changing(OPERATION, &doing, &error))? {
            (_, Some(found)) if found.kind() == Some(FileKind::Directory) => Ok(()),
            (Err(error), None) => {
                Err(explained(self.sftp, (&self.options.path, 0), OPERATION, &doing, &error).await)
            }
            _ => Err(in_the_way(&name)),
        }
    }

    /// Writes a marker where there is none. One that is there is not replaced.
    async fn mark(&self, path: &[u8], fresh: &str, text: &[u8]) -> std::result::Result<(), Failure> {
        let new = [path, b".new.", fresh.as_bytes()].concat();
        let marking = async {
            let _ = self.sftp.order(Order::Remove(&new)).await;
            let handle = self.sftp.open_file(&new, OpenFlags::CREATE_NEW, Some(FILE_MODE)).await?;
            let mut writing = Writing::new(self.sftp, handle);
            writing.write(0, text).await?;
            writing.finish(SetAttributes::default(), true).await?;
            match self.sftp.order(Order::RenameNew(&new, path)).await {
                Err(Error::Status { status: Status::Failure, .. })
                    if present(self.sftp.lstat(path).await)?.is_some() =>
                {
                    self.sftp.order(Order::Remove(&new)).await
                }
                placed => placed,
            }
        };
        match marking.await {
            Ok(()) => Ok(()),
            Err(error) => {
                let doing = "writing a marker";
                Err(explained(self.sftp, (&self.options.path, 0), OPERATION, doing, &error).await)
            }
        }
    }

    /// Writes what comes into a new file of our own, flushed where that can be.
    async fn write_whole(&self, path: &[u8], mut taken: mpsc::Receiver<Bytes>) -> Result<()> {
        // What a push left that was cut off here.
        let _ = self.sftp.order(Order::Remove(path)).await;
        let handle = self.sftp.open_file(path, OpenFlags::CREATE_NEW, Some(FILE_MODE)).await?;
        let (mut writing, mut offset) = (Writing::new(self.sftp, handle), 0);
        while let Some(piece) = taken.recv().await {
            writing.write(offset, &piece).await?;
            offset += piece.len() as u64;
        }
        writing.finish(SetAttributes::default(), true).await
    }

    /// Replaces `name`, a file of our own in the metadata folder, in one step, flushed where that can be.
    pub(super) async fn replace(
        &self,
        at: &Remote,
        name: &str,
        content: Content,
        operation: &'static str,
    ) -> std::result::Result<(), Failure> {
        let path = self.within(at, name.as_bytes());
        let new = [&path[..], b".new"].concat();
        let (taken, reading) = pieces(content, operation);
        let writing = self.write_whole(&new, taken);
        let (written, read) = tokio::join!(writing, reading);
        read?;
        let placed = match written {
            Ok(()) => self.sftp.order(Order::RenameOver(&new, &path)).await,
            failed => failed,
        };
        match placed {
            Ok(()) => Ok(()),
            Err(error) => {
                let doing = format!("writing {name}");
                Err(explained(self.sftp, (&self.options.path, 0), operation, &doing, &error).await)
            }
        }
    }
}

/// Something stands where a folder has to be.
pub(super) fn in_the_way(name: &str) -> Failure {
    let what = format_args!("{name} has to be a folder there, and is a link or something else: move it away");
    Failure::new(FailureKind::Config, OPERATION, what)
}
