//! The conformance suite of the store port: what every store promises, whatever it stands on. Each case gets a store that is
//! empty. [`store_conformance!`](crate::store_conformance) makes a test of each.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a suite for tests fails by panicking")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use verisim_core::{
    Action, ActivityState, Amend, Amendment, AppendFile, Body, Capture, CaptureName, Counters, Decided,
    Decoy, DecoyName, DecoyPath, DestinationName, Digest, Enqueued, Event, EventId, EventPayload, EventQuery,
    FailureKind, FileClass, GateOverride, IdempotencyKey, Intended, Intervention, Job, JobFilter, JobId,
    JobKind, JobState, Lane, LaneKind, LeaseRequest, LeasedJob, LedgerChange, LedgerEntry, MoveFile,
    NewEvent, NewJob, OwnershipPolicy, PruneRule, Record, Recorded, RelPath, Remote, RootIdentity, Schedule,
    StartMark, Store, SyncProgress, SyncSpec, SyncState, Timestamp, ToolOutput, Topic, Traffic,
    TrafficProtocol, Work, WorkerId,
};

/// Makes a test of every case. `$make` is an expression that gives a new `Arc<dyn Store>`, and what must live as long as
/// it, as a pair.
#[macro_export]
macro_rules! store_conformance {
    ($make:expr) => {
        $crate::store_conformance!(@cases $make;
            a_known_key_is_left_as_it_is
            inv_1_a_job_is_there_before_it_is_given_out
            inv_2_outcome_event_and_state_come_together_or_not_at_all
            defect_18_inv_3_a_stale_worker_changes_nothing
            a_lease_ends_with_the_heartbeats
            every_lease_is_taken_back_at_the_start
            after_the_clock_was_set_back_nothing_waits_for_it
            jobs_of_one_path_keep_their_order
            a_move_waits_for_both_its_paths
            a_back_off_holds_up_its_own_path_only
            a_parked_job_holds_up_nobody
            what_is_decided_about_a_gate_loses_nothing
            lanes_are_served_within_their_allowance
            a_full_lane_does_not_starve_the_others
            connections_have_a_lane_of_their_own
            kinds_are_leased_apart
            an_intervention_ends_a_lease
            the_next_due_time_is_after_now
            the_outbox_is_in_the_order_of_commits
            events_are_filtered_and_paged
            history_is_pruned_and_nothing_else
            the_ledger_follows_the_outcomes
            what_is_known_of_a_decoy_is_amended_unless_an_action_is_under_way
            captures_decoys_manifests_and_the_cursor_are_kept
            a_sync_job_keeps_its_progress
            jobs_are_found_newest_first
        );
    };
    (@cases $make:expr; $($case:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let (store, _kept) = $make;
            $crate::store_suite::$case(store).await;
        }
    )*};
}

/// A time `seconds` after the suite's beginning.
#[must_use]
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn worker() -> WorkerId {
    WorkerId("worker-1".into())
}

fn decoy(name: &str) -> DecoyName {
    DecoyName::new(name).unwrap()
}

fn path(text: &str) -> DecoyPath {
    DecoyPath::new(text).unwrap()
}

/// An activity job: an append to `file` on `host`, due at [`at`]`(due)`.
#[must_use]
pub fn append_job(key: &str, host: &str, file: &str, due: i64) -> NewJob {
    let action = Action::Append(AppendFile {
        path: path(file),
        body: Body::from("line\n".as_bytes()),
        class: FileClass::DaemonLog,
    });
    activity_job(key, host, action, due)
}

/// An activity job with this action.
#[must_use]
pub fn activity_job(key: &str, host: &str, action: Action, due: i64) -> NewJob {
    NewJob {
        key: IdempotencyKey(key.into()),
        work: Work::Activity {
            decoy: decoy(host),
            action: Arc::new(action),
            persona: None,
            session: None,
            why: "because".into(),
        },
        state: JobState::Activity(ActivityState::Queued),
        planned_at: at(due),
        schedule: Schedule::At(at(due)),
        deadline: Some(at(due + 3600)),
    }
}

/// A sync job of the capture `name`.
#[must_use]
pub fn sync_job(name: &str, generation: u32, due: i64) -> NewJob {
    let relative = RelPath::new(name).unwrap();
    let capture = Capture {
        rule: CaptureName::new("cowrie").unwrap(),
        relative: Some(relative.clone()),
        root: format!("/srv/captures/{name}").into(),
        identity: RootIdentity { device: 1, inode: 2, born_ns: Some(3) },
        generation,
    };
    let remote =
        Remote { destination: DestinationName::new("vault").unwrap(), path: relative, owner: "site".into() };
    NewJob {
        key: IdempotencyKey::for_capture(&capture.rule, name, generation),
        work: Work::Sync(Box::new(SyncSpec { capture, remote })),
        state: JobState::Sync(SyncState::Waiting),
        planned_at: at(due),
        schedule: Schedule::At(at(due)),
        deadline: None,
    }
}

/// A request for activities at [`at`]`(now)`: any number of lanes, any number of jobs of each.
#[must_use]
pub fn request(now: i64) -> LeaseRequest {
    LeaseRequest {
        worker: worker(),
        kind: LaneKind::Decoy,
        now: at(now),
        until: at(now + 30),
        lanes_max: 1000,
        per_lane_max: 1000,
        allowance: HashMap::new(),
    }
}

/// The record that ends a leased activity job as `DONE`, with one event.
#[must_use]
pub fn done(leased: &LeasedJob, now: i64) -> Record {
    Record {
        job: leased.job.id,
        fence: leased.fence,
        from: leased.job.state,
        to: JobState::Activity(ActivityState::Done),
        at: at(now),
        schedule: Schedule::Parked,
        counters: leased.job.counters,
        keep_intended: false,
        failure: None,
        output: None,
        events: vec![event("files01", now)],
        ledger: Vec::new(),
        progress: None,
    }
}

