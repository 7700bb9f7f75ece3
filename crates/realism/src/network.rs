//! Who visits whom: a persona goes mostly to the few decoys that its team uses, and among them mostly to one.
//!
//! What is offered stands on rings, one per protocol, in the order of a hash of the decoy's name. A persona's favourites
//! are what follows some points of its own on the ring: found in O(log decoys), and almost all the same when decoys come
//! and go, where a draw by number would send everybody elsewhere.

use verisim_core::{Service, TrafficProtocol};

use crate::persona::DecoyProfile;
use crate::planner::{Slot, Unit};
use crate::random::{Generator, Purpose, Seed};
use crate::seats::{Host, Seats};
use crate::world::{DecoyIndex, World};

/// Which protocols a decoy offers: bit `i` is that of `TrafficProtocol::ALL[i]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Offers(u8);

impl Offers {
    /// What others are visited for; a workstation is for the person who sits at it.
    pub(crate) fn of(decoy: &DecoyProfile) -> Self {
        if !decoy.has_address || crate::persona::is_workstation(&decoy.role) {
            return Self::default();
        }
        let services = decoy.services.iter().filter_map(|word| Service::parse(word));
        Self(services.fold(0, |bits, service| bits | 1 << place_of(service.protocol)))
    }

    const fn has(self, place: usize) -> bool {
        self.0 >> place & 1 == 1
    }
}

/// A decoy that offers a protocol.
#[derive(Debug, Clone, Copy)]
struct Stop {
    key: u64,
    decoy: DecoyIndex,
    port: u16,
}

/// Who offers what. Empty where no decoy can open connections.
#[derive(Debug, Default)]
pub(crate) struct Network {
    rings: [Vec<Stop>; PROTOCOLS],
}

const PROTOCOLS: usize = TrafficProtocol::ALL.len();
/// How many favourites a persona has beyond its team's.
const FAVOURITES: u64 = 4;
/// How many of its own decoys, of its colleagues, and of theirs are looked at: a bound that keeps a decision's cost the same.
const OWN_MAX: u16 = 8;
const COLLEAGUES_MAX: usize = 4;
const THEIRS_MAX: u16 = 3;
/// In how many of a hundred cases a session goes on where it went before.
const GOES_ON_PERCENT: u32 = 65;
/// How much rarer connections are from a decoy at which nobody sits.
const SERVER_SHARE: u32 = 3;
/// What is spoken from a decoy at which nobody sits, in hundredths, in the order of [`TrafficProtocol::ALL`]: no mail is
/// read there, and few pages.
const FROM_SERVER: [u32; PROTOCOLS] = [100, 60, 60, 100, 100, 0, 40, 100];

impl Network {
    pub(crate) fn new(decoys: &[DecoyProfile], hosts: &[Host]) -> Self {
        let mut network = Self::default();
        for ((decoy, host), number) in decoys.iter().zip(hosts).zip(0..) {
            if host.offers == Offers::default() {
                continue;
            }
            let key = key(host);
            for service in decoy.services.iter().filter_map(|word| Service::parse(word)) {
                let stop = Stop { key, decoy: DecoyIndex(number), port: service.port };
                network.rings[place_of(service.protocol)].push(stop);
            }
        }
        for ring in &mut network.rings {
            ring.sort_by_key(|stop| (stop.key, stop.decoy, stop.port));
        }
        network
    }

    /// Whether anybody but `source` offers it. A decoy's stops are neighbours, so the two ends tell.
    fn is_elsewhere(&self, place: usize, source: DecoyIndex) -> bool {
        let ring = &self.rings[place];
        [ring.first(), ring.last()].into_iter().flatten().any(|stop| stop.decoy != source)
    }

    /// The first decoy at or after a point of the ring that is not `source`.
    fn after(&self, place: usize, point: u64, source: DecoyIndex) -> Option<Stop> {
        let ring = &self.rings[place];
        let first = ring.partition_point(|stop| stop.key < point);
        // A decoy has few services of one protocol, and only its own are passed over.
        ring.iter().cycle().skip(first).take(ring.len()).find(|stop| stop.decoy != source).copied()
    }

    /// The stop of a decoy that is known to offer it.
    fn of(&self, place: usize, key: u64, decoy: DecoyIndex) -> Option<Stop> {
        let ring = &self.rings[place];
        let first = ring.partition_point(|stop| (stop.key, stop.decoy) < (key, decoy));
        ring.get(first).filter(|stop| stop.decoy == decoy).copied()
    }
}

const fn place_of(protocol: TrafficProtocol) -> usize {
    protocol as usize
}

const fn key(host: &Host) -> u64 {
    host.seed.purpose(Purpose::Network).number()
}

/// Where a connection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errand {
    pub(crate) to: DecoyIndex,
    pub(crate) protocol: TrafficProtocol,
    pub(crate) port: u16,
}

