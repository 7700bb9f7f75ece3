//! Which files there are, where people and services leave traces.

use std::collections::VecDeque;

use futures_util::StreamExt as _;
use verisim_core::{DecoyPath, FileKind, ListingEntry, StatRequest};

use super::{CALLS_AT_ONCE, Collector};
use crate::case::is_machine_made;
use crate::evidence::{Entry, Layout, Looked};

/// Where traces of people and services are, on a host.
const PLACES: [&str; 15] = [
    "/home",
    "/root",
    "/srv",
    "/data",
    "/shares",
    "/var/www",
    "/var/mail",
    "/var/spool",
    "/var/log",
    "/var/backups",
    "/etc",
    "/opt",
    "/usr/local",
    "/tmp",
    "/var/tmp",
];
/// How deep it is looked.
const DEPTH_MAX: usize = 24;
/// How many entries of a folder are looked at that programs fill.
const MACHINE_MADE_MAX: usize = 100;

impl Collector<'_> {
    /// Looks at folder after folder, the shallow ones first, so that a deep one hides nothing else.
    pub(super) async fn walk(&mut self) {
        let mut waiting: VecDeque<DecoyPath> = self.places().into();
        for place in &waiting {
            if let Some(stat) = self.stat(place).await {
                self.found.entries.push(Entry { path: place.clone(), stat, looked: Looked::default() });
            }
        }
        let mut cut = 0_usize;
        while let Some(dir) = waiting.pop_front() {
            let room = self.options.limits.entries_max.saturating_sub(self.found.entries.len());
            if room == 0 {
                self.leave_out(&format!(
                    "{} folders and more, after {} entries",
                    waiting.len() + 1,
                    self.options.limits.entries_max
                ));
                break;
            }
            let bound =
                if is_machine_made(&dir) { MACHINE_MADE_MAX } else { self.options.limits.directory_max };
            let Ok(listing) = self.connector.list(&dir, room.min(bound)).await else { continue };
            cut += usize::from(listing.more && !is_machine_made(&dir));
            let deep = dir.components().count() >= DEPTH_MAX;
            for folder in self.look_at_each(listing.entries).await {
                if !deep {
                    waiting.push_back(folder);
                }
            }
        }
        if cut > 0 {
            self.leave_out(&format!("entries of {cut} folders that have very many"));
        }
    }

    fn places(&self) -> Vec<DecoyPath> {
        if self.found.layout != Layout::Host {
            return vec![DecoyPath::root()];
        }
        let mut places: Vec<DecoyPath> =
            PLACES.iter().filter_map(|place| DecoyPath::new(place).ok()).collect();
        // Homes elsewhere, of accounts that people have.
        for account in self.found.accounts.iter().flatten().filter(|account| account.is_person()) {
            if let Ok(home) = DecoyPath::new(&account.home)
                && home.file_name().is_some()
                && !places.iter().any(|place| home.starts_with(place) || place.starts_with(&home))
                && places.len() < 200
            {
                places.push(home);
            }
        }
        places
    }

    /// Keeps what is known of each entry; answers the folders.
    async fn look_at_each(&mut self, listed: Vec<ListingEntry>) -> Vec<DecoyPath> {
        let listed: Vec<ListingEntry> =
            listed.into_iter().filter(|entry| !self.is_excluded(&entry.path)).collect();
        let connector = self.connector;
        let mut asked = futures_util::stream::iter(listed)
            .map(|entry| async move {
                let stat = connector.stat(&entry.path, StatRequest::Plain).await.ok().flatten();
                (entry.path, stat)
            })
            .buffered(CALLS_AT_ONCE);
        let mut folders = Vec::new();
        while let Some((path, stat)) = asked.next().await {
            let Some(stat) = stat else { continue };
            if stat.kind == FileKind::Directory {
                folders.push(path.clone());
            }
            self.found.entries.push(Entry { path, stat, looked: Looked::default() });
        }
        folders
    }
}
