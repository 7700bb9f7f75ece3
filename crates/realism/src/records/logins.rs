//! What a session leaves in wtmp, lastlog and the logs, from the connection to the logout.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::host::{Family, Host, Person};
use super::journal::{Facility, Journal, Login, Process, Service, What};
use super::keys;
use super::lived::{MILLI, Origin, SECOND, Sitting};
use super::typing::Typed;
use super::utmp::{Kind, LastLogin};
use crate::random::Generator;

/// A thousandth of a second.
/// How long systemd keeps a user's services after the last session.
const LINGER: i64 = 10 * SECOND;
/// How often who logs in with a password mistypes it, in hundredths.
const MISTYPES_PERCENT: u32 = 5;

/// Writes sessions into a journal, in the order of their logins.
pub(super) struct Logins<'h, 'w> {
    host: &'h Host<'w>,
    /// When each pseudo-terminal is free again.
    terminals: Vec<i64>,
    /// The number that logind gives next, and the starts of the machine, after which it counts from 1.
    pub(super) session: u32,
    boots: &'h [i64],
    /// Whether it is told while it happens: without what was mistyped before, and with users' services that go on running.
    is_live: bool,
    /// Whose services run until when, in which process.
    managers: BTreeMap<u32, Manager>,
    /// By user, the last login.
    pub(super) last: BTreeMap<u32, LastLogin>,
}

/// systemd for one user.
#[derive(Clone)]
struct Manager {
    login: String,
    inner: Process,
    until: i64,
}

/// One login on its way.
struct Way<'a> {
    person: &'a Person,
    sitting: &'a Sitting,
    address: IpAddr,
    terminal: String,
    monitor: Process,
    session: u32,
    port: u32,
}

impl<'h, 'w> Logins<'h, 'w> {
    /// `boots` are the starts of the machine, in the order of time.
    pub(super) fn new(host: &'h Host<'w>, boots: &'h [i64]) -> Self {
        Self {
            host,
            terminals: Vec::new(),
            session: 0,
            boots,
            is_live: false,
            managers: BTreeMap::new(),
            last: BTreeMap::new(),
        }
    }

    /// For one session that is going on: at the terminal of this number, after so many sessions.
    pub(super) fn live(host: &'h Host<'w>, terminal: usize, session: u32) -> Self {
        let terminals = vec![i64::MAX; terminal];
        Self { terminals, session, is_live: true, ..Self::new(host, &[]) }
    }

    /// Tells of one session. Sessions come in the order of their logins.
    pub(super) fn tell(
        &mut self,
        journal: &mut Journal,
        person: &Person,
        sitting: &Sitting,
        typed: &[Typed],
    ) {
        while let Some((_, later)) = self.boots.split_first().filter(|(boot, _)| **boot <= sitting.from) {
            (self.boots, self.session) = (later, 0);
        }
        self.session = self.session.saturating_add(1);
        let address = match sitting.origin {
            Origin::Desk => self.host.desk_address(person),
            Origin::Host(decoy) => self.host.decoy_address(decoy),
        };
        let seed = self.host.person_seed(person);
        let mut draw = Generator::new(seed.text("login").word(sitting.from.cast_unsigned()));
        let way = Way {
            person,
            sitting,
            address,
            terminal: self.terminal(sitting),
            monitor: journal.run(),
            session: self.session,
            port: draw.between(32_768, 60_999),
        };
        self.come(journal, &way, &mut draw);
        self.act(journal, &way, typed, &mut draw);
        self.go(journal, &way, &mut draw);
    }

    /// The lowest pseudo-terminal that is free.
    fn terminal(&mut self, sitting: &Sitting) -> String {
        let free = self.terminals.iter().position(|until| *until < sitting.from);
        let number = free.unwrap_or(self.terminals.len());
        match self.terminals.get_mut(number) {
            Some(place) => *place = sitting.to + SECOND,
            None => self.terminals.push(sitting.to + SECOND),
        }
        format!("pts/{number}")
    }

