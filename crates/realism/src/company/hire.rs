//! The people of a company, from its seed.

use std::collections::HashSet;

use jiff::SignedDuration;
use verisim_core::{Owner, PersonaName};

use super::names::{Names, draw_name, plain_letters};
use super::{Company, Country, Site, Team};
use crate::character::{Character, DayHabits, Seniority, Start, Tone};
use crate::persona::Role;
use crate::random::{Generator, whole};
use crate::{Language, Persona};

/// The first user id that Debian gives to people.
const UID_FIRST: u32 = 1000;
/// How often each team of [`super::words::TEAMS`] gets somebody; teams that are configured all do as often.
const TEAM_WEIGHTS: [u32; 12] = [16, 14, 12, 9, 8, 8, 7, 5, 7, 6, 5, 9];
/// When people work.
const WEEKS: [&str; 6] = [
    "mon-fri 08:30-17:30",
    "mon-fri 09:00-18:00",
    "mon-fri 08:00-17:00",
    "mon-fri 07:30-16:00",
    "mon-thu 08:00-17:30, fri 08:00-14:00",
    "mon-fri 09:30-18:30",
];

/// How logins are made of names, the same in all of a company.
#[derive(Debug, Clone, Copy)]
enum LoginStyle {
    /// `mkeller`
    InitialFamily,
    /// `maria.keller`
    Both,
    /// `kellerm`
    FamilyInitial,
}

impl Company {
    /// Invents so many employees: the same company gives the same ones, and the first of them do not depend on how many there
    /// are. Names and logins are unique, user ids rise from 1000. `languages` are those of the people, as often as they are named;
    /// where there are none, people have the one of their office.
    #[must_use]
    pub fn hire(&self, count: u32, languages: &[Language]) -> Vec<Persona> {
        let mut draw = Generator::new(self.own_seed().text("people"));
        let styles = [LoginStyle::InitialFamily, LoginStyle::Both, LoginStyle::FamilyInitial];
        let style = *draw.pick(&styles).unwrap_or(&LoginStyle::InitialFamily);
        let mut taken = HashSet::new();
        let mut people = Vec::new();
        for number in 0..count {
            let own = self.own_seed().text("person").word(u64::from(number));
            let mut draw = Generator::new(own);
            let language = draw.pick(languages).copied();
            people.extend(self.employ(UID_FIRST + number, language, style, &mut taken, &mut draw));
        }
        people
    }

    /// `None` for what is no name or login, which no invention is.
    fn employ(
        &self,
        uid: u32,
        language: Option<Language>,
        style: LoginStyle,
        taken: &mut HashSet<String>,
        draw: &mut Generator,
    ) -> Option<Persona> {
        let team = self.team_for(draw);
        let site = team.and_then(|team| self.sites.get(team.site)).or_else(|| self.sites.first());
        let country = site.map_or(Country::Gb, |site| site.country);
        let language = language.unwrap_or_else(|| country.language());
        let (full_name, name, login) = invent_name(language, style, taken, draw);
        let role = team.map_or("analyst", |team| team.role.as_str());
        let name: PersonaName = name.parse().ok()?;
        let mut persona = Persona::new(name, full_name, login, Owner { uid, gid: uid }, role).ok()?;
        persona.language = language;
        persona.country = Some(country);
        persona.team = team.map(|team| team.name.clone());
        if let Some(Site { time_zone, .. }) = site {
            persona.time_zone = time_zone.clone();
        }
        persona.week = draw.word(&WEEKS).parse().unwrap_or_default();
        persona.habits = habits(role, draw);
        persona.character = self.character(&persona, role, draw);
        Some(persona)
    }

    fn team_for(&self, draw: &mut Generator) -> Option<&Team> {
        let weights: Vec<u32> = match self.teams.len() == TEAM_WEIGHTS.len() {
            true => TEAM_WEIGHTS.to_vec(),
            false => vec![1; self.teams.len()],
        };
        self.teams.get(draw.weighted(&weights)?)
    }

    fn character(&self, persona: &Persona, role: &str, draw: &mut Generator) -> Character {
        let local = match persona.login.contains('.') {
            true => persona.login.clone(),
            false => persona.name.as_str().replacen('-', ".", 1),
        };
        let email = format!("{local}@{}", self.domain);
        let seniorities = [Seniority::Junior, Seniority::Regular, Seniority::Senior, Seniority::Lead];
        let tones = [Tone::Terse, Tone::Plain, Tone::Friendly, Tone::Formal];
        let pick = |weights: &[u32], draw: &mut Generator| draw.weighted(weights).unwrap_or(0);
        let tone = tones.get(pick(&[25, 40, 22, 13], draw)).copied();
        let mut tools: Vec<String> = Vec::new();
        for _ in 0..3 {
            let tool = draw.word(tools_of(role));
            if !tools.iter().any(|known| known == tool) {
                tools.push(tool.to_owned());
            }
        }
        let mut mannerisms = vec![draw.word(mannerisms_of(persona.language)).to_owned()];
        let second = draw.word(mannerisms_of(persona.language));
        if draw.percent(45) && mannerisms[0] != second {
            mannerisms.push(second.to_owned());
        }
        let minutes = draw.lognormal(55.0, 0.9).clamp(4.0, 1440.0);
        let minutes = i64::try_from(whole(minutes / 5.0) * 5).unwrap_or(60).max(5);
        Character {
            seniority: seniorities.get(pick(&[22, 42, 27, 9], draw)).copied(),
            tone,
            mannerisms,
            signature: Some(self.signature(persona, tone, draw)),
            email: Some(email),
            tools,
            reply_latency: Some(SignedDuration::from_mins(minutes)),
            uses_llms_heavily: draw.percent(12),
        }
    }

