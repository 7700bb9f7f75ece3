//! The folders, the daemon, the host, and what is done to them.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::far::Far;
use super::watch::{self, Watch};
use super::{CALM_MAX, MIN_AGE, Options};
use crate::measure::Error;
use crate::push::Noise;

/// What the Debian package `faketime` brings: the clock of a process, as a file says.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
/// How many bytes the larger file of a capture has.
pub(super) const SMALL: Range<u64> = 1 << 20..3 << 20;
/// How much room the destination has, and how much more for each capture, in mebibytes.
const ROOM_MIB: (u32, u32) = (1_024, 5);

pub(super) struct Home {
    held: tempfile::TempDir,
    verisim: PathBuf,
    pub(super) far: Far,
    pub(super) watch: Watch,
    daemon: Option<Child>,
    /// By how many seconds the daemon's clock is ahead.
    ahead: i64,
    /// How many bytes were captured.
    captured: u64,
    /// How many captures there are.
    made: usize,
    /// What daemons that ended have written.
    written: u64,
}

impl Home {
    pub(super) fn make(options: &Options) -> Result<Self, Error> {
        if !Path::new(FAKETIME).exists() {
            return Err("the clock cannot be made to jump: apt-get install faketime".into());
        }
        let held = tempfile::Builder::new().prefix("faults").tempdir_in(options.dir.canonicalize()?)?;
        for folder in ["captures", "making", "vault", "home"] {
            fs::create_dir(held.path().join(folder))?;
        }
        let vault = held.path().join("vault");
        let size = format!("size={}m", ROOM_MIB.0 + (options.pushes + options.flips) * ROOM_MIB.1);
        done(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(&vault))?;
        let home = Self {
            verisim: options.verisim.canonicalize()?,
            far: Far::start(options.way, vault)?,
            watch: Watch::start(),
            daemon: None,
            ahead: 0,
            captured: 0,
            made: 0,
            written: 0,
            held,
        };
        let text = format!(
            "state = {:?}\n\n[[destination]]\nname = \"vault\"\n{}\nbandwidth = {{ mbit = 80 }}\n\n\
             [[capture]]\nname = \"runs\"\npath = {:?}\neach = \"directory\"\ncomplete = {{ sentinel = \"run_complete\" }}\n\
             destination = \"vault\"\ncleanup = {{ enabled = true, min_passes = 2, min_age = \"{}s\" }}\n",
            home.at("state"),
            home.far.describe(home.held.path())?,
            home.at("captures"),
            MIN_AGE.as_secs()
        );
        fs::write(home.at("verisim.toml"), text)?;
        home.jump_to(0)?;
        Ok(home)
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.held.path().join(name)
    }

