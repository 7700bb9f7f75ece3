//! The sessions of a decoy: who sat there from when to when, from where, and did what.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use verisim_core::TrafficProtocol;

use crate::SessionKey;
use crate::change::Change;
use crate::day::instant;
use crate::planner::Slot;
use crate::random::{Generator, Purpose, whole};
use crate::simulate::{Scene, Simulation};
use crate::world::{DecoyIndex, PersonaIndex, World};

pub(super) const MILLI: i64 = 1_000_000;
pub(super) const SECOND: i64 = 1_000 * MILLI;
pub(super) const MINUTE: i64 = 60 * SECOND;

/// From where somebody comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The machine on the persona's own desk.
    Desk,
    /// Another decoy, on which the persona sits.
    Host(DecoyIndex),
}

/// Something done in a session.
#[derive(Debug, Clone)]
pub(super) struct Deed {
    pub(super) at: i64,
    pub(super) change: Change,
}

/// A session on the decoy. Instants are nanoseconds since 1970.
#[derive(Debug, Clone)]
pub(super) struct Sitting {
    pub(super) persona: PersonaIndex,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) origin: Origin,
    pub(super) deeds: Vec<Deed>,
}

/// A session while it is read.
struct Running {
    decoy: DecoyIndex,
    login: Option<i64>,
    logout: Option<i64>,
    first: i64,
    last: i64,
    deeds: Vec<Deed>,
}

/// The sessions of a decoy in the order of their logins: those of whoever works there, and the visits of the same people
/// from other decoys. All lie between `from` and `until`: nobody is there at the end.
pub(super) fn sittings(
    world: &Arc<World>,
    decoy: DecoyIndex,
    from: Timestamp,
    until: Timestamp,
) -> Vec<Sitting> {
    let mut running: BTreeMap<(PersonaIndex, SessionKey), Running> = BTreeMap::new();
    for scene in Simulation::lived(world, decoy, from, until) {
        let (slot, change, login, logout) = match scene {
            Scene::Login(slot) => (slot, None, true, false),
            Scene::Logout(slot) => (slot, None, false, true),
            Scene::Effect(step, _) => (step.decision.slot, Some(step.decision.change), false, false),
        };
        let at = instant(slot.at);
        let one = running.entry((slot.persona, slot.session)).or_insert_with(|| Running::at(&slot, at));
        one.last = if logout { one.last } else { one.last.max(at) };
        one.login = one.login.or(login.then_some(at));
        one.logout = one.logout.or(logout.then_some(at));
        one.deeds.extend(change.map(|change| Deed { at, change }));
    }
    let (from, until) = (instant(from), instant(until));
    let mut all = Vec::new();
    for ((persona, _), one) in running {
        let to = one.logout.filter(|logout| *logout > one.last || one.deeds.is_empty());
        let room = until.saturating_sub(one.last);
        let to = to.unwrap_or(one.last + (room / 2).min(90 * SECOND));
        let began = one.login.unwrap_or_else(|| (one.first - 20 * SECOND).max(from));
        if one.decoy == decoy && to > began {
            all.push(Sitting { persona, from: began, to, origin: Origin::Desk, deeds: one.deeds });
        } else {
            visits(world, decoy, persona, &one, to, &mut all);
        }
    }
    all.sort_by_key(|sitting| (sitting.from, sitting.persona));
    all
}

impl Running {
    const fn at(slot: &Slot, at: i64) -> Self {
        Self { decoy: slot.decoy, login: None, logout: None, first: at, last: at, deeds: Vec::new() }
    }
}

/// Sessions that are opened from a session on another decoy: never longer than that one.
fn visits(
    world: &World,
    decoy: DecoyIndex,
    persona: PersonaIndex,
    outer: &Running,
    outer_ends: i64,
    all: &mut Vec<Sitting>,
) {
    for (place, deed) in outer.deeds.iter().enumerate() {
        let Change::Visit { to, protocol: TrafficProtocol::Ssh, .. } = deed.change else { continue };
        if to != decoy {
            continue;
        }
        let seed = world.persona_seed(persona, Purpose::Records).word(deed.at.cast_unsigned());
        let mut draw = Generator::new(seed);
        // The shell that it was opened from waits for its end.
        let next = outer.deeds.get(place + 1).map_or(outer_ends, |next| next.at.min(outer_ends));
        let room = (next - deed.at).max(SECOND);
        let from = deed.at + (SECOND / 3 + i64::from(draw.below(1_200_000)) * 1000).min(room / 3);
        let wanted = i64::try_from(whole(draw.lognormal(3.0, 1.1).min(600.0) * 60e9)).unwrap_or(MINUTE);
        let ends = from + wanted.max(8 * SECOND).min(room / 2);
        let origin = Origin::Host(outer.decoy);
        all.push(Sitting { persona, from, to: ends, origin, deeds: Vec::new() });
    }
}
