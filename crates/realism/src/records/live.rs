//! Records that go on: what a login and a logout write while people live on a decoy, where a past left records.
//!
//! Nothing here is back-dated: each record is of the moment at which it is to be written, and is added at the end of what is
//! there. Numbers of processes and sessions are taken from the time that went by since the past, so that they rise, and are the
//! same after a start of ours.

use std::collections::{BTreeMap, BTreeSet};

use verisim_core::{
    Body, DecoyPath, FileClass, FileMode, LedgerChange, LedgerEntry, Owner, OwnershipPolicy, RecordKeeping,
    Timestamp,
};

use super::commands::Hands;
use super::existing::{Existing, ExistingFile};
use super::histories::{Block, history};
use super::host::{Host, Person};
use super::journal::{Counted, Journal, Service, Told};
use super::keys;
use super::lived::{Deed, Origin, SECOND, Sitting};
use super::logins::Logins;
use super::tables::LASTLOG_UID_MAX;
use super::utmp::{self, LastLogin};
use super::{RecordFile, logs};
use crate::change::Change;
use crate::day::{instant, timestamp};
use crate::decide::Decision;
use crate::ledger_index::LedgerIndex;
use crate::planner::{SessionKey, Slot};
use crate::world::{DecoyIndex, PersonaIndex, World};

/// What a file of records gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grown {
    /// Which.
    pub path: DecoyPath,
    /// What is written.
    pub body: Body,
    /// Where in the file, in bytes; `None` for its end.
    pub offset: Option<u64>,
}

/// Keeps the records of one decoy.
#[derive(Debug)]
pub struct RecordKeeper {
    decoy: DecoyIndex,
    existing: Existing,
    grows: BTreeSet<DecoyPath>,
    counted: Counted,
    session: u32,
    /// The last number that was given.
    last: u32,
    open: BTreeMap<PersonaIndex, Open>,
    /// When a record was last written, as far as is known.
    written: i64,
    /// Sessions that are under way, but began while nobody kept records.
    missed: BTreeMap<PersonaIndex, SessionKey>,
    /// Of when the last line of a log and the last record of `wtmp` are: others that are added are later.
    told: [i64; 2],
}

/// A session that is going on.
#[derive(Debug)]
struct Open {
    key: SessionKey,
    from: i64,
    terminal: usize,
    /// sshd, and what it runs for the user.
    processes: [u32; 2],
    session: u32,
    deeds: Vec<Planned>,
}

/// Something that was decided in a session.
#[derive(Debug)]
struct Planned {
    deed: Deed,
    is_done: bool,
}

const LASTLOG: &str = "/var/log/lastlog";
/// The logs whose last line tells how lines begin.
const LOGS: [&str; 4] = ["/var/log/auth.log", "/var/log/syslog", "/var/log/secure", "/var/log/messages"];
/// What else tells how records look.
const TELLING: [&str; 4] = ["/etc/os-release", "/usr/lib/os-release", "/etc/hostname", "/etc/rsyslog.conf"];
/// So much of a file that tells is kept, and of the last line of a log.
const TELLING_MAX: usize = 16 * 1024;
/// How many sessions begin in a day of which no record of ours tells: those of cron.
const SESSIONS_PER_DAY: i64 = 26;

