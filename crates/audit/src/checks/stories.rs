//! Tell 9: `last`, lastlog, auth.log, shell histories and files tell different stories.

use std::collections::BTreeMap;

use verisim_core::Timestamp;

use super::Checked;
use crate::case::{Case, shown};
use crate::read::{Login, LoginKind};
use crate::report::Finding;
use crate::stats::{ramp, reach, seconds, share};

pub(super) const POWER_DB: f64 = 14.0;
/// How far apart the lines of one login may be.
const SAME_SECONDS: f64 = 120.0;
/// How long before a login, and after a logout, an edit may lie: clocks, and what a program saves at its end.
const SLACK_SECONDS: f64 = 600.0;

/// How many records, lines, edits and commands are joined: each with each, so a host that has millions must not hold us up.
const JOINED_MAX: usize = 5_000;

/// The newest of a list that is in the order of time.
fn newest<T>(list: &[T]) -> &[T] {
    &list[list.len().saturating_sub(JOINED_MAX)..]
}

/// A stretch from login to logout.
struct Session<'a> {
    user: &'a str,
    from: f64,
    to: f64,
}

/// Joins logins with what ended them: a logout on their line, or a start of the machine.
fn sessions(records: &[Login]) -> Vec<Session<'_>> {
    let mut open: BTreeMap<&str, (&str, f64)> = BTreeMap::new();
    let mut out = Vec::new();
    for record in records {
        let at = seconds(record.at);
        match record.kind {
            LoginKind::Login => {
                if let Some((user, from)) = open.insert(&record.line, (&record.user, at)) {
                    out.push(Session { user, from, to: at });
                }
            }
            LoginKind::Logout => {
                if let Some((user, from)) = open.remove(record.line.as_str()) {
                    out.push(Session { user, from, to: at });
                }
            }
            LoginKind::Boot => {
                let ended = std::mem::take(&mut open).into_values();
                out.extend(ended.map(|(user, from)| Session { user, from, to: at }));
            }
            LoginKind::RunLevel | LoginKind::Other => {}
        }
    }
    out.extend(open.into_values().map(|(user, from)| Session { user, from, to: f64::MAX }));
    out
}

pub(super) fn check(case: &Case<'_>) -> Checked {
    let records = newest(case.evidence.wtmp.as_deref().unwrap_or_default());
    let sessions = sessions(records);
    let opened = opened(case);
    let reach = reach(sessions.len() + opened.len(), 6);
    let findings = [
        without_line(case, &sessions, &opened),
        without_record(records, &opened),
        last_differs(case, &sessions),
        edits_outside(case, records, &sessions),
        nobody_came(case, &sessions, &opened),
        commands_outside(case, records, &sessions),
    ];
    Checked::new(reach, findings.into_iter().flatten())
}

/// Sessions that logs tell of: who, and when.
fn opened(case: &Case<'_>) -> Vec<(String, f64)> {
    let lines = case.evidence.logs.iter().filter_map(|log| log.log.as_ref()).flat_map(|log| &log.lines);
    let opened = lines
        .filter(|line| {
            &*line.program == "sshd" || &*line.program == "login" || line.program.starts_with("sshd-")
        })
        .filter_map(|line| {
            let (_, rest) = line.message.split_once("session opened for user ")?;
            let user = rest.split([' ', '(']).next()?;
            Some((user.to_owned(), seconds(line.at)))
        });
    let mut opened: Vec<(String, f64)> = opened.collect();
    opened.sort_by(|a, b| a.1.total_cmp(&b.1));
    newest(&opened).to_vec()
}

/// From when to when something tells, with nothing for an empty list.
fn span(times: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    times.fold(None, |span, at| {
        let (from, to): (f64, f64) = span.unwrap_or((at, at));
        Some((from.min(at), to.max(at)))
    })
}

/// When lines of logins are in the logs at all.
fn logged(case: &Case<'_>) -> Option<(f64, f64)> {
    let is_auth = |name: &[u8]| name.starts_with(b"auth.log") || name.starts_with(b"secure");
    let logs = case.evidence.logs.iter().filter(|log| is_auth(log.path.file_name().unwrap_or_default()));
    span(logs.filter_map(|log| log.log.as_ref()).flat_map(|log| &log.lines).map(|line| seconds(line.at)))
}

