//! The far side: whose a folder is, and what Verisim keeps in it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use opendal_core::{Buffer, ErrorKind, Operator};
use verisim_core::manifest::{MANIFEST_PATH, METADATA_DIR};
use verisim_core::{Digest, Failure, Hasher, RelPath, Remote};

use super::body::Coming;
use super::http::Http;
use super::names::text;
use super::options::ObjectOptions;
use super::problem::{changing, failed, is_unknown_there, present};
use super::sending::PART_BYTES_MIN;
use super::store;
use crate::errno::{Side, failure};
use crate::identity::MARKER;
use crate::native::folder;
use crate::reading::{Content, pieces};
use crate::tool::Look;

/// The longest marker that is read.
const MARKER_BYTES_MAX: usize = 4096;
/// Where objects are made before they get their names, where they would be seen.
const STAGE: &str = ".verisim-partial";
/// How many entries of a folder are looked at to see whether anything stands in it.
const ENTRIES_LOOKED_AT: usize = 1000;
/// The longest manifest that is read to tell its hash: eight million files with names of 4 KiB would have more.
const MANIFEST_BYTES_MAX: u64 = 4 << 30;

/// The far side, as one operation sees it.
#[derive(Clone)]
pub(super) struct Far {
    pub(super) store: Operator,
    pub(super) http: Http,
    pub(super) options: Arc<ObjectOptions>,
}

impl Far {
    /// A path in the store, below the destination's folder.
    pub(super) fn path(&self, below: &str) -> String {
        match self.options.path.as_str() {
            "" => below.to_owned(),
            folder => format!("{folder}/{below}"),
        }
    }

    /// The folder of a capture.
    pub(super) fn folder(&self, at: &Remote) -> String {
        self.path(&text(&at.path))
    }

    /// A path in it.
    pub(super) fn within(&self, at: &Remote, below: &[u8]) -> String {
        format!("{}/{}", self.folder(at), String::from_utf8_lossy(below))
    }

    /// Whose the folder is. Changes nothing.
    pub(super) async fn look(&self, at: &Remote, operation: &'static str) -> Result<Look, Failure> {
        let lost = |error| failed(operation, &format!("looking at {} in {}", at.path, self.options), &error);
        let mut look = Look { marker: self.line(&self.path(MARKER)).await.map_err(lost)?, ..Look::default() };
        let path = text(&at.path);
        for (end, _) in path.match_indices('/') {
            let (above, _) = path.split_at(end);
            let marker = self.path(&format!("{above}/{}", folder::OWNER));
            look.above = look.above.or(self.line(&marker).await.map_err(lost)?);
        }
        look.owner = self.line(&self.within(at, folder::OWNER.as_bytes())).await.map_err(lost)?;
        look.exists = look.owner.is_some();
        if look.owner.is_none() {
            (look.exists, look.has_content) = self.content(&self.folder(at)).await.map_err(lost)?;
        }
        Ok(look)
    }

    /// Whether anything stands in the folder, and whether anything but our own.
    async fn content(&self, path: &str) -> opendal_core::Result<(bool, bool)> {
        let (folder, ours) = (format!("{path}/"), format!("{path}/{METADATA_DIR}/"));
        let Some(found) = present(self.store.lister(&folder).await)? else { return Ok((false, false)) };
        // Two of them may be ours; who lists those for ever is not listened to for ever.
        let mut found = found.take(ENTRIES_LOOKED_AT);
        let mut exists = false;
        while let Some(entry) = found.next().await {
            let Some(entry) = present(entry)? else { break };
            let is_itself = entry.path() == folder;
            exists |= !is_itself || self.options.store.has_folders();
            if !is_itself && entry.path() != ours {
                return Ok((true, true));
            }
        }
        Ok((exists, false))
    }

    /// Whether names that begin with a dot are listed, as that of the destination's marker; `None` where it has none yet. Some
    /// servers of files hide them.
    pub(super) async fn lists_dots(&self) -> opendal_core::Result<Option<bool>> {
        let marker = self.path(MARKER);
        if self.line(&marker).await?.is_none() {
            return Ok(None);
        }
        let root = marker.strip_suffix(MARKER).filter(|root| !root.is_empty()).unwrap_or("/");
        let Some(mut listed) = present(self.store.lister(root).await)? else { return Ok(None) };
        while let Some(entry) = listed.next().await {
            if entry?.path() == marker {
                return Ok(Some(true));
            }
        }
        Ok(Some(false))
    }

