//! A folder of a WebDAV server, for one test: a capture, a state folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use verisim_core::{Capture, PushOptions, Pushed, Remote, SyncTransport as _, TransportError};
use verisim_ssh::Secret;
use verisim_sync::{KnownDestination, ObjectOptions, ObjectTransport, Store};
use verisim_testkit::real_dav::Dav;
use verisim_testkit::{LOGIN, PASSWORD, RealServer};

use crate::common::{capture_in, push_options_in, remote};

pub struct Place {
    pub scratch: tempfile::TempDir,
    /// The server's folder, which another account must be able to reach.
    pub served: tempfile::TempDir,
    pub server: RealServer,
}

impl Place {
    pub fn new(whose: Dav) -> Option<Self> {
        let scratch = tempfile::tempdir_in(crate::common::base()).unwrap();
        fs::create_dir(scratch.path().join("run")).unwrap();
        let served = tempfile::tempdir().unwrap();
        fs::set_permissions(served.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(served.path().join("dav/vault")).unwrap();
        let server = whose.start(&served.path().join("dav"))?;
        Some(Self { scratch, served, server })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub fn vault(&self) -> PathBuf {
        self.served.path().join("dav/vault")
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
        self.transport_with(PASSWORD, |_| {})
    }

    pub fn transport_with(&self, password: &str, change: impl FnOnce(&mut ObjectOptions)) -> ObjectTransport {
        let store = Store::Webdav {
            endpoint: format!("http://127.0.0.1:{}", self.server.port()),
            user: Some(LOGIN.into()),
            password: Some(Secret::new(password.to_owned())),
        };
        let mut options = ObjectOptions::new(store, "vault");
        change(&mut options);
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
