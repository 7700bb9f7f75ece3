//! What tests of a store of objects stand on: a capture, a state folder, and the folder that the store's server shows as a bucket.

use std::fs;
use std::path::PathBuf;

use verisim_core::{Capture, PushOptions, Pushed, Remote, SyncTransport, TransportError};
use verisim_sync::KnownDestination;

use super::{base, capture_in, push_options_in, remote, write_tree};

/// Where the server has its buckets.
pub const BUCKETS: &str = "buckets";

/// The ground of one test.
pub struct Ground {
    pub scratch: tempfile::TempDir,
}

impl Ground {
    pub fn new() -> Self {
        let scratch = tempfile::tempdir_in(base()).unwrap();
        fs::create_dir_all(scratch.path().join(BUCKETS).join("vault")).unwrap();
        fs::create_dir(scratch.path().join("run")).unwrap();
        Self { scratch }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub fn vault(&self) -> PathBuf {
        self.path(BUCKETS).join("vault")
    }

    pub fn there(&self) -> PathBuf {
        self.vault().join("lab/run")
    }

    /// What this machine knows of the destination.
    pub fn known(&self) -> KnownDestination {
        KnownDestination::new(self.path("known"), "vault")
    }

    /// As after first use.
    pub fn is_used(&self) {
        fs::write(self.vault().join(".verisim-destination"), "vault\n").unwrap();
        fs::write(self.path("known"), "vault\n").unwrap();
    }

    pub fn capture(&self) -> Capture {
        capture_in(self.scratch.path())
    }

    pub fn remote(&self) -> Remote {
        remote("lab/run")
    }

    pub fn push_options(&self) -> PushOptions {
        push_options_in(self.scratch.path())
    }

    pub async fn push_by(&self, transport: &impl SyncTransport) -> Result<Pushed, TransportError> {
        transport.push(&self.capture(), &self.remote(), &self.push_options()).await
    }

    pub fn write(&self, files: &[(&str, &[u8])]) {
        write_tree(&self.path("run"), files);
    }
}
