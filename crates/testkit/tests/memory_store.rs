//! The model keeps what the port promises.

use verisim_testkit::{MemoryStore, store_conformance};

store_conformance!((MemoryStore::new(), ()));
