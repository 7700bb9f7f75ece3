//! Everything that happened on the host, in one order of time, and the processes that it happened in.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::host::Host;
use super::lived::MILLI;
use super::utmp::{self, Kind, Record};
use crate::random::Generator;

/// Where a line goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Facility {
    /// Who logged in, and who became somebody else.
    Auth,
    Cron,
    Daemon,
    Kernel,
}

/// What runs from one start of the machine to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Service {
    Systemd,
    Logind,
    Cron,
    Logger,
    Sshd,
    Getty,
}

impl Service {
    /// Every service.
    pub(super) const ALL: [Self; 6] =
        [Self::Systemd, Self::Logind, Self::Cron, Self::Logger, Self::Sshd, Self::Getty];

    /// Its name where it is stored.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Logind => "logind",
            Self::Cron => "cron",
            Self::Logger => "logger",
            Self::Sshd => "sshd",
            Self::Getty => "getty",
        }
    }
}

const SERVICES: [Service; 5] =
    [Service::Logind, Service::Cron, Service::Logger, Service::Getty, Service::Sshd];

/// In which process something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    /// Lines of the kernel, and of programs that do not say.
    Silent,
    Service(Service),
    /// One that began when it is first heard of.
    Run(u32),
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Nanoseconds since 1970.
    pub(super) at: i64,
    pub(super) what: What,
}

/// What happened.
#[derive(Debug, Clone)]
pub(super) enum What {
    Line {
        facility: Facility,
        program: Cow<'static, str>,
        process: Process,
        message: String,
    },
    Login(Login),
    /// A login that failed: a record of btmp.
    Failed(Login),
    /// A process begins, of which something is heard only later.
    Fork(Process),
    /// All processes begin anew.
    Boot,
}

/// A record of wtmp or btmp, as far as it is known before processes have numbers.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) kind: Kind,
    pub(super) process: Process,
    pub(super) line: String,
    pub(super) user: String,
    pub(super) host: String,
    pub(super) address: Option<IpAddr>,
}

/// A line with everything that the log has of it but its form.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) at: i64,
    pub(super) facility: Facility,
    pub(super) program: Cow<'static, str>,
    pub(super) pid: Option<u32>,
    pub(super) message: String,
}

/// What happened, collected in any order.
#[derive(Debug, Default)]
pub(super) struct Journal {
    entries: Vec<Entry>,
    runs: u32,
}

/// What happened, in the order of time.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) lines: Vec<Line>,
    pub(super) wtmp: Vec<Record>,
    pub(super) btmp: Vec<Record>,
    /// The processes at the end.
    pub(super) pids: Counted,
}

impl Told {
    /// What of it is told now, each line and each record later than the `last` ones that were told before: what two people do in
    /// one second is written down in the order in which it is written.
    pub(super) fn in_order(mut self, last: &mut [i64; 2], is_now: impl Fn(i64) -> bool) -> Self {
        self.lines.retain(|line| is_now(line.at));
        self.wtmp.retain(|record| is_now(record.at));
        let [line, record] = last;
        for one in &mut self.lines {
            *line = one.at.max(line.saturating_add(MILLI));
            one.at = *line;
        }
        for one in &mut self.wtmp {
            *record = one.at.max(record.saturating_add(MILLI));
            one.at = *record;
        }
        self
    }
}

/// Where the numbers of processes have come to.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    /// The last one, and when it was given.
    pub(super) last: u32,
    pub(super) at: i64,
    pub(super) services: BTreeMap<Service, u32>,
}

impl Journal {
    /// A process that was not there before.
    pub(super) const fn run(&mut self) -> Process {
        self.runs += 1;
        Process::Run(self.runs)
    }

    pub(super) fn add(&mut self, at: i64, what: What) {
        self.entries.push(Entry { at, what });
    }