/// The weight of opening a connection at this slot, out of that of the settings: nothing where there is nowhere to go.
pub(crate) fn eagerness(world: &World, slot: &Slot, weight: u32) -> u32 {
    let Some(host) = world.seats().host(slot.decoy).filter(|host| host.capabilities.traffic) else {
        return 0;
    };
    if protocols(world, slot, host).iter().all(|weight| *weight == 0) {
        return 0;
    }
    if host.is_workstation { weight } else { weight.div_ceil(SERVER_SHARE) }
}

/// How often what is spoken: by the settings, the persona's role, and where it sits.
fn protocols(world: &World, slot: &Slot, host: &Host) -> [u32; PROTOCOLS] {
    let seats = world.seats();
    let Some(seat) = seats.person(slot.persona) else { return [0; PROTOCOLS] };
    let (base, tilt) = (world.settings().traffic.list(), seat.role.speaks());
    std::array::from_fn(|place| {
        let is_session = place == place_of(TrafficProtocol::Ssh);
        let somewhere = match is_session {
            true => own(seats, slot, OWN_MAX).any(|decoy| decoy != slot.decoy && offers(seats, decoy, place)),
            false => seats.network.is_elsewhere(place, slot.decoy),
        };
        if !somewhere {
            return 0;
        }
        let here = if host.is_workstation { 100 } else { FROM_SERVER[place] };
        // At most 1,000,000 * 300 * 100 / 10,000.
        u32::try_from(u64::from(base[place]) * u64::from(tilt[place]) * u64::from(here) / 100)
            .unwrap_or(u32::MAX)
    })
}

/// Chooses where a connection of this slot goes. Within a session a persona mostly goes on where it went.
pub(crate) fn errand(world: &World, slot: &Slot, draw: &mut Generator) -> Option<Errand> {
    let host = world.seats().host(slot.decoy)?;
    let mut of_session = Generator::new(session_seed(world, slot));
    let draw = if draw.percent(GOES_ON_PERCENT) { &mut of_session } else { draw };
    let place = draw.weighted(&protocols(world, slot, host))?;
    let liked = liked(world, slot, place);
    // Zipf's law: the second is visited half as often as the first, the third a third.
    let weights: Vec<u32> = (1..).take(liked.len()).map(|rank| 2520 / rank).collect();
    let stop = liked.get(draw.weighted(&weights)?)?;
    Some(Errand { to: stop.decoy, protocol: TrafficProtocol::ALL[place], port: stop.port })
}

fn session_seed(world: &World, slot: &Slot) -> Seed {
    let seed = world.persona_seed(slot.persona, Purpose::Errand).word(u64::from(slot.session.number));
    match slot.session.unit {
        Unit::Day(date) => {
            let [year, month, day] = [i64::from(date.year()), i64::from(date.month()), i64::from(date.day())];
            seed.word(((year * 16 + month) * 32 + day).cast_unsigned())
        }
        Unit::Quarter(number) => seed.word(u64::from(number.cast_unsigned())),
    }
}

/// Where the persona goes for a protocol, the liked best first: its own decoys and its team's, in an order of its own, then
/// its favourites among all. A session on another host is for hosts where the persona has an account: connections that
/// never log in are a tell.
fn liked(world: &World, slot: &Slot, place: usize) -> Vec<Stop> {
    let seats = world.seats();
    let mut near = Vec::new();
    let mut add = |decoy: DecoyIndex| {
        let Some(host) = seats.host(decoy).filter(|_| decoy != slot.decoy && offers(seats, decoy, place))
        else {
            return;
        };
        if let Some(stop) = seats.network.of(place, key(host), decoy)
            && !near.iter().any(|known: &Stop| known.decoy == decoy)
        {
            near.push(stop);
        }
    };
    own(seats, slot, OWN_MAX).for_each(&mut add);
    let is_session = TrafficProtocol::ALL[place] == TrafficProtocol::Ssh;
    if !is_session {
        let colleagues = seats.of_decoy(slot.decoy).iter().take(COLLEAGUES_MAX);
        for (colleague, _) in colleagues {
            let theirs = (0..THEIRS_MAX).filter_map(|number| seats.workplace(*colleague, number));
            theirs.for_each(|(decoy, _)| add(decoy));
        }
    }
    let seed = world.persona_seed(slot.persona, Purpose::Network).word(place as u64);
    near.sort_by_key(|stop| (seed.word(stop.key).number(), stop.decoy));
    if !is_session {
        for number in 0..FAVOURITES {
            let stop = seats.network.after(place, seed.word(number).number(), slot.decoy);
            let is_new = |stop: &Stop| !near.iter().any(|known| known.decoy == stop.decoy);
            near.extend(stop.filter(is_new));
        }
    }
    near
}

fn offers(seats: &Seats, decoy: DecoyIndex, place: usize) -> bool {
    seats.host(decoy).is_some_and(|host| host.offers.has(place))
}

/// The first of the decoys on which the persona works.
fn own<'s>(seats: &'s Seats, slot: &Slot, most: u16) -> impl Iterator<Item = DecoyIndex> + use<'s> {
    let persona = slot.persona;
    (0..most).map_while(move |number| seats.workplace(persona, number)).map(|(decoy, _)| decoy)
}