/// The record of a failure that backs off until [`at`]`(due)`.
#[must_use]
pub fn back_off(leased: &LeasedJob, now: i64, due: i64) -> Record {
    Record {
        to: JobState::Activity(ActivityState::Queued),
        schedule: Schedule::At(at(due)),
        counters: Counters { failures: leased.job.counters.failures + 1, ..leased.job.counters },
        keep_intended: true,
        failure: Some((FailureKind::Network, "refused".into())),
        ..done(leased, now)
    }
}

/// An event about a decoy.
#[must_use]
pub fn event(host: &str, now: i64) -> NewEvent {
    NewEvent {
        decoy: Some(decoy(host)),
        ..NewEvent::new(Topic::reachable(&decoy(host)), EventPayload::Reachable { reachable: true }, at(now))
    }
}

fn mark(leased: &LeasedJob) -> StartMark {
    let intended = Intended::Append { offset: 0, length: 5, sha256: Digest::of(b"line\n") };
    StartMark { job: leased.job.id, fence: leased.fence, intended }
}

fn ids(leased: &[LeasedJob]) -> Vec<i64> {
    leased.iter().map(|leased| leased.job.id.0).collect()
}

fn new_id(enqueued: Enqueued) -> JobId {
    match enqueued {
        Enqueued::New(id) => id,
        Enqueued::Known(id) => panic!("job {id} was known"),
    }
}

async fn enqueue(store: &Arc<dyn Store>, jobs: Vec<NewJob>) -> Vec<JobId> {
    store.enqueue(jobs, None).await.unwrap().into_iter().map(new_id).collect()
}

async fn job(store: &Arc<dyn Store>, id: JobId) -> Job {
    store.job(id).await.unwrap().unwrap()
}

async fn all_events(store: &Arc<dyn Store>) -> Vec<Event> {
    let query = EventQuery { after: EventId(0), topics: ">".parse().unwrap(), limit: 10_000 };
    store.events(query).await.unwrap().events
}

/// A key is stored once: within a call, and later, also when the job is done.
pub async fn a_known_key_is_left_as_it_is(store: Arc<dyn Store>) {
    let jobs =
        vec![append_job("a", "d1", "/a", 0), append_job("b", "d1", "/b", 0), append_job("a", "d2", "/c", 9)];
    let answers = store.enqueue(jobs, Some(at(60))).await.unwrap();
    let (first, second) = (new_id(answers[0]), new_id(answers[1]));
    assert!(first < second);
    assert_eq!(answers[2], Enqueued::Known(first));
    let leased = store.lease(request(0)).await.unwrap();
    store.record(leased.iter().map(|leased| done(leased, 1)).collect()).await.unwrap();
    let again = store.enqueue(vec![append_job("a", "d1", "/a", 0)], None).await.unwrap();
    assert_eq!(again, [Enqueued::Known(first)]);
    assert_eq!(job(&store, first).await.state, JobState::Activity(ActivityState::Done));
    assert_eq!(store.plan_cursor().await.unwrap(), Some(at(60)), "a call without a cursor leaves it");
}

/// What is given out is stored, with what it shall leave behind once it is started.
pub async fn inv_1_a_job_is_there_before_it_is_given_out(store: Arc<dyn Store>) {
    let new = append_job("a", "d1", "/a", 5);
    let id = enqueue(&store, vec![new.clone()]).await[0];
    assert!(store.lease(request(4)).await.unwrap().is_empty(), "it is not due");
    let leased = store.lease(request(5)).await.unwrap();
    let mut stored = job(&store, id).await;
    assert_eq!(leased[0].job, stored);
    assert_eq!((&stored.key, &stored.work), (&new.key, &new.work));
    assert_eq!((stored.planned_at, stored.deadline), (new.planned_at, new.deadline));
    assert_eq!(stored.state, JobState::Activity(ActivityState::Running));
    assert_eq!(stored.counters, Counters::default());
    assert_eq!(store.start(vec![mark(&leased[0])]).await.unwrap(), [Recorded::Committed]);
    stored = job(&store, id).await;
    assert_eq!(stored.intended, Some(mark(&leased[0]).intended));
    assert_eq!(stored.counters.attempts, 1);
    assert!(store.lease(request(6)).await.unwrap().is_empty(), "it is leased");
}

/// A record is one step, and records of one call are accepted or stale each by itself.
pub async fn inv_2_outcome_event_and_state_come_together_or_not_at_all(store: Arc<dyn Store>) {
    let made = enqueue(&store, vec![append_job("a", "d1", "/a", 0), append_job("b", "d1", "/b", 0)]).await;
    let leased = store.lease(request(0)).await.unwrap();
    let marks = leased.iter().map(mark).collect();
    store.start(marks).await.unwrap();
    let output = ToolOutput { text: "out".into(), ..ToolOutput::default() };
    let failed = Record { output: Some(output), ..back_off(&leased[0], 1, 31) };
    let wrong = Record { from: JobState::Activity(ActivityState::Queued), ..done(&leased[1], 1) };
    let answers = store.record(vec![failed, wrong]).await.unwrap();
    assert_eq!(answers, [Recorded::Committed, Recorded::Stale], "the state must be what was said");
    let first = job(&store, made[0]).await;
    assert_eq!(first.state, JobState::Activity(ActivityState::Queued));
    assert_eq!(first.schedule, Schedule::At(at(31)));
    assert_eq!((first.counters.attempts, first.counters.failures), (1, 1));
    assert_eq!(first.last_failure, Some((FailureKind::Network, "refused".into())));
    assert!(first.intended.is_some(), "the mark stays, so that the next lease probes");
    assert_eq!(job(&store, made[1]).await.state, JobState::Activity(ActivityState::Running));
    assert_eq!(all_events(&store).await.len(), 1, "a stale record stores no event");
    assert_eq!(store.record(vec![done(&leased[1], 2)]).await.unwrap(), [Recorded::Committed]);
    let second = job(&store, made[1]).await;
    assert_eq!((second.intended, second.last_failure), (None, None));
    assert_eq!(all_events(&store).await.len(), 2);
}

