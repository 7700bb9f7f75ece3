//! What a verified capture waits for: late evidence, further passes, the interlocks.

use std::time::Duration;

use verisim_core::{
    CaptureProof, CleanupRule, GateReport, PROBE_INTERVAL, Schedule, SyncEvent, SyncProgress, SyncTask,
    Timestamp, Uptime,
};

use super::Courier;
use super::clean::told;
use super::steps::{Step, advanced, after, stay};
use crate::gate;
use crate::interlock::Interlock;
use crate::late::{self, Survey};
use crate::rule::CaptureRule;

/// How often a verified capture is looked at for late evidence in the first day: what still writes to it (a log that is
/// rotated, a second stage of an intrusion) does so soon, and a walk that only asks for times costs little.
pub(super) const LOOK_SOON: Duration = Duration::from_secs(60 * 60);
/// For how long after its last pass.
const SOON: Duration = Duration::from_secs(24 * 60 * 60);
/// How often after that: late evidence is rare by then, and thousands of captures may rest here.
pub(super) const LOOK_LATER: Duration = Duration::from_secs(24 * 60 * 60);

const REMOVED: &str = "its folder is not here any more; what was verified is at the destination";
const UNSEEN: &str = "what its folder is on is away; it is looked for once a day";

impl Courier {
    /// `VERIFIED`: looks for late evidence, as long as the folder is here. With cleanup on it waits for the next pass, or for
    /// the interlocks.
    pub(super) async fn rest(&self, task: &SyncTask) -> Step {
        let mut progress = task.progress.clone();
        let Some(rule) = self.rules.get(&task.spec.capture.rule) else {
            // When the operator has such a rule again, the job is woken.
            progress.rests_under = None;
            let note = format!("no capture rule is named {} any more", task.spec.capture.rule);
            return Ok(stay(progress, Some(note), None));
        };
        let due = rule.cleanup.enabled.then(|| due(rule, &progress, task.now, task.uptime));
        if due == Some(Due::Pass) {
            // The pass looks for late evidence itself.
            return Ok(advanced(SyncEvent::PassDue, progress, None, Schedule::At(task.now)));
        }
        let survey = self.survey(task).await?;
        match &survey {
            Survey::Here(found) => {
                if let Some(told) = found.told() {
                    return Err(late::late(&told).into());
                }
            }
            Survey::Gone { removed: true } => {
                progress.rests_under = Some(rule.cleanup);
                return Ok(stay(progress, Some(REMOVED.into()), None));
            }
            Survey::Gone { removed: false } => {
                return Ok(stay(progress, Some(UNSEEN.into()), Some(after(task.now, LOOK_LATER))));
            }
        }
        if due == Some(Due::Cleanup) {
            // What was pushed before there was such a gate has to pass it, too.
            let is_asked = |report: &GateReport| report.rules == gate::print_of(&rule.gate);
            if !rule.gate.is_empty() && !progress.gate.as_ref().is_some_and(is_asked) {
                progress.gate = self.ask_gate(task).await?;
            }
            let task = &SyncTask { progress: progress.clone(), ..task.clone() };
            return Ok(match self.ask(task, &rule.cleanup, survey).await? {
                Ok(()) => advanced(SyncEvent::InterlocksHold, progress, None, Schedule::At(task.now)),
                // Where nothing else is in the way, it is looked at once more before anything goes.
                Err(open) if is_mended_by_a_pass(&open) => {
                    advanced(SyncEvent::PassDue, progress, None, Schedule::At(task.now))
                }
                Err(open) => stay(progress, Some(told(&open)), Some(after(task.now, PROBE_INTERVAL))),
            });
        }
        let (why, next) = wait(rule, &progress, task);
        let is_as_told =
            progress.rests_under == Some(rule.cleanup) && progress.note.as_deref() != Some(UNSEEN);
        let note = if is_as_told { progress.note.take() } else { why };
        progress.rests_under = Some(rule.cleanup);
        Ok(stay(progress, note, Some(next)))
    }
}

/// What a verified capture waits for, for people, and when it is looked at next.
pub(super) fn wait(
    rule: &CaptureRule,
    progress: &SyncProgress,
    task: &SyncTask,
) -> (Option<String>, Schedule) {
    let now = task.now;
    let age = progress.passes.last().and_then(|last| last.age(now, task.uptime)).unwrap_or(Duration::ZERO);
    let look = at(now, if age < SOON { LOOK_SOON } else { LOOK_LATER });
    if !rule.cleanup.enabled {
        return (None, Schedule::At(look));
    }
    match due(rule, progress, now, task.uptime) {
        Due::Pass | Due::Cleanup => (None, Schedule::At(now)),
        Due::Later(at, why) => (Some(why), Schedule::At(at.min(look))),
    }
}

/// Whether another pass is all that is wanting. One that may be made by SHA-256 now replaces those that were not.
fn is_mended_by_a_pass(open: &[Interlock]) -> bool {
    open.contains(&Interlock::Stale)
        && open.iter().all(|it| matches!(it, Interlock::Stale | Interlock::Proof))
}

