//! What the system itself does while people work: it starts, cron and timers run, the logger is told that its files moved.

use std::collections::BTreeMap;

use jiff::Timestamp;
use verisim_core::DecoyPath;

use super::host::{Every, Family, Host, at_minute};
use super::journal::{Facility, Journal, Login, Process, Service, What};
use super::lived::{Deed, MILLI, MINUTE, SECOND, Sitting};
use super::utmp::Kind;
use crate::change::Change;
use crate::day::{instant, timestamp};
use crate::random::whole;

const DAY: i64 = 24 * 60 * MINUTE;

/// When the machine was started: once before `from`, then every few weeks, in the night, while nobody is there; last
/// when it really was, where that is known.
pub(super) fn boots(host: &Host<'_>, sittings: &[Sitting], from: i64, until: i64) -> Vec<i64> {
    let mut draw = host.draw("boots");
    let known = host.existing.booted.map(instant).filter(|booted| *booted < until);
    if let Some(known) = known.filter(|known| *known <= from) {
        return vec![known];
    }
    let first = from - DAY - i64::try_from(whole(draw.unit() * 20.0 * DAY as f64)).unwrap_or(DAY);
    let mut boots = vec![first];
    let end = known.unwrap_or(until);
    let kept = if host.systemd { kept_in_tmp(sittings) } else { Vec::new() };
    let mut at = first;
    loop {
        let days = 12.0 + draw.lognormal(38.0, 0.6).min(150.0);
        at += i64::try_from(whole(days * DAY as f64)).unwrap_or(DAY);
        let minute = draw.between(3 * 60, 5 * 60 + 50);
        let Some(night) = at_minute(host.zone, timestamp(at), minute) else { break };
        let mut boot = instant(night) + i64::from(draw.below(60_000)) * MILLI;
        let is_taken = |boot: i64| {
            sittings.iter().any(|one| one.from - 15 * MINUTE < boot && one.to + 15 * MINUTE > boot)
                || kept.iter().any(|(made, gone)| *made < boot && *gone > boot)
        };
        for _ in 0..30 {
            boot += if is_taken(boot) { DAY } else { 0 };
        }
        if is_taken(boot) || boot >= end - DAY {
            break;
        }
        boots.push(boot);
        at = boot;
    }
    boots.extend(known.filter(|known| *known > *boots.last().unwrap_or(&0)));
    boots
}

/// From when to when there was something in `/tmp`: systemd empties it when the machine starts.
fn kept_in_tmp(sittings: &[Sitting]) -> Vec<(i64, i64)> {
    let mut deeds: Vec<&Deed> = sittings.iter().flat_map(|one| &one.deeds).collect();
    deeds.sort_by_key(|deed| deed.at);
    let mut there: BTreeMap<&DecoyPath, i64> = BTreeMap::new();
    let mut kept = Vec::new();
    for deed in deeds {
        match &deed.change {
            Change::Create { path, .. } if path.as_bytes().starts_with(b"/tmp/") => {
                there.insert(path, deed.at);
            }
            Change::Remove { path, .. } | Change::Rename { from: path, .. } => {
                kept.extend(there.remove(path).map(|made| (made, deed.at)));
            }
            Change::Create { .. }
            | Change::Edit { .. }
            | Change::Append { .. }
            | Change::Visit { .. }
            | Change::Mail { .. } => {}
        }
    }
    kept.extend(there.into_values().map(|made| (made, i64::MAX)));
    kept
}

/// Everything that the system says of itself between `from` and `until`.
pub(super) fn tell(
    host: &Host<'_>,
    journal: &mut Journal,
    boots: &[i64],
    rotations: &[i64],
    from: i64,
    until: i64,
) {
    for (place, boot) in boots.iter().enumerate() {
        let back = u32::try_from(boots.len() - 1 - place).unwrap_or(0);
        start(host, journal, *boot, back, place > 0);
    }
    cron(host, journal, from, until);
    if host.systemd {
        timers(host, journal, boots, until);
    }
    let logger = ("rsyslogd", Process::Service(Service::Logger));
    let rotations = if host.offers("/usr/sbin/rsyslogd") { rotations } else { &[] };
    for rotated in rotations {
        // The logger opens its files anew; this is the first line of each.
        let told = format!(
            "[origin software=\"rsyslogd\" swVersion=\"{}\" x-pid=\"{{pid}}\" x-info=\"https://www.rsyslog.com\"] rsyslogd was HUPed",
            logger_version(host)
        );
        journal.say(*rotated, Facility::Daemon, logger, told);
    }
}

