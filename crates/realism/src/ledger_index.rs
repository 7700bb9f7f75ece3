//! The planner's view of what is on the decoys: small enough to hold a fleet, quick enough for every decision.

use jiff::Timestamp;
use verisim_core::{
    Action, DecoyName, DecoyPath, FileClass, LedgerChange, LedgerEntry, OwnershipPolicy, PersonaName,
};

use crate::change::Change;
use crate::day::instant;
use crate::decide::Decision;
use crate::mail::Post;
use crate::random::{Generator, Seed};
use crate::upkeep;
use crate::world::{DecoyIndex, DeskIndex, World};

/// What a persona has on a decoy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// A hash of the path: what a desk is sorted by, so that a search does not touch the paths.
    key: u64,
    pub(crate) path: DecoyPath,
    /// When it was last changed, in nanoseconds since 1970.
    pub(crate) changed_at: i64,
    /// Until when an effect of it may be under way, in nanoseconds; it is left alone until then.
    busy_until: i64,
    pub(crate) size: u32,
    pub(crate) edits: u16,
    pub(crate) class: FileClass,
    pub(crate) state: State,
}

/// What may happen to a file. Kept, since every decision asks it of every file that it sees; and in one byte, since a fleet has
/// many files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It is gone on with.
    Open,
    /// By its name nobody goes on with it.
    Done,
    /// What brings it is under way: its name is taken, but nobody uses it. It is forgotten when nobody confirmed it in time.
    Awaited,
    /// Foreign content was found there, or stays there: nobody touches it, nobody uses its name again.
    Frozen,
}

impl State {
    fn of(path: &DecoyPath) -> Self {
        if upkeep::is_done(path) { Self::Done } else { Self::Open }
    }
}

/// What a persona has on a decoy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Desk {
    /// Sorted by key and path.
    files: Vec<Held>,
    /// How many there are of each class, frozen ones included.
    counts: [u16; CLASS_COUNT],
}

const CLASS_COUNT: usize = FileClass::ALL.len();

/// What is on the decoys, per persona and decoy, sorted: the same ledger is the same index, whatever the order in which it
/// was learned. Bodies are not held: 56 bytes and the path for each file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerIndex {
    desks: Vec<Desk>,
    post: Post,
}

/// What a decision gets to see of a desk.
pub(crate) struct View<'a> {
    /// Some of the files that can be chosen.
    pub(crate) seen: Vec<&'a Held>,
    /// How many files there are.
    pub(crate) files: u32,
    /// How many there are of each class, in the order of [`FileClass::ALL`].
    pub(crate) counts: [u16; CLASS_COUNT],
}

/// How many files of a desk a decision looks at: a bound that keeps its cost the same for desks of any size.
const LOOK_MAX: usize = 24;

impl LedgerIndex {
    /// Nothing is on any decoy.
    #[must_use]
    pub fn new(world: &World) -> Self {
        Self { desks: vec![Desk::default(); world.seats().desk_count()], post: Post::default() }
    }

    /// Learns an entry of the ledger, as at a start. Entries of unknown decoys, or of nobody who works there, are none of the
    /// planner's business.
    pub fn put(&mut self, world: &World, entry: &LedgerEntry) {
        if entry.class == FileClass::Record {
            return;
        }
        let persona = entry.persona.as_ref().and_then(|name| world.persona_named(name));
        let decoy = world.decoy_named(&entry.decoy);
        let Some(desk) = persona.zip(decoy).and_then(|(persona, decoy)| world.desk(persona, decoy)) else {
            return;
        };
        self.hold(
            desk,
            Held {
                key: key(&entry.path),
                path: entry.path.clone(),
                changed_at: instant(entry.changed_at),
                busy_until: i64::MIN,
                size: u32::try_from(entry.size).unwrap_or(u32::MAX),
                edits: u16::try_from(entry.edits).unwrap_or(u16::MAX),
                class: entry.class,
                state: match entry.ownership {
                    OwnershipPolicy::HandsOff | OwnershipPolicy::Foreign => State::Frozen,
                    _ => State::of(&entry.path),
                },
            },
        );
    }

