//! A root in which two people lived for most of a year, made on disk: times by `utimensat`, owners by `chown`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use verisim_audit::{Evidence, Options, Report, collect, judge_all};
use verisim_connect::RootfsConnector;
use verisim_core::Timestamp;
use verisim_testkit::VirtualClock;

/// A small generator: the same root every time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound.max(1)
    }

    /// A value whose logarithm is spread evenly between those of two bounds.
    pub(crate) fn log_between(&mut self, from: f64, to: f64) -> f64 {
        let part = f64::from(u32::try_from(self.below(1 << 30)).unwrap()) / f64::from(1 << 30);
        (from.ln() + part * (to / from).ln()).exp()
    }
}

/// One file to be.
#[derive(Clone)]
pub(crate) struct Planned {
    pub(crate) body: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    /// Seconds and nanoseconds.
    pub(crate) mtime: (i64, u32),
    pub(crate) atime: (i64, u32),
}

/// A stretch of work.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) user: usize,
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) edits: Vec<i64>,
}

pub(crate) const PEOPLE: [(&str, &str, u32); 2] =
    [("mkeller", "Maria Keller", 1001), ("jbrandt", "Jonas Brandt", 1002)];
pub(crate) const DAY: i64 = 86_400;
const WORDS: [&str; 40] = [
    "budget",
    "minutes",
    "draft",
    "offer",
    "survey",
    "holiday",
    "printer",
    "keys",
    "lunch",
    "plan",
    "invoice",
    "backup",
    "summary",
    "garden",
    "berlin",
    "tickets",
    "router",
    "training",
    "contract",
    "letter",
    "agenda",
    "import",
    "results",
    "wiki",
    "expenses",
    "monitor",
    "notes",
    "questions",
    "roadmap",
    "release",
    "review",
    "samples",
    "shelf",
    "slides",
    "stock",
    "tasks",
    "tour",
    "vendors",
    "visit",
    "welcome",
];
const FOLDERS: [&str; 5] = ["Documents", "Documents/2026", "projects/tools", "projects/move", "Desktop"];

/// What shall stand on disk.
#[derive(Clone)]
pub(crate) struct Root {
    pub(crate) files: BTreeMap<String, Planned>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) now: i64,
    /// The folders that keep the time of their making.
    pub(crate) leave_folders: bool,
}

/// A root on disk.
pub(crate) struct Made {
    pub(crate) dir: tempfile::TempDir,
    now: i64,
}

/// What the machine's clock stamps now.
pub(crate) fn now() -> i64 {
    fs::metadata(tempfile::NamedTempFile::new().unwrap().path()).unwrap().mtime()
}

impl Root {
    pub(crate) fn good(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let now = now();
        let mut root = Self { files: BTreeMap::new(), sessions: Vec::new(), now, leave_folders: false };
        root.work(&mut dice);
        root.homes(&mut dice);
        root.system();
        root.records();
        root
    }

    /// Sessions on working days, with silences of weeks, bursts and pauses.
    fn work(&mut self, dice: &mut Dice) {
        for user in 0..PEOPLE.len() {
            let mut day = self.now / DAY - 290;
            while day < self.now / DAY {
                // Monday is 0, Thursday the first of 1970.
                if (day + 3) % 7 < 5 {
                    self.day(dice, user, day);
                }
                day += match dice.below(12) {
                    0 => 9 + i64::try_from(dice.below(12)).unwrap(),
                    1..=4 => 2,
                    _ => 1,
                };
            }
        }
        self.sessions.sort_by_key(|session| session.from);
    }

    fn day(&mut self, dice: &mut Dice, user: usize, day: i64) {
        let mut at = day * DAY + 7 * 3600 + i64::try_from(dice.below(2 * 3600)).unwrap();
        for _ in 0..1 + dice.below(2) {
            let from = at;
            let mut edits = Vec::new();
            for _ in 0..dice.below(4) {
                at += 20 + dice.log_between(4.0, 4000.0) as i64;
                edits.push(at);
            }
            at += 60 + i64::try_from(dice.below(1200)).unwrap();
            self.sessions.push(Session { user, from, to: at, edits });
            at += 1800 + dice.log_between(600.0, 9000.0) as i64;
        }
    }

