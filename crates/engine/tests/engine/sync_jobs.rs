//! Captures on their way home: every report leads where the policy and the state machine say.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use verisim_core::{
    Counters, Effect, EventPayload, FailureKind, Findings, Intervention, JobId, JobState, OperationClass,
    Recorded, ResumeAt, Schedule, Store, SyncEvent, SyncReport, SyncState, SyncTask, Work,
};
use verisim_engine::control::{Operator, RefusalKind};
use verisim_engine::{Engine, new_sync_job};
use verisim_testkit::doubles::{ModelSync, sync_spec};

use crate::stage::{Stage, at, failure};

const JOB: JobId = JobId(1);

fn one() -> Stage {
    Stage::with_sync(&[], ModelSync::new(vec![sync_spec("cowrie", "run-1", "vault").unwrap()]))
}

fn failed(task: &SyncTask, kind: FailureKind, class: OperationClass) -> SyncReport {
    let error = Box::new(failure(kind, Effect::NotApplied).into());
    SyncReport::Failed { error, class, progress: Box::new(task.progress.clone()) }
}

fn advanced(task: &SyncTask, event: SyncEvent) -> SyncReport {
    let progress = Box::new(task.progress.clone());
    SyncReport::Advanced { event, progress, next: Schedule::At(task.now), damaged: Vec::new() }
}

fn state(stage: &Stage) -> SyncState {
    match stage.job(JOB).state {
        JobState::Sync(state) => state,
        JobState::Activity(state) => panic!("{state}"),
    }
}

/// Fails the first step in `state` with `kind`, and lives a little.
async fn after_one_failure(state: SyncState, kind: FailureKind, class: OperationClass) -> Stage {
    let stage = one();
    let mut hit = false;
    stage.sync.set_script(move |task| {
        (task.state == state && !std::mem::replace(&mut hit, true)).then(|| failed(task, kind, class))
    });
    stage.live_until(at(5)).await;
    stage
}

