//! What a persona does at a slot: cheap, without content, and always with its reason.

use std::fmt;

use verisim_core::{DecoyPath, DriverCapabilities, FileClass, TrafficProtocol};

use crate::change::Change;
use crate::day::{Doing, instant, timestamp};
use crate::ledger_index::{Held, LedgerIndex, View};
use crate::mail::Letter;
use crate::name;
use crate::network;
use crate::planner::{Slot, Unit};
use crate::random::{Generator, Purpose, Seed};
use crate::settings::{CLASSES, EffectWeights, Settings};
use crate::upkeep::{self, can_append, can_edit, can_rename, can_throw_away};
use crate::world::World;

/// What a persona does at a slot. The content is made from it by [`crate::compose`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// When, who, where.
    pub slot: Slot,
    /// What.
    pub change: Change,
    /// Why; `to_string` gives it to people.
    pub why: Why,
}

/// The kinds of effect, in the order of [`EffectWeights`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Create,
    Edit,
    Append,
    Rename,
    Remove,
    LeaveAlone,
    Visit,
}

const KINDS: [Kind; 7] =
    [Kind::Create, Kind::Edit, Kind::Append, Kind::Rename, Kind::Remove, Kind::LeaveAlone, Kind::Visit];

/// Why something is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Why {
    /// What tipped the balance.
    pub cause: Cause,
    /// The weights that were drawn from: create, edit, append, rename, remove, leave alone, connect.
    pub weights: [u32; 7],
    /// How many files the persona had there.
    pub files: u32,
    /// In which session, and which moment of it.
    session: (Unit, u16, u32),
}

/// What tipped the balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Something new is begun.
    Begins(FileClass),
    /// Work on something goes on.
    GoesOn(FileClass),
    /// A job or service wrote to its log.
    Reports(FileClass),
    /// A version is set aside, or a name made better.
    TidiesUp(FileClass),
    /// Intermediate output is not needed any more.
    ScratchDone,
    /// Something old is thrown away.
    ThrowsAway(FileClass),
    /// Something is looked up or looked after on another decoy.
    Visits(TrafficProtocol),
    /// Somebody shall know, or is asked.
    Writes,
    /// Somebody wrote.
    Answers,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, number, sequence) = self.session;
        let session = crate::SessionKey { unit, number }.id();
        write!(f, "moment {} of session {session}: ", sequence + 1)?;
        match self.cause {
            Cause::Begins(class) => write!(f, "begins a {class}")?,
            Cause::GoesOn(class) => write!(f, "goes on with a {class}")?,
            Cause::Reports(class) => write!(f, "a {class} gets its next lines")?,
            Cause::TidiesUp(class) => write!(f, "gives a {class} another name")?,
            Cause::ScratchDone => f.write_str("clears scratch that has served its purpose")?,
            Cause::ThrowsAway(class) => write!(f, "throws an old {class} away")?,
            Cause::Visits(protocol) => write!(f, "opens a connection of {protocol}")?,
            Cause::Writes => f.write_str("writes to colleagues")?,
            Cause::Answers => f.write_str("answers a mail")?,
        }
        let [create, edit, append, rename, remove, idle, traffic] = self.weights;
        write!(f, "; {} files there; drawn from create {create}, edit {edit}, append {append}", self.files)?;
        write!(f, ", rename {rename}, remove {remove}, leave alone {idle}")?;
        if traffic > 0 { write!(f, ", connect {traffic}") } else { Ok(()) }
    }
}

/// What a decision is drawn from.
struct Table<'a> {
    world: &'a World,
    slot: &'a Slot,
    ledger: &'a LedgerIndex,
    can: DriverCapabilities,
    view: View<'a>,
    draw: Generator,
}

/// Decides what happens at a slot: O(1) whatever the fleet, and O(log decoys) where a connection is opened. `None` when the persona leaves everything alone, or the decoy
/// allows nothing, or the slot is a login or logout.
#[must_use]
pub fn decide(world: &World, slot: &Slot, ledger: &LedgerIndex) -> Option<Decision> {
    let can = world.seats().host(slot.decoy).filter(|_| slot.doing.is_inside())?.capabilities;
    let mut draw = Generator::new(slot_seed(world, slot, Purpose::Decision));
    let view = ledger.look(slot.desk, slot.at, &mut draw)?;
    let files = view.files;
    let mut table = Table { world, slot, ledger, can, view, draw };
    let weights = table.weights();
    let (change, cause) = table
        .scratch_done()
        .or_else(|| table.answer())
        .or_else(|| {
            let kind = table.draw.weighted(&weights)?;
            table.choose(KINDS[kind])
        })
        .or_else(|| table.write())?;
    let session = (slot.session.unit, slot.session.number, slot.sequence);
    Some(Decision { slot: *slot, change, why: Why { cause, weights, files, session } })
}

