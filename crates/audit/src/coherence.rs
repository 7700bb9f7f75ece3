//! Whether what is on a host is one story, without weighing: every edit in a session of its owner, every name in a history
//! that of something that is there or went.
//!
//! The checks of the tells weigh distributions, since real hosts have gaps. This one names each contradiction, for whoever
//! makes such a story and wants none in it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use verisim_core::{DecoyPath, Timestamp};

use crate::evidence::{Evidence, NamedHistory};
use crate::read::{Login, LoginKind};

/// How exact the times of records are: a traditional log knows seconds.
const EXACT_SECONDS: i64 = 1;

/// What was compared, and what contradicts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Coherence {
    /// Edits by people that fall into the time of `wtmp`, and those of them that lie in no session there.
    pub edits_in_wtmp: usize,
    /// Which file, and when.
    pub outside_wtmp: Vec<(DecoyPath, Timestamp)>,
    /// The same for the log of logins.
    pub edits_in_logs: usize,
    /// Which file, and when.
    pub outside_logs: Vec<(DecoyPath, Timestamp)>,
    /// How many names of files the histories of people have, and those of them that name nothing that is there, nor
    /// anything that a later command removed or renamed.
    pub names: usize,
    /// Which history, and which command.
    pub unknown: Vec<(DecoyPath, String)>,
    /// Of the histories of those who are logged in: names of nothing that is there. A shell writes its history down at its end, so
    /// what was removed in a session that goes on is in none yet.
    pub undecided: usize,
}

impl Coherence {
    /// Whether nothing contradicts anything.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.outside_wtmp.is_empty() && self.outside_logs.is_empty() && self.unknown.is_empty()
    }
}

/// The end of a session that goes on.
const STILL: i64 = i64::MAX - EXACT_SECONDS;

/// A stretch in which somebody was logged in, in seconds.
struct Session {
    user: String,
    from: i64,
    to: i64,
}

/// Joins the files, logins, logs and histories of a host.
#[must_use]
pub fn coherence(evidence: &Evidence) -> Coherence {
    let mut out = Coherence::default();
    let accounts = evidence.accounts.as_deref().unwrap_or_default();
    let wtmp = evidence.wtmp.as_deref().unwrap_or_default();
    let (recorded, logged) = (recorded(wtmp), logged(evidence));
    let begins = wtmp.first().map_or(i64::MAX, |first| first.at.as_second());
    for account in accounts.iter().filter(|account| account.is_person()) {
        let Ok(home) = DecoyPath::new(&account.home) else { continue };
        let files = evidence.entries.iter().filter(|entry| {
            entry.is_file()
                && entry.stat.owner.uid == account.uid
                && entry.path.starts_with(&home)
                && !entry.name().starts_with(b".")
        });
        for file in files {
            let at = file.stat.mtime.as_second();
            let is_inside = |sessions: &[Session]| {
                sessions.iter().any(|session| {
                    session.user == account.login && at >= session.from && at <= session.to + EXACT_SECONDS
                })
            };
            if at > begins {
                out.edits_in_wtmp += 1;
                if !is_inside(&recorded) {
                    out.outside_wtmp.push((file.path.clone(), file.stat.mtime));
                }
            }
            if at > logged.begins {
                out.edits_in_logs += 1;
                if !is_inside(&logged.sessions) {
                    out.outside_logs.push((file.path.clone(), file.stat.mtime));
                }
            }
        }
        let history = home.join(b".bash_history").ok();
        let histories = evidence.histories.iter().filter(|one| Some(&one.path) == history.as_ref());
        let is_here = recorded.iter().any(|one| one.user == account.login && one.to >= STILL);
        let before = out.unknown.len();
        histories.for_each(|history| named(evidence, history, &home, &mut out));
        if is_here {
            out.undecided += out.unknown.drain(before..).count();
        }
    }
    out
}

