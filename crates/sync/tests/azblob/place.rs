//! A container, for one test: a capture, a state folder, a key.

use std::fs;
use std::path::PathBuf;

use verisim_core::{Capture, PushOptions, Pushed, Remote, SyncTransport as _, TransportError};
use verisim_ssh::Secret;
use verisim_sync::{KnownDestination, ObjectOptions, ObjectTransport, Store};
use verisim_testkit::real_azure::{ACCOUNT, AzureServer, KEY};

use crate::common::{capture_in, push_options_in, remote};

pub struct Place {
    pub scratch: tempfile::TempDir,
    pub server: AzureServer,
}

impl Place {
    pub fn new() -> Option<Self> {
        let scratch = tempfile::tempdir_in(crate::common::base()).unwrap();
        fs::create_dir_all(scratch.path().join("containers/vault")).unwrap();
        fs::create_dir(scratch.path().join("run")).unwrap();
        let server = AzureServer::start(&scratch.path().join("containers"))?;
        Some(Self { scratch, server })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub fn vault(&self) -> PathBuf {
        self.path("containers/vault")
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
        self.transport_to("vault", self.server.endpoint(), KEY)
    }

    pub fn transport_to(&self, container: &str, endpoint: String, key: &str) -> ObjectTransport {
        let store = Store::Azblob {
            container: container.into(),
            account: ACCOUNT.into(),
            endpoint,
            key: Some(Secret::new(key.to_owned())),
        };
        let known = KnownDestination::new(self.path("known"), "vault");
        ObjectTransport::new(ObjectOptions::new(store, ""), known, crate::common::clock())
    }

    /// Another machine's, which knows nothing of the destination and would mark it in its own way.
    pub fn transport_of_another(&self) -> ObjectTransport {
        let store = Store::Azblob {
            container: "vault".into(),
            account: ACCOUNT.into(),
            endpoint: self.server.endpoint(),
            key: Some(Secret::new(KEY.to_owned())),
        };
        let known = KnownDestination::new(self.path("other-known"), "another");
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