/// A worker whose lease was lost can neither start, prolong nor record, whoever has the job now.
pub async fn defect_18_inv_3_a_stale_worker_changes_nothing(store: Arc<dyn Store>) {
    let id = enqueue(&store, vec![append_job("a", "d1", "/a", 0)]).await[0];
    let old = store.lease(request(0)).await.unwrap().remove(0);
    assert_eq!(store.take_back(at(31), false).await.unwrap(), 1);
    let stale = [Recorded::Stale];
    let before = job(&store, id).await;
    assert_eq!(store.start(vec![mark(&old)]).await.unwrap(), stale);
    assert_eq!(store.record(vec![done(&old, 31)]).await.unwrap(), stale);
    assert_eq!(store.heartbeat(&worker(), &[(id, old.fence)], at(90)).await.unwrap(), [id]);
    assert_eq!(job(&store, id).await, before, "nothing changes while nobody has it");
    let new = store.lease(request(40)).await.unwrap().remove(0);
    assert!(new.fence > old.fence);
    let before = job(&store, id).await;
    assert_eq!(store.start(vec![mark(&old)]).await.unwrap(), stale);
    assert_eq!(store.record(vec![done(&old, 41)]).await.unwrap(), stale);
    assert_eq!(store.heartbeat(&worker(), &[(id, old.fence)], at(90)).await.unwrap(), [id]);
    assert_eq!(job(&store, id).await, before, "nothing changes while another has it");
    assert!(all_events(&store).await.is_empty());
    assert_eq!(store.record(vec![done(&new, 42)]).await.unwrap(), [Recorded::Committed]);
    assert_eq!(store.record(vec![done(&new, 43)]).await.unwrap(), stale, "a record ends the lease");
}

/// A heartbeat prolongs; without one a lease is taken back, with its start mark, and not before its time.
pub async fn a_lease_ends_with_the_heartbeats(store: Arc<dyn Store>) {
    let made = enqueue(&store, vec![append_job("a", "d1", "/a", 0), append_job("b", "d1", "/b", 0)]).await;
    let leased = store.lease(request(0)).await.unwrap();
    store.start(vec![mark(&leased[0])]).await.unwrap();
    let other = WorkerId("worker-2".into());
    let held = [(made[1], leased[1].fence)];
    assert_eq!(store.heartbeat(&other, &held, at(100)).await.unwrap(), [made[1]], "another one's lease");
    assert!(store.heartbeat(&worker(), &held, at(60)).await.unwrap().is_empty());
    assert_eq!(store.take_back(at(30), false).await.unwrap(), 0, "it ends at 30, not before");
    assert_eq!(store.take_back(at(31), false).await.unwrap(), 1);
    let lost = job(&store, made[0]).await;
    assert_eq!(lost.state, JobState::Activity(ActivityState::Queued));
    assert_eq!(lost.schedule, Schedule::At(at(31)));
    assert!(lost.intended.is_some(), "the next lease must probe");
    assert_eq!((lost.counters.leases_lost, lost.counters.attempts), (1, 1));
    assert_eq!(ids(&store.lease(request(31)).await.unwrap()), [made[0].0]);
    assert_eq!(job(&store, made[1]).await.state, JobState::Activity(ActivityState::Running));
}

/// At the start of a process every lease goes, whatever its time; a state that is not `RUNNING` stays.
pub async fn every_lease_is_taken_back_at_the_start(store: Arc<dyn Store>) {
    enqueue(&store, vec![append_job("a", "d1", "/a", 0), sync_job("one", 1, 0)]).await;
    store.lease(request(0)).await.unwrap();
    let sync =
        store.lease(LeaseRequest { kind: LaneKind::Destination, ..request(0) }).await.unwrap().remove(0);
    assert_eq!(sync.job.state, JobState::Sync(SyncState::Waiting), "only QUEUED becomes RUNNING");
    assert_eq!(store.take_back(at(1), true).await.unwrap(), 2);
    assert_eq!(store.take_back(at(1), true).await.unwrap(), 0);
    let sync = job(&store, sync.job.id).await;
    assert_eq!((sync.state, sync.schedule), (JobState::Sync(SyncState::Waiting), Schedule::At(at(1))));
    assert_eq!(store.lease(request(1)).await.unwrap().len(), 1);
}

/// What was to come soon by a clock that was ahead comes soon by the one that is right; an action keeps its hour.
pub async fn after_the_clock_was_set_back_nothing_waits_for_it(store: Arc<dyn Store>) {
    enqueue(&store, vec![append_job("a", "d1", "/a", 0), sync_job("one", 1, 0), sync_job("two", 2, 0)]).await;
    let ahead = LeaseRequest { kind: LaneKind::Destination, ..request(1_000_000) };
    let leased = store.lease(ahead).await.unwrap();
    let [first, second] = &leased[..] else { panic!("{leased:?}") };
    let later = Record { schedule: Schedule::At(at(1_000_030)), ..done(first, 1_000_000) };
    let stays = Record { to: first.job.state, ..later };
    assert_eq!(store.record(vec![stays]).await.unwrap(), [Recorded::Committed]);
    assert_eq!(store.clock_set_back(at(2_000_000)).await.unwrap(), 0, "it was not set back");
    assert_eq!(store.next_due(at(100)).await.unwrap(), Some(at(1_000_030)));
    assert_eq!(store.clock_set_back(at(100)).await.unwrap(), 1, "the other one is held");
    assert_eq!(job(&store, first.job.id).await.schedule, Schedule::At(at(130)));
    assert_eq!(store.next_due(at(100)).await.unwrap(), Some(at(130)));
    assert_eq!(store.clock_set_back(at(100)).await.unwrap(), 0);
    assert!(
        store.lease(LeaseRequest { kind: LaneKind::Destination, ..request(129) }).await.unwrap().is_empty()
    );
    let due = store.lease(LeaseRequest { kind: LaneKind::Destination, ..request(130) }).await.unwrap();
    assert_eq!(ids(&due), [first.job.id.0]);
    assert_ne!(first.job.id, second.job.id);
}