fn without_line(case: &Case<'_>, sessions: &[Session<'_>], opened: &[(String, f64)]) -> Option<Finding> {
    let (from, to) = logged(case)?;
    let inside: Vec<&Session<'_>> =
        sessions.iter().filter(|session| session.from > from && session.from < to).collect();
    let is_told = |session: &Session<'_>| {
        opened.iter().any(|(user, at)| user == session.user && (at - session.from).abs() < SAME_SECONDS)
    };
    let missing: Vec<&&Session<'_>> = inside.iter().filter(|session| !is_told(session)).collect();
    let what = format!("{} of {} logins in wtmp have no line in auth.log", missing.len(), inside.len());
    Some(
        Finding::new(
            9,
            "logins_without_lines",
            10.0 * ramp(share(missing.len(), inside.len()), 0.15, 0.7) * reach(inside.len(), 3),
            what,
        )
        .cases(missing.len(), inside.len())
        .examples(missing.iter().map(|session| verisim_core::printable(session.user)))
        .see("last -F; grep 'session opened' /var/log/auth.log*")
        .mend("write each session into wtmp, lastlog and auth.log together"),
    )
}

fn without_record(records: &[Login], opened: &[(String, f64)]) -> Option<Finding> {
    let (from, to) = span(records.iter().map(|record| seconds(record.at)))?;
    // Only a session with a terminal is recorded; a command over ssh is not. So it takes many to be strange.
    let inside: Vec<&(String, f64)> = opened.iter().filter(|(_, at)| *at > from && *at < to).collect();
    let is_recorded = |(user, at): &(String, f64)| {
        records.iter().any(|record| record.user == *user && (seconds(record.at) - at).abs() < SAME_SECONDS)
    };
    let missing = inside.iter().filter(|one| !is_recorded(one)).count();
    let what = format!("{missing} of {} sessions in auth.log are not in wtmp", inside.len());
    Some(
        Finding::new(
            9,
            "lines_without_logins",
            6.0 * ramp(share(missing, inside.len()), 0.6, 1.0) * reach(inside.len(), 6),
            what,
        )
        .cases(missing, inside.len())
        .see("last -F; grep 'session opened' /var/log/auth.log*")
        .mend("write each session into wtmp, lastlog and auth.log together"),
    )
}

fn last_differs(case: &Case<'_>, sessions: &[Session<'_>]) -> Option<Finding> {
    let lastlog = case.evidence.lastlog.as_ref().filter(|last| !last.is_empty() || !sessions.is_empty())?;
    let accounts = case.evidence.accounts.as_ref()?;
    let mut differ = Vec::new();
    let mut known = 0;
    for account in accounts {
        let last =
            sessions.iter().filter(|session| session.user == account.login).map(|session| session.from);
        let Some(last) = last.reduce(f64::max) else { continue };
        known += 1;
        let kept = lastlog.iter().find(|last| last.uid == account.uid).map(|last| seconds(last.at));
        if kept.is_none_or(|kept| kept < last - SAME_SECONDS) {
            differ.push(verisim_core::printable(&account.login));
        }
    }
    let what =
        format!("lastlog and wtmp disagree about the last login of {} of {known} people", differ.len());
    Some(
        Finding::new(9, "lastlog_differs", 8.0 * ramp(share(differ.len(), known), 0.1, 0.6), what)
            .cases(differ.len(), known)
            .examples(differ)
            .see("lastlog; last -F")
            .mend("write each login into wtmp and lastlog together"),
    )
}