    fn homes(&mut self, dice: &mut Dice) {
        let mut at_place = [0_usize; 2];
        for session in self.sessions.clone() {
            let (login, _, uid) = PEOPLE[session.user];
            for at in session.edits {
                // Most edits are of files that were edited again later, which only the last edit shows.
                if dice.below(3) > 0 {
                    continue;
                }
                let place = &mut at_place[session.user];
                *place += 1;
                let word = |n: u64| WORDS[usize::try_from(n).unwrap() % WORDS.len()];
                let (one, two) = (word(dice.below(40)), word(dice.below(40)));
                let folder = FOLDERS[(*place * 7 + session.user * 3) % FOLDERS.len()];
                let extra = ["", "_final", "-old", " (2)"][usize::try_from(dice.below(4)).unwrap()];
                let ending = ["txt", "md", "csv", "txt", "conf"][usize::try_from(dice.below(5)).unwrap()];
                let path = format!("home/{login}/{folder}/{one}_{two}{extra}.{ending}");
                let size = dice.log_between(40.0, 40_000.0) as usize;
                let mut body = String::new();
                while body.len() < size {
                    let _ = writeln!(
                        body,
                        "{} {} {}",
                        word(dice.below(40)),
                        word(dice.below(40)),
                        dice.below(9999)
                    );
                }
                self.put(&path, body.as_bytes(), uid, at, dice);
            }
        }
        for (login, _, uid) in PEOPLE {
            let at = self.now - 200 * DAY + 9 * 3600;
            let key = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{login}{uid}\n");
            self.put(&format!("home/{login}/.ssh/id_ed25519"), key.as_bytes(), uid, at, dice);
            self.files.get_mut(&format!("home/{login}/.ssh/id_ed25519")).unwrap().mode = 0o600;
            for script in ["fetch.sh", "clean.sh"] {
                let path = format!("home/{login}/bin/{login}-{script}");
                self.put(
                    &path,
                    format!("#!/bin/sh\n# {login} {script}\nls\n").as_bytes(),
                    uid,
                    at + 77,
                    dice,
                );
                self.files.get_mut(&path).unwrap().mode = 0o755;
            }
        }
    }

    pub(crate) fn put(&mut self, path: &str, body: &[u8], uid: u32, at: i64, dice: &mut Dice) {
        let nanos = |dice: &mut Dice| u32::try_from(dice.below(999_999_999)).unwrap() + 1;
        let read = (at + dice.log_between(5.0, 3_000_000.0) as i64).min(self.now - 60);
        let planned = Planned {
            body: body.to_vec(),
            mode: 0o644,
            uid,
            mtime: (at, nanos(dice)),
            atime: (read.max(at + 1), nanos(dice)),
        };
        self.files.insert(path.to_owned(), planned);
    }

    /// A file of the system, whose times are of its package.
    pub(crate) fn plain(&mut self, path: &str, body: &[u8]) {
        let at = self.now - 300 * DAY;
        let planned =
            Planned { body: body.to_vec(), mode: 0o644, uid: 0, mtime: (at, 0), atime: (at + DAY, 7) };
        self.files.insert(path.to_owned(), planned);
    }

    fn system(&mut self) {
        let mut passwd =
            "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n".to_owned();
        for (login, name, uid) in PEOPLE {
            let _ = writeln!(passwd, "{login}:x:{uid}:{uid}:{name},,,:/home/{login}:/bin/bash");
        }
        self.plain("etc/passwd", passwd.as_bytes());
        self.plain("etc/hostname", b"files01\n");
        self.plain("etc/timezone", b"Etc/UTC\n");
        self.plain("etc/machine-id", b"0123456789abcdef0123456789abcdef\n");
        self.plain("root/.profile", b"# ~/.profile\n");
        let mut list = "/.\n/usr\n/usr/bin\n".to_owned();
        for number in 0..60 {
            self.plain(&format!("usr/bin/tool{number}"), format!("tool {number}").as_bytes());
            let _ = writeln!(list, "/usr/bin/tool{number}");
        }
        self.plain("var/lib/dpkg/info/tools.list", list.as_bytes());
    }