    /// A capture of many small files and one of some size, which appears as a whole.
    pub(super) fn capture(&mut self, name: &str, size: Range<u64>, random: &mut Noise) -> Result<(), Error> {
        let root = self.at("making").join(name);
        fs::create_dir(&root)?;
        for file in 0..30 {
            let (path, length) = match file {
                0 => (PathBuf::from("image.raw"), size.start + random.below(size.end - size.start)),
                1 => (PathBuf::from("run_complete"), 0),
                file => (PathBuf::from(format!("plate {}/well-{file}", file % 3)), random.below(40_000)),
            };
            let mut content = vec![0; usize::try_from(length)?];
            random.fill(&mut content);
            let at = root.join(&path);
            fs::create_dir_all(at.parent().unwrap_or(&root))?;
            fs::write(at, &content)?;
            self.captured += length;
        }
        let files = watch::hashes(&root)?;
        let here = self.at("captures").join(name);
        fs::rename(root, &here)?;
        self.made += 1;
        self.watch.expect(name.to_owned(), here.clone(), self.far.of(name), files);
        // So that nobody waits for the daemon to look; one that does not answer just now finds it by itself.
        self.command(&["sync", "add"]).arg(here).stdin(Stdio::null()).output()?;
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
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<Output, Error> {
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
            // It stands still while it is asked how much it wrote.
            done(Command::new("kill").args(["-STOP", &daemon.id().to_string()]))?;
            self.written += written(daemon.id())?;
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

    pub(super) fn is_all_home(&self) -> bool {
        self.watch.sealed() == self.made
    }

    /// Lifts everything, asks for what waits or failed to be tried again, and waits until all is home.
    pub(super) fn calm(&mut self) -> Result<(), Error> {
        self.jump(-self.ahead)?;
        let (mut before, mut since) = (0, Instant::now());
        while !self.is_all_home() {
            let sealed = self.watch.sealed();
            if sealed > before {
                (before, since) = (sealed, Instant::now());
            }
            if since.elapsed() > CALM_MAX {
                let list = self.list()?;
                return Err(format!("only {sealed} of {} came home:\n{list}", self.made).into());
            }
            self.hurry()?;
            self.pause(2_000)?;
        }
        Ok(())
    }

    /// Waits until everything was cleaned up.
    pub(super) fn wait_for_cleanup(&mut self) -> Result<(), Error> {
        let (mut before, mut since) = (0, Instant::now());
        while self.watch.gone() < self.made {
            let gone = self.watch.gone();
            if gone > before {
                (before, since) = (gone, Instant::now());
            }
            if since.elapsed() > CALM_MAX {
                let list = self.list()?;
                return Err(format!("only {gone} of {} were cleaned up:\n{list}", self.made).into());
            }
            self.pause(1_000)?;
        }
        // The last of them may still be at it.
        self.pause(5_000)
    }

    /// Has tried again what failed, and what waits for a later time.
    pub(super) fn hurry(&self) -> Result<(), Error> {
        for state in ["failed", "blocked", "queued", "waiting"] {
            for id in self.jobs(state)?.into_values() {
                self.ask(&["sync", "retry", &id.to_string()])?;
            }
        }
        Ok(())
    }

    /// The jobs in a state, by the names of their captures.
    pub(super) fn jobs(&self, state: &str) -> Result<BTreeMap<String, u64>, Error> {
        let listed = self.ask(&["--json", "sync", "ls", "--in", state, "--limit", "100000"])?;
        let mut out = BTreeMap::new();
        for line in String::from_utf8_lossy(&listed.stdout).lines() {
            let run: serde_json::Value = serde_json::from_str(line)?;
            if let (Some(id), Some(name)) = (run["id"].as_u64(), capture_of(&run)) {
                out.insert(name, id);
            }
        }
        Ok(out)
    }

    pub(super) fn list(&self) -> Result<String, Error> {
        let listed = self.ask(&["sync", "ls", "--limit", "100000"])?;
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let open = |line: &&str| !line.to_ascii_lowercase().contains("cleaned");
        Ok(text.lines().filter(open).take(60).collect::<Vec<_>>().join("\n"))
    }

    /// How many bytes were moved so far: over the wire, or, where there is none, written by daemons.
    pub(super) fn moved(&self) -> Result<u64, Error> {
        match (self.far.bytes(), &self.daemon) {
            (Some(bytes), _) => Ok(bytes),
            (None, Some(daemon)) => Ok(self.written + written(daemon.id())?),
            (None, None) => Ok(self.written),
        }
    }

    pub(super) fn told_of_bytes(&self) -> Result<(), Error> {
        let (moved, mib) = (self.moved()?, f64::from(1 << 20));
        println!(
            "{:.1} MiB were captured, {:.1} MiB were sent: {:.1} % more",
            self.captured as f64 / mib,
            moved as f64 / mib,
            (moved as f64 / self.captured.max(1) as f64 - 1.0) * 100.0
        );
        Ok(())
    }
}

/// How many bytes a process has written so far.
fn written(process: u32) -> Result<u64, Error> {
    let text = fs::read_to_string(format!("/proc/{process}/io"))?;
    let written = text.lines().find_map(|line| line.strip_prefix("wchar: "));
    Ok(written.ok_or("the kernel does not say what was written")?.parse()?)
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
