//! Whose a folder is, and what Verisim keeps in it, asked over SFTP.

use bytes::Bytes;
use verisim_core::manifest::{MANIFEST_PATH, METADATA_DIR};
use verisim_core::{Digest, Failure, FailureKind, FileKind, Hasher, Remote};
use verisim_ssh::sftp::{OpenFlags, Order, READ_BYTES_MAX, Reads, Sftp, Status};
use verisim_ssh::{Error, Result};

use super::SftpOptions;
use super::problem::{failed, present};
use crate::identity::MARKER;
use crate::shell::absent;
use crate::tool::Look;

/// The longest marker that is read.
const MARKER_BYTES_MAX: u32 = 4096;
/// The longest manifest that is read to tell its hash: eight million files with names of 4 KiB would have more.
const MANIFEST_BYTES_MAX: u64 = 4 << 30;

/// The far side, as one operation sees it.
#[derive(Clone, Copy)]
pub(super) struct There<'a> {
    pub(super) sftp: &'a Sftp,
    pub(super) options: &'a SftpOptions,
}

/// The destination's root.
pub(super) struct RootThere {
    /// The identity that its marker names.
    pub(super) marker: Option<String>,
    pub(super) free_bytes: Option<u64>,
}

impl There<'_> {
    /// A path there, below the destination's root.
    pub(super) fn path(&self, below: &[u8]) -> Vec<u8> {
        let root = self.options.path.strip_suffix(b"/").unwrap_or(&self.options.path);
        [root, b"/", below].concat()
    }

    /// A path there, below the folder of a capture.
    pub(super) fn within(&self, at: &Remote, below: &[u8]) -> Vec<u8> {
        self.path(&[at.path.as_bytes(), b"/", below].concat())
    }

    /// Whether the destination's root is there, and what it is known by. Links on the way to it are the operator's.
    pub(super) async fn root(&self, operation: &'static str) -> std::result::Result<RootThere, Failure> {
        let root = self.options.path.as_slice();
        let refuse =
            |kind, what: &str| Err(Failure::new(kind, operation, format_args!("{} {what}", self.options)));
        match self.sftp.stat(root).await {
            Ok(found) if found.kind() == Some(FileKind::Directory) => {}
            Ok(_) => return refuse(FailureKind::Config, "is no folder: mend `path` of the destination"),
            Err(Error::Status { status: Status::NoSuchFile, .. }) => {
                return Err(absent(self.options, operation));
            }
            Err(Error::Status { status: Status::PermissionDenied, .. }) => {
                return refuse(FailureKind::Denied, "cannot be looked into: let the account there read it");
            }
            Err(error) => return Err(failed(operation, &self.options.to_string(), &error)),
        }
        let marker = self.line(&self.path(MARKER.as_bytes())).await;
        let marker = marker.map_err(|error| failed(operation, "reading the destination's marker", &error))?;
        let free_bytes = match self.sftp.extensions().statvfs {
            true => self.sftp.space(root).await.ok().filter(|space| space.blocks > 0),
            false => None,
        };
        Ok(RootThere { marker, free_bytes: free_bytes.map(|space| space.available_bytes) })
    }

    /// Whose the folder is. Changes nothing, and reads through no link.
    pub(super) async fn look(
        &self,
        at: &Remote,
        operation: &'static str,
    ) -> std::result::Result<Look, Failure> {
        let root = self.root(operation).await?;
        let mut look = Look { marker: root.marker, free_bytes: root.free_bytes, ..Look::default() };
        let lost = |error: Error| failed(operation, &format!("looking at {}", at.path), &error);
        let bytes = at.path.as_bytes();
        let above = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
        for end in above.chain([bytes.len()]) {
            let (prefix, _) = bytes.split_at(end);
            let shown = || Some(String::from_utf8_lossy(prefix).into_owned());
            match self.kind(&self.path(prefix)).await.map_err(lost)? {
                None => return Ok(look),
                Some(FileKind::Directory) => {}
                Some(_) => {
                    look.in_the_way = shown();
                    return Ok(look);
                }
            }
            let metadata = [prefix, b"/", METADATA_DIR.as_bytes()].concat();
            let owner = match self.kind(&self.path(&metadata)).await.map_err(lost)? {
                None => None,
                Some(FileKind::Directory) => {
                    self.line(&self.path(&[&metadata[..], b"/owner"].concat())).await.map_err(lost)?
                }
                Some(_) => {
                    look.in_the_way = shown();
                    return Ok(look);
                }
            };
            match end == bytes.len() {
                false => look.above = look.above.or(owner),
                true => (look.exists, look.owner) = (true, owner),
            }
        }
        if look.owner.is_none() {
            look.has_content = self.has_content(at).await.map_err(lost)?;
        }
        Ok(look)
    }

    /// Whether anything stands in the folder but what an interrupted claim leaves.
    async fn has_content(&self, at: &Remote) -> Result<bool> {
        let is_ours = |name: &[u8]| name.starts_with(b"owner.new") || name == b"partial";
        let metadata = METADATA_DIR.as_bytes();
        if self.has_other(&self.path(at.path.as_bytes()), &|name| name == metadata).await? {
            return Ok(true);
        }
        Ok(present(self.has_other(&self.within(at, metadata), &is_ours).await)?.unwrap_or(false))
    }

    /// Whether the directory holds a name that is none of `ours`.
    async fn has_other(&self, directory: &[u8], ours: &(dyn Fn(&[u8]) -> bool + Sync)) -> Result<bool> {
        let handle = self.sftp.open_directory(directory).await?;
        let found = loop {
            match self.sftp.read_directory(&handle).await {
                Ok(Some(entries)) => {
                    if entries.iter().any(|entry| !is_dots(&entry.name) && !ours(&entry.name)) {
                        break Ok(true);
                    }
                }
                Ok(None) => break Ok(false),
                Err(error) => break Err(error),
            }
        };
        self.sftp.order(Order::Close(&handle)).await?;
        found
    }

    /// The hash of the sealed manifest, where there is one.
    pub(super) async fn sealed(
        &self,
        at: &Remote,
        operation: &'static str,
    ) -> std::result::Result<Option<Digest>, Failure> {
        let path = self.within(at, MANIFEST_PATH.as_bytes());
        let reading = async {
            if self.kind(&path).await? != Some(FileKind::Regular) {
                return Ok(None);
            }
            let handle = self.sftp.open_file(&path, OpenFlags::READ, None).await?;
            let mut hasher = Hasher::new();
            let read = Reads::new(self.sftp, &handle, 0, MANIFEST_BYTES_MAX)
                .pump(|piece| hasher.update(piece))
                .await;
            self.sftp.order(Order::Close(&handle)).await?;
            read.map(|_| Some(hasher.finish()))
        };
        reading.await.map_err(|error| failed(operation, "reading the manifest", &error))
    }

    /// What stands under a name; a link is one.
    pub(super) async fn kind(&self, path: &[u8]) -> Result<Option<FileKind>> {
        let found = present(self.sftp.lstat(path).await)?;
        Ok(found.map(|found| found.kind().unwrap_or(FileKind::Special)))
    }

    /// The first line of a small regular file.
    async fn line(&self, path: &[u8]) -> Result<Option<String>> {
        if self.kind(path).await? != Some(FileKind::Regular) {
            return Ok(None);
        }
        let Some(handle) = present(self.sftp.open_file(path, OpenFlags::READ, None).await)? else {
            return Ok(None);
        };
        let read = self.sftp.send_read(&handle, 0, MARKER_BYTES_MAX.min(READ_BYTES_MAX)).await?;
        let closed = self.sftp.send(Order::Close(&handle)).await?;
        let (text, closed): (Result<Option<Bytes>>, _) = (read.done().await, closed.done().await);
        closed?;
        let text = text?.unwrap_or_default();
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line).trim().to_owned();
        Ok(Some(line).filter(|line| !line.is_empty()))
    }
}

/// Whether a name is that of the directory itself, or of the one above.
pub(super) fn is_dots(name: &[u8]) -> bool {
    name == b"." || name == b".."
}
