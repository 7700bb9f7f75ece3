//! Tell 8, across decoys: the same file, the same list of names, or the same identity, on several hosts.
//!
//! What hosts share comes from packages, which are left out, and from shares, which are few files. A host key or a machine id
//! that two hosts have is the sign of one image, copied.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use verisim_core::Digest;

use crate::case::{Case, shown};
use crate::checks::SAME_BYTES_MIN;
use crate::report::Finding;
use crate::stats::{ramp, reach, share};

/// What each of these decoys shares with the others; in their order.
pub(crate) fn compare(cases: &[Case<'_>]) -> Vec<Vec<Finding>> {
    let mut out: Vec<Vec<Finding>> = cases.iter().map(|_| Vec::new()).collect();
    if cases.len() < 2 {
        return out;
    }
    let mut contents: HashMap<Digest, BTreeSet<usize>> = HashMap::new();
    let mut paths: BTreeMap<&[u8], BTreeSet<usize>> = BTreeMap::new();
    let mut identities: HashMap<Digest, BTreeSet<usize>> = HashMap::new();
    for (at, case) in cases.iter().enumerate() {
        for file in &case.personal {
            if let Some(hash) = file.stat.sha256.filter(|_| file.stat.size >= SAME_BYTES_MIN) {
                contents.entry(hash).or_default().insert(at);
            }
            if !is_common(file.name()) {
                paths.entry(file.path.as_bytes()).or_default().insert(at);
            }
        }
        let host = &case.evidence.host;
        for id in host.host_keys.iter().chain(&host.machine_id) {
            identities.entry(*id).or_default().insert(at);
        }
    }
    for (at, case) in cases.iter().enumerate() {
        out[at].extend(same_contents(case, &contents));
        out[at].extend(same_paths(case, &paths));
        out[at].extend(same_identity(case, cases, at, &identities));
    }
    out
}

/// Names that many homes have by themselves.
fn is_common(name: &[u8]) -> bool {
    name.starts_with(b".")
        || [
            &b"authorized_keys"[..],
            b"known_hosts",
            b"config",
            b"index.html",
            b"id_rsa",
            b"id_ed25519",
            b"id_rsa.pub",
            b"id_ed25519.pub",
        ]
        .contains(&name)
}

fn same_contents(case: &Case<'_>, contents: &HashMap<Digest, BTreeSet<usize>>) -> Option<Finding> {
    let hashed: Vec<_> = case
        .personal
        .iter()
        .filter(|file| file.stat.size >= SAME_BYTES_MIN)
        .filter_map(|file| Some((file, file.stat.sha256?)))
        .collect();
    let shared: Vec<_> = hashed
        .iter()
        .filter(|(_, hash)| contents.get(hash).is_some_and(|hosts| hosts.len() > 1))
        .map(|(file, _)| shown(&file.path))
        .collect();
    let weight = 16.0 * ramp(share(shared.len(), hashed.len()), 0.02, 0.4) * reach(hashed.len(), 6);
    Some(
        Finding::new(8, "same_content_on_hosts", weight, format!("{} of {} files are on another host, byte for byte", shared.len(), hashed.len()))
            .cases(shared.len(), hashed.len())
            .examples(shared)
            .see("for h in HOSTS; do ssh $h 'find /home -type f -exec sha256sum {} +'; done | sort | uniq -D -w 64")
            .mend("give every host files of its own; what people share belongs on a share"),
    )
}

fn same_paths(case: &Case<'_>, paths: &BTreeMap<&[u8], BTreeSet<usize>>) -> Option<Finding> {
    let own: Vec<_> = case.personal.iter().filter(|file| !is_common(file.name())).collect();
    let shared: Vec<_> = own
        .iter()
        .filter(|file| paths.get(file.path.as_bytes()).is_some_and(|hosts| hosts.len() > 1))
        .map(|file| shown(&file.path))
        .collect();
    let weight = 12.0 * ramp(share(shared.len(), own.len()), 0.1, 0.6) * reach(own.len(), 6);
    Some(
        Finding::new(
            8,
            "same_names_on_hosts",
            weight,
            format!("{} of {} paths are on another host too", shared.len(), own.len()),
        )
        .cases(shared.len(), own.len())
        .examples(shared)
        .see("for h in HOSTS; do ssh $h 'find /home -type f'; done | sort | uniq -d")
        .mend("let different people, with words of their own, work on different hosts"),
    )
}

fn same_identity(
    case: &Case<'_>,
    cases: &[Case<'_>],
    at: usize,
    identities: &HashMap<Digest, BTreeSet<usize>>,
) -> Option<Finding> {
    let host = &case.evidence.host;
    let others: BTreeSet<usize> = host
        .host_keys
        .iter()
        .chain(&host.machine_id)
        .filter_map(|id| identities.get(id))
        .flatten()
        .copied()
        .filter(|other| *other != at)
        .collect();
    (!others.is_empty()).then(|| {
        Finding::new(
            8,
            "same_identity",
            14.0,
            match others.len() {
                1 => "another host has its SSH host key or its machine id".to_owned(),
                count => format!("{count} other hosts have its SSH host key or its machine id"),
            },
        )
        .cases(others.len(), cases.len() - 1)
        .examples(others.iter().map(|other| verisim_core::printable(&cases[*other].evidence.name)))
        .see("ssh-keyscan HOSTS | sort -k3 | uniq -D -f2; cat /etc/machine-id")
        .mend("make host keys (ssh-keygen -A) and /etc/machine-id (systemd-machine-id-setup) anew on each")
    })
}
