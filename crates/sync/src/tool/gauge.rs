//! How far a push is that a tool carries out.

use std::sync::Arc;

use verisim_core::{Inventory, Progress, ProgressSink};

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
