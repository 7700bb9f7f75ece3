//! A bucket, for one test: a capture, a state folder, credentials.

use std::fs;
use std::path::PathBuf;

use verisim_core::{Capture, PushOptions, Pushed, Remote, SyncTransport as _, TransportError};
use verisim_sync::{KnownDestination, ObjectOptions, ObjectTransport, Store};
use verisim_testkit::real_gcs::{Caller, GcsServer};

use crate::common::{capture_in, push_options_in, remote};

pub struct Place {
    pub scratch: tempfile::TempDir,
    pub server: GcsServer,
}

impl Place {
    pub fn new() -> Option<Self> {
        let scratch = tempfile::tempdir_in(crate::common::base()).unwrap();
        fs::create_dir_all(scratch.path().join("buckets/vault")).unwrap();
        fs::create_dir(scratch.path().join("run")).unwrap();
        let server = GcsServer::start(&scratch.path().join("buckets"))?;
        Some(Self { scratch, server })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub fn vault(&self) -> PathBuf {
        self.path("buckets/vault")
    }

    pub fn there(&self) -> PathBuf {
        self.vault().join("lab/run")
    }

    /// As after first use.
    pub fn is_used(&self) {
        fs::write(self.vault().join(".verisim-destination"), "vault\n").unwrap();
        fs::write(self.path("known"), "vault\n").unwrap();
    }

    pub fn transport(&self) -> ObjectTransport {
        self.transport_of(Caller::Writer)
    }

    pub fn transport_of(&self, caller: Caller) -> ObjectTransport {
        let credentials = self.server.credentials(self.scratch.path(), caller);
        self.transport_to("vault", self.server.endpoint(), credentials)
    }

    pub fn transport_to(&self, bucket: &str, endpoint: String, credentials: PathBuf) -> ObjectTransport {
        let store =
            Store::Gcs { bucket: bucket.into(), endpoint: Some(endpoint), credentials: Some(credentials) };
        let known = KnownDestination::new(self.path("known"), "vault");
        ObjectTransport::new(ObjectOptions::new(store, ""), known, crate::common::clock())
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

    pub async fn push(&self) -> Result<Pushed, TransportError> {
        self.push_by(&self.transport()).await
    }

    pub async fn push_by(&self, transport: &ObjectTransport) -> Result<Pushed, TransportError> {
        transport.push(&self.capture(), &self.remote(), &self.push_options()).await
    }

    pub fn write(&self, files: &[(&str, &[u8])]) {
        crate::common::write_tree(&self.path("run"), files);
    }
}
