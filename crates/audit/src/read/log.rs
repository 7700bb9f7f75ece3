//! Log files of syslog's forms, old and new, and of dpkg.

use std::sync::Arc;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use verisim_core::Timestamp;

use super::text;

/// How many lines are read, the newest.
const LINES_MAX: usize = 100_000;
/// The names of months as syslog writes them.
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// The host that it names; empty where the form has none.
    pub host: Arc<str>,
    /// The program.
    pub program: Arc<str>,
    /// Its process, where the line says.
    pub pid: Option<u32>,
    /// The rest, bounded.
    pub message: String,
}

/// What a log file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// The lines, in the order of the file.
    pub lines: Vec<LogLine>,
    /// How many lines have no form that is known.
    pub strange: usize,
}

/// A time as a line has it, before it is known in which year.
enum When {
    Exact(Timestamp),
    Yearless { month: i8, day: i8, time: Time },
    Local(DateTime),
}

struct Parsed {
    when: When,
    host: String,
    program: String,
    pid: Option<u32>,
    message: String,
}

/// Reads a log whose local times are those of the zone of this name, or universal time where there is none of it. Lines without a year belong to the year that makes the last of them no later than `written`, the time of
/// the file; before it, the months tell where a year began.
#[must_use]
pub fn log(bytes: &[u8], written: Timestamp, zone: &str) -> Log {
    let zone = &TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let all: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let kept = &all[all.len().saturating_sub(LINES_MAX)..];
    let mut found = Log::default();
    // A day of slack, for a clock or a zone that is not ours.
    let latest = written.saturating_add(std::time::Duration::from_secs(86_400)).unwrap_or(Timestamp::MAX);
    let latest = latest.to_zoned(zone.clone()).datetime();
    let mut year = latest.year();
    let mut month_after: Option<i8> = None;
    let mut names: std::collections::BTreeSet<Arc<str>> = std::collections::BTreeSet::new();
    let mut known = |name: &str| {
        if let Some(known) = names.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(name);
        if names.len() < 2000 {
            names.insert(Arc::clone(&new));
        }
        new
    };
    for line in kept.iter().rev() {
        let Some(parsed) = line_of(&text(line, 600)) else {
            found.strange += 1;
            continue;
        };
        let at = match parsed.when {
            When::Exact(at) => Some(at),
            When::Local(local) => instant(local, zone),
            When::Yearless { month, day, time } => {
                match month_after {
                    // Backwards in the file, a month that is far later belongs to the year before.
                    Some(after) if month > after + 6 => year = year.saturating_sub(1),
                    None => {
                        let guess = Date::new(year, month, day).map(|date| date.to_datetime(time));
                        if guess.is_ok_and(|guess| guess > latest) {
                            year = year.saturating_sub(1);
                        }
                    }
                    Some(_) => {}
                }
                month_after = Some(month);
                Date::new(year, month, day).ok().and_then(|date| instant(date.to_datetime(time), zone))
            }
        };
        let Some(at) = at else {
            found.strange += 1;
            continue;
        };
        let (host, program) = (known(&parsed.host), known(&parsed.program));
        found.lines.push(LogLine { at, host, program, pid: parsed.pid, message: parsed.message });
    }
    found.lines.reverse();
    found
}

fn instant(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_zoned(local).ok().map(|zoned| zoned.timestamp())
}

fn line_of(line: &str) -> Option<Parsed> {
    let first = line.as_bytes().first()?;
    if !first.is_ascii_digit() {
        let (when, rest) = traditional(line)?;
        return tagged(when, rest);
    }
    let (stamp, rest) = line.split_once(' ')?;
    if let Ok(at) = stamp.parse::<Timestamp>() {
        return tagged(When::Exact(at), rest);
    }
    // As dpkg.log: a date, a time, and words.
    let (time, message) = rest.split_once(' ')?;
    let local = Date::strptime("%Y-%m-%d", stamp).ok()?.to_datetime(Time::strptime("%H:%M:%S", time).ok()?);
    let message = message.to_owned();
    Some(Parsed { when: When::Local(local), host: String::new(), program: String::new(), pid: None, message })
}

/// `Nov 22 03:08:43 rest`, with a day of one digit after two blanks.
fn traditional(line: &str) -> Option<(When, &str)> {
    let month = MONTHS.iter().position(|month| line.starts_with(month))?;
    let month = i8::try_from(month + 1).ok()?;
    let rest = line.get(3..)?.trim_start_matches(' ');
    let (day, rest) = rest.split_once(' ')?;
    let (time, rest) = rest.split_once(' ')?;
    let time = Time::strptime("%H:%M:%S", time).ok()?;
    Some((When::Yearless { month, day: day.parse().ok()?, time }, rest))
}

/// `host program[pid]: message`.
fn tagged(when: When, rest: &str) -> Option<Parsed> {
    let (host, rest) = rest.split_once(' ')?;
    let (tag, message) = rest.split_once(": ").or_else(|| rest.strip_suffix(':').map(|tag| (tag, "")))?;
    let (program, pid) = match tag.split_once('[') {
        Some((program, pid)) => (program, pid.trim_end_matches(']').parse().ok()),
        None => (tag, None),
    };
    let message = message.chars().take(240).collect();
    Some(Parsed { when, host: host.to_owned(), program: program.to_owned(), pid, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, written: &str) -> Log {
        log(text.as_bytes(), written.parse().unwrap(), "UTC")
    }

    #[test]
    fn both_forms_of_syslog_are_read() {
        let found = read(
            "2026-11-22T03:08:43.123456+01:00 files01 sshd[77]: Accepted publickey for a from 10.0.0.5 port 1 ssh2\n\
             Nov  2 03:08:43 files01 CRON[78]: (root) CMD (x)\nkernel panic\n2026-11-23 05:18:21 status installed x\n",
            "2026-11-23T06:00:00Z",
        );
        assert_eq!(found.strange, 1);
        let times: Vec<String> = found.lines.iter().map(|line| line.at.to_string()).collect();
        assert_eq!(times, ["2026-11-22T02:08:43.123456Z", "2026-11-02T03:08:43Z", "2026-11-23T05:18:21Z"]);
        assert_eq!((&*found.lines[0].program, found.lines[0].pid), ("sshd", Some(77)));
        assert_eq!(&*found.lines[1].host, "files01");
    }

    #[test]
    fn a_line_without_a_year_belongs_to_the_one_that_the_file_says() {
        let found = read(
            "Dec 30 10:00:00 h a: x\nDec 31 10:00:00 h a: x\nJan  1 10:00:00 h a: x\n",
            "2026-01-01T10:00:01Z",
        );
        let years: Vec<i16> = found.lines.iter().map(|l| l.at.to_zoned(TimeZone::UTC).year()).collect();
        assert_eq!(years, [2025, 2025, 2026]);
        let found = read("Dec 30 10:00:00 h a: x\n", "2026-01-05T10:00:01Z");
        assert_eq!(found.lines[0].at.to_zoned(TimeZone::UTC).year(), 2025);
        assert_eq!(read("Feb 30 10:00:00 h a: x\n", "2026-01-05T10:00:01Z").strange, 1);
    }
}
