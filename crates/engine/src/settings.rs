//! Every number of the engine, in one place.

use std::time::Duration;

/// How patient, how broad and how thrifty the engine is. The defaults are those of the design.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a lease lasts without a heartbeat.
    pub lease: Duration,
    /// How often leases are prolonged.
    pub heartbeat: Duration,
    /// After how many failures in a row a decoy is left alone.
    pub breaker_failures: u32,
    /// How long it is left alone the first time; doubles each time it still does not answer.
    pub breaker_open_min: Duration,
    /// The longest time it is left alone.
    pub breaker_open_max: Duration,
    /// How long running work may take to end when the daemon is asked to stop.
    pub drain: Duration,
    /// How many actions of one decoy run in one batch.
    pub batch_actions_max: usize,
    /// How many bytes of content one batch carries, unless a single action is larger.
    pub batch_bytes_max: usize,
    /// How long one call of a driver may take before it counts as a failure of unknown effect.
    pub batch_time_max: Duration,
    /// How many decoys are worked on at once.
    pub decoys_at_once_max: usize,
    /// How many connections that leave from one decoy are under way at once.
    pub sessions_per_decoy_max: usize,
    /// How many connections are under way at once, over all decoys.
    pub sessions_at_once_max: usize,
    /// How many sync steps run at once per destination.
    pub pushes_per_destination_max: usize,
    /// How long a step may hold the place that a destination has for short ones when all others are taken by steps that have
    /// run for longer than that.
    pub guest_step: Duration,
    /// How long a capture that had to give up that place waits at the least, and doubled each time at the most.
    pub guest_wait_min: Duration,
    /// See `guest_wait_min`.
    pub guest_wait_max: Duration,
    /// How many destinations are worked on at once.
    pub destinations_at_once_max: usize,
    /// How far back a start looks for slots that are not too late yet.
    pub plan_grace: Duration,
    /// How many slots are decided in one turn of the loop.
    pub plan_slots_per_turn_max: usize,
    /// How often captures are looked for.
    pub discover_interval: Duration,
    /// How long a capture that changed while it was pushed is left to settle.
    pub source_settle: Duration,
    /// How long an effect that was given up is left to settle before its fate is asked for.
    pub effect_settle: Duration,
    /// How often history is pruned.
    pub prune_interval: Duration,
    /// How old history may become.
    pub history_age_max: Duration,
    /// How many events of one decoy are kept.
    pub events_per_decoy_max: u64,
    /// How many rows one pruning step deletes.
    pub prune_rows_max: usize,
    /// The first wait after the store refused; doubles up to `store_retry_max`.
    pub store_retry_min: Duration,
    /// The longest wait after the store refused.
    pub store_retry_max: Duration,
    /// The longest sleep: bounds how late a jump of the clock is noticed.
    pub sleep_max: Duration,
    /// How many events one publication carries.
    pub publish_events_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        Self {
            lease: Duration::from_secs(30),
            heartbeat: Duration::from_secs(10),
            breaker_failures: 5,
            breaker_open_min: minutes(1),
            breaker_open_max: minutes(30),
            drain: Duration::from_secs(20),
            batch_actions_max: 64,
            batch_bytes_max: 4 * 1024 * 1024,
            batch_time_max: minutes(10),
            decoys_at_once_max: 32,
            sessions_per_decoy_max: 8,
            sessions_at_once_max: 64,
            pushes_per_destination_max: 2,
            guest_step: minutes(1),
            guest_wait_min: minutes(10),
            guest_wait_max: minutes(60),
            destinations_at_once_max: 16,
            plan_grace: minutes(1),
            plan_slots_per_turn_max: 1024,
            discover_interval: minutes(1),
            source_settle: minutes(1),
            effect_settle: Duration::from_secs(30),
            prune_interval: minutes(60),
            history_age_max: minutes(60 * 24 * 90),
            events_per_decoy_max: 100_000,
            prune_rows_max: 1_000,
            store_retry_min: Duration::from_secs(1),
            store_retry_max: minutes(1),
            sleep_max: minutes(1),
            publish_events_max: 512,
        }
    }
}
