//! Accounts and groups of the people who work on a decoy, merged with those that are there.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;
use verisim_core::Owner;

use super::base::{GROUPS, SYSTEM};
use super::existing::Existing;
use super::host::{Family, Host, Person};
use super::keys::knows_key;
use crate::day::{instant, timestamp};
use crate::persona::Persona;
use crate::random::{Generator, whole};
use crate::world::PersonaIndex;

/// A file of accounts as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) path: &'static str,
    pub(super) body: String,
    pub(super) mode: u32,
    pub(super) owner: Owner,
}

/// An account that is there now, or will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) person: Person,
    pub(super) index: PersonaIndex,
    /// When it was made, for one that is ours.
    pub(super) made: i64,
    /// What is started at a login.
    pub(super) shell: String,
    /// Whether it was there before.
    pub(super) is_old: bool,
}

/// Accounts, the files that hold them, and what does not fit.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    pub(super) accounts: Vec<Account>,
    pub(super) tables: Vec<Table>,
    /// When the last account was made; `None` where none is new.
    pub(super) changed: Option<i64>,
    pub(super) misfits: Vec<String>,
    /// When the system was installed.
    pub(super) installed: i64,
}

/// The tables while accounts are added.
struct Work {
    passwd: String,
    shadow: String,
    group: String,
    gshadow: String,
    subuid: String,
    subgid: String,
}

/// The accounts of a decoy's people, with the files as they shall be. Nobody who is there is changed.
pub(super) fn accounts(host: &Host<'_>, from: Timestamp) -> Accounts {
    let existing = host.existing;
    let unreadable = unreadable(existing);
    if !unreadable.is_empty() {
        return Accounts { misfits: unreadable, ..Accounts::default() };
    }
    let installed = installed(host, from);
    let mut work = Work::of(existing, installed);
    let mut out = Accounts { installed, ..Accounts::default() };
    let mut people: Vec<(PersonaIndex, &Persona)> = host.people().collect();
    people.sort_by_key(|(_, persona)| (persona.owner.uid, persona.login.clone()));
    let shell =
        if host.offers("/bin/bash") || host.offers("/usr/bin/bash") { "/bin/bash" } else { "/bin/sh" };
    for (index, persona) in people {
        match known(&work.passwd, persona) {
            Known::As(shell) => {
                let person = Person::of(index, persona);
                out.accounts.push(Account { person, index, made: installed, shell, is_old: true });
            }
            Known::Otherwise(what) => out.misfits.push(what),
            Known::Not => match gid_fits(&work.group, persona) {
                Err(what) => out.misfits.push(what),
                Ok(()) => {
                    let account = made(host, index, persona, installed, from, shell);
                    out.changed = Some(out.changed.map_or(account.made, |at| at.max(account.made)));
                    work.add(host, &account, persona);
                    out.accounts.push(account);
                }
            },
        }
    }
    if out.changed.is_some() {
        let administrators =
            out.accounts.iter().filter(|account| !account.is_old && host.is_administrator(account.index));
        let group = if host.family == Family::Debian { "sudo" } else { "wheel" };
        for account in administrators.map(|account| account.person.login.clone()).collect::<Vec<_>>() {
            join(&mut work.group, group, &account, 3);
            join(&mut work.gshadow, group, &account, 3);
        }
        out.tables = work.tables(host);
    }
    out
}

/// Tables that cannot be added to without the risk of changing what others wrote.
fn unreadable(existing: &Existing) -> Vec<String> {
    let tables = ["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid"];
    let bad = tables.into_iter().filter(|path| {
        existing
            .file(path)
            .is_some_and(|file| !file.is_whole || std::str::from_utf8(file.body.as_bytes()).is_err())
    });
    let told = |path| {
        format!(
            "{path} is too long, or is no UTF-8, so no account is made and no records are written: mend that file first"
        )
    };
    bad.map(told).collect()
}

/// When the system was installed, in nanoseconds: some weeks to years before the past begins.
fn installed(host: &Host<'_>, from: Timestamp) -> i64 {
    let mut draw = host.draw("installed");
    let days = 20.0 + draw.lognormal(160.0, 0.8).min(1200.0);
    instant(from) - i64::try_from(whole(days * 86_400e9)).unwrap_or(0)
}

