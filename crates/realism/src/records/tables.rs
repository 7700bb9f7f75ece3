//! The tables of logins, as they meet what is there: wtmp and btmp, lastlog, utmp.

use std::collections::BTreeMap;

use super::host::Host;
use super::lived::SECOND;
use super::place::{Desk, Wanted};
use super::services::rotations;
use super::utmp::{self, Kind, LastLogin, RECORD, Record, enter};

/// Users with larger numbers are not entered in `lastlog`, which has a place for every number below.
pub(super) const LASTLOG_UID_MAX: u32 = 20_000;

/// How ours goes with what is there.
pub(super) enum Fit {
    /// All of it is later.
    Behind,
    /// All of it is earlier: theirs begin then.
    Before(i64),
    /// They overlap, or it cannot be known.
    Not,
}

pub(super) fn fit(theirs: Option<(i64, i64)>, ours: Option<(i64, i64)>) -> Fit {
    match theirs.zip(ours) {
        Some(((_, theirs), (ours, _))) if theirs <= ours => Fit::Behind,
        Some(((theirs, _), (_, ours))) if ours < theirs => Fit::Before(theirs),
        _ => Fit::Not,
    }
}

pub(super) fn place_logins(
    desk: &mut Desk<'_>,
    host: &Host<'_>,
    (name, mode): (&str, u32),
    records: &[Record],
    (from, end): (i64, i64),
) {
    let path = format!("/var/log/{name}");
    let Some(span) = records.first().map(|first| first.at).zip(records.last().map(|last| last.at)) else {
        return;
    };
    let there = desk.there(&path).filter(|there| !there.body.as_bytes().is_empty());
    let older = format!("{path}.1");
    let mut cuts = rotations(host, host.logins_kept.every, from, end);
    if let Some(there) = there {
        let seconds = utmp::span(there.body.as_bytes()).filter(|_| there.is_whole);
        match fit(seconds.map(|(first, last)| (first * SECOND, last * SECOND + SECOND - 1)), Some(span)) {
            Fit::Behind => cuts.clear(),
            Fit::Before(_) => cuts = vec![i64::MAX],
            Fit::Not => {
                desk.leave(&path, "has records of the same time as ours, so none are added: let the past end before the first of them");
                return;
            }
        }
    }
    let last_cut = cuts.last().copied().unwrap_or(i64::MIN);
    let (before, after) = records.split_at(records.partition_point(|record| record.at < last_cut));
    // One older file is kept, of the time since the cut before.
    let first_cut = cuts.len().checked_sub(2).and_then(|place| cuts.get(place)).copied().unwrap_or(i64::MIN);
    let before = &before[before.partition_point(|record| record.at < first_cut)..];
    if !before.is_empty() && desk.is_taken(&older) {
        desk.leave(&path, format!("{older} is there already, so no records are added"));
        return;
    }
    for (path, records) in [(older, before), (path, after)] {
        let Some(last) = records.last() else { continue };
        let mut body = Vec::with_capacity(records.len() * RECORD);
        records.iter().for_each(|record| record.write(&mut body));
        let why = "logins and logouts of the past".to_owned();
        desk.append(Wanted { path, body, mode, owner: host.of_logins(), changed: last.at, why });
    }
}

pub(super) fn place_last(desk: &mut Desk<'_>, host: &Host<'_>, last: &BTreeMap<u32, LastLogin>) {
    const PATH: &str = "/var/log/lastlog";
    let mut body = desk.there(PATH).map_or_else(Vec::new, |there| there.body.as_bytes().to_vec());
    for (uid, login) in last {
        if *uid <= LASTLOG_UID_MAX {
            enter(&mut body, *uid, login);
        } else {
            desk.leave(
                PATH,
                format!(
                    "uid {uid} is too large: the file would grow to {} MiB",
                    (u64::from(*uid) * 292) >> 20
                ),
            );
        }
    }
    if let Some(changed) = last.values().map(|login| login.at).max() {
        let why = "the last logins of the past".to_owned();
        desk.rewrite(Wanted {
            path: PATH.to_owned(),
            body,
            mode: 0o664,
            owner: host.of_logins(),
            changed,
            why,
        });
    }
}

/// Who is there now: nobody, on a machine that was started.
pub(super) fn place_utmp(desk: &mut Desk<'_>, host: &Host<'_>, wtmp: &[Record]) {
    const PATH: &str = "/run/utmp";
    let is_empty = desk.there(PATH).is_some_and(|there| there.body.as_bytes().is_empty());
    let is_blank = !desk.is_taken(PATH) && !host.existing.is_a_system();
    if !(is_empty || is_blank) || !host.systemd {
        return;
    }
    let booted = wtmp.iter().rposition(|record| record.kind == Kind::Boot).unwrap_or(0);
    let since = wtmp.get(booted..).unwrap_or_default();
    let mut lines: BTreeMap<&str, &Record> = BTreeMap::new();
    for record in since.iter().filter(|record| record.line != "~") {
        lines.insert(&record.line, record);
    }
    let system = since.iter().filter(|record| record.line == "~");
    let mut body = Vec::new();
    let all: Vec<&Record> = system.chain(lines.into_values()).collect();
    all.iter().for_each(|record| record.write(&mut body));
    if let Some(changed) = all.iter().map(|record| record.at).max() {
        let why = "the state of the terminals after the past".to_owned();
        desk.append(Wanted {
            path: PATH.to_owned(),
            body,
            mode: 0o664,
            owner: host.of_logins(),
            changed,
            why,
        });
    }
}
