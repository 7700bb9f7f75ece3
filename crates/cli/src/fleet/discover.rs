//! Decoys among the containers of an engine: those that say so by a label, and those that are named as decoy frameworks name
//! the service containers of one decoy. Pure; what cannot be told for certain is not guessed, but remarked on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use verisim_connect::{ContainerFacts, ContainerName, ContainerState};
use verisim_core::{DecoyName, PersonaName, printable};

use super::naming;

/// The label that makes a container a decoy; its value is the decoy's name. Containers with one name are one decoy.
pub(crate) const LABEL_DECOY: &str = "verisim.decoy";
/// The label of the container to which the decoy's files go; any value but `false`.
const LABEL_FILES: &str = "verisim.files";
/// The label that says what a container of a decoy offers, for instance `ssh`.
const LABEL_SERVICE: &str = "verisim.service";
/// The label that says who works there: names of personas, separated by commas.
pub(super) const LABEL_PERSONAS: &str = "verisim.personas";
/// The label that says what the decoy is for.
const LABEL_ROLE: &str = "verisim.role";
/// The label that says under which address others reach the decoy, where the engine does not know.
const LABEL_ADDRESS: &str = "verisim.address";
/// The label of a container that is no decoy, whatever its name; any value but `false`.
pub(super) const LABEL_IGNORE: &str = "verisim.ignore";
/// The service whose container an intruder logs in to, and to which files go.
pub(super) const LOGIN_SERVICE: &str = "ssh";
/// The longest word for a service or a role that is taken from a label, in bytes.
const WORD_BYTES_MAX: usize = 63;
/// How many personas a label may name, and how many services one decoy may have.
const LISTED_MAX: usize = 64;
/// How many decoys are taken from one engine.
const DECOYS_MAX: usize = 1_000;
/// How many remarks are made; the last one then says how many more there would be.
const REMARKS_MAX: usize = 50;

/// A decoy that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundDecoy {
    /// Its name.
    pub(crate) name: DecoyName,
    /// The container to which files go.
    pub(crate) container: ContainerName,
    /// That container's id: another one under the same name is another host.
    pub(crate) id: String,
    /// All its containers.
    pub(crate) containers: Vec<ContainerName>,
    /// What its containers offer.
    pub(crate) services: Vec<String>,
    /// What it is for, where a label says so.
    pub(crate) role: Option<String>,
    /// Who works there, where a label says so.
    pub(crate) personas: Option<Vec<PersonaName>>,
    /// Where others reach it.
    pub(crate) address: Option<IpAddr>,
    /// Whether its names alone say that it is one.
    pub(crate) by_naming: bool,
}

/// Why something that looks like a decoy is not taken for one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Remark {
    /// What it is about: a container or a decoy, printable.
    pub(crate) about: String,
    /// What was found, and how to mend it.
    pub(crate) what: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Findings {
    /// The decoys that are there, by name.
    pub(crate) decoys: BTreeMap<DecoyName, FoundDecoy>,
    /// Decoys whose container for files is there and does not run.
    pub(crate) asleep: BTreeSet<DecoyName>,
    /// The ids of all containers.
    pub(crate) ids: BTreeSet<String>,
    /// What could not be told, or is not allowed; sorted.
    pub(crate) remarks: Vec<Remark>,
}

impl Findings {
    fn remark(&mut self, about: &str, what: impl Into<String>) {
        self.remarks.push(Remark { about: shown(about), what: what.into() });
    }
}

/// What decides whether names alone make a decoy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NamingRule {
    /// Whether they do at all.
    pub(crate) enabled: bool,
    /// What the names of such decoys begin with.
    pub(crate) prefix: String,
}

