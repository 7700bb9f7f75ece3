//! What an interrupted push has left there.

use std::collections::{HashMap, HashSet};

use verisim_core::{Failure, FileKind, RelPath};
use verisim_ssh::Result;
use verisim_ssh::sftp::{Entry, Order};

use super::directories::Looks;
use super::look::is_dots;
use super::problem::{changing, present};
use crate::journal::Done;
use crate::native::copy::RESUME_BYTES_MIN;
use crate::native::folder;
use crate::native::partial::{PARTIAL_NAME_BYTES, partial_name};
use crate::tool::Local;
use crate::tree::ENTRIES_MAX;

const OPERATION: &str = "sftp.push";
/// How much of a partial copy is sent again: its end is the part that a crash there may have spoiled.
const RESUME_OVERLAP: u64 = 4 << 20;
/// What is kept is a multiple of this.
const RESUME_GRAIN: u64 = 1 << 20;
/// How many are removed at once.
const AT_ONCE: usize = 64;

impl Looks<'_> {
    /// How many bytes of which files (by their positions) are there already, and count. What nobody will go on with is removed.
    pub(super) async fn prepare_partial(
        &self,
        local: &Local,
        positions: &[usize],
    ) -> std::result::Result<HashMap<usize, u64>, Failure> {
        let items = local.items();
        let mut begun: HashMap<String, (usize, u64)> = HashMap::new();
        for at in positions {
            let Some(item) = items.get(*at) else { continue };
            if item.stamp.size >= RESUME_BYTES_MIN && local.is_begun_from(item) {
                begun.insert(partial_name(&item.path), (*at, item.stamp.size));
            }
        }
        let (mut kept, mut useless) = (HashMap::new(), Vec::new());
        let doing = "looking for partial copies";
        for entry in self.entries().await.map_err(|error| changing(OPERATION, doing, &error))? {
            let known = std::str::from_utf8(&entry.name).ok().and_then(|name| begun.get(name));
            match known.and_then(|(at, size)| Some((*at, counts(&entry, *size)?))) {
                Some((at, bytes)) => {
                    kept.insert(at, bytes);
                }
                // Whoever may change the folder may have put a link to another one in its place this very moment: nothing is
                // removed that is not called like a copy of ours.
                None if is_ours(&entry) => useless.push(entry.name),
                None => {}
            }
        }
        for some in useless.chunks(AT_ONCE) {
            let names: Vec<Vec<u8>> = some.iter().map(|name| self.partial(name)).collect();
            let orders: Vec<Order<'_>> = names.iter().map(|name| Order::Remove(name)).collect();
            for removed in self.there.sftp.orders(&orders).await {
                // What will not go is met again, if its name is needed.
                if let Err(error) = removed
                    && !error.is_answer()
                {
                    return Err(changing(OPERATION, "removing partial copies", &error));
                }
            }
        }
        Ok(kept)
    }

    /// The path of a partial copy.
    pub(super) fn partial(&self, name: &[u8]) -> Vec<u8> {
        self.there.within(self.to, &[folder::PARTIAL.as_bytes(), b"/", name].concat())
    }

    async fn entries(&self) -> Result<Vec<Entry>> {
        let directory = self.there.within(self.to, folder::PARTIAL.as_bytes());
        let handle = self.there.sftp.open_directory(&directory).await?;
        let mut out = Vec::new();
        while let Some(entries) = self.there.sftp.read_directory(&handle).await? {
            out.extend(
                entries.into_iter().filter(|entry| !is_dots(&entry.name) && !entry.name.contains(&b'/')),
            );
            if out.len() >= ENTRIES_MAX {
                break;
            }
        }
        self.there.sftp.order(Order::Close(&handle)).await?;
        Ok(out)
    }

    /// What was sent by a push that never ended, and is not in the capture any more or is something else there now, is put aside
    /// there and never deleted: it would count as foreign, or be overwritten.
    pub(super) async fn set_aside(&self, gone: &[(RelPath, Done)]) -> std::result::Result<(), Failure> {
        let mut made: HashSet<&str> = HashSet::new();
        for (path, done) in gone {
            let doing = format!("putting aside {path}");
            let from = self.there.within(self.to, path.as_bytes());
            let found = present(self.there.sftp.lstat(&from).await);
            let found = found.map_err(|error| changing(OPERATION, &doing, &error))?;
            if found.is_none_or(|found| found.kind() == Some(FileKind::Directory)) {
                continue;
            }
            self.parent_of(path.as_bytes()).await?;
            if made.insert(folder::ASIDE) {
                let aside = self.there.within(self.to, folder::ASIDE.as_bytes());
                self.there.make_folder(&aside, 0o755).await?;
            }
            let hash = done.sha256.to_string();
            let name = format!("{}/{}-{}", folder::ASIDE, partial_name(path), hash.split_at(16).0);
            let to = self.there.within(self.to, name.as_bytes());
            let moved = self.there.sftp.order(Order::RenameOver(&from, &to)).await;
            moved.map_err(|error| changing(OPERATION, &doing, &error))?;
        }
        Ok(())
    }
}

/// Whether an entry is a file with such a name as partial copies have.
fn is_ours(entry: &Entry) -> bool {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    entry.attributes.kind() == Some(FileKind::Regular)
        && entry.name.len() == PARTIAL_NAME_BYTES
        && entry.name.iter().all(is_hex)
}

/// How many bytes of a partial copy of a file of this size count; `None`: nothing. Another name for it would be a file elsewhere
/// that we wrote into, and only the line that OpenSSH adds to an entry tells how many it has.
fn counts(entry: &Entry, size: u64) -> Option<u64> {
    let there = entry.attributes.size.filter(|there| *there <= size)?;
    let line = String::from_utf8_lossy(&entry.long);
    let has_one_name = line.split_ascii_whitespace().nth(1) == Some("1");
    let kept = there.saturating_sub(RESUME_OVERLAP);
    let kept = kept - kept % RESUME_GRAIN;
    (has_one_name && entry.attributes.kind() == Some(FileKind::Regular) && kept > 0).then_some(kept)
}
