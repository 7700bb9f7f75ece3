//! Tell 10: logs that no logger wrote: another host's name, one time for many lines, out of order, a `.gz` that is none,
//! silences, lines of the future, generations in the wrong order.

use std::collections::{BTreeMap, BTreeSet};

use super::Checked;
use crate::case::{Case, shown};
use crate::evidence::NamedLog;
use crate::read::LogLine;
use crate::report::Finding;
use crate::stats::{ramp, reach, seconds, share};

pub(super) const POWER_DB: f64 = 14.0;
const DAY: f64 = 86_400.0;

pub(super) fn check(case: &Case<'_>) -> Checked {
    let logs = &case.evidence.logs;
    let lines: Vec<(&NamedLog, &[LogLine])> =
        logs.iter().filter_map(|log| Some((log, log.log.as_ref()?.lines.as_slice()))).collect();
    let count: usize = lines.iter().map(|(_, lines)| lines.len()).sum();
    let findings = [
        no_gzip(logs),
        host_name(case, &lines),
        out_of_order(&lines),
        one_time(&lines),
        of_the_future(case, &lines),
        silence(case, &lines),
        generations(&lines),
        fell_silent(case, &lines),
        strange(logs),
    ];
    let findings: Vec<Finding> = findings.into_iter().flatten().collect();
    if count == 0 && findings.is_empty() {
        return Checked::blind();
    }
    Checked::new(reach(count, 100), findings)
}

fn no_gzip(logs: &[NamedLog]) -> Option<Finding> {
    let zipped = logs.iter().filter(|log| log.path.as_bytes().ends_with(b".gz")).count();
    let not: Vec<String> = logs.iter().filter(|log| log.log.is_none()).map(|log| shown(&log.path)).collect();
    (!not.is_empty()).then(|| {
        Finding::new(
            10,
            "gz_that_is_none",
            14.0,
            format!("{} of {zipped} logs named .gz are no gzip", not.len()),
        )
        .cases(not.len(), zipped)
        .examples(not)
        .see("file /var/log/*.gz; zcat /var/log/syslog.2.gz")
        .mend("compress what is rotated, as logrotate does")
    })
}

fn host_name(case: &Case<'_>, lines: &[(&NamedLog, &[LogLine])]) -> Option<Finding> {
    let name = case.evidence.host.name.as_deref()?;
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let named = || lines.iter().flat_map(|(_, lines)| lines.iter()).filter(|line| !line.host.is_empty());
    let (all, other) = (named().count(), named().filter(|line| short(&line.host) != short(name)));
    let mut others = BTreeMap::new();
    for line in other {
        *others.entry(short(&line.host)).or_insert(0_usize) += 1;
    }
    let wrong: usize = others.values().sum();
    (wrong > 0).then(|| {
        let what = format!(
            "{wrong} of {all} lines in logs name another host than {}",
            verisim_core::printable(name)
        );
        // A host that was renamed has one older name.
        let weight = 12.0 * ramp(share(wrong, all), 0.3, 0.9);
        Finding::new(10, "wrong_host_name", weight, what)
            .cases(wrong, all)
            .examples(others.into_keys().map(|name| verisim_core::printable(&name)))
            .see("hostname; cut -c1-60 /var/log/syslog | head")
            .mend("write the decoy's own name into its lines")
    })
}

fn out_of_order(lines: &[(&NamedLog, &[LogLine])]) -> Option<Finding> {
    let back = |lines: &[LogLine]| {
        lines.windows(2).filter(|pair| seconds(pair[1].at) < seconds(pair[0].at) - 2.0).count()
    };
    let bad: Vec<(&NamedLog, usize)> =
        lines.iter().map(|(log, lines)| (*log, back(lines))).filter(|(_, back)| *back > 0).collect();
    let all: usize = lines.iter().map(|(_, lines)| lines.len()).sum();
    let wrong: usize = bad.iter().map(|(_, back)| back).sum();
    // A clock that is set at boot goes back a few times.
    (wrong > 0).then(|| {
        let worst = lines.iter().filter(|(_, lines)| lines.len() > 5);
        let worst = worst.map(|(_, lines)| share(back(lines), lines.len())).fold(0.0, f64::max);
        Finding::new(
            10,
            "lines_out_of_order",
            10.0 * ramp(worst, 0.01, 0.2),
            format!("{wrong} of {all} lines are older than the line before"),
        )
        .cases(wrong, all)
        .examples(bad.iter().map(|(log, _)| shown(&log.path)))
        .see("cut -c1-15 /var/log/syslog | sort -c -M")
        .mend("append in the order of time")
    })
}