/// One job of a path at a time, by id, whatever their due times; other paths and other lanes are not held up.
pub async fn jobs_of_one_path_keep_their_order(store: Arc<dyn Store>) {
    let jobs = vec![
        append_job("1", "d1", "/a", 0),
        append_job("2", "d1", "/a", 0),
        append_job("3", "d1", "/b", 9),
        append_job("4", "d1", "/b", 0),
        append_job("5", "d2", "/a", 0),
    ];
    let made = enqueue(&store, jobs).await;
    let first = store.lease(request(0)).await.unwrap();
    assert_eq!(ids(&first), [made[0].0, made[4].0], "3 is not due, 2 and 4 come after it and 1");
    assert!(store.lease(request(0)).await.unwrap().is_empty());
    store.record(vec![done(&first[0], 1)]).await.unwrap();
    assert_eq!(ids(&store.lease(request(1)).await.unwrap()), [made[1].0]);
    let third = store.lease(request(9)).await.unwrap();
    assert_eq!(ids(&third), [made[2].0]);
    store.record(vec![done(&third[0], 9)]).await.unwrap();
    assert_eq!(ids(&store.lease(request(9)).await.unwrap()), [made[3].0]);
}

/// Both keys of a job count, across first and second.
pub async fn a_move_waits_for_both_its_paths(store: Arc<dyn Store>) {
    let rename = |from: &str, to: &str| Action::Move(MoveFile { from: path(from), to: path(to) });
    let jobs = vec![
        append_job("1", "d1", "/b", 0),
        activity_job("2", "d1", rename("/a", "/b"), 0),
        append_job("3", "d1", "/a", 0),
        append_job("4", "d1", "/c", 0),
        activity_job("5", "d1", rename("/d", "/d"), 0),
    ];
    let made = enqueue(&store, jobs).await;
    let first = store.lease(request(0)).await.unwrap();
    assert_eq!(ids(&first), [made[0].0, made[3].0, made[4].0]);
    store.record(vec![done(&first[0], 1)]).await.unwrap();
    let second = store.lease(request(1)).await.unwrap();
    assert_eq!(ids(&second), [made[1].0]);
    assert!(store.lease(request(1)).await.unwrap().is_empty());
    store.record(vec![done(&second[0], 1)]).await.unwrap();
    assert_eq!(ids(&store.lease(request(1)).await.unwrap()), [made[2].0]);
}

/// An action in back-off, or blocked, does not hold up the others of its decoy.
pub async fn a_back_off_holds_up_its_own_path_only(store: Arc<dyn Store>) {
    let jobs =
        vec![append_job("1", "d1", "/a", 0), append_job("2", "d1", "/b", 1), append_job("3", "d1", "/a", 1)];
    let made = enqueue(&store, jobs).await;
    let first = store.lease(request(0)).await.unwrap();
    let blocked = Record { to: JobState::Activity(ActivityState::Blocked), ..back_off(&first[0], 0, 300) };
    store.record(vec![blocked]).await.unwrap();
    assert_eq!(ids(&store.lease(request(1)).await.unwrap()), [made[1].0]);
    let probe = store.lease(request(300)).await.unwrap();
    assert_eq!(ids(&probe), [made[0].0]);
    assert_eq!(probe[0].job.state, JobState::Activity(ActivityState::Blocked));
}

/// A job that waits for a person or rests does not hold up those behind it; while it is leased it does.
pub async fn a_parked_job_holds_up_nobody(store: Arc<dyn Store>) {
    let resting = NewJob { schedule: Schedule::Parked, ..sync_job("one", 1, 0) };
    let made = enqueue(&store, vec![resting, sync_job("one", 2, 0)]).await;
    let ask = |now| LeaseRequest { kind: LaneKind::Destination, ..request(now) };
    assert_eq!(ids(&store.lease(ask(0)).await.unwrap()), [made[1].0]);
    let waiting = JobState::Sync(SyncState::Waiting);
    let woken = Intervention {
        job: made[0],
        from: waiting,
        to: waiting,
        at: at(1),
        schedule: Schedule::At(at(1)),
        counters: None,
        overrides: None,
        events: Vec::new(),
    };
    assert_eq!(store.intervene(woken).await.unwrap(), Recorded::Committed);
    assert!(store.lease(ask(1)).await.unwrap().is_empty(), "another one with its key is leased");
    store.take_back(at(2), true).await.unwrap();
    assert_eq!(ids(&store.lease(ask(2)).await.unwrap()), [made[0].0], "the earlier one goes first");
}

/// What a person decided about a gate changes that part of the progress and nothing else, and only if nobody was faster.
pub async fn what_is_decided_about_a_gate_loses_nothing(store: Arc<dyn Store>) {
    let made = enqueue(&store, vec![sync_job("one", 1, 0)]).await;
    let given = |reason: &str| GateOverride {
        rule: "names".parse().unwrap(),
        print: Digest::of(b"seen"),
        reason: reason.into(),
        by: "ann".into(),
        at: at(1),
        revoked: None,
    };
    let waiting = JobState::Sync(SyncState::Waiting);
    let decide = |from: &[GateOverride], to: &[GateOverride]| Intervention {
        job: made[0],
        from: waiting,
        to: waiting,
        at: at(1),
        schedule: Schedule::At(at(1)),
        counters: None,
        overrides: Some(Decided { from: from.to_vec(), to: to.to_vec() }),
        events: vec![event("d1", 1)],
    };
    // The job has no progress yet; then a step, which knows nothing of what is decided while it runs.
    let one = [given("one")];
    assert_eq!(store.intervene(decide(&one, &[])).await.unwrap(), Recorded::Stale);
    assert_eq!(store.intervene(decide(&[], &one)).await.unwrap(), Recorded::Committed);
    let ask = LeaseRequest { kind: LaneKind::Destination, ..request(1) };
    let leased = store.lease(ask).await.unwrap();
    let progress = leased[0].job.progress.clone().unwrap();
    assert_eq!(progress.overrides, one);
    let two = [given("one"), given("two")];
    assert_eq!(store.intervene(decide(&[], &two)).await.unwrap(), Recorded::Stale, "somebody was faster");
    assert_eq!(store.intervene(decide(&one, &two)).await.unwrap(), Recorded::Committed);
    let late = Record { progress: Some(progress), to: waiting, ..done(&leased[0], 2) };
    assert_eq!(store.record(vec![late]).await.unwrap(), [Recorded::Stale], "its lease ended");
    let job = store.job(made[0]).await.unwrap().unwrap();
    assert_eq!(job.progress.unwrap().overrides, two);
    assert_eq!(store.health().await.unwrap().last_event, EventId(2), "what changed nothing tells nothing");
}

