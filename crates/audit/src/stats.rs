//! The few figures that the checks compute.

use std::time::Duration;

use verisim_core::Timestamp;

/// Seconds since 1970, with their decimals.
#[expect(clippy::cast_precision_loss, reason = "a microsecond more or less decides nothing")]
pub(crate) fn seconds(at: Timestamp) -> f64 {
    at.as_nanosecond() as f64 / 1e9
}

/// The share that `part` is of `whole`; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts of files are far below 2^52")]
pub(crate) fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A short span for people.
pub(crate) fn minutes(seconds: f64) -> String {
    if seconds < 90.0 { "a minute".to_owned() } else { format!("{:.0} minutes", seconds / 60.0) }
}

/// 0 up to `from`, 1 from `to` on, and straight in between. Where `to` is below `from`, the other way round.
pub(crate) fn ramp(value: f64, from: f64, to: f64) -> f64 {
    ((value - from) / (to - from)).clamp(0.0, 1.0)
}

/// How much `count` cases say, where `enough` of them say half of all that could be said.
#[expect(clippy::cast_precision_loss, reason = "counts of files are far below 2^52")]
pub(crate) fn reach(count: usize, enough: usize) -> f64 {
    let (count, enough) = (count as f64, enough as f64);
    count / (count + enough)
}

/// The value below which `part` of the sorted values lie; `None` of nothing.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list"
)]
pub(crate) fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((part.clamp(0.0, 1.0) * last as f64).round() as usize).copied()
}

/// The values, sorted.
pub(crate) fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The window of this width that holds most of the sorted times: how many, and from when to when.
pub(crate) fn densest(sorted: &[f64], width: Duration) -> Option<(usize, f64, f64)> {
    let width = width.as_secs_f64();
    let (mut begin, mut best) = (0, None);
    for (end, time) in sorted.iter().enumerate() {
        while sorted[begin] < time - width {
            begin += 1;
        }
        let count = end - begin + 1;
        if best.is_none_or(|(most, _, _)| count > most) {
            best = Some((count, sorted[begin], *time));
        }
    }
    best
}

/// Mean and standard deviation.
pub(crate) fn mean_and_deviation(values: &[f64]) -> Option<(f64, f64)> {
    if values.is_empty() {
        return None;
    }
    let count = share(values.len(), 1);
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    Some((mean, variance.sqrt()))
}

/// The gaps between successive times, without those of less than `least` seconds: one keystroke, several files.
pub(crate) fn gaps(sorted: &[f64], least: f64) -> Vec<f64> {
    sorted.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap >= least).collect()
}

/// Burstiness (Goh and Barabási, 2008): -1 for a clock, 0 for chance, towards 1 for bursts and silences.
pub(crate) fn burstiness(gaps: &[f64]) -> Option<f64> {
    let (mean, deviation) = mean_and_deviation(gaps)?;
    (mean > 0.0).then(|| (deviation - mean) / (deviation + mean))
}

/// How far the logarithms of the gaps within a day spread; a Poisson process has 1.28.
pub(crate) fn log_spread(gaps: &[f64]) -> Option<f64> {
    let logs: Vec<f64> = gaps.iter().filter(|gap| **gap < 480.0 * 60.0).map(|gap| gap.ln()).collect();
    if logs.len() < 8 {
        return None;
    }
    mean_and_deviation(&logs).map(|(_, deviation)| deviation)
}

/// The entropy of a histogram, in bits.
pub(crate) fn entropy(counts: &[usize]) -> f64 {
    let all = counts.iter().sum();
    counts
        .iter()
        .map(|count| share(*count, all))
        .filter(|part| *part > 0.0)
        .map(|part| -part * part.log2())
        .sum()
}

/// Kendall's tau of two orders: 1 when they agree, 0 when they have nothing to do with each other. Ties are left out; of
/// many pairs an even part is looked at.
pub(crate) fn concordance(pairs: &[(u64, f64)]) -> Option<(f64, usize)> {
    let pairs = &pairs[..pairs.len().min(1000)];
    let (mut agree, mut differ) = (0_usize, 0_usize);
    for (at, one) in pairs.iter().enumerate() {
        for other in &pairs[at + 1..] {
            if one.0 == other.0 || one.1 == other.1 {
                continue;
            }
            if (one.0 < other.0) == (one.1 < other.1) { agree += 1 } else { differ += 1 }
        }
    }
    let all = agree + differ;
    (all > 0).then(|| (share(agree, all) - share(differ, all), all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_chance_and_bursts_are_told_apart() {
        assert_eq!(burstiness(&[60.0; 20]), Some(-1.0));
        let bursts: Vec<f64> = (0..100).map(|n| if n % 20 == 0 { 100_000.0 } else { 5.0 }).collect();
        assert!(burstiness(&bursts).unwrap() > 0.5);
        assert_eq!(log_spread(&[60.0; 20]), Some(0.0));
        assert_eq!(entropy(&[5; 16]), 4.0);
    }

    #[test]
    fn the_densest_window_and_the_order_of_two_lists() {
        let times = [0.0, 100.0, 101.0, 102.0, 500.0];
        assert_eq!(densest(&times, Duration::from_secs(10)), Some((3, 100.0, 102.0)));
        assert_eq!(densest(&[], Duration::from_secs(10)), None);
        assert_eq!(concordance(&[(1, 1.0), (2, 2.0), (3, 3.0)]), Some((1.0, 3)));
        assert_eq!(concordance(&[(3, 1.0), (2, 2.0), (1, 3.0)]), Some((-1.0, 3)));
        assert_eq!((ramp(5.0, 0.0, 10.0), ramp(2.0, 4.0, 0.0)), (0.5, 0.5));
        assert_eq!(quantile(&[1.0, 2.0, 9.0], 0.5), Some(2.0));
    }
}
