//! Who works on a decoy that was found: whom its label names, else whom the configuration names for all of them, else people
//! who are invented. Joins what was found to a configuration.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use verisim_core::{DecoyName, DecoyPath, Digest, PersonaName};
use verisim_realism::{Character, DayHabits, Language, WorkWeek, Zone};

use super::discover::{LABEL_PERSONAS, names};
use super::{FoundDecoy, Remark};
use crate::config::{Config, ConnectorConfig, DecoyConfig, DockerConfig, PersonaConfig};
use crate::people::People;

/// How many people there are to choose from where nobody is named: some of them work on more than one decoy, as in any
/// small company.
const COMPANY: usize = 24;

/// The configuration as if what was found had been written into it. What it declares itself wins: a decoy of the same name,
/// or one that is the same container, is left as it is declared. The same decoys give the same people, whoever else there
/// is, and in whatever order they come.
pub(crate) fn with_found<'f>(
    base: &Config,
    found: impl IntoIterator<Item = &'f FoundDecoy>,
) -> (Config, Vec<Remark>) {
    let mut config = base.clone();
    let mut remarks = Vec::new();
    let known: HashSet<&PersonaName> = base.personas.iter().map(|persona| &persona.name).collect();
    let company = company(base);
    let mut hired: BTreeMap<PersonaName, &PersonaConfig> = BTreeMap::new();
    for decoy in found {
        if is_declared(base, decoy) {
            continue;
        }
        let named = decoy.personas.as_ref().map(|named| {
            let (here, strange): (Vec<_>, Vec<_>) =
                named.iter().cloned().partition(|name| known.contains(name));
            if !strange.is_empty() {
                remarks
                    .push(Remark { about: decoy.name.to_string(), what: strangers(base, &strange, &here) });
            }
            here
        });
        let personas =
            named.or_else(|| (!base.discover.personas.is_empty()).then(|| base.discover.personas.clone()));
        let personas = personas.unwrap_or_else(|| {
            let team = team(base.seed, &decoy.name, &company, usize::from(base.discover.people));
            hired.extend(team.iter().map(|persona| (persona.name.clone(), *persona)));
            team.into_iter().map(|persona| persona.name.clone()).collect()
        });
        config.decoys.push(declare(base, decoy, personas));
    }
    config.personas.extend(hired.into_values().cloned());
    (config, remarks)
}

/// What is said of people whom a label names and nobody knows, and of who works there then.
fn strangers(base: &Config, strange: &[PersonaName], here: &[PersonaName]) -> String {
    let list = |all: &[PersonaName]| names(all.iter().map(PersonaName::as_str));
    let known: Vec<PersonaName> = base.personas.iter().map(|persona| persona.name.clone()).collect();
    let whom = match known.is_empty() {
        true => "knows nobody".to_owned(),
        false => format!("knows {}", list(&known)),
    };
    let who = match here.is_empty() {
        true => "nobody works there",
        false => "the others work there",
    };
    format!(
        "{who}: its label {LABEL_PERSONAS} names {}, but the configuration {whom}; mend the label, declare the persona, or \
         leave the label out, and somebody is found",
        list(strange)
    )
}

fn is_declared(base: &Config, found: &FoundDecoy) -> bool {
    base.decoys.iter().any(|decoy| {
        let is_same = |docker: &DockerConfig| {
            let container = docker.container.as_str();
            // A prefix of an id is an id, to an engine; one of less than twelve characters is likelier a name.
            let is_id = container.len() >= 12 && found.id.starts_with(container);
            docker.host == base.discover.host && (docker.container == found.container || is_id)
        };
        decoy.name == found.name
            || matches!(&decoy.connector, ConnectorConfig::Docker(docker) if is_same(docker))
    })
}

fn declare(base: &Config, found: &FoundDecoy, personas: Vec<PersonaName>) -> DecoyConfig {
    DecoyConfig {
        name: found.name.clone(),
        connector: ConnectorConfig::Docker(DockerConfig {
            container: found.container.clone(),
            host: base.discover.host.clone(),
            reach: base.discover.reach,
            exec: false,
        }),
        role: found.role.clone().unwrap_or_else(|| role_of(&found.services).to_owned()),
        services: found.services.clone(),
        address: found.address,
        time_zone: Zone::utc(),
        personas,
    }
}

/// What a host is for that offers these services.
pub(crate) fn role_of(services: &[String]) -> &'static str {
    let offers = |words: &[&str]| services.iter().any(|service| words.contains(&service.as_str()));
    if offers(&["smb", "samba", "ftp"]) {
        "file-server"
    } else if offers(&["mysql", "mariadb", "postgres", "postgresql", "mssql", "mongodb", "redis"]) {
        "database-server"
    } else if offers(&["smtp", "imap", "pop3"]) {
        "mail-server"
    } else if offers(&["http", "https"]) {
        "web-server"
    } else {
        "server"
    }
}

/// The people who are invented for this configuration; none has a name or login of somebody whom it names itself.
fn company(base: &Config) -> Vec<PersonaConfig> {
    let names: HashSet<&str> = base.personas.iter().map(|persona| persona.name.as_str()).collect();
    let logins: HashSet<&str> = base.personas.iter().map(|persona| persona.login.as_str()).collect();
    let mut people = People::new(base.seed);
    let mut company = Vec::with_capacity(COMPANY);
    // Among so many inventions enough are new, whatever the configuration took.
    for _ in 0..COMPANY + base.personas.len() {
        let person = people.invent();
        if company.len() == COMPANY {
            break;
        }
        if names.contains(person.name.as_str()) || logins.contains(person.login.as_str()) {
            continue;
        }
        company.extend(employ(base, person));
    }
    company
}

/// `None` for what is no name, login or week, which no invention is.
fn employ(base: &Config, person: crate::people::Person) -> Option<PersonaConfig> {
    Some(PersonaConfig {
        name: person.name.parse().ok()?,
        home: DecoyPath::new("/home").and_then(|homes| homes.join(person.login.as_bytes())).ok()?,
        full_name: person.full_name,
        login: person.login,
        owner: None,
        role: person.role.to_owned(),
        language: Language::default(),
        time_zone: base.discover.time_zone.clone(),
        week: person.week.parse::<WorkWeek>().ok()?,
        holidays: Arc::default(),
        country: None,
        vacations: Vec::new(),
        team: None,
        habits: DayHabits::default(),
        character: Character::default(),
        pace: 1.0,
        password: None,
        ssh_key: None,
    })
}

/// Who of the company works on a decoy: drawn by lot for each, so that it does not depend on which other decoys there are.
fn team<'c>(
    seed: u64,
    decoy: &DecoyName,
    company: &'c [PersonaConfig],
    count: usize,
) -> Vec<&'c PersonaConfig> {
    let lot = |persona: &PersonaConfig| {
        Digest::of(format!("{seed}/{decoy}/{}", persona.name).as_bytes()).to_string()
    };
    let mut all: Vec<_> = company.iter().map(|persona| (lot(persona), persona)).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.into_iter().take(count).map(|(_, persona)| persona).collect()
}

#[cfg(test)]
mod tests;
