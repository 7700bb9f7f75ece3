//! Slots become jobs, also when the store refuses in between.

use std::sync::Arc;

use verisim_core::{
    IdempotencyKey, LedgerChange, LedgerEntry, PersonaName, SessionId, Store, StoreError, Timestamp,
};
use verisim_engine::{Decision, Draft, Engine, LifePlanner, Planned, Preview};
use verisim_testkit::MemoryStore;
use verisim_testkit::doubles::{Fault, FaultStore, Faults, Phase, plant};

use crate::stage::{Stage, at, live, name, start};

/// A slot every ten seconds; every third needs the content of a file, which nothing has.
pub(crate) struct Metronome(u64);

const SLOTS: u64 = 30;

impl Metronome {
    pub(crate) const fn new() -> Self {
        Self(1)
    }

    /// The keys of everything that it plans, sorted.
    pub(crate) fn expected() -> Vec<String> {
        let all = (1..=SLOTS).filter(|number| number % 3 != 0);
        let mut keys: Vec<String> = all.map(|number| format!("slot/{number}")).collect();
        keys.sort();
        keys
    }
}

fn planned(number: u64) -> Planned {
    Planned {
        key: IdempotencyKey(format!("slot/{number}").into()),
        at: at(10 * number),
        deadline: at(10 * number + 600),
        decoy: name("files01"),
        persona: PersonaName::new("maria-keller").unwrap(),
        session: SessionId("s".into()),
        action: plant(&format!("/srv/{number}"), "x").unwrap(),
        why: "a test".into(),
    }
}

impl LifePlanner for Metronome {
    fn keep(&mut self, _: &verisim_core::DecoyName, _: &verisim_core::RecordKeeping) {}

    fn stop_keeping(&mut self, _: &verisim_core::DecoyName) {}

    fn load(&mut self, _: LedgerEntry) {}
    fn learn(&mut self, _: &LedgerChange) {}
    fn expect(&mut self, _: &verisim_core::Work, _: Timestamp) {}
    fn seek(&mut self, from: Timestamp) {
        let seconds = from.duration_since(start()).as_secs_f64();
        self.0 = (1..).find(|number| 10.0 * *number as f64 >= seconds).unwrap();
    }
    fn next_at(&self) -> Option<Timestamp> {
        (self.0 <= SLOTS).then(|| at(10 * self.0))
    }
    fn next(&mut self, now: Timestamp) -> Option<Decision> {
        let slot = self.next_at().filter(|at| *at <= now)?;
        self.0 += 1;
        let number = self.0 - 1;
        Some(match number % 3 {
            0 => Decision::Needs(Draft {
                at: slot,
                decoy: name("files01"),
                path: verisim_core::DecoyPath::new("/srv/none").unwrap(),
                finish: Box::new(|_| None),
            }),
            _ => Decision::Act(Box::new(planned(number))),
        })
    }
    fn preview(&self, _: Timestamp, _: usize) -> Vec<Preview> {
        Vec::new()
    }
}

/// Lives through all slots with a store that refuses `call` every other time in `phase`; answers what was planned.
async fn lives_with(call: &'static str, phase: Phase) -> Vec<String> {
    let stage = Stage::new(&["files01"]);
    let mut calls = 0;
    let faults = Faults::new(move |name, when| {
        if name != call || when != phase {
            return None;
        }
        calls += 1;
        (calls % 2 == 1).then(|| Fault::Refuse(StoreError::Full { path: "/state/verisim.db".into() }))
    });
    let mut parts = stage.parts();
    let inner: Arc<dyn Store> = Arc::<MemoryStore>::clone(&stage.store);
    parts.store = FaultStore::new(inner, faults);
    parts.planner = Some(Box::new(Metronome(1)));
    live(Engine::new(parts), &stage.clock, at(900)).await;
    stage.store.all_jobs().iter().map(|job| job.key.to_string()).collect()
}

#[tokio::test]
async fn what_the_store_refuses_to_take_is_planned_again_and_only_once() {
    let expected = Metronome::expected();
    for (call, phase) in [("enqueue", Phase::Before), ("enqueue", Phase::After), ("ledger", Phase::Before)] {
        let mut made = lives_with(call, phase).await;
        made.sort();
        assert_eq!(made, expected, "{call} refused, {phase:?}");
    }
}
