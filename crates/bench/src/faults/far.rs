//! Where captures go, and what fails there.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use verisim_testkit::real_store::StoreServer;
use verisim_testkit::sshd::{Sshd, SshdOptions};

use super::wire::Wire;
use super::{Fault, Way};
use crate::measure::Error;

const BUCKET: &str = "evidence";

/// The destination. Everything there lies below one folder, which is a file system of its own.
pub(super) struct Far {
    way: Way,
    vault: PathBuf,
    server: Server,
}

enum Server {
    None,
    Ssh(Box<Sshd>, Wire),
    /// It ends when it is dropped.
    Store {
        _server: StoreServer,
        wire: Wire,
    },
}

impl Far {
    /// Starts what is needed for `way`, over the file system at `vault`.
    pub(super) fn start(way: Way, vault: PathBuf) -> Result<Self, Error> {
        let server = match way {
            Way::Native => Server::None,
            Way::Sftp | Way::Rsync | Way::Rclone => {
                let sshd = Sshd::start(SshdOptions::default()).ok_or("no sshd can be started here")?;
                let wire = Wire::start(SocketAddr::from((Ipv4Addr::LOCALHOST, sshd.port())))?;
                Server::Ssh(Box::new(sshd), wire)
            }
            Way::S3 => {
                fs::create_dir_all(vault.join("s3").join(BUCKET))?;
                let server = StoreServer::start(&vault.join("s3"));
                let wire = Wire::start(server.address())?;
                Server::Store { _server: server, wire }
            }
        };
        fs::create_dir_all(vault.join("runs"))?;
        Ok(Self { way, vault, server })
    }

    /// The folder of a capture there.
    pub(super) fn of(&self, capture: &str) -> PathBuf {
        let folder = match self.way {
            Way::S3 => self.vault.join("s3").join(BUCKET).join("runs"),
            _ => self.vault.join("runs"),
        };
        folder.join("runs").join(capture)
    }

    /// What can fail on this way.
    pub(super) const fn faults(&self) -> &'static [Fault] {
        match self.server {
            Server::None => &[Fault::Down, Fault::Full, Fault::Kill, Fault::Jump],
            Server::Ssh(..) => {
                &[Fault::Cut, Fault::Slain, Fault::Down, Fault::Full, Fault::Kill, Fault::Jump]
            }
            Server::Store { .. } => &[Fault::Cut, Fault::Down, Fault::Full, Fault::Kill, Fault::Jump],
        }
    }

    /// How many bytes went to the server; `None` where there is none.
    pub(super) fn bytes(&self) -> Option<u64> {
        match &self.server {
            Server::None => None,
            Server::Ssh(_, wire) | Server::Store { wire, .. } => Some(wire.bytes()),
        }
    }

    /// Cuts every connection.
    pub(super) fn cut(&self) {
        if let Server::Ssh(_, wire) | Server::Store { wire, .. } = &self.server {
            wire.cut();
        }
    }

    /// Kills whoever serves a connection.
    pub(super) fn slay(&self) {
        if let Server::Ssh(sshd, _) = &self.server {
            sshd.signal_serving(Signal::KILL);
        }
    }

    /// The server is gone, or the folder is.
    pub(super) fn leave(&mut self) -> Result<(), Error> {
        match &mut self.server {
            Server::None => fs::rename(self.vault.join("runs"), self.vault.join("away"))?,
            Server::Ssh(sshd, _) => sshd.stop(),
            Server::Store { wire, .. } => wire.close(),
        }
        Ok(())
    }

    /// It is back.
    pub(super) fn come_back(&mut self) -> Result<(), Error> {
        match &mut self.server {
            Server::None => fs::rename(self.vault.join("away"), self.vault.join("runs"))?,
            Server::Ssh(sshd, _) => sshd.start_again(),
            Server::Store { wire, .. } => wire.open()?,
        }
        Ok(())
    }

    /// The destination, for the configuration; what it needs beside that is written into `folder`.
    pub(super) fn describe(&self, folder: &Path) -> Result<String, Error> {
        let vault = self.vault.join("runs");
        let (sshd, wire) = match &self.server {
            Server::None => return Ok(format!("native = {{ path = {vault:?} }}")),
            Server::Ssh(sshd, wire) => (sshd, wire),
            Server::Store { wire, .. } => {
                let keys = folder.join("keys");
                fs::write(&keys, StoreServer::credentials())?;
                fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
                return Ok(format!(
                    "s3 = {{ bucket = \"{BUCKET}\", endpoint = \"http://127.0.0.1:{}\", path = \"runs\", \
                     credentials = {keys:?} }}",
                    wire.port()
                ));
            }
        };
        let port = wire.port();
        let known = folder.join("known_hosts");
        let line = sshd.known_line().replace(&format!(":{}", sshd.port()), &format!(":{port}"));
        fs::write(&known, line)?;
        let host = format!(
            "host = \"127.0.0.1\", port = {port}, user = \"root\", path = {vault:?}, identity = {:?}, \
             known_hosts = {known:?}",
            sshd.key()
        );
        Ok(match self.way {
            Way::Sftp => format!("sftp = {{ {host} }}"),
            Way::Rsync => format!("rsync_ssh = {{ {host} }}"),
            _ => {
                let section = format!(
                    "[host]\ntype = sftp\nhost = 127.0.0.1\nport = {port}\nuser = root\nkey_file = {}\n\
                     known_hosts_file = {}\n",
                    sshd.key().display(),
                    known.display()
                );
                let config = folder.join("rclone.conf");
                fs::write(&config, section)?;
                let remote = format!("host:{}", vault.display());
                format!("rclone = {{ remote = {remote:?}, config = {config:?} }}")
            }
        })
    }
}