const fn logger_version(host: &Host<'_>) -> &'static str {
    match host.version {
        ..=11 => "8.2102.0",
        12 => "8.2302.0",
        _ => "8.2312.0",
    }
}

/// The machine goes down, where it was up, and comes back.
fn start(host: &Host<'_>, journal: &mut Journal, at: i64, back: u32, was_up: bool) {
    let (kernel, older) = (host.kernel(back), host.kernel(back + 1));
    let of_system = |kind: Kind, user: &str, kernel: &str| Login {
        kind,
        process: Process::Silent,
        line: "~".to_owned(),
        user: user.to_owned(),
        host: kernel.to_owned(),
        address: None,
    };
    let down = at - 38 * SECOND;
    let sshd = ("sshd", Process::Service(Service::Sshd));
    let logind = ("systemd-logind", Process::Service(Service::Logind));
    if was_up {
        if host.systemd {
            journal.say(down, Facility::Auth, logind, "System is rebooting.");
            journal.add(down + 900 * MILLI, What::Login(of_system(Kind::RunLevel, "shutdown", &older)));
        }
        journal.say(down + 400 * MILLI, Facility::Auth, sshd, "Received signal 15; terminating.");
    }
    journal.add(at, What::Boot);
    if host.systemd {
        journal.add(at, What::Login(of_system(Kind::Boot, "reboot", &kernel)));
        kernel_says(host, journal, at + 2 * SECOND, &kernel);
        journal.say(at + 6 * SECOND, Facility::Auth, logind, "New seat seat0.");
        let waiting = Login {
            kind: Kind::Waiting,
            process: Process::Service(Service::Getty),
            line: "tty1".to_owned(),
            user: "LOGIN".to_owned(),
            host: String::new(),
            address: None,
        };
        journal.add(at + 7 * SECOND, What::Login(waiting));
        journal.add(at + 11 * SECOND, What::Login(of_system(Kind::RunLevel, "runlevel", &kernel)));
        let systemd = ("systemd", Process::Service(Service::Systemd));
        for (place, target) in TARGETS.iter().enumerate() {
            let after = i64::try_from(place).unwrap_or(0) * 700 * MILLI;
            journal.say(
                at + 4 * SECOND + after,
                Facility::Daemon,
                systemd,
                format!("Reached target {target}."),
            );
        }
    }
    let listening = at + 6 * SECOND + 300 * MILLI;
    journal.say(listening, Facility::Auth, sshd, "Server listening on 0.0.0.0 port 22.");
    journal.say(listening + MILLI, Facility::Auth, sshd, "Server listening on :: port 22.");
    if !host.jobs.is_empty() {
        let name = if host.family == Family::RedHat { "crond" } else { "cron" };
        let cron = (name, Process::Service(Service::Cron));
        let started = at + 6 * SECOND + 90 * MILLI;
        journal.say(started, Facility::Cron, cron, "(CRON) INFO (pidfile fd = 3)");
        journal.say(started + 9 * MILLI, Facility::Cron, cron, "(CRON) INFO (Running @reboot jobs)");
    }
}

const TARGETS: [&str; 7] = [
    "local-fs.target - Local File Systems",
    "sysinit.target - System Initialization",
    "timers.target - Timer Units",
    "sockets.target - Socket Units",
    "basic.target - Basic System",
    "network-online.target - Network is Online",
    "multi-user.target - Multi-User System",
];

fn kernel_says(host: &Host<'_>, journal: &mut Journal, at: i64, kernel: &str) {
    let mut draw = host.draw("machine");
    let root = format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:06x}{:06x}",
        draw.below(u32::MAX),
        draw.below(0xffff),
        draw.below(0xfff),
        draw.below(0xfff),
        draw.below(0xff_ffff),
        draw.below(0xff_ffff)
    );
    let memory = [2, 4, 8, 8, 16][draw.index(5)] * 1024 * 1024;
    let used = 180_000 + draw.below(60_000);
    let lines = [
        (0, format!("Command line: BOOT_IMAGE=/boot/vmlinuz-{kernel} root=UUID={root} ro quiet")),
        (12_341, format!("Memory: {}K/{memory}K available", memory - used)),
        (904_225, "NET: Registered PF_INET6 protocol family".to_owned()),
        (1_331_870, "Run /init as init process".to_owned()),
        (
            2_208_113,
            "EXT4-fs (vda1): mounted filesystem with ordered data mode. Quota mode: none.".to_owned(),
        ),
        (3_914_557, "EXT4-fs (vda1): re-mounted. Quota mode: none.".to_owned()),
    ];
    for (place, (micros, text)) in lines.into_iter().enumerate() {
        let jitter = if micros == 0 { 0 } else { draw.below(9_000) };
        let micros: u32 = micros + jitter;
        let message = format!("[{:5}.{:06}] {text}", micros / 1_000_000, micros % 1_000_000);
        let after = i64::try_from(place).unwrap_or(0) * MILLI / 20;
        journal.say(at + after, Facility::Kernel, ("kernel", Process::Silent), message);
    }
}

