//! Verified push to a host over SSH on this machine: many small files, and one large one, against the flows that people use.
//!
//! Every flow ends with `sync`, within its time; all of them hash what is there on the far side, or as `rclone` comes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use verisim_sync::{RsyncOptions, RsyncTransport, SftpOptions, SftpTransport};
use verisim_sys::Runner;
use verisim_testkit::sshd::{Sshd, SshdOptions};

use crate::measure::{Contender, Error, contest};
use crate::push::{RealClock, carry, is_there, known, make_large, make_small, sha256sum, timed, tool};
use crate::report::Report;

/// What is measured, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many small files.
    #[arg(long, default_value_t = 20_000)]
    files: u32,
    /// How many bytes each has.
    #[arg(long, default_value_t = 4096)]
    file_bytes: usize,
    /// How many mebibytes the large file has.
    #[arg(long, default_value_t = 2048)]
    large_mib: u64,
    /// How often each is measured; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// A folder on the disk that is meant; a folder below it is made and removed.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Only ours over SFTP, for a profiler.
    #[arg(long)]
    only_ours: bool,
}

/// The share of the rsync flow that ours may take, and of `rclone copy` alone that small files over SFTP may.
const OF_RSYNC: f64 = 0.5;
const OF_RCLONE: f64 = 0.15;

/// Runs both captures.
pub(crate) fn run(options: &Options, report: &mut Report) -> Result<(), Error> {
    let Some(sshd) = Sshd::start(SshdOptions::default()) else {
        report.missing("carry: root, sshd", "all".into());
        return Ok(());
    };
    let dir = tempfile::Builder::new().prefix("carry").tempdir_in(options.dir.canonicalize()?)?;
    let (small, large) = (dir.path().join("small/run"), dir.path().join("large/run"));
    make_small(&small, options.files, options.file_bytes)?;
    make_large(&large, options.large_mib)?;
    let of_small = format!("over ssh: {} files of {} bytes", options.files, options.file_bytes);
    row(options, report, &sshd, (dir.path(), &small), &of_small, OF_RCLONE)?;
    let of_large = format!("over ssh: one file of {} MiB", options.large_mib);
    row(options, report, &sshd, (dir.path(), &large), &of_large, 0.0)
}

/// What one flow is called, and how often an hour it goes into an empty folder.
fn contender<'a>(dir: &'a Path, name: String, flow: Flow<'a>) -> Contender<'a> {
    Contender { name, run: Box::new(move || timed(dir, |target| flow(target))) }
}

/// A flow into a folder.
type Flow<'a> = Box<dyn Fn(&Path) -> Result<(), Error> + 'a>;

/// One capture. A bar is the share of the peer's time that ours may take; a share of nought is no bar.
fn row(
    options: &Options,
    report: &mut Report,
    sshd: &Sshd,
    (dir, source): (&Path, &Path),
    name: &str,
    of_rclone: f64,
) -> Result<(), Error> {
    let mut contenders =
        vec![contender(dir, format!("{name}, sftp"), Box::new(|target| by_sftp(sshd, source, target, dir)))];
    let mut pairs = Vec::new();
    if !options.only_ours {
        match is_there("rsync") {
            true => {
                contenders.push(contender(
                    dir,
                    format!("{name}, rsync_ssh"),
                    Box::new(|target| by_rsync(sshd, source, target, dir)),
                ));
                let flow = "rsync -avz --checksum --partial + sha256sum + ssh find -exec sha256sum";
                contenders.push(contender(
                    dir,
                    format!("{name}, {flow}"),
                    Box::new(|target| rsync_flow(sshd, source, target, dir)),
                ));
                pairs.extend([(0, 2, 1.0 / OF_RSYNC), (1, 2, 1.0 / OF_RSYNC)]);
            }
            false => report.missing(format!("{name} / rsync"), format!("{:.2} x", 1.0 / OF_RSYNC)),
        }
        let factor = if of_rclone > 0.0 { 1.0 / of_rclone } else { 0.0 };
        match is_there("rclone") {
            true => {
                pairs.push((0, contenders.len(), factor));
                let flow = "rclone copy as it comes, without verification";
                contenders.push(contender(
                    dir,
                    format!("{name}, {flow}"),
                    Box::new(|target| rclone_copy(sshd, source, target)),
                ));
            }
            false => report.missing(format!("{name} / rclone"), format!("{factor:.2} x")),
        }
    }
    contest(report, "runs/h", options.rounds, dir, contenders, &pairs)
}

