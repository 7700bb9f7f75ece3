//! What files are brought to hosts with today.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use verisim_testkit::sshd::Sshd;

use crate::files::{MODE, MTIME, Names, OWNER};
use crate::measure::Error;

/// A host, and a connection to it that OpenSSH's client keeps.
pub(super) struct Peers<'s> {
    sshd: &'s Sshd,
    options: Vec<String>,
    names: Names,
}

impl<'s> Peers<'s> {
    /// Opens the connection that all of them use.
    pub(super) fn new(sshd: &'s Sshd) -> Result<Self, Error> {
        let options = [
            format!("IdentityFile={}", sshd.key().display()),
            format!("UserKnownHostsFile={}", sshd.known_hosts().display()),
            format!("Port={}", sshd.port()),
            format!("ControlPath={}/master", sshd.folder().display()),
            "ControlMaster=auto".into(),
            "ControlPersist=600".into(),
            "IdentitiesOnly=yes".into(),
            "LogLevel=ERROR".into(),
        ];
        let peers = Self { sshd, options: options.to_vec(), names: Names::default() };
        fs::create_dir_all(peers.sshd.folder().join("theirs"))?;
        peers.ssh("true", b"")?;
        Ok(peers)
    }

    /// A folder on the host, which is this machine.
    pub(super) fn folder(&self) -> &Path {
        self.sshd.folder()
    }

    /// A program of OpenSSH's that uses the connection.
    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-F", "none"]);
        for option in &self.options {
            command.args(["-o", option]);
        }
        command
    }

    fn ssh(&self, line: &str, input: &[u8]) -> Result<Vec<u8>, Error> {
        let mut command = self.client("ssh");
        command.args(["root@127.0.0.1", line]);
        fed(command, input)
    }

    fn new_name(&self) -> PathBuf {
        self.folder().join("theirs").join(self.names.next().to_string())
    }

    pub(super) fn shell(&self, bytes: usize) -> Result<(), Error> {
        let at = self.new_name();
        let (at, dir) = (at.display(), self.folder().join("theirs"));
        let line = format!(
            "mkdir -p {} && base64 -d > {at} && chmod {MODE:o} {at} && chown {OWNER}:{OWNER} {at} && touch -d @{MTIME} {at}",
            dir.display()
        );
        let text = base64::engine::general_purpose::STANDARD.encode(vec![b'x'; bytes]);
        self.ssh(&line, text.as_bytes()).map(|_| ())
    }

    /// Files on this machine that are copied: they have their mode, owner and time already.
    fn samples(&self, bytes: usize, files: usize) -> Result<PathBuf, Error> {
        let dir = self.folder().join(format!("samples-{bytes}-{files}"));
        if !dir.exists() {
            fs::create_dir(&dir)?;
            for number in 0..files {
                let at = dir.join(number.to_string());
                fs::write(&at, vec![b'x'; bytes])?;
                std::os::unix::fs::chown(&at, Some(OWNER), Some(OWNER))?;
                fs::set_permissions(&at, fs::Permissions::from_mode(MODE))?;
                fs::File::open(&at)?.set_modified(UNIX_EPOCH + Duration::from_secs(MTIME.unsigned_abs()))?;
            }
        }
        Ok(dir)
    }

    pub(super) fn sftp(&self, bytes: usize, files: usize) -> Result<(), Error> {
        let dir = self.samples(bytes, files)?;
        let mut script = String::new();
        for number in 0..files {
            let (from, at) = (dir.join(number.to_string()), self.new_name());
            let (from, at) = (from.display(), at.display());
            write!(script, "put -p {from} {at}\nchown {OWNER} {at}\nchgrp {OWNER} {at}\n")?;
        }
        let mut command = self.client("sftp");
        command.args(["-q", "-b", "-", "root@127.0.0.1"]);
        fed(command, script.as_bytes()).map(|_| ())
    }

    pub(super) fn tar(&self, bytes: usize, files: usize) -> Result<(), Error> {
        let dir = self.samples(bytes, files)?;
        let into = self.new_name();
        let mut pack =
            Command::new("tar").arg("-C").arg(&dir).args(["-cf", "-", "."]).stdout(Stdio::piped()).spawn()?;
        let line = format!("mkdir -p {0} && tar -C {0} -xpf -", into.display());
        let archive = pack.stdout.take().ok_or("no output")?;
        let unpacked = self.client("ssh").args(["root@127.0.0.1", &line]).stdin(archive).status()?;
        if pack.wait()?.success() && unpacked.success() { Ok(()) } else { Err("tar failed".into()) }
    }

    pub(super) fn has_ansible(&self) -> bool {
        Command::new("ansible-playbook").arg("--version").output().is_ok_and(|output| output.status.success())
    }

    /// Ansible's copy, with pipelining, over the warm connection. It cannot set a time.
    pub(super) fn ansible(&self, bytes: usize, files: usize) -> Result<(), Error> {
        let sample = self.samples(bytes, 1)?.join("0");
        let into = self.new_name();
        fs::create_dir(&into)?;
        let play = format!(
            "- hosts: all\n  gather_facts: no\n  tasks:\n    - copy: {{ src: '{}', dest: '{}/{{{{ item }}}}', \
             mode: '0{MODE:o}', owner: '{OWNER}', group: '{OWNER}' }}\n      with_sequence: count={files}\n",
            sample.display(),
            into.display()
        );
        let at = self.folder().join("play.yml");
        fs::write(&at, play)?;
        let options: String = self.options.iter().map(|option| format!("-o {option} ")).collect();
        let mut command = Command::new("ansible-playbook");
        command.args(["-i", "127.0.0.1,", "-u", "root", "-e", "ansible_python_interpreter=/usr/bin/python3"]);
        command.arg(format!("--ssh-common-args={options}")).arg(&at);
        command
            .env("ANSIBLE_PIPELINING", "1")
            .env("ANSIBLE_LOCALHOST_WARNING", "0")
            .env("ANSIBLE_SSH_ARGS", "");
        fed(command, b"")?;
        let made = fs::read_dir(&into)?.count();
        if made == files { Ok(()) } else { Err(format!("Ansible made {made} files").into()) }
    }

    pub(super) fn shell_read(&self, at: &str, bytes: usize) -> Result<(), Error> {
        let text = self.ssh(&format!("base64 -w 0 {at}"), b"")?;
        let read = base64::engine::general_purpose::STANDARD.decode(text.trim_ascii())?;
        if read.len() == bytes { Ok(()) } else { Err(format!("{} bytes were read", read.len()).into()) }
    }

    pub(super) fn sftp_read(&self, at: &str, bytes: usize) -> Result<(), Error> {
        let into = self.folder().join("got");
        let mut command = self.client("sftp");
        command.args(["-q", "-b", "-", "root@127.0.0.1"]);
        fed(command, format!("get {at} {}\n", into.display()).as_bytes())?;
        if fs::metadata(&into)?.len() == bytes as u64 { Ok(()) } else { Err("not all was read".into()) }
    }
}

impl Drop for Peers<'_> {
    /// The kept connection ends.
    fn drop(&mut self) {
        let _ = self.client("ssh").args(["-O", "exit", "root@127.0.0.1"]).stderr(Stdio::null()).status();
    }
}

/// Runs a command to its end, with an input; it must succeed.
fn fed(mut command: Command, input: &[u8]) -> Result<Vec<u8>, Error> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    child.stdin.take().ok_or("no input")?.write_all(input)?;
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!("{command:?}: {} {}", output.status, String::from_utf8_lossy(&output.stdout)).into())
}
