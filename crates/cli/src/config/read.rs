//! From the tables of the file to typed values. What is wrong is noted and left out; the rest is read on.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use verisim_connect::{ContainerName, EngineAddress};
use verisim_core::PersonaName;
use verisim_realism::{Settings, Zone};

use super::capture::{read_capture, read_destination};
use super::check::{self, Kind, Place};
use super::company::read_company;
use super::connector::read_connector;
use super::discover::read_discover;
use super::mistake::nearest;
use super::model::{Config, DecoyConfig, EngineNumbers, History};
use super::persona::{check_teams, read_persona};
use super::section::{At, Section};
use super::traffic::{read_services, read_traffic};
use super::units;

/// What is known of the whole while its parts are read.
pub(super) struct Reader<'a> {
    /// The folder of the file, against which relative paths are resolved.
    base: &'a Path,
    /// The names that entries give themselves, also those of entries that are wrong elsewhere.
    personas: HashSet<&'a str>,
    destinations: HashSet<&'a str>,
    /// The folders that are named.
    places: RefCell<Vec<Place>>,
    /// The containers that are named, each with its engine and its decoy.
    containers: RefCell<HashMap<(String, ContainerName), String>>,
    /// The hosts that are named, each with its decoy.
    pub(super) hosts: RefCell<HashMap<(String, u16), String>>,
    /// The folders of other hosts that evidence goes to, each with its destination.
    pub(super) evidence: RefCell<Vec<(String, PathBuf, String)>>,
    /// What is offered where, each with its decoy.
    pub(super) offers: RefCell<HashMap<(IpAddr, u16), String>>,
}

/// Reads everything. `state` replaces the state folder that the file names.
pub(super) fn read_config(top: Section<'_>, base: &Path, state: Option<&Path>) -> Option<Config> {
    let decoys = top.tables("decoy", "[[decoy]]");
    let personas = top.tables("persona", "[[persona]]");
    let destinations = top.tables("destination", "[[destination]]");
    let captures = top.tables("capture", "[[capture]]");
    for (what, key, entries) in [
        ("decoy", "name", &decoys),
        ("persona", "name", &personas),
        ("login", "login", &personas),
        ("destination", "name", &destinations),
        ("capture", "name", &captures),
    ] {
        check::once(what, key, entries);
    }
    let reader = Reader {
        base,
        personas: personas.iter().filter_map(|entry| entry.peek("name")).collect(),
        destinations: destinations.iter().filter_map(|entry| entry.peek("name")).collect(),
        places: RefCell::default(),
        containers: RefCell::default(),
        hosts: RefCell::default(),
        evidence: RefCell::default(),
        offers: RefCell::default(),
    };
    let named = reader.folder(&top, "state", "/var/lib/verisim", Kind::State);
    if state.is_none() && top.value("state").is_none() {
        top.missing("state", "\"/var/lib/verisim\"");
    }
    let seed = top.number("seed", 0..=i64::MAX.unsigned_abs()).map(|seed| seed.value);
    if top.value("seed").is_none() && !personas.is_empty() {
        // A common default would give two fleets the same files: a tell.
        top.missing("seed", "20261121");
    }
    let life = top.table("life", "[life]", "{ pace = 1.0 }").map_or_else(Settings::default, read_life);
    let history =
        top.table("history", "[history]", "{ keep = \"90d\" }").map_or_else(History::default, read_history);
    let engine = top
        .table("engine", "[engine]", "{ drain = \"20s\" }")
        .map_or_else(EngineNumbers::default, read_engine);
    let is_bare = decoys.is_empty() && captures.is_empty();
    let discover = read_discover(top.table("discover", "[discover]", "{ docker = true }"), &reader, is_bare);
    let company = top.table("company", "[company]", "{ name = \"Kesdale GmbH\" }");
    let names = decoys.iter().filter_map(|entry| entry.peek("name")).collect();
    let company = company.map(|section| read_company(section, seed.unwrap_or_default(), &names));
    check_teams(company.as_ref(), &personas);
    let decoys = decoys.into_iter().filter_map(|entry| read_decoy(entry, &reader)).collect();
    let personas = personas.into_iter().filter_map(|entry| read_persona(entry, &reader)).collect();
    let destinations =
        destinations.into_iter().filter_map(|entry| read_destination(entry, &reader)).collect();
    let captures = captures.into_iter().filter_map(|entry| read_capture(entry, &reader)).collect();
    let mut places = reader.places.into_inner();
    if let Some(state) = state {
        places.retain(|place| place.kind != Kind::State);
        places.push(Place::new(Kind::State, "", state, 0..0));
    }
    check::places(places, &top);
    top.finish();
    Some(Config {
        state: state.map(Path::to_owned).or(named)?,
        seed: seed.unwrap_or_default(),
        is_seed_given: seed.is_some(),
        life,
        history,
        engine,
        discover,
        decoys,
        company,
        personas,
        destinations,
        captures,
    })
}

