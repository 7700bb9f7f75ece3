//! A persona of the configuration.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use verisim_core::{DecoyPath, Owner, PersonaName, is_deceptive};
use verisim_realism::{
    Character, Company, Country, DayHabits, Language, Persona, Seniority, Start, Tone, Vacation, WorkWeek,
    Zone,
};

use super::mistake::nearest;
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
    /// The country whose public holidays it keeps.
    pub(crate) country: Option<Country>,
    /// Vacations beside those that are drawn.
    pub(crate) vacations: Vec<Vacation>,
    /// Its team.
    pub(crate) team: Option<String>,
    /// How it spends its days.
    pub(crate) habits: DayHabits,
    /// How it writes and works with others.
    pub(crate) character: Character,
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
        made.country = self.country;
        made.vacations.clone_from(&self.vacations);
        made.team.clone_from(&self.team);
        made.habits = self.habits;
        made.character = self.character.clone();
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
        let fits = (1..=120).contains(&text.chars().count()) && !text.chars().any(is_deceptive);
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
    let country = section.parsed::<Country>("country", "DE").map(|country| country.value);
    let vacations = section.names::<Vacation>("vacations", "2026-07-20/2026-07-31").into_iter();
    let vacations = vacations.map(|vacation| vacation.value).collect();
    let team = section.text("team", "Plattform").map(|team| team.value.to_owned());
    let (habits, character) = (read_habits(&section), read_character(&section));
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
        country,
        vacations,
        team,
        habits,
        character,
        pace,
        password,
        ssh_key,
    })
}

/// When people have lunch, in minutes of the day: as the planner has it.
const LUNCH: std::ops::RangeInclusive<u32> = 600..=900;
/// The most that a persona has of mannerisms, and of tools.
const TRAITS_MAX: usize = 40;

fn read_habits(section: &Section<'_>) -> DayHabits {
    let lunch = section.parse_with("lunch", "12:15", |text| match units::minute_of_day(text)? {
        minute if LUNCH.contains(&minute) => Ok(minute),
        _ => Err("lunch begins from 10:00 to 15:00".to_owned()),
    });
    DayHabits {
        start: section.parsed::<Start>("start", "early").map_or(Start::Usual, |start| start.value),
        lunch: lunch.map(|lunch| lunch.value),
        on_call: section.flag("on_call"),
    }
}

fn read_character(section: &Section<'_>) -> Character {
    let list = |key, example| {
        let mut texts = Vec::new();
        for text in section.texts(key, example) {
            match units::short_text(text.value) {
                Ok(good) if texts.len() < TRAITS_MAX => texts.push(good),
                Ok(_) => section.mistake(
                    text.span,
                    format!("`{key}` has more than {TRAITS_MAX} entries"),
                    "leave some of them out",
                ),
                Err(what) => section.mistake(
                    text.span,
                    format!("`{key}`: {what}"),
                    format!("for instance {key} = [\"{example}\"]"),
                ),
            }
        }
        texts
    };
    let latency = section.parse_with("reply_latency", "45m", |text| {
        let span = units::duration(text)?;
        SignedDuration::try_from(span).map_err(|error| error.to_string())
    });
    Character {
        seniority: section.parsed::<Seniority>("seniority", "senior").map(|one| one.value),
        tone: section.parsed::<Tone>("tone", "terse").map(|tone| tone.value),
        mannerisms: list("mannerisms", "begins mails without a greeting"),
        signature: section.parse_with("signature", "Maria Keller", signature).map(|text| text.value),
        email: section.parse_with("email", "maria.keller@kesdale.internal", email).map(|text| text.value),
        tools: list("tools", "vim"),
        reply_latency: latency.map(|latency| latency.value),
        uses_llms_heavily: section.flag("uses_llms_heavily").unwrap_or_default(),
    }
}

/// A signature: some lines, without control characters.
pub(crate) fn signature(text: &str) -> Result<String, String> {
    let fits = text.chars().count() <= 1000 && text.lines().count() <= 12;
    let is_odd = |c: char| is_deceptive(c) && c != '\n';
    match fits && !text.trim().is_empty() && !text.chars().any(is_odd) {
        true => Ok(text.trim_end().to_owned()),
        false => Err("a signature has up to 12 lines and 1000 characters, and no control characters".into()),
    }
}

/// An address of a person: what RFC 5321 allows without quotes.
pub(crate) fn email(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is no address like maria.keller@kesdale.internal");
    let (local, domain) = text.split_once('@').ok_or_else(wrong)?;
    let local_fits = (1..=64).contains(&local.len())
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b))
        && !local.starts_with('.')
        && !local.ends_with('.');
    let label_fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    match local_fits && domain.len() <= 253 && domain.split('.').all(label_fits) {
        true => Ok(text.to_owned()),
        false => Err(wrong()),
    }
}

/// Notes personas of a team that the company does not have.
pub(super) fn check_teams(company: Option<&Company>, personas: &[Section<'_>]) {
    for persona in personas {
        let Some(team) = persona.peek("team") else { continue };
        let known = company.is_some_and(|company| company.teams.iter().any(|one| one.name == team));
        if known || persona.is_torn("company") {
            continue;
        }
        let teams = company.map(|company| company.teams.iter().map(|team| team.name.as_str()));
        let mend = match teams.and_then(|teams| nearest(team, teams)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "add a [[company.team]] with this name, or leave it to the persona's role".to_owned(),
        };
        let what = format!("the company has no team `{}`", verisim_core::printable(team));
        persona.mistake(persona.place_of("team"), what, mend);
    }
}