/// The sessions of `wtmp`: up to the logout on the same line, or the next start of the machine.
fn recorded(records: &[Login]) -> Vec<Session> {
    let mut open: BTreeMap<&str, (&str, i64)> = BTreeMap::new();
    let mut out = Vec::new();
    let mut end = |line: &str, to: i64, open: &mut BTreeMap<&str, (&str, i64)>| {
        if let Some((user, from)) = open.remove(line) {
            out.push(Session { user: user.to_owned(), from, to });
        }
    };
    for record in records {
        let at = record.at.as_second();
        match record.kind {
            LoginKind::Login => {
                end(&record.line, at, &mut open);
                open.insert(&record.line, (&record.user, at));
            }
            LoginKind::Logout => end(&record.line, at, &mut open),
            LoginKind::Boot => {
                for line in open.keys().copied().collect::<Vec<_>>() {
                    end(line, at, &mut open);
                }
            }
            LoginKind::RunLevel | LoginKind::Other => {}
        }
    }
    for line in open.keys().copied().collect::<Vec<_>>() {
        end(line, STILL, &mut open);
    }
    out
}

/// The sessions that the logs tell of, and since when.
struct Logged {
    begins: i64,
    sessions: Vec<Session>,
}

fn logged(evidence: &Evidence) -> Logged {
    let is_auth = |name: &[u8]| name.starts_with(b"auth.log") || name.starts_with(b"secure");
    let logs = evidence.logs.iter().filter(|log| is_auth(log.path.file_name().unwrap_or_default()));
    let mut lines: Vec<_> = logs.filter_map(|log| log.log.as_ref()).flat_map(|log| &log.lines).collect();
    lines.sort_by_key(|line| line.at);
    let begins = lines.first().map_or(i64::MAX, |line| line.at.as_second());
    let mut open: BTreeMap<(u32, String), i64> = BTreeMap::new();
    let mut sessions = Vec::new();
    for line in lines.iter().filter(|line| line.program.starts_with("sshd") || &*line.program == "login") {
        let Some(pid) = line.pid else { continue };
        let user = |rest: &str| rest.split([' ', '(']).next().unwrap_or_default().to_owned();
        if let Some((_, rest)) = line.message.split_once("session opened for user ") {
            open.insert((pid, user(rest)), line.at.as_second());
        } else if let Some((_, rest)) = line.message.split_once("session closed for user ") {
            // Who is not seen to come was there before the log begins.
            let from = open.remove(&(pid, user(rest))).unwrap_or(begins);
            sessions.push(Session { user: user(rest), from, to: line.at.as_second() });
        }
    }
    let rest = open.into_iter();
    sessions.extend(rest.map(|((_, user), from)| Session { user, from, to: STILL }));
    Logged { begins, sessions }
}

/// Programs whose arguments are names of files.
const OF_FILES: [&str; 24] = [
    "vim", "vi", "nano", "emacs", "less", "more", "cat", "head", "tail", "wc", "ls", "rm", "mv", "cp",
    "chmod", "mkdir", "rmdir", "bash", "sh", "python3", "sort", "diff", "touch", "source",
];

/// A shell keeps as many commands, where nobody says otherwise (`HISTFILESIZE`): one that has fewer begins where it began.
const CUT_FROM: usize = 490;
/// After so many commands somebody is where they say.
const LOST_MAX: usize = 100;

/// Looks up what the commands of one history name.
fn named(evidence: &Evidence, history: &NamedHistory, home: &DecoyPath, out: &mut Coherence) {
    let mut there: BTreeSet<DecoyPath> = BTreeSet::new();
    for entry in &evidence.entries {
        let mut path = Some(entry.path.clone());
        while let Some(one) = path.filter(|one| !there.contains(one)) {
            path = one.parent();
            there.insert(one);
        }
    }
    let mut folder: Option<DecoyPath> = None;
    let commands = &history.history.commands;
    // Of a history that was cut at its beginning nobody knows in which folder it begins.
    let mut is_lost = commands.len() >= CUT_FROM;
    let mut seen: Vec<(usize, bool, Vec<DecoyPath>)> = Vec::new();
    for (place, command) in commands.iter().enumerate() {
        let words = words(&command.line);
        if words.first().is_some_and(|word| word == "cd") {
            folder = words
                .get(1)
                .map_or_else(|| Some(home.clone()), |to| resolve(to, home, folder.as_ref()).pop());
            is_lost &= words.get(1).is_some_and(|to| !to.starts_with(['/', '~']));
            continue;
        }
        if is_lost && place < LOST_MAX {
            continue;
        }
        let goes = matches!(words.first().map(String::as_str), Some("rm" | "rmdir" | "mv"));
        for (word, place_of_word) in files_of(&words).into_iter().zip(0..) {
            let may_be = resolve(&word, home, folder.as_ref());
            // Of what lies elsewhere on the host nothing is known here.
            let is_ours = |path: &DecoyPath| {
                path.starts_with(home)
                    || path.as_bytes().starts_with(b"/tmp/")
                    || path.as_bytes().starts_with(b"/var/tmp/")
            };
            if may_be.iter().all(is_ours) {
                // The second name of a move comes to be.
                let goes = goes && !(words.first().is_some_and(|word| word == "mv") && place_of_word == 1);
                seen.push((place, goes, may_be));
            }
        }
    }
    let mut gone: BTreeSet<&DecoyPath> = BTreeSet::new();
    let mut unknown = BTreeSet::new();
    for (place, goes, may_be) in seen.iter().rev() {
        out.names += 1;
        if *goes {
            gone.extend(may_be);
        } else if !may_be.iter().any(|path| there.contains(path) || gone.contains(path)) {
            unknown.insert(*place);
        }
    }
    out.unknown.extend(
        unknown
            .into_iter()
            .filter_map(|place| Some((history.path.clone(), commands.get(place)?.line.clone()))),
    );
}