impl Reader<'_> {
    /// A folder of this machine, made absolute against the folder of the configuration.
    pub(super) fn folder(
        &self,
        section: &Section<'_>,
        key: &'static str,
        example: &str,
        kind: Kind,
    ) -> Option<PathBuf> {
        self.named_folder(section, key, example, kind, "")
    }

    /// The same, of an entry that has a name.
    pub(super) fn named_folder(
        &self,
        section: &Section<'_>,
        key: &'static str,
        example: &str,
        kind: Kind,
        name: &str,
    ) -> Option<PathBuf> {
        let path =
            section.parse_with(key, example, |text| check::folder(text).map(|()| self.base.join(text)))?;
        self.places.borrow_mut().push(Place::new(kind, name, &path.value, path.span));
        Some(path.value)
    }

    /// The names of the personas.
    pub(super) const fn personas(&self) -> &HashSet<&str> {
        &self.personas
    }

    /// A file of this machine, against the folder of the configuration.
    pub(super) fn absolute(&self, text: &str) -> PathBuf {
        self.base.join(text)
    }

    /// Notes a container that is a decoy already: the personas of one would be seen on the other.
    pub(super) fn container(
        &self,
        host: &EngineAddress,
        container: &At<ContainerName>,
        decoy: &str,
        section: &Section<'_>,
    ) {
        let mut known = self.containers.borrow_mut();
        match known.entry((host.to_string(), container.value.clone())) {
            Entry::Vacant(free) => {
                free.insert(verisim_core::printable(decoy));
            }
            Entry::Occupied(taken) => {
                let what =
                    format!("the container `{}` is the decoy `{}` already", container.value, taken.get());
                section.mistake(container.span.clone(), what, "give each decoy a container of its own");
            }
        }
    }

    /// The name of a destination that there is, the first by the alphabet.
    pub(super) fn a_destination(&self) -> Option<&str> {
        let could_be = |name: &&&str| name.parse::<verisim_core::DestinationName>().is_ok();
        self.destinations.iter().filter(could_be).min().copied()
    }

    /// Notes a destination that nothing bears the name of.
    pub(super) fn destination(&self, name: &At<verisim_core::DestinationName>, section: &Section<'_>) {
        reference("destination", &self.destinations, name, section);
    }
}

/// Notes a name that nothing bears.
pub(super) fn reference<T: AsRef<str>>(
    what: &str,
    known: &HashSet<&str>,
    name: &At<T>,
    section: &Section<'_>,
) {
    let text = name.value.as_ref();
    if known.contains(text) || section.is_torn(what) {
        return;
    }
    let mend = match nearest(text, known.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("add a [[{what}]] with this name, or take it out here"),
    };
    section.mistake(name.span.clone(), format!("there is no {what} `{text}`"), mend);
}

