//! What a restore or a move leaves in the records: who came, what they ran, and when.

use jiff::{SignedDuration, Timestamp};

use super::accounts::Accounts;
use super::host::{Host, Person};
use super::lived::{Origin, SECOND, Sitting};
use super::typing::Typed;
use super::{Story, StoryKind};
use crate::day::instant;
use crate::random::{Generator, Purpose};
use crate::world::{DecoyIndex, World};

/// The session in which it was done.
pub(super) struct Telling {
    pub(super) person: Person,
    pub(super) sitting: Sitting,
    pub(super) typed: Vec<Typed>,
}

impl Story {
    /// A story for a decoy: of which kind is drawn, the same at every try.
    #[must_use]
    pub fn of(world: &World, decoy: DecoyIndex, at: Timestamp, took: SignedDuration) -> Self {
        let mut draw = Generator::new(world.decoy_seed(decoy, Purpose::Story).text("restored"));
        let kind = if draw.percent(55) { StoryKind::Restored } else { StoryKind::Migrated };
        Self { kind, at, took }
    }

    /// When its last line is written, in nanoseconds since 1970.
    pub(super) fn ends(&self) -> i64 {
        let took = i64::try_from(self.took.as_nanos()).unwrap_or(0).clamp(0, 86_400 * SECOND);
        instant(self.at) + took + 75 * SECOND
    }
}

/// Who did it is an administrator of the decoy, else root.
pub(super) fn telling(host: &Host<'_>, accounts: &Accounts, story: &Story) -> Option<Telling> {
    let administrator =
        accounts.accounts.iter().find(|account| host.sudo && host.is_administrator(account.index));
    let person = match administrator {
        Some(account) => account.person.clone(),
        None => Person::root()?,
    };
    let (at, end) = (instant(story.at), story.ends());
    let mut draw = host.draw("story");
    let from = at - i64::from(draw.between(70_000, 160_000)) * 1_000_000;
    let to = end - i64::from(draw.between(4_000, 30_000)) * 1_000_000;
    let commands = commands(host, story.kind);
    let as_root = person.index.is_some();
    let mut typed = vec![plain(from + 9 * SECOND, "df -h")];
    let took = end - 75 * SECOND - at;
    for (place, command) in commands.iter().enumerate() {
        let Command { before, program, arguments } = command;
        // What brings the homes takes almost all of the time, and the others go before it and after it.
        let given = match (place, commands.len()) {
            (0, 3) => at - 20 * SECOND,
            (0, _) | (1, 3) => at - SECOND / 2,
            (_, _) => at + took * 9 / 10 + SECOND,
        };
        let name = program.rsplit('/').next().unwrap_or(program);
        typed.push(if as_root {
            let text = format!("{before}sudo {name} {arguments}");
            Typed { at: given, text, as_root: Some(format!("{program} {arguments}")), is_long: true }
        } else {
            plain(given, &format!("{before}{name} {arguments}"))
        });
    }
    typed.push(plain(to - 9 * SECOND, "ls -l /home"));
    typed.push(plain(to - 2 * SECOND, "exit"));
    let persona = person.index.unwrap_or(crate::PersonaIndex(u32::MAX));
    let sitting = Sitting { persona, from, to, origin: Origin::Desk, deeds: Vec::new() };
    Some(Telling { person, sitting, typed })
}

fn plain(at: i64, text: &str) -> Typed {
    Typed { at, text: text.to_owned(), as_root: None, is_long: false }
}

/// A command that brings something back: the program that is run as root with its arguments, and what is typed before it.
struct Command {
    before: String,
    program: &'static str,
    arguments: String,
}

impl Command {
    fn new(program: &'static str, arguments: String) -> Self {
        Self { before: String::new(), program, arguments }
    }
}

/// The commands that bring homes and logs back, of what is there to do it with.
fn commands(host: &Host<'_>, kind: StoryKind) -> Vec<Command> {
    let (name, backup) = (&host.name, host.backup_host());
    let mut draw = host.draw("restore");
    let store = draw.word(&["/srv/backup", "/backup", "/data/backup", "/var/backups/hosts"]);
    if !host.offers("/usr/bin/rsync") && host.offers("/usr/bin/ssh") {
        let from = match kind {
            StoryKind::Restored => format!("ssh {backup} cat {store}/{name}/home.tar | "),
            StoryKind::Migrated => format!("ssh {name}-old tar -C / -c home var/log | "),
        };
        let tar = Command::new("/usr/bin/tar", "-x -p --numeric-owner -C /".to_owned());
        return vec![Command { before: from, ..tar }];
    }
    if !host.offers("/usr/bin/rsync") {
        return vec![
            Command::new("/usr/bin/mount", format!("{backup}:{store} /mnt")),
            Command::new("/usr/bin/tar", format!("-x -p --numeric-owner -C / -f /mnt/{name}-home.tar")),
            Command::new("/usr/bin/umount", "/mnt".to_owned()),
        ];
    }
    let flags = draw.word(&[
        "-aHAX --numeric-ids",
        "-aAX --numeric-ids",
        "-aH --numeric-ids",
        "-avHAX --numeric-ids",
    ]);
    let from = match kind {
        StoryKind::Restored => {
            let which = draw.word(&["latest", "daily.0", "current"]);
            format!("root@{backup}:{store}/{name}/{which}")
        }
        StoryKind::Migrated => {
            let old = draw.word(&["-old", "-a", "-1", "-prev"]);
            format!("root@{name}{old}:")
        }
    };
    let copy = |dir: &str| Command::new("/usr/bin/rsync", format!("{flags} {from}{dir} {dir}"));
    ["/home/", "/var/log/"].into_iter().map(copy).collect()
}
