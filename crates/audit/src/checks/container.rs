//! Tell 17: signs of a container, and of well-known honeypots as they come.
//!
//! A container is not fake by itself: services live in them. It is told, and weighs little. What a honeypot ships as its
//! defaults weighs a lot, since every scanner of honeypots looks for it.

use verisim_core::FileKind;

use super::Checked;
use crate::case::Case;
use crate::evidence::Layout;
use crate::read::LoginKind;
use crate::report::Finding;
use crate::stats::seconds;

pub(super) const POWER_DB: f64 = 12.0;

pub(super) fn check(case: &Case<'_>) -> Checked {
    if case.evidence.layout != Layout::Host {
        return Checked::blind();
    }
    Checked::new(
        1.0,
        [file(case), overlay(case), name(case), younger(case), uptime(case), defaults(case)]
            .into_iter()
            .flatten(),
    )
}

fn file(case: &Case<'_>) -> Option<Finding> {
    let file = case.evidence.host.container_file?;
    Some(
        Finding::new(17, "container_file", 2.0, format!("{file} is there: it is a container"))
            .cases(1, 1)
            .examples([file.to_owned()])
            .see(format!("ls -l {file}; findmnt / | grep overlay"))
            .mend("not always yours to mend: a decoy that is a virtual machine has none; or let the story be that of a container"),
    )
}

fn overlay(case: &Case<'_>) -> Option<Finding> {
    let kind = case.evidence.host.root_kind.as_deref().filter(|kind| kind.contains("overlay"))?;
    Some(
        Finding::new(17, "overlay_root", 2.0, format!("the root is on {kind}, as that of a container"))
            .cases(1, 1)
            .see("findmnt /; stat -f -c %T /")
            .mend("not yours to mend in a container; let the story be that of one"),
    )
}

/// How long it has been up is not what its records say of its last start.
fn uptime(case: &Case<'_>) -> Option<Finding> {
    let started = seconds(case.evidence.host.started?);
    let boots = case.evidence.wtmp.iter().flatten().filter(|record| record.kind == LoginKind::Boot);
    let last = boots.map(|record| seconds(record.at)).reduce(f64::max)?;
    let apart = (started - last).abs();
    (apart > 600.0).then(|| {
        let what = format!("its uptime and the last start in wtmp are {:.1} days apart", apart / 86_400.0);
        Finding::new(17, "uptime_and_records_differ", 5.0, what)
            .cases(1, 1)
            .see("uptime -s; last -x reboot | head -n1")
            .mend("write the start of the machine into wtmp when it starts")
    })
}

fn name(case: &Case<'_>) -> Option<Finding> {
    let name = case.evidence.host.name.as_deref()?;
    let is_id = name.len() == 12 && name.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
    is_id.then(|| {
        Finding::new(
            17,
            "host_name_of_a_container",
            4.0,
            format!("the host is called {name}, as container engines name it"),
        )
        .cases(1, 1)
        .see("hostname")
        .mend("give it a name: `--hostname` of docker run, `hostname:` of compose")
    })
}

/// The first start that wtmp tells of is after the first line of the logs, or the logs begin long after it.
fn younger(case: &Case<'_>) -> Option<Finding> {
    let boots = case.evidence.wtmp.iter().flatten().filter(|record| record.kind == LoginKind::Boot);
    let boots: Vec<f64> = boots.map(|record| seconds(record.at)).collect();
    let last = boots.iter().copied().fold(f64::MIN, f64::max);
    let (first_line, last_line) = case
        .evidence
        .logs
        .iter()
        .filter_map(|log| log.log.as_ref())
        .flat_map(|log| &log.lines)
        .filter(|line| line.program.starts_with("kernel") || line.program.starts_with("systemd"))
        .map(|line| seconds(line.at))
        .fold((f64::MAX, f64::MIN), |(first, last), at| (first.min(at), last.max(at)));
    // It was started after the last line of its logs, and days ago.
    let silent_days = (seconds(case.evidence.taken) - last) / 86_400.0;
    let is_odd = last > last_line + 3600.0 && silent_days > 1.0;
    (!boots.is_empty() && first_line < f64::MAX && is_odd).then(|| {
        Finding::new(
            17,
            "started_without_a_line",
            5.0,
            "wtmp tells of a start that no log tells of".to_owned(),
        )
        .cases(1, 1)
        .see("last -x reboot; uptime -s; head -n1 /var/log/syslog")
        .mend("let the start of wtmp, the uptime and the first lines of the logs agree")
    })
}

/// What Cowrie ships: its host's name, and the person in its /etc/passwd.
fn defaults(case: &Case<'_>) -> Option<Finding> {
    let is_called = case.evidence.host.name.as_deref() == Some("svr04");
    let accounts = case.evidence.accounts.as_deref().unwrap_or_default();
    let is_phil =
        accounts.iter().any(|account| account.login == "phil" && account.full_name == "Phil California");
    let is_root = case
        .evidence
        .entries
        .iter()
        .any(|entry| entry.stat.kind == FileKind::Directory && entry.path.as_bytes() == b"/home/phil");
    (is_called || is_phil).then(|| {
        let told = [
            (is_called, "host name svr04"),
            (is_phil, "account phil (Phil California)"),
            (is_phil && is_root, "/home/phil"),
        ];
        Finding::new(
            17,
            "defaults_of_a_honeypot",
            12.0,
            "it has what Cowrie ships, which every scanner of honeypots knows".to_owned(),
        )
        .cases(1, 1)
        .examples(told.iter().filter(|(is_so, _)| *is_so).map(|(_, what)| (*what).to_owned()))
        .see("hostname; grep phil /etc/passwd")
        .mend("replace the host name and the accounts of honeyfs by your own")
    })
}
