//! Decoys: whether they answer, and whether what is done there will look right.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use verisim_core::{Capabilities, Connector, DecoyPath, FileKind, HostFacts, Owner, StatRequest, Timestamp};

use super::{Check, Measured, Sheet, container, host, space, traffic};
use crate::config::units::show_size;
use crate::config::{ConnectorConfig, DecoyConfig, PersonaConfig};
use crate::error::{advice, not_regular_advice, show};
use crate::exit::Exit;
use crate::owners::Owners;
use crate::wire::Wired;

/// A decoy's clock may differ from ours by so much before it is a tell.
const CLOCK_DRIFT_MAX: Duration = Duration::from_secs(5);
/// A clock that differs by less than this agrees with ours.
const CLOCK_AGREES: Duration = Duration::from_millis(500);
/// How many decoys are looked at at once: a slow one shall not keep the others waiting.
const DECOYS_AT_ONCE: usize = 16;

/// Looks at every decoy, in the order of the configuration.
pub(super) async fn look_at_all(wired: &Wired) -> Vec<Sheet> {
    let owners = wired.owners().await;
    let looks = wired.config.decoys.iter().map(|decoy| look_at(wired, decoy, &owners));
    stream::iter(looks).buffered(DECOYS_AT_ONCE).collect().await
}

async fn look_at(wired: &Wired, decoy: &DecoyConfig, owners: &Owners) -> Sheet {
    let mut sheet = Sheet::of(format!("decoy {}", decoy.name));
    let Some(member) = wired.fleet.get(&decoy.name) else { return sheet };
    let connector = member.connector.as_ref();
    let before = wired.clock.now();
    let facts = match connector.probe().await {
        Ok(facts) => facts,
        Err(failure) => {
            let (found, mend) = match (failure.not_regular(), &decoy.connector) {
                (Some(kind), _) => (failure.detail, not_regular_advice(kind)),
                (None, ConnectorConfig::Rootfs(root)) => {
                    let mend = advice(failure.kind).1.map_or_else(
                        || format!("make the folder {}, or mend its `connector`", show(root)),
                        str::to_owned,
                    );
                    (failure.detail, mend)
                }
                (None, ConnectorConfig::Docker(docker)) => {
                    let mend = container::mend(docker, &failure);
                    (failure.detail, mend)
                }
                (None, ConnectorConfig::Ssh(ssh)) => host::trouble(&decoy.name, ssh, &failure),
            };
            sheet.bad(Check::Reachable, Exit::Unreachable, found, mend);
            return sheet;
        }
    };
    let after = wired.clock.now();
    look_at_host(&mut sheet, &facts);
    if facts.accounts.is_empty() {
        look_at_accounts(&mut sheet, connector).await;
    }
    let can = connector.capabilities();
    look_at_way(&mut sheet, decoy, &can);
    look_at_capabilities(&mut sheet, decoy, &can);
    match facts.clock {
        Some(theirs) => look_at_clock(&mut sheet, theirs, before, after),
        None => sheet.warn(
            Check::Clock,
            "its clock cannot be seen from here",
            "allow commands with exec = true, or compare it by hand: a wrong one is a tell",
        ),
    }
    traffic::look_at_services(&mut sheet, wired, decoy);
    let named: HashMap<&str, &PersonaConfig> =
        wired.config.personas.iter().map(|persona| (persona.name.as_str(), persona)).collect();
    for persona in decoy.personas.iter().filter_map(|name| named.get(name.as_str())) {
        let owner = owners.get(&persona.name).copied().unwrap_or(Owner::ROOT);
        look_at_account(&mut sheet, persona, owner, &facts);
        look_at_home(&mut sheet, persona, connector).await;
    }
    sheet
}

fn look_at_host(sheet: &mut Sheet, facts: &HostFacts) {
    let os = facts.os.as_deref().unwrap_or("an unknown system");
    let accounts = facts.accounts.len();
    let free = facts.free_bytes.map(|free| format!(", {} free", show_size(free))).unwrap_or_default();
    sheet.good(Check::Reachable, format!("answers: {os}, {accounts} accounts{free}"));
    if !facts.writable {
        sheet.bad(
            Check::Writable,
            Exit::Unreachable,
            "nothing can be written",
            "mount it for writing, or run as a user who may write there",
        );
    }
    space(sheet, facts.free_bytes);
}