/// What the records of a past need to go on.
pub(super) fn keeping(
    host: &Host<'_>,
    files: &[RecordFile],
    counted: &Counted,
    session: u32,
) -> Option<RecordKeeping> {
    let logs: Vec<String> = logs::files(host).map(|file| format!("/var/log/{}", file.name)).collect();
    let grows = |path: &&DecoyPath| {
        let name = String::from_utf8_lossy(path.as_bytes());
        name == "/var/log/wtmp"
            || name == LASTLOG
            || name.ends_with("/.bash_history")
            || logs.iter().any(|log| *log == name)
    };
    let grows: Vec<DecoyPath> = files.iter().map(|file| &file.path).filter(grows).cloned().collect();
    if grows.is_empty() {
        return None;
    }
    let existing = host.existing;
    let kept = |name: &&str| {
        let (path, file) = (DecoyPath::new(*name).ok()?, existing.file(name)?);
        let body = file.body.as_bytes();
        let body = if LOGS.contains(name) { last_line(body) } else { body };
        Some((path, Body::from(body.get(..TELLING_MAX).unwrap_or(body).to_vec())))
    };
    let keys = host.people().filter_map(|(_, persona)| {
        let path = persona.home.join(keys::AUTHORIZED.as_bytes()).ok()?;
        kept(&&*String::from_utf8_lossy(path.as_bytes()))
    });
    Some(RecordKeeping {
        grows,
        files: TELLING.iter().chain(&LOGS).filter_map(kept).chain(keys).collect(),
        present: existing
            .present
            .iter()
            .filter(|path| !path.as_bytes().starts_with(b"/home/"))
            .cloned()
            .collect(),
        addresses: existing.addresses.clone(),
        peers: existing.peers.iter().map(|(name, address)| (name.clone(), *address)).collect(),
        services: counted.services.iter().map(|(service, pid)| (service.name().to_owned(), *pid)).collect(),
        pid: counted.last,
        pid_at: timestamp(counted.at),
        session,
    })
}

fn last_line(log: &[u8]) -> &[u8] {
    let log = log.strip_suffix(b"\n").unwrap_or(log);
    log.rsplit(|byte| *byte == b'\n').next().unwrap_or_default()
}

impl RecordKeeper {
    /// Goes on with the records of a decoy.
    #[must_use]
    pub fn new(decoy: DecoyIndex, keeping: &RecordKeeping) -> Self {
        let file = |(path, body): &(DecoyPath, Body)| {
            let file = ExistingFile {
                body: body.clone(),
                is_whole: false,
                mtime: Timestamp::UNIX_EPOCH,
                mode: FileMode::new(0o644),
                owner: Owner::ROOT,
            };
            (path.clone(), file)
        };
        let existing = Existing {
            files: keeping.files.iter().map(file).collect(),
            present: keeping.present.iter().cloned().collect(),
            addresses: keeping.addresses.clone(),
            peers: keeping.peers.iter().cloned().collect(),
            ..Existing::default()
        };
        let named = |name: &str| Service::ALL.into_iter().find(|service| service.name() == name);
        let services = keeping.services.iter().filter_map(|(name, pid)| Some((named(name)?, *pid))).collect();
        Self {
            decoy,
            existing,
            grows: keeping.grows.iter().cloned().collect(),
            counted: Counted { last: keeping.pid, at: instant(keeping.pid_at), services },
            session: keeping.session,
            last: 0,
            open: BTreeMap::new(),
            written: i64::MIN,
            missed: BTreeMap::new(),
            told: [i64::MIN; 2],
        }
    }

    /// Forgets which sessions are open, as for a planner that goes to another instant.
    pub fn restart(&mut self) {
        self.open.clear();
        self.missed.clear();
        self.last = 0;
    }

    /// The sessions that are open are those under way at an instant from which a planner goes on. Of those whose login nobody
    /// wrote down, nothing more is told.
    pub fn go_on(&mut self) {
        let written = self.written;
        let missed = self.open.extract_if(.., |_, open| open.from > written);
        self.missed = missed.map(|(persona, open)| (persona, open.key)).collect();
    }

    /// Whether the slot is of a session whose login is in no record: then nothing is done in it.
    #[must_use]
    pub fn has_missed(&self, slot: &Slot) -> bool {
        self.missed.get(&slot.persona) == Some(&slot.session)
    }

    /// Learns an entry of the ledger of this decoy, as at a start.
    pub fn load(&mut self, entry: &LedgerEntry) {
        if matches!(entry.ownership, OwnershipPolicy::HandsOff | OwnershipPolicy::Foreign) {
            self.leave(&entry.path);
        } else if entry.class == FileClass::Record {
            self.written = self.written.max(instant(entry.changed_at));
        }
    }