fn read_life(section: Section<'_>) -> Settings {
    let mut life = Settings::default();
    for (key, field) in [
        ("sessions_per_day", &mut life.sessions_per_day),
        ("moments_per_session", &mut life.moments_per_session),
        ("pace", &mut life.pace),
    ] {
        if let Some(number) = section.decimal(key, 0.001, 10_000.0) {
            *field = number.value;
        }
    }
    life.busy = section.flag("busy").unwrap_or(life.busy);
    let small = |key, most, field: &mut u32| {
        if let Some(number) = section.number(key, 0..=most) {
            *field = u32::try_from(number.value).unwrap_or(u32::MAX);
        }
    };
    small("absent_per_mille", 1000, &mut life.absent_per_mille);
    small("files_per_desk", 10_000, &mut life.files_per_desk);
    if let Some(effects) = section.table("effects", "[life.effects]", "{ create = 32, edit = 36 }") {
        let e = &mut life.effects;
        weights(
            effects,
            &mut [
                ("create", &mut e.create),
                ("edit", &mut e.edit),
                ("append", &mut e.append),
                ("rename", &mut e.rename),
                ("remove", &mut e.remove),
                ("leave_alone", &mut e.leave_alone),
                ("traffic", &mut e.traffic),
            ],
        );
    }
    if let Some(classes) = section.table("classes", "[life.classes]", "{ note = 26, todo = 12 }") {
        let c = &mut life.classes;
        weights(
            classes,
            &mut [
                ("note", &mut c.note),
                ("todo", &mut c.todo),
                ("draft", &mut c.draft),
                ("script", &mut c.script),
                ("cron_log", &mut c.cron_log),
                ("daemon_log", &mut c.daemon_log),
                ("scratch", &mut c.scratch),
                ("document", &mut c.document),
                ("spreadsheet", &mut c.spreadsheet),
                ("source", &mut c.source),
                ("configuration", &mut c.configuration),
                ("cache", &mut c.cache),
            ],
        );
    }
    if let Some(traffic) = section.table("traffic", "[life.traffic]", "{ enabled = true, ssh = 20 }") {
        read_traffic(traffic, &mut life);
    }
    section.finish();
    life
}

pub(super) fn weights(section: Section<'_>, fields: &mut [(&'static str, &mut u32)]) {
    for (key, field) in &mut *fields {
        if let Some(weight) = section.number(key, 0..=1_000_000) {
            **field = u32::try_from(weight.value).unwrap_or_default();
        }
    }
    if fields.iter().all(|(_, field)| **field == 0) {
        section.mistake(
            section.span.clone(),
            "every weight is 0",
            "give at least one of them a weight above 0",
        );
    }
    section.finish();
}

fn read_history(section: Section<'_>) -> History {
    let mut history = History::default();
    if let Some(keep) = section.parse_with("keep", "90d", units::duration) {
        history.keep = keep.value;
    }
    if let Some(events) = section.number("events_per_decoy", 100..=100_000_000) {
        history.events_per_decoy = events.value;
    }
    section.finish();
    history
}

fn read_engine(section: Section<'_>) -> EngineNumbers {
    let count = |key| section.number(key, 1..=4096).and_then(|number| usize::try_from(number.value).ok());
    let numbers = EngineNumbers {
        decoys_at_once: count("decoys_at_once"),
        pushes_per_destination: count("pushes_per_destination"),
        drain: section.parse_with("drain", "20s", units::duration).map(|drain| drain.value),
    };
    section.finish();
    numbers
}

fn read_decoy(section: Section<'_>, reader: &Reader<'_>) -> Option<DecoyConfig> {
    name(&section, "files01");
    let decoy_name = section.parsed("name", "files01");
    let connector = read_connector(&section, reader);
    let (services, address) = read_services(&section, reader);
    let role = section.text("role", "file-server").map_or("server", |role| role.value).to_owned();
    let time_zone = section.parsed::<Zone>("time_zone", "UTC").map_or_else(Zone::utc, |zone| zone.value);
    let personas: Vec<At<PersonaName>> = section.names("personas", "maria-keller");
    let mut seen = HashSet::new();
    for persona in &personas {
        reference("persona", &reader.personas, persona, &section);
        if !seen.insert(&persona.value) {
            let what = format!("the persona `{}` is named a second time here", persona.value);
            section.mistake(persona.span.clone(), what, "name everybody once");
        }
    }
    let personas = personas.into_iter().map(|persona| persona.value).collect();
    section.finish();
    Some(DecoyConfig {
        name: decoy_name?.value,
        connector: connector?,
        services,
        role,
        address,
        time_zone,
        personas,
    })
}

/// Notes a missing name.
pub(super) fn name(section: &Section<'_>, example: &str) {
    if section.value("name").is_none() {
        section.missing("name", &format!("\"{example}\""));
    }
}
