//! The columns of `people.csv`, of a persona's times; and how far two samples are apart.

/// What `people.csv` says of one person, or what a simulation gives of one persona.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row(pub(crate) [f64; COLUMNS]);

pub(crate) const COLUMNS: usize = 16;
pub(crate) const NAMES: [&str; COLUMNS] = [
    "events",
    "burstiness",
    "memory",
    "gap10",
    "gap25",
    "gap50",
    "gap75",
    "gap90",
    "gap99",
    "ln_sd_within_day",
    "session_mean",
    "session_p90",
    "active_days",
    "weekend",
    "hour_entropy",
    "whole_minute",
];

/// Where a column stands.
pub(crate) fn place(name: &str) -> usize {
    NAMES.iter().position(|known| *known == name).unwrap()
}

/// The shape of activity, which is to be that of people whatever the role.
pub(crate) const SHAPE: [&str; 7] =
    ["burstiness", "memory", "gap10", "gap25", "ln_sd_within_day", "session_mean", "session_p90"];

/// A session ends after so many quiet minutes.
const SESSION_MINUTES: f64 = 90.0;
/// Gaps of less are left out: three seconds.
const GAP_MINUTES_MIN: f64 = 0.05;
/// Gaps of a day are shorter.
const DAY_GAP_MINUTES: f64 = 480.0;

/// One event: nanoseconds since 1970 in universal time, and what a clock on the wall shows then, likewise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) at: i64,
    pub(crate) local: i64,
}

/// The people of public records.
pub(crate) fn people() -> Vec<Row> {
    let read = |line: &str| {
        let mut row = [0.0; COLUMNS];
        let mut numbers = line.split(',').map(|number| number.parse::<f64>().unwrap());
        row.fill_with(|| numbers.next().unwrap());
        Row(row)
    };
    include_str!("people.csv").lines().skip(1).map(read).collect()
}

/// The columns of a persona with at least three events.
pub(crate) fn row(events: &[Event]) -> Row {
    let minutes = |nanoseconds: i64| nanoseconds as f64 / 60e9;
    let between = |pair: &[Event]| minutes(pair[1].at - pair[0].at);
    let gaps: Vec<f64> = events.windows(2).map(between).filter(|gap| *gap >= GAP_MINUTES_MIN).collect();
    let (mean, sd) = moments(&gaps);
    let within: Vec<f64> = gaps.iter().filter(|gap| **gap < DAY_GAP_MINUTES).map(|gap| gap.ln()).collect();
    let mut sessions = vec![1.0];
    for pair in events.windows(2) {
        match sessions.last_mut() {
            Some(last) if between(pair) <= SESSION_MINUTES => *last += 1.0,
            _ => sessions.push(1.0),
        }
    }
    let days: Vec<i64> = events.iter().map(|event| event.local.div_euclid(86_400_000_000_000)).collect();
    let mut distinct = days.clone();
    distinct.dedup();
    // 1970 began on a Thursday.
    let weekend = days.iter().filter(|day| (**day + 3).rem_euclid(7) >= 5).count();
    let whole = events.iter().filter(|event| event.at.div_euclid(1_000_000_000) % 60 == 0).count();
    let share = |count: usize| count as f64 / events.len() as f64;
    let at = |share: f64| quantile(&gaps, share);
    Row([
        events.len() as f64,
        (sd - mean) / (sd + mean),
        correlation(&gaps[..gaps.len() - 1], &gaps[1..]),
        at(0.1),
        at(0.25),
        at(0.5),
        at(0.75),
        at(0.9),
        at(0.99),
        moments(&within).1,
        events.len() as f64 / sessions.len() as f64,
        quantile(&sessions, 0.9).round(),
        distinct.len() as f64 / (days.last().unwrap() - days[0] + 1) as f64,
        share(weekend),
        entropy(events),
        share(whole),
    ])
}

/// Of the local hour of day, in bits.
fn entropy(events: &[Event]) -> f64 {
    let mut hours = [0.0; 24];
    for event in events {
        hours[usize::try_from(event.local.div_euclid(3_600_000_000_000).rem_euclid(24)).unwrap()] += 1.0;
    }
    let bits = |count: &f64| -count / events.len() as f64 * (count / events.len() as f64).log2();
    hours.iter().filter(|count| **count > 0.0).map(bits).sum()
}

/// Mean and standard deviation.
fn moments(numbers: &[f64]) -> (f64, f64) {
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    let square = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>();
    (mean, (square / numbers.len() as f64).sqrt())
}

fn correlation(first: &[f64], second: &[f64]) -> f64 {
    let ((mean1, sd1), (mean2, sd2)) = (moments(first), moments(second));
    let together = first.iter().zip(second).map(|(a, b)| (a - mean1) * (b - mean2)).sum::<f64>();
    together / first.len() as f64 / (sd1 * sd2)
}

/// A quantile, between two numbers in proportion.
pub(crate) fn quantile(numbers: &[f64], share: f64) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// The distance of Kolmogorov and Smirnov between two samples.
pub(crate) fn distance(first: &[f64], second: &[f64]) -> f64 {
    let share = |sample: &[f64], at: f64| {
        sample.iter().filter(|number| **number <= at).count() as f64 / sample.len() as f64
    };
    let apart = |at: &f64| (share(first, *at) - share(second, *at)).abs();
    first.iter().chain(second).map(apart).fold(0.0, f64::max)
}

/// The share of `numbers` between the 5 % and the 95 % quantile of `people`.
pub(crate) fn inside(numbers: &[f64], people: &[f64]) -> f64 {
    let (low, high) = (quantile(people, 0.05), quantile(people, 0.95));
    numbers.iter().filter(|number| (low..=high).contains(*number)).count() as f64 / numbers.len() as f64
}

pub(crate) fn column(rows: &[Row], name: &str) -> Vec<f64> {
    let place = place(name);
    rows.iter().map(|row| row.0[place]).collect()
}
