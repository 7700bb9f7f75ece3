//! What explains times that nobody typed: archives, checkouts, and homes that came from elsewhere.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use verisim_core::{DecoyPath, FileKind, Timestamp};

use crate::evidence::{Entry, Evidence};
use crate::stats::{densest, seconds, share, sorted};

/// What a folder that somebody unpacked has at its top.
const OF_A_PROJECT: [&[u8]; 16] = [
    b"readme",
    b"license",
    b"copying",
    b"makefile",
    b"cmakelists.txt",
    b"setup.py",
    b"pyproject.toml",
    b"package.json",
    b"cargo.toml",
    b"configure",
    b"go.mod",
    b"pom.xml",
    b"build.gradle",
    b"composer.json",
    b"gemfile",
    b"changelog",
];
/// How many files an unpacked archive has at the least.
const ARCHIVE_FILES_MIN: usize = 5;
/// How long unpacking takes.
const UNPACKING: Duration = Duration::from_secs(600);
/// How long before and after a restore its line in a log may stand.
const NEAR_SECONDS: f64 = 6.0 * 3600.0;
/// Words that tell of a restore or a move in a log or a root's history.
const RESTORES: [&str; 9] =
    ["rsync", "restic", "borg", "duplicity", "rsnapshot", "restore", "migrat", "tar x", "tar -x"];

/// When most of what packages brought came here, if that was at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moved {
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Moved {
    /// Looks at when files of packages were made: within two hours, four in five of them.
    pub(crate) fn of(arrived: &[Timestamp]) -> Option<Self> {
        let times = sorted(arrived.iter().map(|at| seconds(*at)));
        let (count, from, to) = densest(&times, Duration::from_secs(7200))?;
        (times.len() >= 20 && share(count, times.len()) >= 0.8).then_some(Self { from, to })
    }

    /// Whether a stretch of time lies within it, with a quarter of an hour of slack.
    pub(crate) fn covers(&self, from: f64, to: f64) -> bool {
        from >= self.from - 900.0 && to <= self.to + 900.0
    }
}

/// A line that tells of a restore or a move.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Restore {
    pub(crate) at: Option<f64>,
    pub(crate) line: String,
}

/// Everything in logs and histories that tells of one.
pub(crate) fn restores(evidence: &Evidence) -> Vec<Restore> {
    let tells = |line: &str| RESTORES.iter().any(|word| line.contains(word));
    let lines = evidence.logs.iter().filter_map(|log| log.log.as_ref()).flat_map(|log| &log.lines);
    let logged = lines
        .filter(|line| !line.program.is_empty())
        .filter(|line| tells(&line.message) || tells(&line.program))
        .map(|line| Restore {
            at: Some(seconds(line.at)),
            line: format!("{}: {}", line.program, line.message),
        });
    let commands = evidence.histories.iter().flat_map(|history| &history.history.commands);
    let typed = commands
        .filter(|command| tells(&command.line) && command.line.contains('/'))
        .map(|command| Restore { at: command.at.map(seconds), line: command.line.clone() });
    logged.chain(typed).take(1000).collect()
}

/// The line that tells of a restore in this stretch of time. A command without a time may have been at any.
pub(crate) fn restore_near(restores: &[Restore], from: f64, to: f64) -> Option<&Restore> {
    let is_near =
        |restore: &&Restore| restore.at.is_none_or(|at| at >= from - NEAR_SECONDS && at <= to + NEAR_SECONDS);
    let timed = restores.iter().filter(|restore| restore.at.is_some()).find(is_near);
    timed.or_else(|| restores.iter().find(is_near))
}

/// The files that came out of an archive or a checkout: below a folder that has at its top what projects have, made within
/// ten minutes, with whole seconds (tar), or with their times within two minutes (git).
pub(crate) fn unpacked<'a>(files: &[&'a Entry], entries: &[Entry]) -> HashSet<&'a DecoyPath> {
    let mut tops: BTreeMap<DecoyPath, bool> = BTreeMap::new();
    for entry in entries {
        let name = entry.name().to_ascii_lowercase();
        let is_checkout = entry.stat.kind == FileKind::Directory && name == b".git";
        let is_project = OF_A_PROJECT.iter().any(|mark| name.starts_with(mark));
        if let Some(parent) = entry.path.parent().filter(|_| is_checkout || is_project) {
            *tops.entry(parent).or_default() |= is_checkout;
        }
    }
    let mut out = HashSet::new();
    let mut below: BTreeMap<&DecoyPath, Vec<&'a Entry>> = BTreeMap::new();
    for file in files {
        let mut parent = file.path.parent();
        let mut top = None;
        while let Some(dir) = parent {
            top = tops.get_key_value(&dir).map(|(top, _)| top).or(top);
            parent = dir.parent();
        }
        if let Some(top) = top {
            below.entry(top).or_default().push(file);
        }
    }
    for (top, files) in below {
        let is_checkout = tops.get(top).copied().unwrap_or(false);
        out.extend(came_at_once(&files, is_checkout));
    }
    out
}

fn came_at_once<'a>(files: &[&'a Entry], is_checkout: bool) -> Vec<&'a DecoyPath> {
    let made = |entry: &Entry| seconds(entry.stat.btime.or(entry.stat.ctime).unwrap_or(entry.stat.mtime));
    let time = |entry: &Entry| if is_checkout { seconds(entry.stat.mtime) } else { made(entry) };
    let width = if is_checkout { Duration::from_secs(120) } else { UNPACKING };
    let times = sorted(files.iter().map(|entry| time(entry)));
    let Some((count, from, to)) = densest(&times, width) else { return Vec::new() };
    if count < ARCHIVE_FILES_MIN {
        return Vec::new();
    }
    let among = files.iter().filter(|entry| (from..=to).contains(&time(entry)));
    let among: Vec<&Entry> = among.copied().collect();
    let whole = among.iter().filter(|entry| entry.stat.mtime.subsec_nanosecond() == 0).count();
    let is_archive = is_checkout || share(whole, among.len()) >= 0.95;
    if is_archive { among.into_iter().map(|entry| &entry.path).collect() } else { Vec::new() }
}