    /// The first line of a small object.
    async fn line(&self, path: &str) -> opendal_core::Result<Option<String>> {
        let mut said = Vec::new();
        let reading = async {
            let mut pieces = self.store.reader(path).await?.into_stream(..).await?;
            while let Some(piece) = pieces.try_next().await? {
                let room = MARKER_BYTES_MAX.saturating_sub(said.len());
                said.extend(piece.to_bytes().iter().take(room));
                if said.len() == MARKER_BYTES_MAX {
                    break;
                }
            }
            Ok(())
        };
        if present(reading.await)?.is_none() {
            return Ok(None);
        }
        let line = said.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line).trim().to_owned();
        Ok(Some(line).filter(|line| !line.is_empty()))
    }

    /// Reads an object to its end, or to `bytes_max`, and hands it over piece by piece. Says how much came.
    pub(super) async fn read(
        &self,
        path: &str,
        bytes_max: u64,
        mut each: impl FnMut(&Bytes) + Send,
    ) -> opendal_core::Result<u64> {
        let mut pieces = self.store.reader(path).await?.into_stream(..).await?;
        let mut read = 0_u64;
        while read < bytes_max
            && let Some(piece) = pieces.try_next().await?
        {
            for bytes in piece {
                read = read.saturating_add(bytes.len() as u64);
                each(&bytes);
            }
        }
        Ok(read)
    }

    /// The hash of the sealed manifest, where there is one.
    pub(super) async fn sealed(
        &self,
        at: &Remote,
        operation: &'static str,
    ) -> Result<Option<Digest>, Failure> {
        let path = self.within(at, MANIFEST_PATH.as_bytes());
        let mut hasher = Hasher::new();
        let read = self.read(&path, MANIFEST_BYTES_MAX, |piece| hasher.update(piece)).await;
        let read = present(read).map_err(|error| failed(operation, "reading the manifest", &error))?;
        Ok(read.map(|_| hasher.finish()))
    }

    /// Puts a file of our own there. It appears, or replaces what was there, once it is whole.
    pub(super) async fn put(
        &self,
        path: &str,
        content: Content,
        operation: &'static str,
    ) -> Result<(), Failure> {
        let unwritten = |error| changing(operation, &format!("writing {path}"), &error);
        let place = self.place(path);
        if !self.takes_parts() {
            self.put_at_once(&place, content, operation).await?;
            return self.appear(&place, path).await.map_err(unwritten);
        }
        let writer = self.store.writer_with(&place).chunk(PART_BYTES_MIN).await;
        let mut writer = writer.map_err(unwritten)?;
        let (taken, reading) = pieces(content, operation);
        let writing = async {
            // It goes with this future, so that the reader ends when the store takes no more.
            let mut taken = taken;
            while let Some(piece) = taken.recv().await {
                writer.write(piece).await?;
            }
            Ok(())
        };
        let (written, read) = tokio::join!(writing, reading);
        written.map_err(unwritten)?;
        read?;
        writer.close().await.map_err(unwritten)?;
        self.appear(&place, path).await.map_err(unwritten)
    }

    /// Puts a file of our own there in one request.
    async fn put_at_once(
        &self,
        place: &str,
        content: Content,
        operation: &'static str,
    ) -> Result<(), Failure> {
        let unread = |error| failure(Side::State, operation, "reading what is to be sent", &error);
        let bytes = match &content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File(path) => tokio::fs::metadata(path).await.map_err(unread)?.len(),
        };
        let (pieces, reading) = pieces(content, operation);
        let (written, read) = tokio::join!(self.stream(place, Coming { pieces, bytes }, operation), reading);
        // That it was shorter than it was said to be is the reader's to explain.
        read.and(written)
    }

    /// Whether it takes a large object in parts.
    pub(super) fn takes_parts(&self) -> bool {
        self.store.info().capability().write_can_multi
    }

    /// Writes an object in one request, while its content comes.
    pub(super) async fn stream(
        &self,
        place: &str,
        coming: Coming,
        operation: &'static str,
    ) -> Result<(), Failure> {
        let store = store::operator(&self.options, self.http.of_one(coming), operation)?;
        let written = store.write(place, Buffer::new()).await;
        written.map(drop).map_err(|error| changing(operation, &format!("writing {place}"), &error))
    }

    /// Where an object is made that is to get this name: under it, where it is not seen before it is whole.
    pub(super) fn place(&self, path: &str) -> String {
        match self.options.store.has_folders() {
            false => path.to_owned(),
            true => {
                let name = Digest::of(path.as_bytes()).to_string();
                self.path(&format!("{STAGE}/{name}"))
            }
        }
    }

    /// Makes the folder for what is not whole, where there is one.
    pub(super) async fn make_stage(&self) -> opendal_core::Result<()> {
        match self.options.store.has_folders() {
            true => self.store.create_dir(&format!("{}/", self.path(STAGE))).await,
            false => Ok(()),
        }
    }

    /// Gives what was made at `place` its name.
    pub(super) async fn appear(&self, place: &str, path: &str) -> opendal_core::Result<()> {
        if place == path { Ok(()) } else { self.store.rename(place, path).await }
    }

    /// Copies what stands under a name to the files that are kept apart, and removes it there.
    pub(super) async fn put_aside(
        &self,
        at: &Remote,
        (path, kept): (&RelPath, &str),
    ) -> opendal_core::Result<()> {
        let from = self.within(at, path.as_bytes());
        let to = self.within(at, format!("{}/{kept}", folder::ASIDE).as_bytes());
        if present(self.store.copy(&from, &to).await)?.is_some() {
            self.store.delete(&from).await?;
        }
        Ok(())
    }

    /// Writes an object where there is none; one that is there stays.
    pub(super) async fn put_new(&self, path: &str, text: String) -> opendal_core::Result<()> {
        let content = Buffer::from(text);
        let written = match self.store.info().capability().write_with_if_not_exists {
            true => self.store.write_with(path, content.clone()).if_not_exists(true).await,
            false => return self.store.write(path, content).await.map(drop),
        };
        match written {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::ConditionNotMatch => Ok(()),
            Err(error) if is_unknown_there(&error) => self.store.write(path, content).await.map(drop),
            Err(error) => Err(error),
        }
    }
}