/// The seed of what is drawn for a slot.
pub(crate) fn slot_seed(world: &World, slot: &Slot, purpose: Purpose) -> Seed {
    let at = instant(slot.at).cast_unsigned();
    let place = u64::from(slot.sequence) << 16 | u64::from(slot.session.number);
    world.persona_seed(slot.persona, purpose).word(at).word(place)
}

/// How old scratch becomes at least and at most before it is cleared, in seconds of an ordinary pace.
const SCRATCH_AGE_SECONDS: [i64; 2] = [20 * 60, 26 * 3600];
/// How old anything else is at least before it is thrown away.
const OLD_SECONDS: i64 = 4 * 86_400;
/// Of so many files the one is gone on with that was changed last.
const RECENT_OF: usize = 6;
/// At most so many lists and logs on one desk.
const TODOS_MAX: u16 = 2;
const LOGS_MAX: u16 = 2;
/// Of a hundred moments at which nothing else is done, so many at which a mail is begun, where the decoy can send it.
const WRITES_PERCENT: u32 = 30;

impl Table<'_> {
    fn settings(&self) -> &Settings {
        self.world.settings()
    }

    /// The weights of the kinds, by what can be done here and what there is.
    fn weights(&self) -> [u32; 7] {
        let EffectWeights { create, edit, append, rename, remove, leave_alone, traffic } =
            self.settings().effects;
        let (room, files) = (u64::from(self.settings().files_per_desk), u64::from(self.view.files));
        let narrow = |wide: u64| u32::try_from(wide).unwrap_or(u32::MAX);
        // Where there are `room` files the settings hold; below that creating is likelier, above it removing.
        let create = narrow(u64::from(create) * 2 * room / (room + files));
        let remove = narrow(u64::from(remove) * files.min(8 * room) / room);
        let works = self.slot.doing == Doing::Work;
        let only = |can: bool, weight: u32| if can && works { weight } else { 0 };
        let there = |wanted: fn(&Held) -> bool| self.view.seen.iter().any(|held| wanted(held));
        [
            only(self.can.plant, create),
            only(self.can.edit && there(can_edit), edit),
            only(self.can.append && there(can_append), append),
            only(self.can.remove && there(can_rename), rename),
            only(self.can.remove, remove),
            leave_alone,
            network::eagerness(self.world, self.slot, traffic),
        ]
    }

    fn choose(&mut self, kind: Kind) -> Option<(Change, Cause)> {
        match kind {
            Kind::Create => self.create(),
            Kind::Edit => self.edit(),
            Kind::Append => self.append(),
            Kind::Rename => self.rename(),
            Kind::Remove => self.remove(),
            Kind::LeaveAlone => None,
            Kind::Visit => self.visit(),
        }
    }

    fn create(&mut self) -> Option<(Change, Cause)> {
        let mut weights = self.world.seats().person(self.slot.persona)?.classes;
        for (class, weight) in CLASSES.iter().zip(&mut weights) {
            let most = match class {
                FileClass::Todo => TODOS_MAX,
                FileClass::CronLog | FileClass::DaemonLog => LOGS_MAX,
                _ => u16::MAX,
            };
            if self.view.counts[*class as usize] >= most {
                *weight = 0;
            }
        }
        let class = CLASSES[self.draw.weighted(&weights)?];
        let path = self.free_name(|table| name::new_file(table.world, table.slot, class, &mut table.draw))?;
        Some((Change::Create { path, class }, Cause::Begins(class)))
    }

    fn edit(&mut self) -> Option<(Change, Cause)> {
        let held = self.recent(can_edit)?;
        let (path, class, edits) = (held.path.clone(), held.class, u32::from(held.edits));
        Some((Change::Edit { path, class, edits }, Cause::GoesOn(class)))
    }

    fn append(&mut self) -> Option<(Change, Cause)> {
        let held = self.recent(can_append)?;
        let (path, class, since) = (held.path.clone(), held.class, timestamp(held.changed_at));
        Some((Change::Append { path, class, since }, Cause::Reports(class)))
    }

    fn rename(&mut self) -> Option<(Change, Cause)> {
        let held = self.recent(can_rename)?;
        let (from, class) = (held.path.clone(), held.class);
        let archives = upkeep::archives(&self.view.seen, &from);
        let to = self.free_name(|table| {
            name::other_name(table.world, table.slot, (&from, &archives), &mut table.draw)
        })?;
        Some((Change::Rename { from, to, class }, Cause::TidiesUp(class)))
    }

    fn remove(&mut self) -> Option<(Change, Cause)> {
        let (now, pace) = (instant(self.slot.at), self.pace());
        let least = in_nanoseconds(OLD_SECONDS, pace);
        let old = |held: &&Held| can_throw_away(held) && now.saturating_sub(held.changed_at) > least;
        let all: Vec<&Held> = self.view.seen.iter().copied().filter(old).collect();
        let held = self.draw.pick(&all)?;
        let (path, class) = (held.path.clone(), held.class);
        Some((Change::Remove { path, class }, Cause::ThrowsAway(class)))
    }

    fn visit(&mut self) -> Option<(Change, Cause)> {
        let errand = network::errand(self.world, self.slot, &mut self.draw)?;
        let network::Errand { to, protocol, port } = errand;
        Some((Change::Visit { to, protocol, port }, Cause::Visits(protocol)))
    }

    /// While files are left as they are, mail is answered that is due.
    fn answer(&mut self) -> Option<(Change, Cause)> {
        let reads = self.can.email && self.slot.doing == Doing::Look;
        let letter = self.ledger.post().due(self.slot).filter(|_| reads)?;
        Some((Change::Mail { letter: Letter::answer(self.world, self.slot, letter) }, Cause::Answers))
    }

    /// Where nothing else is done, mail is.
    fn write(&mut self) -> Option<(Change, Cause)> {
        if !self.can.email {
            return None;
        }
        if let Some(letter) = self.ledger.post().due(self.slot) {
            return Some((
                Change::Mail { letter: Letter::answer(self.world, self.slot, letter) },
                Cause::Answers,
            ));
        }
        // Draws of its own, so that what is done to files is the same where no mail is sent.
        let mut draw = Generator::new(slot_seed(self.world, self.slot, Purpose::Mail));
        let letter = draw.percent(WRITES_PERCENT).then(|| Letter::begin(self.world, self.slot))??;
        Some((Change::Mail { letter }, Cause::Writes))
    }

    /// Scratch is cleared soon after it has served its purpose, whatever else there is to do.
    fn scratch_done(&mut self) -> Option<(Change, Cause)> {
        let may = self.can.remove && self.slot.doing == Doing::Work && self.settings().effects.remove > 0;
        if !may || self.draw.percent(40) {
            return None;
        }
        let (now, pace) = (instant(self.slot.at), self.pace());
        let [least, most] = SCRATCH_AGE_SECONDS;
        let least = least + i64::from(self.draw.below(u32::try_from(most - least).unwrap_or(0)));
        let done = |held: &&&Held| {
            held.class == FileClass::Scratch
                && now.saturating_sub(held.changed_at) > in_nanoseconds(least, pace)
        };
        let path = self.view.seen.iter().find(done)?.path.clone();
        Some((Change::Remove { path, class: FileClass::Scratch }, Cause::ScratchDone))
    }

    /// Of some files drawn among those that fit, the one that was changed last: people go on with what they have at hand, and
    /// most of what is finished stays as it is.
    fn recent(&mut self, fits: fn(&Held) -> bool) -> Option<&Held> {
        let fitting: Vec<&Held> = self.view.seen.iter().copied().filter(|held| fits(held)).collect();
        let draw = &mut self.draw;
        let drawn = (0..RECENT_OF).filter_map(|_| fitting.get(draw.index(fitting.len())).copied());
        drawn.max_by_key(|held| held.changed_at)
    }

    /// A name that is not taken on this decoy; a few are tried.
    fn free_name(&mut self, mut propose: impl FnMut(&mut Self) -> Option<DecoyPath>) -> Option<DecoyPath> {
        for _ in 0..6 {
            let path = propose(self)?;
            if !self.ledger.has(self.world, self.slot.decoy, &path) {
                return Some(path);
            }
        }
        None
    }

    fn pace(&self) -> f64 {
        self.world.pace(self.slot.persona, self.slot.session.unit).max(1.0)
    }
}

/// A span of an ordinary life, at a busier pace.
fn in_nanoseconds(seconds: i64, pace: f64) -> i64 {
    let seconds = f64::from(u32::try_from(seconds).unwrap_or(u32::MAX));
    i64::try_from(crate::random::whole(seconds * 1e9 / pace)).unwrap_or(i64::MAX)
}