/// The allowance stands for the lanes it names, the general numbers for the others.
pub async fn lanes_are_served_within_their_allowance(store: Arc<dyn Store>) {
    let mut jobs = Vec::new();
    for host in ["d1", "d2", "d3", "d4"] {
        jobs.extend((0..5).map(|i| append_job(&format!("{host}-{i}"), host, &format!("/{i}"), 0)));
    }
    enqueue(&store, jobs).await;
    let lane = |host: &str| Lane(format!("decoy/{host}").into());
    let ask = LeaseRequest {
        lanes_max: 1,
        per_lane_max: 2,
        allowance: HashMap::from([(lane("d1"), 0), (lane("d2"), 4), (lane("nobody"), 3)]),
        ..request(0)
    };
    let leased = store.lease(ask).await.unwrap();
    let mut by_lane: HashMap<Lane, Vec<i64>> = HashMap::new();
    for one in &leased {
        by_lane.entry(one.job.work.lane()).or_default().push(one.job.id.0);
    }
    assert_eq!(by_lane.get(&lane("d1")), None);
    assert_eq!(by_lane.remove(&lane("d2")).unwrap(), [6, 7, 8, 9], "the first by id");
    assert_eq!(by_lane.len(), 1, "one further lane");
    assert!(by_lane.values().all(|ids| ids.len() == 2));
    let order: Vec<_> = leased.iter().map(|one| (one.job.work.lane(), one.job.id)).collect();
    assert!(order.is_sorted(), "by lane, then by id: {order:?}");
}

/// When not every lane can be opened, each has its turn all the same.
pub async fn a_full_lane_does_not_starve_the_others(store: Arc<dyn Store>) {
    let full = (0..2000).map(|i| append_job(&format!("full-{i}"), "d1", &format!("/{i}"), 0));
    let rest = (2..10).map(|i| append_job(&format!("other-{i}"), &format!("d{i}"), "/a", i));
    enqueue(&store, full.chain(rest).collect()).await;
    let mut seen = std::collections::HashSet::new();
    for round in 0..18 {
        let ask = LeaseRequest { lanes_max: 1, per_lane_max: 10, ..request(100 + round) };
        let leased = store.lease(ask).await.unwrap();
        seen.extend(leased.iter().map(|one| one.job.work.lane()));
        // A back-off into the past: the full lane stays as full as it was, with due times that rise.
        let again = leased.iter().map(|one| back_off(one, 100 + round, 100 + round)).collect();
        store.record(again).await.unwrap();
    }
    assert_eq!(seen.len(), 9, "every lane was opened within two rounds of all of them");
}

/// Connections and files of one decoy are asked for apart, and shown together.
pub async fn connections_have_a_lane_of_their_own(store: Arc<dyn Store>) {
    let visit = || Action::Traffic(Traffic::new(decoy("web01"), TrafficProtocol::Http));
    let made = enqueue(
        &store,
        vec![
            activity_job("c1", "d1", visit(), 0),
            append_job("f1", "d1", "/a", 0),
            activity_job("c2", "d1", visit(), 7),
            activity_job("c3", "d2", visit(), 0),
        ],
    )
    .await;
    let one = decoy("d1");
    let ask = |kind, now| LeaseRequest { kind, per_lane_max: 1, ..request(now) };
    let files = store.lease(ask(LaneKind::Decoy, 0)).await.unwrap();
    assert_eq!(ids(&files), [made[1].0]);
    let sessions = store.lease(ask(LaneKind::Traffic, 0)).await.unwrap();
    assert_eq!(ids(&sessions), [made[0].0, made[3].0]);
    assert_eq!(sessions[0].job.work.lane(), Lane::of_traffic(&one));
    assert_eq!(store.next_due(at(0)).await.unwrap(), Some(at(7)), "the clock counts for both");
    let lanes = Lane::all_of_decoy(&one).to_vec();
    let all = store.jobs(JobFilter { lanes, limit: 10, ..JobFilter::default() }).await.unwrap();
    assert_eq!(all.iter().map(|job| job.id).collect::<Vec<_>>(), [made[2], made[1], made[0]]);
    // What is known of a decoy is not forgotten while it is connected to another.
    store.record(vec![done(&files[0], 1)]).await.unwrap();
    let forget = || Amendment { decoy: one.clone(), change: Amend::Forget, events: Vec::new() };
    assert_eq!(store.amend(forget()).await.unwrap(), Recorded::Stale);
    store.take_back(at(1), true).await.unwrap();
    assert_eq!(store.amend(forget()).await.unwrap(), Recorded::Committed);
}

/// Activities and syncs do not get in each other's way.
pub async fn kinds_are_leased_apart(store: Arc<dyn Store>) {
    let made = enqueue(&store, vec![append_job("a", "d1", "/a", 0), sync_job("one", 1, 0)]).await;
    assert_eq!(ids(&store.lease(request(0)).await.unwrap()), [made[0].0]);
    let sync = LeaseRequest { kind: LaneKind::Destination, ..request(0) };
    assert_eq!(ids(&store.lease(sync).await.unwrap()), [made[1].0]);
    let mut open = store.health().await.unwrap().open_jobs;
    open.sort();
    assert_eq!(open, [("RUNNING".to_owned(), 1), ("WAITING".to_owned(), 1)]);
}

