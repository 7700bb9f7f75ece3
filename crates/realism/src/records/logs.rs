//! Log files: which lines go where, in which form, and how they are set aside.

use std::io::Write as _;

use flate2::{Compression, GzBuilder};
use jiff::Timestamp;
use jiff::civil::{Date, Time};

use super::host::{Every, Family, Host, Keep, Stamps};
use super::journal::{Facility, Line};
use super::services::rotations;
use crate::day::{instant, timestamp};
use crate::zone::Zone;

/// A log file of a system.
pub(super) struct LogFile {
    /// Below `/var/log`.
    pub(super) name: &'static str,
    pub(super) takes: &'static [Facility],
}

/// One file of a log: the one that is written to, or one that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Generation {
    /// Behind the name of the log: nothing for the one that is written to.
    pub(super) suffix: String,
    pub(super) body: Vec<u8>,
    /// When the first and the last line were written.
    pub(super) first: i64,
    pub(super) last: i64,
}

const DEBIAN: &[LogFile] = &[
    LogFile { name: "auth.log", takes: &[Facility::Auth] },
    LogFile { name: "syslog", takes: &[Facility::Cron, Facility::Daemon, Facility::Kernel] },
    LogFile { name: "kern.log", takes: &[Facility::Kernel] },
    LogFile { name: "cron.log", takes: &[Facility::Cron] },
];
const RED_HAT: &[LogFile] = &[
    LogFile { name: "secure", takes: &[Facility::Auth] },
    LogFile { name: "messages", takes: &[Facility::Daemon, Facility::Kernel] },
    LogFile { name: "cron", takes: &[Facility::Cron] },
];
const ALPINE: &[LogFile] = &[LogFile {
    name: "messages",
    takes: &[Facility::Auth, Facility::Cron, Facility::Daemon, Facility::Kernel],
}];

