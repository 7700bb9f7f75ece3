//! Tell 15: events at one rate, all day.
//!
//! Of 65 people with hundreds of events each, the burstiness of the gaps was 0.20 or more, and the logarithm of the gaps
//! within a day spread by 1.09 or more (nineteen in twenty: 1.39), where chance at one rate has 1.28 and a clock 0. Files show
//! only their last edit, which thins a stream and does not make it even.

use std::collections::BTreeMap;

use super::Checked;
use crate::case::Case;
use crate::report::Finding;
use crate::stats::{burstiness, gaps, log_spread, mean_and_deviation, ramp, reach, seconds, sorted};

pub(super) const POWER_DB: f64 = 14.0;
/// Events that are closer are one: an editor and its backup, a copy of a folder.
pub(crate) const ONE_EVENT_SECONDS: f64 = 3.0;

pub(super) fn check(case: &Case<'_>) -> Checked {
    // By owner where owners differ; everything of root's is one stream.
    let mut streams: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for file in &case.personal {
        streams.entry(file.stat.owner.uid).or_default().push(seconds(file.stat.mtime));
    }
    let Some(times) = streams.into_values().max_by_key(Vec::len) else { return Checked::blind() };
    let gaps = gaps(&sorted(times.into_iter()), ONE_EVENT_SECONDS);
    if gaps.len() < 10 {
        return Checked::blind();
    }
    let reach = reach(gaps.len(), 20);
    let see =
        format!("find {} -type f -printf '%T@\\n' | sort -n | awk 'p {{print $1-p}} {{p=$1}}'", case.place());
    let findings = even(&gaps, POWER_DB).map(|(weight, what)| {
        Finding::new(15, "even_rate", weight * reach, what)
            .cases(gaps.len(), gaps.len())
            .see(see)
            .mend("let people work in bursts, with silences between them")
    });
    Checked::new(reach, findings)
}

/// How much an even rate of these gaps weighs, out of `most`, and what is seen of it.
pub(crate) fn even(gaps: &[f64], most: f64) -> Option<(f64, String)> {
    let bursts = burstiness(gaps)?;
    let spread = log_spread(gaps);
    // The gaps of one day, where nights alone make a flat clock look bursty.
    let by_spread = spread.map_or(0.0, |spread| ramp(spread, 0.95, 0.5));
    let by_bursts = ramp(bursts, 0.0, -0.4).max(0.35 * ramp(bursts, 0.12, 0.0) * reach(gaps.len(), 60));
    // One gap again and again, whatever the rest: a timer.
    let common = sorted(gaps.iter().copied());
    let middle = crate::stats::quantile(&common, 0.5)?;
    let near = gaps.iter().filter(|gap| (**gap / middle - 1.0).abs() < 0.1).count();
    let timer = ramp(crate::stats::share(near, gaps.len()), 0.3, 0.7);
    let weight = most * by_spread.max(by_bursts).max(timer);
    let mean = mean_and_deviation(gaps).map_or(0.0, |(mean, _)| mean) / 60.0;
    let spread = spread.map_or_else(|| "unknown".to_owned(), |spread| format!("{spread:.2}"));
    Some((
        weight,
        format!(
            "events come at one rate: burstiness {bursts:.2} where people have 0.2 and more, spread within a day {spread} where \
             people have 1.1 and more; {mean:.0} minutes on average, {near} of {} gaps near {:.1} minutes",
            gaps.len(),
            middle / 60.0
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_clock_within_working_hours_is_seen() {
        // One event a minute, half a minute more or less, on five days.
        let gaps: Vec<f64> =
            (0..500).map(|n| if n % 100 == 99 { 57_600.0 } else { 45.0 + f64::from(n % 7) * 5.0 }).collect();
        assert!(even(&gaps, 14.0).unwrap().0 > 12.0);
        // Bursts of minutes, pauses of hours, silences of days.
        let people: Vec<f64> = (0..500_i32)
            .map(|n| match n % 11 {
                0 => 90_000.0 + 7_000.0 * f64::from(n % 13),
                1 | 5 => 9_000.0 + 500.0 * f64::from(n % 17),
                k => 7.0 * 2.7_f64.powi(k % 6),
            })
            .collect();
        assert!(even(&people, 14.0).unwrap().0 < 0.5, "{:?}", even(&people, 14.0));
    }
}
