//! Many small files with mode, owner and times: against a shell that does `install` and `touch` for each, and against
//! `cp -p` of a tree that somebody has prepared.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use clap::Args;
use verisim_connect::RootfsConnector;
use verisim_core::{
    Connector, DecoyPath, Digest, FileMode, FileTimes, FileWrite, JobId, Owner, OwnerPolicy, Staging,
    Timestamp, WriteMode, WriteOutcome,
};

use crate::measure::{Bar, Contender, Error, NoClock, compare};
use crate::report::Report;

/// What the shell must be beaten by.
const SHELL_FACTOR: f64 = 10.0;
/// Actions that the engine hands over at once.
const BATCH: usize = 64;
/// The mode of every file.
const MODE: u32 = 0o640;
/// Whose the files are, where we may set that.
const OWNER: Owner = Owner { uid: 1001, gid: 1001 };

/// What is planted, and how often.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many files are planted in one go.
    #[arg(long, default_value_t = 1000)]
    files: usize,
    /// How often each contender has its turn.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Where; a folder of its own is made there, and removed.
    #[arg(long, default_value = "/var/tmp")]
    dir: PathBuf,
}

/// One file of the data that this program makes.
struct Sample {
    path: String,
    body: Bytes,
    mtime: Timestamp,
}

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<(), Error> {
    let held = tempfile::tempdir_in(&options.dir)?;
    let dir = held.path();
    let samples = samples(options.files)?;
    let root = rustix::process::geteuid().is_root();
    let script = prepare_shell(dir, &samples, root)?;
    let prepared = dir.join("prepared");
    shell(&script, &prepared)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let files = options.files as f64;
    let mut round = 0;
    let mut fresh = |name: &str| {
        round += 1;
        dir.join(format!("{name}-{round}"))
    };
    let (ours_at, shell_at, copy_at) = (fresh("ours"), fresh("shell"), fresh("copy"));
    let ours = Contender {
        name: format!("verisim: {} files with mode, owner, mtime, read back", options.files),
        run: Box::new(|| {
            timed(files, &ours_at, |at| {
                fs::create_dir(at)?;
                let connector = RootfsConnector::new(at.to_path_buf(), Arc::new(NoClock));
                runtime.block_on(plant(&connector, &samples, root))
            })
        }),
    };
    let others = vec![
        Bar {
            contender: Contender {
                name: "a shell: install -D and touch for each".into(),
                run: Box::new(|| timed(files, &shell_at, |at| shell(&script, at))),
            },
            factor: SHELL_FACTOR,
        },
        Bar {
            contender: Contender {
                name: "cp -a of a prepared tree, no bar".into(),
                run: Box::new(|| {
                    timed(files, &copy_at, |at| done(Command::new("cp").arg("-a").arg(&prepared).arg(at)))
                }),
            },
            factor: 0.0,
        },
    ];
    compare(report, "files/s", options.rounds, dir, ours, others)
}

/// Files per second; the tree is removed before the next turn, which is not timed.
fn timed(files: f64, at: &Path, work: impl FnOnce(&Path) -> Result<(), Error>) -> Result<f64, Error> {
    let start = Instant::now();
    work(at)?;
    let rate = files / start.elapsed().as_secs_f64();
    fs::remove_dir_all(at)?;
    Ok(rate)
}

/// Bodies of some hundred bytes, none like another, in the homes of ten users.
fn samples(files: usize) -> Result<Vec<Sample>, Error> {
    (0..files)
        .map(|number| {
            let mut body = String::new();
            for line in 0..5 + number % 20 {
                writeln!(body, "note {number}, line {line}: {}", Digest::of(&number.to_le_bytes()))?;
            }
            Ok(Sample {
                path: format!("/home/user{}/notes/{}/note-{number}.txt", number % 10, number % 3),
                body: body.into(),
                mtime: Timestamp::new(1_700_000_000 + number as i64 * 61, 123_456_789)?,
            })
        })
        .collect()
}

async fn plant(connector: &RootfsConnector, samples: &[Sample], root: bool) -> Result<(), Error> {
    for (number, batch) in samples.chunks(BATCH).enumerate() {
        let writes: Vec<FileWrite> = batch
            .iter()
            .map(|sample| {
                Ok::<_, Error>(FileWrite {
                    path: DecoyPath::new(&sample.path)?,
                    body: sample.body.clone(),
                    how: WriteMode::Create,
                    mode: Some(FileMode::new(MODE)),
                    owner: if root { OwnerPolicy::Set(OWNER) } else { OwnerPolicy::Keep },
                    times: FileTimes::Past { mtime: sample.mtime, atime: sample.mtime },
                    make_parents: true,
                    durable: false,
                    staging: Staging::derive(&[1; 32], JobId(number as i64)),
                })
            })
            .collect::<Result<_, _>>()?;
        for (sample, outcome) in batch.iter().zip(connector.write(&writes).await) {
            match outcome? {
                WriteOutcome::Written(written) if written.sha256 == Digest::of(&sample.body) => {}
                other => return Err(format!("{}: {other:?}", sample.path).into()),
            }
        }
    }
    Ok(())
}

/// A script that does the same to the folder that is its argument.
fn prepare_shell(dir: &Path, samples: &[Sample], root: bool) -> Result<PathBuf, Error> {
    let bodies = dir.join("bodies");
    fs::create_dir(&bodies)?;
    let owner = if root { format!("-o {} -g {} ", OWNER.uid, OWNER.gid) } else { String::new() };
    let mut script = String::from("set -e\n");
    for (number, sample) in samples.iter().enumerate() {
        let body = bodies.join(number.to_string());
        fs::write(&body, &sample.body)?;
        let (body, to) = (body.display(), &sample.path);
        writeln!(script, "install -D -m {MODE:o} {owner}{body} \"$1{to}\"")?;
        writeln!(script, "touch -d {} \"$1{to}\"", sample.mtime)?;
    }
    let at = dir.join("plant.sh");
    fs::write(&at, script)?;
    Ok(at)
}

fn shell(script: &Path, root: &Path) -> Result<(), Error> {
    fs::create_dir(root)?;
    done(Command::new("sh").arg(script).arg(root))
}

fn done(command: &mut Command) -> Result<(), Error> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}
