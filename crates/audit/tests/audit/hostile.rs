//! Roots that try to hold up or to break whoever looks at them.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use verisim_audit::{Limits, Options, collect, judge_all};
use verisim_connect::RootfsConnector;
use verisim_core::{DecoyPath, Timestamp};
use verisim_testkit::VirtualClock;

use crate::root::{Root, look, now};

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(60), future).await {
        Ok(done) => done,
        Err(_) => panic!("{what} held it up"),
    }
}

#[tokio::test]
async fn inv_7_a_root_of_traps_is_judged_in_time() {
    let made = Root::good(7).make();
    let root = made.path();
    let fifo = |path: &str| {
        let path = root.join(path);
        let _ = fs::remove_file(&path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
    };
    for path in [
        "var/log/wtmp",
        "var/log/auth.log",
        "etc/hostname",
        "home/mkeller/.bash_history",
        "home/mkeller/a.pdf",
        "var/lib/dpkg/info/x.list",
    ] {
        fifo(path);
    }
    // Endless for its length, and a circle of links, and one that leads out.
    fs::File::create(root.join("var/log/btmp")).unwrap().set_len(1 << 42).unwrap();
    fs::File::create(root.join("var/log/syslog.1.gz")).unwrap().set_len(1 << 42).unwrap();
    fs::File::create(root.join("home/mkeller/huge.docx")).unwrap().set_len(1 << 42).unwrap();
    fs::File::create(root.join("etc/timezone")).unwrap().set_len(1 << 42).unwrap();
    symlink("../circle", root.join("home/circle")).unwrap();
    symlink("/etc", root.join("home/mkeller/etc")).unwrap();
    symlink("..", root.join("home/mkeller/up")).unwrap();
    let mut deep = root.join("home/mkeller");
    for _ in 0..200 {
        deep.push("d");
    }
    fs::create_dir_all(&deep).unwrap();
    let report = judge_all(&[within("a trap", look(root, now())).await]).remove(0);
    assert!(report.entries < 2000, "no link is followed: {report:#?}");
}

#[tokio::test]
async fn what_is_too_much_is_left_out_and_said() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("home/a")).unwrap();
    fs::create_dir_all(dir.path().join("etc")).unwrap();
    fs::write(dir.path().join("etc/passwd"), "a:x:1000:1000::/home/a:/bin/sh\n").unwrap();
    for n in 0..3000 {
        fs::write(dir.path().join(format!("home/a/f{n}")), "x").unwrap();
    }
    let now = Timestamp::from_second(now()).unwrap();
    let connector = RootfsConnector::new(dir.path().to_owned(), VirtualClock::new(now));
    let limits = Limits { entries_max: 500, directory_max: 400, bytes_max: 100, ..Limits::default() };
    let options = Options { limits, exclude: Vec::new() };
    let evidence = within("a full folder", collect("x", &connector, now, &options)).await.unwrap();
    assert!(evidence.entries.len() <= 520, "{}", evidence.entries.len());
    assert!(evidence.left_out.len() >= 2, "{:?}", evidence.left_out);
    let limits = Limits { time_max: Duration::ZERO, ..Limits::default() };
    let options = Options { limits, exclude: Vec::new() };
    let evidence = within("no time", collect("x", &connector, now, &options)).await.unwrap();
    assert!(!evidence.left_out.is_empty());
}

#[tokio::test]
async fn what_is_excluded_is_not_looked_at() {
    let made = Root::good(7).make();
    let now = Timestamp::from_second(now()).unwrap();
    let connector = RootfsConnector::new(made.path().to_owned(), VirtualClock::new(now));
    let exclude = ["/home/mkeller", "/var/log/auth.log"].map(|path| DecoyPath::new(path).unwrap());
    let options = Options { exclude: exclude.to_vec(), ..Options::default() };
    let evidence = collect("x", &connector, now, &options).await.unwrap();
    assert!(evidence.entries.iter().all(|entry| !exclude.iter().any(|path| entry.path.starts_with(path))));
    assert!(evidence.entries.iter().any(|entry| entry.path.as_bytes().starts_with(b"/home/jbrandt/")));
    assert!(evidence.logs.iter().all(|log| log.path != exclude[1]));
}

#[test]
fn a_host_with_more_of_everything_than_anybody_has_is_judged_in_time() {
    use verisim_audit::read::{AccountLine, Login, LoginKind, log};
    use verisim_audit::{Entry, Evidence, Layout, Looked, NamedLog};
    use verisim_core::{FileKind, FileMode, FileStat, Owner};

    let taken = Timestamp::from_second(1_795_000_000).unwrap();
    let at = |n: usize| Timestamp::from_second(1_794_000_000 + i64::try_from(n).unwrap()).unwrap();
    let mut evidence = Evidence::new("x", taken, Layout::Host);
    let account = |n: usize| AccountLine {
        login: format!("u{n}"),
        uid: 1000 + u32::try_from(n).unwrap(),
        gid: 1000,
        full_name: format!("User {n}"),
        home: format!("/home/u{n}"),
        shell: "/bin/sh".into(),
    };
    evidence.accounts = Some((0..10_000).map(account).collect());
    let entry = |path: String, kind, n: usize| Entry {
        path: DecoyPath::new(path).unwrap(),
        stat: FileStat {
            kind,
            size: 9,
            mode: FileMode::new(0o644),
            owner: Owner { uid: 1000 + u32::try_from(n % 10_000).unwrap(), gid: 0 },
            inode: Some(n as u64),
            links: Some(1),
            mtime: at(n),
            atime: at(n),
            ctime: Some(taken),
            btime: Some(taken),
            sha256: None,
        },
        looked: Looked::default(),
    };
    evidence.entries.extend((0..10_000).map(|n| entry(format!("/home/u{n}"), FileKind::Directory, n)));
    evidence
        .entries
        .extend((0..60_000).map(|n| entry(format!("/home/u{}/f{n}", n % 10_000), FileKind::Regular, n)));
    let login = |n: usize| Login {
        kind: if n.is_multiple_of(2) { LoginKind::Login } else { LoginKind::Boot },
        at: at(n),
        user: format!("u{n}"),
        line: format!("pts/{n}"),
        host: String::new(),
        pid: 1,
    };
    evidence.wtmp = Some((0..100_000).map(login).collect());
    let lines: String =
        (0..60_000).map(|n| format!("{} h sshd[1]: session opened for user u{n} by x\n", at(n))).collect();
    let path = DecoyPath::new("/var/log/auth.log").unwrap();
    let log = Some(log(lines.as_bytes(), taken, "UTC"));
    evidence.logs.push(NamedLog { path, mtime: taken, log, is_cut: false });
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(judge_all(&[evidence])));
    let report = wait.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(!report[0].findings.is_empty());
}