/// The logs of a system, that of logins first.
pub(super) fn files(host: &Host<'_>) -> impl Iterator<Item = &'static LogFile> + use<> {
    let all = match host.family {
        Family::Debian => DEBIAN,
        Family::RedHat => RED_HAT,
        Family::Alpine => ALPINE,
    };
    // rsyslog has cron write into a file of its own since Debian 12.
    let config = host.existing.text("/etc/rsyslog.conf");
    let has_cron = match config.is_empty() {
        true => host.version == 12 || host.version == 13,
        false => config.lines().any(|line| line.trim_start().starts_with("cron.")),
    };
    all.iter().filter(move |file| file.name != "cron.log" || has_cron)
}

/// Writes the lines of a log as files, the oldest first. `rest` is when the file that is written to was begun at the latest:
/// what is older is set aside, for it is somebody else's.
pub(super) fn generations(
    host: &Host<'_>,
    file: &LogFile,
    lines: &[Line],
    keep: Keep,
    (from, until): (i64, i64),
    rest: Option<i64>,
) -> Vec<Generation> {
    let own: Vec<&Line> = lines.iter().filter(|line| file.takes.contains(&line.facility)).collect();
    let mut cuts = rotations(host, keep.every, from, until);
    cuts.extend(rest);
    cuts.sort_unstable();
    let mut out: Vec<Generation> = Vec::new();
    let mut left = own.as_slice();
    // What was set aside, the oldest first, then what is written to.
    let mut parts: Vec<(Option<i64>, &[&Line])> = Vec::new();
    for cut in cuts {
        let (before, after) = left.split_at(left.partition_point(|line| line.at < cut));
        left = after;
        if !before.is_empty() {
            parts.push((Some(cut), before));
        }
    }
    parts.push((None, left));
    let count = parts.len();
    for (place, (cut, lines)) in parts.into_iter().enumerate() {
        let age = count - 1 - place;
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else { continue };
        let kept = if keep.every == Every::Never { usize::MAX } else { keep.count };
        if age > kept {
            continue;
        }
        let mut body = Vec::with_capacity(lines.len() * 120);
        for line in lines {
            write(host, line, &mut body);
        }
        let suffix = suffix(host.zone, keep, age, cut);
        let body = if suffix.ends_with(".gz") { zipped(&body, last.at) } else { body };
        out.push(Generation { suffix, body, first: first.at, last: last.at });
    }
    out
}

/// What logrotate puts behind the name: a number or a date; the newest that was set aside is not compressed yet.
pub(super) fn suffix(zone: &Zone, keep: Keep, age: usize, cut: Option<i64>) -> String {
    let Some(cut) = cut else { return String::new() };
    let gz = if keep.compress && age > 1 { ".gz" } else { "" };
    if keep.dated {
        let date = zone.local(timestamp(cut)).date();
        return format!("-{:04}{:02}{:02}{gz}", date.year(), date.month(), date.day());
    }
    format!(".{age}{gz}")
}

pub(super) fn write(host: &Host<'_>, line: &Line, out: &mut Vec<u8>) {
    let stamp = stamp(host.zone, host.stamps, line.at);
    let pid = line.pid.map_or_else(String::new, |pid| format!("[{pid}]"));
    let text = format!("{stamp} {} {}{pid}: {}\n", host.name, line.program, line.message);
    out.extend_from_slice(text.as_bytes());
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// When a line was written, by the clock of the decoy.
fn stamp(zone: &Zone, stamps: Stamps, at: i64) -> String {
    let instant = timestamp(at);
    let local = zone.local(instant);
    let (date, time) = (local.date(), local.time());
    let clock = format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
    match stamps {
        Stamps::Traditional => {
            let month =
                MONTHS.get(usize::from(date.month().unsigned_abs()).saturating_sub(1)).unwrap_or(&"Jan");
            format!("{month} {:>2} {clock}", date.day())
        }
        Stamps::Iso => {
            let offset = zone.offset_seconds(instant);
            let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs() / 60);
            let micros = at.rem_euclid(1_000_000_000) / 1000;
            format!("{date}T{clock}.{micros:06}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
        }
    }
}

/// As gzip does it for logrotate: no name, the time of what was compressed. The same bytes on every machine.
fn zipped(body: &[u8], mtime: i64) -> Vec<u8> {
    const UNIX: u8 = 3;
    let seconds = u32::try_from(mtime.div_euclid(1_000_000_000)).unwrap_or(0);
    let builder = GzBuilder::new().mtime(seconds).operating_system(UNIX);
    let mut writer = builder.write(Vec::new(), Compression::new(6));
    // Writing into memory does not fail.
    writer.write_all(body).and_then(|()| writer.finish()).unwrap_or_default()
}

/// When the first and the last line of a log that is there were written; `None` where no line has a time that is known.
pub(super) fn span(body: &[u8], written: Timestamp, zone: &Zone) -> Option<(i64, i64)> {
    let text = String::from_utf8_lossy(body);
    let first = text.lines().find_map(|line| time_of(line, written, zone))?;
    let last = text.lines().rev().find_map(|line| time_of(line, written, zone))?;
    Some((first.min(last), first.max(last)))
}

fn time_of(line: &str, written: Timestamp, zone: &Zone) -> Option<i64> {
    let first = line.split(' ').next()?;
    if let Ok(at) = first.parse::<Timestamp>() {
        return Some(instant(at));
    }
    let month = i8::try_from(MONTHS.iter().position(|month| *month == first)? + 1).ok()?;
    let mut words = line.split(' ').filter(|word| !word.is_empty()).skip(1);
    let day: i8 = words.next()?.parse().ok()?;
    let time = Time::strptime("%H:%M:%S", words.next()?).ok()?;
    let latest = zone.local(written);
    let minute = u32::from(time.hour().unsigned_abs()) * 60 + u32::from(time.minute().unsigned_abs());
    // A line without a year is of the last one that makes it no later than the file; a day of slack for the zone.
    [latest.year(), latest.year() - 1].into_iter().find_map(|year| {
        let date = Date::new(year, month, day).ok()?;
        let at = instant(zone.begin(date, minute)?) + i64::from(time.second()) * 1_000_000_000;
        (at <= instant(written) + 86_400_000_000_000).then_some(at)
    })
}
