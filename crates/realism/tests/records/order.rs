//! Logs rise: times, process numbers, generations; in every zone, over the turn of a year and of the clock.

use std::collections::BTreeMap;

use proptest::prelude::*;
use verisim_audit::read::{self, LogLine, LoginKind};
use verisim_realism::Settings;

use crate::common::{at, world};
use crate::sandbox::{Lived, existing, in_zone, plain};

/// All lines of a log, from the oldest generation on.
fn lines(lived: &Lived, name: &str) -> Vec<LogLine> {
    let mut all: Vec<(u32, Vec<LogLine>)> = Vec::new();
    for file in &lived.records.files {
        let path = String::from_utf8_lossy(file.path.as_bytes()).into_owned();
        let Some(suffix) = path.strip_prefix(&format!("/var/log/{name}")) else { continue };
        let age = suffix.trim_end_matches(".gz").trim_start_matches('.');
        let age = if age.is_empty() { 0 } else { age.parse().unwrap() };
        let log = read::log(&plain(&path, file.body.as_bytes()), file.mtime, lived.zone());
        assert_eq!(log.strange, 0, "{path}");
        let last = log.lines.last().unwrap().at.as_second();
        assert!((file.mtime.as_second() - last).abs() <= 1, "{path} is of the time of its last line");
        all.push((age, log.lines));
    }
    all.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
    all.into_iter().flat_map(|(_, lines)| lines).collect()
}

fn check_order(lived: &Lived) {
    let host = lived.world.decoy(lived.decoy).unwrap().name.to_string();
    for name in ["auth.log", "syslog", "kern.log", "cron.log"] {
        let lines = lines(lived, name);
        assert!(!lines.is_empty(), "{name}");
        for pair in lines.windows(2) {
            assert!(pair[0].at <= pair[1].at, "{name}: {pair:?}");
        }
        assert!(lines.iter().all(|line| *line.host == *host), "{name}");
    }
    check_numbers(&lines(lived, "auth.log"));
    for line in lines(lived, "syslog").iter().filter(|line| line.message.contains("cron.hourly")) {
        let local = lived.world.decoy(lived.decoy).unwrap().time_zone.local(line.at);
        assert_eq!((local.minute(), local.second()), (17, 1), "{line:?}");
    }
    let boots = read::utmp(lived.body("/var/log/wtmp").unwrap());
    assert!(boots.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert!(boots.iter().any(|record| record.kind == LoginKind::Boot));
}

/// Processes that begin later have larger numbers, but for a start of the machine and for the wrap.
fn check_numbers(lines: &[LogLine]) {
    let begins = |line: &&LogLine| {
        let first = match &*line.program {
            "sshd" => "Accepted ",
            "CRON" => "pam_unix(cron:session): session opened",
            "(systemd)" => "pam_unix(systemd-user:session): session opened",
            _ => "New seat seat0.",
        };
        line.message.starts_with(first)
    };
    let (mut last, mut count) = (0, 0);
    for line in lines.iter().filter(begins) {
        if &*line.program == "systemd-logind" {
            last = 0;
            continue;
        }
        let pid = line.pid.unwrap();
        // Who mistyped a password first began a little earlier.
        assert!(pid + 8 > last || last > 4_000_000, "{pid} after {last}: {line:?}");
        last = pid;
        count += 1;
    }
    assert!(count > 50, "{count}");
}

#[test]
fn logs_rise_over_the_turn_of_the_year_and_on_days_when_the_clock_is_changed() {
    for zone in ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"] {
        let world = in_zone(zone, 11, 5);
        for until in ["2027-01-08T12:00:00Z", "2026-11-04T12:00:00Z", "2027-04-06T12:00:00Z"] {
            check_order(&Lived::new(&world, 0, 40, until));
        }
    }
}

