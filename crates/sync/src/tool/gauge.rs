//! How far a push is that a tool carries out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use verisim_core::{Digest, Failure, Inventory, Progress, ProgressSink};

use super::Local;

/// How much is sent before the notes of it are made durable here: what a crash of this machine may cost.
const CHECKPOINT_BYTES: u64 = 1 << 30;

/// Adds what the tool tells to what was complete before it.
#[derive(Clone)]
pub(crate) struct Gauge {
    total: Inventory,
    found: Inventory,
    sink: Arc<dyn ProgressSink>,
}

impl Gauge {
    pub(super) fn new(total: Inventory, found: Inventory, sink: Arc<dyn ProgressSink>) -> Self {
        Self { total, found, sink }
    }

    /// So much was sent by this push so far. What the tool passed over, since it was there, it does not count.
    pub(crate) fn sent(&self, sent: Inventory) {
        self.report(self.found.files.saturating_add(sent.files), self.found.bytes.saturating_add(sent.bytes));
    }

    /// Everything is there.
    pub(crate) fn end(&self) {
        self.report(self.total.files, self.total.bytes);
    }

    fn report(&self, files: u64, bytes: u64) {
        self.sink.report(Progress {
            files_done: files.min(self.total.files),
            files_total: self.total.files,
            bytes_done: bytes.min(self.total.bytes),
            bytes_total: self.total.bytes,
        });
    }
}

/// How far a push is that reads and sends in one pass, and its notes.
pub(crate) struct Tally {
    gauge: Gauge,
    sent: Inventory,
    under_way: AtomicU64,
    unnoted: u64,
}

impl Tally {
    pub(crate) fn new(gauge: Gauge) -> Self {
        Self { gauge, sent: Inventory::default(), under_way: AtomicU64::new(0), unnoted: 0 }
    }

    /// What was sent and noted.
    pub(crate) const fn sent(&self) -> Inventory {
        self.sent
    }

    /// About how many bytes lie at the destination, those of a file that is under way included.
    pub(crate) fn there_bytes(&self) -> u64 {
        self.sent.bytes.saturating_add(self.under_way.load(Ordering::Relaxed))
    }

    /// Tells how far it is, with so much of a file that is under way.
    pub(crate) fn tell(&self, under_way_bytes: u64) {
        self.under_way.store(under_way_bytes, Ordering::Relaxed);
        self.gauge.sent(Inventory { bytes: self.sent.bytes + under_way_bytes, ..self.sent });
    }

    /// Notes that the item at this place has arrived, for which so much was sent.
    pub(crate) fn note(
        &mut self,
        local: &mut Local,
        at: usize,
        sha256: Digest,
        bytes: u64,
    ) -> Result<(), Failure> {
        local.complete(at, sha256)?;
        self.sent.files += 1;
        self.sent.bytes += bytes;
        self.tell(0);
        self.unnoted += bytes;
        if self.unnoted >= CHECKPOINT_BYTES {
            self.unnoted = 0;
            local.checkpoint()?;
        }
        Ok(())
    }
}
