//! A host with a folder, for one test: an sshd of its own, a capture, a state folder.

use std::fs;
use std::path::PathBuf;

use verisim_core::{Capture, PushOptions, Pushed, Remote, SyncTransport as _, TransportError};
use verisim_ssh::Target;
use verisim_sync::{KnownDestination, SftpOptions, SftpTransport};
use verisim_testkit::Proxy;
use verisim_testkit::sshd::{Sshd, SshdOptions};

use crate::common::{capture_in, push_options_in, remote};

pub struct Place {
    pub scratch: tempfile::TempDir,
    pub sshd: Sshd,
    pub options: SftpOptions,
    /// The destination's root, seen from outside.
    pub vault: PathBuf,
}

/// What the account there may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    Shell,
    /// Locked into a directory, with `internal-sftp` and nothing else.
    SftpAlone,
}

impl Place {
    pub fn new(account: Account) -> Option<Self> {
        Self::with(SshdOptions { locked_in: account == Account::SftpAlone, ..SshdOptions::default() })
    }

    pub fn with(options: SshdOptions) -> Option<Self> {
        let locked_in = options.locked_in;
        let sshd = Sshd::start(options)?;
        let scratch = tempfile::tempdir_in(crate::common::base()).unwrap();
        fs::create_dir(scratch.path().join("run")).unwrap();
        let (vault, path) = match locked_in {
            true => (sshd.root().join("vault"), "/vault".to_owned()),
            false => {
                (scratch.path().join("vault"), scratch.path().join("vault").to_str().unwrap().to_owned())
            }
        };
        fs::create_dir(&vault).unwrap();
        let mut target = Target::new("127.0.0.1", "root");
        (target.port, target.identities) = (sshd.port(), vec![sshd.key()]);
        target.known_hosts = vec![sshd.known_hosts()];
        Some(Self { scratch, sshd, options: SftpOptions::new(target, path), vault })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// As after first use.
    pub fn is_used(&self) {
        fs::write(self.vault.join(".verisim-destination"), "vault\n").unwrap();
        fs::write(self.path("known"), "vault\n").unwrap();
    }

    pub fn known(&self) -> KnownDestination {
        KnownDestination::new(self.path("known"), "vault")
    }

    pub fn transport(&self) -> SftpTransport {
        self.transport_with(|_| {})
    }

    pub fn transport_with(&self, change: impl FnOnce(&mut SftpOptions)) -> SftpTransport {
        let mut options = self.options.clone();
        change(&mut options);
        SftpTransport::new(options, self.known(), crate::common::clock())
    }

    /// Through a proxy, which bears the key of the host.
    pub fn transport_through(&self, proxy: &Proxy) -> SftpTransport {
        let (known, port) = (self.path("known_hosts"), proxy.address().port());
        let line = self.sshd.known_line().replace(&self.sshd.port().to_string(), &port.to_string());
        fs::write(&known, line).unwrap();
        self.transport_with(|o| (o.target.port, o.target.known_hosts) = (port, vec![known]))
    }

    pub fn capture(&self) -> Capture {
        capture_in(self.scratch.path())
    }

    pub fn remote(&self) -> Remote {
        remote("lab/run")
    }

    pub fn there(&self) -> PathBuf {
        self.vault.join("lab/run")
    }

    pub fn push_options(&self) -> PushOptions {
        push_options_in(self.scratch.path())
    }

    pub async fn push(&self) -> Result<Pushed, TransportError> {
        self.push_by(&self.transport()).await
    }

    pub async fn push_by(&self, transport: &SftpTransport) -> Result<Pushed, TransportError> {
        transport.push(&self.capture(), &self.remote(), &self.push_options()).await
    }

    pub fn write(&self, files: &[(&str, &[u8])]) {
        crate::common::write_tree(&self.path("run"), files);
    }
}

/// Bytes that no two pieces of are the same.
pub fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|at| at.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()[7]).collect()
}
