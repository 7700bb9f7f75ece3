//! What kind of system keeps the records: read off the decoy, or a plain Debian where nothing is there yet.

use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;
use verisim_core::{DecoyPath, Owner};

use super::crontab::{Job, jobs};
use super::existing::Existing;
use crate::persona::{DecoyProfile, Persona, Role};
use crate::random::{Generator, Purpose, Seed};
use crate::world::{DecoyIndex, PersonaIndex, World};
use crate::zone::Zone;

/// How a line says when it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamps {
    /// `Nov 23 09:48:58`, as loggers did for forty years.
    Traditional,
    /// `2026-11-23T09:48:58.123456+00:00`, what rsyslog writes where it is not told otherwise.
    Iso,
}

/// The families of distributions that name and rotate their logs alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Debian,
    RedHat,
    /// `BusyBox`'s logger: everything in one file.
    Alpine,
}

/// How often logs are set aside, how many are kept, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keep {
    pub(super) every: Every,
    pub(super) count: usize,
    pub(super) compress: bool,
    pub(super) dated: bool,
}

/// How often logs are set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Every {
    Day,
    Week,
    Month,
    Never,
}

/// Somebody with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    /// Nobody of the world for root.
    pub(super) index: Option<PersonaIndex>,
    pub(super) login: String,
    pub(super) owner: Owner,
    pub(super) home: DecoyPath,
}

impl Person {
    pub(super) fn of(index: PersonaIndex, persona: &Persona) -> Self {
        let (login, home) = (persona.login.clone(), persona.home.clone());
        Self { index: Some(index), login, owner: persona.owner, home }
    }

    pub(super) fn root() -> Option<Self> {
        let home = DecoyPath::new("/root").ok()?;
        Some(Self { index: None, login: "root".to_owned(), owner: Owner::ROOT, home })
    }
}

/// The system of one decoy.
pub(super) struct Host<'w> {
    pub(super) world: &'w World,
    pub(super) decoy: DecoyIndex,
    pub(super) profile: &'w DecoyProfile,
    pub(super) existing: &'w Existing,
    pub(super) name: String,
    pub(super) zone: &'w Zone,
    pub(super) stamps: Stamps,
    pub(super) family: Family,
    /// The version of the distribution, before its first dot.
    pub(super) version: u32,
    /// Whether systemd runs the machine: it keeps boots and sessions.
    pub(super) systemd: bool,
    pub(super) sudo: bool,
    pub(super) jobs: Vec<Job>,
    /// How logs are rotated, and the records of logins.
    pub(super) logs_kept: Keep,
    pub(super) logins_kept: Keep,
    pub(super) seed: Seed,
}

impl<'w> Host<'w> {
    /// `None` for a decoy of another world.
    pub(super) fn of(world: &'w World, decoy: DecoyIndex, existing: &'w Existing) -> Option<Self> {
        let profile = world.decoy(decoy)?;
        let release = [existing.text("/etc/os-release"), existing.text("/usr/lib/os-release")].join("\n");
        let is_system = existing.is_a_system();
        let family = family(&release, existing);
        let version = field(&release, "VERSION_ID=")
            .and_then(|text| text.split('.').next().and_then(|first| first.parse().ok()));
        let version = version.unwrap_or(if family == Family::Debian { 12 } else { 9 });
        let seed = world.decoy_seed(decoy, Purpose::Records);
        let name = host_name(existing).unwrap_or_else(|| profile.name.to_string());
        let has = |paths: &[&str]| !is_system || existing.has(paths);
        let logs_kept =
            keep(existing, &["/etc/logrotate.d/rsyslog", "/etc/logrotate.conf"], is_system, family);
        Some(Self {
            world,
            decoy,
            profile,
            existing,
            name,
            zone: &profile.time_zone,
            stamps: stamps(existing, &release, family, version),
            family,
            version,
            systemd: has(&["/usr/lib/systemd/systemd", "/lib/systemd/systemd"]),
            sudo: has(&["/usr/bin/sudo"]),
            jobs: jobs(existing, is_system),
            logs_kept,
            logins_kept: keep_of_logins(existing),
            seed,
        })
    }

    /// A generator for one purpose of the records of this decoy.
    pub(super) fn draw(&self, what: &str) -> Generator {
        Generator::new(self.seed.text(what))
    }