/// An operator's change needs the right state, ends the lease, and can bring back what is final.
pub async fn an_intervention_ends_a_lease(store: Arc<dyn Store>) {
    let id = enqueue(&store, vec![append_job("a", "d1", "/a", 0)]).await[0];
    let leased = store.lease(request(0)).await.unwrap().remove(0);
    store.start(vec![mark(&leased)]).await.unwrap();
    let activity = JobState::Activity;
    let cancel = Intervention {
        job: id,
        from: activity(ActivityState::Queued),
        to: activity(ActivityState::Cancelled),
        at: at(1),
        schedule: Schedule::Parked,
        counters: None,
        overrides: None,
        events: vec![event("d1", 1)],
    };
    assert_eq!(store.intervene(cancel.clone()).await.unwrap(), Recorded::Stale);
    let unknown = Intervention { job: JobId(999), ..cancel.clone() };
    assert_eq!(store.intervene(unknown).await.unwrap(), Recorded::Stale);
    assert!(all_events(&store).await.is_empty());
    let cancel = Intervention { from: activity(ActivityState::Running), ..cancel };
    assert_eq!(store.intervene(cancel).await.unwrap(), Recorded::Committed);
    assert_eq!(store.record(vec![done(&leased, 2)]).await.unwrap(), [Recorded::Stale]);
    let cancelled = job(&store, id).await;
    assert_eq!(cancelled.state, activity(ActivityState::Cancelled));
    assert_eq!(cancelled.counters.attempts, 1, "counters that are not given stay");
    assert!(cancelled.intended.is_some(), "its fate is still open");
    let retry = Intervention {
        job: id,
        from: activity(ActivityState::Cancelled),
        to: activity(ActivityState::Queued),
        at: at(3),
        schedule: Schedule::At(at(3)),
        counters: Some(Counters::default()),
        overrides: None,
        events: Vec::new(),
    };
    assert_eq!(store.intervene(retry).await.unwrap(), Recorded::Committed);
    let again = store.lease(request(3)).await.unwrap().remove(0);
    assert_eq!((again.job.id, again.job.counters), (id, Counters::default()));
    assert!(again.fence > leased.fence);
}

/// What is due already, leased or parked is not "next".
pub async fn the_next_due_time_is_after_now(store: Arc<dyn Store>) {
    assert_eq!(store.next_due(at(0)).await.unwrap(), None);
    let parked = NewJob { schedule: Schedule::Parked, ..append_job("p", "d1", "/p", 1) };
    let jobs =
        vec![append_job("a", "d1", "/a", 5), append_job("b", "d2", "/b", 7), parked, sync_job("one", 1, 6)];
    enqueue(&store, jobs).await;
    assert_eq!(store.next_due(at(0)).await.unwrap(), Some(at(5)));
    assert_eq!(store.next_due(at(5)).await.unwrap(), Some(at(6)));
    assert_eq!(store.lease(request(9)).await.unwrap().len(), 2);
    assert_eq!(store.next_due(at(0)).await.unwrap(), Some(at(6)));
    assert_eq!(store.next_due(at(7)).await.unwrap(), None);
}

/// Ids rise in the order of commits; the position moves forward only.
pub async fn the_outbox_is_in_the_order_of_commits(store: Arc<dyn Store>) {
    let first = store.emit(vec![event("d1", 0), event("d1", 1)]).await.unwrap();
    let second = store.emit(vec![event("d1", 2)]).await.unwrap();
    assert!(first[0] < first[1] && first[1] < second[0]);
    let outbox = store.outbox(2).await.unwrap();
    assert_eq!(outbox.iter().map(|event| event.id).collect::<Vec<_>>(), first);
    assert_eq!(outbox[1].body, event("d1", 1));
    store.published(first[1]).await.unwrap();
    store.published(first[0]).await.unwrap();
    assert_eq!(store.outbox(9).await.unwrap().iter().map(|event| event.id).collect::<Vec<_>>(), second);
    let health = store.health().await.unwrap();
    assert_eq!((health.last_event, health.published), (second[0], first[1]));
    store.published(EventId(1 << 40)).await.unwrap();
    let third = store.emit(vec![event("d1", 3)]).await.unwrap();
    assert_eq!(store.outbox(9).await.unwrap()[0].id, third[0], "the position never passes what is there");
}

/// A page says how far it looked, so that a filter which lets little through still gets on.
pub async fn events_are_filtered_and_paged(store: Arc<dyn Store>) {
    let hosts = ["d1", "d2", "d1", "d2", "d1"];
    let made = store.emit(hosts.iter().map(|host| event(host, 0)).collect()).await.unwrap();
    let ask = |after, limit, topics: &str| EventQuery { after, topics: topics.parse().unwrap(), limit };
    let page = store.events(ask(EventId(0), 2, "decoy.d1.*")).await.unwrap();
    assert_eq!(page.events.iter().map(|event| event.id).collect::<Vec<_>>(), [made[0], made[2]]);
    assert_eq!((page.seen, page.pruned), (made[2], EventId(0)));
    let page = store.events(ask(page.seen, 2, "decoy.d1.*")).await.unwrap();
    assert_eq!(page.events.iter().map(|event| event.id).collect::<Vec<_>>(), [made[4]]);
    let nothing = store.events(ask(EventId(0), 10, "sync.>")).await.unwrap();
    assert!(nothing.events.is_empty());
    assert_eq!(nothing.seen, made[4]);
    let end = store.events(ask(made[4], 10, ">")).await.unwrap();
    assert_eq!((end.events.len(), end.seen), (0, made[4]));
}

