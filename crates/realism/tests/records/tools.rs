//! The programs that read such files on real hosts read ours.

use std::collections::BTreeMap;
use std::path::Path;

use verisim_audit::read::{self, LoginKind};

use crate::sandbox::{Lived, in_zone};

/// Runs a program in English and universal time: whether it succeeded, and all that it said.
fn run(program: &str, arguments: &[&str], dir: &Path) -> (bool, String) {
    #[expect(clippy::disallowed_methods, reason = "the real readers of these files are what is asked")]
    let run = std::process::Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .output()
        .unwrap();
    let said = [run.stdout, run.stderr].concat();
    (run.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn records_are_read_by_the_programs_of_a_real_host() {
    let world = in_zone("UTC", 7, 8);
    let lived = Lived::new(&world, 0, 150, "2026-11-23T10:00:00Z");
    let sandbox = lived.unpack();
    let root = sandbox.root();
    let ask = |program: &str, arguments: &[&str]| {
        let (is_good, said) = run(program, arguments, root);
        assert!(is_good, "{program} {arguments:?}: {said}");
        said
    };
    let records = read::utmp(lived.body("/var/log/wtmp").unwrap());
    let logins = records.iter().filter(|record| record.kind == LoginKind::Login).count();
    let said = ask("last", &["-F", "-w", "-f", "var/log/wtmp"]);
    assert_eq!(said.lines().filter(|line| line.starts_with("user")).count(), logins);
    for wrong in ["still logged in", "gone - no logout", "crash"] {
        assert!(!said.contains(wrong), "{wrong}: {said}");
    }
    let failed = read::utmp(lived.body("/var/log/btmp").unwrap()).len();
    let said = ask("lastb", &["-F", "-w", "-f", "var/log/btmp"]);
    assert_eq!(said.lines().filter(|line| line.contains("ssh:notty")).count(), failed);
    assert!(failed > 0 && failed < logins / 10, "{failed} of {logins}");
    for file in ["var/log/wtmp", "run/utmp"] {
        let said = ask("utmpdump", &[file]);
        let dumped = said.lines().filter(|line| line.starts_with('[')).count();
        assert_eq!(dumped, std::fs::read(sandbox.path(file)).unwrap().len() / 384);
    }
    let said = ask("lastlog", &["-R", root.to_str().unwrap()]);
    let last = records.iter().rev().find(|record| record.user == "user2").unwrap();
    let day = last.at.strftime("%b %e").to_string();
    let shown = said.lines().find(|line| line.starts_with("user2")).unwrap();
    assert!(shown.contains(&day) && shown.contains(&last.host), "{shown}, not {last:?}");
    for file in &lived.records.files {
        let path = file.path.to_string();
        if path.ends_with(".gz") {
            ask("gzip", &["-t", path.trim_start_matches('/')]);
        }
    }
    // The folders of the system's own accounts are not there: -q leaves that out.
    ask("pwck", &["-r", "-q", "-R", root.to_str().unwrap()]);
    ask("grpck", &["-r", "-R", root.to_str().unwrap()]);
}

#[test]
fn a_shell_reads_its_history_with_the_times() {
    let world = in_zone("UTC", 7, 8);
    let lived = Lived::new(&world, 0, 60, "2026-11-23T10:00:00Z");
    let sandbox = lived.unpack();
    let mut with_times = BTreeMap::new();
    for number in 0..6 {
        let file = format!("home/user{number}/.bash_history");
        let script = format!(
            "HISTSIZE=5000 HISTFILESIZE=5000 HISTTIMEFORMAT='%s '; set -o history; history -c; history -r {file}; history"
        );
        let (is_good, said) = run("bash", &["--norc", "-c", &script], sandbox.root());
        assert!(is_good, "{said}");
        let commands = read::history(&std::fs::read(sandbox.path(&file)).unwrap()).commands;
        assert_eq!(said.lines().count(), commands.len(), "{file}");
        for (line, command) in said.lines().zip(&commands) {
            let mut words = line.split_whitespace().skip(1);
            let time = words.next().unwrap();
            assert!(line.ends_with(&command.line), "{line:?} is {:?}", command.line);
            assert!(command.at.is_none_or(|at| at.as_second().to_string() == time), "{line:?}");
        }
        let rc =
            String::from_utf8(lived.body(&format!("/home/user{number}/.bashrc")).unwrap().to_vec()).unwrap();
        let is_timed = commands.iter().any(|command| command.at.is_some());
        assert_eq!(is_timed, rc.contains("HISTTIMEFORMAT"), "{file} is as its shell is told");
        with_times.insert(number, is_timed);
        let (is_good, said) = run("bash", &["-n", &format!("home/user{number}/.bashrc")], sandbox.root());
        assert!(is_good, "{said}");
    }
    assert!(with_times.values().any(|with| *with) && with_times.values().any(|with| !with), "{with_times:?}");
}
