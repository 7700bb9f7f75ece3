//! What lines of a simulation tell: the tells that need no disk.

use std::collections::{BTreeMap, BTreeSet};

use super::Event;
use crate::checks::{ONE_EVENT_SECONDS, SAME_BYTES_MIN, even_rate, stem};
use crate::report::Finding;
use crate::stats::{burstiness, entropy, gaps, ramp, reach, share, sorted};

type People = BTreeMap<String, Vec<Event>>;

/// How many events of a persona are needed for a rhythm.
const RHYTHM_MIN: usize = 30;

/// Everything that is found in it.
pub(super) fn all(people: &People) -> Vec<Finding> {
    let findings = [
        rhythm(people),
        bursts(people),
        hours(people),
        backwards(people),
        whole_seconds(people),
        contents(people),
        paths(people),
        names(people),
        sizes(people),
        sessions(people),
        weekends(people),
    ];
    findings.into_iter().flatten().collect()
}

fn work(events: &[Event]) -> Vec<f64> {
    sorted(events.iter().filter(|event| event.is_work()).map(|event| event.at))
}

/// The share of people of whom something is so, and who they are.
fn of_people(people: &People, weigh: impl Fn(&[Event]) -> Option<f64>) -> (f64, Vec<String>, usize) {
    let weights: Vec<(&String, f64)> =
        people.iter().filter_map(|(name, events)| Some((name, weigh(events)?))).collect();
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    let mut worst = weights.clone();
    worst.sort_by(|a, b| b.1.total_cmp(&a.1));
    let names = worst
        .iter()
        .filter(|(_, weight)| *weight > 0.3)
        .map(|(name, _)| verisim_core::printable(name))
        .collect();
    let mean = if weights.is_empty() { 0.0 } else { sum / share(weights.len(), 1) };
    (mean, names, weights.len())
}

const SEE: &str = "verisim simulate --json | jq -r 'select(.persona == \"NAME\") | .time'";

fn rhythm(people: &People) -> Option<Finding> {
    let (mean, names, all) = of_people(people, |events| {
        let gaps = gaps(&work(events), ONE_EVENT_SECONDS);
        (gaps.len() >= RHYTHM_MIN).then(|| even_rate(&gaps, 1.0).map_or(0.0, |(weight, _)| weight))
    });
    Some(
        Finding::new(
            15,
            "even_rate",
            16.0 * mean,
            format!("{} of {all} people work at one rate", names.len()),
        )
        .cases(names.len(), all)
        .examples(names)
        .see(SEE)
        .mend("let work come in bursts, with silences between them"),
    )
}

/// Of 65 people the least burstiness was 0.20, of nineteen in twenty 0.23 or more; samples of a hundred events have less.
fn bursts(people: &People) -> Option<Finding> {
    let (mean, names, all) = of_people(people, |events| {
        let gaps = gaps(&work(events), ONE_EVENT_SECONDS);
        (gaps.len() >= 100).then(|| burstiness(&gaps).map_or(0.0, |bursts| ramp(bursts, 0.2, 0.05)))
    });
    Some(
        Finding::new(
            15,
            "no_bursts",
            8.0 * mean,
            format!(
                "{} of {all} people have no bursts: of 65 real ones the least burstiness was 0.20",
                names.len()
            ),
        )
        .cases(names.len(), all)
        .examples(names)
        .see(SEE)
        .mend("let days differ, and some be empty"),
    )
}

fn hours(people: &People) -> Option<Finding> {
    let (mean, names, all) = of_people(people, |events| {
        let mut hours = [0; 24];
        let work = events.iter().filter(|event| event.is_work());
        work.for_each(|event| hours[usize::from(event.hour)] += 1);
        let count: usize = hours.iter().sum();
        // Nine in ten of the 65 are below 4.37 bits; one had 4.52.
        (count >= 100).then(|| ramp(entropy(&hours), 4.42, 4.54))
    });
    Some(
        Finding::new(
            13,
            "work_at_all_hours",
            8.0 * mean,
            format!("{} of {all} people work around the clock", names.len()),
        )
        .cases(names.len(), all)
        .examples(names)
        .see(SEE)
        .mend("give people days that begin and end"),
    )
}