#[test]
fn lines_without_a_year_are_read_back_at_the_times_of_the_sessions() {
    let world = in_zone("America/New_York", 12, 5);
    let files: [(&str, &[u8]); 2] = [
        ("/etc/os-release", b"ID=debian\nVERSION_ID=\"11\"\n"),
        ("/etc/crontab", b"17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n"),
    ];
    let mut there = existing(&files, "2025-01-01T00:00:00Z");
    for program in ["/usr/sbin/cron", "/usr/lib/systemd/systemd", "/usr/sbin/logrotate", "/usr/sbin/rsyslogd"]
    {
        there.present.insert(program.parse_path());
    }
    let lived = Lived::on(&world, 0, 40, "2027-01-08T12:00:00Z", &there);
    let text = String::from_utf8(lived.body("/var/log/auth.log").unwrap().to_vec()).unwrap();
    assert!(text.starts_with("Jan  3 0"), "{}", &text[..60]);
    let logged = lines(&lived, "auth.log");
    let wtmp = read::utmp(lived.body("/var/log/wtmp").unwrap());
    let begins = logged[0].at;
    let logins = wtmp.iter().filter(|record| record.kind == LoginKind::Login && record.at > begins);
    let mut count = 0;
    for login in logins {
        count += 1;
        let is_told = |line: &LogLine| {
            line.message.contains(&format!("session opened for user {}(", login.user))
                && (line.at.as_second() - login.at.as_second()).abs() <= 1
        };
        assert!(logged.iter().any(is_told), "{login:?}");
    }
    assert!(count > 20, "{count}");
}

/// A path from a literal.
trait Parse {
    fn parse_path(&self) -> verisim_core::DecoyPath;
}

impl Parse for &str {
    fn parse_path(&self) -> verisim_core::DecoyPath {
        verisim_core::DecoyPath::new(self).unwrap()
    }
}

#[test]
fn inv_11_the_same_past_has_the_same_records() {
    let world = world(2, 3, Settings::default());
    let again = crate::common::world(2, 3, Settings::default());
    let one = Lived::new(&world, 1, 30, "2026-11-23T10:00:00Z");
    let other = Lived::new(&again, 1, 30, "2026-11-23T10:00:00Z");
    assert_eq!(one.records, other.records);
    assert!(one.records.files.len() > 30);
}

#[test]
fn nobody_is_there_at_a_start_of_the_machine_nor_at_the_end() {
    let mut starts = 0;
    for seed in 1..4 {
        let lived = Lived::new(&in_zone("UTC", seed, 8), 0, 200, "2026-11-23T10:00:00Z");
        let mut open = BTreeMap::new();
        for record in read::utmp(lived.body("/var/log/wtmp").unwrap()) {
            match record.kind {
                LoginKind::Login => {
                    assert!(open.insert(record.line.clone(), record).is_none(), "one at a terminal");
                }
                LoginKind::Logout => assert!(open.remove(&record.line).is_some(), "{record:?}"),
                LoginKind::Boot => {
                    starts += 1;
                    assert!(open.is_empty(), "{open:?}");
                }
                LoginKind::RunLevel | LoginKind::Other => {}
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
    assert!(starts > 2, "{starts}");
}

#[test]
fn what_lies_in_tmp_is_younger_than_the_last_start_of_the_machine() {
    // Few leave anything there, and it is cleaned up.
    let mut count = 0;
    for seed in 0..60 {
        if count > 3 {
            break;
        }
        let lived = Lived::new(&in_zone("UTC", seed, 8), 0, 120, "2026-11-23T10:00:00Z");
        let wtmp = read::utmp(lived.body("/var/log/wtmp").unwrap());
        let start = wtmp.iter().rfind(|record| record.kind == LoginKind::Boot).unwrap().at;
        for file in lived.files() {
            if file.action.paths().0.unwrap().as_bytes().starts_with(b"/tmp/") {
                count += 1;
                assert!(file.born > start, "{:?} {} {start}", file.action.paths(), file.born);
            }
        }
    }
    assert!(count > 0, "nothing is left in any of them");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn logs_rise_for_any_seed_zone_and_stretch(seed in any::<u64>(), zone in 0_usize..5, day in 0_i64..700, days in 3_i64..70) {
        let zones = ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Chatham", "America/Sao_Paulo"];
        let until = at("2026-01-01T09:30:00Z") + jiff::SignedDuration::from_hours(24 * day);
        check_order(&Lived::new(&in_zone(zones[zone], seed, 5), 0, days, &until.to_string()));
    }
}
