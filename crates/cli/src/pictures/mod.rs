//! Pictures of a simulation: SVG of our own making, and one page that holds them all.

mod days;
mod files;
mod gaps;
mod heat;
mod page;
mod svg;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use jiff::tz::{Offset, TimeZone};
use verisim_core::{DecoyPath, Digest, FileClass, Timestamp};
use verisim_realism::{Change, Cohort, DecoyIndex, PersonaIndex, Role, Scene, Slot, Step, World, Written};

use self::svg::Svg;

/// Of longer simulations of larger fleets, pictures show so many of everything, and say so.
const GAPS_MAX: usize = 2_000_000;
const FILES_MAX: usize = 500_000;

/// What is collected for the pictures. Bounded, whatever is simulated.
#[derive(Debug)]
pub(crate) struct Album {
    from: Timestamp,
    days: u32,
    personas: usize,
    decoys: usize,
    /// By cohort, weekday (Monday first) and local hour, how many plants and edits.
    heat: [[[u32; 24]; 7]; 2],
    /// Two personas whose days are shown, and what they do.
    shown: Vec<days::Diary>,
    /// When each persona did something last, and the minutes between.
    last: HashMap<PersonaIndex, Timestamp>,
    gaps: Vec<f32>,
    files: HashMap<(DecoyIndex, DecoyPath), File>,
    /// The sizes of new files, and how many of their contents were there before.
    sizes: Vec<u64>,
    contents: HashSet<Digest>,
    twice: usize,
    sessions: u64,
    events: u64,
}

/// A file as it is at the end.
#[derive(Debug)]
struct File {
    class: FileClass,
    planted: u64,
    changed: Timestamp,
    edits: u32,
}

/// One picture.
struct Picture {
    /// Its file name, without the ending.
    name: &'static str,
    title: &'static str,
    /// What is to be seen.
    text: String,
    svg: Svg,
}

impl Album {
    /// An empty one.
    pub(crate) fn new(world: &World, from: Timestamp, days: u32) -> Self {
        let of = |cohort: Cohort| {
            let place = world.personas().position(|persona| Role::of(&persona.role).cohort() == cohort)?;
            Some(PersonaIndex(u32::try_from(place).ok()?))
        };
        let shown = [of(Cohort::Free), of(Cohort::Office)];
        let diary = |persona| days::Diary::of(world, persona, from, days);
        Self {
            from,
            days,
            personas: world.personas().len(),
            decoys: world.decoys().len(),
            heat: Default::default(),
            shown: shown.into_iter().flatten().filter_map(diary).collect(),
            last: HashMap::new(),
            gaps: Vec::new(),
            files: HashMap::new(),
            sizes: Vec::new(),
            contents: HashSet::new(),
            twice: 0,
            sessions: 0,
            events: 0,
        }
    }

    /// Notes a scene.
    pub(crate) fn add(&mut self, world: &World, scene: &Scene) {
        let (slot, effect) = match scene {
            Scene::Login(slot) => {
                self.sessions += 1;
                (slot, None)
            }
            Scene::Logout(slot) => (slot, None),
            Scene::Effect(step, written) => (&step.decision.slot, Some((step, *written))),
        };
        for diary in &mut self.shown {
            diary.add(scene, slot);
        }
        if let Some((step, written)) = effect {
            self.effect(world, step, written);
        }
    }

    fn effect(&mut self, world: &World, step: &Step, written: Option<Written>) {
        let slot = &step.decision.slot;
        self.note_file(slot, &step.decision.change, written);
        if matches!(step.decision.change, Change::Visit { .. } | Change::Mail { .. } | Change::Remove { .. })
        {
            return;
        }
        self.events += 1;
        let Some(who) = world.persona(slot.persona) else { return };
        let cohort = usize::from(Role::of(&who.role).cohort() == Cohort::Office);
        let local = local(slot.at, who.time_zone.offset_seconds(slot.at));
        let day = usize::from(local.weekday().to_monday_zero_offset().unsigned_abs());
        self.heat[cohort][day][usize::from(local.hour().unsigned_abs())] += 1;
        if let Some(before) = self.last.insert(slot.persona, slot.at)
            && self.gaps.len() < GAPS_MAX
        {
            self.gaps.push(slot.at.duration_since(before).as_secs_f32() / 60.0);
        }
    }

    /// What becomes of the files.
    fn note_file(&mut self, slot: &Slot, change: &Change, written: Option<Written>) {
        let key = |path: &DecoyPath| (slot.decoy, path.clone());
        match change {
            Change::Create { path, class } => {
                if let Some(written) = written {
                    self.sizes.push(written.bytes);
                    self.twice += usize::from(!self.contents.insert(written.sha256));
                }
                if self.files.len() < FILES_MAX {
                    let file = File { class: *class, planted: self.events, changed: slot.at, edits: 0 };
                    self.files.insert(key(path), file);
                }
            }
            Change::Edit { path, .. } | Change::Append { path, .. } => {
                if let Some(file) = self.files.get_mut(&key(path)) {
                    (file.changed, file.edits) = (slot.at, file.edits + 1);
                }
            }
            Change::Rename { from, to, .. } => {
                if let Some(file) = self.files.remove(&key(from)) {
                    self.files.insert(key(to), file);
                }
            }
            Change::Remove { path, .. } => {
                self.files.remove(&key(path));
            }
            Change::Visit { .. } | Change::Mail { .. } => {}
        }
    }

    /// Writes the page and the pictures into a folder, which is made; answers where the page is.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<PathBuf> {
        std::fs::create_dir_all(dir)?;
        let pictures = self.pictures();
        for picture in &pictures {
            std::fs::write(dir.join(format!("{}.svg", picture.name)), picture.svg.file())?;
        }
        let page = dir.join("index.html");
        std::fs::write(&page, page::page(self, &pictures))?;
        Ok(page)
    }

    fn pictures(&self) -> Vec<Picture> {
        let mut all = vec![heat::picture(&self.heat)];
        all.extend(self.shown.iter().zip(["day-1", "day-2"]).map(|(diary, name)| diary.picture(name)));
        all.push(gaps::picture(&self.gaps));
        let end = self.from.saturating_add(std::time::Duration::from_secs(u64::from(self.days) * 86_400));
        all.push(files::ages(self.files.values(), end.unwrap_or(Timestamp::MAX)));
        all.extend(files::sizes(&self.sizes));
        all.push(files::map(&self.files, self.decoys, self.contents.len(), self.twice));
        all
    }
}

/// What a clock on the wall shows.
fn local(at: Timestamp, offset_seconds: i32) -> jiff::civil::DateTime {
    at.to_zoned(TimeZone::fixed(Offset::from_seconds(offset_seconds).unwrap_or(Offset::UTC))).datetime()
}