/// Everybody at every weekend as on other days.
fn weekends(people: &People) -> Option<Finding> {
    let (mean, names, all) = of_people(people, |events| {
        let work: Vec<&Event> = events.iter().filter(|event| event.is_work()).collect();
        let weekend = work.iter().filter(|event| event.is_weekend).count();
        // Two days of seven are 0.286, which half of the free ones have or come near; only everybody at once is strange.
        (work.len() >= 100).then(|| ramp(share(weekend, work.len()), 0.25, 0.29))
    });
    Some(
        Finding::new(
            13,
            "weekends_like_other_days",
            6.0 * ramp(mean, 0.6, 0.95),
            format!("{} of {all} people have no weekends", names.len()),
        )
        .cases(names.len(), all)
        .examples(names)
        .see(SEE)
        .mend("let most people rest at weekends"),
    )
}

fn backwards(people: &People) -> Option<Finding> {
    let (mut back, mut all) = (0, 0);
    for events in people.values() {
        all += events.len();
        back += events.windows(2).filter(|pair| pair[1].at < pair[0].at).count();
    }
    (back > 0).then(|| {
        Finding::new(
            13,
            "time_goes_back",
            10.0 * ramp(share(back, all), 0.0, 0.02).max(0.3),
            format!("{back} of {all} events are older than the one before of the same person"),
        )
        .cases(back, all)
        .see(SEE)
        .mend("let each person's events rise in time")
    })
}

fn whole_seconds(people: &People) -> Option<Finding> {
    let times: Vec<f64> = people.values().flat_map(|events| work(events)).collect();
    if times.len() < 20 {
        return None;
    }
    let minutes = times.iter().filter(|at| (**at / 60.0).fract() < 1e-9).count();
    let seconds = times.iter().filter(|at| at.fract() == 0.0).count();
    // Of 65 people a whole minute had 1.6 % of all, as chance has; 2.9 % at most.
    let by_minute = ramp(share(minutes, times.len()), 0.04, 0.3);
    let by_second = ramp(share(seconds, times.len()), 0.25, 0.8);
    Some(
        Finding::new(
            2,
            "whole_seconds",
            14.0 * by_second.max(by_minute),
            format!("{seconds} of {} events are on a whole second, {minutes} on a whole minute", times.len()),
        )
        .cases(seconds, times.len())
        .see("verisim simulate --json | jq -r .time | grep -c ':00[.+Z]'")
        .mend("give times all their digits"),
    )
}

fn each(people: &People) -> impl Iterator<Item = &Event> {
    people.values().flatten().filter(|event| event.is_work())
}

fn contents(people: &People) -> Option<Finding> {
    let mut places: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for event in each(people).filter(|event| event.bytes.unwrap_or(u64::MAX) >= SAME_BYTES_MIN) {
        if let (Some(hash), Some(path)) = (&event.sha256, &event.path) {
            places.entry(hash).or_default().insert((&event.decoy, path));
        }
    }
    let all: usize = places.values().map(BTreeSet::len).sum();
    let same: Vec<&BTreeSet<(&str, &str)>> = places.values().filter(|places| places.len() > 1).collect();
    let count: usize = same.iter().map(|places| places.len()).sum();
    let weight = 16.0 * ramp(share(count, all), 0.02, 0.4) * reach(all, 10);
    Some(
        Finding::new(8, "same_content", weight, format!("{count} of {all} bodies are somewhere else too"))
            .cases(count, all)
            .examples(
                same.iter()
                    .filter_map(|places| places.first())
                    .map(|(decoy, path)| verisim_core::printable(&format!("{decoy}:{path}"))),
            )
            .see("verisim simulate --json | jq -r '.sha256 // empty' | sort | uniq -d")
            .mend("give every file a body of its own"),
    )
}