    fn come(&mut self, journal: &mut Journal, way: &Way<'_>, draw: &mut Generator) {
        let (host, login, uid) = (self.host, &way.person.login, way.person.owner.uid);
        let (sshd, at) = ((host.sshd(), way.monitor), way.sitting.from);
        let from = format!("for {login} from {} port {} ssh2", way.address, way.port);
        let accepted = at - i64::from(draw.between(180, 420)) * MILLI;
        let with_key = keys::knows_key(host, way.person);
        if !with_key
            && matches!(way.sitting.origin, Origin::Desk)
            && draw.percent(MISTYPES_PERCENT)
            && !self.is_live
        {
            let tries = accepted - i64::from(draw.between(4_000, 11_000)) * MILLI;
            mistyped(journal, way, sshd, tries, draw);
        }
        let how = if with_key {
            format!("Accepted publickey {from}: {}", keys::fingerprint(host, way.person))
        } else {
            format!("Accepted password {from}")
        };
        journal.say(accepted, Facility::Auth, sshd, how);
        let opened = format!("pam_unix(sshd:session): session opened for user {login}(uid={uid}) by (uid=0)");
        journal.say(accepted + 3 * MILLI, Facility::Auth, sshd, opened);
        if host.systemd {
            self.noted(journal, way, accepted + 8 * MILLI);
        }
        let record = Login {
            kind: Kind::Login,
            process: journal.run(),
            line: way.terminal.clone(),
            user: login.clone(),
            host: way.address.to_string(),
            address: Some(way.address),
        };
        let (line, shown) = (way.terminal.clone(), way.address.to_string());
        self.last.insert(uid, LastLogin { at, line, host: shown });
        journal.add(at, What::Login(record.clone()));
        // What sshd records of the end bears no name.
        let end =
            Login { kind: Kind::Logout, user: String::new(), host: String::new(), address: None, ..record };
        journal.add(way.sitting.to, What::Login(end.clone()));
        let closing = (host.sshd(), end.process);
        let (address, port) = (way.address, way.port);
        let gone = way.sitting.to - 40 * MILLI;
        let why = format!("Received disconnect from {address} port {port}:11: disconnected by user");
        journal.say(gone, Facility::Auth, closing, why);
        let left = format!("Disconnected from user {login} {address} port {port}");
        journal.say(gone + MILLI / 5, Facility::Auth, closing, left);
    }

    /// logind and systemd take note of a session.
    fn noted(&mut self, journal: &mut Journal, way: &Way<'_>, at: i64) {
        let (login, uid) = (&way.person.login, way.person.owner.uid);
        let logind = ("systemd-logind", Process::Service(Service::Logind));
        let systemd = ("systemd", Process::Service(Service::Systemd));
        journal.say(at, Facility::Auth, logind, format!("New session {} of user {login}.", way.session));
        let scope = format!("Started session-{0}.scope - Session {0} of User {login}.", way.session);
        journal.say(at + 130 * MILLI, Facility::Daemon, systemd, scope);
        if self.is_live {
            return;
        }
        let running = self.managers.remove(&uid);
        let goes_on = |manager: &Manager| manager.until + LINGER + SECOND > way.sitting.from;
        let mut manager = match running {
            Some(manager) if goes_on(&manager) => manager,
            old => {
                if let Some(old) = old {
                    Self::rest(journal, uid, &old);
                }
                let process = journal.run();
                let inner = journal.run();
                journal.add(at + 15 * MILLI, What::Fork(inner));
                let opened = format!(
                    "pam_unix(systemd-user:session): session opened for user {login}(uid={uid}) by (uid=0)"
                );
                journal.say(at + 14 * MILLI, Facility::Auth, ("(systemd)", process), opened);
                journal.say(
                    at + MILLI,
                    Facility::Daemon,
                    systemd,
                    format!("Created slice user-{uid}.slice - User Slice of UID {uid}."),
                );
                let started = format!("Started user@{uid}.service - User Manager for UID {uid}.");
                journal.say(at + 120 * MILLI, Facility::Daemon, systemd, started);
                Manager { login: login.clone(), inner, until: way.sitting.to }
            }
        };
        manager.until = manager.until.max(way.sitting.to);
        self.managers.insert(uid, manager);
    }

