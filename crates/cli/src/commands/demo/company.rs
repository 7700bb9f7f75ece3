//! The company of the demonstration: three hosts, five people, and what a fresh installation leaves on a disk.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use verisim_core::{
    Connector, DecoyPath, Failure, FileMode, FileTimes, FileWrite, JobId, Owner, OwnerPolicy, Staging,
    Timestamp, WriteMode, WriteOutcome,
};

/// One host of the company.
pub(super) struct Host {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is for.
    pub(super) role: &'static str,
    /// What it offers.
    pub(super) services: &'static [&'static str],
    /// The places in [`PEOPLE`] of those who work on it.
    pub(super) people: &'static [usize],
    /// How many days ago it was installed.
    installed_days: u32,
}

/// One person of the company.
pub(super) struct Employee {
    /// The name in the configuration.
    pub(super) name: &'static str,
    /// The name as people write it.
    pub(super) full_name: &'static str,
    /// The login.
    pub(super) login: &'static str,
    /// The user id, the same on every host.
    pub(super) uid: u32,
    /// What the person does.
    pub(super) role: &'static str,
    /// Where the person lives.
    pub(super) time_zone: &'static str,
    /// When the person works, on the days before the demonstration.
    pub(super) week: &'static str,
}

/// The hosts.
pub(super) const HOSTS: [Host; 3] = [
    Host {
        name: "files01",
        role: "file-server",
        services: &["ssh", "smb"],
        people: &[0, 1, 3],
        installed_days: 412,
    },
    Host {
        name: "web01",
        role: "web-server",
        services: &["ssh", "http"],
        people: &[2, 4],
        installed_days: 187,
    },
    Host {
        name: "build01",
        role: "build-server",
        services: &["ssh"],
        people: &[2, 4, 0],
        installed_days: 96,
    },
];

/// The people.
pub(super) const PEOPLE: [Employee; 5] = [
    Employee {
        name: "maria-keller",
        full_name: "Maria Keller",
        login: "mkeller",
        uid: 1001,
        role: "analyst",
        time_zone: "Europe/Berlin",
        week: "mon-fri 08:30-17:30",
    },
    Employee {
        name: "jonas-brandt",
        full_name: "Jonas Brandt",
        login: "jbrandt",
        uid: 1002,
        role: "accountant",
        time_zone: "Europe/Berlin",
        week: "mon-thu 07:30-16:30, fri 07:30-13:00",
    },
    Employee {
        name: "ines-duarte",
        full_name: "Ines Duarte",
        login: "iduarte",
        uid: 1003,
        role: "developer",
        time_zone: "Europe/Lisbon",
        week: "mon-fri 09:30-18:30",
    },
    Employee {
        name: "erik-lindqvist",
        full_name: "Erik Lindqvist",
        login: "elindqvist",
        uid: 1004,
        role: "project manager",
        time_zone: "Europe/Stockholm",
        week: "mon-fri 08:00-17:00",
    },
    Employee {
        name: "nina-horvat",
        full_name: "Nina Horvat",
        login: "nhorvat",
        uid: 1005,
        role: "system administrator",
        time_zone: "Europe/Zagreb",
        week: "mon-fri 07:00-15:30",
    },
];

/// Writes what a fresh installation leaves behind, with the times of one. What is there already is left as it is.
///
/// Answers whether every owner could be set.
pub(super) async fn install(host: &Host, connector: &dyn Connector, now: Timestamp) -> Result<bool, Failure> {
    let day = Duration::from_secs(86_400);
    let born = now.saturating_sub(day * host.installed_days).unwrap_or(Timestamp::UNIX_EPOCH);
    let staff = host.people.iter().filter_map(|place| PEOPLE.get(*place));
    let mut files = system_files(host);
    for person in staff {
        files.extend(home_files(person));
    }
    let writes: Vec<FileWrite> =
        files.into_iter().zip(0_u32..).filter_map(|(file, place)| file.write(host, born, place)).collect();
    let mut owners_set = true;
    for outcome in connector.write(&writes).await {
        match outcome? {
            WriteOutcome::Written(written) => owners_set &= written.owner_set,
            WriteOutcome::Foreign(_) => {}
        }
    }
    Ok(owners_set)
}

/// A file of the installation.
struct Installed {
    path: String,
    text: String,
    mode: u32,
    owner: Owner,
}

impl Installed {
    fn system(path: &str, text: impl Into<String>, mode: u32) -> Self {
        Self { path: path.into(), text: text.into(), mode, owner: Owner::ROOT }
    }

    fn write(self, host: &Host, born: Timestamp, place: u32) -> Option<FileWrite> {
        // An installer takes some seconds, and writes with the fractions that a clock gives.
        let fraction = u64::from(place.wrapping_mul(2_654_435_761) % 900_000_007);
        let mtime = born + Duration::from_nanos(u64::from(place) * 700_000_000 + fraction);
        let atime = mtime + Duration::from_secs(u64::from(place % 7) * 3_600 + 5);
        Some(FileWrite {
            path: DecoyPath::new(&self.path).ok()?,
            body: self.text.into(),
            how: WriteMode::Create,
            mode: Some(FileMode::new(self.mode)),
            owner: OwnerPolicy::Set(self.owner),
            times: FileTimes::Past { mtime, atime },
            make_parents: true,
            durable: false,
            staging: Staging::derive(
                &[0; 32],
                JobId(i64::from(place) + i64::from(host.installed_days) * 1000),
            ),
        })
    }
}

