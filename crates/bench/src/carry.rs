//! Verified push to a host over SSH on this machine, and to a store of objects: many small files, one large one, a second push after few of them
//! changed, and a second verification, against the flows that people use.
//!
//! Every flow ends with `sync`, within its time; all of them hash what is there on the far side, but `rclone copy` as it
//! comes.

mod flows;
mod store;

use std::path::Path;
use std::sync::Arc;

use verisim_core::SyncTransport;
use verisim_testkit::sshd::{Sshd, SshdOptions};

pub(crate) use self::flows::Ground;
use crate::measure::{Contender, Error, Pair, contest};
use crate::push::{Errand, Noise, Sizes, ground, is_there, make_large, make_small, timed, timed_after};
use crate::report::Report;

/// What is measured, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    sizes: Sizes,
    /// Only ours, for a profiler.
    #[arg(long)]
    only_ours: bool,
    /// Only what has this in its name, for a profiler.
    #[arg(long)]
    only: Option<String>,
}

impl Options {
    /// Measures what was asked for of all these.
    fn contest(
        &self,
        report: &mut Report,
        dir: &Path,
        mut contenders: Vec<Contender<'_>>,
        pairs: &[Pair],
    ) -> Result<(), Error> {
        let Some(only) = &self.only else {
            return contest(report, "runs/h", self.sizes.rounds, dir, contenders, pairs);
        };
        contenders.retain(|contender| contender.name.contains(only.as_str()));
        match contenders.is_empty() {
            true => Ok(()),
            false => contest(report, "runs/h", self.sizes.rounds, dir, contenders, &[]),
        }
    }
}

/// The shares of a peer's time that ours may take: of the rsync flow, of rclone's flow by rclone, of `rclone copy` alone by
/// SFTP with small files, and of `rsync --checksum` where nothing changed.
const OF_RSYNC: f64 = 0.5;
const OF_RCLONE_FLOW: f64 = 0.6;
const OF_RCLONE_COPY: f64 = 0.15;
const OF_RSYNC_CHECKSUM: f64 = 1.2;
/// Of how many files one changes before the second push.
const ONE_CHANGES_OF: usize = 100;

/// Runs both captures.
pub(crate) fn run(options: &Options, report: &mut Report) -> Result<(), Error> {
    let Some(sshd) = Sshd::start(SshdOptions::default()) else {
        report.missing("over ssh: root, sshd", "all".into());
        return Ok(());
    };
    for program in ["rsync", "rclone"] {
        if !is_there(program) {
            report.missing(format!("over ssh: {program}"), "all".into());
            return Ok(());
        }
    }
    let sizes = &options.sizes;
    let dir = ground(sizes, "carry")?;
    let (small, large) = (dir.path().join("small/run"), dir.path().join("large/run"));
    make_small(&small, sizes.files, sizes.file_bytes)?;
    make_large(&large, sizes.large_mib)?;
    let ground = Ground { sshd: &sshd, dir: dir.path() };
    let of_small = format!("over ssh, {} files of {} bytes", sizes.files, sizes.file_bytes);
    let of_large = format!("over ssh, one file of {} MiB", sizes.large_mib);
    first(options, report, ground, &small, &of_small, 1.0 / OF_RCLONE_COPY)?;
    again(options, report, ground, &small, &of_small)?;
    first(options, report, ground, &large, &of_large, 0.0)?;
    let in_store = [(&*small, of_small), (&*large, of_large)];
    store::rows(
        options,
        report,
        dir.path(),
        &in_store.map(|(at, name)| (at, name.replace("over ssh", "to s3"))),
    )
}

/// How ours gets to the host.
type Way<'g> = fn(Ground<'g>, &Path) -> Result<Arc<dyn SyncTransport>, Error>;

/// Our transports, in the order to which the pairs below refer.
fn ours<'g>() -> [(&'static str, Way<'g>); 3] {
    [("sftp", Ground::sftp), ("rsync_ssh", Ground::rsync_ssh), ("rclone", Ground::rclone)]
}

/// A flow that people use.
type Flow<'g> = fn(Ground<'g>, &Path, &Path) -> Result<(), Error>;

