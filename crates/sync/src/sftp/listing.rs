//! Which files there are, listed over SFTP: several directories at once, and no link is followed.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use verisim_core::{Failure, FailureKind, FileKind, RelPath, Remote};
use verisim_ssh::Result;
use verisim_ssh::sftp::{Entry, Order};

use super::look::{There, is_dots};
use super::problem::failed;
use crate::tree::ENTRIES_MAX;

/// How many directories are listed at once.
const AT_ONCE: usize = 16;

impl There<'_> {
    /// Every regular file below the folder but those of the metadata folder, with its size, sorted.
    pub(super) async fn files(
        &self,
        at: &Remote,
        operation: &'static str,
    ) -> std::result::Result<Vec<(RelPath, u64)>, Failure> {
        let refuse = |kind, what: &dyn std::fmt::Display| {
            Failure::new(kind, operation, format_args!("{}: {what}", at.path))
        };
        let (mut files, mut entries) = (Vec::new(), 0_usize);
        let mut open: Vec<Option<RelPath>> = vec![None];
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < AT_ONCE
                && let Some(directory) = open.pop()
            {
                under_way.push(async move {
                    let below = directory.as_ref().map_or(&b"."[..], RelPath::as_bytes);
                    let found = self.entries(&self.within(at, below)).await;
                    (directory, found)
                });
            }
            let Some((directory, found)) = under_way.next().await else { break };
            let shown = || directory.as_ref().map_or_else(|| at.path.to_string(), ToString::to_string);
            let found = found.map_err(|error| failed(operation, &format!("listing {}", shown()), &error))?;
            entries = entries.saturating_add(found.len());
            if entries > ENTRIES_MAX {
                return Err(refuse(FailureKind::Config, &"the folder has more than 8,000,000 entries"));
            }
            for entry in found.into_iter().filter(|entry| !is_dots(&entry.name)) {
                let path = match &directory {
                    // A name with a slash in it is none.
                    _ if entry.name.contains(&b'/') => RelPath::new(b""),
                    Some(directory) => directory.join(&entry.name),
                    None => RelPath::new(&entry.name),
                };
                let path = path
                    .map_err(|_| refuse(FailureKind::Unknown, &"the server names a file that cannot be"))?;
                if path.is_metadata() {
                    continue;
                }
                match entry.attributes.kind() {
                    Some(FileKind::Regular) => files.push((path, entry.attributes.size.unwrap_or(0))),
                    Some(FileKind::Directory) => open.push(Some(path)),
                    Some(_) => {}
                    None => {
                        return Err(refuse(
                            FailureKind::Unsupported,
                            &"the server does not say what is a file and what is none",
                        ));
                    }
                }
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    /// The entries of one directory.
    async fn entries(&self, directory: &[u8]) -> Result<Vec<Entry>> {
        let handle = self.sftp.open_directory(directory).await?;
        let mut out = Vec::new();
        while let Some(entries) = self.sftp.read_directory(&handle).await? {
            out.extend(entries.into_iter().map(|entry| Entry { long: bytes::Bytes::new(), ..entry }));
            if out.len() > ENTRIES_MAX {
                break;
            }
        }
        self.sftp.order(Order::Close(&handle)).await?;
        Ok(out)
    }
}
