//! The root of a small host as an installer of Debian leaves it: accounts, a logger, an SSH server, cron, empty records.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The groups of Debian that own what is made here.
const ADM: u32 = 4;
const SHADOW: u32 = 42;
const UTMP: u32 = 43;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
man:x:6:12:man:/var/cache/man:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
messagebus:x:100:107::/nonexistent:/usr/sbin/nologin
sshd:x:101:65534::/run/sshd:/usr/sbin/nologin
";
const GROUP: &str = "root:x:0:
daemon:x:1:
adm:x:4:
man:x:12:
sudo:x:27:
www-data:x:33:
shadow:x:42:
utmp:x:43:
users:x:100:
messagebus:x:107:
nogroup:x:65534:
";

/// Makes it in an empty folder, some months old.
pub(crate) fn make(root: &Path, host: &str) {
    let locked = |lines: &str, rest: &str| -> String {
        let names = lines.lines().filter_map(|line| line.split(':').next());
        names.map(|name| format!("{name}:{rest}\n")).collect()
    };
    for folder in [
        "home",
        "root",
        "tmp",
        "var/tmp",
        "var/log/apt",
        "var/lib/dpkg",
        "usr/sbin",
        "usr/bin",
        "etc/skel",
        "run",
    ] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let text = [
        ("etc/passwd", PASSWD.to_owned(), 0o644, 0),
        ("etc/group", GROUP.to_owned(), 0o644, 0),
        ("etc/shadow", locked(PASSWD, "*:20300:0:99999:7:::"), 0o640, SHADOW),
        ("etc/gshadow", locked(GROUP, "*::"), 0o640, SHADOW),
        ("etc/hostname", format!("{host}\n"), 0o644, 0),
        ("etc/hosts", format!("127.0.0.1\tlocalhost\n127.0.1.1\t{host}\n"), 0o644, 0),
        ("etc/debian_version", "12.7\n".to_owned(), 0o644, 0),
        (
            "etc/os-release",
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n".to_owned(),
            0o644,
            0,
        ),
        ("etc/shells", "/bin/sh\n/bin/bash\n".to_owned(), 0o644, 0),
        ("etc/skel/.profile", "umask 022\n".to_owned(), 0o644, 0),
        ("etc/skel/.bashrc", "HISTSIZE=1000\nHISTFILESIZE=2000\n".to_owned(), 0o644, 0),
        ("etc/skel/.bash_logout", "clear\n".to_owned(), 0o644, 0),
        ("etc/crontab", "17 *\t* * *\troot\trun-parts /etc/cron.hourly\n".to_owned(), 0o644, 0),
        (
            "etc/rsyslog.conf",
            "auth,authpriv.*\t/var/log/auth.log\n*.*\t/var/log/syslog\n".to_owned(),
            0o644,
            0,
        ),
        ("var/log/auth.log", String::new(), 0o640, ADM),
        ("var/log/syslog", String::new(), 0o640, ADM),
        ("var/log/wtmp", String::new(), 0o664, UTMP),
        ("var/log/btmp", String::new(), 0o660, UTMP),
        ("var/log/lastlog", String::new(), 0o664, UTMP),
    ];
    for (path, body, mode, group) in text {
        put(root, path, body.as_bytes(), mode, group);
    }
    for program in ["usr/sbin/sshd", "usr/sbin/cron", "usr/sbin/rsyslogd", "usr/bin/bash", "usr/bin/sudo"] {
        put(root, program, b"\x7fELF of nothing", 0o755, 0);
    }
    for (from, to) in [("bin", "usr/bin"), ("sbin", "usr/sbin")] {
        symlink(to, root.join(from)).unwrap();
    }
    for (folder, mode) in [("tmp", 0o1777), ("var/tmp", 0o1777), ("root", 0o700), ("var/log", 0o755)] {
        fs::set_permissions(root.join(folder), fs::Permissions::from_mode(mode)).unwrap();
    }
    age(root, SystemTime::from(crate::sandbox::now()) - Duration::from_secs(260 * 86_400));
}

fn put(root: &Path, path: &str, body: &[u8], mode: u32, group: u32) {
    let at = root.join(path);
    fs::write(&at, body).unwrap();
    chown(&at, Some(0), Some(group)).unwrap();
    fs::set_permissions(&at, fs::Permissions::from_mode(mode)).unwrap();
}

/// Lets all of it be of one installation, folders last.
fn age(at: &Path, then: SystemTime) {
    let meta = fs::symlink_metadata(at).unwrap();
    if meta.is_dir() {
        for entry in fs::read_dir(at).unwrap() {
            age(&entry.unwrap().path(), then);
        }
    }
    if !meta.is_symlink() {
        let inode = std::os::unix::fs::MetadataExt::ino(&meta);
        let then = then + Duration::from_nanos(inode % 977 * 61_000_019);
        fs::File::open(at)
            .unwrap()
            .set_times(fs::FileTimes::new().set_accessed(then).set_modified(then))
            .unwrap();
    }
}