/// Files that were edited while their owner was not there, as far as wtmp goes back.
fn edits_outside(case: &Case<'_>, records: &[Login], sessions: &[Session<'_>]) -> Option<Finding> {
    let (from, _) = span(records.iter().map(|record| seconds(record.at)))?;
    let edits: Vec<_> = case
        .personal
        .iter()
        .filter_map(|file| {
            let login = &case.home_of(&file.path)?.account?.login;
            let at = seconds(file.stat.mtime);
            (at > from && !file.name().starts_with(b".")).then_some((*file, login, at))
        })
        .take(JOINED_MAX)
        .collect();
    let is_inside = |login: &str, at: f64| {
        sessions.iter().any(|session| {
            session.user == login && at > session.from - SLACK_SECONDS && at < session.to + SLACK_SECONDS
        })
    };
    let outside: Vec<_> = edits.iter().filter(|(_, login, at)| !is_inside(login, *at)).collect();
    // Where nobody of them ever logs in it is another finding.
    if sessions.is_empty() || edits.len() < 5 {
        return None;
    }
    let what =
        format!("{} of {} files were edited while their owner was not logged in", outside.len(), edits.len());
    let weight = 8.0 * ramp(share(outside.len(), edits.len()), 0.25, 0.8) * reach(edits.len(), 8);
    Some(
        Finding::new(9, "edits_without_sessions", weight, what)
            .cases(outside.len(), edits.len())
            .examples(outside.iter().map(|(file, _, _)| shown(&file.path)))
            .see("last -F; find /home -type f -printf '%T+ %u %p\\n' | sort")
            .mend("let every edit lie in a session of its owner"),
    )
}

/// People work there, and nobody ever logged in: on a host whose records of logins are kept.
fn nobody_came(case: &Case<'_>, sessions: &[Session<'_>], opened: &[(String, f64)]) -> Option<Finding> {
    let has_records = case.evidence.wtmp.is_some() || logged(case).is_some();
    if !has_records || !opened.is_empty() || sessions.iter().any(|session| session.user != "root") {
        return None;
    }
    let of_people = |file: &&&crate::evidence::Entry| {
        case.home_of(&file.path).and_then(|home| home.account).is_some_and(|account| account.is_person())
    };
    let files = case.personal.iter().filter(of_people).count();
    let what = format!("{files} files in homes of people, and none of them ever logged in");
    let weight = 8.0 * ramp(share(files, 1), 4.0, 20.0);
    Some(
        Finding::new(9, "nobody_ever_came", weight, what)
            .cases(files, files)
            .see("last; lastlog; ls -lR /home")
            .mend("let people log in: sessions in wtmp, lastlog and auth.log that contain their edits"),
    )
}

fn commands_outside(case: &Case<'_>, records: &[Login], sessions: &[Session<'_>]) -> Option<Finding> {
    let (from, _) = span(records.iter().map(|record| seconds(record.at)))?;
    let timed = |history: &crate::evidence::NamedHistory| -> Vec<(String, Timestamp)> {
        let Some(account) = case.home_of(&history.path).and_then(|home| home.account) else {
            return Vec::new();
        };
        let commands = history.history.commands.iter().filter_map(|command| command.at);
        commands.map(|at| (account.login.clone(), at)).collect()
    };
    let commands: Vec<(String, f64)> = case
        .evidence
        .histories
        .iter()
        .flat_map(timed)
        .map(|(login, at)| (login, seconds(at)))
        .filter(|(_, at)| *at > from)
        .take(JOINED_MAX)
        .collect();
    if commands.len() < 5 {
        return None;
    }
    // Who becomes root has a session of another name.
    let is_inside = |(login, at): &&(String, f64)| {
        sessions.iter().any(|session| {
            (session.user == login || login == "root")
                && *at > session.from - SLACK_SECONDS
                && *at < session.to + SLACK_SECONDS
        })
    };
    let outside = commands.len() - commands.iter().filter(is_inside).count();
    let what =
        format!("{outside} of {} commands were given while their user was not logged in", commands.len());
    let weight = 8.0 * ramp(share(outside, commands.len()), 0.2, 0.7) * reach(commands.len(), 8);
    Some(
        Finding::new(9, "commands_without_sessions", weight, what)
            .cases(outside, commands.len())
            .see("HISTTIMEFORMAT='%F %T ' history; last -F")
            .mend("write histories at the end of the session in which they were typed"),
    )
}