fn one_time(lines: &[(&NamedLog, &[LogLine])]) -> Option<Finding> {
    let densest = |lines: &[LogLine]| {
        let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
        for line in lines {
            *counts.entry(line.at.as_second()).or_default() += 1;
        }
        share(counts.into_values().max().unwrap_or(0), lines.len())
    };
    // A start of the machine writes hundreds of lines in a second; a log of logins does not.
    let is_bursty = |log: &NamedLog| {
        let name = log.path.file_name().unwrap_or_default();
        [&b"syslog"[..], b"messages", b"daemon", b"dpkg"].iter().any(|bursty| name.starts_with(bursty))
    };
    let (log, part, count) = lines
        .iter()
        .filter(|(_, lines)| lines.len() >= 12)
        .map(|(log, lines)| (*log, densest(lines) * if is_bursty(log) { 0.6 } else { 1.0 }, lines.len()))
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(
        Finding::new(
            10,
            "one_time_for_many_lines",
            10.0 * ramp(part, 0.4, 0.9),
            format!("{:.0} % of the lines of {} have one time", part * 100.0, shown(&log.path)),
        )
        .cases(count, count)
        .examples([shown(&log.path)])
        .see(format!("cut -c1-15 {} | uniq -c | sort -rn | head", shown(&log.path)))
        .mend("write each line when what it tells happens"),
    )
}

fn of_the_future(case: &Case<'_>, lines: &[(&NamedLog, &[LogLine])]) -> Option<Finding> {
    // Half a day, for a zone that is not known.
    let now = seconds(case.evidence.taken) + DAY / 2.0 + 3600.0;
    let future =
        lines.iter().flat_map(|(_, lines)| lines.iter()).filter(|line| seconds(line.at) > now).count();
    (future > 0).then(|| {
        Finding::new(10, "lines_of_the_future", 12.0, format!("{future} lines are of the future"))
            .cases(future, future)
            .see("date; tail -n1 /var/log/syslog /var/log/auth.log")
            .mend("write lines when they are due")
    })
}

/// A log that is written every day, and then not for weeks, on a host that was on.
fn silence(case: &Case<'_>, lines: &[(&NamedLog, &[LogLine])]) -> Option<Finding> {
    let mut by_log: BTreeMap<Vec<u8>, Vec<f64>> = BTreeMap::new();
    for (log, lines) in lines {
        let name = log.path.file_name().unwrap_or_default();
        // dpkg writes when somebody installs, which may be never.
        if !name.starts_with(b"dpkg") {
            let base = name.split(|c| *c == b'.').next().unwrap_or_default().to_vec();
            by_log.entry(base).or_default().extend(lines.iter().map(|line| seconds(line.at)));
        }
    }
    let starts: Vec<f64> = case
        .evidence
        .wtmp
        .iter()
        .flatten()
        .filter(|record| record.kind == crate::read::LoginKind::Boot)
        .map(|record| seconds(record.at))
        .take(1000)
        .collect();
    let mut worst: Option<(f64, String)> = None;
    for (name, mut times) in by_log {
        times.sort_by(f64::total_cmp);
        #[expect(clippy::cast_possible_truncation, reason = "days are few")]
        let days: BTreeSet<i64> = times.iter().map(|at| (at / DAY) as i64).collect();
        let Some((from, to)) = days.first().zip(days.last()) else { continue };
        // One that is written on most days, outside of the gap.
        for pair in times.windows(2) {
            let gap = pair[1] - pair[0];
            let was_off = starts.iter().any(|at| *at > pair[0] && *at <= pair[1] + DAY);
            #[expect(clippy::cast_precision_loss, reason = "days are few")]
            let busy = days.len() as f64 / ((to - from + 1) as f64 - gap / DAY).max(1.0);
            if gap > 7.0 * DAY
                && !was_off
                && busy > 0.6
                && days.len() > 5
                && worst.as_ref().is_none_or(|(most, _)| gap > *most)
            {
                worst = Some((gap, String::from_utf8_lossy(&name).into_owned()));
            }
        }
    }
    let (gap, name) = worst?;
    Some(
        Finding::new(
            10,
            "silence_in_a_log",
            6.0 * ramp(gap, 7.0 * DAY, 21.0 * DAY),
            format!(
                "{} is silent for {:.0} days, and the machine was not off",
                verisim_core::printable(&name),
                gap / DAY
            ),
        )
        .cases(1, 1)
        .see(format!("zcat -f /var/log/{name}* | cut -c1-6 | uniq -c"))
        .mend("let services write every day, or let the machine be off, with a boot in wtmp"),
    )
}

