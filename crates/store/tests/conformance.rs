//! The port's conformance suite on a real file.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use tempfile::TempDir;
use verisim_core::Store;
use verisim_store::SqliteStore;
use verisim_testkit::{VirtualClock, store_conformance, store_suite};

fn fresh() -> (Arc<dyn Store>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store =
        SqliteStore::open(&dir.path().join("store.db"), VirtualClock::new(store_suite::at(0))).unwrap();
    (Arc::new(store), dir)
}

store_conformance!(fresh());
