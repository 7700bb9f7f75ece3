//! Tell 12: connections of other hosts that never come to a login.
//!
//! From the outside that is the weather. From inside a network, where colleagues' machines connect, it is a scanner, or
//! traffic that somebody makes: people log in, stay, and log out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Checked;
use crate::case::Case;
use crate::report::Finding;
use crate::stats::{ramp, reach, share};

pub(super) const POWER_DB: f64 = 8.0;

/// The first address in a message, after `from` or `by`.
fn peer(message: &str) -> Option<IpAddr> {
    message.split_whitespace().find_map(|word| word.trim_matches(['[', ']', ',']).parse().ok())
}

fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    }
}

pub(super) fn check(case: &Case<'_>) -> Checked {
    let lines = case.evidence.logs.iter().filter_map(|log| log.log.as_ref()).flat_map(|log| &log.lines);
    let lines = lines.filter(|line| line.program.starts_with("sshd"));
    let (mut came, mut entered): (BTreeMap<IpAddr, usize>, BTreeMap<IpAddr, usize>) = Default::default();
    let (mut opened, mut closed) = (0, 0);
    for line in lines {
        opened += usize::from(line.message.contains("session opened for user"));
        closed += usize::from(line.message.contains("session closed for user"));
        let is_end = [
            "Connection closed by",
            "Received disconnect from",
            "Did not receive identification",
            "Connection reset by",
        ]
        .iter()
        .any(|start| line.message.starts_with(start))
            && line.message.contains("[preauth]");
        let is_login = line.message.starts_with("Accepted ");
        if let Some(peer) = peer(&line.message).filter(|peer| is_inside(*peer)) {
            if is_login {
                *entered.entry(peer).or_default() += 1;
            } else if is_end {
                *came.entry(peer).or_default() += 1;
            }
        }
    }
    let seen = came.values().sum::<usize>() + entered.values().sum::<usize>() + opened;
    if seen == 0 {
        return Checked::blind();
    }
    let never: Vec<(&IpAddr, &usize)> =
        came.iter().filter(|(peer, count)| **count >= 3 && !entered.contains_key(peer)).collect();
    let tries: usize = never.iter().map(|(_, count)| **count).sum();
    let mut findings = vec![
        Finding::new(
            12,
            "connections_without_logins",
            8.0 * ramp(share(tries, seen), 0.2, 0.8) * reach(tries, 5),
            format!("{} hosts of the network connected {tries} times and never logged in", never.len()),
        )
        .cases(never.len(), came.len() + entered.len())
        .examples(never.iter().map(|(peer, _)| peer.to_string()))
        .see("grep preauth /var/log/auth.log | grep -oE '(10|172|192)[0-9.]+' | sort | uniq -c")
        .mend("let hosts that connect log in, do something, and log out"),
    ];
    // What is open at the end has no end yet, and a cut log loses beginnings.
    let unfinished = opened - opened.min(closed);
    if opened >= 5 {
        findings.push(
            Finding::new(
                12,
                "sessions_without_end",
                5.0 * ramp(share(unfinished, opened), 0.3, 0.9),
                format!("{unfinished} of {opened} sessions never end"),
            )
            .cases(unfinished, opened)
            .see("grep -c 'session opened' /var/log/auth.log; grep -c 'session closed' /var/log/auth.log")
            .mend("write the logout of each session"),
        );
    }
    Checked::new(reach(seen, 10), findings)
}