fn text(path: &Path) -> Result<&str, Error> {
    path.to_str().ok_or_else(|| "a path is no text".into())
}

fn by_sftp(sshd: &Sshd, source: &Path, target: &Path, dir: &Path) -> Result<(), Error> {
    let options = SftpOptions::new(crate::ssh::target(sshd, sshd.port()), text(target)?);
    let clock = Arc::new(RealClock(Instant::now()));
    carry(source, dir, Arc::new(SftpTransport::new(options, known(dir), clock)))
}

fn by_rsync(sshd: &Sshd, source: &Path, target: &Path, dir: &Path) -> Result<(), Error> {
    let folders = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"];
    let mut options = RsyncOptions::new("127.0.0.1", text(target)?, dir.join("state/desks"));
    (options.port, options.user) = (Some(sshd.port()), Some("root".into()));
    (options.key, options.known_hosts) = (Some(sshd.key()), vec![sshd.known_hosts()]);
    options.environment =
        vec![("PATH".into(), OsString::from(folders.join(":"))), ("HOME".into(), dir.into())];
    let runner = Runner::new(folders.map(PathBuf::from))?;
    carry(source, dir, Arc::new(RsyncTransport::new(options, known(dir), runner)))
}

/// How `ssh` is called, as one line that rsync takes apart.
fn ssh_line(sshd: &Sshd) -> Result<String, Error> {
    Ok(format!(
        "ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -o UserKnownHostsFile={} -i {} -p {}",
        text(&sshd.known_hosts())?,
        text(&sshd.key())?,
        sshd.port()
    ))
}

/// Push with the flags of the flow in use, hash here, hash there, compare.
fn rsync_flow(sshd: &Sshd, source: &Path, target: &Path, dir: &Path) -> Result<(), Error> {
    let ssh = ssh_line(sshd)?;
    let mut push = Command::new("rsync");
    push.args(["-avz", "--checksum", "--partial", "-e", &ssh]);
    push.args([format!("{}/", text(source)?), format!("root@127.0.0.1:{}/", text(target)?)]);
    tool(push.stdout(std::process::Stdio::null()))?;
    let (here, there) = (dir.join("sums.here"), dir.join("sums.there"));
    sha256sum(source, &here)?;
    let words: Vec<&str> = ssh.split(' ').collect();
    let (program, arguments) = words.split_first().ok_or("no words")?;
    let script = format!("cd {} && find . -type f -exec sha256sum {{}} +", text(target)?);
    let mut hash = Command::new(program);
    hash.args(arguments).args(["root@127.0.0.1", &script]).stdout(std::fs::File::create(&there)?);
    tool(&mut hash)?;
    let sorted = |path: &Path| -> Result<Vec<String>, Error> {
        let mut lines: Vec<String> = std::fs::read_to_string(path)?.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        Ok(lines)
    };
    if sorted(&here)? == sorted(&there)? { Ok(()) } else { Err("rsync: hashes differ".into()) }
}

fn rclone_copy(sshd: &Sshd, source: &Path, target: &Path) -> Result<(), Error> {
    let to = format!(
        ":sftp,host=127.0.0.1,port={},user=root,key_file={},known_hosts_file={}:{}",
        sshd.port(),
        text(&sshd.key())?,
        text(&sshd.known_hosts())?,
        text(target)?
    );
    tool(Command::new("rclone").args(["copy", "--config", ""]).arg(source).arg(to))
}
