//! The ways to a host: ours by each transport, and the flows that people use.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use verisim_core::SyncTransport;
use verisim_sync::{
    RcloneOptions, RcloneTransport, RsyncOptions, RsyncTransport, SftpOptions, SftpTransport,
};
use verisim_sys::Runner;
use verisim_testkit::sshd::Sshd;

use crate::measure::Error;
use crate::push::{RealClock, known, sha256sum, tool};

/// Where the tools of this machine are.
const FOLDERS: [&str; 4] = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"];
/// What the host is called in the configuration of rclone.
const REMOTE: &str = "host";

/// A host, and the folder in which everything of one run lies.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) sshd: &'a Sshd,
    pub(crate) dir: &'a Path,
}

/// A path as the tools take it.
fn text(path: &Path) -> Result<&str, Error> {
    path.to_str().ok_or_else(|| "a path is no text".into())
}

impl Ground<'_> {
    pub(crate) fn sftp(self, target: &Path) -> Result<Arc<dyn SyncTransport>, Error> {
        let options = SftpOptions::new(crate::ssh::target(self.sshd, self.sshd.port()), text(target)?);
        Ok(Arc::new(SftpTransport::new(options, known(self.dir), Arc::new(RealClock(Instant::now())))))
    }

    pub(crate) fn rsync_ssh(self, target: &Path) -> Result<Arc<dyn SyncTransport>, Error> {
        let sshd = self.sshd;
        let mut options = RsyncOptions::new("127.0.0.1", text(target)?, self.dir.join("state/desks"));
        (options.port, options.user) = (Some(sshd.port()), Some("root".into()));
        (options.key, options.known_hosts) = (Some(sshd.key()), vec![sshd.known_hosts()]);
        options.environment = self.environment();
        Ok(Arc::new(RsyncTransport::new(options, known(self.dir), runner()?)))
    }

    pub(super) fn rclone(self, target: &Path) -> Result<Arc<dyn SyncTransport>, Error> {
        let remote = format!("{REMOTE}:{}", text(target)?);
        let mut options =
            RcloneOptions::new(remote, Some(self.rclone_config()?), self.dir.join("state/desks"));
        options.environment = self.environment();
        Ok(Arc::new(RcloneTransport::new(options, known(self.dir), runner()?)))
    }

    fn environment(self) -> Vec<(OsString, OsString)> {
        vec![("PATH".into(), OsString::from(FOLDERS.join(":"))), ("HOME".into(), self.dir.into())]
    }

    fn rclone_config(self) -> Result<PathBuf, Error> {
        let at = self.dir.join("rclone.conf");
        let (port, key, hosts) = (self.sshd.port(), self.sshd.key(), self.sshd.known_hosts());
        let section = format!(
            "[{REMOTE}]\ntype = sftp\nhost = 127.0.0.1\nport = {port}\nuser = root\nkey_file = {}\n\
             known_hosts_file = {}\n",
            text(&key)?,
            text(&hosts)?
        );
        std::fs::write(&at, section)?;
        Ok(at)
    }

    /// How `ssh` is called, as one line that rsync takes apart.
    fn ssh_line(self) -> Result<String, Error> {
        Ok(format!(
            "ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -o UserKnownHostsFile={} -i {} -p {}",
            text(&self.sshd.known_hosts())?,
            text(&self.sshd.key())?,
            self.sshd.port()
        ))
    }

    /// rsync with `flags`.
    pub(super) fn rsync(self, flags: &[&str], source: &Path, target: &Path) -> Result<(), Error> {
        let ssh = self.ssh_line()?;
        let mut push = Command::new("rsync");
        push.args(flags).args(["-e", &ssh]);
        push.args([format!("{}/", text(source)?), format!("root@127.0.0.1:{}/", text(target)?)]);
        tool(push.stdout(Stdio::null()))
    }

    /// Push with the flags of the flow in use, hash here, hash there, compare.
    pub(super) fn rsync_flow(self, source: &Path, target: &Path) -> Result<(), Error> {
        self.rsync(&["-avz", "--checksum", "--partial"], source, target)?;
        let (here, there) = self.sums();
        sha256sum(source, &here)?;
        let ssh = self.ssh_line()?;
        let mut words = ssh.split(' ');
        let program = words.next().ok_or("no words")?;
        let script = format!("cd {} && find . -type f -exec sha256sum {{}} +", text(target)?);
        let mut hash = Command::new(program);
        hash.args(words).args(["root@127.0.0.1", &script]).stdout(File::create(&there)?);
        tool(&mut hash)?;
        same(&here, &there, "rsync")
    }

    /// The flow in use with rclone. What SFTP servers hash is MD5 at best, so that SHA-256 is only had by reading back.
    pub(super) fn rclone_flow(self, source: &Path, target: &Path) -> Result<(), Error> {
        let (config, to) = (self.rclone_config()?, format!("{REMOTE}:{}", text(target)?));
        let rclone = |arguments: &[&str]| {
            let mut command = Command::new("rclone");
            command.args(arguments).arg("--config").arg(&config);
            command
        };
        tool(rclone(&["copy", "--checksum"]).arg(source).arg(&to))?;
        let (here, there) = self.sums();
        sha256sum(source, &here)?;
        let out = File::create(&there)?;
        tool(rclone(&["hashsum", "sha256", "--download"]).arg(&to).stdout(out))?;
        same(&here, &there, "rclone")
    }

    /// `rclone copy` and nothing else.
    pub(super) fn rclone_copy(self, source: &Path, target: &Path) -> Result<(), Error> {
        let (config, to) = (self.rclone_config()?, format!("{REMOTE}:{}", text(target)?));
        tool(Command::new("rclone").args(["copy", "--config"]).arg(config).arg(source).arg(to))
    }

    fn sums(self) -> (PathBuf, PathBuf) {
        (self.dir.join("sums.here"), self.dir.join("sums.there"))
    }
}

/// Whether two lists of hashes say the same, in whatever order and however they begin their names.
pub(super) fn same(here: &Path, there: &Path, who: &str) -> Result<(), Error> {
    let sorted = |path: &Path| -> Result<Vec<String>, Error> {
        let text = std::fs::read_to_string(path)?;
        let mut lines: Vec<String> = text.lines().map(|line| line.replacen("  ./", "  ", 1)).collect();
        lines.sort_unstable();
        Ok(lines)
    };
    let (here, there) = (sorted(here)?, sorted(there)?);
    if !here.is_empty() && here == there { Ok(()) } else { Err(format!("{who}: hashes differ").into()) }
}

fn runner() -> Result<Runner, Error> {
    Ok(Runner::new(FOLDERS.map(PathBuf::from))?)
}