    /// Learns what an outcome changed.
    pub fn apply(&mut self, world: &World, change: &LedgerChange) {
        match change {
            LedgerChange::Put(entry) => self.put(world, entry),
            LedgerChange::Remove { decoy, path } => {
                let _ = self.take(world, decoy, path);
            }
            LedgerChange::Rename { decoy, from, to } => {
                if let Some((desk, mut held)) = self.take(world, decoy, from) {
                    held.call(to);
                    held.busy_until = i64::MIN;
                    self.hold(desk, held);
                }
            }
            LedgerChange::Freeze { decoy, path, .. } => {
                if let Some((desk, mut held)) = self.take(world, decoy, path) {
                    held.state = State::Frozen;
                    self.hold(desk, held);
                }
            }
        }
    }

    /// Notes that a decision is under way: until `deadline` its paths are not chosen again, and a name it takes is taken.
    pub fn begin(&mut self, decision: &Decision, deadline: Timestamp) {
        let (desk, changed_at) = (decision.slot.desk, instant(decision.slot.at));
        let busy_until = instant(deadline);
        if let Change::Mail { letter } = &decision.change {
            self.post.deliver(letter);
        }
        if let Some(held) = decision.change.known().and_then(|path| self.find_mut(desk, path)) {
            held.busy_until = busy_until;
        }
        if let Some((path, class)) = decision.change.taken().zip(decision.change.class()) {
            self.forget_what_never_came(desk, changed_at);
            self.hold(desk, Held::awaited(path, class, changed_at, busy_until));
        }
    }

    /// Notes an action of `whose` that is under way since before a start, as [`LedgerIndex::begin`] does for a decision.
    pub fn expect(
        &mut self,
        world: &World,
        (decoy, persona): (&DecoyName, &PersonaName),
        action: &Action,
        until: Timestamp,
    ) {
        let place = world.persona_named(persona).zip(world.decoy_named(decoy));
        let Some(desk) = place.and_then(|(persona, decoy)| world.desk(persona, decoy)) else { return };
        let (first, second) = action.paths();
        let class = match action {
            Action::Plant(plant) => Some(plant.class),
            _ => first.and_then(|path| self.find_mut(desk, path)).map(|held| held.class),
        };
        let taken = match action {
            Action::Plant(plant) => Some(&plant.path),
            _ => second,
        };
        if let Some(held) = first.and_then(|path| self.find_mut(desk, path)) {
            held.busy_until = instant(until);
        }
        if let Some((path, class)) = taken.zip(class).filter(|(path, _)| self.find_mut(desk, path).is_none())
        {
            self.hold(desk, Held::awaited(path, class, i64::MIN, instant(until)));
        }
    }

    /// Takes it that a decision has been carried out, as a simulation does. `bytes` is the length of what was written.
    pub fn assume(&mut self, decision: &Decision, bytes: usize) {
        let (desk, changed_at) = (decision.slot.desk, instant(decision.slot.at));
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        match &decision.change {
            Change::Create { path, class } => {
                let mut held = Held::new(path, *class, changed_at);
                held.size = bytes;
                self.hold(desk, held);
            }
            Change::Edit { path, .. } | Change::Append { path, .. } => {
                if let Some(held) = self.find_mut(desk, path) {
                    held.changed_at = changed_at;
                    held.edits = held.edits.saturating_add(1);
                    held.size = held.size.saturating_add(bytes);
                }
            }
            Change::Rename { from, to, .. } => {
                if let Some(mut held) = self.take_from(desk, from) {
                    held.call(to);
                    self.hold(desk, held);
                }
            }
            Change::Remove { path, .. } => {
                let _ = self.take_from(desk, path);
            }
            Change::Visit { .. } => {}
            Change::Mail { letter } => self.post.deliver(letter),
        }
    }

    /// What waits for answers.
    pub(crate) const fn post(&self) -> &Post {
        &self.post
    }

    /// What there is on a desk, in no order that means anything.
    pub(crate) fn held(&self, desk: DeskIndex) -> impl Iterator<Item = &Held> {
        let files = self.desks.get(desk.0 as usize).map_or(&[][..], |desk| &desk.files);
        files.iter().filter(|held| held.state != State::Awaited)
    }

    /// How many files there are in all.
    #[must_use]
    pub fn files(&self) -> usize {
        self.desks.iter().map(|desk| desk.files.len()).sum()
    }

    /// Has the processor fetch what is known on a desk.
    pub(crate) fn fetch(&self, desk: DeskIndex) {
        let held = self.desks.get(desk.0 as usize).and_then(|desk| desk.files.first());
        std::hint::black_box(held.map(|held| held.key));
    }

