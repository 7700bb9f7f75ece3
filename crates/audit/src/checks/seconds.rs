//! Tell 2: times of files end on a whole second, beside changes of the same files that are known to the nanosecond.
//!
//! Where the file system keeps parts of a second, a live write has them all: the chance of none is one in a thousand million
//! (one in 250 where the kernel's clock ticks that often, and then also in the change times). Whole seconds come from tools that know no better, as tar, zip, and whoever sets
//! times by hand. Milliseconds, or microseconds, and nothing behind them are a program's own clock.

use super::{Checked, births, paths};
use crate::case::Case;
use crate::evidence::Entry;
use crate::report::Finding;
use crate::stats::{ramp, reach, seconds, share};

pub(super) const POWER_DB: f64 = 14.0;

pub(super) fn check(case: &Case<'_>) -> Checked {
    // Where nothing has parts of a second, the file system or the way to it has none.
    if !case.sees_nanoseconds || case.personal.len() < 5 {
        return Checked::blind();
    }
    let all = case.personal.len();
    let rough = |entry: &&&Entry, unit: i32| {
        let changed = entry.stat.ctime.map_or(1, |ctime| ctime.subsec_nanosecond());
        entry.stat.mtime.subsec_nanosecond() % unit == 0 && changed % unit != 0
    };
    let whole: Vec<&Entry> =
        case.personal.iter().filter(|entry| rough(entry, 1_000_000_000)).copied().collect();
    let micro = case.personal.iter().filter(|entry| rough(entry, 1000)).count();
    let reach = reach(all, 8);
    let mut findings = Vec::new();
    let (part, what) = if whole.len() * 2 >= micro {
        (share(whole.len(), all), format!("{} of {all} times of files end on a whole second", whole.len()))
    } else {
        (share(micro, all), format!("{micro} of {all} times of files end on a whole microsecond"))
    };
    let finding = Finding::new(2, "whole_seconds", POWER_DB * ramp(part, 0.25, 0.8) * reach, what)
        .cases(whole.len().max(micro), all)
        .examples(paths(&whole))
        .see(format!("find {} -type f -printf '%T+ %C+ %p\\n'", case.place()))
        .mend("let the kernel stamp what is written live; give a planted past all nine digits");
    let arrived = whole.iter().filter_map(|entry| entry.stat.btime.or(entry.stat.ctime)).map(seconds);
    let (from, to) = arrived.fold((f64::MAX, f64::MIN), |(from, to), at| (from.min(at), to.max(at)));
    findings.push(if from <= to { births::explained(case, finding, from, to) } else { finding });
    Checked::new(reach, findings)
}
