//! A host with a folder, for one test: an sshd of its own, a capture, a state folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use verisim_core::{Capture, PushOptions, Pushed, Remote, SyncTransport as _, TransportError};
use verisim_sync::{KnownDestination, RsyncOptions, RsyncTransport};
use verisim_sys::Runner;
use verisim_testkit::sshd::{Sshd, SshdOptions};

use crate::common::{capture_in, push_options_in, remote};

/// Where the tools of this machine are.
pub const PATH: [&str; 4] = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"];

pub struct Place {
    pub scratch: tempfile::TempDir,
    pub sshd: Sshd,
    pub options: RsyncOptions,
}

/// Whether somebody who lets nobody in but rsync stands in front of the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    Shell,
    RsyncAlone,
}

impl Place {
    pub fn new(account: Account) -> Option<Self> {
        Self::with(account, SshdOptions::default())
    }

    pub fn with(account: Account, options: SshdOptions) -> Option<Self> {
        let sshd = Sshd::start(options)?;
        let scratch = tempfile::tempdir_in(crate::common::base()).unwrap();
        fs::create_dir(scratch.path().join("vault")).unwrap();
        fs::create_dir(scratch.path().join("run")).unwrap();
        let vault = scratch.path().join("vault");
        let mut options = options_of(&sshd, vault.to_str().unwrap(), scratch.path());
        if account == Account::RsyncAlone {
            let key = fs::read_to_string(sshd.key().with_extension("pub")).unwrap();
            let line = format!("command=\"/usr/bin/rrsync {}\",restrict {key}", vault.display());
            fs::write(sshd.folder().join("authorized"), line).unwrap();
            options.path = b"/".to_vec();
        }
        Some(Self { scratch, sshd, options })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// As after first use.
    pub fn is_used(&self) {
        fs::write(self.path("vault/.verisim-destination"), "vault\n").unwrap();
        fs::write(self.path("known"), "vault\n").unwrap();
    }

    pub fn known(&self) -> KnownDestination {
        KnownDestination::new(self.path("known"), "vault")
    }

    pub fn transport(&self) -> RsyncTransport {
        self.transport_with(|_| {})
    }

    pub fn transport_with(&self, change: impl FnOnce(&mut RsyncOptions)) -> RsyncTransport {
        let mut options = self.options.clone();
        change(&mut options);
        RsyncTransport::new(options, self.known(), runner())
    }

    pub fn capture(&self) -> Capture {
        capture_in(self.scratch.path())
    }

    pub fn remote(&self) -> Remote {
        remote("lab/run")
    }

    pub fn there(&self) -> PathBuf {
        self.path("vault/lab/run")
    }

    pub fn push_options(&self) -> PushOptions {
        push_options_in(self.scratch.path())
    }

    pub async fn push(&self) -> Result<Pushed, TransportError> {
        self.push_by(&self.transport()).await
    }

    pub async fn push_by(&self, transport: &RsyncTransport) -> Result<Pushed, TransportError> {
        transport.push(&self.capture(), &self.remote(), &self.push_options()).await
    }

    pub fn write(&self, files: &[(&str, &[u8])]) {
        crate::common::write_tree(&self.path("run"), files);
    }
}

pub fn runner() -> Runner {
    Runner::new(PATH.map(PathBuf::from)).unwrap()
}

pub fn options_of(sshd: &Sshd, path: &str, scratch: &Path) -> RsyncOptions {
    RsyncOptions {
        port: Some(sshd.port()),
        user: Some("root".into()),
        key: Some(sshd.key()),
        known_hosts: vec![sshd.known_hosts()],
        environment: vec![("PATH".into(), PATH.join(":").into()), ("HOME".into(), scratch.into())],
        ..RsyncOptions::new("127.0.0.1", path, scratch.join("desks"))
    }
}

/// A program of a test's own, on this machine and, since that is the same, on the far side.
pub fn program(at: &Path, text: &str) {
    fs::write(at, text).unwrap();
    fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
}
