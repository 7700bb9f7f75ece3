//! A bucket, for one test: a capture, a state folder, a file of credentials.

use std::fs;
use std::path::PathBuf;

use verisim_core::{Capture, PushOptions, Pushed, Remote, SyncTransport as _, TransportError};
use verisim_sync::{KnownDestination, ObjectOptions, ObjectTransport, S3Bucket, Store};
use verisim_testkit::real_store::StoreServer;

use crate::common::{capture_in, push_options_in, remote};

pub struct Place {
    pub scratch: tempfile::TempDir,
    pub server: StoreServer,
}

impl Place {
    pub fn new() -> Self {
        let scratch = tempfile::tempdir_in(crate::common::base()).unwrap();
        fs::create_dir_all(scratch.path().join("buckets/vault")).unwrap();
        fs::create_dir(scratch.path().join("run")).unwrap();
        fs::write(scratch.path().join("credentials"), StoreServer::credentials()).unwrap();
        let server = StoreServer::start(&scratch.path().join("buckets"));
        Self { scratch, server }
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

    pub fn bucket(&self) -> S3Bucket {
        S3Bucket {
            bucket: "vault".into(),
            region: "us-east-1".into(),
            endpoint: Some(self.server.endpoint()),
            virtual_host: false,
            credentials: Some(self.path("credentials")),
            profile: None,
        }
    }

    pub fn transport(&self) -> ObjectTransport {
        self.transport_with(|_, _| {})
    }

    pub fn transport_with(&self, change: impl FnOnce(&mut S3Bucket, &mut ObjectOptions)) -> ObjectTransport {
        let mut bucket = self.bucket();
        let mut options = ObjectOptions::new(Store::S3(bucket.clone()), "");
        change(&mut bucket, &mut options);
        options.store = Store::S3(bucket);
        let known = KnownDestination::new(self.path("known"), "vault");
        ObjectTransport::new(options, known, crate::common::clock())
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
