//! The languages of personas.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The language of a persona: its name and its office's habits are of it, and its texts where the grammar has one for it.
/// Written as its English name, or as its code of ISO 639-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// English.
    #[default]
    #[serde(alias = "en")]
    English,
    /// German.
    #[serde(alias = "de")]
    German,
    /// French.
    #[serde(alias = "fr")]
    French,
    /// Spanish.
    #[serde(alias = "es")]
    Spanish,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::English, Self::German, Self::French, Self::Spanish];

    /// The name in the configuration, for instance `german`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "english",
            Self::German => "german",
            Self::French => "french",
            Self::Spanish => "spanish",
        }
    }

    /// The code of ISO 639-1, for instance `de`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A language that there is no persona of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no language here; write english, german, french or spanish, or the code en, de, fr or es")]
pub struct UnknownLanguage(String);

impl FromStr for Language {
    type Err = UnknownLanguage;

    /// Upper and lower case are the same, and a region after the code is left aside: `de-CH` is German.
    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        let word = text.trim().to_ascii_lowercase();
        let code = word.split(['-', '_']).next().unwrap_or_default();
        let found = Self::ALL.into_iter().find(|one| word == one.name() || code == one.code());
        found.ok_or_else(|| UnknownLanguage(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_read_by_name_and_by_code() {
        for language in Language::ALL {
            assert_eq!(language.name().parse(), Ok(language));
            assert_eq!(language.code().to_uppercase().parse(), Ok(language));
            let written = format!("{}-XX", language.code());
            assert_eq!(written.parse(), Ok(language));
            for text in [language.name(), language.code()] {
                let json = format!("\"{text}\"");
                assert_eq!(serde_json::from_str::<Language>(&json).unwrap(), language);
            }
            assert_eq!(serde_json::to_string(&language).unwrap(), format!("\"{}\"", language.name()));
        }
        for bad in ["", "klingon", "d", "germany", "deutsch-land", "\0"] {
            assert!(bad.parse::<Language>().is_err(), "{bad:?}");
        }
    }
}