    /// What is known on a desk, for decisions: a bounded number of files that can be chosen at `at`.
    pub(crate) fn look(&self, desk: DeskIndex, at: Timestamp, draw: &mut Generator) -> Option<View<'_>> {
        let desk = self.desks.get(desk.0 as usize)?;
        let (all, now) = (&desk.files, instant(at));
        let first = if all.len() > LOOK_MAX { draw.index(all.len()) } else { 0 };
        let seen = all.iter().cycle().skip(first).take(all.len().min(LOOK_MAX));
        Some(View {
            seen: seen.filter(|held| held.is_chosen_from(now)).collect(),
            files: u32::try_from(all.len()).unwrap_or(u32::MAX),
            counts: desk.counts,
        })
    }

    /// Whether the name is taken on a decoy by anybody whose file is known.
    pub(crate) fn has(&self, world: &World, decoy: DecoyIndex, path: &DecoyPath) -> bool {
        let key = key(path);
        let mut desks =
            world.seats().of_decoy(decoy).iter().filter_map(|(_, desk)| self.desks.get(desk.0 as usize));
        desks.any(|desk| desk.place(key, path).is_ok())
    }

    fn hold(&mut self, desk: DeskIndex, held: Held) {
        let Some(desk) = self.desks.get_mut(desk.0 as usize) else { return };
        let class = held.class as usize;
        match desk.place(held.key, &held.path) {
            Ok(at) => {
                let before = std::mem::replace(&mut desk.files[at], held);
                let count = &mut desk.counts[before.class as usize];
                *count = count.saturating_sub(1);
            }
            Err(at) => desk.files.insert(at, held),
        }
        desk.counts[class] = desk.counts[class].saturating_add(1);
    }

    /// Forgets the names of files whose plants were skipped or failed: those that nobody confirmed until they had to be there.
    fn forget_what_never_came(&mut self, desk: DeskIndex, now: i64) {
        let Some(desk) = self.desks.get_mut(desk.0 as usize) else { return };
        let Desk { files, counts } = desk;
        files.retain(|held| {
            let stays = held.state != State::Awaited || held.busy_until > now;
            if !stays {
                let count = &mut counts[held.class as usize];
                *count = count.saturating_sub(1);
            }
            stays
        });
    }

    fn find_mut(&mut self, desk: DeskIndex, path: &DecoyPath) -> Option<&mut Held> {
        let desk = self.desks.get_mut(desk.0 as usize)?;
        let at = desk.place(key(path), path).ok()?;
        desk.files.get_mut(at)
    }

    fn take_from(&mut self, desk: DeskIndex, path: &DecoyPath) -> Option<Held> {
        let desk = self.desks.get_mut(desk.0 as usize)?;
        let at = desk.place(key(path), path).ok()?;
        let held = desk.files.remove(at);
        let count = &mut desk.counts[held.class as usize];
        *count = count.saturating_sub(1);
        Some(held)
    }

    /// Takes a path off whichever desk of the decoy it is on.
    fn take(&mut self, world: &World, decoy: &DecoyName, path: &DecoyPath) -> Option<(DeskIndex, Held)> {
        let decoy = world.decoy_named(decoy)?;
        let desks = world.seats().of_decoy(decoy).iter();
        desks.map(|(_, desk)| *desk).find_map(|desk| self.take_from(desk, path).map(|held| (desk, held)))
    }
}

impl Held {
    fn new(path: &DecoyPath, class: FileClass, changed_at: i64) -> Self {
        let (path, key, state) = (path.clone(), key(path), State::of(path));
        Self { key, path, changed_at, busy_until: i64::MIN, size: 0, edits: 0, class, state }
    }

    /// A file that comes, until `busy_until`.
    fn awaited(path: &DecoyPath, class: FileClass, changed_at: i64, busy_until: i64) -> Self {
        Self { state: State::Awaited, busy_until, ..Self::new(path, class, changed_at) }
    }

    /// Whether a decision at this instant may choose it.
    const fn is_chosen_from(&self, now: i64) -> bool {
        matches!(self.state, State::Open | State::Done) && self.busy_until <= now
    }

    fn call(&mut self, path: &DecoyPath) {
        self.key = key(path);
        if self.state != State::Frozen {
            self.state = State::of(path);
        }
        self.path = path.clone();
    }
}

impl Desk {
    fn place(&self, key: u64, path: &DecoyPath) -> Result<usize, usize> {
        self.files.binary_search_by(|held| held.key.cmp(&key).then_with(|| held.path.cmp(path)))
    }
}

fn key(path: &DecoyPath) -> u64 {
    Seed::new(0).bytes(path.as_bytes()).number()
}
