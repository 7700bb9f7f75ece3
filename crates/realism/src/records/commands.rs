//! What people type: the commands that make the edits of a session, and those that everybody types in between.

mod naming;
mod words;

use std::collections::BTreeSet;

use verisim_core::{DecoyPath, FileClass, TrafficProtocol};

use self::words::{BUILDERS, EVERYBODY, RUNNERS};
use super::host::{Family, Host};
use super::lived::{Deed, Origin, SECOND, Sitting};
use super::typing::{Session, Typed, below};
use crate::change::Change;
use crate::persona::{Persona, Role};
use crate::random::{Generator, Purpose, whole};
use crate::world::PersonaIndex;

/// A persona at the shell of one decoy, from session to session.
pub(super) struct Hands<'w> {
    persona: &'w Persona,
    role: Role,
    administrator: bool,
    editor: &'static str,
    /// Whether the persona goes into a folder before working on what is in it.
    walks: bool,
    draw: Generator,
    folders: BTreeSet<DecoyPath>,
    /// Everything of the persona's that is there.
    there: BTreeSet<DecoyPath>,
    files: Vec<(DecoyPath, FileClass)>,
    root_commands: Vec<(&'static str, String)>,
    /// What is there to be run: scripts in Python, and a look at addresses.
    python: bool,
    ip: bool,
    /// Whether folders stay where the last file of one went.
    keeps_folders: bool,
}

/// So many files are remembered, the newest: what people look into is what they had at hand.
const REMEMBERED: usize = 24;

impl<'w> Hands<'w> {
    pub(super) fn new(host: &Host<'w>, index: PersonaIndex, persona: &'w Persona) -> Self {
        let habits = host.world.persona_seed(index, Purpose::Records);
        let mut own = Generator::new(habits.text("hands"));
        let role = Role::of(&persona.role);
        let draw = Generator::new(habits.text("commands").text(host.profile.name.as_str()));
        Self {
            persona,
            role,
            administrator: host.is_administrator(index) && host.sudo,
            editor: editor(host, &mut own),
            walks: own.percent(30),
            draw,
            folders: BTreeSet::new(),
            there: BTreeSet::new(),
            files: Vec::new(),
            root_commands: root_commands(host),
            python: host.offers("/usr/bin/python3"),
            ip: host.offers("/usr/sbin/ip") || host.offers("/usr/bin/ip"),
            keeps_folders: false,
        }
    }