/// Old and surplus events go when they are published; jobs when they are final; in pieces.
pub async fn history_is_pruned_and_nothing_else(store: Arc<dyn Store>) {
    let jobs =
        vec![append_job("a", "files01", "/a", 0), append_job("b", "files01", "/b", 0), sync_job("one", 1, 0)];
    let made = enqueue(&store, jobs).await;
    let leased = store.lease(request(0)).await.unwrap();
    store.record(vec![done(&leased[0], 1)]).await.unwrap();
    let parked = Record { schedule: Schedule::Parked, ..back_off(&leased[1], 1, 1) };
    store.record(vec![parked]).await.unwrap();
    store.emit((0..10).map(|i| event("d1", 90 + i)).collect()).await.unwrap();
    let rule =
        PruneRule { now: at(100), age_max: Duration::from_secs(50), events_per_decoy_max: 4, limit: 3 };
    let drain = async || {
        let mut gone = 0;
        loop {
            let piece = store.prune(rule).await.unwrap();
            assert!(piece <= 3);
            gone += piece;
            if piece == 0 {
                return gone;
            }
        }
    };
    assert_eq!(drain().await, 1, "the job that is done; no event is published");
    assert_eq!(store.job(made[0]).await.unwrap(), None);
    assert!(store.job(made[1]).await.unwrap().is_some() && store.job(made[2]).await.unwrap().is_some());
    let last = store.health().await.unwrap().last_event;
    store.published(EventId(last.0 - 1)).await.unwrap();
    assert_eq!(drain().await, 8, "two old ones, and all but four of d1");
    let left = all_events(&store).await;
    assert_eq!(left.iter().map(|event| event.id.0).collect::<Vec<_>>(), [9, 10, 11, 12]);
    let page = EventQuery { after: EventId(0), topics: ">".parse().unwrap(), limit: 1 };
    assert_eq!(store.events(page).await.unwrap().pruned, EventId(8));
    let next = store.emit(vec![event("d1", 99)]).await.unwrap();
    assert!(next[0] > last, "an id is never given again");
}

/// Put, rename, remove, freeze; bodies only where one path is asked for.
pub async fn the_ledger_follows_the_outcomes(store: Arc<dyn Store>) {
    let entry = |file: &str, size: u64| LedgerEntry {
        decoy: decoy("d1"),
        path: path(file),
        ownership: OwnershipPolicy::Owned,
        sha256: Digest::of(file.as_bytes()),
        size,
        class: FileClass::Note,
        persona: Some("maria-keller".parse().unwrap()),
        edits: 3,
        body: Some(Body::from(vec![0, 159, 146, 150])),
        planted_at: at(0),
        changed_at: at(1),
    };
    let on = |file: &str| (decoy("d1"), path(file));
    let put = |file: &str, size| LedgerChange::Put(Box::new(entry(file, size)));
    let freeze = |file: &str| LedgerChange::Freeze {
        decoy: decoy("d1"),
        path: path(file),
        persona: Some("maria-keller".parse().unwrap()),
        expected: None,
        found: Some(Digest::of(b"foreign")),
        evidence: Body::from("foreign".as_bytes()),
        at: at(2),
    };
    let changes = vec![
        vec![put("/a", 4), put("/b", 4), put("/c", 4), put("/z", 4)],
        vec![
            put("/a", 5),
            LedgerChange::Rename { decoy: decoy("d1"), from: path("/b"), to: path("/B") },
            LedgerChange::Rename { decoy: decoy("d1"), from: path("/nothing"), to: path("/z") },
            LedgerChange::Remove { decoy: decoy("d1"), path: path("/c") },
            freeze("/z"),
            freeze("/new"),
        ],
    ];
    for (i, ledger) in changes.into_iter().enumerate() {
        enqueue(&store, vec![append_job(&format!("{i}"), "d1", "/x", 0)]).await;
        let leased = store.lease(request(0)).await.unwrap().remove(0);
        store.record(vec![Record { ledger, ..done(&leased, 1) }]).await.unwrap();
    }
    let paths = [on("/a"), on("/b"), on("/B"), on("/c"), on("/z"), on("/new"), (decoy("d2"), path("/a"))];
    let found = store.ledger(&paths).await.unwrap();
    assert_eq!(found[0], Some(entry("/a", 5)));
    assert_eq!((&found[1], &found[3], &found[6]), (&None, &None, &None));
    assert_eq!(found[2], Some(LedgerEntry { path: path("/B"), ..entry("/b", 4) }));
    let frozen = LedgerEntry { ownership: OwnershipPolicy::HandsOff, ..entry("/z", 4) };
    assert_eq!(found[4], Some(frozen), "what we left there is still known");
    let unknown = found[5].as_ref().unwrap();
    assert_eq!((unknown.ownership, unknown.planted_at), (OwnershipPolicy::HandsOff, at(2)));
    assert!(unknown.persona.is_some(), "whoever met it knows the name as taken, also after a start");
    let mut scanned = Vec::new();
    let mut after = None;
    loop {
        let piece = store.ledger_scan(after, 3).await.unwrap();
        let Some(last) = piece.last() else { break };
        after = Some((last.decoy.clone(), last.path.clone()));
        scanned.extend(piece);
    }
    assert!(scanned.iter().all(|entry| entry.body.is_none()));
    let paths: Vec<_> = scanned.iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(paths, ["/B", "/a", "/new", "/z"], "byte by byte");
}