fn cron(host: &Host<'_>, journal: &mut Journal, from: i64, until: i64) {
    let mut draw = host.draw("cron");
    let (daemon, inside, service) = match host.family {
        Family::RedHat => ("crond", "CROND", "crond"),
        Family::Debian | Family::Alpine => ("CRON", "CRON", "cron"),
    };
    // Of another user the line would have to bear a number that only the decoy knows.
    for job in host.jobs.iter().filter(|job| job.user == "root") {
        for due in job.due(host.zone, timestamp(from), timestamp(until)) {
            let at = instant(due) + SECOND + i64::from(draw.between(4_000, 190_000)) * 1000;
            let (outer, inner) = (journal.run(), journal.run());
            let opened =
                format!("pam_unix({service}:session): session opened for user root(uid=0) by (uid=0)");
            journal.say(at, Facility::Auth, (daemon, outer), opened);
            let command = format!("(root) CMD ({})", job.command);
            journal.say(at + MILLI, Facility::Cron, (inside, inner), command);
            let closed = format!("pam_unix({service}:session): session closed for user root");
            let lasts = 2 * MILLI + i64::from(draw.below(30_000)) * 1000;
            journal.say(at + lasts, Facility::Auth, (daemon, outer), closed);
        }
    }
}

/// Timers of a plain system: the unit, what it says it is, how many days lie between, and when in the day; `None` for
/// those that choose a time of their own each day.
const TIMERS: [(&str, &str, i64, Option<u32>); 7] = [
    ("logrotate.service", "Rotate log files", 1, Some(0)),
    ("dpkg-db-backup.service", "Daily dpkg database backup service", 1, Some(0)),
    ("systemd-tmpfiles-clean.service", "Cleanup of Temporary Directories", 1, Some(900)),
    ("man-db.service", "Daily man-db regeneration", 1, None),
    ("apt-daily.service", "Daily apt download activities", 1, None),
    ("apt-daily-upgrade.service", "Daily apt upgrade and clean activities", 1, Some(6 * 60 + 20)),
    ("fstrim.service", "Discard unused blocks on filesystems from /etc/fstab", 7, Some(45)),
];

fn timers(host: &Host<'_>, journal: &mut Journal, boots: &[i64], until: i64) {
    let mut draw = host.draw("timers");
    let Some(first) = boots.first() else { return };
    let systemd = ("systemd", Process::Service(Service::Systemd));
    for (unit, what, days, minute) in TIMERS {
        let of_debian = unit.starts_with("apt") || unit.starts_with("dpkg") || unit.starts_with("man");
        if of_debian && host.family != Family::Debian {
            continue;
        }
        let mut day = *first;
        while day < until {
            let minute = minute.unwrap_or_else(|| draw.below(24 * 60));
            let Some(due) = at_minute(host.zone, timestamp(day), minute) else { break };
            let at = instant(due) + i64::from(draw.below(40_000)) * MILLI;
            day = instant(due).max(day) + (days - 1) * DAY + DAY / 2;
            let is_down = boots.iter().any(|boot| at > boot - MINUTE && at < boot + MINUTE);
            if is_down {
                continue;
            }
            let lasts = i64::from(draw.between(30, 2_500)) * MILLI;
            journal.say(at, Facility::Daemon, systemd, format!("Starting {unit} - {what}..."));
            journal.say(at + lasts, Facility::Daemon, systemd, format!("{unit}: Deactivated successfully."));
            journal.say(
                at + lasts + MILLI / 4,
                Facility::Daemon,
                systemd,
                format!("Finished {unit} - {what}."),
            );
        }
    }
}

/// When logs are set aside between two instants, by the clock of the decoy: at midnight where a timer does it, else when
/// cron runs its daily jobs; on Sundays, or on the first of a month.
pub(super) fn rotations(host: &Host<'_>, every: Every, from: i64, until: i64) -> Vec<i64> {
    let minute = if host.systemd { 0 } else { 6 * 60 + 25 };
    let mut draw = host.draw("rotations");
    let mut all = Vec::new();
    let (mut date, last) =
        (host.zone.local(timestamp(from)).date(), host.zone.local(timestamp(until)).date());
    while date <= last && every != Every::Never {
        let jitter = i64::from(draw.between(300, 3_900)) * MILLI;
        let is_due = match every {
            Every::Day => true,
            Every::Week => date.weekday() == jiff::civil::Weekday::Sunday,
            Every::Month => date.day() == 1,
            Every::Never => false,
        };
        let at: Option<Timestamp> = host.zone.begin(date, minute).filter(|_| is_due);
        all.extend(at.map(|at| instant(at) + SECOND + jitter).filter(|at| *at > from && *at < until));
        let Ok(tomorrow) = date.tomorrow() else { break };
        date = tomorrow;
    }
    all
}
