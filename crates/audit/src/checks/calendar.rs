//! Tell 13: edits of the future, at night, around the clock.
//!
//! People sleep. Of 65 people who work at whatever hour they like, the entropy of the local hour lies between 3.1 and 4.5
//! bits, and nine in ten are below 4.37; an even clock has 4.58, and a small sample of one less. What is compared
//! is therefore what an even clock would have in a sample of the same size. Weekends are no tell by themselves: they had up to
//! half of all on them.

use std::collections::BTreeMap;

use super::{Checked, paths};
use crate::case::Case;
use crate::evidence::Entry;
use crate::report::Finding;
use crate::stats::{entropy, ramp, reach, seconds, share};

pub(super) const POWER_DB: f64 = 12.0;

pub(super) fn check(case: &Case<'_>) -> Checked {
    if case.personal.len() < 5 {
        return Checked::blind();
    }
    let reach = reach(case.personal.len(), 30);
    let findings = [future(case), Some(all_hours(case)), hands_of_sessions(case)];
    Checked::new(reach, findings.into_iter().flatten())
}

fn future(case: &Case<'_>) -> Option<Finding> {
    let now = seconds(case.evidence.taken) + 120.0;
    let future: Vec<&Entry> =
        case.personal.iter().filter(|file| seconds(file.stat.mtime) > now).copied().collect();
    (!future.is_empty()).then(|| {
        Finding::new(
            13,
            "files_of_the_future",
            12.0,
            format!("{} files were changed in the future", future.len()),
        )
        .cases(future.len(), case.personal.len())
        .examples(paths(&future))
        .see(format!("find {} -newermt now -ls", case.place()))
        .mend("write when it is due, by the decoy's own clock")
    })
}

/// The expected entropy of an even clock in so many samples: Miller's correction.
fn even(count: usize) -> f64 {
    24_f64.log2() - 23.0 / (2.0 * share(count, 1) * std::f64::consts::LN_2)
}

/// Bursts count once: an hour of a day in which a person wrote twenty files is one hour.
fn all_hours(case: &Case<'_>) -> Finding {
    let mut hours = [0_usize; 24];
    let mut seen = BTreeMap::new();
    let mut night = Vec::new();
    for file in &case.personal {
        let local = file.stat.mtime.to_zoned(case.zone.clone());
        let slot = (local.date(), local.hour());
        if seen.insert(slot, ()).is_none() {
            hours[usize::try_from(local.hour()).unwrap_or(0) % 24] += 1;
            if (0..5).contains(&local.hour()) {
                night.push(*file);
            }
        }
    }
    let count: usize = hours.iter().sum();
    let bits = entropy(&hours);
    let missing = even(count) - bits;
    let asleep = share(night.len(), count);
    let what = format!(
        "work goes on at all hours: {bits:.2} bits of the hour in {count} hours of work, where an even clock has {:.2}; {:.0} % from \
         midnight to five",
        even(count),
        asleep * 100.0
    );
    let weight = if count < 30 { 0.0 } else { 8.0 * ramp(missing, 0.18, 0.03) * ramp(asleep, 0.08, 0.17) };
    let mostly_night = if count < 8 { 0.0 } else { 6.0 * ramp(asleep, 0.5, 0.9) };
    Finding::new(13, "work_at_all_hours", weight.max(mostly_night), what)
        .cases(night.len(), count)
        .examples(paths(&night))
        .see(format!("find {} -type f -printf '%TH\\n' | sort | uniq -c", case.place()))
        .mend("keep people's hours: days that begin and end, in the zone of the host")
}

/// Commands of one history that go back in time.
fn hands_of_sessions(case: &Case<'_>) -> Option<Finding> {
    let (mut back, mut all) = (0, 0);
    for history in &case.evidence.histories {
        let times: Vec<f64> =
            history.history.commands.iter().filter_map(|command| command.at).map(seconds).collect();
        all += times.len();
        // Two shells write at their ends, one after the other: the order of whole blocks may differ.
        back += times.windows(2).filter(|pair| pair[1] < pair[0] - 60.0).count();
    }
    (all >= 10).then(|| {
        Finding::new(
            13,
            "commands_that_go_back",
            8.0 * ramp(share(back, all), 0.1, 0.4),
            format!("{back} of {all} commands are older than the one before"),
        )
        .cases(back, all)
        .see("HISTTIMEFORMAT='%F %T ' history | sort -k2 -c")
        .mend("append to histories in the order of time")
    })
}
