//! Hashing alone: a capture as every push by a tool begins, against the programs that hash.
//!
//! Ours lists the capture, hashes it with several threads, notes each hash in the journal, and holds each file against what was
//! listed, before and after. Everything is read from the page cache, by everybody.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use verisim_core::{
    CancellationToken, Capture, CaptureName, DestinationName, PushOptions, RelPath, Remote, RootIdentity,
};
use verisim_sync::hash_capture;

use crate::measure::{Bar, Contender, Error, compare};
use crate::push::{Silent, Sizes, is_there, make_large, make_small, sha256sum, tool};
use crate::report::Report;

/// What is measured, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    sizes: Sizes,
}

/// The shares of a peer's time that ours may take.
const OF_OPENSSL: f64 = 1.05;
const OF_SHA256SUM: f64 = 0.4;

/// Runs both captures.
pub(crate) fn run(options: &Options, report: &mut Report) -> Result<(), Error> {
    let sizes = &options.sizes;
    let dir = tempfile::Builder::new().prefix("hash").tempdir_in(sizes.dir.canonicalize()?)?;
    let (small, large) = (dir.path().join("small/run"), dir.path().join("large/run"));
    make_small(&small, sizes.files, sizes.file_bytes)?;
    make_large(&large, sizes.large_mib)?;
    let of_small = format!("hashing {} files of {} bytes", sizes.files, sizes.file_bytes);
    row(options, report, dir.path(), &small, &of_small, [1.0 / OF_SHA256SUM, 0.0])?;
    row(
        options,
        report,
        dir.path(),
        &large,
        &format!("hashing one file of {} MiB", sizes.large_mib),
        [0.0, 1.0 / OF_OPENSSL],
    )
}

/// One capture: ours against `sha256sum`, `openssl` and rclone.
fn row(
    options: &Options,
    report: &mut Report,
    dir: &Path,
    source: &Path,
    name: &str,
    [of_sha256sum, of_openssl]: [f64; 2],
) -> Result<(), Error> {
    let out = dir.join("sums");
    let peer = |what: &str, factor: f64, run: Box<dyn Fn() -> Result<(), Error>>| Bar {
        contender: Contender { name: what.to_owned(), run: Box::new(move || timed(&*run)) },
        factor,
    };
    let (tree, file) = (source.to_owned(), out.clone());
    let mut others = vec![peer("sha256sum", of_sha256sum, Box::new(move || sha256sum(&tree, &file)))];
    if is_there("openssl") {
        let (tree, file) = (source.to_owned(), out.clone());
        others.push(peer("openssl dgst -sha256", of_openssl, Box::new(move || openssl(&tree, &file))));
    } else {
        report.missing(format!("{name} / openssl"), String::new());
    }
    if is_there("rclone") {
        let (tree, file) = (source.to_owned(), out);
        others.push(peer("rclone hashsum sha256", 0.0, Box::new(move || rclone(&tree, &file))));
    }
    let ours = Contender { name: name.to_owned(), run: Box::new(|| timed(&|| ours(source, dir))) };
    compare(report, "runs/h", options.sizes.rounds, dir, ours, others)
}

/// Runs per hour.
fn timed(run: &dyn Fn() -> Result<(), Error>) -> Result<f64, Error> {
    let start = Instant::now();
    run()?;
    Ok(3600.0 / start.elapsed().as_secs_f64())
}

fn ours(source: &Path, dir: &Path) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt as _;

    let work_dir = dir.join("state");
    if work_dir.exists() {
        std::fs::remove_dir_all(&work_dir)?;
    }
    let meta = std::fs::metadata(source)?;
    let capture = Capture {
        rule: CaptureName::new("bench")?,
        relative: None,
        root: source.to_owned(),
        identity: RootIdentity { device: meta.dev(), inode: meta.ino(), born_ns: None },
        generation: 1,
    };
    let remote = Remote {
        destination: DestinationName::new("vault")?,
        path: RelPath::new("bench/run")?,
        owner: "bench".into(),
    };
    let options = PushOptions {
        work_dir,
        forced: [].into(),
        force_all: false,
        bandwidth: None,
        progress: std::sync::Arc::new(Silent),
        cancel: CancellationToken::new(),
    };
    let hashed = hash_capture(&capture, &remote, options)?;
    if hashed.files == 0 { Err("nothing was hashed".into()) } else { Ok(()) }
}

fn openssl(tree: &Path, out: &Path) -> Result<(), Error> {
    let script = "find . -type f -print0 | sort -z | xargs -0 openssl dgst -sha256 -r";
    tool(Command::new("sh").args(["-c", script]).current_dir(tree).stdout(File::create(out)?))
}

fn rclone(tree: &Path, out: &Path) -> Result<(), Error> {
    let mut hash = Command::new("rclone");
    hash.args(["hashsum", "sha256"]).arg(tree).stdout(File::create(out)?).stderr(Stdio::null());
    tool(&mut hash)
}
