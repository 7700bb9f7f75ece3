//! The memory of one process that pushes, verifies and seals a capture of very many files, and verifies it once more.
//!
//! Each way is a process of its own, which says how large it has been at most; an sshd and what it starts are other processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use verisim_core::SyncTransport;
use verisim_sync::{NativeOptions, NativeTransport};
use verisim_testkit::sshd::{Sshd, SshdOptions};

use crate::carry::Ground;
use crate::idle::{field, mib};
use crate::measure::Error;
use crate::push::{Errand, RealClock, is_there, known, make_small};
use crate::report::{Report, Verdict};

/// What is measured, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many files.
    #[arg(long, default_value_t = 1_000_000)]
    files: u32,
    /// How many bytes each has.
    #[arg(long, default_value_t = 16)]
    file_bytes: usize,
    /// By which ways.
    #[arg(long, value_enum, default_values = ["native", "sftp", "rsync-ssh"])]
    way: Vec<Way>,
    /// A folder on the disk that is meant; a folder below it is made and removed.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Measures this process, over what lies in this folder.
    #[arg(long, hide = true)]
    within: Option<PathBuf>,
}

impl Options {
    /// Whether this process is the one that is measured.
    pub(crate) const fn is_part(&self) -> bool {
        self.within.is_some()
    }
}

/// How it gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Way {
    Native,
    Sftp,
    RsyncSsh,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Sftp => "sftp",
            Self::RsyncSsh => "rsync-ssh",
        }
    }
}

/// The resident set at its largest, in KiB.
const RESIDENT_KIB_MAX: u64 = 150 * 1024;

/// Runs a row for each way.
pub(crate) fn run(options: &Options, report: &mut Report) -> Result<(), Error> {
    if let Some(within) = &options.within {
        return options.way.iter().try_for_each(|way| one(*way, within));
    }
    let dir = tempfile::Builder::new().prefix("memory").tempdir_in(options.dir.canonicalize()?)?;
    make_small(&dir.path().join("small/run"), options.files, options.file_bytes)?;
    for way in &options.way {
        let what = format!("memory: {} files of {} bytes, {}", options.files, options.file_bytes, way.name());
        for used in ["target", "state", "small/run/.verisim"] {
            if dir.path().join(used).exists() {
                fs::remove_dir_all(dir.path().join(used))?;
            }
        }
        for made in ["target", "state"] {
            fs::create_dir(dir.path().join(made))?;
        }
        let mut process = Command::new(std::env::current_exe()?);
        process.args(["memory", "--way", way.name(), "--within"]).arg(dir.path());
        let begun = Instant::now();
        let ended = process.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        let said = String::from_utf8_lossy(&ended.stdout);
        print!("{said}");
        let Some(largest) = said.lines().filter_map(|line| field(line, "largest:")).max() else {
            report.missing(what, format!("{} MiB", RESIDENT_KIB_MAX / 1024));
            continue;
        };
        println!("{what}: {:.1} MiB at most, {:.0} s", mib(largest), begun.elapsed().as_secs_f64());
        let (figure, bar) = (format!("{:.1} MiB", mib(largest)), format!("{} MiB", RESIDENT_KIB_MAX / 1024));
        report.note(what, figure, bar, Verdict::of(ended.status.success() && largest < RESIDENT_KIB_MAX));
    }
    Ok(())
}

/// Pushes and verifies twice in this process, and says how large it has been after each step.
fn one(way: Way, dir: &Path) -> Result<(), Error> {
    let (source, target) = (dir.join("small/run"), dir.join("target"));
    let sshd = match way {
        Way::Native => None,
        Way::RsyncSsh if !is_there("rsync") => return Ok(()),
        Way::Sftp | Way::RsyncSsh => match Sshd::start(SshdOptions::default()) {
            None => return Ok(()),
            started => started,
        },
    };
    let transport: Arc<dyn SyncTransport> = match (way, &sshd) {
        (Way::Sftp, Some(sshd)) => Ground { sshd, dir }.sftp(&target)?,
        (Way::RsyncSsh, Some(sshd)) => Ground { sshd, dir }.rsync_ssh(&target)?,
        _ => {
            let options = NativeOptions::new(target, known(dir));
            Arc::new(NativeTransport::new(options, Arc::new(RealClock(Instant::now()))))
        }
    };
    let mut errand = Errand::new(&source, dir, transport)?;
    say("found")?;
    errand.push()?;
    say("pushed, verified and sealed")?;
    errand.verify()?;
    say("verified again")
}

fn say(when: &str) -> Result<(), Error> {
    let status = fs::read_to_string("/proc/self/status")?;
    let largest = field(&status, "VmHWM:").ok_or("the kernel does not say how large this process was")?;
    println!("largest: {largest} KiB, {when}");
    Ok(())
}
