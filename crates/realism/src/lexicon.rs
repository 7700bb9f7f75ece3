//! What a language gives to the grammar: the words of `words/*.txt`, read once.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::Language;
use crate::persona::Role;

/// The words and patterns of one language.
#[derive(Debug)]
pub(crate) struct Lexicon {
    /// By role, in the order of [`Role`].
    trades: [Trade; 8],
    /// First names of people outside the world.
    pub(crate) people: Words,
    /// What follows the invented part of a firm's name.
    pub(crate) firms: Words,
    /// The days of the working week, Monday first.
    pub(crate) days: Words,
    /// January first.
    pub(crate) months: Words,
    /// What longer texts are called.
    pub(crate) reports: Words,
    /// What people append to a name.
    pub(crate) stages: Words,
    /// What a list of things to do is called.
    pub(crate) lists: Words,
    /// What is written down of.
    pub(crate) meetings: Words,
    /// Heads of columns, and what stands in the one about states.
    pub(crate) columns: Words,
    pub(crate) states: Words,
    /// Lines of a note, as jotted down.
    pub(crate) notes: Patterns,
    /// Whole sentences, without their first capital and their full stop.
    pub(crate) plain: Patterns,
    /// What may stand before a sentence and after it, without a change of its order.
    pub(crate) openers: Patterns,
    pub(crate) tails: Patterns,
    /// Entries of a list.
    pub(crate) todos: Patterns,
    /// Headings of a longer text.
    pub(crate) headings: Words,
    /// What a text is headed.
    pub(crate) titles: Patterns,
    /// What a longer text ends with.
    pub(crate) closings: Patterns,
    /// How a mail greets one reader, and several, and how it ends; each by tone, in the order of [`crate::Tone`].
    pub(crate) greetings: Vec<Words>,
    pub(crate) greetings_all: Vec<Words>,
    pub(crate) goodbyes: Vec<Words>,
    /// The first sentence of a mail and of an answer, and what is asked at the end.
    pub(crate) mail_opens: Patterns,
    pub(crate) mail_answers: Patterns,
    pub(crate) mail_asks: Patterns,
    /// What documents call the language (BCP 47).
    pub(crate) tag: &'static str,
    /// What stands between the whole and the rest of a number.
    pub(crate) decimal: char,
}

pub(crate) type Words = Vec<&'static str>;
pub(crate) type Patterns = Vec<Pattern>;

/// The vocabulary of a kind of work.
#[derive(Debug)]
pub(crate) struct Trade {
    /// What the work is about.
    pub(crate) nouns: Vec<Noun>,
    /// What is done to it.
    pub(crate) verbs: Vec<Verb>,
}

/// A thing, in the singular.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noun {
    pub(crate) word: &'static str,
    pub(crate) gender: Gender,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gender {
    Masculine,
    Feminine,
    Neuter,
}

/// What is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verb {
    /// The infinitive.
    pub(crate) base: &'static str,
    /// The participle, as it goes with a masculine noun.
    pub(crate) done: &'static str,
    /// The participle, as it goes with a feminine noun, where that is not the other with an ending.
    pub(crate) done_feminine: Option<&'static str>,
}

/// Text with places that are filled in.
#[derive(Debug)]
pub(crate) struct Pattern(pub(crate) Vec<Piece>);

/// A part of a pattern.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Piece {
    Text(&'static str),
    Fill(Word),
}

macro_rules! words {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What can stand in braces.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Word { $($(#[$doc])* $variant,)* }

        impl Word {
            fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// A thing of the trade, bare.
    Thing = "thing",
    /// The same with its article: nominative, and in German accusative and dative.
    The = "the", Accusative = "acc", Dative = "dat",
    /// The same after the French or Spanish `de` and `à` or `a`, grown together with the article.
    Of = "of", To = "to",
    Verb = "verb",
    /// A participle that agrees with the last thing.
    Done = "done",
    Colleague = "colleague",
    /// The persona.
    Me = "me",
    Project = "project",
    /// A project's name as it stands in names of files.
    Code = "code",
    /// A thing as it stands in names of files.
    Ident = "ident",
    Host = "host", Vendor = "vendor", Ticket = "ticket", Room = "room", Meeting = "meeting",
    Day = "day", Month = "month", Week = "week", Date = "date", Clock = "clock",
    /// What a mail is about.
    Topic = "topic",
    /// Some; few; many.
    Number = "n", Small = "small", Big = "big",
    Percent = "percent", Amount = "amount",
}

impl Pattern {
    /// Reads a pattern. A word that is unknown stays as it stands, which a test excludes for all that is shipped.
    pub(crate) fn new(text: &'static str) -> Self {
        let (mut pieces, mut rest, mut from) = (Vec::new(), text, 0);
        while let Some(open) = rest[from..].find('{').map(|at| from + at) {
            let Some(close) = rest[open..].find('}').map(|at| open + at) else { break };
            match Word::parse(&rest[open + 1..close]) {
                Some(word) => {
                    if open > 0 {
                        pieces.push(Piece::Text(&rest[..open]));
                    }
                    pieces.push(Piece::Fill(word));
                    (rest, from) = (&rest[close + 1..], 0);
                }
                None => from = open + 1,
            }
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest));
        }
        Self(pieces)
    }

    /// Reads several.
    pub(crate) fn all(texts: &[&'static str]) -> Patterns {
        texts.iter().map(|text| Self::new(text)).collect()
    }
}

static ENGLISH: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::read(include_str!("../words/english.txt")));

static GERMAN: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::read(include_str!("../words/german.txt")));
static FRENCH: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::read(include_str!("../words/french.txt")));
static SPANISH: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::read(include_str!("../words/spanish.txt")));

