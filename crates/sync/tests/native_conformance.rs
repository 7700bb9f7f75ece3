//! The native transport against the conformance suite of its port.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::path::Path;
use std::sync::Arc;

use verisim_sync::{NativeOptions, NativeTransport};
use verisim_testkit::transport_suite::TransportFixture;

fn fixture() -> TransportFixture {
    let scratch = tempfile::tempdir_in(common::base()).unwrap();
    let remote_root = scratch.path().join("vault");
    std::fs::create_dir(&remote_root).unwrap();
    let transport = NativeTransport::new(NativeOptions::new(remote_root.clone()), common::clock());
    assert!(Path::new(&remote_root).is_dir());
    TransportFixture { transport: Arc::new(transport), remote_root, scratch, kept: Box::new(()) }
}

verisim_testkit::transport_conformance!(fixture());