fn at(from: Timestamp, wait: Duration) -> Timestamp {
    match after(from, wait) {
        Schedule::At(at) => at,
        Schedule::Parked => Timestamp::MAX,
    }
}

/// What a verified job waits for, with cleanup on.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Pass,
    Cleanup,
    Later(Timestamp, String),
}

fn due(rule: &CaptureRule, progress: &SyncProgress, now: Timestamp, uptime: Option<Uptime>) -> Due {
    let CleanupRule { min_passes, min_age, .. } = rule.cleanup;
    let (Some(first), Some(last)) = (progress.passes.first(), progress.passes.last()) else {
        return Due::Pass;
    };
    let asked = min_passes.max(1);
    if progress.passes_total < asked {
        let Some(next) = left(last, rule.pass_spacing(), now, uptime) else { return Due::Pass };
        let why =
            format!("verified {} of {asked} times; the next pass is due at {next:.0}", progress.passes_total);
        return Due::Later(next, why);
    }
    if let Some(old_enough) = left(first, min_age, now, uptime) {
        return Due::Later(old_enough, format!("may be cleaned up from {old_enough:.0} on"));
    }
    Due::Cleanup
}

/// When a pass will be of this age; `None` where it is.
fn left(pass: &CaptureProof, age: Duration, now: Timestamp, uptime: Option<Uptime>) -> Option<Timestamp> {
    match pass.age(now, uptime) {
        Some(is) => age.checked_sub(is).filter(|left| !left.is_zero()).map(|left| at(now, left)),
        None => Some(at(pass.at, age)),
    }
}

#[cfg(test)]
mod tests {
    use verisim_core::{Digest, Proof};

    use super::*;

    const HOUR: i64 = 3600;

    fn hours(passes: &[i64], now: i64) -> Due {
        by_both(&passes.iter().map(|hour| (*hour, None)).collect::<Vec<_>>(), (now, None))
    }

    /// Hours by the wall clock, and of how long the machine is up.
    fn by_both(passes: &[(i64, Option<u64>)], now: (i64, Option<u64>)) -> Due {
        let at = |hour: i64| Timestamp::from_second(hour * HOUR).unwrap();
        let up = |hours: Option<u64>| hours.map(|hours| Uptime { boot: 1, millis: hours * 3_600_000 });
        let rule = CaptureRule {
            audit: None,
            name: "lab".parse().unwrap(),
            path: "/captures".into(),
            each: crate::Each::Whole,
            complete: crate::Completeness::Quiet(Duration::ZERO),
            gate: [].into(),
            destination: "vault".parse().unwrap(),
            cleanup: CleanupRule {
                enabled: true,
                min_passes: 2,
                min_age: Duration::from_secs(24 * 3600),
                accept_other_proof: false,
                remove_metadata: false,
            },
        };
        let pass = |(hour, hours): &(i64, Option<u64>)| CaptureProof {
            at: at(*hour),
            uptime: up(*hours),
            proof: Proof::Sha256Readback,
            manifest: Digest::of(b"m"),
        };
        let progress = SyncProgress {
            passes: passes.iter().map(pass).collect(),
            passes_total: u32::try_from(passes.len()).unwrap(),
            ..SyncProgress::default()
        };
        due(&rule, &progress, at(now.0), up(now.1))
    }

    #[test]
    fn inv_6_a_pass_is_due_until_there_are_enough_and_the_first_is_old_enough() {
        assert_eq!(hours(&[], 1), Due::Pass);
        assert!(matches!(hours(&[0], 11), Due::Later(..)));
        assert_eq!(hours(&[0], 24), Due::Pass);
        assert!(matches!(hours(&[0, 12], 23), Due::Later(..)));
        assert_eq!(hours(&[0, 12], 24), Due::Cleanup);
        assert_eq!(hours(&[0, 12], 36), Due::Cleanup);
        assert_eq!(hours(&[0, 12, 500], 500), Due::Cleanup);
    }

    #[test]
    fn inv_6_a_wall_clock_that_is_set_makes_no_pass_older() {
        let years = 50 * 365 * 24;
        // The first pass under a clock that showed 1970, and the network has set it since.
        let Due::Later(at, _) = by_both(&[(0, Some(1))], (years, Some(2))) else { panic!("a pass is due") };
        assert_eq!(at, Timestamp::from_second((years + 23) * HOUR).unwrap());
        assert_eq!(by_both(&[(0, Some(1))], (years, Some(25))), Due::Pass);
        assert!(matches!(by_both(&[(0, Some(1)), (years, Some(2))], (years + 1, Some(3))), Due::Later(..)));
        assert_eq!(by_both(&[(0, Some(1)), (years, Some(25))], (years + 1, Some(26))), Due::Cleanup);
        // It was ahead, and was set back: nobody waits for fifty years.
        assert_eq!(by_both(&[(years, Some(1))], (0, Some(25))), Due::Pass);
    }
}