/// An account that was made for somebody at some working hour between the installation and the past.
fn made(
    host: &Host<'_>,
    index: PersonaIndex,
    persona: &Persona,
    installed: i64,
    from: Timestamp,
    shell: &str,
) -> Account {
    let person = Person::of(index, persona);
    let mut draw = Generator::new(host.person_seed(&person).text("account").text(host.profile.name.as_str()));
    let days = instant(from).saturating_sub(installed) / 86_400_000_000_000;
    let day = i64::from(draw.below(u32::try_from(days - 1).unwrap_or(1).max(1)));
    let date = host.zone.local(timestamp(installed + day * 86_400_000_000_000)).date();
    let minute = draw.between(8 * 60, 16 * 60 + 40);
    let at = host.zone.begin(date, minute).map_or(installed, instant);
    let made = (at + i64::from(draw.below(60_000)) * 1_000_000 + i64::from(draw.below(1_000_000)))
        .clamp(installed, instant(from) - 3_600_000_000_000);
    Account { person, index, made, shell: shell.to_owned(), is_old: false }
}

/// What the table of accounts says of somebody.
enum Known {
    /// The account is there, with this shell.
    As(String),
    /// Something is there that does not fit.
    Otherwise(String),
    Not,
}

fn known(passwd: &str, persona: &Persona) -> Known {
    let home = String::from_utf8_lossy(persona.home.as_bytes()).into_owned();
    for line in passwd.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [login, _, uid, gid, _, its_home, shell, ..] = fields.as_slice() else { continue };
        let is_uid = uid.parse() == Ok(persona.owner.uid);
        if *login == persona.login {
            let fits = is_uid && gid.parse() == Ok(persona.owner.gid) && *its_home == home;
            return if fits {
                Known::As((*shell).to_owned())
            } else {
                Known::Otherwise(format!(
                    "the account {login} is there with uid {uid}, gid {gid} and home {its_home}, where the persona {} has {}, {} \
                     and {home}: give the persona these numbers, or another login",
                    persona.name, persona.owner.uid, persona.owner.gid
                ))
            };
        }
        if is_uid {
            return Known::Otherwise(format!(
                "uid {uid} of the persona {} belongs to the account {login} there: give the persona another uid",
                persona.name
            ));
        }
    }
    Known::Not
}

/// A group of the persona's name must have its number, and its number no other name.
fn gid_fits(group: &str, persona: &Persona) -> Result<(), String> {
    for line in group.lines() {
        let mut fields = line.split(':');
        let (name, gid) =
            (fields.next().unwrap_or_default(), fields.nth(1).and_then(|gid| gid.parse::<u32>().ok()));
        if name == persona.login && gid != Some(persona.owner.gid) {
            let gid = gid.unwrap_or(0);
            return Err(format!(
                "the group {name} is there with gid {gid}, where the persona {} has {}: give the persona that gid",
                persona.name, persona.owner.gid
            ));
        }
    }
    Ok(())
}

impl Work {
    fn of(existing: &Existing, installed: i64) -> Self {
        let text = |path: &str| {
            let mut text = existing.text(path);
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text
        };
        let (passwd, group) = (text("/etc/passwd"), text("/etc/group"));
        let mut work = Self {
            shadow: text("/etc/shadow"),
            gshadow: text("/etc/gshadow"),
            subuid: text("/etc/subuid"),
            subgid: text("/etc/subgid"),
            passwd,
            group,
        };
        if work.passwd.is_empty() {
            let day = installed.div_euclid(86_400_000_000_000);
            for (login, uid, gid, what, home, shell) in SYSTEM {
                let _ = writeln!(work.passwd, "{login}:x:{uid}:{gid}:{what}:{home}:{shell}");
                let lock = if login == "sshd" { "!" } else { "*" };
                let _ = writeln!(work.shadow, "{login}:{lock}:{day}:0:99999:7:::");
            }
        }
        if work.group.is_empty() {
            for (name, gid) in GROUPS {
                let _ = writeln!(work.group, "{name}:x:{gid}:");
                let _ = writeln!(work.gshadow, "{name}:*::");
            }
        }
        work
    }

