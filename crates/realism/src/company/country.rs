//! The countries of sites and personas.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::holiday;
use crate::Language;

/// A country that has a calendar of public holidays here. Written as its code of ISO 3166-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Country {
    /// The United States.
    Us,
    /// The United Kingdom; holidays are those of England and Wales.
    Gb,
    /// Germany; holidays are those of all its states.
    De,
    /// France.
    Fr,
    /// Spain; holidays are those of the whole country.
    Es,
    /// Switzerland; holidays are those of the canton of Zurich.
    Ch,
    /// Austria.
    At,
    /// The Netherlands.
    Nl,
    /// Italy.
    It,
    /// Sweden.
    Se,
}

impl Country {
    /// All of them.
    pub const ALL: [Self; 10] =
        [Self::Us, Self::Gb, Self::De, Self::Fr, Self::Es, Self::Ch, Self::At, Self::Nl, Self::It, Self::Se];

    /// The code of ISO 3166-1, for instance `DE`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Us => "US",
            Self::Gb => "GB",
            Self::De => "DE",
            Self::Fr => "FR",
            Self::Es => "ES",
            Self::Ch => "CH",
            Self::At => "AT",
            Self::Nl => "NL",
            Self::It => "IT",
            Self::Se => "SE",
        }
    }

    /// What offices there write; English where it is none of the languages of personas.
    #[must_use]
    pub const fn language(self) -> Language {
        match self {
            Self::De | Self::Ch | Self::At => Language::German,
            Self::Fr => Language::French,
            Self::Es => Language::Spanish,
            Self::Us | Self::Gb | Self::Nl | Self::It | Self::Se => Language::English,
        }
    }

    /// Where an office is that says no more than this, and its time zone in the IANA database.
    #[must_use]
    pub const fn seats(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Us => &[
                ("Columbus", "America/New_York"),
                ("Denver", "America/Denver"),
                ("Portland", "America/Los_Angeles"),
            ],
            Self::Gb => &[("Leeds", "Europe/London"), ("Bristol", "Europe/London")],
            Self::De => &[("Hannover", "Europe/Berlin"), ("Stuttgart", "Europe/Berlin")],
            Self::Fr => &[("Lyon", "Europe/Paris"), ("Nantes", "Europe/Paris")],
            Self::Es => &[("Valencia", "Europe/Madrid"), ("Bilbao", "Europe/Madrid")],
            Self::Ch => &[("Winterthur", "Europe/Zurich"), ("Zürich", "Europe/Zurich")],
            Self::At => &[("Linz", "Europe/Vienna"), ("Graz", "Europe/Vienna")],
            Self::Nl => &[("Utrecht", "Europe/Amsterdam"), ("Eindhoven", "Europe/Amsterdam")],
            Self::It => &[("Bologna", "Europe/Rome"), ("Torino", "Europe/Rome")],
            Self::Se => &[("Göteborg", "Europe/Stockholm"), ("Uppsala", "Europe/Stockholm")],
        }
    }

    /// What is celebrated on a date, in the country's own words; `None` on an ordinary day. Days off in lieu are holidays too.
    #[must_use]
    pub fn holiday(self, date: Date) -> Option<&'static str> {
        holiday::on(self, date)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// A country whose holidays are not known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no country whose holidays are known here; write US, GB, DE, FR, ES, CH, AT, NL, IT or SE")]
pub struct UnknownCountry(String);

impl FromStr for Country {
    type Err = UnknownCountry;

    fn from_str(text: &str) -> Result<Self, UnknownCountry> {
        let found = Self::ALL.into_iter().find(|one| one.code().eq_ignore_ascii_case(text.trim()));
        found.ok_or_else(|| UnknownCountry(text.chars().take(80).collect()))
    }
}
