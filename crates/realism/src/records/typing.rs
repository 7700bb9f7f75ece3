//! A session at a shell: commands one after the other, each in its time.

use verisim_core::DecoyPath;

use super::lived::{SECOND, Sitting};

/// A command, and when it was given. Nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Typed {
    pub(super) at: i64,
    pub(super) text: String,
    /// For a command that was given as root: the program's path and its arguments, as sudo logs them.
    pub(super) as_root: Option<String>,
    /// Whether it runs until the next one is given.
    pub(super) is_long: bool,
}

/// A session while it is typed: commands stay in order, and inside it.
pub(super) struct Session {
    pub(super) out: Vec<Typed>,
    /// When the last command was given, or what it did ended.
    pub(super) now: i64,
    /// Commands come no later: what makes an edit comes before it, what follows one before the next.
    pub(super) limit: i64,
    /// When the next edit is, or the end.
    pub(super) next: i64,
    /// Where the shell is; `None` for the home, in which it begins.
    pub(super) folder: Option<DecoyPath>,
}

impl Session {
    pub(super) fn new(sitting: &Sitting) -> Self {
        let end = sitting.to - 1000;
        let first = sitting.deeds.first().map_or(end, |deed| deed.at);
        let now = sitting.from + SECOND.min((first - sitting.from) / 2);
        Self { out: Vec::new(), now, limit: first, next: end, folder: None }
    }

    /// Adds a command, at this time or a little after the one before.
    pub(super) fn add(&mut self, at: i64, text: String, as_root: Option<String>) {
        let at = at.max(self.now + SECOND / 100).min(self.limit);
        let at = at.max(self.out.last().map_or(at, |last| last.at));
        self.now = at;
        self.out.push(Typed { at, text, as_root, is_long: false });
    }

    pub(super) fn busy_until(&mut self, at: i64) {
        self.now = self.now.max(at);
    }

    /// The edit is made: what is typed now follows it.
    pub(super) const fn go_on(&mut self) {
        self.limit = self.next;
    }
}

/// A word as a person types it: what means something to the shell is escaped.
pub(super) fn escaped(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for letter in word.chars() {
        if letter.is_whitespace() || "'\"\\$`!&|;<>()[]{}*?#~".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// The new name of a file that moves into a folder beside it, from where the old one was typed; `None` where it stays in its
/// folder.
pub(super) fn below(old: &str, from: &DecoyPath, to: &DecoyPath) -> Option<String> {
    let folder =
        to.parent().filter(|folder| folder.parent().is_some_and(|above| from.parent() == Some(above)))?;
    if from.file_name() != to.file_name() {
        return None;
    }
    let base = old.rsplit('/').next()?;
    let into = escaped(&String::from_utf8_lossy(folder.file_name()?));
    Some(format!("{}{into}/{base}", old.strip_suffix(base)?))
}
