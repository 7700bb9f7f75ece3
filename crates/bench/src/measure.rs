//! Taking turns, medians, and whether the machine was quiet enough.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use verisim_core::{Clock, Digest, Timestamp, Uptime};

use crate::report::{Report, Verdict};

/// What went wrong.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// Between two probes of one row, a machine that changed by more than this factor was too noisy to believe.
const NOISE_FACTOR_MAX: f64 = 2.0;

/// How fast the machine is just now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe {
    /// `fdatasync` after 8 KiB, median of 25.
    sync: Duration,
    /// SHA-256 of 4 MiB, median of 5.
    cpu: Duration,
}

impl Probe {
    /// Probes the machine, and the disk that holds `dir`.
    pub(crate) fn take(dir: &Path) -> Result<Self, Error> {
        let mut file = File::create(dir.join("probe"))?;
        let mut syncs = Vec::new();
        for _ in 0..25 {
            file.write_all(&[7; 8192])?;
            let start = Instant::now();
            file.sync_data()?;
            syncs.push(start.elapsed());
        }
        let block = vec![7; 4 << 20];
        let hash = |_| {
            let start = Instant::now();
            std::hint::black_box(Digest::of(std::hint::black_box(&block)));
            start.elapsed()
        };
        Ok(Self { sync: median(syncs), cpu: median((0..5).map(hash).collect()) })
    }

    fn noisy(self, other: Self) -> bool {
        let apart = |a: Duration, b: Duration| {
            let (a, b) = (a.as_secs_f64(), b.as_secs_f64());
            a.max(b) > NOISE_FACTOR_MAX * a.min(b)
        };
        apart(self.sync, other.sync) || apart(self.cpu, other.cpu)
    }
}

impl std::fmt::Display for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "fdatasync {:.2} ms, cpu {:.1} ms", ms(self.sync), ms(self.cpu))
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values[values.len() / 2]
}

/// Something that is measured: its name, and a function that answers a figure of which more is better.
pub(crate) struct Contender<'a> {
    pub(crate) name: String,
    pub(crate) run: Box<dyn FnMut() -> Result<f64, Error> + 'a>,
}

/// What ours is compared with, and by what factor it shall be better.
pub(crate) struct Bar<'a> {
    pub(crate) contender: Contender<'a>,
    pub(crate) factor: f64,
}

/// Two contenders by their places, and by what factor the first shall be better than the second; a factor of nought is no bar.
pub(crate) type Pair = (usize, usize, f64);

/// Measures ours and every other in turns, `rounds` times, and notes one row for each pair. A factor of nought is no bar.
pub(crate) fn compare(
    report: &mut Report,
    unit: &str,
    rounds: usize,
    dir: &Path,
    ours: Contender<'_>,
    others: Vec<Bar<'_>>,
) -> Result<(), Error> {
    let pairs: Vec<Pair> = others.iter().enumerate().map(|(at, other)| (0, at + 1, other.factor)).collect();
    let contenders = std::iter::once(ours).chain(others.into_iter().map(|other| other.contender)).collect();
    contest(report, unit, rounds, dir, contenders, &pairs)
}

/// Measures all in turns, the last one first, `rounds` times, and notes one row for each pair.
pub(crate) fn contest(
    report: &mut Report,
    unit: &str,
    rounds: usize,
    dir: &Path,
    mut contenders: Vec<Contender<'_>>,
    pairs: &[Pair],
) -> Result<(), Error> {
    let before = Probe::take(dir)?;
    let mut figures = vec![Vec::new(); contenders.len()];
    for _ in 0..rounds {
        for (contender, figures) in contenders.iter_mut().zip(&mut figures).rev() {
            figures.push((contender.run)()?);
        }
    }
    let after = Probe::take(dir)?;
    let medians: Vec<f64> = figures.into_iter().map(median).collect();
    for (contender, figure) in contenders.iter().zip(&medians) {
        println!("{:<70} {figure:>10.1} {unit}", contender.name);
    }
    for &(ours, other, factor) in pairs {
        let ratio = medians[ours] / medians[other];
        let (ours, name) = (&contenders[ours].name, &contenders[other].name);
        println!("  {ratio:>8.2}, bar {factor:>6.2}: {ours} / {name}");
        let (bar, verdict) = match factor {
            0.0 => (String::new(), Verdict::Shown),
            factor => (format!("{factor:.2} x"), Verdict::of(ratio >= factor)),
        };
        report.note(format!("{ours} / {name}"), format!("{ratio:.2} x"), bar, verdict);
    }
    println!("  before: {before}; after: {after}");
    if before.noisy(after) {
        println!("  the machine was TOO NOISY for these figures: measure again");
        report.doubt(pairs.len());
    }
    Ok(())
}

/// Nothing that is measured asks for the time.
pub(crate) struct NoClock;

#[async_trait]
impl Clock for NoClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
    fn uptime(&self) -> Option<Uptime> {
        None
    }
    async fn sleep_until(&self, _at: Timestamp) {}
}
