//! Laws of the plan.

mod common;

use common::{at, world};
use verisim_realism::{Content, Settings, Simulation, Step};

fn plan(settings: Settings, from: &str, to: &str) -> Vec<Step> {
    Simulation::new(&world(12, 5, settings), at(from), at(to), Content::Bodies).collect()
}

#[test]
fn inv_11_two_runs_with_one_seed_are_identical() {
    let run = || plan(Settings::default(), "2026-11-23T00:00:00Z", "2026-12-07T00:00:00Z");
    let first = run();
    assert!(first.len() > 12 * 5 * 10 * 5, "only {} effects", first.len());
    assert_eq!(first, run());
}
