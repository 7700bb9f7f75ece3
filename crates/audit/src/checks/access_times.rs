//! Tell 3: the time of the last read is that of the last write, to the nanosecond, though the inode changed at another time.
//!
//! The kernel gives both in one moment only to a file that is made and written within one tick of its clock, and then the
//! change time is the same too. Where that one differs, somebody set the other two, and to one value: as copying with
//! times does, and as most fillers do.

use super::{Checked, births, paths};
use crate::case::Case;
use crate::evidence::Entry;
use crate::report::Finding;
use crate::stats::{ramp, reach, seconds, share};

pub(super) const POWER_DB: f64 = 10.0;

pub(super) fn check(case: &Case<'_>) -> Checked {
    let known: Vec<&Entry> =
        case.personal.iter().filter(|entry| entry.stat.ctime.is_some()).copied().collect();
    if known.len() < 5 {
        return Checked::blind();
    }
    let is_set = |entry: &&&Entry| {
        let stat = &entry.stat;
        stat.atime == stat.mtime
            && stat.ctime.is_some_and(|ctime| (seconds(ctime) - seconds(stat.mtime)).abs() > 1.0)
    };
    let set: Vec<&Entry> = known.iter().filter(is_set).copied().collect();
    let reach = reach(known.len(), 10);
    let what = format!(
        "{} of {} files were read last in the very nanosecond of their last write",
        set.len(),
        known.len()
    );
    let weight = POWER_DB * ramp(share(set.len(), known.len()), 0.3, 0.8) * reach;
    let finding = Finding::new(3, "read_when_written", weight, what)
        .cases(set.len(), known.len())
        .examples(paths(&set))
        .see(format!("find {} -type f -printf '%A+ %T+ %C+ %p\\n'", case.place()))
        .mend("let the time of the last read lie at some later moment, as a person who opens the file would leave it");
    let arrived = set.iter().filter_map(|entry| entry.stat.btime.or(entry.stat.ctime)).map(seconds);
    let (from, to) = arrived.fold((f64::MAX, f64::MIN), |(from, to), at| (from.min(at), to.max(at)));
    Checked::new(reach, [if from <= to { births::explained(case, finding, from, to) } else { finding }])
}