    /// Who works there, in the order of the configuration.
    pub(super) fn people(&self) -> impl Iterator<Item = (PersonaIndex, &'w Persona)> + use<'w> {
        let world = self.world;
        let seated = world.seats().of_decoy(self.decoy).iter();
        seated.filter_map(|(persona, _)| Some((*persona, world.persona(*persona)?)))
    }

    pub(super) fn is_administrator(&self, persona: PersonaIndex) -> bool {
        self.world.persona(persona).is_some_and(|persona| Role::of(&persona.role) == Role::Administrator)
    }

    /// Whether a program can be taken to be there: it is, or nothing is there at all yet.
    pub(super) fn offers(&self, path: &str) -> bool {
        !self.existing.is_a_system() || self.existing.has(&[path])
    }

    /// The largest process number: systemd raises it on machines of 64 bits.
    pub(super) const fn pid_max(&self) -> u32 {
        if self.systemd { 4_194_304 } else { 32_768 }
    }

    /// Who owns logs, and with which mode they are made.
    pub(super) fn of_logs(&self) -> (Owner, u32) {
        match self.family {
            Family::Debian => (Owner { uid: 0, gid: self.group("adm", 4) }, 0o640),
            Family::RedHat => (Owner::ROOT, 0o600),
            Family::Alpine => (Owner::ROOT, 0o640),
        }
    }

    /// Who owns the records of logins.
    pub(super) fn of_logins(&self) -> Owner {
        Owner { uid: 0, gid: self.group("utmp", if self.family == Family::Debian { 43 } else { 22 }) }
    }

    /// The number of a system group.
    pub(super) fn group(&self, name: &str, usual: u32) -> u32 {
        let groups = self.existing.text("/etc/group");
        let found = groups.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
        });
        found.unwrap_or(usual)
    }

    /// The program that serves a connection of ssh.
    pub(super) const fn sshd(&self) -> &'static str {
        // OpenSSH 9.8 split it off; Debian 13 and RHEL 10 have that.
        let since = if matches!(self.family, Family::Debian) { 13 } else { 10 };
        if self.version >= since && self.version < 20 { "sshd-session" } else { "sshd" }
    }

    /// The address of the machine on a persona's desk: the same wherever the persona goes, next to the decoys.
    pub(super) fn desk_address(&self, person: &Person) -> IpAddr {
        let net = self.office();
        let seed = self.person_seed(person).text("desk");
        let last = u8::try_from(20 + seed.number() % 220).unwrap_or(20);
        IpAddr::V4(Ipv4Addr::new(net[0], net[1], net[2], last))
    }

    /// What is drawn for somebody, the same on every decoy.
    pub(super) fn person_seed(&self, person: &Person) -> Seed {
        match person.index {
            Some(index) => self.world.persona_seed(index, Purpose::Records),
            None => self.world.seed(Purpose::Records).text("root"),
        }
    }

    /// The address of another decoy: the one that is known, else one in the office's network.
    pub(super) fn decoy_address(&self, decoy: DecoyIndex) -> IpAddr {
        let known = self.world.decoy(decoy).and_then(|decoy| self.existing.peers.get(&decoy.name));
        known.copied().unwrap_or_else(|| {
            let net = self.office();
            let seed = self.world.decoy_seed(decoy, Purpose::Records).text("address");
            let last = u8::try_from(10 + seed.number() % 240).unwrap_or(10);
            IpAddr::V4(Ipv4Addr::new(net[0], net[1], net[2] ^ 1, last))
        })
    }

    /// The network in which people sit: private, beside that of the decoys where this is known, the same for all of them.
    pub(super) fn office(&self) -> [u8; 3] {
        let mut draw = Generator::new(self.world.seed(Purpose::Records).text("office"));
        let private = |address: &IpAddr| match address {
            IpAddr::V4(address) if address.is_private() => Some(address.octets()),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        };
        let known = self.existing.peers.values().chain(&self.existing.addresses);
        let nets: Vec<[u8; 4]> = known.filter_map(private).collect();
        let third = u8::try_from(draw.between(2, 120) * 2).unwrap_or(10);
        match nets.iter().min() {
            Some([first, second, ..]) => {
                let taken = |third: u8| nets.iter().any(|net| net[2] == third || net[2] == third ^ 1);
                let free = (0..=120_u8).map(|step| third.wrapping_add(step * 2)).find(|third| !taken(*third));
                [*first, *second, free.unwrap_or(third)]
            }
            None => [10, u8::try_from(draw.between(1, 250)).unwrap_or(1), third],
        }
    }

    /// The host that backups are kept on, which is only mentioned.
    pub(super) fn backup_host(&self) -> String {
        let number = self.world.seed(Purpose::Records).text("backup").number();
        let names = ["backup", "bkp", "vault", "archive", "nas", "store"];
        let place = usize::try_from(number % 6).unwrap_or(0);
        format!("{}{:02}", names.get(place).copied().unwrap_or("backup"), 1 + number / 6 % 4)
    }

    /// A kernel's release at the `back`th boot before the last one.
    pub(super) fn kernel(&self, back: u32) -> String {
        let number = u32::try_from(self.seed.text("kernel").number() % 9).unwrap_or(0);
        // It comes from the decoy, and goes into its logs.
        let is_release = |text: &&String| {
            text.len() <= 64
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-~".contains(&byte))
        };
        let known = self.existing.kernel.as_ref().filter(is_release).cloned();
        let newest = known.unwrap_or_else(|| match (self.family, self.version) {
            (Family::Debian, ..=11) => format!("5.10.0-{}-amd64", 26 + number),
            (Family::Debian, 20..) => format!("6.8.0-{}-generic", 45 + number),
            (Family::Debian, _) => format!("6.1.0-{}-amd64", 28 + number),
            (Family::RedHat, _) => format!("5.14.0-{}.el9.x86_64", 427 + number),
            (Family::Alpine, _) => format!("6.6.{}-0-lts", 40 + number),
        });
        // Each start may bring what was installed since the one before.
        let mut parts: Vec<String> = newest.split('-').map(str::to_owned).collect();
        if let Some(build) = parts.get_mut(1)
            && let Ok(number) = build.parse::<u32>()
        {
            *build = number.saturating_sub(back).max(1).to_string();
        }
        parts.join("-")
    }
}