fn paths(people: &People) -> Option<Finding> {
    let mut hosts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for event in each(people) {
        if let Some(path) = &event.path {
            hosts.entry(path).or_default().insert(&event.decoy);
        }
    }
    let decoys: BTreeSet<&str> = hosts.values().flatten().copied().collect();
    if decoys.len() < 2 {
        return None;
    }
    let shared: Vec<&str> =
        hosts.iter().filter(|(_, hosts)| hosts.len() > 1).map(|(path, _)| *path).collect();
    let weight = 12.0 * ramp(share(shared.len(), hosts.len()), 0.1, 0.6) * reach(hosts.len(), 10);
    Some(
        Finding::new(
            8,
            "same_names_on_hosts",
            weight,
            format!("{} of {} paths are on several decoys", shared.len(), hosts.len()),
        )
        .cases(shared.len(), hosts.len())
        .examples(shared.into_iter().map(verisim_core::printable))
        .see("verisim simulate --json | jq -r '.path // empty' | sort | uniq -d")
        .mend("let people name their files themselves"),
    )
}

fn names(people: &People) -> Option<Finding> {
    let files: BTreeSet<(&str, &str)> =
        each(people).filter_map(|event| Some((event.decoy.as_str(), event.path.as_deref()?))).collect();
    let stems: BTreeSet<Vec<u8>> = files
        .iter()
        .filter_map(|(_, path)| path.rsplit('/').next())
        .map(|name| stem(name.as_bytes()))
        .collect();
    (files.len() >= 20).then(|| {
        Finding::new(
            8,
            "few_names",
            10.0 * ramp(share(stems.len(), files.len()), 0.3, 0.05),
            format!("{} files have only {} different names", files.len(), stems.len()),
        )
        .cases(files.len() - stems.len(), files.len())
        .examples(stems.iter().map(|stem| verisim_core::printable(&String::from_utf8_lossy(stem))))
        .see("verisim simulate --json | jq -r '.path // empty' | sed 's#.*/##' | tr -d 0-9 | sort | uniq -c")
        .mend("name files after what is in them")
    })
}

fn sizes(people: &People) -> Option<Finding> {
    #[expect(clippy::cast_precision_loss, reason = "sizes are compared roughly")]
    let logs: Vec<f64> = each(people)
        .filter_map(|event| event.bytes)
        .filter(|bytes| *bytes > 0)
        .map(|bytes| (bytes as f64).ln())
        .collect();
    let (_, spread) = crate::stats::mean_and_deviation(&logs).filter(|_| logs.len() >= 20)?;
    Some(
        Finding::new(
            8,
            "one_size",
            6.0 * ramp(spread, 0.6, 0.15),
            format!(
                "sizes hardly differ: the logarithm's deviation is {spread:.2}, where people's is near 2"
            ),
        )
        .cases(logs.len(), logs.len())
        .see("verisim simulate --json | jq -r '.bytes // empty' | sort -n | uniq -c")
        .mend("let documents differ in length"),
    )
}

/// Edits outside of a session of the same person on the same decoy, where sessions have logins and logouts.
fn sessions(people: &People) -> Option<Finding> {
    let (mut outside, mut all) = (0, 0);
    for events in people.values() {
        let mut stretches: BTreeMap<(&str, &str), (f64, f64)> = BTreeMap::new();
        for event in events {
            let key = (event.decoy.as_str(), event.session.as_str());
            match event.kind.as_str() {
                "login" => {
                    stretches.entry(key).or_insert((event.at, f64::MAX));
                }
                "logout" => {
                    stretches.entry(key).or_insert((f64::MIN, event.at)).1 = event.at;
                }
                _ => {}
            }
        }
        if stretches.is_empty() {
            continue;
        }
        for event in events.iter().filter(|event| event.is_work()) {
            all += 1;
            let stretch = stretches.get(&(event.decoy.as_str(), event.session.as_str()));
            outside += usize::from(stretch.is_none_or(|(from, to)| event.at < *from || event.at > *to));
        }
    }
    (all > 0).then(|| {
        Finding::new(
            9,
            "edits_without_sessions",
            12.0 * ramp(share(outside, all), 0.0, 0.3),
            format!("{outside} of {all} edits are in no session of their person"),
        )
        .cases(outside, all)
        .see("verisim simulate --json | jq -c '[.session, .kind, .time]'")
        .mend("let every edit lie between a login and a logout")
    })
}
