//! Times of the past: to the second over SFTP, to the nanosecond by one command for a whole batch.

use std::collections::BTreeMap;

use verisim_core::{DecoyPath, FileTimes, FileWrite, TimesChange, Timestamp, WriteOutcome};
use verisim_ssh::quote;
use verisim_ssh::sftp::Attributes;

use super::write::Before;

/// How long a command line becomes at the most, in bytes: it is one argument of a shell, which takes 128 KiB.
const LINE_BYTES_MAX: usize = 96 * 1024;
/// What the words around a path take of it, for setting and asking.
const WORDS_BYTES: usize = 220;

/// How many changes from the start fit into one command line; one at the least.
pub(super) fn line_length(changes: &[TimesChange]) -> usize {
    let mut bytes = 0;
    let fits = |change: &&TimesChange| {
        bytes += 3 * quote(change.path.as_bytes()).len() + WORDS_BYTES;
        bytes <= LINE_BYTES_MAX
    };
    changes.iter().take_while(fits).count().max(1)
}

/// What a batch touched that must bear times of the past.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// Each name with its access and its change.
    pub(super) files: BTreeMap<DecoyPath, (Timestamp, Timestamp)>,
    dirs: BTreeMap<DecoyPath, Directory>,
}

#[derive(Debug, Default)]
struct Directory {
    /// What it was before the batch; `None` if the batch made it.
    before: Option<Attributes>,
    /// The earliest access and the latest change that its entries ask for.
    atime: Option<Timestamp>,
    mtime: Option<Timestamp>,
    /// Whether it gained an entry that lives now, so that its time is right as it is.
    live: bool,
}

impl Touched {
    /// Adds what one write touched.
    pub(super) fn add(&mut self, file: &FileWrite, outcome: &WriteOutcome, before: Option<Before>) {
        let WriteOutcome::Written(written) = outcome else { return };
        let made = &written.made_parents;
        if let FileTimes::Past { mtime, atime } = file.times {
            self.files.insert(file.path.clone(), (atime, mtime));
        }
        // The one that stood gained what was made in it, or the file itself.
        for (dir, before) in before.into_iter().chain(made.iter().map(|dir| (dir.clone(), None))) {
            let known = self.dirs.contains_key(&dir);
            let entry = self.dirs.entry(dir).or_default();
            if !known {
                entry.before = before;
            }
            match file.times {
                FileTimes::Live => entry.live = true,
                FileTimes::Past { mtime, atime } => {
                    entry.mtime = entry.mtime.max(Some(mtime));
                    entry.atime = Some(entry.atime.map_or(atime, |had| had.min(atime)));
                }
            }
        }
    }

    /// What each directory shall bear: its own times where it stood, unless an entry is newer. `exact` are the times before
    /// the batch, where they are known better than SFTP tells them.
    pub(super) fn directories(&self, exact: &BTreeMap<DecoyPath, Times>) -> BTreeMap<DecoyPath, Times> {
        let mut out = BTreeMap::new();
        for (dir, entry) in &self.dirs {
            let (false, Some(mtime), Some(atime)) = (entry.live, entry.mtime, entry.atime) else { continue };
            let time = |seconds: u32| Timestamp::from_second(i64::from(seconds)).unwrap_or(mtime);
            let before = entry.before.map(|before| {
                let (atime, mtime) = before.times.unwrap_or_default();
                exact.get(dir).copied().unwrap_or((time(atime), time(mtime)))
            });
            let times = before.map_or((atime, mtime), |(had, changed)| (had, changed.max(mtime)));
            out.insert(dir.clone(), times);
        }
        out
    }
}

/// The times of one name, access and change.
pub(super) type Times = (Timestamp, Timestamp);

/// The command that tells the times of names to the nanosecond: one line for each, `-` for what is not there.
pub(super) fn question<'p>(paths: impl IntoIterator<Item = &'p DecoyPath>) -> Vec<u8> {
    let mut script = Vec::new();
    for path in paths {
        let path = quote(path.as_bytes());
        script.extend([b"stat -c '%.9X %.9Y' -- ".as_slice(), &path, b" 2>&- || echo -\n"].concat());
    }
    script
}

/// The command that sets them.
pub(super) fn order<'p>(wanted: impl IntoIterator<Item = (&'p DecoyPath, Times)>) -> Vec<u8> {
    let mut script = Vec::new();
    for (path, (atime, mtime)) in wanted {
        let path = quote(path.as_bytes());
        for (which, time) in [("-a", atime), ("-m", mtime)] {
            let command = format!("touch -c -h {which} -d @{} -- ", decimal(time));
            script.extend([command.as_bytes(), &path, b"\n"].concat());
        }
    }
    script
}

/// What [`question`] was answered, one for each name.
pub(super) fn answers(output: &[u8]) -> Vec<Option<Times>> {
    let text = String::from_utf8_lossy(output);
    text.lines()
        .map(|line| {
            let (atime, mtime) = line.split_once(' ')?;
            Some((from_decimal(atime)?, from_decimal(mtime)?))
        })
        .collect()
}

/// Seconds with nine digits behind the point, as GNU's `touch` takes and `stat` prints them.
fn decimal(time: Timestamp) -> String {
    let sign = if time.as_nanosecond() < 0 { "-" } else { "" };
    let (seconds, nanos) = (time.as_second().unsigned_abs(), time.subsec_nanosecond().unsigned_abs());
    format!("{sign}{seconds}.{nanos:09}")
}

fn from_decimal(text: &str) -> Option<Timestamp> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (seconds, nanos) = digits.split_once('.')?;
    if nanos.len() != 9 || seconds.len() > 12 {
        return None;
    }
    let whole = seconds.parse::<i128>().ok()? * 1_000_000_000 + nanos.parse::<i128>().ok()?;
    Timestamp::from_nanosecond(sign * whole).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_the_command_line() {
        for nanos in [0, 1, -1, 1_704_067_200_123_456_789, -1_000_000_000_001, -1_500_000_000] {
            let time = Timestamp::from_nanosecond(nanos).unwrap();
            assert_eq!(from_decimal(&decimal(time)), Some(time), "{nanos}");
        }
        assert_eq!(decimal(Timestamp::from_nanosecond(-1_500_000_000).unwrap()), "-1.500000000");
        assert_eq!(answers(b"-\n1.000000000 2.000000000\n\xff x\n1 2\n")[0], None);
        assert!(answers(b"-\n1.000000000 2.000000000\n")[1].is_some());
    }
}
