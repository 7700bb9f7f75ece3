//! A remote with a folder, for one test: a capture, a state folder, a configuration of rclone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use verisim_core::{Capture, PushOptions, Pushed, Remote, SyncTransport as _, TransportError};
use verisim_sync::{KnownDestination, RcloneOptions, RcloneTransport};
use verisim_sys::Runner;
use verisim_testkit::real_rclone::Generation;
use verisim_testkit::real_store::StoreServer;
use verisim_testkit::sshd::{Sshd, SshdOptions};

use crate::common::{capture_in, push_options_in, remote};

const PATH: [&str; 4] = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"];

/// What kind of remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Folder,
    Sftp,
    S3,
}

/// What serves it.
pub enum Server {
    None,
    Sshd(Sshd),
    S3(StoreServer),
}

pub struct Place {
    pub scratch: tempfile::TempDir,
    pub server: Server,
    pub options: RcloneOptions,
}

impl Place {
    pub fn new(kind: Kind, generation: Generation) -> Option<Self> {
        let program = generation.program()?;
        let scratch = tempfile::tempdir_in(crate::common::base()).unwrap();
        let vault = scratch.path().join("buckets/vault");
        fs::create_dir_all(&vault).unwrap();
        fs::create_dir(scratch.path().join("run")).unwrap();
        let (server, section, remote) = match kind {
            Kind::Folder => (
                Server::None,
                format!("[there]\ntype = alias\nremote = {}\n", vault.display()),
                "there:".into(),
            ),
            Kind::Sftp => {
                let sshd = Sshd::start(SshdOptions::default())?;
                let section = sftp_section("there", &sshd, &sshd.key(), &sshd.known_hosts());
                (Server::Sshd(sshd), section, format!("there:{}", vault.display()))
            }
            Kind::S3 => {
                let server = StoreServer::start(&scratch.path().join("buckets"));
                let section = server.section("there");
                (Server::S3(server), section, "there:vault".into())
            }
        };
        let config = scratch.path().join("rclone.conf");
        fs::write(&config, section).unwrap();
        let mut options = RcloneOptions::new(remote, Some(config), scratch.path().join("state"));
        options.program = program;
        options.environment =
            vec![("PATH".into(), PATH.join(":").into()), ("HOME".into(), scratch.path().into())];
        Some(Self { scratch, server, options })
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

    pub fn sshd(&self) -> &Sshd {
        match &self.server {
            Server::Sshd(sshd) => sshd,
            Server::None | Server::S3(_) => panic!("there is no sshd"),
        }
    }

    /// As after first use.
    pub fn is_used(&self) {
        fs::write(self.vault().join(".verisim-destination"), "vault\n").unwrap();
        fs::write(self.path("known"), "vault\n").unwrap();
    }

    pub fn transport(&self) -> RcloneTransport {
        self.transport_with(|_| {})
    }

    pub fn transport_with(&self, change: impl FnOnce(&mut RcloneOptions)) -> RcloneTransport {
        let mut options = self.options.clone();
        change(&mut options);
        let known = KnownDestination::new(self.path("known"), "vault");
        RcloneTransport::new(options, known, Runner::new(PATH.map(PathBuf::from)).unwrap())
    }

    /// With another configuration of rclone.
    pub fn transport_by(&self, section: &str, remote: &str) -> RcloneTransport {
        let config = self.path("other.conf");
        fs::write(&config, section).unwrap();
        self.transport_with(|options| {
            options.config = Some(config);
            options.remote = remote.into();
        })
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

    pub async fn push_by(&self, transport: &RcloneTransport) -> Result<Pushed, TransportError> {
        transport.push(&self.capture(), &self.remote(), &self.push_options()).await
    }

    pub fn write(&self, files: &[(&str, &[u8])]) {
        crate::common::write_tree(&self.path("run"), files);
    }
}

pub fn sftp_section(name: &str, sshd: &Sshd, key: &Path, known: &Path) -> String {
    format!(
        "[{name}]\ntype = sftp\nhost = 127.0.0.1\nuser = root\nport = {}\nkey_file = {}\nknown_hosts_file = {}\n",
        sshd.port(),
        key.display(),
        known.display()
    )
}

/// A program of a test's own that does something before it becomes rclone.
pub fn program(at: &Path, rclone: &Path, before: &str) -> PathBuf {
    fs::write(at, format!("#!/bin/sh\n{before}\nexec {} \"$@\"\n", rclone.display())).unwrap();
    fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
    at.to_owned()
}
