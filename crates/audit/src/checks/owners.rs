//! Tell 6: files in a home that are not of whom it belongs to, uids that are nobody's, homes without an account.
//!
//! In a home, what belongs to root is what an administrator left there by mistake: a handful. Whoever fills a decoy through
//! its container is root, and everything is.

use std::collections::HashSet;

use super::{Checked, paths};
use crate::case::{Case, shown};
use crate::evidence::{Entry, Layout};
use crate::report::Finding;
use crate::stats::{ramp, reach, share};

pub(super) const POWER_DB: f64 = 18.0;

pub(super) fn check(case: &Case<'_>) -> Checked {
    let in_homes: Vec<(&Entry, u32)> = case
        .personal
        .iter()
        .filter_map(|file| {
            let home = case.home_of(&file.path)?;
            Some((*file, home.account.map_or(home.owner.uid, |account| account.uid)))
        })
        .collect();
    let reach = reach(in_homes.len(), 6);
    let mut findings = vec![foreign(case, &in_homes, reach)];
    findings.extend(nobodys(case));
    findings.extend(homes(case));
    Checked::new(reach, findings)
}

fn foreign(case: &Case<'_>, in_homes: &[(&Entry, u32)], reach: f64) -> Finding {
    let foreign: Vec<&Entry> =
        in_homes.iter().filter(|(file, uid)| file.stat.owner.uid != *uid).map(|(file, _)| *file).collect();
    let of_root = foreign.iter().filter(|file| file.stat.owner.uid == 0).count();
    let what = format!(
        "{} of {} files in homes belong to somebody else, {of_root} of them to root",
        foreign.len(),
        in_homes.len()
    );
    let weight = POWER_DB * ramp(share(foreign.len(), in_homes.len()), 0.04, 0.4) * reach;
    Finding::new(6, "foreign_files_in_homes", weight, what)
        .cases(foreign.len(), in_homes.len())
        .examples(paths(&foreign))
        .see(format!("for h in {}/*; do find $h ! -user $(basename $h); done", case.place()))
        .mend("give each file the owner and group of the account in /etc/passwd (chown -R), and write as that owner")
}

/// Files of a uid that no account has.
fn nobodys(case: &Case<'_>) -> Option<Finding> {
    let accounts = case.evidence.accounts.as_ref()?;
    let known: HashSet<u32> = accounts.iter().map(|account| account.uid).collect();
    let is_nobodys = |file: &&&Entry| !known.contains(&file.stat.owner.uid);
    let nobodys: Vec<&Entry> = case.personal.iter().filter(is_nobodys).copied().collect();
    let part = share(nobodys.len(), case.personal.len());
    let what = format!("{} files belong to a uid that no account has", nobodys.len());
    let weight = 12.0 * ramp(part, 0.02, 0.3) * reach(case.personal.len(), 6);
    Some(
        Finding::new(6, "files_of_nobody", weight, what)
            .cases(nobodys.len(), case.personal.len())
            .examples(paths(&nobodys))
            .see(format!("find {} -nouser -ls", case.place()))
            .mend(
                "add the accounts to /etc/passwd and /etc/group, or give the files to those that are there",
            ),
    )
}

/// Homes of nobody, and accounts of people whose homes are missing.
fn homes(case: &Case<'_>) -> Vec<Finding> {
    let Some(accounts) = case.evidence.accounts.as_ref().filter(|_| case.evidence.layout == Layout::Host)
    else {
        return Vec::new();
    };
    let is_lived_in = |path| case.personal.iter().any(|file| file.path.starts_with(path));
    let strays: Vec<String> = case
        .homes
        .iter()
        .filter(|home| home.account.is_none() && is_lived_in(&home.path))
        .map(|home| shown(&home.path))
        .collect();
    let missing: Vec<String> = accounts
        .iter()
        .filter(|account| account.is_person() && account.home.starts_with('/'))
        .filter(|account| case.homes.iter().all(|home| home.path.as_bytes() != account.home.as_bytes()))
        .map(|account| {
            format!("{}: {}", verisim_core::printable(&account.login), verisim_core::printable(&account.home))
        })
        .collect();
    let mut findings = Vec::new();
    if !strays.is_empty() {
        let what = format!("{} homes that are used belong to no account", strays.len());
        let weight = 12.0 * ramp(share(strays.len(), case.homes.len()), 0.0, 0.5);
        findings.push(
            Finding::new(6, "homes_without_accounts", weight, what)
                .cases(strays.len(), case.homes.len())
                .examples(strays)
                .see("ls -l /home; getent passwd")
                .mend("add the accounts to /etc/passwd, /etc/shadow and /etc/group"),
        );
    }
    if !missing.is_empty() {
        let what = format!("{} accounts of people have no home", missing.len());
        let weight = 4.0
            * ramp(
                share(missing.len(), accounts.iter().filter(|account| account.is_person()).count()),
                0.0,
                0.6,
            );
        findings.push(
            Finding::new(6, "accounts_without_homes", weight, what)
                .cases(missing.len(), accounts.len())
                .examples(missing)
                .see("getent passwd | cut -d: -f1,6; ls /home")
                .mend("make the homes with the files of /etc/skel, as adduser does"),
        );
    }
    findings
}
