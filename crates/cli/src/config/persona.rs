//! A persona of the configuration.

use std::collections::BTreeSet;
use std::sync::Arc;

use verisim_core::{DecoyPath, Owner, PersonaName};
use verisim_realism::{Language, Persona, WorkWeek, Zone};

use super::model::{SecretSource, SshKey};
use super::read::{Reader, name};
use super::section::Section;
use super::traffic::{read_password, read_ssh_key};
use super::units;

const WEEK_EXAMPLE: &str = "mon-fri 08:30-17:30";

/// One persona.
#[derive(Debug, Clone)]
pub(crate) struct PersonaConfig {
    /// Its name.
    pub(crate) name: PersonaName,
    /// The name as people write it.
    pub(crate) full_name: String,
    /// The login name on every decoy.
    pub(crate) login: String,
    /// The user and group that own its files; `None` takes them from the account on the decoys.
    pub(crate) owner: Option<Owner>,
    /// Its home directory on every decoy.
    pub(crate) home: DecoyPath,
    /// What it does.
    pub(crate) role: String,
    /// Its language.
    pub(crate) language: Language,
    /// Where it lives.
    pub(crate) time_zone: Zone,
    /// When it works.
    pub(crate) week: WorkWeek,
    /// When it does not.
    pub(crate) holidays: Arc<BTreeSet<jiff::civil::Date>>,
    /// How many times as much happens as with an ordinary person.
    pub(crate) pace: f64,
    /// Where its password on the decoys is to be found.
    pub(crate) password: Option<SecretSource>,
    /// Its private key for SSH sessions between decoys.
    pub(crate) ssh_key: Option<SshKey>,
}

impl PersonaConfig {
    /// The persona as the planner sees it, whose files belong to `owner`.
    pub(crate) fn persona(&self, owner: Owner) -> Result<Persona, verisim_core::InvalidPath> {
        let (name, role) = (self.name.clone(), self.role.clone());
        let mut made = Persona::new(name, self.full_name.clone(), self.login.clone(), owner, role)?;
        made.language = self.language;
        made.time_zone = self.time_zone.clone();
        made.week = self.week;
        made.holidays = Arc::clone(&self.holidays);
        made.home = self.home.clone();
        made.pace = self.pace;
        Ok(made)
    }
}

pub(super) fn read_persona(section: Section<'_>, reader: &Reader<'_>) -> Option<PersonaConfig> {
    name(&section, "maria-keller");
    let persona_name = section.parsed("name", "maria-keller");
    let _ = section.required_text("full_name", "Maria Keller");
    let full_name = section.parse_with("full_name", "Maria Keller", |text| {
        let fits = (1..=120).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fits { Ok(text.to_owned()) } else { Err("a name has 1 to 120 printable characters".to_owned()) }
    });
    let _ = section.required_text("login", "mkeller");
    let login = section.parse_with("login", "mkeller", |text| {
        if units::is_login(text) {
            Ok(text.to_owned())
        } else {
            Err(format!("{text:?} cannot be a login: use a-z, 0-9, '_', '-' and '.'"))
        }
    });
    let id =
        |key| section.number(key, 0..=u64::from(u32::MAX - 1)).and_then(|id| u32::try_from(id.value).ok());
    let (uid, gid) = (id("uid"), id("gid"));
    if let (None, Some(gid)) = (section.value("uid"), section.value("gid")) {
        section.mistake(
            gid.span(),
            "a `gid` without a `uid` says nothing",
            "add uid = 1001, or leave both to the decoy's /etc/passwd",
        );
    }
    let home =
        section.parse_with("home", "/home/mkeller", |text| DecoyPath::new(text).map_err(|e| e.to_string()));
    let role = section.text("role", "analyst").map_or("office", |role| role.value).to_owned();
    let language =
        section.parsed::<Language>("language", "german").map_or_else(Language::default, |one| one.value);
    let time_zone =
        section.parsed::<Zone>("time_zone", "Europe/Berlin").map_or_else(Zone::utc, |zone| zone.value);
    let week =
        section.parsed::<WorkWeek>("week", WEEK_EXAMPLE).map_or_else(WorkWeek::default, |week| week.value);
    let holidays =
        section.names::<jiff::civil::Date>("holidays", "2026-12-25").into_iter().map(|day| day.value);
    let holidays = Arc::new(holidays.collect());
    let pace = section.decimal("pace", 0.001, 10_000.0).map_or(1.0, |pace| pace.value);
    let password = read_password(&section, reader);
    let ssh_key = read_ssh_key(&section, reader);
    section.finish();
    let login = login?.value;
    let home = match home {
        Some(home) => home.value,
        None => DecoyPath::new("/home").and_then(|homes| homes.join(login.as_bytes())).ok()?,
    };
    Some(PersonaConfig {
        name: persona_name?.value,
        full_name: full_name?.value,
        login,
        owner: uid.map(|uid| Owner { uid, gid: gid.unwrap_or(uid) }),
        home,
        role,
        language,
        time_zone,
        week,
        holidays,
        pace,
        password,
        ssh_key,
    })
}
