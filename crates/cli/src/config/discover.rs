//! How decoys are found that are not declared.

use verisim_connect::EngineAddress;
use verisim_core::PersonaName;
use verisim_realism::Zone;

use super::connector::read_engine_of;
use super::model::Discover;
use super::read::{Reader, reference};
use super::section::{At, Section};
use crate::fleet::NamingRule;

/// The most people who may be invented for one decoy.
const PEOPLE_MAX: u64 = 20;

/// Reads the section; without one, labels are looked for, and names too where the configuration declares nothing else.
pub(super) fn read_discover(section: Option<Section<'_>>, reader: &Reader<'_>, is_bare: bool) -> Discover {
    let mut discover =
        Discover { naming: NamingRule { enabled: is_bare, prefix: String::new() }, ..Discover::default() };
    let Some(section) = section else { return discover };
    discover.is_asked_for = true;
    discover.docker = section.flag("docker").unwrap_or(true);
    discover.naming.enabled = section.flag("naming").unwrap_or(true);
    if let Some(prefix) = section.text("prefix", "decky-") {
        let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if prefix.value.bytes().all(is_legal) {
            discover.naming.prefix = prefix.value.to_owned();
        } else {
            let what = "`prefix` can begin no decoy's name";
            section.mistake(prefix.span, what, "use a-z, 0-9 and '-', for instance prefix = \"decky-\"");
        }
    }
    if let Some((host, reach)) = read_engine_of(&section, reader) {
        if section.value("host").is_some() {
            discover.host = host;
            discover.has_host = true;
        }
        discover.reach = reach;
    }
    let personas: Vec<At<PersonaName>> = section.names("personas", "maria-keller");
    personas.iter().for_each(|persona| reference("persona", reader.personas(), persona, &section));
    let mut once = std::collections::HashSet::new();
    discover.personas =
        personas.into_iter().map(|persona| persona.value).filter(|name| once.insert(name.clone())).collect();
    if let Some(people) = section.number("people", 0..=PEOPLE_MAX) {
        discover.people = u8::try_from(people.value).unwrap_or(u8::MAX);
    }
    if let Some(zone) = section.parsed::<Zone>("time_zone", "Europe/Berlin") {
        discover.time_zone = zone.value;
    }
    section.finish();
    discover
}

impl Default for Discover {
    fn default() -> Self {
        Self {
            is_asked_for: false,
            docker: true,
            naming: NamingRule::default(),
            host: EngineAddress::default(),
            has_host: false,
            reach: None,
            personas: Vec::new(),
            people: 2,
            time_zone: crate::here::machine_zone(),
        }
    }
}