    pub(super) fn say(
        &mut self,
        at: i64,
        facility: Facility,
        (program, process): (impl Into<Cow<'static, str>>, Process),
        message: impl Into<String>,
    ) {
        let (program, message) = (program.into(), message.into());
        self.add(at, What::Line { facility, program, process, message });
    }

    /// Puts everything in the order of time, and numbers the processes. What is not before `until` is left out.
    pub(super) fn tell(mut self, host: &Host<'_>, until: i64) -> Told {
        self.entries.retain(|entry| entry.at < until);
        let first = self.entries.iter().map(|entry| entry.at).min().unwrap_or(0);
        let pids = Pids::new(host, first);
        self.tell_in(host, pids)
    }

    /// Puts everything in the order of time, in processes whose numbers are known: that of the first that is run, and so on.
    pub(super) fn tell_with(self, host: &Host<'_>, counted: &Counted, runs: &[u32]) -> Told {
        let mut pids = Pids::new(host, counted.at);
        (pids.last, pids.at) = (counted.last, counted.at);
        pids.services.clone_from(&counted.services);
        pids.runs = (1..).zip(runs.iter().copied()).collect();
        self.tell_in(host, pids)
    }

    fn tell_in(mut self, host: &Host<'_>, mut pids: Pids) -> Told {
        // Stable: what happens at one instant stays in the order in which it was told.
        self.entries.sort_by_key(|entry| entry.at);
        let mut told = Told::default();
        let (mut draw, mut now) = (host.draw("delays"), i64::MIN);
        for Entry { at, what } in self.entries {
            // Nothing takes the same time twice, and nothing is written at the very moment of what was before.
            let wait = 1000 + i64::from(draw.below(2_400_000));
            now = (at + wait).max(now.saturating_add(9_000 + i64::from(draw.below(140_000))));
            let at = now;
            match what {
                What::Boot => pids.boot(at),
                What::Fork(process) => drop(pids.of(process, at)),
                What::Line { facility, program, process, message } => {
                    let pid = pids.of(process, at);
                    // The logger names its own number in what it says.
                    let message = match (process, pid) {
                        (Process::Service(Service::Logger), Some(pid)) => {
                            message.replace("{pid}", &pid.to_string())
                        }
                        _ => message,
                    };
                    told.lines.push(Line { at, facility, program, pid, message });
                }
                What::Login(login) => told.wtmp.push(pids.record(login, at)),
                What::Failed(login) => told.btmp.push(pids.record(login, at)),
            }
        }
        told.pids = Counted { last: pids.last, at: pids.at, services: pids.services };
        told
    }
}

/// Hands out the numbers of processes as the kernel does: rising, from a start of the machine on, until they wrap.
struct Pids {
    draw: Generator,
    max: u32,
    rate: u32,
    last: u32,
    at: i64,
    services: BTreeMap<Service, u32>,
    runs: BTreeMap<u32, u32>,
}

/// The kernel keeps the first numbers for what starts it, when it wraps.
const RESERVED: u32 = 300;
const MINUTE: i64 = 60_000_000_000;

/// How many processes begin in a minute of which no record tells.
fn rate(host: &Host<'_>, draw: &mut Generator) -> u32 {
    if host.systemd { draw.between(3, 7) } else { 1 }
}

impl Counted {
    /// The number that a process gets which begins at `at`, taken from the time that went by: the same whenever it is asked.
    pub(super) fn number(&self, host: &Host<'_>, at: i64) -> u32 {
        let rate = rate(host, &mut host.draw("pids"));
        let since = at.saturating_sub(self.at).max(0) / (MINUTE / i64::from(rate));
        let room = i64::from(host.pid_max() - RESERVED);
        let number = i64::from(self.last.saturating_sub(RESERVED)) + 2 + since;
        RESERVED + u32::try_from(number % room).unwrap_or(0)
    }
}

impl Pids {
    fn new(host: &Host<'_>, at: i64) -> Self {
        let mut draw = host.draw("pids");
        let rate = rate(host, &mut draw);
        let (services, runs) = (BTreeMap::new(), BTreeMap::new());
        let mut pids = Self { draw, max: host.pid_max(), rate, last: 1, at, services, runs };
        pids.boot(at);
        pids
    }

    fn boot(&mut self, at: i64) {
        self.at = at;
        self.last = self.draw.between(290, 480);
        self.services = BTreeMap::from([(Service::Systemd, 1)]);
        for service in SERVICES {
            self.last += self.draw.between(2, 40);
            self.services.insert(service, self.last);
        }
        self.last += self.draw.between(20, 120);
    }

    fn take(&mut self, at: i64) -> u32 {
        let minutes = at.saturating_sub(self.at).max(0).saturating_mul(i64::from(self.rate)) / MINUTE;
        // What is less than one process is kept for the next time.
        self.at = self.at.saturating_add(minutes.saturating_mul(MINUTE) / i64::from(self.rate));
        let room = self.max - RESERVED;
        let step = u32::try_from(minutes % i64::from(room)).unwrap_or(0) + self.draw.between(1, 3);
        self.last += step;
        if self.last >= self.max {
            self.last = RESERVED + (self.last - self.max) % room;
        }
        self.last
    }

    fn of(&mut self, process: Process, at: i64) -> Option<u32> {
        match process {
            Process::Silent => None,
            Process::Service(service) => self.services.get(&service).copied(),
            Process::Run(run) => Some(match self.runs.get(&run) {
                Some(pid) => *pid,
                None => {
                    let pid = self.take(at);
                    self.runs.insert(run, pid);
                    pid
                }
            }),
        }
    }

    fn record(&mut self, login: Login, at: i64) -> Record {
        let is_level = login.kind == Kind::RunLevel && login.user == "runlevel";
        // A run level stands where a process would: here the letter 5.
        let pid = if is_level { u32::from(b'5') } else { self.of(login.process, at).unwrap_or(0) };
        let Login { kind, line, user, host, address, .. } = login;
        let id = match kind {
            Kind::Boot | Kind::RunLevel => "~~".to_owned(),
            // What sshd records of a failed login has none.
            Kind::Waiting if line.contains(':') => String::new(),
            Kind::Waiting | Kind::Login | Kind::Logout if line.starts_with("tty") => line.clone(),
            Kind::Waiting | Kind::Login | Kind::Logout => utmp::id_of(&line),
        };
        Record { kind, at, pid, line, id, user, host, address }
    }
}
