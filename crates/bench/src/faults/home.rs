//! The folders, the daemon, the host, and what is done to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use verisim_core::Digest;
use verisim_testkit::sshd::Sshd;

use super::{Options, Way};
use crate::measure::Error;
use crate::push::Noise;

/// What the Debian package `faketime` brings: the clock of a process, as a file says.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
/// How much room the destination has for each capture, in mebibytes.
const ROOM_MIB: u32 = 5;

/// What was captured: by name, the hash of every file.
pub(super) type Captured = BTreeMap<String, BTreeMap<PathBuf, Digest>>;

pub(super) struct Home {
    held: tempfile::TempDir,
    verisim: PathBuf,
    pub(super) sshd: Sshd,
    daemon: Option<Child>,
    /// By how many seconds the daemon's clock is ahead.
    ahead: i64,
    pub(super) captured: Captured,
    /// The captures in which a bit was flipped.
    pub(super) flipped: Vec<String>,
}

impl Home {
    pub(super) fn make(options: &Options, sshd: Sshd) -> Result<Self, Error> {
        if !Path::new(FAKETIME).exists() {
            return Err("the clock cannot be made to jump: apt-get install faketime".into());
        }
        let held = tempfile::Builder::new().prefix("faults").tempdir_in(options.dir.canonicalize()?)?;
        let home = Self {
            verisim: options.verisim.canonicalize()?,
            sshd,
            daemon: None,
            ahead: 0,
            captured: Captured::new(),
            flipped: Vec::new(),
            held,
        };
        for folder in ["captures", "making", "vault", "home"] {
            fs::create_dir(home.at(folder))?;
        }
        let size = format!("size={}m", 64 + options.pushes * ROOM_MIB);
        let mut mount = Command::new("mount");
        done(mount.args(["-t", "tmpfs", "-o", &size, "none"]).arg(home.at("vault")))?;
        fs::create_dir(home.at("vault/runs"))?;
        home.configure(options.way)?;
        home.jump_to(0)?;
        Ok(home)
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.held.path().join(name)
    }

    fn configure(&self, way: Way) -> Result<(), Error> {
        let vault = self.at("vault/runs");
        let host = format!(
            "host = \"127.0.0.1\", port = {}, user = \"root\", path = {vault:?}, identity = {:?}, known_hosts = {:?}",
            self.sshd.port(),
            self.sshd.key(),
            self.sshd.known_hosts()
        );
        let section = format!(
            "[host]\ntype = sftp\nhost = 127.0.0.1\nport = {}\nuser = root\nkey_file = {}\nknown_hosts_file = {}\n",
            self.sshd.port(),
            self.sshd.key().display(),
            self.sshd.known_hosts().display()
        );
        fs::write(self.at("rclone.conf"), section)?;
        let destination = match way {
            Way::Native => format!("native = {{ path = {vault:?} }}"),
            Way::Sftp => format!("sftp = {{ {host} }}"),
            Way::Rsync => format!("rsync_ssh = {{ {host} }}"),
            Way::Rclone => {
                let remote = format!("host:{}", vault.display());
                format!("rclone = {{ remote = {remote:?}, config = {:?} }}", self.at("rclone.conf"))
            }
        };
        let text = format!(
            "state = {:?}\n\n[[destination]]\nname = \"vault\"\n{destination}\nbandwidth = {{ mbit = 200 }}\n\n\
             [[capture]]\nname = \"runs\"\npath = {:?}\neach = \"directory\"\ncomplete = {{ sentinel = \"run_complete\" }}\n\
             destination = \"vault\"\ncleanup = {{ enabled = true, min_passes = 2, min_age = \"24h\" }}\n",
            self.at("state"),
            self.at("captures")
        );
        Ok(fs::write(self.at("verisim.toml"), text)?)
    }

    /// A capture of many small files and one of some size, which appears as a whole.
    pub(super) fn capture(&mut self, number: u32, random: &mut Noise) -> Result<(), Error> {
        let name = format!("run-{number:05}");
        let root = self.at("making").join(&name);
        let mut files = BTreeMap::new();
        fs::create_dir(&root)?;
        for file in 0..30 {
            let (path, length) = match file {
                0 => (PathBuf::from("image.raw"), (1 << 20) + random.below(2 << 20)),
                1 => (PathBuf::from("run_complete"), 0),
                file => (PathBuf::from(format!("plate {}/well-{file}", file % 3)), random.below(40_000)),
            };
            let mut content = vec![0; usize::try_from(length)?];
            random.fill(&mut content);
            let at = root.join(&path);
            fs::create_dir_all(at.parent().unwrap_or(&root))?;
            fs::write(at, &content)?;
            files.insert(path, Digest::of(&content));
        }
        let there = self.at("captures").join(&name);
        fs::rename(root, &there)?;
        self.captured.insert(name, files);
        // So that nobody waits for the daemon to look; one that does not answer just now finds it by itself.
        self.command(&["sync", "add"]).arg(there).stdin(Stdio::null()).output()?;
        Ok(())
    }