    /// For one session of a life that goes on, in which these files are there. Nothing is done as root: it would be in the log
    /// at its own time.
    pub(super) fn live(
        host: &Host<'w>,
        (index, persona): (PersonaIndex, &'w Persona),
        session: &str,
        files: impl Iterator<Item = (DecoyPath, FileClass)>,
    ) -> Self {
        let mut hands = Self::new(host, index, persona);
        let habits = host.world.persona_seed(index, Purpose::Records);
        hands.draw = Generator::new(habits.text("commands").text(host.profile.name.as_str()).text(session));
        (hands.administrator, hands.keeps_folders) = (false, true);
        for (path, class) in files {
            if let Some(folder) = path.parent().filter(|folder| hands.is_below_home(folder)) {
                hands.know(folder);
            }
            hands.remember(&path, class);
        }
        hands
    }

    /// Everything typed in a session, in the order of time.
    pub(super) fn session(&mut self, host: &Host<'_>, sitting: &Sitting) -> Vec<Typed> {
        let mut typed = Session::new(sitting);
        let idle = self.draw.geometric(if self.role == Role::Administrator { 3.0 } else { 1.8 }) - 1;
        for _ in 0..idle.min(6) {
            self.ordinary(&mut typed);
        }
        for (place, deed) in sitting.deeds.iter().enumerate() {
            typed.limit = deed.at;
            typed.next = sitting.deeds.get(place + 1).map_or(sitting.to - 1000, |next| next.at);
            self.deed(host, deed, &mut typed);
            typed.go_on();
            if self.draw.percent(35) {
                self.ordinary(&mut typed);
            }
        }
        if self.administrator && self.draw.percent(45) && matches!(sitting.origin, Origin::Desk) {
            for _ in 0..self.draw.geometric(1.7).min(4) {
                self.as_root(&mut typed);
            }
        }
        if self.draw.percent(45) {
            typed.add(sitting.to - SECOND / 5, "exit".to_owned(), None);
        }
        typed.out
    }

    fn deed(&mut self, host: &Host<'_>, deed: &Deed, typed: &mut Session) {
        match &deed.change {
            // Programs keep their caches themselves.
            change if change.class() == Some(FileClass::Cache) => {}
            Change::Create { path, class } => self.create(path, *class, deed.at, typed),
            Change::Edit { path, class, .. } if self.is_typed(path, *class) => {
                let began = deed.at - self.seconds(80.0);
                let name = self.name(path, began, typed);
                typed.add(began, format!("{} {name}", self.editor), None);
                typed.busy_until(deed.at);
            }
            Change::Edit { .. } => {}
            Change::Append { path, .. } => {
                if self.draw.percent(25) {
                    let look = self.draw.word(&["tail", "tail -20", "less", "tail -n 50"]);
                    typed.go_on();
                    let name = self.name(path, deed.at + SECOND, typed);
                    typed.add(deed.at + self.seconds(15.0), format!("{look} {name}"), None);
                }
            }
            Change::Rename { from, to, class } => {
                let old = self.name(from, deed.at, typed);
                let new = below(&old, from, to).unwrap_or_else(|| self.name(to, deed.at, typed));
                typed.add(deed.at, format!("mv {old} {new}"), None);
                self.files.retain(|(path, _)| path != from);
                self.there.remove(from);
                self.remember(to, *class);
            }
            Change::Remove { path, class } => {
                let flag = if *class == FileClass::Scratch && self.draw.percent(40) { "-f " } else { "" };
                let name = self.name(path, deed.at, typed);
                typed.add(deed.at, format!("rm {flag}{name}"), None);
                self.files.retain(|(known, _)| known != path);
                self.there.remove(path);
                self.clear_folder(path, deed.at, typed);
            }
            // The program writes it, not the shell.
            Change::Mail { .. } => {}
            Change::Visit { to, protocol, port } => {
                let Some(decoy) = host.world.decoy(*to) else { return };
                if let Some(text) = self.visit(decoy.name.as_str(), *protocol, *port) {
                    typed.add(deed.at, text, None);
                    // What is typed until the next edit is typed over there.
                    typed.busy_until(if *protocol == TrafficProtocol::Ssh { typed.next } else { deed.at });
                }
            }
        }
    }

    fn create(&mut self, path: &DecoyPath, class: FileClass, at: i64, typed: &mut Session) {
        let folder = path.parent().filter(|parent| self.is_below_home(parent));
        let is_new = folder.is_some_and(|parent| self.know(parent));
        let by_hand = self.is_typed(path, class) || class == FileClass::Scratch;
        let began = at - self.seconds(if class == FileClass::Scratch { 4.0 } else { 150.0 });
        if is_new
            && by_hand
            && let Some(parent) = path.parent()
        {
            let name = self.name_from_home(&parent);
            typed.add(began - self.seconds(6.0), format!("mkdir -p {name}"), None);
        }
        if class == FileClass::Scratch {
            self.scratch(path, at, typed);
        } else if by_hand {
            let name = self.name(path, began, typed);
            typed.add(began, format!("{} {name}", self.editor), None);
            typed.busy_until(at);
            if class == FileClass::Script {
                typed.go_on();
                typed.add(at + self.seconds(9.0), format!("chmod +x {name}"), None);
                if self.draw.percent(60) && (self.python || !name.ends_with(".py")) {
                    let text = if name.starts_with(['/', '~']) || name.contains('/') {
                        name
                    } else {
                        format!("./{name}")
                    };
                    typed.add(at + self.seconds(20.0), text, None);
                }
            }
        }
        self.remember(path, class);
    }

    const fn home(&self) -> &DecoyPath {
        &self.persona.home
    }

    fn is_below_home(&self, path: &DecoyPath) -> bool {
        path.starts_with(self.home()) && path != self.home()
    }

    /// Takes note of a folder and those above it; whether it is a new one.
    fn know(&mut self, folder: DecoyPath) -> bool {
        let mut above = folder.parent();
        while let Some(one) = above.filter(|one| self.is_below_home(one)) {
            above = one.parent();
            self.folders.insert(one);
        }
        self.folders.insert(folder)
    }

    /// A folder of which the last file went goes, too.
    fn clear_folder(&mut self, gone: &DecoyPath, at: i64, typed: &mut Session) {
        if self.keeps_folders {
            return;
        }
        let mut folder = gone.parent();
        while let Some(empty) = folder.filter(|folder| self.folders.contains(folder)) {
            if self.there.iter().any(|path| path.starts_with(&empty)) {
                return;
            }
            typed.go_on();
            if typed.folder.as_ref().is_some_and(|folder| folder.starts_with(&empty)) {
                typed.add(at + self.seconds(2.0), "cd".to_owned(), None);
                typed.folder = None;
            }
            typed.add(
                at + self.seconds(4.0),
                format!("rmdir {}", self.name_from(&empty, typed.folder.as_ref())),
                None,
            );
            self.folders.remove(&empty);
            folder = empty.parent();
        }
    }

    /// Intermediate output is what a script of one's own wrote, or a part of something.
    fn scratch(&mut self, path: &DecoyPath, at: i64, typed: &mut Session) {
        let scripts: Vec<DecoyPath> = self
            .files
            .iter()
            .filter(|(_, class)| *class == FileClass::Script)
            .map(|(path, _)| path.clone())
            .filter(|path| self.python || !path.as_bytes().ends_with(b".py"))
            .collect();
        let target = match path.file_name() {
            Some(name) if name.starts_with(b"tmp.") => return,
            _ => self.name(path, at, typed),
        };
        match self.draw.pick(&scripts) {
            Some(script) => {
                let script = self.name_from(script, typed.folder.as_ref());
                let runs = if script.ends_with(".py") { "python3 " } else { "bash " };
                typed.add(at - SECOND / 3, format!("{runs}{script} > {target}"), None);
            }
            None => {
                typed.add(at - self.seconds(8.0), format!("{} {target}", self.editor), None);
                typed.busy_until(at);
            }
        }
    }

    /// What a connection is opened with; `None` for those that a program opens by itself.
    fn visit(&mut self, host: &str, protocol: TrafficProtocol, port: u16) -> Option<String> {
        Some(match protocol {
            TrafficProtocol::Ssh if port == 22 => format!("ssh {host}"),
            TrafficProtocol::Ssh => format!("ssh -p {port} {host}"),
            TrafficProtocol::Http if port == 80 => format!("curl -sI http://{host}/"),
            TrafficProtocol::Http => format!("curl -sI http://{host}:{port}/"),
            TrafficProtocol::Https if port == 443 => format!("curl -skI https://{host}/"),
            TrafficProtocol::Https => format!("curl -skI https://{host}:{port}/"),
            TrafficProtocol::Mysql => format!("mysql -h {host} -u {} -p", self.persona.login),
            TrafficProtocol::Smb => format!("smbclient -L //{host} -U {}", self.persona.login),
            TrafficProtocol::Smtp | TrafficProtocol::Imap | TrafficProtocol::Tcp => return None,
        })
    }

    fn ordinary(&mut self, typed: &mut Session) {
        let at = typed.now + self.seconds(12.0);
        if at > typed.limit - 3 * SECOND {
            return;
        }
        let readable = |(path, class): &&(DecoyPath, FileClass)| {
            self.is_typed(path, *class) || *class == FileClass::CronLog
        };
        let known: Vec<DecoyPath> =
            self.files.iter().filter(readable).map(|(path, _)| path.clone()).collect();
        let text = match (self.draw.below(10), self.draw.pick(&known)) {
            (0..=3, Some(file)) => {
                let look = self.draw.word(&["less", "cat", "less", "wc -l", "ls -l", "head"]);
                format!("{look} {}", self.name_from(file, typed.folder.as_ref()))
            }
            (0..=6, _) => self.draw.word(&EVERYBODY).to_owned(),
            (_, _) => match self.role {
                Role::Administrator => match self.draw.word(&RUNNERS) {
                    "ip a" if !self.ip => "uptime".to_owned(),
                    word => word.to_owned(),
                },
                Role::Developer | Role::Scientist | Role::Analyst => match self.draw.word(&BUILDERS) {
                    "python3 --version" if !self.python => "uptime".to_owned(),
                    word => word.to_owned(),
                },
                Role::Finance | Role::Assistant | Role::Manager | Role::Other => {
                    self.draw.word(&EVERYBODY).to_owned()
                }
            },
        };
        typed.add(at, text, None);
    }

    fn as_root(&mut self, typed: &mut Session) {
        let at = typed.now + self.seconds(25.0);
        let Some((program, arguments)) = self.draw.pick(&self.root_commands).cloned() else { return };
        let name = program.rsplit('/').next().unwrap_or(program);
        let space = if arguments.is_empty() { "" } else { " " };
        let text = format!("sudo {name}{space}{arguments}");
        typed.add(at, text, Some(format!("{program}{space}{arguments}")));
    }

    /// Some seconds, as a person takes them.
    fn seconds(&mut self, median: f64) -> i64 {
        i64::try_from(whole(self.draw.lognormal(median, 0.8).min(3000.0) * 1e9)).unwrap_or(SECOND)
    }

    fn remember(&mut self, path: &DecoyPath, class: FileClass) {
        self.there.insert(path.clone());
        self.files.push((path.clone(), class));
        if self.files.len() > REMEMBERED {
            self.files.remove(0);
        }
    }

    /// Whether it is made with an editor here: documents of offices come over the wire, logs from programs.
    fn is_typed(&self, path: &DecoyPath, class: FileClass) -> bool {
        const BINARY: [&str; 18] = [
            "docx", "xlsx", "pptx", "pdf", "odt", "ods", "odp", "png", "jpg", "jpeg", "gz", "tgz", "zip",
            "xz", "db", "sqlite", "doc", "xls",
        ];
        let of_programs = matches!(
            class,
            FileClass::CronLog
                | FileClass::DaemonLog
                | FileClass::Cache
                | FileClass::Record
                | FileClass::Manual
        );
        let name = String::from_utf8_lossy(path.file_name().unwrap_or_default()).to_ascii_lowercase();
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        !of_programs && !BINARY.contains(&ending)
    }
}

/// The persona's editor among those that are there.
fn editor(host: &Host<'_>, own: &mut Generator) -> &'static str {
    let liked = ["vim", "nano", "vim", "nano", "vi", "emacs"];
    let there: Vec<_> = liked.into_iter().filter(|name| host.offers(&format!("/usr/bin/{name}"))).collect();
    own.pick(&there).copied().unwrap_or("vi")
}

/// What administrators look at as root, of what is there.
fn root_commands(host: &Host<'_>) -> Vec<(&'static str, String)> {
    let mut all = vec![("/usr/bin/du", "-sh /home".to_owned()), ("/usr/bin/ls", "-la /root".to_owned())];
    let log = if host.family == Family::Debian { "/var/log/auth.log" } else { "/var/log/messages" };
    all.push(("/usr/bin/tail", format!("-n 100 {log}")));
    let usual = [
        ("/usr/bin/ss", "-tlnp"),
        ("/usr/bin/systemctl", "status ssh"),
        ("/usr/bin/systemctl", "list-timers"),
        ("/usr/bin/systemctl", "--failed"),
        ("/usr/bin/journalctl", "-p err -b"),
        ("/usr/bin/journalctl", "-u cron --since today"),
        ("/usr/bin/less", "/etc/group"),
        ("/usr/bin/last", "-n 20"),
    ];
    let there = usual
        .iter()
        .filter(|(program, _)| host.offers(program) && (host.systemd || !program.ends_with("ctl")));
    all.extend(there.map(|(program, arguments)| (*program, (*arguments).to_owned())));
    all
}
