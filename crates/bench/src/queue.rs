//! Whole lives of jobs: enqueue, lease, start mark, outcome with one event.

mod bare;
mod ours;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::{Bar, Contender, Error, compare};
use crate::report::Report;

/// What is measured, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Lives of one measurement.
    #[arg(long, default_value_t = 40_000)]
    jobs: usize,
    /// How often each is measured; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A folder on the disk that is meant; a folder below it is made and removed.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// The peer's program; without it those rows are left out.
    #[arg(long)]
    riverqueue: Option<PathBuf>,
    /// Only ours, for a profiler.
    #[arg(long)]
    only_ours: bool,
}

/// Lives per second of a loop that commits every step are so few that a share of the jobs is enough.
const SINGLE_SHARE: usize = 20;

/// Runs the rows.
pub(crate) fn run(options: &Options, report: &mut Report) -> Result<(), Error> {
    let dir = tempfile::tempdir_in(&options.dir)?;
    let path = dir.path();
    let jobs = options.jobs;
    let bare = |name: &str, batch, steps, jobs, factor| Bar {
        contender: Contender {
            name: name.to_owned(),
            run: Box::new(move || bare::lives_per_second(path, jobs, batch, steps)),
        },
        factor,
    };
    let mut others = Vec::new();
    if !options.only_ours {
        others.push(bare("a bare loop, the same writes, batches of 100", 100, bare::Steps::Same, jobs, 0.5));
        // It writes less than we do: shown for comparison, without a bar.
        others.push(bare("a bare loop without start marks", 100, bare::Steps::NoMarks, jobs, 0.0));
        let single = (jobs / SINGLE_SHARE).max(100);
        others.push(bare("a bare loop that commits every step", 1, bare::Steps::Same, single, 15.0));
    }
    if options.riverqueue.is_none() {
        report.missing("queue / riverqueue 0.5.0 on SQLite", "2.00 x".into());
    }
    if let Some(program) = &options.riverqueue {
        for workers in [10, 200] {
            others.push(Bar {
                contender: Contender {
                    name: format!("riverqueue 0.5.0 on SQLite, {workers} workers"),
                    run: Box::new(move || riverqueue(program, path, workers, jobs / 4)),
                },
                factor: 2.0,
            });
        }
    }
    let many = Contender {
        name: "queue: 8 producers, 8 workers, fence, mark and event".into(),
        run: Box::new(move || ours::lives_per_second(path, jobs, 8)),
    };
    compare(report, "jobs/s", options.rounds, path, many, others)?;
    if options.only_ours {
        return Ok(());
    }
    let single = (jobs / SINGLE_SHARE).max(100);
    let alone = Contender {
        name: "queue: one job at a time".into(),
        run: Box::new(move || ours::lone_lives_per_second(path, single)),
    };
    let others = vec![bare("a bare loop that commits every step", 1, bare::Steps::Same, single, 0.5)];
    compare(report, "jobs/s", options.rounds, path, alone, others)
}

fn riverqueue(program: &Path, dir: &Path, workers: usize, jobs: usize) -> Result<f64, Error> {
    let dir = tempfile::tempdir_in(dir)?;
    let output = Command::new(program)
        .arg(dir.path().join("river.db"))
        .args([workers.to_string(), jobs.to_string()])
        .output()?;
    if !output.status.success() {
        return Err(format!("riverqueue failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
