//! The order of open jobs, in memory. The writer is the only one that writes, so what it keeps here is what the table says;
//! it is read from the table at the start, and every change is undone when its transaction is rolled back.
//!
//! A job is *ready* when it has no lease, has a time, and for each of its order keys is the first of its lane with that key
//! while no other job with that key is leased; a parked job without a lease is not counted. Ready jobs wait in `timers` by time, and move to `due` when a lease finds
//! that their time has come. Giving out a job costs the same whether its lane has ten jobs or a hundred thousand, and no
//! job that is held up is ever looked at.

use std::collections::{BTreeSet, HashMap, HashSet};

use verisim_core::{Lane, LaneKind, LeaseRequest, OrderKey};

use crate::codes;
use crate::error::{Fault, Outcome};

/// A row id of the table `job`.
pub(crate) type Id = i64;
/// A row id of the table `lane`.
pub(crate) type LaneId = i64;

/// Every kind of lane, in the order in which [`Queue`] keeps what is ready in them.
const KINDS: [LaneKind; 3] = [LaneKind::Decoy, LaneKind::Traffic, LaneKind::Destination];

/// An open job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: LaneKind,
    pub(crate) lane: LaneId,
    /// See [`order_hash`].
    pub(crate) order: [Option<i64>; 2],
    pub(crate) state: i64,
    /// When it is looked at next; `None` when it is parked.
    pub(crate) due_at: Option<i64>,
    /// Until when it is leased.
    pub(crate) lease_until: Option<i64>,
}

impl Entry {
    /// Whether it holds its place before later jobs with the same keys. One that is parked and not leased does not.
    const fn queues(&self) -> bool {
        self.due_at.is_some() || self.lease_until.is_some()
    }
}

/// An order key as 64 bits of its SHA-256. Should two keys of one lane ever share them, their jobs keep an order that they
/// would not need; nothing else follows from it.
pub(crate) fn order_hash(key: &OrderKey) -> i64 {
    let digest = *verisim_core::Digest::of(&key.0).as_bytes();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Timer,
    Due,
}

#[derive(Debug)]
struct Slot {
    entry: Entry,
    place: Place,
}

/// The ready jobs of one kind of lane.
#[derive(Debug, Default)]
struct Ready {
    timers: BTreeSet<(i64, Id)>,
    due: BTreeSet<(LaneId, Id)>,
    /// The latest time at which `timers` were moved: `due` holds nothing later.
    moved_to: Option<i64>,
    /// The lane that was opened last, so that the next lease begins behind it.
    last_lane: LaneId,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    jobs: HashMap<Id, Slot>,
    order: BTreeSet<(LaneId, i64, Id)>,
    /// Order keys of leased jobs.
    busy: HashSet<(LaneId, i64)>,
    leases: BTreeSet<(i64, Id)>,
    ready: [Ready; KINDS.len()],
    counts: HashMap<i64, u64>,
    undo: Vec<(Id, Option<Entry>)>,
}

impl Queue {
    pub(crate) fn get(&self, id: Id) -> Option<Entry> {
        self.jobs.get(&id).map(|slot| slot.entry)
    }

