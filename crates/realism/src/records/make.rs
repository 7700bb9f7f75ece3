//! The records of a past, put together.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use verisim_core::Owner;

use super::accounts::{Account, Accounts, accounts};
use super::commands::Hands;
use super::existing::Existing;
use super::histories::{Block, History, history, keeps_times, skeleton, usual_skeleton};
use super::host::{Every, Host, Keep, Person};
use super::journal::{Journal, Told};
use super::keys;
use super::lived::{SECOND, Sitting, sittings};
use super::logins::Logins;
use super::place::{Desk, Wanted};
use super::services::{boots, rotations};
use super::tables::{Fit, fit, place_last, place_logins, place_utmp};
use super::typing::Typed;
use super::utmp::LastLogin;
use super::{Records, Story, live, logs, services, story};
use crate::day::instant;
use crate::world::{DecoyIndex, World};

/// How far before the past the logs of the system itself reach.
const BEFORE: i64 = 35 * 86_400 * SECOND;

/// The records that the sessions from `from` up to `until` leave on a decoy, with the story of how its files came to be there.
/// `from` and `until` are those of the past whose files are planted: then every edit in it lies in a session here. What is there
/// already (`existing`) is merged with, added to, or left alone. Nothing for a decoy of another world.
///
/// Pure: the same input gives the same bytes.
#[must_use]
pub fn records(
    world: &Arc<World>,
    decoy: DecoyIndex,
    existing: &Existing,
    from: Timestamp,
    until: Timestamp,
    story: &Story,
) -> Records {
    let Some(host) = Host::of(world, decoy, existing) else { return Records::default() };
    let accounts = accounts(&host, from);
    let sittings = interrupted(&host, sittings(world, decoy, from, until));
    let mut sat = sat(&host, &accounts, sittings);
    let telling = story::telling(&host, &accounts, story);
    let teller = telling.as_ref().map(|telling| telling.person.clone());
    if let Some(telling) = telling {
        sat.push(Sat { person: telling.person, sitting: telling.sitting, typed: telling.typed });
        sat.sort_by_key(|one| one.sitting.from);
    }
    let edited = edit_settings(&host, &mut sat);
    let end = instant(until).max(story.ends() + 20 * SECOND);
    let Tale { told, last, begin, session } = tell(&host, &sat, instant(from), end);
    let mut desk = Desk::new(existing, host.seed, end);
    place_accounts(&mut desk, &accounts, end);
    place_homes(&mut desk, &host, &accounts, &edited);
    place_keys(&mut desk, &host, &accounts, teller.as_ref());
    place_logs(&mut desk, &host, &told, begin, end);
    place_logins(&mut desk, &host, ("wtmp", 0o664), &told.wtmp, (begin, end));
    place_logins(&mut desk, &host, ("btmp", 0o660), &told.btmp, (begin, end));
    place_last(&mut desk, &host, &last);
    place_utmp(&mut desk, &host, &told.wtmp);
    place_histories(&mut desk, &host, &accounts, sat);
    desk.out.keeping = live::keeping(&host, &desk.out.files, &told.pids, session);
    desk.out
}

/// A session with who had it and what was typed in it.
struct Sat {
    person: Person,
    sitting: Sitting,
    typed: Vec<Typed>,
}

/// When the machine was really started is not ours to choose: who was there then came back after it.
fn interrupted(host: &Host<'_>, sittings: Vec<Sitting>) -> Vec<Sitting> {
    let Some(boot) = host.existing.booted.map(instant) else { return sittings };
    let (down, up) = (boot - 60 * SECOND, boot + 75 * SECOND);
    let mut out = Vec::with_capacity(sittings.len());
    for mut one in sittings {
        let is_cut = one.from < up && one.to > down;
        if is_cut && one.to > up + 30 * SECOND {
            let deeds = one.deeds.split_off(one.deeds.partition_point(|deed| deed.at < up));
            out.push(Sitting { from: up.max(one.from), to: one.to, deeds, ..one.clone() });
        }
        one.to = if is_cut { one.to.min(down) } else { one.to };
        if one.to > one.from + 5 * SECOND {
            out.push(one);
        }
    }
    out.sort_by_key(|one| (one.from, one.persona));
    out
}