    /// Leaves a file alone from now on: somebody else changed it.
    pub fn leave(&mut self, path: &DecoyPath) {
        self.grows.remove(path);
    }

    /// What a login writes.
    pub fn login(&mut self, world: &World, slot: &Slot) -> Vec<Grown> {
        let Some(host) = Host::of(world, self.decoy, &self.existing) else { return Vec::new() };
        let at = instant(slot.at);
        let free = (0..).find(|number| self.open.values().all(|open| open.terminal != *number));
        let since = at.saturating_sub(self.counted.at).max(0) / SECOND;
        let mut number = self.counted.number(&host, at);
        // Two within one breath.
        if number <= self.last && self.last - number < 64 {
            number = self.last + 1;
        }
        self.last = number + 1;
        let day = u32::try_from(since.saturating_mul(SESSIONS_PER_DAY) / 86_400).unwrap_or(0);
        let others = u32::try_from(self.open.len()).unwrap_or(0);
        let open = Open {
            key: slot.session,
            from: at,
            terminal: free.unwrap_or(0),
            processes: [number, number + 1],
            session: self.session.saturating_add(day).saturating_add(others),
            deeds: Vec::new(),
        };
        let told = self.tell(&host, world, slot.persona, &open, at + 3600 * SECOND);
        let Some((told, last)) = told else {
            self.open.insert(slot.persona, open);
            return Vec::new();
        };
        let mut latest = self.told;
        let told = told.in_order(&mut latest, |line| line <= at + SECOND);
        let mut grown = self.grown(&host, &told);
        grown.extend(last.into_iter().filter_map(|(uid, last)| self.last_login(uid, &last)));
        self.told = latest;
        self.open.insert(slot.persona, open);
        grown
    }

    /// Something was decided in a session.
    pub fn decided(&mut self, decision: &Decision) {
        let slot = &decision.slot;
        if let Some(open) = self.open.get_mut(&slot.persona).filter(|open| open.key == slot.session) {
            let is_done = matches!(decision.change, Change::Visit { .. } | Change::Mail { .. });
            let deed = Deed { at: instant(slot.at), change: decision.change.clone() };
            open.deeds.push(Planned { deed, is_done });
        }
    }

    /// Something was done on this decoy.
    pub fn learn(&mut self, change: &LedgerChange) {
        let path = match change {
            LedgerChange::Put(entry) if entry.class == FileClass::Record => {
                self.load(entry);
                return;
            }
            LedgerChange::Put(entry) => &entry.path,
            // What was taken away is not added to.
            LedgerChange::Remove { path, .. } => {
                self.leave(path);
                path
            }
            LedgerChange::Rename { from, .. } => from,
            LedgerChange::Freeze { path, .. } => {
                self.leave(path);
                return;
            }
        };
        let planned = self.open.values_mut().flat_map(|open| &mut open.deeds);
        for one in planned.filter(|one| !one.is_done) {
            one.is_done = match &one.deed.change {
                Change::Create { path: of, .. }
                | Change::Edit { path: of, .. }
                | Change::Append { path: of, .. }
                | Change::Remove { path: of, .. } => of == path,
                Change::Rename { from, .. } => from == path,
                Change::Visit { .. } | Change::Mail { .. } => true,
            };
        }
    }

    /// What a logout writes.
    pub fn logout(&mut self, world: &World, slot: &Slot, ledger: &LedgerIndex) -> Vec<Grown> {
        let Some(open) = self.open.remove(&slot.persona).filter(|open| open.key == slot.session) else {
            return Vec::new();
        };
        let Some(host) = Host::of(world, self.decoy, &self.existing) else { return Vec::new() };
        let to = instant(slot.at);
        let Some((told, _)) = self.tell(&host, world, slot.persona, &open, to) else { return Vec::new() };
        let begun = open.from + SECOND.min((to - open.from) / 2);
        let mut latest = self.told;
        let told = told.in_order(&mut latest, |line| line > begun);
        let mut grown = self.grown(&host, &told);
        grown.extend(self.typed(&host, (world, slot, ledger), open, to));
        self.told = latest;
        grown
    }