    /// The open jobs by code of state; only those above zero.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (i64, u64)> + '_ {
        self.counts.iter().map(|(state, count)| (*state, *count)).filter(|(_, count)| *count > 0)
    }

    /// A job is now so; `None` when it is final.
    pub(crate) fn set(&mut self, id: Id, entry: Option<Entry>) {
        self.undo.push((id, self.get(id)));
        self.put(id, entry);
    }

    /// What was set since the last commit stays.
    pub(crate) fn commit(&mut self) {
        self.undo.clear();
    }

    /// What was set since the last commit never was.
    pub(crate) fn roll_back(&mut self) {
        while let Some((id, before)) = self.undo.pop() {
            self.put(id, before);
        }
    }

    fn put(&mut self, id: Id, new: Option<Entry>) {
        let old = self.jobs.remove(&id);
        if let Some(slot) = &old {
            self.unplace(id, slot);
            self.unlease(id, &slot.entry);
            self.count(slot.entry.state, false);
        }
        let old = old.map(|slot| slot.entry);
        let Some(one) = new.or(old) else { return };
        let queues = |entry: Option<Entry>| entry.is_some_and(|entry| entry.queues());
        let leased = |entry: Option<Entry>| entry.is_some_and(|entry| entry.lease_until.is_some());
        if queues(old) != queues(new) {
            for key in keys(&one) {
                if queues(new) {
                    self.order.insert((one.lane, key, id));
                } else {
                    self.order.remove(&(one.lane, key, id));
                }
            }
        }
        if let Some(entry) = new {
            self.count(entry.state, true);
            if let Some(until) = entry.lease_until {
                self.leases.insert((until, id));
                self.busy.extend(keys(&entry).map(|key| (entry.lane, key)));
            }
            self.jobs.insert(id, Slot { entry, place: Place::Nowhere });
            self.place(id);
        }
        if queues(old) != queues(new) || leased(old) != leased(new) {
            self.place_neighbours(id, &one);
        }
    }

    fn unlease(&mut self, id: Id, entry: &Entry) {
        if let Some(until) = entry.lease_until {
            self.leases.remove(&(until, id));
            for key in keys(entry) {
                self.busy.remove(&(entry.lane, key));
            }
        }
    }

    fn count(&mut self, state: i64, up: bool) {
        let count = self.counts.entry(state).or_default();
        *count = if up { *count + 1 } else { count.saturating_sub(1) };
    }

    /// Only the first with a key may be ready; the second is looked at because it may have been the first before.
    fn place_neighbours(&mut self, id: Id, entry: &Entry) {
        for key in keys(entry) {
            let from = (entry.lane, key, Id::MIN)..=(entry.lane, key, Id::MAX);
            let firsts: [Option<Id>; 3] = {
                let mut ids = self.order.range(from).map(|(_, _, id)| *id);
                [ids.next(), ids.next(), ids.next()]
            };
            for other in firsts.into_iter().flatten().filter(|other| *other != id) {
                self.place(other);
            }
        }
    }

    /// Puts a job among the timers if it is ready, and out of them if it is not.
    fn place(&mut self, id: Id) {
        let Some(slot) = self.jobs.get(&id) else { return };
        let entry = slot.entry;
        let ready = entry.lease_until.is_none() && keys(&entry).all(|key| self.may_go(id, entry.lane, key));
        match (slot.place, entry.due_at.filter(|_| ready)) {
            (Place::Nowhere, Some(due_at)) => {
                self.ready(entry.kind).timers.insert((due_at, id));
                self.mark(id, Place::Timer);
            }
            (Place::Timer | Place::Due, None) => {
                if let Some(slot) = self.jobs.remove(&id) {
                    self.unplace(id, &slot);
                    self.jobs.insert(id, Slot { place: Place::Nowhere, ..slot });
                }
            }
            _ => {}
        }
    }

    fn may_go(&self, id: Id, lane: LaneId, key: i64) -> bool {
        let first = self.order.range((lane, key, Id::MIN)..).next();
        first == Some(&(lane, key, id)) && !self.busy.contains(&(lane, key))
    }

    fn unplace(&mut self, id: Id, slot: &Slot) {
        let entry = slot.entry;
        match slot.place {
            Place::Nowhere => {}
            Place::Timer => {
                self.ready(entry.kind).timers.remove(&(entry.due_at.unwrap_or_default(), id));
            }
            Place::Due => {
                self.ready(entry.kind).due.remove(&(entry.lane, id));
            }
        }
    }

    fn mark(&mut self, id: Id, place: Place) {
        if let Some(slot) = self.jobs.get_mut(&id) {
            slot.place = place;
        }
    }

    const fn ready(&mut self, kind: LaneKind) -> &mut Ready {
        &mut self.ready[kind as usize]
    }

    /// Moves what has become due by `now` from the timers; and back, when the clock was set back.
    fn move_due(&mut self, kind: LaneKind, now: i64) {
        let ready = &mut self.ready[kind as usize];
        if ready.moved_to.is_some_and(|to| now < to) {
            for (_, id) in std::mem::take(&mut ready.due) {
                if let Some(slot) = self.jobs.get_mut(&id) {
                    slot.place = Place::Timer;
                    ready.timers.insert((slot.entry.due_at.unwrap_or_default(), id));
                }
            }
        }
        ready.moved_to = Some(now);
        while let Some((due_at, id)) = ready.timers.first().copied() {
            if due_at > now {
                return;
            }
            ready.timers.pop_first();
            if let Some(slot) = self.jobs.get_mut(&id) {
                slot.place = Place::Due;
                ready.due.insert((slot.entry.lane, id));
            }
        }
    }

    /// Which jobs a lease gives out. Lanes with an allowance come first; the others in turn, from behind the lane that was
    /// opened last.
    pub(crate) fn choose(&mut self, request: &LeaseRequest, lanes: &Lanes) -> Vec<Id> {
        self.move_due(request.kind, codes::time(request.now));
        let ready = self.ready(request.kind);
        let mut chosen = Vec::new();
        let mut allowed: HashSet<LaneId> = HashSet::with_capacity(request.allowance.len());
        for (lane, at_most) in &request.allowance {
            if let Some(lane) = lanes.id(lane) {
                allowed.insert(lane);
                chosen.extend(ready.first_of(lane, *at_most));
            }
        }
        let mut opened = 0;
        let mut behind = ready.last_lane;
        let mut wrapped = false;
        while opened < request.lanes_max && request.per_lane_max > 0 {
            let next = ready.lane_after(behind).filter(|lane| !wrapped || *lane <= ready.last_lane);
            let Some(lane) = next else {
                if wrapped {
                    break;
                }
                (wrapped, behind) = (true, LaneId::MIN);
                continue;
            };
            behind = lane;
            if !allowed.contains(&lane) {
                chosen.extend(ready.first_of(lane, request.per_lane_max));
                opened += 1;
            }
        }
        ready.last_lane = behind;
        chosen
    }

    /// When the next ready job becomes due, strictly after `now`.
    pub(crate) fn next_due(&mut self, now: i64) -> Option<i64> {
        for kind in KINDS {
            if self.ready(kind).moved_to.is_some_and(|to| now < to) {
                self.move_due(kind, now);
            }
        }
        let after = now.checked_add(1)?;
        let first = |ready: &Ready| ready.timers.range((after, Id::MIN)..).next().map(|(at, _)| *at);
        self.ready.iter().filter_map(first).min()
    }

    /// Leases that ended before `now`; `None` means all.
    pub(crate) fn leases(&self, now: Option<i64>) -> Vec<Id> {
        let ended = self.leases.iter().take_while(|(until, _)| now.is_none_or(|now| *until < now));
        ended.map(|(_, id)| *id).collect()
    }
}