/// Sessions of those who have an account there, with their commands.
fn sat(host: &Host<'_>, accounts: &Accounts, sittings: Vec<Sitting>) -> Vec<Sat> {
    let known: BTreeMap<_, &Account> =
        accounts.accounts.iter().map(|account| (account.index, account)).collect();
    let mut hands = BTreeMap::new();
    let mut out = Vec::with_capacity(sittings.len());
    for sitting in sittings {
        let Some((account, persona)) = known.get(&sitting.persona).zip(host.world.persona(sitting.persona))
        else {
            continue;
        };
        let hand = hands.entry(sitting.persona).or_insert_with(|| Hands::new(host, sitting.persona, persona));
        let typed = hand.session(host, &sitting);
        out.push(Sat { person: account.person.clone(), sitting, typed });
    }
    out
}

/// Who has the shell keep times told it so, in the first session. Answers when, by user.
fn edit_settings(host: &Host<'_>, sat: &mut [Sat]) -> BTreeMap<u32, i64> {
    let mut out = BTreeMap::new();
    for one in sat {
        let uid = one.person.owner.uid;
        if one.person.index.is_none() || out.contains_key(&uid) || !keeps_times(host, &one.person) {
            continue;
        }
        let (from, to) = (one.sitting.from, one.sitting.to);
        let at = from + (to - from) / 3;
        let saved = at + ((to - from) / 4).min(25 * SECOND);
        let place = one.typed.partition_point(|typed| typed.at <= at);
        let editor = one
            .typed
            .iter()
            .find_map(|typed| typed.text.split(' ').next().filter(|name| EDITORS.contains(name)));
        let text = format!("{} ~/.bashrc", editor.unwrap_or("vi"));
        one.typed.insert(place, Typed { at, text, as_root: None, is_long: false });
        out.insert(uid, saved);
    }
    out
}

const EDITORS: [&str; 4] = ["vim", "nano", "emacs", "vi"];

/// Everything that happened, in the order of time.
struct Tale {
    told: Told,
    /// The last logins, by user.
    last: BTreeMap<u32, LastLogin>,
    /// Since when.
    begin: i64,
    /// The number of the last session.
    session: u32,
}

fn tell(host: &Host<'_>, sat: &[Sat], from: i64, end: i64) -> Tale {
    let mut journal = Journal::default();
    let sittings: Vec<Sitting> = sat.iter().map(|one| one.sitting.clone()).collect();
    let boots = boots(host, &sittings, from, end);
    let begin = boots.first().copied().unwrap_or(from).max(from - BEFORE);
    let rotated = rotations(host, host.logs_kept.every, begin, end);
    services::tell(host, &mut journal, &boots, &rotated, begin, end);
    let mut logins = Logins::new(host, &boots);
    for one in sat {
        logins.tell(&mut journal, &one.person, &one.sitting, &one.typed);
    }
    logins.finish(&mut journal);
    let (last, session) = (std::mem::take(&mut logins.last), logins.session);
    Tale { told: journal.tell(host, end), last, begin, session }
}

fn place_accounts(desk: &mut Desk<'_>, accounts: &Accounts, end: i64) {
    for table in &accounts.tables {
        let same = desk.there(table.path).is_some_and(|there| there.body.as_bytes() == table.body.as_bytes());
        if !same {
            desk.rewrite(Wanted {
                path: table.path.to_owned(),
                body: table.body.clone().into_bytes(),
                mode: table.mode,
                owner: table.owner,
                changed: accounts.changed.unwrap_or(end),
                why: "accounts and groups of the people who work there".to_owned(),
            });
        }
    }
    for misfit in &accounts.misfits {
        desk.leave("/etc/passwd", misfit.clone());
    }
}

fn below(person: &Person, name: &str) -> String {
    format!("{}/{name}", String::from_utf8_lossy(person.home.as_bytes()))
}

/// What a new home begins with.
fn place_homes(desk: &mut Desk<'_>, host: &Host<'_>, accounts: &Accounts, edited: &BTreeMap<u32, i64>) {
    // Where nothing was installed, what homes begin with has to come from somewhere.
    let is_blank = !host.existing.is_a_system() && accounts.changed.is_some();
    for (name, body) in usual_skeleton(host).into_iter().filter(|_| is_blank) {
        let path = format!("/etc/skel/{name}");
        if !desk.is_taken(&path) {
            let why = "new homes begin with it".to_owned();
            let (body, owner) = (body.into_bytes(), Owner::ROOT);
            desk.new_file(Wanted { path, body, mode: 0o644, owner, changed: accounts.installed, why });
        }
    }
    for account in accounts.accounts.iter().filter(|account| !account.is_old) {
        let mut draw = host.draw(&account.person.login);
        let mut made = account.made;
        for (name, body) in skeleton(host, &account.person) {
            made += i64::from(draw.between(90_000, 900_000));
            let edited = edited.get(&account.person.owner.uid).copied().filter(|_| name == ".bashrc");
            let path = below(&account.person, name);
            if !desk.is_taken(&path) {
                desk.new_file(Wanted {
                    path,
                    body: body.into_bytes(),
                    mode: 0o644,
                    owner: account.person.owner,
                    changed: edited.unwrap_or(made),
                    why: format!("a home of {} begins with it", account.person.login),
                });
            }
        }
    }
}

