//! How old the files of a past are.

#![allow(clippy::unwrap_used, reason = "what is not right in a test shall fail it")]

mod common;

use std::sync::Arc;

use common::{at, decoy, persona};
use verisim_core::{Action, FileTimes};
use verisim_realism::{Settings, World, past};

/// On a host that people have worked on for a year and more, half of the files are months old, and few are of this week.
#[test]
fn after_400_days_half_of_the_files_are_months_old() {
    let people: Vec<_> = (0..24).map(persona).collect();
    let decoys: Vec<_> = (0..6).map(|number| decoy(number, 4 * number..4 * number + 4)).collect();
    let world = Arc::new(World::new(7, people, decoys, Settings::default()).unwrap());
    let until = at("2026-11-23T10:00:00Z");
    let mut ages = Vec::new();
    let mut born = 0;
    for profile in world.decoys() {
        let decoy = world.decoy_named(&profile.name).unwrap();
        for file in past(&world, decoy, 400, until).files {
            let Action::Plant(plant) = &file.action else { continue };
            let FileTimes::Past { mtime, .. } = plant.times else { continue };
            ages.push((until.as_second() - mtime.as_second()) as f64 / 86_400.0);
            born += usize::from(file.edits == 0);
        }
    }
    ages.sort_by(f64::total_cmp);
    let told = [5, 25, 50, 75, 95].map(|percent| ages[ages.len() * percent / 100]);
    assert!(born * 5 > ages.len(), "{born} of {} were never changed", ages.len());
    assert!((80.0..=160.0).contains(&told[2]), "{told:?}");
    assert!(told[0] < 15.0 && told[4] > 250.0, "{told:?}");
}