/// The decoys among these containers. The same containers in any order give the same findings.
pub(crate) fn decoys_among(containers: &[ContainerFacts], rule: &NamingRule) -> Findings {
    let mut all: Vec<&ContainerFacts> = containers.iter().filter(|one| !is_set(one, LABEL_IGNORE)).collect();
    all.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    let ids = containers.iter().map(|one| one.id.clone()).collect();
    let mut findings = Findings { ids, ..Findings::default() };
    let mut groups = labelled(&all, &mut findings);
    let unlabelled: Vec<_> =
        all.iter().copied().filter(|one| !one.labels.contains_key(LABEL_DECOY)).collect();
    if rule.enabled {
        for (name, group) in naming::groups(&unlabelled, &rule.prefix, &mut findings.remarks) {
            // A label is a person's word; a name is only likely to mean what it seems to.
            groups.entry(name).or_insert(Group { members: group, by_naming: true });
        }
    }
    let owners = NetworkOwners::of(&all);
    for (name, group) in groups {
        if findings.decoys.len() == DECOYS_MAX {
            findings.remark(name.as_str(), format!("not taken: there are more than {DECOYS_MAX} decoys"));
            continue;
        }
        match group.files(&name) {
            Ok(files) if files.state == ContainerState::Stopped => {
                findings.asleep.insert(name);
            }
            Ok(files) => {
                let found = group.found(name.clone(), files, &owners, &mut findings);
                findings.decoys.insert(name, found);
            }
            Err(what) => findings.remark(name.as_str(), what),
        }
    }
    findings.remarks.sort();
    findings.remarks.dedup();
    let over = findings.remarks.len().saturating_sub(REMARKS_MAX);
    if over > 0 {
        findings.remarks.truncate(REMARKS_MAX);
        findings.remark("~", format!("{over} more remarks are not shown"));
    }
    findings
}

/// The containers of one decoy.
struct Group<'c> {
    members: Vec<&'c ContainerFacts>,
    by_naming: bool,
}

fn labelled<'c>(all: &[&'c ContainerFacts], findings: &mut Findings) -> BTreeMap<DecoyName, Group<'c>> {
    let mut groups: BTreeMap<DecoyName, Group<'_>> = BTreeMap::new();
    for container in all {
        match container.labels.get(LABEL_DECOY).map(|name| name.parse::<DecoyName>()) {
            None => {}
            Some(Ok(name)) => {
                let group = groups.entry(name).or_insert(Group { members: Vec::new(), by_naming: false });
                group.members.push(container);
            }
            Some(Err(error)) => {
                findings.remark(container.name.as_str(), shown(&format!("its label {LABEL_DECOY}: {error}")));
            }
        }
    }
    groups
}

impl<'c> Group<'c> {
    /// The container to which files go: the one that is labelled so, else the one that people log in to, else the only one.
    fn files(&self, name: &DecoyName) -> Result<&'c ContainerFacts, String> {
        let chosen: Vec<_> = self.members.iter().filter(|one| is_set(one, LABEL_FILES)).collect();
        let logins: Vec<_> =
            self.members.iter().filter(|one| service(name, one).as_deref() == Some(LOGIN_SERVICE)).collect();
        let (candidates, what) = match (chosen.is_empty(), logins.is_empty()) {
            (false, _) => (chosen, format!("have the label {LABEL_FILES}")),
            (true, false) => (logins, format!("offer {LOGIN_SERVICE}")),
            (true, true) => (self.members.iter().collect(), "could hold its files".to_owned()),
        };
        match candidates.as_slice() {
            [only] => Ok(**only),
            several => Err(format!(
                "not taken: {} of its containers {what} ({}); give exactly one of them the label {LABEL_FILES}=true",
                several.len(),
                names(several.iter().map(|one| one.name.as_str()))
            )),
        }
    }

    fn found(
        &self,
        name: DecoyName,
        files: &ContainerFacts,
        owners: &NetworkOwners<'_>,
        findings: &mut Findings,
    ) -> FoundDecoy {
        // What does not run offers nothing.
        let runs = self.members.iter().filter(|one| one.state != ContainerState::Stopped);
        let services: BTreeSet<String> =
            runs.filter_map(|one| service(&name, one)).take(LISTED_MAX).collect();
        let label = |key| {
            std::iter::once(files).chain(self.members.iter().copied()).find_map(|one| one.labels.get(key))
        };
        let role = label(LABEL_ROLE).filter(|role| {
            let fits = is_word(role);
            if !fits {
                findings.remarks.push(Remark {
                    about: name.to_string(),
                    what: format!("its label {LABEL_ROLE} is not used: a role has 1 to {WORD_BYTES_MAX} printable characters"),
                });
            }
            fits
        });
        let personas = label(LABEL_PERSONAS).map(|list| personas(&name, list, findings));
        let address = label(LABEL_ADDRESS).and_then(|text| {
            let address = crate::config::host_address(text);
            address
                .map_err(|why| {
                    findings.remark(
                        name.as_str(),
                        shown(&format!("its label {LABEL_ADDRESS} is not used: {why}")),
                    );
                })
                .ok()
        });
        FoundDecoy {
            container: files.name.clone(),
            id: files.id.clone(),
            containers: self.members.iter().map(|one| one.name.clone()).collect(),
            services: services.into_iter().collect(),
            role: role.cloned(),
            personas,
            address: address.or_else(|| owners.address(files)),
            by_naming: self.by_naming,
            name,
        }
    }
}