/// By whose keys people log in, where none is there: of those that log in with one.
fn place_keys(desk: &mut Desk<'_>, host: &Host<'_>, accounts: &Accounts, told: Option<&Person>) {
    let own = accounts.accounts.iter().map(|account| (&account.person, account.made));
    let root = told.filter(|person| person.index.is_none()).map(|person| (person, accounts.installed));
    for (person, made) in own.chain(root).filter(|(person, _)| keys::knows_key(host, person)) {
        let path = below(person, keys::AUTHORIZED);
        if desk.is_taken(&path) {
            continue;
        }
        let mut draw = host.draw(&person.login);
        desk.new_file(Wanted {
            path,
            body: keys::authorized(host, person).into_bytes(),
            mode: 0o600,
            owner: person.owner,
            changed: made
                + i64::from(draw.between(200, 3000)) * SECOND
                + i64::from(draw.below(1_000_000_000)),
            why: format!("{} logs in with a key", person.login),
        });
    }
}

fn place_logs(desk: &mut Desk<'_>, host: &Host<'_>, told: &Told, from: i64, end: i64) {
    let (owner, mode) = host.of_logs();
    for file in logs::files(host) {
        let path = format!("/var/log/{}", file.name);
        let there = desk.there(&path).filter(|there| !there.body.as_bytes().is_empty());
        let (mut keep, mut rest) = (host.logs_kept, None);
        if let Some(there) = there {
            let ours = logs::generations(host, file, &told.lines, keep, (from, end), None);
            let ours = ours.first().map(|first| first.first).zip(ours.last().map(|last| last.last));
            let theirs = logs::span(there.body.as_bytes(), there.mtime, host.zone);
            match fit(theirs.filter(|_| there.is_whole), ours) {
                Fit::Behind => keep = Keep { every: Every::Never, ..keep },
                Fit::Before(at) => rest = Some(at),
                Fit::Not => {
                    desk.leave(&path, "has lines of the same time as ours, so none are added: let the past end before the first of them");
                    continue;
                }
            }
        }
        let all = logs::generations(host, file, &told.lines, keep, (from, end), rest);
        let taken =
            all.iter().find(|one| !one.suffix.is_empty() && desk.is_taken(&format!("{path}{}", one.suffix)));
        if let Some(taken) = taken {
            let what =
                format!("{path}{} is there already, so no lines are added to any of them", taken.suffix);
            desk.leave(&path, what);
            continue;
        }
        for one in all {
            let wanted = Wanted {
                path: format!("{path}{}", one.suffix),
                body: one.body,
                mode,
                owner,
                changed: one.last,
                why: "what the sessions and services of the past wrote into the log".to_owned(),
            };
            if one.suffix.is_empty() { desk.append(wanted) } else { desk.new_file(wanted) }
        }
    }
}

fn place_histories(desk: &mut Desk<'_>, host: &Host<'_>, accounts: &Accounts, sat: Vec<Sat>) {
    let mut blocks: BTreeMap<u32, (Person, Vec<Block>)> = BTreeMap::new();
    for Sat { person, sitting, typed } in sat {
        let all = &mut blocks.entry(person.owner.uid).or_insert_with(|| (person, Vec::new())).1;
        all.push(Block { ended: sitting.to - SECOND / 100, typed });
    }
    for (person, blocks) in blocks.into_values() {
        let account = accounts.accounts.iter().find(|account| account.person == person);
        if account.is_some_and(|account| !account.shell.ends_with("bash")) {
            continue;
        }
        let first = blocks.iter().flat_map(|block| &block.typed).map(|typed| typed.at).min();
        let Some(History { body, written }) = history(host, &person, blocks) else { continue };
        let path = below(&person, ".bash_history");
        let later =
            desk.there(&path).is_some_and(|there| first.is_none_or(|first| instant(there.mtime) > first));
        if later {
            desk.leave(&path, "was written to after the first session of ours, so nothing is added");
            continue;
        }
        let why = format!("what {} typed in the sessions of the past", person.login);
        let owner: Owner = person.owner;
        desk.append(Wanted { path, body: body.into_bytes(), mode: 0o600, owner, changed: written, why });
    }
}