    pub(super) fn up(&mut self) -> Result<(), Error> {
        let log = fs::File::options().create(true).append(true).open(self.at("daemon.log"))?;
        let mut command = self.command(&["up"]);
        command.env("LD_PRELOAD", FAKETIME).env("FAKETIME_TIMESTAMP_FILE", self.at("clock"));
        command.env("FAKETIME_NO_CACHE", "1").env("DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
        self.daemon = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?);
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.verisim);
        command.arg("--config").arg(self.at("verisim.toml")).args(arguments);
        command.env("HOME", self.at("home")).env_remove("SSH_AUTH_SOCK");
        command
    }

    /// What a person asks of the daemon. One that just begins is waited for.
    fn ask(&self, arguments: &[&str]) -> Result<Output, Error> {
        Ok(self.command(arguments).stdin(Stdio::null()).output()?)
    }

    /// Waits, as long as the daemon lives.
    pub(super) fn pause(&mut self, milliseconds: u64) -> Result<(), Error> {
        let until = Instant::now() + Duration::from_millis(milliseconds);
        while Instant::now() < until {
            if let Some(daemon) = &mut self.daemon
                && let Some(status) = daemon.try_wait()?
            {
                let log = fs::read_to_string(self.at("daemon.log"))?;
                let end: Vec<&str> = log.lines().rev().take(20).collect();
                return Err(format!("the daemon ended by itself ({status}):\n{}", end.join("\n")).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub(super) fn kill(&mut self) -> Result<(), Error> {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill()?;
            daemon.wait()?;
        }
        Ok(())
    }

    /// Asks it to end, and waits for that.
    pub(super) fn stop(&mut self) -> Result<(), Error> {
        if let Some(mut daemon) = self.daemon.take() {
            done(Command::new("kill").args(["-TERM", &daemon.id().to_string()]))?;
            let status = daemon.wait()?;
            if !status.success() {
                return Err(format!("the daemon ended with {status}").into());
            }
        }
        Ok(())
    }

    pub(super) fn fill(&self) -> Result<(), Error> {
        let room = rustix::fs::statvfs(self.at("vault"))?;
        let filler = fs::File::create(self.at("vault/filler"))?;
        let length = (room.f_bavail * room.f_frsize).saturating_sub(64 << 10);
        // Somebody else may take the rest meanwhile.
        let _ = rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, length);
        Ok(())
    }

    pub(super) fn drain(&self) -> Result<(), Error> {
        Ok(fs::remove_file(self.at("vault/filler"))?)
    }

    pub(super) fn jump(&mut self, seconds: i64) -> Result<(), Error> {
        self.ahead += seconds;
        self.jump_to(self.ahead)
    }

    fn jump_to(&self, seconds: i64) -> Result<(), Error> {
        let new = self.at("clock.new");
        fs::write(&new, format!("{seconds:+}\n"))?;
        Ok(fs::rename(new, self.at("clock"))?)
    }

    /// How many captures are sealed at the destination.
    pub(super) fn sealed(&self) -> Result<u32, Error> {
        let sealed = |name: &&String| self.there(name).join(".verisim/checksums.sha256").is_file();
        Ok(u32::try_from(self.captured.keys().filter(sealed).count())?)
    }

    pub(super) fn there(&self, name: &str) -> PathBuf {
        self.at("vault/runs/runs").join(name)
    }

    pub(super) fn retry(&self) -> Result<(), Error> {
        for state in ["blocked", "failed"] {
            self.ask(&["sync", "retry", "--all", "--in", state])?;
        }
        self.ask(&["sync", "retry", "--all"]).map(drop)
    }

    pub(super) fn list(&self) -> Result<String, Error> {
        Ok(String::from_utf8_lossy(&self.ask(&["sync", "ls"])?.stdout).into_owned())
    }

    /// Flips a bit in so many captures, and counts how many are found out, and not deleted here.
    pub(super) fn flip(&mut self, flips: u32, random: &mut Noise) -> Result<u32, Error> {
        let listed = self.ask(&["--json", "sync", "ls", "--limit", "100000"])?;
        let mut verified = Vec::new();
        for line in String::from_utf8_lossy(&listed.stdout).lines() {
            let run: serde_json::Value = serde_json::from_str(line)?;
            let is_verified =
                run["state"].as_str().is_some_and(|state| state.eq_ignore_ascii_case("verified"));
            if let (true, Some(id), Some(name)) = (is_verified, run["id"].as_u64(), capture_of(&run)) {
                verified.push((id, name));
            }
        }
        let mut found = 0;
        for (id, name) in verified.into_iter().take(usize::try_from(flips)?) {
            let at = self.there(&name).join("image.raw");
            let mut content = fs::read(&at)?;
            let bit = random.below(content.len() as u64 * 8);
            content[usize::try_from(bit / 8)?] ^= 1 << (bit % 8);
            fs::write(&at, content)?;
            let verdict = self.ask(&["sync", "verify", &id.to_string()])?;
            match verdict.status.code() {
                Some(6) if self.at("captures").join(&name).join("image.raw").exists() => found += 1,
                code => println!("{name}: {code:?} {}", String::from_utf8_lossy(&verdict.stderr)),
            }
            self.flipped.push(name);
        }
        Ok(found)
    }
}

/// The folder's name of a line of `sync ls`.
fn capture_of(run: &serde_json::Value) -> Option<String> {
    Some(run["subject"].as_str()?.rsplit('/').next()?.to_owned())
}

fn done(command: &mut Command) -> Result<(), Error> {
    let status = command.stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.kill();
        let _ = Command::new("umount").arg("--lazy").arg(self.at("vault")).status();
    }
}