    /// A session from its beginning to its end.
    fn tell(
        &self,
        host: &Host<'_>,
        world: &World,
        persona: PersonaIndex,
        open: &Open,
        to: i64,
    ) -> Option<(Told, BTreeMap<u32, LastLogin>)> {
        let person = Person::of(persona, world.persona(persona)?);
        let (mut journal, sitting) = (Journal::default(), sitting(persona, open.from, to, Vec::new()));
        let mut logins = Logins::live(host, open.terminal, open.session);
        logins.tell(&mut journal, &person, &sitting, &[]);
        Some((journal.tell_with(host, &self.counted, &open.processes), logins.last))
    }

    /// What lastlog gets; nothing for a user whose place it would be too long for.
    fn last_login(&self, uid: u32, last: &LastLogin) -> Option<Grown> {
        let path = DecoyPath::new(LASTLOG).ok().filter(|path| self.grows.contains(path))?;
        let (offset, place) = utmp::place_of(uid, last);
        (uid <= LASTLOG_UID_MAX).then(|| Grown { path, body: place.into(), offset: Some(offset) })
    }

    /// What of it goes where.
    fn grown(&self, host: &Host<'_>, told: &Told) -> Vec<Grown> {
        let mut out = Vec::new();
        let mut add = |path: String, body: Vec<u8>| {
            let path = DecoyPath::new(path).ok().filter(|path| self.grows.contains(path));
            out.extend(path.filter(|_| !body.is_empty()).map(|path| Grown {
                path,
                body: body.into(),
                offset: None,
            }));
        };
        let mut body = Vec::new();
        told.wtmp.iter().for_each(|record| record.write(&mut body));
        add("/var/log/wtmp".to_owned(), body);
        for file in logs::files(host) {
            let mut body = Vec::new();
            let own = told.lines.iter().filter(|line| file.takes.contains(&line.facility));
            own.for_each(|line| logs::write(host, line, &mut body));
            add(format!("/var/log/{}", file.name), body);
        }
        out
    }

    /// What the shell writes down at the end of a session: what was typed in it.
    fn typed(
        &self,
        host: &Host<'_>,
        (world, slot, ledger): (&World, &Slot, &LedgerIndex),
        open: Open,
        to: i64,
    ) -> Option<Grown> {
        let persona = world.persona(slot.persona)?;
        let path = persona.home.join(b".bash_history").ok().filter(|path| self.grows.contains(path))?;
        let done = open.deeds.into_iter().filter(|one| one.is_done).map(|one| one.deed);
        let deeds: Vec<Deed> = done.collect();
        let fresh: BTreeSet<DecoyPath> =
            deeds.iter().filter_map(|deed| deed.change.taken().cloned()).collect();
        let held = ledger.held(slot.desk);
        let mut known: Vec<_> = held.filter(|held| !fresh.contains(&held.path)).collect();
        known.sort_by_key(|held| held.changed_at);
        let files = known.into_iter().map(|held| (held.path.clone(), held.class));
        let files: Vec<(DecoyPath, FileClass)> = files.collect();
        let mut hands = Hands::live(host, (slot.persona, persona), &slot.session.id().0, files.into_iter());
        let typed = hands.session(host, &sitting(slot.persona, open.from, to, deeds));
        let person = Person::of(slot.persona, persona);
        let written = history(host, &person, vec![Block { ended: to, typed }])?;
        Some(Grown { path, body: written.body.into_bytes().into(), offset: None })
    }
}

const fn sitting(persona: PersonaIndex, from: i64, to: i64, deeds: Vec<Deed>) -> Sitting {
    Sitting { persona, from, to, origin: Origin::Desk, deeds }
}