    /// wtmp, lastlog, auth.log, syslog and histories of the last sixty days, all of one story.
    pub(crate) fn records(&mut self) {
        let begin = self.now / DAY * DAY - 60 * DAY;
        let mut lines: Vec<(i64, String, bool)> = Vec::new();
        let mut wtmp = vec![(begin, record(2, "reboot", "~", begin))];
        lines.push((begin + 3, "kernel: Linux version 6.1.0".to_owned(), false));
        let mut last = [0_i64; 2];
        let mut histories = [String::new(), String::new()];
        for (number, session) in self.sessions.iter().enumerate().filter(|(_, session)| session.from > begin)
        {
            let (login, _, uid) = PEOPLE[session.user];
            let line = format!("pts/{}", session.user);
            let pid = 1000 + number;
            wtmp.push((session.from, record(7, login, &line, session.from)));
            wtmp.push((session.to, record(8, "", &line, session.to)));
            lines.push((
                session.from,
                format!(
                    "sshd[{pid}]: Accepted publickey for {login} from 10.0.0.{} port 5{number} ssh2",
                    20 + session.user
                ),
                true,
            ));
            lines.push((session.from, format!("sshd[{pid}]: pam_unix(sshd:session): session opened for user {login}(uid={uid}) by (uid=0)"), true));
            lines.push((
                session.to,
                format!("sshd[{pid}]: pam_unix(sshd:session): session closed for user {login}"),
                true,
            ));
            last[session.user] = session.from;
            for (step, at) in session.edits.iter().enumerate() {
                let _ = writeln!(histories[session.user], "#{at}\nvim file-{number}-{step}.txt");
            }
        }
        for day in 0..60 {
            let (at, pid) = (begin + day * DAY + 6 * 3600 + 25 * 60 + 1, 2000 + day);
            let session = |what| format!("CRON[{pid}]: pam_unix(cron:session): session {what} for user root");
            lines.push((at, format!("{}(uid=0) by (uid=0)", session("opened")), true));
            lines.push((at, format!("CRON[{pid}]: (root) CMD (test -x /usr/sbin/anacron)"), false));
            lines.push((at + 1, session("closed"), true));
        }
        lines.retain(|(at, _, _)| *at < self.now);
        lines.sort_by_key(|line| line.0);
        wtmp.sort_by_key(|record| record.0);
        let text = |is_auth: bool| {
            let mine = lines.iter().filter(|line| line.2 == is_auth);
            mine.map(|(at, line, _)| format!("{} files01 {line}\n", Timestamp::from_second(*at).unwrap()))
                .collect::<String>()
        };
        let wtmp: Vec<u8> = wtmp.into_iter().flat_map(|record| record.1).collect();
        let mut lastlog = vec![0_u8; 292 * 1003];
        for ((_, _, uid), at) in PEOPLE.iter().zip(last) {
            let place = 292 * usize::try_from(*uid).unwrap();
            lastlog[place..place + 4].copy_from_slice(&i32::try_from(at).unwrap().to_le_bytes());
        }
        self.plain("var/log/wtmp", &wtmp);
        self.plain("var/log/lastlog", &lastlog);
        self.plain("var/log/auth.log", text(true).as_bytes());
        self.plain("var/log/syslog", text(false).as_bytes());
        let mut dice = Dice::new(99);
        for (user, text) in histories.iter().enumerate() {
            let (login, _, uid) = PEOPLE[user];
            let path = format!("home/{login}/.bash_history");
            let to = self.sessions.iter().rev().find(|session| session.user == user).unwrap().to;
            self.put(&path, text.as_bytes(), uid, to, &mut dice);
            self.files.get_mut(&path).unwrap().mode = 0o600;
        }
    }

    /// The files in homes, without those that begin with a dot.
    pub(crate) fn personal(&mut self) -> impl Iterator<Item = (&String, &mut Planned)> {
        self.files.iter_mut().filter(|(path, _)| path.starts_with("home/") && !path.contains("/."))
    }

    /// Makes it.
    pub(crate) fn make(&self) -> Made {
        let dir = tempfile::tempdir().unwrap();
        let mut order: Vec<(&String, &Planned)> = self.files.iter().collect();
        order.sort_by_key(|(_, planned)| planned.mtime);
        let mut folders: BTreeMap<PathBuf, (i64, u32)> = BTreeMap::new();
        for (path, planned) in order {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &planned.body).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(planned.mode)).unwrap();
            let _ = std::os::unix::fs::chown(&path, Some(planned.uid), Some(planned.uid));
            let times =
                fs::FileTimes::new().set_modified(time(planned.mtime)).set_accessed(time(planned.atime));
            fs::File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
            for folder in path.ancestors().skip(1).take_while(|folder| folder.starts_with(dir.path())) {
                let latest = folders.entry(folder.to_owned()).or_insert(planned.mtime);
                *latest = (*latest).max(planned.mtime);
            }
        }
        for (folder, at) in folders.iter().rev() {
            for (login, _, uid) in PEOPLE {
                if folder.starts_with(dir.path().join("home").join(login)) {
                    let _ = std::os::unix::fs::chown(folder, Some(uid), Some(uid));
                }
            }
            if !self.leave_folders {
                fs::File::open(folder)
                    .unwrap()
                    .set_times(fs::FileTimes::new().set_modified(time(*at)))
                    .unwrap();
            }
        }
        Made { dir, now: self.now + 5 }
    }
}

/// A record of wtmp.
pub(crate) fn record(kind: i16, user: &str, line: &str, at: i64) -> Vec<u8> {
    let mut bytes = vec![0_u8; 384];
    bytes[..2].copy_from_slice(&kind.to_le_bytes());
    bytes[8..8 + line.len()].copy_from_slice(line.as_bytes());
    bytes[44..44 + user.len()].copy_from_slice(user.as_bytes());
    bytes[340..344].copy_from_slice(&i32::try_from(at).unwrap().to_le_bytes());
    bytes
}

fn time((seconds, nanos): (i64, u32)) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(u64::try_from(seconds).unwrap(), nanos)
}

/// Whether owners can be given here.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Made {
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) async fn evidence(&self) -> Evidence {
        look(self.path(), self.now.max(now())).await
    }

    pub(crate) async fn report(&self) -> Report {
        judge_all(&[self.evidence().await]).remove(0)
    }
}

pub(crate) async fn look(path: &Path, now: i64) -> Evidence {
    let now = Timestamp::from_second(now).unwrap();
    let connector = RootfsConnector::new(path.to_owned(), VirtualClock::new(now));
    collect("decoy", &connector, now, &Options::default()).await.unwrap()
}

/// The weight of a finding of this name; 0 where there is none.
pub(crate) fn weight(report: &Report, code: &str) -> f64 {
    report.findings.iter().find(|finding| finding.code == code).map_or(0.0, |finding| finding.weight_db)
}
