//! What is in the files of people: their hashes, documents, mail.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::StreamExt as _;
use verisim_core::{ByteCount, ByteRange, DecoyPath, Digest};

use super::{CALLS_AT_ONCE, Collector};
use crate::case::{is_machine_made, is_of_people};
use crate::evidence::{Layout, Looked, Mailbox, NamedDocument};
use crate::read::{document, mbox, message};

/// How many files are read whole.
const FILES_MAX: usize = 20_000;
/// How much is read of a document or a mailbox.
const LARGE_BYTES_MAX: u64 = 8 << 20;
/// How many documents are read.
const DOCUMENTS_MAX: usize = 500;
/// How many messages of one folder of mail are read, and how many mailboxes.
const MESSAGES_MAX: usize = 2_000;
const MAILBOXES_MAX: usize = 200;
/// The headers of a message.
const HEADERS_BYTES: u64 = 16 << 10;
/// Folders of a Maildir.
const MAILDIR: [&str; 3] = ["cur", "new", "tmp"];
/// Endings of documents that tell who made them.
const DOCUMENTS: [&[u8]; 7] = [b".docx", b".xlsx", b".pptx", b".odt", b".ods", b".odp", b".pdf"];

impl Collector<'_> {
    pub(super) async fn look_at_contents(&mut self) {
        self.hash_files().await;
        self.look_at_documents().await;
        self.look_at_mail().await;
    }

    /// Reads many files, each up to its own bound, as far as the bytes go.
    async fn read_many(&mut self, wanted: Vec<(usize, u64)>) -> Vec<(usize, Bytes)> {
        let mut asked = Vec::new();
        for (at, length) in wanted {
            let Some(entry) = self.found.entries.get(at) else { continue };
            let expected = length.min(entry.stat.size.max(1));
            if expected > self.bytes_left {
                self.leave_out(&format!("files after the first {} MiB", self.options.limits.bytes_max >> 20));
                break;
            }
            self.bytes_left -= expected;
            asked.push((at, entry.path.clone(), expected));
        }
        let connector = self.connector;
        futures_util::stream::iter(asked)
            .map(|(at, path, length)| async move {
                let range = ByteRange { offset: 0, length: ByteCount(length) };
                connector.read(&path, range).await.ok().map(|bytes| (at, bytes))
            })
            .buffered(CALLS_AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await
    }

    async fn hash_files(&mut self) {
        let bound = self.options.limits.file_bytes_max;
        let is_whole_tree = self.found.layout != Layout::Host;
        let wanted: Vec<(usize, u64)> = (self.found.entries.iter().enumerate())
            .filter(|(_, entry)| entry.is_file() && (is_whole_tree || is_of_people(&entry.path)))
            .filter(|(_, entry)| entry.stat.size <= bound && !is_machine_made(&entry.path))
            .map(|(at, _)| (at, bound))
            .take(FILES_MAX)
            .collect();
        let read = self.read_many(wanted).await;
        for (at, bytes) in read {
            let Some(entry) = self.found.entries.get_mut(at) else { continue };
            // One that grew meanwhile was not read whole.
            if bytes.len() as u64 == entry.stat.size {
                entry.stat.sha256 = Some(Digest::of(&bytes));
            }
            let head = &bytes[..bytes.len().min(200)];
            entry.looked = Looked {
                is_script: head.starts_with(b"#!"),
                is_private_key: head.starts_with(b"-----BEGIN ")
                    && head.windows(11).any(|window| window == b"PRIVATE KEY"),
            };
        }
    }

    async fn look_at_documents(&mut self) {
        let is_document = |path: &DecoyPath| {
            let name = path.file_name().unwrap_or_default().to_ascii_lowercase();
            DOCUMENTS.iter().any(|ending| name.ends_with(ending))
        };
        let is_whole_tree = self.found.layout != Layout::Host;
        let wanted: Vec<(usize, u64)> = (self.found.entries.iter().enumerate())
            .filter(|(_, entry)| {
                entry.is_file() && is_document(&entry.path) && entry.stat.size <= LARGE_BYTES_MAX
            })
            .filter(|(_, entry)| is_whole_tree || is_of_people(&entry.path))
            .filter(|(_, entry)| !is_machine_made(&entry.path))
            .map(|(at, _)| (at, LARGE_BYTES_MAX))
            .take(DOCUMENTS_MAX)
            .collect();
        for (at, bytes) in self.read_many(wanted).await {
            if let Some(entry) = self.found.entries.get(at)
                && let Some(document) = document(&bytes)
            {
                let (path, mtime) = (entry.path.clone(), entry.stat.mtime);
                self.found.documents.push(NamedDocument { path, mtime, document });
            }
        }
    }

    async fn look_at_mail(&mut self) {
        for (folder, missing) in self.maildirs() {
            let wanted: Vec<(usize, u64)> = (self.found.entries.iter().enumerate())
                .filter(|(_, entry)| entry.is_file() && is_message_of(&entry.path, &folder))
                .map(|(at, _)| (at, HEADERS_BYTES))
                .take(MESSAGES_MAX)
                .collect();
            let mut messages = Vec::new();
            for (at, bytes) in self.read_many(wanted).await {
                let Some(entry) = self.found.entries.get(at) else { continue };
                let name = String::from_utf8_lossy(entry.name()).into_owned();
                messages.push((Some(entry.stat.mtime), name, message(&bytes)));
            }
            self.found.mailboxes.push(Mailbox { path: folder, is_maildir: true, missing, messages });
        }
        let is_spool = |path: &DecoyPath| {
            let parent = path.parent();
            let parent = parent.as_ref().map_or(&b""[..], |parent| parent.as_bytes());
            let name = path.file_name().unwrap_or_default();
            parent == b"/var/mail"
                || parent == b"/var/spool/mail"
                || name == b"mbox"
                || name.ends_with(b".mbox")
        };
        let wanted: Vec<(usize, u64)> = (self.found.entries.iter().enumerate())
            .filter(|(_, entry)| entry.is_file() && is_spool(&entry.path))
            .map(|(at, _)| (at, LARGE_BYTES_MAX))
            .take(MAILBOXES_MAX)
            .collect();
        for (at, bytes) in self.read_many(wanted).await {
            let Some(entry) = self.found.entries.get(at) else { continue };
            let messages = mbox(&bytes).into_iter().map(|message| (None, String::new(), message)).collect();
            let path = entry.path.clone();
            self.found.mailboxes.push(Mailbox { path, is_maildir: false, missing: Vec::new(), messages });
        }
    }

    /// Folders that hold at least two of `cur`, `new` and `tmp`, with what is missing; and those that are called so.
    fn maildirs(&self) -> Vec<(DecoyPath, Vec<&'static str>)> {
        let mut found: BTreeMap<DecoyPath, BTreeSet<&'static str>> = BTreeMap::new();
        let folders =
            self.found.entries.iter().filter(|entry| entry.stat.kind == verisim_core::FileKind::Directory);
        for entry in folders {
            if entry.name() == b"Maildir" {
                found.entry(entry.path.clone()).or_default();
            }
            if let Some(part) = MAILDIR.iter().find(|part| part.as_bytes() == entry.name())
                && let Some(parent) = entry.path.parent()
            {
                found.entry(parent).or_default().insert(part);
            }
        }
        let missing = |there: &BTreeSet<&'static str>| {
            MAILDIR.into_iter().filter(|part| !there.contains(part)).collect::<Vec<_>>()
        };
        found
            .into_iter()
            .filter(|(path, there)| there.len() >= 2 || path.file_name() == Some(b"Maildir"))
            .map(|(path, there)| (path, missing(&there)))
            .take(MAILBOXES_MAX)
            .collect()
    }
}

/// Whether a path is a message of a Maildir: in its `cur` or `new`, or right in it, where no server puts any.
fn is_message_of(path: &DecoyPath, folder: &DecoyPath) -> bool {
    let Some(parent) = path.parent() else { return false };
    if parent == *folder {
        return !path.file_name().unwrap_or_default().starts_with(b"dovecot");
    }
    let is_kept = matches!(parent.file_name(), Some(b"cur" | b"new"));
    is_kept && parent.parent().as_ref() == Some(folder)
}
