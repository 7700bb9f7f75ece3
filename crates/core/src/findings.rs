//! What a comparison of the pushed manifest with what is there found, by name: the report of a verification.

use serde::{Deserialize, Serialize};

use crate::RelPath;

/// How many names of each kind are kept; the totals count all of them.
pub const FINDINGS_MAX: usize = 25;

/// What is not at the destination as it was pushed. Bounded, however much that is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Findings {
    /// Files that were pushed and are not there.
    pub missing: Named,
    /// Files that are there with another content.
    pub different: Named,
    /// Files that are there and were not pushed. No damage: they are told, and left alone.
    pub extra: Named,
    /// Files that are there and could not be read: neither the same nor different. Each says why.
    pub unverifiable: Named,
}

/// Files of one kind: how many, and the first of them by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Named {
    /// How many there are.
    pub total: u64,
    /// The first of them, at most [`FINDINGS_MAX`].
    pub first: Vec<Finding>,
}

/// One file that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which. Every text that it is written to shows bytes that a terminal would obey as escapes.
    pub path: RelPath,
    /// Why it could not be verified, where that is what was found; printable and bounded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
}

impl Named {
    /// Counts a file, and keeps its name while there is room.
    pub fn add(&mut self, path: RelPath, why: Option<String>) {
        self.total += 1;
        if self.first.len() < FINDINGS_MAX {
            self.first.push(Finding { path, why });
        }
    }
}

impl Findings {
    /// The kinds with their names, in the order in which they are told.
    #[must_use]
    pub const fn kinds(&self) -> [(&'static str, &Named); 4] {
        [
            ("missing", &self.missing),
            ("different", &self.different),
            ("unverifiable", &self.unverifiable),
            ("extra", &self.extra),
        ]
    }

    /// How many files are missing or different: what has to be sent again.
    #[must_use]
    pub const fn wrong_total(&self) -> u64 {
        self.missing.total + self.different.total
    }

    /// Whether everything that is there is what was pushed, and nothing else.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.wrong_total() + self.extra.total + self.unverifiable.total == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_counted_and_travel_without_loss() {
        let mut found = Findings::default();
        assert!(found.is_empty());
        for number in 0..1000 {
            let name = [b"\x1b[2J\xff\n".as_slice(), format!("{number:04}").as_bytes()].concat();
            found.missing.add(RelPath::new(name).unwrap(), None);
        }
        found.unverifiable.add(RelPath::new("a").unwrap(), Some("it may not be read".into()));
        assert_eq!((found.missing.total, found.missing.first.len()), (1000, FINDINGS_MAX));
        assert_eq!(found.wrong_total(), 1000);
        let json = serde_json::to_string(&found).unwrap();
        assert!(json.is_ascii() && !json.chars().any(char::is_control), "{json}");
        assert_eq!(serde_json::from_str::<Findings>(&json).unwrap(), found);
        assert!(!found.missing.first[0].path.to_string().chars().any(char::is_control));
    }
}
