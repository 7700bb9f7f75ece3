//! How far a push is.

use std::sync::atomic::{AtomicU64, Ordering};

use verisim_core::{Inventory, Progress, ProgressSink};

use crate::journal::Known;
use crate::native::copy::BUFFER_BYTES;
use crate::tree::{Item, Kind};

/// Counts what is done and tells it.
pub(super) struct Meter<'a> {
    total: Inventory,
    found: Inventory,
    files: AtomicU64,
    bytes: AtomicU64,
    sent_bytes: AtomicU64,
    sink: &'a dyn ProgressSink,
}

impl<'a> Meter<'a> {
    pub(super) fn new(items: &[Item], known: &[Known], sink: &'a dyn ProgressSink) -> Self {
        let (mut total, mut found) = (Inventory::default(), Inventory::default());
        for (item, known) in items.iter().zip(known).filter(|(item, _)| item.kind == Kind::File) {
            total.files += 1;
            total.bytes += item.stamp.size;
            if matches!(known, Known::Complete(_)) {
                found.files += 1;
                found.bytes += item.stamp.size;
            }
        }
        let zero = || AtomicU64::new(0);
        Self { total, found, files: zero(), bytes: zero(), sent_bytes: zero(), sink }
    }

    pub(super) fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if bytes >= BUFFER_BYTES as u64 {
            self.report();
        }
    }

    pub(super) fn file_sent(&self, bytes: u64) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.report();
    }

    pub(super) fn sent(&self) -> Inventory {
        Inventory {
            files: self.files.load(Ordering::Relaxed),
            bytes: self.sent_bytes.load(Ordering::Relaxed),
        }
    }

    pub(super) fn report(&self) {
        self.sink.report(Progress {
            files_done: self.found.files + self.files.load(Ordering::Relaxed),
            files_total: self.total.files,
            bytes_done: self.found.bytes + self.bytes.load(Ordering::Relaxed),
            bytes_total: self.total.bytes,
        });
    }
}
