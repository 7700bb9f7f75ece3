//! What cron does on the decoy, by its own table.

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::existing::Existing;
use crate::zone::Zone;

/// A line of `/etc/crontab`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    minutes: u64,
    hours: u32,
    days: u32,
    months: u16,
    weekdays: u8,
    /// Whether day and weekday both narrow it: then either will do.
    either: bool,
    pub(super) user: String,
    /// As cron writes it into its log: with every blank but the first after the user.
    pub(super) command: String,
}

/// What Debian's own table asks for, where none is there yet.
const USUAL: [&str; 4] = [
    "17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly",
    "25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }",
    "47 6\t* * 7\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.weekly; }",
    "52 6\t1 * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.monthly; }",
];
/// So many lines are read at the most, and so many runs a day are told of: a table comes from the decoy.
const JOBS_MAX: usize = 40;
const RUNS_MAX: u32 = 400;

/// The jobs of the system's table. None where cron is not installed.
pub(super) fn jobs(existing: &Existing, is_system: bool) -> Vec<Job> {
    let table = existing.text("/etc/crontab");
    let runs = existing.has(&["/usr/sbin/cron", "/usr/sbin/crond"]);
    let mut all: Vec<Job> = match (is_system, runs) {
        (true, false) => Vec::new(),
        _ if !table.is_empty() => table.lines().filter_map(job).take(JOBS_MAX).collect(),
        (true, true) => Vec::new(),
        (false, _) => USUAL.iter().filter_map(|line| job(line)).collect(),
    };
    let mut room = RUNS_MAX;
    all.retain(|job| {
        let runs = job.hours.count_ones() * job.minutes.count_ones();
        let fits = runs <= room;
        room -= if fits { runs } else { 0 };
        fits
    });
    all
}

/// `None` for a remark, a setting, and what is no job.
fn job(line: &str) -> Option<Job> {
    let mut rest = line.trim_start();
    let mut fields = [""; 6];
    for (place, field) in fields.iter_mut().enumerate() {
        let (head, tail) = rest.split_at_checked(rest.find([' ', '\t'])?)?;
        *field = head;
        // Cron takes one blank after the user, and everything behind it for the command.
        rest = if place == 5 { tail.get(1..)? } else { tail.trim_start_matches([' ', '\t']) };
    }
    build(&fields, rest)
}

fn build(fields: &[&str; 6], rest: &str) -> Option<Job> {
    let weekdays = bits(fields[4], 0, 7)?;
    // Sunday is 0 and 7.
    let weekdays = (weekdays | weekdays >> 7) & 0x7f;
    let narrow = |text: &str| !text.starts_with('*');
    Some(Job {
        minutes: bits(fields[0], 0, 59)?,
        hours: u32::try_from(bits(fields[1], 0, 23)?).ok()?,
        days: u32::try_from(bits(fields[2], 1, 31)?).ok()?,
        months: u16::try_from(bits(fields[3], 1, 12)?).ok()?,
        weekdays: u8::try_from(weekdays).ok()?,
        either: narrow(fields[2]) && narrow(fields[4]),
        user: fields[5].to_owned(),
        command: rest.chars().filter(|letter| !letter.is_control()).take(1000).collect(),
    })
}

/// The numbers that a field names: `*`, `5`, `1-5`, `*/10`, and lists of them.
fn bits(text: &str, low: u32, high: u32) -> Option<u64> {
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let (from, to) = match range {
            "*" => (low, high),
            _ => {
                let (from, to) = range.split_once('-').unwrap_or((range, range));
                (from.parse().ok()?, to.parse().ok()?)
            }
        };
        let step: u32 = step.parse().ok().filter(|step| *step > 0)?;
        if from < low || to > high {
            return None;
        }
        bits |= (from..=to).step_by(step as usize).fold(0, |bits, number| bits | 1 << number);
    }
    Some(bits)
}

impl Job {
    /// Whether it is due in the minute that the wall shows.
    pub(super) fn is_due(&self, wall: DateTime) -> bool {
        let has = |bits: u64, number: i8| bits >> number.unsigned_abs() & 1 == 1;
        let day = has(u64::from(self.days), wall.day());
        let weekday = has(u64::from(self.weekdays), wall.weekday().to_sunday_zero_offset());
        has(self.minutes, wall.minute())
            && has(u64::from(self.hours), wall.hour())
            && has(u64::from(self.months), wall.month())
            && if self.either { day || weekday } else { day && weekday }
    }

    /// The minutes between two instants at which it is due, by the clock on the wall of the decoy.
    pub(super) fn due(&self, zone: &Zone, from: Timestamp, until: Timestamp) -> Vec<Timestamp> {
        let mut all = Vec::new();
        let mut date = zone.local(from).date();
        let last = zone.local(until).date();
        while date <= last {
            for minute in 0..24 * 60 {
                let (hours, minutes) = (minute / 60, minute % 60);
                if self.hours >> hours & 1 == 0 || self.minutes >> minutes & 1 == 0 {
                    continue;
                }
                // Where the clock jumps over a minute, the job is not due in it.
                let at = zone.begin(date, minute).filter(|at| self.is_due(zone.local(*at)));
                all.extend(at.filter(|at| *at >= from && *at < until));
            }
            let Ok(tomorrow) = date.tomorrow() else { break };
            date = tomorrow;
        }
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_table_is_read_as_cron_reads_it() {
        let daily = job(USUAL[1]).unwrap();
        assert_eq!(
            daily.command,
            "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }"
        );
        assert!(daily.is_due(date(2026, 11, 23).at(6, 25, 0, 0)));
        assert!(!daily.is_due(date(2026, 11, 23).at(6, 26, 0, 0)));
        let weekly = job(USUAL[2]).unwrap();
        assert!(weekly.is_due(date(2026, 11, 22).at(6, 47, 0, 0)), "7 is Sunday");
        assert!(!weekly.is_due(date(2026, 11, 23).at(6, 47, 0, 0)));
        assert_eq!(
            job("*/20 8-10 * * 1-5 backup   /usr/local/bin/x -v").unwrap().command,
            "  /usr/local/bin/x -v"
        );
        for bad in
            ["", "# 5 * * * * root x", "SHELL=/bin/sh", "61 * * * * root x", "a b c d e f g", "5 4 * * root"]
        {
            assert!(job(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn jobs_are_due_by_the_wall_on_days_when_the_clock_is_changed() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        let half_past_two = job("30 2 * * * root x").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let due = half_past_two.due(&berlin, at("2026-03-28T00:00:00Z"), at("2026-03-31T00:00:00Z"));
        let days: Vec<i8> = due.iter().map(|at| berlin.local(*at).day()).collect();
        assert_eq!(days, [28, 30], "on the 29th there is no such minute");
    }
}
