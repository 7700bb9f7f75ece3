//! What a language gives to the grammar.

use crate::Language;
use crate::english::ENGLISH;
use crate::persona::Role;

/// The words and patterns of one language. In patterns, words in braces are filled in.
pub(crate) struct Lexicon {
    /// By role, in the order of [`Role`].
    pub(crate) trades: [Trade; 8],
    /// First names of people outside the world.
    pub(crate) people: &'static [&'static str],
    /// What follows the invented part of a firm's name.
    pub(crate) firms: &'static [&'static str],
    /// Monday first.
    pub(crate) days: &'static [&'static str],
    /// January first.
    pub(crate) months: &'static [&'static str],
    /// What longer texts are called.
    pub(crate) reports: &'static [&'static str],
    /// What people append to a name.
    pub(crate) stages: &'static [&'static str],
    /// Lines of a note, as jotted down.
    pub(crate) note_lines: &'static [&'static str],
    /// Whole sentences.
    pub(crate) plain_lines: &'static [&'static str],
    /// Entries of a list.
    pub(crate) todo_items: &'static [&'static str],
    /// Headings of a longer text.
    pub(crate) headings: &'static [&'static str],
}

/// The vocabulary of a kind of work.
pub(crate) struct Trade {
    /// What the work is about.
    pub(crate) things: &'static [&'static str],
    /// What is done to it.
    pub(crate) verbs: &'static [&'static str],
}

impl Lexicon {
    /// The lexicon of a language. Where a language has none of its own, people write what companies write to everybody.
    pub(crate) fn of(language: Language) -> &'static Self {
        match language {
            Language::English | Language::German | Language::French | Language::Spanish => &ENGLISH,
        }
    }

    /// The vocabulary of a role.
    pub(crate) const fn trade(&self, role: Role) -> &Trade {
        &self.trades[role as usize]
    }
}