#[tokio::test]
async fn a_capture_is_found_pushed_and_verified_and_every_state_is_an_event() {
    let stage = one();
    stage.live_until(at(5)).await;
    let states: Vec<_> = stage
        .events_of(JOB)
        .into_iter()
        .map(|event| (event.body.topic.to_string(), event.body.payload))
        .map(|(topic, payload)| match payload {
            EventPayload::Sync(sync) => (topic, sync.state, sync.remote),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [("queued", "QUEUED"), ("awaiting_verify", "AWAITING_VERIFY"), ("verified", "VERIFIED")];
    let expected: Vec<_> = expected
        .map(|(topic, state)| (format!("sync.1.{topic}"), state.to_owned(), "vault:cowrie/run-1".to_owned()))
        .into();
    assert_eq!(states, expected);
    assert_eq!(stage.job(JOB).schedule, Schedule::Parked);
    // What was confirmed can be said from the store alone.
    let mut manifest = Vec::new();
    for piece in 0..4 {
        manifest.extend(stage.store.manifest(JOB, piece).await.unwrap().unwrap_or_default());
    }
    assert_eq!(manifest, b"piece 0 of job 1\npiece 1 of job 1\n");
    // Looking again finds nothing new.
    stage.live_until(at(600)).await;
    assert_eq!(stage.store.all_jobs().len(), 1);
}

#[tokio::test]
async fn every_failure_of_a_push_or_a_verification_leads_where_the_policy_says() {
    use FailureKind as K;
    use OperationClass as C;
    use SyncState as S;
    for (from, kind, class, expected) in [
        (S::Running, K::Network, C::Destination, S::Queued),
        (S::Running, K::Unknown, C::Destination, S::Queued),
        (S::Running, K::Auth, C::Destination, S::Failed),
        (S::Running, K::Denied, C::Destination, S::Failed),
        (S::Running, K::Config, C::Destination, S::Failed),
        (S::Running, K::NotFound, C::Destination, S::Failed),
        (S::Running, K::SourceVanished, C::Capture, S::Failed),
        (S::Running, K::NotFound, C::Capture, S::Failed),
        (S::Running, K::SourceChanged, C::Capture, S::Waiting),
        (S::Running, K::NoSpace, C::Destination, S::Blocked(ResumeAt::Push)),
        (S::Running, K::ToolMissing, C::Destination, S::Blocked(ResumeAt::Push)),
        (S::Running, K::Cancelled, C::Destination, S::Cancelled),
        (S::AwaitingVerify, K::Network, C::Destination, S::AwaitingVerify),
        (S::AwaitingVerify, K::ToolMissing, C::Destination, S::Blocked(ResumeAt::Verify)),
        (S::AwaitingVerify, K::SourceChanged, C::Capture, S::Waiting),
        (S::AwaitingVerify, K::Auth, C::Destination, S::Failed),
        (S::Waiting, K::Denied, C::Capture, S::Failed),
        (S::Waiting, K::Network, C::Capture, S::Waiting),
        (S::Verified, K::SourceChanged, C::Capture, S::Waiting),
        (S::Verified, K::Denied, C::Destination, S::Verified),
        (S::Verified, K::Network, C::Destination, S::Verified),
    ] {
        let stage = after_one_failure(from, kind, class).await;
        assert_eq!(state(&stage), expected, "{kind} in {from}");
        assert_eq!(stage.job(JOB).last_failure.unwrap().0, kind);
        let rests = matches!(expected, S::Failed | S::Cancelled);
        assert_eq!(stage.job(JOB).schedule == Schedule::Parked, rests, "{kind} in {from}");
        let told: Vec<_> =
            stage.events_of(JOB).into_iter().filter(|it| it.body.failure == Some(kind)).collect();
        assert!(!told.is_empty(), "{kind} in {from}");
        for event in told {
            let EventPayload::Sync(payload) = event.body.payload else { panic!("{:?}", event.body.payload) };
            assert_eq!(payload.note, None, "{kind} in {from}: the detail is not said twice");
        }
    }
}

#[tokio::test]
async fn defect_04_a_step_that_panics_uses_up_an_attempt() {
    let stage = one();
    stage.sync.set_script(|task| (task.state == SyncState::Running).then(|| panic!("the script says so")));
    stage.live_until(at(5)).await;
    assert_eq!(
        (state(&stage), stage.job(JOB).last_failure.unwrap().0),
        (SyncState::Queued, FailureKind::Unknown)
    );
    assert_eq!(stage.sync.steps().iter().filter(|(_, state)| *state == SyncState::Running).count(), 1);
}

#[tokio::test]
async fn a_first_mismatch_is_sent_again_and_the_second_fails() {
    for by_event in [false, true] {
        let stage = one();
        stage.sync.set_script(move |task| {
            (task.state == SyncState::AwaitingVerify).then(|| match by_event {
                true => advanced(task, SyncEvent::Mismatched),
                false => failed(task, FailureKind::HashMismatch, OperationClass::Destination),
            })
        });
        stage.live_until(at(5)).await;
        assert_eq!(state(&stage), SyncState::Failed);
        let pushes = stage.sync.steps().iter().filter(|(_, state)| *state == SyncState::Running).count();
        assert_eq!((pushes, stage.job(JOB).counters.mismatches), (2, 2));
    }
}

#[tokio::test]
async fn a_blocked_capture_goes_on_where_it_was() {
    let stage =
        after_one_failure(SyncState::AwaitingVerify, FailureKind::ToolMissing, OperationClass::Destination)
            .await;
    stage.live_until(at(400)).await;
    assert_eq!(state(&stage), SyncState::Verified);
    let pushes = stage.sync.steps().iter().filter(|(_, state)| *state == SyncState::Running).count();
    assert_eq!(pushes, 1);
    assert_eq!(stage.job(JOB).counters, Counters { blocks: 1, ..Counters::default() });
}

#[tokio::test]
async fn an_interlock_that_cannot_be_asked_does_not_hold() {
    let stage = one();
    stage.sync.set_script(|task| match task.state {
        SyncState::Verified => Some(advanced(task, SyncEvent::InterlocksHold)),
        SyncState::CleanupEligible => Some(failed(task, FailureKind::Network, OperationClass::Destination)),
        _ => None,
    });
    let mut seen = stage.sync.steps().len();
    stage.live_until(at(2)).await;
    assert_ne!(state(&stage), SyncState::Cleaning);
    seen = stage.sync.steps().len() - seen;
    assert!(seen < 20, "it is not asked without end: {seen} steps");
}

#[tokio::test]
async fn damage_at_the_destination_is_an_event_of_its_own() {
    let stage = one();
    stage.sync.set_script(|task| {
        (task.state == SyncState::AwaitingVerify).then(|| SyncReport::Advanced {
            event: SyncEvent::MismatchedAgain,
            progress: Box::new(task.progress.clone()),
            next: Schedule::Parked,
            damaged: vec!["payload.bin".into()],
        })
    });
    stage.live_until(at(5)).await;
    let damage = stage.events_of(JOB).into_iter().find(|e| e.body.topic.as_str() == "sync.1.remote_damaged");
    let EventPayload::RemoteDamaged { names, .. } = damage.unwrap().body.payload else { panic!() };
    assert_eq!(names, ["payload.bin"]);
}

#[tokio::test]
async fn defect_07_two_steps_at_a_time_per_destination_and_many_destinations_at_once() {
    let mut specs = Vec::new();
    for destination in ["vault", "nas"] {
        for number in 0..12 {
            specs.push(sync_spec(destination, &format!("run-{number}"), destination).unwrap());
        }
    }
    let stage = Stage::with_sync(&[], ModelSync::new(specs));
    stage.live_until(at(30)).await;
    assert_eq!(stage.sync.at_once_max(), 2);
    let jobs = stage.store.all_jobs();
    assert_eq!(jobs.len(), 24);
    assert!(jobs.iter().all(|job| job.state == JobState::Sync(SyncState::Verified)));
}

#[tokio::test]
async fn what_stays_is_looked_at_again_and_told_only_when_the_reason_changes() {
    let stage = one();
    let looks = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&looks);
    stage.sync.set_script(move |task| {
        (task.state == SyncState::Waiting).then(|| {
            let look = count.fetch_add(1, Ordering::SeqCst);
            let mut progress = task.progress.clone();
            progress.note = Some(if look < 5 { "files are being written" } else { "a gate holds it" }.into());
            let next = Schedule::At(task.now + Duration::from_secs(10));
            SyncReport::Stay { progress: Box::new(progress), next, damaged: Vec::new() }
        })
    });
    stage.live_until(at(95)).await;
    assert_eq!(looks.load(Ordering::SeqCst), 10);
    assert_eq!(stage.events_of(JOB).len(), 2);
    assert!(stage.store.outbox(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn after_a_retry_a_mismatch_is_the_first_again() {
    let stage = one();
    // A worker that remembers what it forced takes every further mismatch for the second.
    stage.sync.set_script(move |task| {
        (task.state == SyncState::AwaitingVerify).then(|| SyncReport::Advanced {
            event: SyncEvent::MismatchedAgain,
            progress: Box::new(task.progress.clone()),
            next: Schedule::Parked,
            damaged: Vec::new(),
        })
    });
    let pushes = || stage.sync.steps().iter().filter(|(_, state)| *state == SyncState::Running).count();
    stage.live_until(at(5)).await;
    assert_eq!((state(&stage), pushes()), (SyncState::Failed, 2));
    let operator = Operator::new(Engine::new(stage.parts()).handle());
    operator.retry(JOB).await.unwrap();
    assert_eq!(stage.job(JOB).counters.mismatches, 0);
    stage.live_until(at(10)).await;
    assert_eq!((state(&stage), pushes()), (SyncState::Failed, 4));
}

#[tokio::test]
async fn a_capture_that_rests_is_looked_at_when_the_operator_has_another_rule() {
    let stage = one();
    stage.live_until(at(5)).await;
    let looks = || stage.sync.steps().iter().filter(|(_, state)| *state == SyncState::Verified).count();
    assert_eq!((stage.job(JOB).schedule, looks()), (Schedule::Parked, 1));
    // Another start with the same rules wakes nobody.
    stage.live_until(at(10)).await;
    assert_eq!(looks(), 1);
    stage.sync.set_outdated(true);
    stage.live_until(at(15)).await;
    assert_eq!((state(&stage), looks()), (SyncState::Verified, 2), "once per start");
}

#[tokio::test]
async fn what_is_left_of_a_cleaned_up_capture_is_told_once_for_each_set_of_files() {
    let stage = one();
    stage.sync.set_script(|task| {
        (task.state == SyncState::Verified).then(|| advanced(task, SyncEvent::InterlocksHold))
    });
    stage.live_until(at(5)).await;
    assert_eq!(state(&stage), SyncState::Cleaned);
    let hour = stage.settings.prune_interval.as_secs();
    let told = || {
        let events = stage.events_of(JOB).into_iter().filter(|event| !event.body.success);
        events.map(|event| (event.body.topic.to_string(), event.body.detail)).collect::<Vec<_>>()
    };
    stage.live_until(at(2 * hour)).await;
    assert_eq!(told(), []);
    let mut expected = Vec::new();
    for (number, note) in ["a came", "a and b came"].into_iter().enumerate() {
        stage.sync.set_left_over(JOB, note);
        stage.live_until(at((4 + 3 * number as u64) * hour)).await;
        expected.push(("sync.1.cleaned".to_owned(), note.to_owned()));
        assert_eq!(told(), expected);
        assert!(stage.store.outbox(10).await.unwrap().is_empty());
    }
    assert_eq!(state(&stage), SyncState::Cleaned);
}

/// What an audit finds is an event by name, and damage another one; it is given the manifest that the store keeps.
#[tokio::test]
async fn what_an_audit_of_a_cleaned_up_capture_finds_is_told() {
    let stage = one();
    stage.sync.set_script(|task| {
        (task.state == SyncState::Verified).then(|| advanced(task, SyncEvent::InterlocksHold))
    });
    stage.live_until(at(5)).await;
    assert_eq!(state(&stage), SyncState::Cleaned);
    let hour = stage.settings.prune_interval.as_secs();
    let events = |topic: &str| {
        let all = stage.events_of(JOB).into_iter();
        all.filter(|event| event.body.topic.to_string() == topic).collect::<Vec<_>>()
    };
    let before = events("sync.1.cleaned").len();
    let good = verisim_core::Audited {
        damaged: Vec::new(),
        findings: Findings::default(),
        note: "all is there".into(),
    };
    stage.sync.set_audit(JOB, good.clone());
    stage.live_until(at(2 * hour)).await;
    assert_eq!(stage.sync.audited(), [(JOB, b"piece 0 of job 1\npiece 1 of job 1\n".to_vec())]);
    let told = events("sync.1.cleaned");
    assert_eq!((told.len(), told.last().unwrap().body.success), (before + 1, true));
    let mut findings = Findings::default();
    findings.different.add(verisim_core::RelPath::new("d/c").unwrap(), None);
    let bad = verisim_core::Audited {
        damaged: vec!["different: d/c".into()],
        findings,
        note: "d/c differs".into(),
    };
    stage.sync.set_audit(JOB, bad);
    stage.live_until(at(4 * hour)).await;
    let told = events("sync.1.cleaned").pop().unwrap().body;
    assert_eq!((told.success, told.failure), (false, Some(verisim_core::FailureKind::HashMismatch)));
    let damage = events("sync.1.remote_damaged").pop().unwrap().body;
    assert!(format!("{:?}", damage.payload).contains("different: d/c"), "{damage:?}");
    assert_eq!(state(&stage), SyncState::Cleaned);
}

/// Whoever asks has what was cleaned up looked at, and is answered what an audit tells; what nobody could look at is no finding.
#[tokio::test]
async fn who_asks_is_told_how_a_cleaned_up_capture_is() {
    let stage = one();
    let operator = |stage: &Stage| Operator::new(Engine::new(stage.parts()).handle());
    stage.live_until(at(5)).await;
    let refused = operator(&stage).audit(JOB).await.unwrap_err();
    assert_eq!(refused.kind, RefusalKind::WrongState, "{refused}");
    let stage = one();
    stage.sync.set_script(|task| {
        (task.state == SyncState::Verified).then(|| advanced(task, SyncEvent::InterlocksHold))
    });
    stage.live_until(at(5)).await;
    assert_eq!(state(&stage), SyncState::Cleaned);
    let events = stage.events_of(JOB).len();
    let away = operator(&stage).audit(JOB).await.unwrap_err();
    assert_eq!((away.kind, away.failure), (RefusalKind::Away, Some(verisim_core::FailureKind::Network)));
    assert_eq!(stage.events_of(JOB).len(), events);
    let mut findings = Findings::default();
    findings.missing.add(verisim_core::RelPath::new("d/c").unwrap(), None);
    let bad = verisim_core::Audited {
        damaged: vec!["missing: d/c".into()],
        findings,
        note: "d/c is missing".into(),
    };
    stage.sync.set_audit(JOB, bad.clone());
    assert_eq!(operator(&stage).audit(JOB).await.unwrap(), bad);
    assert_eq!(stage.sync.audited(), [(JOB, b"piece 0 of job 1\npiece 1 of job 1\n".to_vec())]);
    let told: Vec<String> =
        stage.events_of(JOB).iter().skip(events).map(|event| event.body.topic.to_string()).collect();
    assert_eq!(told, ["sync.1.cleaned", "sync.1.remote_damaged"]);
    assert_eq!(state(&stage), SyncState::Cleaned);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Becomes(SyncState),
    Refused,
}

#[tokio::test]
async fn every_request_in_every_state_takes_a_legal_edge_or_is_refused_with_a_reason() {
    use Answer::{Becomes, Refused};
    use SyncState as S;
    // What becomes of it on `cancel`, `retry` and `verify`.
    let table = |state: S| match state {
        S::Waiting | S::Queued | S::Blocked(_) => [Becomes(S::Cancelled), Becomes(state), Refused],
        S::Running => [Becomes(S::Cancelled), Refused, Refused],
        S::AwaitingVerify => [Becomes(S::Cancelled), Becomes(state), Becomes(state)],
        S::Verified | S::CleanupEligible => [Becomes(S::Cancelled), Refused, Becomes(S::AwaitingVerify)],
        S::Failed | S::Unverified | S::Cancelled => [Becomes(S::Cancelled), Becomes(S::Waiting), Refused],
        S::Cleaning | S::Cleaned => [Refused; 3],
    };
    for from in S::ALL {
        for (request, expected) in ["cancel", "retry", "verify"].into_iter().zip(table(from)) {
            let stage = Stage::new(&[]);
            let spec = sync_spec("cowrie", "run-1", "vault").unwrap();
            let job = stage.enqueue(vec![new_sync_job(spec, at(0))]).await[0];
            let change = Intervention {
                job,
                from: JobState::Sync(S::Waiting),
                to: JobState::Sync(from),
                at: at(0),
                schedule: Schedule::At(at(1000)),
                counters: None,
                overrides: None,
                events: Vec::new(),
            };
            if from != S::Waiting {
                assert_eq!(stage.store.intervene(change).await.unwrap(), Recorded::Committed);
            }
            let operator = Operator::new(Engine::new(stage.parts()).handle());
            let answer = match request {
                "cancel" => operator.cancel(job).await,
                "retry" => operator.retry(job).await,
                _ => operator.verify(job).await,
            };
            let (now, events) = (state(&stage), stage.events_of(job).len());
            match answer {
                Ok(_) => {
                    assert_eq!(Becomes(now), expected, "{request} in {from}");
                    assert_eq!(events, usize::from(now != from), "{request} in {from}: a change is an event");
                    let parked = stage.job(job).schedule == Schedule::Parked;
                    assert_eq!(parked, now == S::Cancelled, "{request} in {from}");
                }
                Err(refusal) => {
                    assert_eq!((Refused, now, events), (expected, from, 0), "{request} in {from}");
                    assert_eq!(refusal.kind, RefusalKind::WrongState);
                    assert!(refusal.message.contains(from.name()), "{}", refusal.message);
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_kept_for_a_capture_goes_when_nobody_will_ask_any_more() {
    // One is cleaned up, one fails and is pruned by age, one rests.
    let specs = ["cleaned", "failed", "resting"].map(|name| sync_spec("cowrie", name, "vault").unwrap());
    let stage = Stage::with_sync(&[], ModelSync::new(specs.into()));
    stage.sync.set_script(|task| {
        let name = task.spec.capture.relative.as_ref().map(ToString::to_string);
        match (name.as_deref(), task.state) {
            (Some("cleaned"), SyncState::Verified) => Some(advanced(task, SyncEvent::InterlocksHold)),
            (Some("failed"), SyncState::Running) => {
                Some(failed(task, FailureKind::Config, OperationClass::Destination))
            }
            _ => None,
        }
    });
    stage.live_until(at(5)).await;
    let id = |name: &str| {
        let jobs = stage.store.all_jobs();
        let is_it = |job: &&verisim_core::Job| match &job.work {
            Work::Sync(spec) => spec.capture.relative.as_ref().is_some_and(|path| path.to_string() == name),
            Work::Activity { .. } => false,
        };
        jobs.iter().find(is_it).map(|job| job.id).unwrap()
    };
    let (cleaned, failed, resting) = (id("cleaned"), id("failed"), id("resting"));
    assert_eq!(stage.job(cleaned).state, JobState::Sync(SyncState::Cleaned));
    let after_a_day = stage.settings.prune_interval.as_secs() * 24;
    stage.live_until(at(after_a_day)).await;
    assert!(!stage.sync.keeps().contains(&cleaned));
    assert!([failed, resting].iter().all(|job| stage.sync.keeps().contains(job)));
    let long_after = stage.settings.history_age_max.as_secs() + 2 * after_a_day;
    stage.live_until(at(long_after)).await;
    let kept = stage.sync.keeps();
    assert!(kept.contains(&resting) && !kept.contains(&failed) && !kept.contains(&cleaned), "{kept:?}");
}
