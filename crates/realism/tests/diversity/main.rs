//! Artifact diversity over a fleet: nothing is the same twice, and sizes are those of real disks.
//!
//! 1,000 hosts with two personas each. Optimisation is off here, so each host lives for some days only; the rates do not
//! depend on how long it lives, as `VERISIM_DIVERSITY_DAYS=28 cargo test --release` shows.
#![allow(clippy::unwrap_used, reason = "what is not there shall fail the test")]

#[path = "../common/mod.rs"]
mod common;
mod near;
mod sizes;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use common::at;
use jiff::SignedDuration;
use verisim_core::{Action, DecoyPath, Digest, FileClass};
use verisim_realism::{Content, DecoyIndex, Language, Scene, Settings, Simulation, World};

/// What lies on all hosts, at the end of the simulated days.
struct Fleet {
    /// By path, on which hosts it was.
    paths: HashMap<DecoyPath, BTreeSet<u32>>,
    /// Every body that a file was given, and where.
    bodies: HashMap<Digest, (DecoyIndex, DecoyPath)>,
    /// Bodies that two files were given.
    twice: Vec<(DecoyPath, DecoyPath)>,
    /// Texts that were written as a whole, of classes that hold prose.
    prose: Vec<(DecoyPath, String)>,
    /// Sizes of new files.
    new: Vec<(FileClass, u64)>,
    /// Sizes of what is there at the end.
    last: BTreeMap<(DecoyIndex, DecoyPath), (FileClass, u64)>,
}

fn fleet() -> Fleet {
    let mut days = 3;
    if let Some(more) = option_env!("VERISIM_DIVERSITY_DAYS") {
        days = more.parse().unwrap();
    }
    let world = common::world_of(1000, 2, Settings::default(), |number, persona| {
        persona.language = Language::ALL[number % Language::ALL.len()];
    });
    let from = at("2026-11-02T00:00:00Z");
    let until = from + SignedDuration::from_hours(24 * days);
    let mut fleet = Fleet {
        paths: HashMap::new(),
        bodies: HashMap::new(),
        twice: Vec::new(),
        prose: Vec::new(),
        new: Vec::new(),
        last: BTreeMap::new(),
    };
    for scene in Simulation::scenes(&world, from, until, Content::Bodies) {
        fleet.happen(&world, scene);
    }
    fleet
}

impl Fleet {
    fn happen(&mut self, world: &World, scene: Scene) {
        let Scene::Effect(step, written) = scene else { return };
        let decoy = step.decision.slot.decoy;
        let class = step.decision.change.class().unwrap();
        assert!(world.decoy(decoy).is_some());
        match step.action.unwrap() {
            Action::Plant(plant) => {
                let bytes = plant.body.as_bytes();
                self.new.push((class, bytes.len() as u64));
                self.last.insert((decoy, plant.path.clone()), (class, bytes.len() as u64));
                self.paths.entry(plant.path.clone()).or_default().insert(decoy.0);
                if matches!(class, FileClass::Note | FileClass::Todo | FileClass::Draft) {
                    self.prose.push((plant.path.clone(), String::from_utf8(bytes.to_vec()).unwrap()));
                }
                self.body(written.unwrap().sha256, decoy, plant.path);
            }
            Action::Edit(edit) => {
                let written = written.unwrap();
                self.last.insert((decoy, edit.path.clone()), (class, written.bytes));
                self.body(written.sha256, decoy, edit.path);
            }
            Action::Append(append) => {
                let entry = self.last.get_mut(&(decoy, append.path)).unwrap();
                entry.1 += append.body.as_bytes().len() as u64;
            }
            Action::Move(rename) => {
                let entry = self.last.remove(&(decoy, rename.from)).unwrap();
                self.paths.entry(rename.to.clone()).or_default().insert(decoy.0);
                self.last.insert((decoy, rename.to), entry);
            }
            Action::Remove(remove) => {
                self.last.remove(&(decoy, remove.path)).unwrap();
            }
            Action::Traffic(_) | Action::Email(_) => {}
        }
    }

    fn body(&mut self, sha256: Digest, decoy: DecoyIndex, path: DecoyPath) {
        if let Some((before, other)) = self.bodies.insert(sha256, (decoy, path.clone()))
            && (before, &other) != (decoy, &path)
        {
            self.twice.push((other, path));
        }
    }
}

#[test]
fn a_thousand_hosts_share_no_body_and_hardly_a_text_and_their_sizes_are_those_of_real_disks() {
    let fleet = fleet();
    assert!(fleet.new.len() > 8_000, "only {} files", fleet.new.len());
    assert!(fleet.twice.is_empty(), "{} bodies twice: {:?}", fleet.twice.len(), fleet.twice.first());

    let (path, hosts) = fleet.paths.iter().max_by_key(|(_, hosts)| hosts.len()).unwrap();
    assert!(hosts.len() <= 50, "{path} is on {} of 1,000 hosts", hosts.len());

    let near = near::duplicates(&fleet.prose);
    let share = near.len() as f64 / fleet.prose.len() as f64;
    assert!(share < 0.01, "{share:.4} of {} texts: {:?}", fleet.prose.len(), near.first());

    let new: Vec<u64> = fleet.new.iter().map(|(_, size)| *size).collect();
    let last: Vec<u64> = fleet.last.values().map(|(_, size)| *size).collect();
    let (of_new, of_last) = (sizes::distance(&new), sizes::distance(&last));
    let told = sizes::by_class(&fleet.new);
    assert!(of_new <= 0.08 && of_last <= 0.08, "new {of_new:.3}, at the end {of_last:.3}\n{told}");
    let classes: HashSet<FileClass> = fleet.new.iter().map(|(class, _)| *class).collect();
    assert_eq!(classes.len(), verisim_realism::CLASSES.len());
}