    fn signature(&self, persona: &Persona, tone: Option<Tone>, draw: &mut Generator) -> String {
        let first_name = persona.full_name.split(' ').next().unwrap_or_default();
        if tone == Some(Tone::Terse) && draw.percent(60) {
            return first_name.to_owned();
        }
        let team = persona.team.as_deref().unwrap_or_default();
        match draw.below(3) {
            0 => format!("{}\n{team} | {}", persona.full_name, self.name),
            1 => format!("{}\n{}", persona.full_name, self.name),
            _ => format!("{}\n{team}", persona.full_name),
        }
    }
}

/// A full name, and of it the name in the configuration and the login; both as nobody has them yet.
fn invent_name(
    language: Language,
    style: LoginStyle,
    taken: &mut HashSet<String>,
    draw: &mut Generator,
) -> (String, String, String) {
    let names = Names::of(language);
    let mut attempt = 0_u32;
    loop {
        attempt += 1;
        let (given, family) = (draw_name(names.given, draw), draw_name(names.family, draw));
        let second =
            if names.two_families { format!(" {}", draw_name(names.family, draw)) } else { String::new() };
        let (first, last) = (plain_letters(given, language), plain_letters(family, language));
        // After a while a number keeps apart who has the name of somebody else, as administrators do it.
        let suffix = if attempt > 40 { (attempt / 8).to_string() } else { String::new() };
        let initial: String = first.chars().take(1).collect();
        let login = match style {
            LoginStyle::InitialFamily => format!("{initial}{last}{suffix}"),
            LoginStyle::Both => format!("{first}.{last}{suffix}"),
            LoginStyle::FamilyInitial => format!("{last}{initial}{suffix}"),
        };
        let name = format!("{first}-{last}{suffix}");
        let is_free = !taken.contains(&login) && !taken.contains(&name);
        if login.len() <= 32 && is_free {
            taken.insert(login.clone());
            taken.insert(name.clone());
            return (format!("{given} {family}{second}"), name, login);
        }
    }
}

fn habits(role: &str, draw: &mut Generator) -> DayHabits {
    let starts = [Start::Usual, Start::Early, Start::Late];
    let start = starts.get(draw.weighted(&[55, 25, 20]).unwrap_or(0)).copied().unwrap_or_default();
    let lunch = draw.percent(60).then(|| 690 + 15 * draw.below(7));
    let is_administrator = Role::of(role) == Role::Administrator;
    DayHabits { start, lunch, on_call: is_administrator.then(|| draw.percent(80)) }
}

/// What people of a role work with, by the names of commands.
fn tools_of(role: &str) -> &'static [&'static str] {
    match Role::of(role) {
        Role::Developer => &["vim", "git", "tmux", "make", "docker", "code", "emacs", "gdb", "curl"],
        Role::Administrator => {
            &["vim", "ansible", "tmux", "htop", "rsync", "nano", "tcpdump", "screen", "less"]
        }
        Role::Analyst => &["python3", "jupyter", "psql", "libreoffice", "awk", "R", "csvtool"],
        Role::Scientist => &["python3", "R", "gnuplot", "jupyter", "latex", "octave", "make"],
        Role::Finance | Role::Assistant => &["libreoffice", "thunderbird", "firefox", "evince"],
        Role::Manager | Role::Other => &["libreoffice", "thunderbird", "firefox", "evince", "zoom"],
    }
}

/// Ways of people, in words for whoever writes for them; our own selection.
fn mannerisms_of(language: Language) -> &'static [&'static str] {
    match language {
        Language::English => &[
            "begins mails without a greeting",
            "ends with \"cheers\"",
            "numbers every point",
            "writes dates in full",
            "asks a question at the end",
            "uses brackets for asides",
            "never writes more than five lines",
            "says \"just to be clear\"",
        ],
        Language::German => &[
            "beginnt Mails ohne Anrede",
            "schließt mit \"VG\"",
            "nummeriert alle Punkte",
            "schreibt \"wie besprochen\"",
            "fragt am Ende nach",
            "setzt Nebensachen in Klammern",
            "schreibt nie mehr als fünf Zeilen",
            "kürzt ab, wo es geht (z. B., ggf.)",
        ],
        Language::French => &[
            "commence sans formule",
            "termine par « bien à toi »",
            "numérote chaque point",
            "écrit « comme convenu »",
            "finit par une question",
            "met des parenthèses partout",
            "n'écrit jamais plus de cinq lignes",
            "abrège (cf., svp, rdv)",
        ],
        Language::Spanish => &[
            "empieza sin saludo",
            "termina con \"un saludo\"",
            "numera cada punto",
            "escribe \"como comentamos\"",
            "acaba con una pregunta",
            "usa paréntesis para todo",
            "no escribe más de cinco líneas",
            "abrevia (p. ej., pdte.)",
        ],
    }
}