/// Into an empty folder.
fn first(
    options: &Options,
    report: &mut Report,
    ground: Ground<'_>,
    source: &Path,
    name: &str,
    of_copy: f64,
) -> Result<(), Error> {
    let peers: [(&str, Flow<'_>); 3] = [
        ("rsync -avz --checksum --partial, sha256sum, ssh find -exec sha256sum", Ground::rsync_flow),
        ("rclone copy --checksum, sha256sum, rclone hashsum --download", Ground::rclone_flow),
        ("rclone copy as it comes, nothing verified", Ground::rclone_copy),
    ];
    let dir = ground.dir;
    let mut contenders: Vec<Contender<'_>> = Vec::new();
    for (what, way) in ours() {
        let push = move |target: &Path| Errand::new(source, dir, way(ground, target)?)?.push();
        contenders.push(contender(format!("{name}: {what}"), move || timed(dir, push)));
    }
    let mut pairs: Vec<Pair> = Vec::new();
    if !options.only_ours {
        for (what, flow) in peers {
            let push = move |target: &Path| flow(ground, source, target);
            contenders.push(contender(format!("{name}: {what}"), move || timed(dir, push)));
        }
        pairs.extend([
            (0, 3, 1.0 / OF_RSYNC),
            (1, 3, 1.0 / OF_RSYNC),
            (2, 4, 1.0 / OF_RCLONE_FLOW),
            (0, 5, of_copy),
        ]);
    }
    options.contest(report, dir, contenders, &pairs)
}

/// Into a folder that has it already: after few files changed, and a mere look at what is there.
fn again(
    options: &Options,
    report: &mut Report,
    ground: Ground<'_>,
    source: &Path,
    name: &str,
) -> Result<(), Error> {
    let dir = ground.dir;
    let mut contenders: Vec<Contender<'_>> = Vec::new();
    for (what, way) in ours().into_iter().take(2) {
        let there = move |target: &Path| {
            let mut errand = Errand::new(source, dir, way(ground, target)?)?;
            errand.push().map(|()| errand)
        };
        let changed = move |target: &Path| there(target).and_then(|errand| change(source).map(|()| errand));
        contenders.push(contender(format!("{name}, one in {ONE_CHANGES_OF} changed: {what}"), move || {
            timed_after(dir, changed, |_, mut errand| errand.push())
        }));
        contenders
            .push(contender(format!("{name}, nothing changed: {what}, another verification"), move || {
                timed_after(dir, there, |_, errand| errand.verify())
            }));
    }
    let mut pairs: Vec<Pair> = Vec::new();
    if !options.only_ours {
        let flow = "rsync -avz --checksum --partial, sha256sum, ssh find -exec sha256sum";
        let there = move |target: &Path| ground.rsync(&["-a"], source, target);
        contenders.push(contender(format!("{name}, one in {ONE_CHANGES_OF} changed: {flow}"), move || {
            let changed = |target: &Path| there(target).and_then(|()| change(source));
            timed_after(dir, changed, |target, ()| ground.rsync_flow(source, target))
        }));
        contenders.push(contender(format!("{name}, nothing changed: rsync -a --checksum"), move || {
            timed_after(dir, there, |target, ()| ground.rsync(&["-a", "--checksum"], source, target))
        }));
        let looked = 1.0 / OF_RSYNC_CHECKSUM;
        pairs.extend([(0, 4, 0.0), (2, 4, 0.0), (1, 5, looked), (3, 5, looked)]);
    }
    options.contest(report, dir, contenders, &pairs)
}

fn contender<'a>(name: String, run: impl FnMut() -> Result<f64, Error> + 'a) -> Contender<'a> {
    Contender { name, run: Box::new(run) }
}

/// Gives one file in a hundred other bytes.
fn change(source: &Path) -> Result<(), Error> {
    static SEED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(77);
    let mut noise = Noise(SEED.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let mut at = 0_usize;
    for folder in std::fs::read_dir(source)? {
        let folder = folder?.path();
        // What ours left there is not of the capture.
        if folder.file_name().is_some_and(|name| name == ".verisim") || !folder.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&folder)? {
            let file = file?.path();
            at += 1;
            if at.is_multiple_of(ONE_CHANGES_OF) {
                let mut content = std::fs::read(&file)?;
                noise.fill(&mut content);
                std::fs::write(&file, &content)?;
            }
        }
    }
    Ok(())
}
