//! Large files in pieces that outlive a cut: each is an object of its own in the metadata folder, until the store joins them
//! under the file's name without their passing through here again.
//!
//! An upload in parts would be unseen while it lasts, but nobody can go on with one whose number was lost with the process, and
//! what there is of it cannot be asked for through every store. Objects can.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::StreamExt as _;
use opendal_core::{Buffer, Result};
use verisim_core::{Digest, Remote};

use super::far::Far;
use super::problem::present;
use super::sending::{PARTS_AT_ONCE, part_bytes};
use crate::native::folder;
use crate::native::partial::partial_name;
use crate::tree::Item;

/// How many pieces are removed after a push; a store that lists them for ever comes to an end.
const PIECES_SWEPT: usize = 1 << 20;

/// The pieces of one file as it is now.
#[derive(Debug, Clone)]
pub(super) struct Pieces {
    folder: String,
    piece: u64,
    size: u64,
}

impl Pieces {
    /// Those of a file that is worth it, where the store can join them.
    pub(super) fn of(far: &Far, to: &Remote, item: &Item) -> Option<Self> {
        let can_join = far.store.info().capability().write_can_copy_from && !far.options.store.has_folders();
        if !can_join || item.stamp.size < far.options.pieces_from.0 {
            return None;
        }
        // Those of another state of the file have another place.
        let stamp = Digest::of(format!("{:?}", item.stamp).as_bytes()).to_string();
        let stamp = stamp.split_at_checked(16).map_or(stamp.as_str(), |(short, _)| short);
        let folder = format!("{}/{}-{stamp}/", folder::PARTIAL, partial_name(&item.path));
        Some(Self {
            folder: far.within(to, folder.as_bytes()),
            piece: part_bytes(item.stamp.size) as u64,
            size: item.stamp.size,
        })
    }

    /// How long a piece is; the last one may be shorter.
    pub(super) fn bytes(&self) -> usize {
        usize::try_from(self.piece).unwrap_or(usize::MAX)
    }

    fn count(&self) -> u64 {
        self.size.div_ceil(self.piece)
    }

    fn name(&self, number: u64) -> String {
        format!("{}{number:05}", self.folder)
    }

    fn length(&self, number: u64) -> u64 {
        self.piece.min(self.size.saturating_sub(number.saturating_mul(self.piece)))
    }

    /// How many bytes of the file are there, from its beginning on.
    pub(super) async fn kept(&self, far: &Far) -> Result<u64> {
        let Some(listed) = present(far.store.lister(&self.folder).await)? else { return Ok(0) };
        let mut found = HashMap::new();
        // No file has more, whatever is listed.
        let most = usize::try_from(self.count()).unwrap_or(usize::MAX).saturating_add(1);
        let mut listed = listed.take(most);
        while let Some(entry) = listed.next().await {
            let entry = entry?;
            found.insert(entry.path().to_owned(), entry.metadata().content_length());
        }
        let is_there = |number: &u64| found.get(&self.name(*number)) == Some(&self.length(*number));
        let pieces = (0..self.count()).take_while(is_there).count() as u64;
        Ok(pieces.saturating_mul(self.piece).min(self.size))
    }

    /// Sends the piece that begins at `offset`.
    pub(super) async fn send(&self, far: &Far, offset: u64, bytes: Vec<Bytes>) -> Result<()> {
        far.store.write(&self.name(offset / self.piece), Buffer::from(bytes)).await.map(drop)
    }

    /// Joins them under the name of the file.
    pub(super) async fn join(&self, far: &Far, path: &str) -> Result<()> {
        let writer = far.store.writer_with(path).chunk(self.bytes()).concurrent(PARTS_AT_ONCE);
        let mut writer = writer.await?;
        for number in 0..self.count() {
            let copied = writer.copy_from(&self.name(number), 0..self.length(number)).await;
            if copied.is_err() {
                let _ = writer.abort().await;
                return copied;
            }
        }
        writer.close().await.map(drop)
    }
}

/// Removes what is left of pieces, of files that are whole and of states that are gone.
pub(super) async fn sweep(far: &Far, to: &Remote) -> Result<()> {
    let folder = format!("{}/", far.within(to, folder::PARTIAL.as_bytes()));
    let Some(listed) = present(far.store.lister_with(&folder).recursive(true).await)? else {
        return Ok(());
    };
    let mut listed = listed.take(PIECES_SWEPT);
    while let Some(entry) = listed.next().await {
        let entry = entry?;
        if entry.path() != folder {
            far.store.delete(entry.path()).await?;
        }
    }
    Ok(())
}