/// Where no account is seen, whether that is because the file of accounts is none.
async fn look_at_accounts(sheet: &mut Sheet, connector: &dyn Connector) {
    let Ok(path) = DecoyPath::new("/etc/passwd") else { return };
    let found = match connector.stat(&path, StatRequest::Plain).await {
        Ok(Some(stat)) if stat.kind == FileKind::Regular => return,
        Ok(Some(stat)) => format!("its {path} is {}: no account can be seen", stat.kind),
        Ok(None) => format!("it has no {path}: no account can be seen"),
        Err(failure) => format!("no account can be seen: {}", failure.detail),
    };
    sheet.warn(
        Check::Users,
        found,
        "put a regular file there, as passwd(5) says; the uids of personas are invented without it",
    );
}

fn look_at_way(sheet: &mut Sheet, decoy: &DecoyConfig, can: &Capabilities) {
    match &decoy.connector {
        ConnectorConfig::Rootfs(root) => {
            sheet.good(Check::Path, format!("its files are in {}, through the kernel", show(root)));
        }
        ConnectorConfig::Docker(docker) => container::look_at_reach(sheet, docker, can),
        ConnectorConfig::Ssh(ssh) => host::look_at_way(sheet, ssh, can),
    }
}

/// What can be done on a decoy and what cannot, in words.
fn look_at_capabilities(sheet: &mut Sheet, decoy: &DecoyConfig, can: &Capabilities) {
    let all = [
        ("write", can.write),
        ("append", can.append),
        ("read", can.read),
        ("list", can.list),
        ("rename and remove", can.remove),
        ("replace in one step", can.atomic_replace),
        ("set owners", can.ownership),
        ("set times to the nanosecond", can.mtime_ns),
        ("run commands", can.exec),
        ("connect from there", can.dial),
    ];
    let words = |wanted: bool| -> Vec<&str> {
        all.iter().filter_map(|(word, is_so)| (*is_so == wanted).then_some(*word)).collect()
    };
    let (can_words, cannot) = (words(true).join(", "), words(false));
    let found = match cannot.is_empty() {
        true => format!("can {can_words}"),
        false => format!("can {can_words}; cannot {}", cannot.join(", ")),
    };
    sheet.good(Check::Capabilities, found);
    sheet.measured(Measured { capabilities: Some(*can), ..Measured::default() });
    if !can.ownership {
        sheet.warn(
            Check::Tells,
            "owners cannot be set: every file will belong to one user, which is a tell",
            "run verisim as root here, or log in as root there",
        );
    }
    // Of a host, it was said beside the way to it.
    if !can.mtime_ns && !matches!(decoy.connector, ConnectorConfig::Ssh(_)) {
        sheet.warn(
            Check::Tells,
            "times cannot be set to the nanosecond, which is a tell",
            "use a file system that keeps them, or a way that sets them",
        );
    }
}

/// Somewhere between `before` and `after` a decoy's clock showed `theirs`: half of that span is not known.
fn look_at_clock(sheet: &mut Sheet, theirs: Timestamp, before: Timestamp, after: Timestamp) {
    let half = after.duration_since(before) / 2;
    let ahead = theirs.duration_since(before + half);
    let half = half.unsigned_abs();
    let drift = ahead.unsigned_abs();
    let words = if ahead.is_negative() { "behind" } else { "ahead of" };
    let found = match drift.saturating_sub(half) < CLOCK_AGREES {
        true => "its clock agrees with ours".to_owned(),
        false => format!("its clock is {:.1} s {words} ours", drift.as_secs_f64()),
    };
    if drift.saturating_sub(half) > CLOCK_DRIFT_MAX {
        sheet.warn(Check::Clock, found, "synchronise both, for instance with chrony");
    } else {
        sheet.good(Check::Clock, found);
    }
    sheet.measured(Measured { clock_ahead_ms: i64::try_from(ahead.as_millis()).ok(), ..Measured::default() });
}

