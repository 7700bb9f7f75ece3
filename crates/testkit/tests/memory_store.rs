//! The model of the store keeps the port's promises: only then is it worth comparing others with it.

use std::sync::Arc;

use verisim_core::Store;
use verisim_testkit::{MemoryStore, store_conformance};

fn fresh() -> (Arc<dyn Store>, ()) {
    (MemoryStore::new(), ())
}

store_conformance!(fresh());
