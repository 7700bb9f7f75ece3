//! How a language writes numbers, dates and amounts, and how its words agree.

use std::fmt::Write as _;

use jiff::civil::Date;

use crate::Language;
use crate::habits::DateStyle;
use crate::lexicon::{Gender, Noun, Verb, Word};

/// A space that no line is broken at, as French wants it within numbers.
const NARROW: char = '\u{202f}';

/// Adds a noun with its article in the case that `word` stands for.
pub(crate) fn with_article(language: Language, word: Word, noun: Noun, out: &mut String) {
    use Gender::{Feminine, Masculine, Neuter};
    let elided = noun.word.starts_with(|letter: char| "aeiouyhàâéèêîôûAEIOUYHÀÂÉÈÊÎÔÛ".contains(letter));
    out.push_str(match (language, word, noun.gender) {
        (Language::English, Word::Of, _) => "of the ",
        (Language::English, Word::To, _) => "to the ",
        (Language::English, _, _) => "the ",
        (Language::German, Word::Accusative, Masculine) => "den ",
        (Language::German, Word::Dative, Masculine | Neuter) => "dem ",
        (Language::German, Word::Dative, Feminine) | (Language::German, _, Masculine) => "der ",
        (Language::German, _, Feminine) => "die ",
        (Language::German, _, Neuter) => "das ",
        (Language::French, Word::Of, _) if elided => "de l\u{2019}",
        (Language::French, Word::Of, Feminine) => "de la ",
        (Language::French, Word::Of, _) => "du ",
        (Language::French, Word::To, _) if elided => "à l\u{2019}",
        (Language::French, Word::To, Feminine) => "à la ",
        (Language::French, Word::To, _) => "au ",
        (Language::French, _, _) if elided => "l\u{2019}",
        (Language::French, _, Feminine) => "la ",
        (Language::French, _, _) => "le ",
        (Language::Spanish, Word::Of, Feminine) => "de la ",
        (Language::Spanish, Word::Of, _) => "del ",
        (Language::Spanish, Word::To, Feminine) => "a la ",
        (Language::Spanish, Word::To, _) => "al ",
        (Language::Spanish, _, Feminine) => "la ",
        (Language::Spanish, _, _) => "el ",
    });
    out.push_str(noun.word);
}

/// Draws `de` and `que` together with a vowel that follows, from a place in the text on, as French is written.
pub(crate) fn elide(text: &mut String, from: usize) {
    const VOWELS: &str = "aàâeéèêiîoôuùûAÀÂEÉÈÊIÎOÔU";
    for (word, short) in [("de ", "d\u{2019}"), ("que ", "qu\u{2019}")] {
        let mut at = from;
        while let Some(place) = text.get(at..).and_then(|rest| rest.find(word)).map(|place| at + place) {
            let begins = text[..place].chars().next_back().is_none_or(|before| before == ' ');
            let follows = text[place + word.len()..].starts_with(|next: char| VOWELS.contains(next));
            if begins && follows {
                text.replace_range(place..place + word.len(), short);
            }
            at = place + short.len();
        }
    }
}

/// Adds a participle that agrees with a noun of this gender.
pub(crate) fn participle(language: Language, verb: Verb, gender: Gender, out: &mut String) {
    match (language, gender, verb.done_feminine) {
        (Language::French | Language::Spanish, Gender::Feminine, Some(feminine)) => out.push_str(feminine),
        (Language::French, Gender::Feminine, None) => {
            out.push_str(verb.done);
            out.push('e');
        }
        (Language::Spanish, Gender::Feminine, None) => {
            out.push_str(verb.done.strip_suffix('o').unwrap_or(verb.done));
            out.push('a');
        }
        _ => out.push_str(verb.done),
    }
}

/// Adds a number in groups of three digits.
pub(crate) fn grouped(language: Language, number: u64, out: &mut String) {
    let mark = match language {
        Language::English => ',',
        Language::German | Language::Spanish => '.',
        Language::French => NARROW,
    };
    let digits = number.to_string();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) && digits.len() > 4 {
            out.push(mark);
        }
        out.push(digit);
    }
}

/// Adds an amount of money; without `cents`, a round one.
pub(crate) fn amount(language: Language, whole: u64, cents: Option<u32>, out: &mut String) {
    let mark = if language == Language::English { '.' } else { ',' };
    if language == Language::English {
        out.push_str("EUR ");
    }
    grouped(language, whole, out);
    if let Some(cents) = cents {
        let _ = write!(out, "{mark}{cents:02}");
    }
    if language != Language::English {
        out.push_str(" €");
    }
}

/// Adds a share.
pub(crate) fn percent(language: Language, percent: u32, out: &mut String) {
    let _ = match language {
        Language::English => write!(out, "{percent}%"),
        Language::German | Language::French | Language::Spanish => write!(out, "{percent} %"),
    };
}

/// Adds a time of day.
pub(crate) fn clock(language: Language, hour: u32, minute: u32, out: &mut String) {
    let _ = match language {
        Language::English | Language::Spanish => write!(out, "{hour}:{minute:02}"),
        Language::German => write!(out, "{hour}:{minute:02} Uhr"),
        Language::French => write!(out, "{hour}h{minute:02}"),
    };
}

/// A date without its year, or the whole of it where machines could read it.
pub(crate) fn date(language: Language, style: DateStyle, date: Date, month_name: &str) -> String {
    use DateStyle::{Dotted, Iso, Short, Slashed};
    let (day, month, year) = (date.day(), date.month(), date.year());
    match (language, style) {
        // What sorts by itself is nobody's language.
        (Language::English, Iso) => date.to_string(),
        (Language::German, Iso) => format!("{day:02}.{month:02}.{year}"),
        (Language::French | Language::Spanish, Iso) => format!("{day:02}/{month:02}/{year}"),
        (Language::English, Dotted) => format!("{day} {month_name}"),
        (Language::English, Short) => format!("{day} {month_name:.3}"),
        (Language::English, Slashed) => format!("{month}/{day}"),
        (Language::German, Dotted | Slashed) => format!("{day}.{month}."),
        (Language::German, Short) => format!("{day}. {month_name}"),
        (Language::French, Short) => {
            let day = if day == 1 { "1er".to_owned() } else { day.to_string() };
            format!("{day} {month_name}")
        }
        (Language::Spanish, Short) => format!("{day} de {month_name}"),
        (Language::French | Language::Spanish, Dotted | Slashed) => format!("{day:02}/{month:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn french_draws_words_together() {
        let mut text = String::from(
            "de Aare: il propose de auditer le parc, et que Alexandre code avant que la fin de lundi",
        );
        elide(&mut text, 0);
        assert_eq!(
            text,
            "d\u{2019}Aare: il propose d\u{2019}auditer le parc, et qu\u{2019}Alexandre code avant que la fin de lundi"
        );
    }
}
