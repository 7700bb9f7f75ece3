//! Decoys by the names of their containers: `<decoy>-<service>`, as decoy frameworks name the service containers of one host.
//!
//! A name proves little, and a wrong guess would write files into somebody's production. So two things must come together:
//! a container called `<decoy>-ssh`, which is where people log in, and another one of that decoy on the same network. Where
//! one uses the network of the other, as if they were one host, that other is called `<decoy>` or `<decoy>-<word>`; where they
//! are only attached to the same network of a person's making, as unrelated containers are too, its word must be that of a
//! network service. `db` beside `db-backup`, or `shop-web` beside `shop-db`, is no decoy.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use verisim_connect::ContainerFacts;
use verisim_core::DecoyName;

use super::Remark;
use super::discover::{LABEL_IGNORE, LOGIN_SERVICE, NetworkOwners, names};

/// Words for network services that a host may offer.
const SERVICES: [&str; 36] = [
    "conpot",
    "dns",
    "docker-api",
    "elasticsearch",
    "ftp",
    "http",
    "https",
    "imap",
    "imaps",
    "k8s",
    "ldap",
    "ldaps",
    "llmnr",
    "mariadb",
    "modbus",
    "mongodb",
    "mqtt",
    "mssql",
    "mysql",
    "ntp",
    "pop3",
    "pop3s",
    "postgres",
    "postgresql",
    "rdp",
    "redis",
    "rsync",
    "samba",
    "sip",
    "smb",
    "smtp",
    "snmp",
    "ssh",
    "telnet",
    "tftp",
    "vnc",
];
/// Networks that every engine has: to be attached to one of them says nothing.
const COMMON_NETWORKS: [&str; 6] = ["bridge", "default", "host", "nat", "none", "podman"];

/// The groups of containers that their names make decoys. Containers that would belong to two are in none.
pub(super) fn groups<'c>(
    containers: &[&'c ContainerFacts],
    prefix: &str,
    remarks: &mut Vec<Remark>,
) -> BTreeMap<DecoyName, Vec<&'c ContainerFacts>> {
    let by_name: BTreeMap<&str, &ContainerFacts> =
        containers.iter().map(|one| (one.name.as_str(), *one)).collect();
    let owners = NetworkOwners::of(containers);
    let mut groups: BTreeMap<DecoyName, Vec<&ContainerFacts>> = BTreeMap::new();
    for (name, login) in &by_name {
        let base = name.strip_suffix(LOGIN_SERVICE).and_then(|rest| rest.strip_suffix('-'));
        let Some(base) = base.filter(|base| base.starts_with(prefix)) else { continue };
        let Ok(decoy) = base.parse::<DecoyName>() else { continue };
        // In the order of names all that begin alike stand together.
        let alike =
            by_name.range(base..).map(|(_, one)| *one).take_while(|one| one.name.as_str().starts_with(base));
        let others: Vec<&ContainerFacts> =
            alike.filter(|one| one.name != login.name && is_beside(base, login, one, &owners)).collect();
        if !others.is_empty() {
            groups.insert(decoy, others.into_iter().chain([*login]).collect());
        }
    }
    refuse_doubles(&mut groups, &owners, remarks);
    groups
}

/// Whether a container is one of the decoy whose people log in to `login`.
fn is_beside(base: &str, login: &ContainerFacts, other: &ContainerFacts, owners: &NetworkOwners<'_>) -> bool {
    let (is_base, word) = (other.name.as_str() == base, service(base, other.name.as_str()));
    if owners.owner(login) == owners.owner(other) {
        return is_base || word.is_some();
    }
    let shares =
        || login.networks.intersection(&other.networks).any(|name| !COMMON_NETWORKS.contains(&name.as_str()));
    word.is_some_and(|word| SERVICES.contains(&word)) && shares()
}

/// The service in the name of a container of a decoy.
pub(super) fn service<'n>(decoy: &str, container: &'n str) -> Option<&'n str> {
    let word = container.strip_prefix(decoy)?.strip_prefix('-')?;
    let is_plain =
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    (is_plain || SERVICES.contains(&word)).then_some(word)
}

/// Takes out what could be two decoys: those that claim one container, and those that share one host's network.
fn refuse_doubles(
    groups: &mut BTreeMap<DecoyName, Vec<&ContainerFacts>>,
    owners: &NetworkOwners<'_>,
    remarks: &mut Vec<Remark>,
) {
    let mut claims: HashMap<&str, BTreeSet<DecoyName>> = HashMap::new();
    for (decoy, group) in &*groups {
        for container in group {
            claims.entry(owners.owner(container)).or_default().insert(decoy.clone());
            claims.entry(&container.id).or_default().insert(decoy.clone());
        }
    }
    for several in claims.into_values().filter(|decoys| decoys.len() > 1) {
        let all = names(several.iter().map(DecoyName::as_str).collect::<Vec<_>>().into_iter());
        for decoy in several {
            if groups.remove(&decoy).is_some() {
                remarks.push(Remark {
                    about: decoy.to_string(),
                    what: format!(
                        "not taken: its containers may belong to several decoys ({all}); say which is which with the label \
                         verisim.decoy, or keep them out with {LABEL_IGNORE}=true"
                    ),
                });
            }
        }
    }
}