/// `auth.log.1` is older than `auth.log`.
fn generations(lines: &[(&NamedLog, &[LogLine])]) -> Option<Finding> {
    let mut by_log: BTreeMap<Vec<u8>, BTreeMap<u32, (f64, f64)>> = BTreeMap::new();
    for (log, lines) in lines {
        let name = String::from_utf8_lossy(log.path.file_name().unwrap_or_default()).into_owned();
        let name = name.trim_end_matches(".gz");
        let (base, number) = match name.rsplit_once('.') {
            Some((base, number)) if number.parse::<u32>().is_ok() => (base, number.parse().unwrap_or(0)),
            _ => (name, 0),
        };
        if let (Some(first), Some(last)) = (lines.first(), lines.last()) {
            by_log
                .entry(base.as_bytes().to_vec())
                .or_default()
                .insert(number, (seconds(first.at), seconds(last.at)));
        }
    }
    let mut wrong = Vec::new();
    let mut all = 0;
    for (name, generations) in &by_log {
        let list: Vec<_> = generations.iter().collect();
        for pair in list.windows(2) {
            all += 1;
            // The older generation ends before the newer begins, but for a minute of buffers.
            if pair[1].1.1 > pair[0].1.0 + 60.0 {
                wrong.push(format!("/var/log/{}.{}", String::from_utf8_lossy(name), pair[1].0));
            }
        }
    }
    (!wrong.is_empty()).then(|| {
        Finding::new(
            10,
            "generations_overlap",
            8.0 * ramp(share(wrong.len(), all), 0.0, 0.5),
            format!("{} of {all} rotated logs overlap with what came after them", wrong.len()),
        )
        .cases(wrong.len(), all)
        .examples(wrong.iter().map(|path| verisim_core::printable(path)))
        .see("zcat -f /var/log/auth.log.1 | tail -n1; head -n1 /var/log/auth.log")
        .mend("rotate as logrotate would")
    })
}

/// Files are edited, and no log says anything any more.
fn fell_silent(case: &Case<'_>, lines: &[(&NamedLog, &[LogLine])]) -> Option<Finding> {
    let last = lines
        .iter()
        .flat_map(|(_, lines)| lines.iter())
        .filter(|line| !line.host.is_empty())
        .map(|line| seconds(line.at))
        .reduce(f64::max)?;
    let after = case.personal.iter().filter(|file| seconds(file.stat.mtime) > last + 2.0 * DAY).count();
    (after > 0).then(|| {
        let days = (seconds(case.evidence.taken) - last) / DAY;
        let weight = 5.0 * ramp(share(after, 1), 1.0, 5.0) * ramp(days, 2.0, 14.0);
        Finding::new(
            10,
            "logs_fell_silent",
            weight,
            format!("the logs end {days:.0} days ago, and {after} files were written since"),
        )
        .cases(after, case.personal.len())
        .see("tail -n1 /var/log/syslog /var/log/auth.log; find /home -mtime -2")
        .mend("keep the logs going for as long as people work")
    })
}

/// The worst log counts: what one program writes in a form of its own is in a file of its own.
fn strange(logs: &[NamedLog]) -> Option<Finding> {
    let counts = logs.iter().filter_map(|log| {
        let read = log.log.as_ref()?;
        Some((log, read.strange, read.lines.len() + read.strange))
    });
    let (log, strange, all) =
        counts.filter(|(_, _, all)| *all >= 10).max_by(|a, b| share(a.1, a.2).total_cmp(&share(b.1, b.2)))?;
    let path = shown(&log.path);
    Some(
        Finding::new(
            10,
            "lines_of_no_form",
            8.0 * ramp(share(strange, all), 0.2, 0.8),
            format!("{strange} of {all} lines of {path} have no form that a logger writes"),
        )
        .cases(strange, all)
        .see(format!("head {path}"))
        .mend("write lines in the form of the host's logger"),
    )
}