fn system_files(host: &Host) -> Vec<Installed> {
    let name = host.name;
    let (passwd, group) = accounts(host);
    let os_release = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n\
        VERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n";
    vec![
        Installed::system("/etc/os-release", os_release, 0o644),
        Installed::system("/etc/debian_version", "12.5\n", 0o644),
        Installed::system("/etc/hostname", format!("{name}\n"), 0o644),
        Installed::system("/etc/hosts", format!("127.0.0.1\tlocalhost\n127.0.1.1\t{name}\n"), 0o644),
        Installed::system("/etc/passwd", passwd, 0o644),
        Installed::system("/etc/group", group, 0o644),
        Installed::system("/etc/timezone", "Etc/UTC\n", 0o644),
        Installed::system("/etc/motd", format!("{name}: for staff only, sessions are logged\n"), 0o644),
        Installed::system("/root/.profile", "umask 022\n", 0o644),
        Installed::system("/var/log/installer.log", "base system installed\naccounts created\n", 0o640),
        Installed::system("/srv/README", format!("shared data of {name}\n"), 0o644),
        Installed::system("/tmp/.keep", "", 0o644),
    ]
}

fn accounts(host: &Host) -> (String, String) {
    let mut passwd = String::from(
        "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
         www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\nsshd:x:104:65534::/run/sshd:/usr/sbin/nologin\n",
    );
    let mut group = String::from("root:x:0:\ndaemon:x:1:\nadm:x:4:\nwww-data:x:33:\nusers:x:100:\n");
    for person in host.people.iter().filter_map(|place| PEOPLE.get(*place)) {
        let Employee { login, uid, full_name, .. } = person;
        let _ = writeln!(passwd, "{login}:x:{uid}:{uid}:{full_name},,,:/home/{login}:/bin/bash");
        let _ = writeln!(group, "{login}:x:{uid}:");
    }
    (passwd, group)
}

fn home_files(person: &Employee) -> Vec<Installed> {
    let file = |name: &str, text: &str| Installed {
        path: format!("/home/{}/{name}", person.login),
        text: text.into(),
        mode: 0o644,
        owner: Owner { uid: person.uid, gid: person.uid },
    };
    let editor = if person.uid.is_multiple_of(2) { "nano" } else { "vim" };
    vec![
        file(".profile", "[ -f ~/.bashrc ] && . ~/.bashrc\nPATH=\"$HOME/bin:$PATH\"\n"),
        file(
            ".bashrc",
            &format!("PS1='\\u@\\h:\\w\\$ '\nHISTSIZE=2000\nexport EDITOR={editor}\nalias ll='ls -l'\n"),
        ),
        file(".bash_logout", "clear\n"),
    ]
}

/// The configuration of the company, as a file that every other command understands.
pub(super) fn config_text(seed: u64) -> String {
    let mut out = format!(
        "# The company of `verisim demo`. Change it and try `verisim --config THIS-FILE up`.\n\
         state = \"state\"\nseed = {seed}\n\n\
         # Nobody keeps to working hours here, and much happens: that is for watching. Without these two lines it is an\n\
         # ordinary week.\n[life]\nbusy = true\npace = 400\n"
    );
    for host in &HOSTS {
        let people: Vec<String> = host
            .people
            .iter()
            .filter_map(|place| PEOPLE.get(*place))
            .map(|p| format!("{:?}", p.name))
            .collect();
        let _ = write!(
            out,
            "\n[[decoy]]\nname = {:?}\nconnector = {{ rootfs = {{ path = \"decoys/{}\" }} }}\nservices = {:?}\nrole = {:?}\npersonas = [{}]\n",
            host.name,
            host.name,
            host.services,
            host.role,
            people.join(", ")
        );
    }
    for person in &PEOPLE {
        let _ = write!(
            out,
            "\n[[persona]]\nname = {:?}\nfull_name = {:?}\nlogin = {:?}\nuid = {}\nrole = {:?}\ntime_zone = {:?}\nweek = {:?}\n",
            person.name,
            person.full_name,
            person.login,
            person.uid,
            person.role,
            person.time_zone,
            person.week
        );
    }
    out.push_str(
        "\n[[destination]]\nname = \"vault\"\nnative = { path = \"vault\" }\n\n\
         [[capture]]\nname = \"sensor\"\npath = \"captures\"\neach = \"directory\"\n\
         complete = { sentinel = \"run_complete\" }\ndestination = \"vault\"\n\
         # Off: nothing is ever deleted here.\ncleanup = { enabled = false }\n",
    );
    out
}

/// Where the root of a host is, below the folder of the demonstration.
pub(super) fn root_of(dir: &Path, host: &Host) -> std::path::PathBuf {
    dir.join("decoys").join(host.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_company_is_a_configuration_without_a_mistake() {
        let text = config_text(7);
        let config = match crate::config::parse(&text, Path::new("/nowhere/verisim.toml"), None) {
            Ok(config) => config,
            Err(error) => panic!("{error:?}"),
        };
        assert_eq!((config.decoys.len(), config.personas.len(), config.captures.len()), (3, 5, 1));
        assert!(config.life.busy);
    }
}