    /// A user's services end, some seconds after the last session.
    fn rest(journal: &mut Journal, uid: u32, manager: &Manager) {
        let (login, at) = (&manager.login, manager.until + LINGER);
        let systemd = ("systemd", Process::Service(Service::Systemd));
        journal.say(
            at,
            Facility::Daemon,
            systemd,
            format!("Stopping user@{uid}.service - User Manager for UID {uid}..."),
        );
        let closed = format!("pam_unix(systemd-user:session): session closed for user {login}");
        journal.say(at + 35 * MILLI, Facility::Auth, ("(sd-pam)", manager.inner), closed);
        let stopped = format!("Stopped user@{uid}.service - User Manager for UID {uid}.");
        journal.say(at + 48 * MILLI, Facility::Daemon, systemd, stopped);
        journal.say(
            at + 61 * MILLI,
            Facility::Daemon,
            systemd,
            format!("Removed slice user-{uid}.slice - User Slice of UID {uid}."),
        );
    }

    /// All users' services that still run end.
    pub(super) fn finish(&mut self, journal: &mut Journal) {
        for (uid, manager) in std::mem::take(&mut self.managers) {
            Self::rest(journal, uid, &manager);
        }
    }

    /// What is done as root.
    fn act(&self, journal: &mut Journal, way: &Way<'_>, typed: &[Typed], draw: &mut Generator) {
        let (login, uid) = (&way.person.login, way.person.owner.uid);
        let home = String::from_utf8_lossy(way.person.home.as_bytes()).into_owned();
        for (command, place) in typed.iter().zip(1..) {
            let Some(run) = &command.as_root else { continue };
            let process = if self.host.family == Family::Debian { Process::Silent } else { journal.run() };
            let sudo = ("sudo", process);
            let what = format!("{login:>8} : TTY={} ; PWD={home} ; USER=root ; COMMAND={run}", way.terminal);
            let next = typed.get(place).map_or(way.sitting.to, |next: &Typed| next.at);
            let asked = command.at + i64::from(draw.between(20, 90)) * MILLI;
            let opened =
                format!("pam_unix(sudo:session): session opened for user root(uid=0) by {login}(uid={uid})");
            let room = (next - asked).max(2 * MILLI);
            let lasted = match command.is_long {
                true => room - (room / 8).min(i64::from(draw.between(700, 2_600)) * MILLI),
                false => (i64::from(draw.between(40, 9_000)) * MILLI).min(room / 2),
            };
            journal.say(asked, Facility::Auth, sudo, what);
            journal.say(asked + MILLI / 2, Facility::Auth, sudo, opened);
            let closed = "pam_unix(sudo:session): session closed for user root";
            journal.say(asked + lasted, Facility::Auth, sudo, closed);
        }
    }

    fn go(&self, journal: &mut Journal, way: &Way<'_>, draw: &mut Generator) {
        let (login, to, session) = (&way.person.login, way.sitting.to, way.session);
        let closed = format!("pam_unix(sshd:session): session closed for user {login}");
        journal.say(to - 3 * MILLI, Facility::Auth, (self.host.sshd(), way.monitor), closed);
        if self.host.systemd {
            let logind = ("systemd-logind", Process::Service(Service::Logind));
            let out = format!("Session {session} logged out. Waiting for processes to exit.");
            journal.say(to + 4 * MILLI, Facility::Auth, logind, out);
            let removed = to + i64::from(draw.between(6, 30)) * MILLI;
            journal.say(removed, Facility::Auth, logind, format!("Removed session {session}."));
            let scope = format!("session-{session}.scope: Deactivated successfully.");
            journal.say(
                removed - MILLI,
                Facility::Daemon,
                ("systemd", Process::Service(Service::Systemd)),
                scope,
            );
        }
    }
}

/// A password that was mistyped once or twice before it was right.
fn mistyped(
    journal: &mut Journal,
    way: &Way<'_>,
    sshd: (&'static str, Process),
    at: i64,
    draw: &mut Generator,
) {
    let (login, address) = (&way.person.login, way.address);
    let failure = format!(
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={address}  user={login}"
    );
    journal.say(at, Facility::Auth, sshd, failure);
    let failed = at + i64::from(draw.between(1_400, 2_300)) * MILLI;
    let message = format!("Failed password for {login} from {address} port {} ssh2", way.port);
    journal.say(failed, Facility::Auth, sshd, message);
    let record = Login {
        kind: Kind::Waiting,
        process: way.monitor,
        line: "ssh:notty".to_owned(),
        user: login.clone(),
        host: address.to_string(),
        address: Some(address),
    };
    journal.add(failed, What::Failed(record));
}