impl Ready {
    fn first_of(&self, lane: LaneId, at_most: usize) -> impl Iterator<Item = Id> + '_ {
        self.due.range((lane, Id::MIN)..=(lane, Id::MAX)).map(|(_, id)| *id).take(at_most)
    }

    fn lane_after(&self, lane: LaneId) -> Option<LaneId> {
        self.due.range((lane.checked_add(1)?, Id::MIN)..).next().map(|(lane, _)| *lane)
    }
}

/// The distinct keys of a job.
fn keys(entry: &Entry) -> impl Iterator<Item = i64> + use<> {
    let [first, second] = entry.order;
    first.into_iter().chain(second.filter(|key| Some(*key) != first))
}

/// The names of lanes and their row ids. Never forgotten: there are as many as decoys and destinations ever had a job.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    ids: HashMap<Lane, LaneId>,
    kinds: HashMap<LaneId, LaneKind>,
    uncommitted: Vec<Lane>,
}

impl Lanes {
    pub(crate) fn id(&self, lane: &Lane) -> Option<LaneId> {
        self.ids.get(lane).copied()
    }

    /// What queues in a lane.
    pub(crate) fn kind(&self, id: LaneId) -> Outcome<LaneKind> {
        let kind = self.kinds.get(&id).copied();
        kind.ok_or_else(|| Fault::invalid(format_args!("there is no lane {id}")))
    }