    fn add(&mut self, host: &Host<'_>, account: &Account, persona: &Persona) {
        let (login, Owner { uid, gid }) = (&persona.login, persona.owner);
        let home = String::from_utf8_lossy(persona.home.as_bytes()).into_owned();
        // What would end a field, or the line, has no place in a name.
        let name: String = persona
            .full_name
            .chars()
            .filter(|letter| !letter.is_control() && !":,".contains(*letter))
            .collect();
        let gecos = if host.family == Family::Debian { format!("{name},,,") } else { name };
        let _ = writeln!(self.passwd, "{login}:x:{uid}:{gid}:{gecos}:{home}:{}", account.shell);
        let (password, day) = password(host, account);
        let _ = writeln!(self.shadow, "{login}:{password}:{day}:0:99999:7:::");
        let has_group =
            self.group.lines().any(|line| line.split(':').nth(2).is_some_and(|its| its.parse() == Ok(gid)));
        if !has_group {
            let _ = writeln!(self.group, "{login}:x:{gid}:");
            let _ = writeln!(self.gshadow, "{login}:!::");
        }
        for table in [&mut self.subuid, &mut self.subgid] {
            let taken = table.lines().filter_map(|line| {
                let mut numbers = line.split(':').skip(1).map(|number| number.parse::<u64>().ok());
                Some(numbers.next()??.saturating_add(numbers.next()??))
            });
            let next = taken.max().unwrap_or(100_000).clamp(100_000, 4_000_000_000);
            if !table.lines().any(|line| line.split(':').next() == Some(login)) {
                let _ = writeln!(table, "{login}:{next}:65536");
            }
        }
    }

    /// The files that hold accounts: those that are there, all of them where nothing is.
    fn tables(self, host: &Host<'_>) -> Vec<Table> {
        let shadow =
            Owner { uid: 0, gid: host.group("shadow", if host.family == Family::Debian { 42 } else { 0 }) };
        let (secret, owner) = match host.family {
            Family::Debian | Family::Alpine => (0o640, shadow),
            Family::RedHat => (0o000, Owner::ROOT),
        };
        let all = [
            ("/etc/group", self.group, 0o644, Owner::ROOT),
            ("/etc/gshadow", self.gshadow, secret, owner),
            ("/etc/passwd", self.passwd, 0o644, Owner::ROOT),
            ("/etc/shadow", self.shadow, secret, owner),
            ("/etc/subuid", self.subuid, 0o644, Owner::ROOT),
            ("/etc/subgid", self.subgid, 0o644, Owner::ROOT),
        ];
        // A system without one of them does without it for a reason.
        let is_system = host.existing.is_a_system() || host.existing.has(&["/etc/passwd"]);
        let wanted = |path: &str| {
            !is_system || host.existing.has(&[path]) || path == "/etc/passwd" || path == "/etc/group"
        };
        let all = all.into_iter().filter(|(path, ..)| wanted(path));
        all.map(|(path, body, mode, owner)| Table { path, body, mode, owner }).collect()
    }
}

/// Adds somebody to the members of a group, which are the field of this number.
fn join(table: &mut String, group: &str, login: &str, field: usize) {
    let mut out = String::with_capacity(table.len() + login.len() + 1);
    for line in table.lines() {
        let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
        if fields.first().is_some_and(|name| name == group)
            && let Some(members) = fields.get_mut(field)
        {
            let names: BTreeSet<&str> = members.split(',').collect();
            if !names.contains(login) {
                *members = if members.is_empty() { login.to_owned() } else { format!("{members},{login}") };
            }
        }
        out.push_str(&fields.join(":"));
        out.push('\n');
    }
    *table = out;
}

/// A hash that no password has, as the system would have written one, and the day on which it was set, counted from 1970.
/// Who only logs in with a key mostly has none.
fn password(host: &Host<'_>, account: &Account) -> (String, i64) {
    let mut draw =
        Generator::new(host.person_seed(&account.person).text("password").text(host.profile.name.as_str()));
    let day = account.made.div_euclid(86_400_000_000_000);
    let is_administrator = host.is_administrator(account.index);
    if knows_key(host, &account.person) && !is_administrator && draw.percent(60) {
        return (if host.family == Family::RedHat { "!!" } else { "!" }.to_owned(), day);
    }
    // The letters of crypt; the last one of each part holds only what is left of its bits.
    let mut letters = |count: usize, last: usize| -> String {
        const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let all = (0..count).map(|place| if place + 1 == count { draw.index(last) } else { draw.index(64) });
        all.map(|letter| char::from(LETTERS[letter % 64])).collect()
    };
    let is_yescrypt = match host.family {
        Family::Debian => host.version >= 11,
        Family::RedHat | Family::Alpine => false,
    };
    let hash = if is_yescrypt {
        format!("$y$j9T${}${}", letters(22, 4), letters(43, 16))
    } else {
        format!("$6${}${}", letters(16, 64), letters(86, 4))
    };
    (hash, day)
}
