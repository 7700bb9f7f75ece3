//! What kind of person a persona is: how it writes, and how it spends its days.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// How a persona writes and works with others. What is left out is drawn, or is not mentioned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Character {
    /// How long it has done this work.
    pub seniority: Option<Seniority>,
    /// How it writes; `None`: drawn.
    pub tone: Option<Tone>,
    /// Turns and ways of its own, each a short text: `"begins mails without a greeting"`.
    pub mannerisms: Vec<String>,
    /// What its mails end with, without the line `-- ` before it; may have several lines.
    pub signature: Option<String>,
    /// Its address.
    pub email: Option<String>,
    /// Programs it uses, by the name of their command.
    pub tools: Vec<String>,
    /// How long it mostly takes to answer, a median.
    pub reply_latency: Option<SignedDuration>,
    /// Whether its texts often come out of a language model.
    pub uses_llms_heavily: bool,
}

/// How a persona spends its days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DayHabits {
    /// When it comes, and, where it keeps free hours, gets up and goes to bed.
    pub start: Start,
    /// When it goes to lunch, in minutes of the local day; `None`: drawn.
    pub lunch: Option<u32>,
    /// Whether it is on call in some weeks. Only somebody who keeps free hours can be. `None`: administrators are.
    pub on_call: Option<bool>,
}

/// When somebody begins the day, within the working hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// As drawn.
    #[default]
    Usual,
    /// On time, and up early.
    Early,
    /// An hour or so into the working hours, and up late.
    Late,
}

/// How long somebody has done this work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seniority {
    /// Up to three years or so.
    Junior,
    /// For some years.
    Regular,
    /// For so long that others ask.
    Senior,
    /// Leads others in it.
    Lead,
}

/// How somebody writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// In as few words as will do, without capitals.
    Terse,
    /// To the point, properly.
    Plain,
    /// In whole sentences, with a kind word.
    Friendly,
    /// In whole sentences, at a distance.
    Formal,
}

/// Days off in one stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Vacation {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
}

impl Vacation {
    /// Whether a date is in it.
    #[must_use]
    pub fn covers(&self, date: Date) -> bool {
        self.from <= date && date <= self.to
    }
}

impl fmt::Display for Vacation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.from, self.to)
    }
}

/// A word that is none of those that are known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is unknown here; write {known}")]
pub struct UnknownWord {
    text: String,
    known: &'static str,
}

impl UnknownWord {
    fn of(text: &str, known: &'static str) -> Self {
        Self { text: text.chars().take(80).collect(), known }
    }
}

impl FromStr for Vacation {
    type Err = UnknownWord;

    /// Reads what an interval is in ISO 8601: the first and the last day, as in `2026-07-20/2026-07-31`.
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let wrong = || UnknownWord::of(text, "the first and the last day, as in 2026-07-20/2026-07-31");
        let (from, to) = text.split_once('/').ok_or_else(wrong)?;
        let (from, to): (Date, Date) =
            (from.trim().parse().map_err(|_| wrong())?, to.trim().parse().map_err(|_| wrong())?);
        if from <= to { Ok(Self { from, to }) } else { Err(wrong()) }
    }
}

impl FromStr for Start {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "usual" => Ok(Self::Usual),
            "early" => Ok(Self::Early),
            "late" => Ok(Self::Late),
            _ => Err(UnknownWord::of(text, "early, usual or late")),
        }
    }
}

impl Start {
    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::Early => "early",
            Self::Late => "late",
        }
    }
}

impl Seniority {
    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Junior => "junior",
            Self::Regular => "regular",
            Self::Senior => "senior",
            Self::Lead => "lead",
        }
    }
}

impl FromStr for Seniority {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "junior" => Ok(Self::Junior),
            "regular" => Ok(Self::Regular),
            "senior" => Ok(Self::Senior),
            "lead" => Ok(Self::Lead),
            _ => Err(UnknownWord::of(text, "junior, regular, senior or lead")),
        }
    }
}

impl Tone {
    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Terse => "terse",
            Self::Plain => "plain",
            Self::Friendly => "friendly",
            Self::Formal => "formal",
        }
    }
}

impl FromStr for Tone {
    type Err = UnknownWord;

    /// Words that mean the same are taken too: `casual` is friendly, `brief` is terse.
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text.trim().to_ascii_lowercase().as_str() {
            "terse" | "brief" | "short" | "curt" | "blunt" | "laconic" => Ok(Self::Terse),
            "plain" | "neutral" | "direct" | "professional" | "technical" | "dry" => Ok(Self::Plain),
            "friendly" | "casual" | "warm" | "informal" | "cheerful" | "chatty" => Ok(Self::Friendly),
            "formal" | "polite" | "correct" | "official" | "stiff" => Ok(Self::Formal),
            _ => Err(UnknownWord::of(text, "terse, plain, friendly or formal")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_configuration_are_read_as_they_are_written() {
        for tone in [Tone::Terse, Tone::Plain, Tone::Friendly, Tone::Formal] {
            assert_eq!(tone.name().parse(), Ok(tone));
        }
        for one in [Seniority::Junior, Seniority::Regular, Seniority::Senior, Seniority::Lead] {
            assert_eq!(one.name().parse(), Ok(one));
        }
        for start in [Start::Usual, Start::Early, Start::Late] {
            assert_eq!(start.name().parse(), Ok(start));
        }
        assert_eq!("Casual ".parse(), Ok(Tone::Friendly));
        assert!("sarcastic".parse::<Tone>().unwrap_err().to_string().contains("terse, plain"));
        let vacation: Vacation = "2026-07-20/2026-07-31".parse().unwrap();
        assert_eq!(vacation.to_string().parse(), Ok(vacation));
        assert!(vacation.covers(vacation.from) && vacation.covers(vacation.to));
        for bad in ["", "2026-07-20", "2026-07-31/2026-07-20", "a/b", "2026-13-01/2026-13-02"] {
            assert!(bad.parse::<Vacation>().is_err(), "{bad:?}");
        }
    }
}