    pub(crate) fn load(&mut self, lane: Lane, id: LaneId) {
        self.kinds.insert(id, lane.kind());
        self.ids.insert(lane, id);
    }

    pub(crate) fn add(&mut self, lane: Lane, id: LaneId) {
        self.uncommitted.push(lane.clone());
        self.load(lane, id);
    }

    pub(crate) fn commit(&mut self) {
        self.uncommitted.clear();
    }

    pub(crate) fn roll_back(&mut self) {
        for lane in self.uncommitted.drain(..) {
            if let Some(id) = self.ids.remove(&lane) {
                self.kinds.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use verisim_core::{Timestamp, WorkerId};

    use super::*;

    fn entry(lane: LaneId, key: i64, due_at: i64) -> Entry {
        let (kind, state) = (LaneKind::Decoy, 1);
        Entry { kind, lane, order: [Some(key), None], state, due_at: Some(due_at), lease_until: None }
    }

    fn ask(now: i64) -> LeaseRequest {
        LeaseRequest {
            worker: WorkerId("w".into()),
            kind: LaneKind::Decoy,
            now: Timestamp::from_nanosecond(i128::from(now)).unwrap(),
            until: Timestamp::MAX,
            lanes_max: 4,
            per_lane_max: 2,
            allowance: std::collections::HashMap::new(),
        }
    }

    /// Were any of this proportional to the number of jobs, it would take minutes.
    #[test]
    fn giving_out_a_job_does_not_look_at_those_that_are_held_up() {
        const HELD_UP: i64 = 40_000;
        let (mut queue, lanes) = (Queue::default(), Lanes::default());
        queue.set(1, Some(entry(1, 7, 1_000_000)));
        for id in 2..HELD_UP {
            queue.set(id, Some(entry(1, 7, 0)));
        }
        for id in HELD_UP..2 * HELD_UP {
            queue.set(id, Some(entry(2, id, 0)));
        }
        for round in 0..10_000 {
            let chosen = queue.choose(&ask(10), &lanes);
            assert_eq!(chosen, [HELD_UP + round * 2, HELD_UP + round * 2 + 1]);
            for id in chosen {
                queue.set(id, None);
            }
        }
        assert_eq!(queue.choose(&ask(1_000_000), &lanes).first(), Some(&1));
    }

    #[test]
    fn what_is_rolled_back_never_was() {
        let (mut queue, lanes) = (Queue::default(), Lanes::default());
        queue.set(1, Some(entry(1, 7, 0)));
        queue.set(2, Some(entry(1, 7, 0)));
        queue.commit();
        let before = format!("{:?} {:?}", queue.order, queue.jobs.len());
        queue.set(1, Some(Entry { lease_until: Some(9), state: 2, ..entry(1, 7, 0) }));
        queue.set(1, None);
        queue.set(3, Some(entry(1, 8, 0)));
        assert_eq!(queue.choose(&ask(0), &lanes), [2, 3]);
        queue.roll_back();
        assert_eq!(format!("{:?} {:?}", queue.order, queue.jobs.len()), before);
        assert_eq!(queue.choose(&ask(0), &lanes), [1]);
        assert_eq!(queue.counts().collect::<Vec<_>>(), [(1, 2)]);
        assert_eq!(queue.leases(None), [0; 0]);
    }

    #[test]
    fn a_clock_that_is_set_back_gives_out_nothing_early() {
        let (mut queue, lanes) = (Queue::default(), Lanes::default());
        queue.set(1, Some(entry(1, 7, 100)));
        queue.move_due(LaneKind::Decoy, 150);
        assert!(queue.choose(&ask(50), &lanes).is_empty());
        assert_eq!(queue.next_due(50), Some(100));
        assert_eq!(queue.choose(&ask(100), &lanes), [1]);
    }
}
