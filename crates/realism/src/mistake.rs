//! What can be wrong with a world: found all at once, each by the name of what it is about.

use std::fmt;

use verisim_core::{DecoyName, PersonaName, is_deceptive};

use crate::persona::Persona;
use crate::settings::{PACE_MAX, Settings, weigh};

/// Something in a world that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// Two personas share a name.
    #[error("persona {0}: there are two of this name")]
    PersonaTwice(PersonaName),
    /// Two decoys share a name.
    #[error("decoy {0}: there are two of this name")]
    DecoyTwice(DecoyName),
    /// A decoy names a persona that does not exist.
    #[error("decoy {decoy}: there is no persona {persona}")]
    NoSuchPersona {
        /// The decoy.
        decoy: DecoyName,
        /// The name that nobody has.
        persona: PersonaName,
    },
    /// A decoy names a persona twice.
    #[error("decoy {decoy}: it names persona {persona} twice")]
    SeatedTwice {
        /// The decoy.
        decoy: DecoyName,
        /// Who.
        persona: PersonaName,
    },
    /// Two personas of one decoy have the same login.
    #[error("decoy {decoy}: personas {first} and {second} have the same login, {login}")]
    LoginTwice {
        /// The decoy.
        decoy: DecoyName,
        /// One of them.
        first: PersonaName,
        /// The other.
        second: PersonaName,
        /// Their login.
        login: String,
    },
    /// A field of a persona.
    #[error("persona {persona}: {field}: {reason}")]
    Persona {
        /// Who.
        persona: PersonaName,
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Something of the company.
    #[error("company: {what}: {reason}")]
    Company {
        /// Which of its teams, projects, meetings or hosts.
        what: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A field of the settings.
    #[error("{field}: {reason}")]
    Settings {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is more of something than can be counted.
    #[error("there are too many {0}")]
    TooMany(&'static str),
}

/// Everything that is wrong with a world; at least one mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    /// One line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, mistake) in self.0.iter().enumerate() {
            let line_end = if place == 0 { "" } else { "\n" };
            write!(f, "{line_end}{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// When people have lunch, in minutes of the day.
const LUNCH: std::ops::RangeInclusive<u32> = 600..=900;

pub(crate) fn check_settings(settings: &Settings) -> Vec<Mistake> {
    let mistakes = settings.mistakes();
    mistakes.into_iter().map(|(field, reason)| Mistake::Settings { field, reason }).collect()
}

pub(crate) fn check_persona(persona: &Persona, found: &mut Vec<Mistake>) {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
    let login = persona.login.as_bytes();
    let login_fits = (1..=32).contains(&login.len())
        && login.iter().all(|b| legal(*b))
        && (login[0].is_ascii_lowercase() || login[0] == b'_');
    let name_fits = (1..=120).contains(&persona.full_name.chars().count())
        && !persona.full_name.chars().any(is_deceptive);
    let weights_fit = persona.classes.is_none_or(|weights| weigh(&weights.list()));
    let checks = [
        (
            "login",
            login_fits,
            "it must be 1 to 32 characters out of a-z, 0-9, '_', '-' and '.', a letter or '_' first",
        ),
        ("full_name", name_fits, "it must be 1 to 120 printable characters"),
        ("home", persona.home.file_name().is_some(), "it must not be the root directory"),
        (
            "habits",
            persona.habits.lunch.is_none_or(|lunch| LUNCH.contains(&lunch)),
            "lunch must be from 10:00 to 15:00",
        ),
        ("pace", persona.pace > 0.0 && persona.pace <= PACE_MAX, "it must be more than 0 and at most 10,000"),
        ("classes", weights_fit, "weights are at most 1,000,000, and one of them is more than 0"),
    ];
    for (field, good, reason) in checks {
        if !good {
            found.push(Mistake::Persona { persona: persona.name.clone(), field, reason });
        }
    }
}