/// Files below a home of a login that nobody has an account for are a tell. `owner` is whose they will be.
fn look_at_account(sheet: &mut Sheet, persona: &PersonaConfig, owner: Owner, facts: &HostFacts) {
    let (login, name) = (&persona.login, &persona.name);
    let Some(account) = facts.accounts.iter().find(|account| &account.login == login) else {
        return look_at_missing(sheet, persona, owner, facts);
    };
    let (uid, gid) = (account.owner.uid, account.owner.gid);
    match persona.owner {
        Some(owner) if owner != account.owner => {
            let found =
                format!("`{login}` is {uid}:{gid} here, but configured as {}:{}", owner.uid, owner.gid);
            sheet.warn(Check::Users, found, format!("leave `uid` and `gid` of {name} out, or mend them"));
        }
        _ => {
            sheet.good(Check::Users, format!("{name} has the account `{login}` ({uid}:{gid})"));
        }
    }
}

fn look_at_missing(sheet: &mut Sheet, persona: &PersonaConfig, owner: Owner, facts: &HostFacts) {
    let (login, name) = (&persona.login, &persona.name);
    let Owner { uid, gid } = owner;
    if let Some(other) = facts.accounts.iter().find(|account| account.owner.uid == uid) {
        sheet.warn(
            Check::Users,
            format!("the files of {name} get uid {uid}, which is `{}` here", other.login),
            format!(
                "add an account `{login}` of another uid to its /etc/passwd, or give {name} another `uid`"
            ),
        );
    } else {
        let (home, full_name) = (&persona.home, &persona.full_name);
        sheet.warn(
            Check::Users,
            format!("{name} works here, but there is no account `{login}`: its files get uid {uid}, which is nobody's"),
            format!("a past brings it (`verisim burn-in`); else add to its /etc/passwd: {login}:x:{uid}:{gid}:{full_name}:{home}:/bin/bash, and to its /etc/group: {login}:x:{gid}:"),
        );
    }
    sheet.measured(Measured { missing_login: Some(login.clone()), ..Measured::default() });
}

async fn look_at_home(sheet: &mut Sheet, persona: &PersonaConfig, connector: &dyn Connector) {
    let home: &DecoyPath = &persona.home;
    match connector.stat(home, StatRequest::Plain).await {
        Ok(None) => {
            sheet.warn(
                Check::Homes,
                format!("the home {home} of {} is not there yet", persona.name),
                "a past brings it (`verisim burn-in`); else it is made with the first file, without those of /etc/skel",
            );
        }
        Ok(Some(_)) => {}
        Err(failure) => {
            let found = format!("{home}: {}", failure.detail);
            sheet.bad(Check::Homes, Exit::Unreachable, found, "let this user look into it");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;
    use crate::commands::doctor::Severity;

    fn clock(theirs_ms: i64, before_ms: i64, after_ms: i64) -> (Severity, String, i64) {
        let at = |ms: i64| Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap();
        let mut sheet = Sheet::of("decoy files01");
        look_at_clock(&mut sheet, at(theirs_ms), at(before_ms), at(after_ms));
        let finding = sheet.findings.pop().unwrap();
        (finding.severity, finding.found, finding.measured.clock_ahead_ms.unwrap())
    }

    #[test]
    fn a_clock_is_judged_by_what_is_certain_of_it() {
        assert_eq!(clock(50, 0, 100), (Severity::Good, "its clock agrees with ours".into(), 0));
        assert_eq!(clock(2_050, 0, 100), (Severity::Good, "its clock is 2.0 s ahead of ours".into(), 2_000));
        assert_eq!(
            clock(-60_000, 0, 0),
            (Severity::Warning, "its clock is 60.0 s behind ours".into(), -60_000)
        );
        // It answered after 20 s: anything within them may be true of it.
        assert_eq!(clock(0, 0, 20_000).0, Severity::Good);
        assert_eq!(clock(26_000, 0, 20_000).0, Severity::Warning);
        // Ours was set back in between.
        assert_eq!(clock(0, 20_000, 0).0, Severity::Good);
    }
}
