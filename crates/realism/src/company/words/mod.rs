//! What a company's things are called, by language; our own selection.

mod english;
mod french;
mod german;
mod spanish;

use self::english::ENGLISH;
use self::french::FRENCH;
use self::german::GERMAN;
use self::spanish::SPANISH;
use crate::Language;
use crate::persona::Role;
use crate::random::Generator;

/// Words of one language.
pub(super) struct Words {
    /// What companies do.
    pub(super) industries: [&'static str; 6],
    /// Teams in the order of [`TEAMS`].
    pub(super) teams: [&'static str; TEAMS.len()],
    /// What projects are for, of those who build things and of those who do not.
    pub(super) technical: &'static [&'static str],
    pub(super) business: &'static [&'static str],
    /// A meeting of every week, and one of every second.
    pub(super) weekly: &'static [&'static str],
    pub(super) biweekly: &'static [&'static str],
    /// What vendors provide.
    pub(super) provisions: &'static [&'static str],
    /// What tickets are about, of those who build things and of those who do not, and what is the matter with it.
    things: &'static [&'static str],
    matters: &'static [&'static str],
    troubles: &'static [&'static str],
    wishes: &'static [&'static str],
}

/// The role of each team that is invented.
pub(super) const TEAMS: [&str; 12] = [
    "developer",
    "developer",
    "developer",
    "system administrator",
    "system administrator",
    "analyst",
    "accountant",
    "office assistant",
    "project manager",
    "research scientist",
    "research scientist",
    "sales",
];

impl Words {
    pub(super) const fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &ENGLISH,
            Language::German => &GERMAN,
            Language::French => &FRENCH,
            Language::Spanish => &SPANISH,
        }
    }

    /// The title of a ticket of a team with this role.
    pub(super) fn ticket(&self, role: &str, draw: &mut Generator) -> String {
        let thing = draw.word(if builds(role) { self.things } else { self.matters });
        let kind = if draw.percent(60) { self.troubles } else { self.wishes };
        let what = draw.word(kind);
        if draw.percent(25) {
            return format!("{thing} ({:02}/{}): {what}", draw.between(1, 12), draw.between(1, 28));
        }
        format!("{thing}: {what}")
    }
}

/// Whether people of this role build or run things.
pub(super) fn builds(role: &str) -> bool {
    matches!(Role::of(role), Role::Developer | Role::Administrator | Role::Scientist)
}
