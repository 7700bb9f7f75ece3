//! The memory of an idle daemon: the real binary with a large fleet, outside everybody's working hours.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::measure::Error;
use crate::report::{Report, Verdict};

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The binary.
    #[arg(long, default_value = "target/release/verisim")]
    verisim: PathBuf,
    /// How many decoys.
    #[arg(long, default_value_t = 10_000)]
    decoys: usize,
    /// How long it idles before it is looked at, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// The resident set at its largest, in KiB.
const RESIDENT_KIB_MAX: u64 = 100 * 1024;
/// One persona works on so many decoys.
const DECOYS_PER_PERSONA: usize = 5;
/// How long the daemon may take until it listens.
const START_MAX: Duration = Duration::from_secs(60);

/// Kills the daemon whatever happens.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the row.
pub(crate) fn run(options: &Options, report: &mut Report) -> Result<(), Error> {
    let dir = tempfile::tempdir()?;
    let config = dir.path().join("verisim.toml");
    fs::write(&config, fleet(dir.path(), options.decoys)?)?;
    let mut command = Command::new(&options.verisim);
    command.arg("--config").arg(&config).args(["--quiet", "up"]).stdin(Stdio::null()).stdout(Stdio::null());
    let begun = Instant::now();
    let mut daemon = Daemon(command.spawn()?);
    while !dir.path().join("state/control.sock").exists() {
        if daemon.0.try_wait()?.is_some() || begun.elapsed() > START_MAX {
            return Err("the daemon did not start".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let start = begun.elapsed();
    std::thread::sleep(Duration::from_secs(options.seconds));
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.0.id()))?;
    let resident = field(&status, "VmRSS:").ok_or("the kernel does not say how large the daemon is")?;
    let largest = field(&status, "VmHWM:").ok_or("the kernel does not say how large the daemon was")?;
    let what = format!(
        "idle: {} decoys, {} personas, resident at most (started in {} ms)",
        options.decoys,
        options.decoys.div_ceil(DECOYS_PER_PERSONA),
        start.as_millis()
    );
    println!("{what}: {:.1} MiB at most, {:.1} MiB at rest", mib(largest), mib(resident));
    let (figure, bar) = (format!("{:.1} MiB", mib(largest)), format!("{} MiB", RESIDENT_KIB_MAX / 1024));
    report.note(what, figure, bar, Verdict::of(largest < RESIDENT_KIB_MAX));
    Ok(())
}

/// A fleet of directories, and personas who work on Wednesdays for an hour: it idles nearly always.
fn fleet(dir: &Path, decoys: usize) -> Result<String, Error> {
    let mut text = String::from("state = \"state\"\nseed = 7\n");
    for number in 0..decoys {
        fs::create_dir_all(dir.join(format!("decoys/{number}")))?;
        let persona = number / DECOYS_PER_PERSONA;
        write!(
            text,
            "[[decoy]]\nname = \"d{number}\"\nconnector = {{ rootfs = {{ path = \"decoys/{number}\" }} }}\n\
             services = [\"ssh\", \"smb\"]\nrole = \"file-server\"\npersonas = [\"p{persona}\"]\n"
        )?;
    }
    for persona in 0..decoys.div_ceil(DECOYS_PER_PERSONA) {
        write!(
            text,
            "[[persona]]\nname = \"p{persona}\"\nfull_name = \"Person Number {persona}\"\nlogin = \"p{persona}\"\n\
             uid = {}\nrole = \"analyst\"\ntime_zone = \"Europe/Berlin\"\nweek = \"wed 03:00-04:00\"\n",
            2000 + persona
        )?;
    }
    Ok(text)
}

/// The number behind a name in the lines of a process's status.
pub(crate) fn field(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "sizes of a process, far below 2^52 KiB")]
pub(crate) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