/// A person's decision changes what is known, with its event, and not while an action that it concerns is under way.
pub async fn what_is_known_of_a_decoy_is_amended_unless_an_action_is_under_way(store: Arc<dyn Store>) {
    let on = |change, events| Amendment { decoy: decoy("d1"), change, events };
    let remove = || Amend::Path(LedgerChange::Remove { decoy: decoy("d1"), path: path("/a") });
    let known = async || store.ledger_scan(None, 10).await.unwrap().len();
    let freeze = |file: &str, host: &str| LedgerChange::Freeze {
        decoy: decoy(host),
        path: path(file),
        persona: None,
        expected: None,
        found: None,
        evidence: Body::default(),
        at: at(0),
    };
    for (file, host) in [("/a", "d1"), ("/b", "d1"), ("/a", "d2")] {
        let change = Amend::Path(freeze(file, host));
        let amendment = Amendment { decoy: decoy(host), change, events: Vec::new() };
        assert_eq!(store.amend(amendment).await.unwrap(), Recorded::Committed);
    }
    enqueue(&store, vec![append_job("1", "d1", "/a", 0)]).await;
    let leased = store.lease(request(0)).await.unwrap().remove(0);
    for change in [remove(), Amend::Forget] {
        assert_eq!(store.amend(on(change, vec![event("d1", 1)])).await.unwrap(), Recorded::Stale);
    }
    assert_eq!((known().await, store.health().await.unwrap().last_event), (3, EventId(0)));
    // Another path is nobody's business but its own.
    let other = Amend::Path(LedgerChange::Remove { decoy: decoy("d1"), path: path("/b") });
    assert_eq!(store.amend(on(other, vec![event("d1", 1)])).await.unwrap(), Recorded::Committed);
    assert_eq!((known().await, store.health().await.unwrap().last_event), (2, EventId(1)));
    store.record(vec![done(&leased, 1)]).await.unwrap();
    assert_eq!(store.root_identity(&decoy("d1")).await.unwrap(), None);
    for identity in ["one", "two"] {
        store.amend(on(Amend::Root(identity.into()), Vec::new())).await.unwrap();
        assert_eq!(store.root_identity(&decoy("d1")).await.unwrap().as_deref(), Some(identity));
    }
    assert_eq!(store.amend(on(Amend::Forget, Vec::new())).await.unwrap(), Recorded::Committed);
    assert_eq!(store.root_identity(&decoy("d1")).await.unwrap(), None);
    let left = store.ledger_scan(None, 10).await.unwrap();
    assert_eq!(left.iter().map(|entry| entry.decoy.as_str()).collect::<Vec<_>>(), ["d2"]);
}

/// The rest of what is remembered.
pub async fn captures_decoys_manifests_and_the_cursor_are_kept(store: Arc<dyn Store>) {
    let made =
        enqueue(&store, vec![sync_job("one", 1, 0), sync_job("two", 1, 0), sync_job("one", 2, 0)]).await;
    let captures = store.captures().await.unwrap();
    let known: Vec<_> = captures.iter().map(|(id, capture)| (*id, capture.generation)).collect();
    assert_eq!(known, [(made[2], 2), (made[1], 1)]);
    let fleet = |names: &[&str]| -> Vec<Decoy> {
        let one = |name: &&str| Decoy {
            name: decoy(name),
            services: vec!["ssh".into()],
            role: "file-server".into(),
            address: Some([192, 0, 2, 7].into()),
        };
        names.iter().map(one).collect()
    };
    store.put_decoys(fleet(&["d1", "d2"])).await.unwrap();
    store.put_decoys(fleet(&["d2", "d3"])).await.unwrap();
    assert_eq!(store.decoys().await.unwrap(), fleet(&["d2", "d3"]));
    let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
    for (piece, text) in [(0, "old"), (1, "old"), (0, "new")] {
        store.put_manifest(made[0], piece, bytes(text)).await.unwrap();
    }
    assert_eq!(store.manifest(made[0], 0).await.unwrap(), Some(bytes("new")));
    assert_eq!(store.manifest(made[0], 1).await.unwrap(), None, "piece 0 replaces the whole");
    assert_eq!(store.manifest(made[1], 0).await.unwrap(), None);
    assert_eq!(store.plan_cursor().await.unwrap(), None);
    store.enqueue(Vec::new(), Some(at(77))).await.unwrap();
    assert_eq!(store.plan_cursor().await.unwrap(), Some(at(77)));
    assert_eq!(store.secret().await.unwrap(), store.secret().await.unwrap());
}

/// Progress is stored with the state, and stays where a record has none.
pub async fn a_sync_job_keeps_its_progress(store: Arc<dyn Store>) {
    let id = enqueue(&store, vec![sync_job("one", 1, 0)]).await[0];
    let ask = |now| LeaseRequest { kind: LaneKind::Destination, ..request(now) };
    let progress = SyncProgress {
        manifest: Some(Digest::of(b"manifest")),
        forced: vec![RelPath::new(b"odd\xff name").unwrap()],
        note: Some("waits".into()),
        ..SyncProgress::default()
    };
    for (now, progress) in [(0, Some(progress.clone())), (1, None)] {
        let leased = store.lease(ask(now)).await.unwrap().remove(0);
        let record = Record {
            to: JobState::Sync(SyncState::Waiting),
            schedule: Schedule::At(at(now + 1)),
            progress,
            ..done(&leased, now)
        };
        assert_eq!(store.record(vec![record]).await.unwrap(), [Recorded::Committed]);
    }
    assert_eq!(job(&store, id).await.progress, Some(progress));
}

/// Every condition of a filter holds at once.
pub async fn jobs_are_found_newest_first(store: Arc<dyn Store>) {
    let jobs = vec![
        append_job("a", "d1", "/a", 0),
        append_job("b", "d2", "/b", 0),
        append_job("c", "d1", "/c", 50),
        sync_job("one", 1, 0),
    ];
    let made = enqueue(&store, jobs).await;
    store.lease(request(0)).await.unwrap();
    let find = async |filter: JobFilter| -> Vec<JobId> {
        store.jobs(filter).await.unwrap().into_iter().map(|job| job.id).collect()
    };
    let any = JobFilter { limit: 10, ..JobFilter::default() };
    assert_eq!(find(any.clone()).await, [made[3], made[2], made[1], made[0]]);
    let page = JobFilter { before: Some(made[2]), limit: 1, ..any.clone() };
    assert_eq!(find(page).await, [made[1]]);
    let running = JobFilter { states: vec!["RUNNING".into(), "FAILED".into()], ..any.clone() };
    assert_eq!(find(running.clone()).await, [made[1], made[0]]);
    let lane = JobFilter { lanes: vec![Lane("decoy/d1".into())], kind: Some(JobKind::Activity), ..running };
    assert_eq!(find(lane).await, [made[0]]);
    let nothing = JobFilter { states: vec!["NO-SUCH-STATE".into()], ..any.clone() };
    assert!(find(nothing).await.is_empty());
    assert_eq!(find(JobFilter { kind: Some(JobKind::Sync), ..any }).await, [made[3]]);
}