/// What a word may name: in the home, where a shell begins, or in the folder that it was in last.
fn resolve(word: &str, home: &DecoyPath, folder: Option<&DecoyPath>) -> Vec<DecoyPath> {
    let below = |base: &DecoyPath, rest: &str| {
        let mut path = base.as_bytes().to_vec();
        path.push(b'/');
        path.extend_from_slice(rest.trim_start_matches("./").trim_end_matches('/').as_bytes());
        DecoyPath::new(path).ok()
    };
    let found = if word.starts_with('/') {
        vec![DecoyPath::new(word).ok()]
    } else if let Some(rest) = word.strip_prefix("~/") {
        vec![below(home, rest)]
    } else {
        vec![below(home, word), folder.and_then(|folder| below(folder, word))]
    };
    found.into_iter().flatten().collect()
}

/// The words of a command that name files.
fn files_of(words: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    let Some(first) = words.first() else { return out };
    let is_program = OF_FILES.contains(&first.as_str());
    if first.contains('/') && !first.contains("://") {
        out.push(first.clone());
    }
    let mut is_target = false;
    let mut at_files = is_program;
    for (place, word) in words.iter().enumerate().skip(1) {
        if word == "|" || word == ";" || word == "&&" {
            at_files = false;
        } else if word == ">" || word == ">>" {
            is_target = true;
        } else {
            let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
            let is_mode = first == "chmod" && place == 1;
            let plain =
                !word.starts_with(['-', '+', '$']) && !is_number && !is_mode && !word.contains(['*', '?']);
            if plain && (at_files || is_target) {
                out.push(word.clone());
            }
            is_target = false;
        }
    }
    out
}

/// The words of a command, as a shell takes it apart: backslashes and quotes.
fn words(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    let (mut word, mut quote, mut has_word) = (String::new(), None, false);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', None | Some('"')) => {
                word.extend(letters.next());
                has_word = true;
            }
            (_, Some(end)) if letter == end => quote = None,
            (_, Some(_)) => word.push(letter),
            ('\'' | '"', None) => {
                quote = Some(letter);
                has_word = true;
            }
            (' ' | '\t', None) => {
                if has_word || !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
                has_word = false;
            }
            (_, None) => word.push(letter),
        }
    }
    if has_word || !word.is_empty() {
        out.push(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_taken_apart_as_a_shell_does() {
        let files = |line: &str| files_of(&words(line));
        assert_eq!(files(r"vim my\ notes/a\&b.txt"), ["my notes/a&b.txt"]);
        assert_eq!(files("rm -f 'a b' \"c d\""), ["a b", "c d"]);
        assert_eq!(files("bash bin/x.sh > out.txt"), ["bin/x.sh", "out.txt"]);
        assert_eq!(files("bin/x.sh > /tmp/o"), ["bin/x.sh", "/tmp/o"]);
        assert_eq!(files("chmod +x s.sh"), ["s.sh"]);
        assert_eq!(files("tail -n 50 log/a.log"), ["log/a.log"]);
        assert_eq!(files("ps aux | grep vim"), [""; 0]);
        assert_eq!(files("mkdir -p a/b"), ["a/b"]);
    }
}