impl Lexicon {
    /// The lexicon of a language. Where a language has none of its own, people write what companies write to everybody.
    pub(crate) fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &ENGLISH,
            Language::German => &GERMAN,
            Language::French => &FRENCH,
            Language::Spanish => &SPANISH,
        }
    }

    /// The vocabulary of a role.
    pub(crate) const fn trade(&self, role: Role) -> &Trade {
        &self.trades[role as usize]
    }

    /// Reads what is shipped. A section that is not there is empty, which a test excludes.
    fn read(text: &'static str) -> Self {
        let mut sections: HashMap<&str, Vec<&'static str>> = HashMap::new();
        let mut section = "";
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                Some(name) => section = name,
                None => sections.entry(section).or_default().push(line),
            }
        }
        let lines = |name: &str| sections.get(name).map(Vec::as_slice).unwrap_or_default();
        let words = |name: &str| -> Words {
            lines(name).iter().flat_map(|line| line.split('|')).map(str::trim).collect()
        };
        let by_line = |name: &str| -> Vec<Words> {
            lines(name).iter().map(|line| line.split('|').map(str::trim).collect()).collect()
        };
        let patterns = |name: &str| Pattern::all(lines(name));
        let trades = ROLES.map(|role| Trade {
            nouns: words(&format!("{role} nouns")).into_iter().map(Noun::read).collect(),
            verbs: words(&format!("{role} verbs")).into_iter().map(Verb::read).collect(),
        });
        Self {
            trades,
            people: words("people"),
            firms: words("firms"),
            days: words("days"),
            months: words("months"),
            reports: words("reports"),
            stages: words("stages"),
            lists: words("lists"),
            meetings: words("meetings"),
            columns: words("columns"),
            states: words("states"),
            notes: patterns("notes"),
            plain: patterns("plain"),
            openers: patterns("openers"),
            tails: patterns("tails"),
            todos: patterns("todos"),
            headings: words("headings"),
            titles: patterns("titles"),
            closings: patterns("closings"),
            greetings: by_line("greetings"),
            greetings_all: by_line("greetings all"),
            goodbyes: by_line("goodbyes"),
            mail_opens: patterns("mail opens"),
            mail_answers: patterns("mail answers"),
            mail_asks: patterns("mail asks"),
            tag: lines("tag").first().copied().unwrap_or("en-GB"),
            decimal: lines("decimal").first().and_then(|line| line.chars().next()).unwrap_or('.'),
        }
    }
}

/// In the order of [`Role`].
const ROLES: [&str; 8] =
    ["developer", "administrator", "analyst", "finance", "assistant", "manager", "scientist", "other"];

impl Noun {
    /// `m:Bericht`, `f:Liste`, `n:Protokoll`; without a letter where a language has one gender.
    fn read(text: &'static str) -> Self {
        let (gender, word) = match text.split_once(':') {
            Some(("f", word)) => (Gender::Feminine, word),
            Some(("n", word)) => (Gender::Neuter, word),
            Some((_, word)) => (Gender::Masculine, word),
            None => (Gender::Neuter, text),
        };
        Self { word, gender }
    }
}

impl Verb {
    /// Infinitive, participle, and the feminine participle where it is no regular one.
    fn read(text: &'static str) -> Self {
        let mut parts = text.split('/');
        let base = parts.next().unwrap_or(text);
        Self { base, done: parts.next().unwrap_or(base), done_feminine: parts.next() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_every_word_and_knows_what_it_has_in_braces() {
        for language in Language::ALL {
            let lexicon = Lexicon::of(language);
            let lists = [
                (&lexicon.people, 30),
                (&lexicon.firms, 8),
                (&lexicon.reports, 10),
                (&lexicon.stages, 8),
                (&lexicon.lists, 5),
                (&lexicon.meetings, 5),
                (&lexicon.columns, 12),
                (&lexicon.states, 6),
                (&lexicon.headings, 15),
            ];
            for (list, least) in lists {
                assert!(
                    list.len() >= least && list.iter().all(|word| !word.is_empty()),
                    "{language:?} {list:?}"
                );
            }
            assert_eq!((lexicon.days.len(), lexicon.months.len()), (5, 12), "{language:?}");
            let patterns = [
                (&lexicon.notes, 30),
                (&lexicon.plain, 30),
                (&lexicon.openers, 10),
                (&lexicon.tails, 10),
                (&lexicon.todos, 20),
                (&lexicon.titles, 8),
                (&lexicon.closings, 3),
                (&lexicon.mail_opens, 12),
                (&lexicon.mail_answers, 12),
                (&lexicon.mail_asks, 6),
            ];
            for (list, least) in patterns {
                assert!(list.len() >= least, "{language:?} {list:?}");
                for piece in list.iter().flat_map(|pattern| &pattern.0) {
                    assert!(!matches!(piece, Piece::Text(text) if text.contains(['{', '}'])), "{piece:?}");
                }
            }
            for by_tone in [&lexicon.greetings, &lexicon.greetings_all, &lexicon.goodbyes] {
                assert_eq!(by_tone.len(), 4, "{language:?} {by_tone:?}");
                assert!(by_tone.iter().flatten().all(|word| !word.is_empty()), "{language:?} {by_tone:?}");
            }
            for trade in &lexicon.trades {
                assert!(trade.nouns.len() >= 25 && trade.verbs.len() >= 10, "{language:?} {trade:?}");
                let gendered = |noun: &Noun| noun.word.contains(':') || noun.word.trim() != noun.word;
                assert!(!trade.nouns.iter().any(gendered), "{language:?} {trade:?}");
                assert!(trade.verbs.iter().all(|verb| !verb.done.is_empty()), "{language:?} {trade:?}");
            }
        }
    }
}