fn personas(decoy: &DecoyName, list: &str, findings: &mut Findings) -> Vec<PersonaName> {
    let mut found: Vec<PersonaName> = Vec::new();
    let parts = list.split(',').map(str::trim).filter(|part| !part.is_empty());
    for part in parts.take(LISTED_MAX) {
        match part.parse() {
            Ok(persona) if found.contains(&persona) => {}
            Ok(persona) => found.push(persona),
            Err(error) => {
                findings.remark(decoy.as_str(), shown(&format!("its label {LABEL_PERSONAS}: {error}")));
            }
        }
    }
    found
}

/// What a container of a decoy offers: as its label says, else as its name does.
fn service(decoy: &DecoyName, container: &ContainerFacts) -> Option<String> {
    let labelled = container
        .labels
        .get(LABEL_SERVICE)
        .filter(|word| is_word(word) && crate::config::is_service(word))
        .cloned();
    labelled.or_else(|| naming::service(decoy.as_str(), container.name.as_str()).map(str::to_owned))
}

fn is_word(text: &str) -> bool {
    (1..=WORD_BYTES_MAX).contains(&text.len()) && printable(text) == text
}

fn is_set(container: &ContainerFacts, label: &str) -> bool {
    container.labels.get(label).is_some_and(|value| !value.eq_ignore_ascii_case("false"))
}

/// Whose network a container uses.
pub(super) struct NetworkOwners<'c> {
    by_name: HashMap<&'c str, &'c ContainerFacts>,
}

impl<'c> NetworkOwners<'c> {
    pub(super) fn of(all: &[&'c ContainerFacts]) -> Self {
        let names = all.iter().map(|one| (one.name.as_str(), *one));
        Self { by_name: all.iter().map(|one| (one.id.as_str(), *one)).chain(names).collect() }
    }

    /// The id of the container whose network this one uses: its own where it shares nobody's.
    pub(super) fn owner(&self, container: &'c ContainerFacts) -> &'c str {
        let mut at = container;
        // A chain of containers that each use the next one's network; engines allow one link, so a few are plenty.
        for _ in 0..4 {
            let Some(other) = at.network.strip_prefix("container:") else { return &at.id };
            match self.by_name.get(other) {
                Some(next) => at = next,
                // Also those whose owner went away share what is left of it.
                None => return other,
            }
        }
        &at.id
    }

    /// Where others reach a container.
    fn address(&self, container: &ContainerFacts) -> Option<IpAddr> {
        let other = container.network.strip_prefix("container:").and_then(|other| self.by_name.get(other));
        let owner = other.copied().unwrap_or(container);
        owner.addresses.values().next().copied()
    }
}

/// A few names, for people.
pub(super) fn names<'n>(all: impl ExactSizeIterator<Item = &'n str>) -> String {
    const SHOWN: usize = 5;
    let more = all.len().saturating_sub(SHOWN);
    let mut text = all.take(SHOWN).map(shown).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// Text from an engine as it may be shown: printable and short.
pub(super) fn shown(text: &str) -> String {
    printable(&text.chars().take(200).collect::<String>())
}

#[cfg(test)]
mod tests;
