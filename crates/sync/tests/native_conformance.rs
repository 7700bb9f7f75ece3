//! The native transport against the conformance suite of its port.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::sync::Arc;

use verisim_sync::{KnownDestination, NativeOptions, NativeTransport};
use verisim_testkit::transport_suite::{Lacks, TransportFixture};

fn fixture() -> TransportFixture {
    let scratch = tempfile::tempdir_in(common::base()).unwrap();
    let remote_root = scratch.path().join("vault");
    std::fs::create_dir(&remote_root).unwrap();
    // As after first use: what the suite looks at is what a push does to a destination that it knows.
    std::fs::write(remote_root.join(".verisim-destination"), "vault\n").unwrap();
    std::fs::write(scratch.path().join("known"), "vault\n").unwrap();
    let known = KnownDestination::new(scratch.path().join("known"), "vault");
    let transport = NativeTransport::new(NativeOptions::new(remote_root.clone(), known), common::clock());
    let (transport, kept) = (Arc::new(transport), Box::new(()));
    TransportFixture { transport, remote_root, scratch, kept, lacks: Lacks::nothing() }
}

verisim_testkit::transport_conformance!(fixture());