/// The value of a field of `os-release`.
fn field<'t>(release: &'t str, key: &str) -> Option<&'t str> {
    release.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim().trim_matches('"'))
}

fn family(release: &str, existing: &Existing) -> Family {
    let like = [field(release, "ID="), field(release, "ID_LIKE=")].map(Option::unwrap_or_default).join(" ");
    let speaks_of = |words: &[&str]| words.iter().any(|word| like.contains(word));
    if speaks_of(&["debian", "ubuntu"]) {
        Family::Debian
    } else if speaks_of(&["rhel", "fedora", "centos", "rocky", "alma", "suse"]) {
        Family::RedHat
    } else if speaks_of(&["alpine"]) {
        Family::Alpine
    } else if existing.has(&["/var/log/secure", "/var/lib/rpm"]) {
        Family::RedHat
    } else {
        Family::Debian
    }
}

/// The first label of the name that the decoy gives itself.
fn host_name(existing: &Existing) -> Option<String> {
    let text = existing.text("/etc/hostname");
    let name = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let label = name.split('.').next()?;
    let is_name = !label.is_empty()
        && label.len() <= 63
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_name.then(|| label.to_owned())
}

fn stamps(existing: &Existing, release: &str, family: Family, version: u32) -> Stamps {
    let logs = ["/var/log/auth.log", "/var/log/syslog", "/var/log/secure", "/var/log/messages"];
    let written = logs.iter().find_map(|log| existing.text(log).lines().last().map(str::to_owned));
    if let Some(first) = written.as_deref().and_then(|line| line.bytes().next()) {
        return if first.is_ascii_digit() { Stamps::Iso } else { Stamps::Traditional };
    }
    let config = existing.text("/etc/rsyslog.conf");
    let mut lines = config.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    if lines.any(|line| line.contains("RSYSLOG_TraditionalFileFormat")) || family != Family::Debian {
        return Stamps::Traditional;
    }
    let since = if release.contains("ubuntu") { 24 } else { 12 };
    if version >= since { Stamps::Iso } else { Stamps::Traditional }
}

/// How logrotate is told to keep logs. Without it they grow for ever; a plain Debian keeps four weeks.
fn keep(existing: &Existing, configs: &[&str], is_system: bool, family: Family) -> Keep {
    let config = configs.iter().map(|path| existing.text(path)).find(|text| !text.is_empty());
    let usual = Keep {
        every: Every::Week,
        count: 4,
        compress: family == Family::Debian,
        dated: family == Family::RedHat,
    };
    let Some(config) = config else {
        let never = is_system && !existing.has(&["/usr/sbin/logrotate"]);
        return if never { Keep { every: Every::Never, ..usual } } else { usual };
    };
    rotation(&config, usual)
}

/// The records of logins are only set aside where logrotate is told so.
fn keep_of_logins(existing: &Existing) -> Keep {
    let usual = Keep { every: Every::Never, count: 1, compress: false, dated: false };
    let main = existing.text("/etc/logrotate.conf");
    let config = existing.text("/etc/logrotate.d/wtmp");
    let config = if config.is_empty() {
        main.split_once("/var/log/wtmp")
            .map_or_else(String::new, |(_, rest)| rest.split('}').next().unwrap_or_default().to_owned())
    } else {
        config
    };
    if config.is_empty() { usual } else { rotation(&config, Keep { every: Every::Month, ..usual }) }
}

fn rotation(config: &str, usual: Keep) -> Keep {
    let mut keep = usual;
    for line in config.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        match line {
            "daily" => keep.every = Every::Day,
            "weekly" => keep.every = Every::Week,
            "monthly" => keep.every = Every::Month,
            "compress" => keep.compress = true,
            "nocompress" => keep.compress = false,
            "dateext" => keep.dated = true,
            _ => {
                let count = line.strip_prefix("rotate ").and_then(|count| count.trim().parse().ok());
                keep.count = count.map_or(keep.count, |count: usize| count.min(60));
            }
        }
    }
    keep
}

/// The first instant at or after `at` at which the wall shows this minute of a day.
pub(super) fn at_minute(zone: &Zone, at: Timestamp, minute: u32) -> Option<Timestamp> {
    let date = zone.local(at).date();
    let today = zone.begin(date, minute)?;
    if today >= at { Some(today) } else { zone.begin(date.tomorrow().ok()?, minute) }
}
