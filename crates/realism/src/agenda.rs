//! When each persona's next moment is: a priority queue in three parts.
//!
//! What is near was sorted once and is taken from its end; what came to it since waits in a heap that is small whatever the
//! fleet; what is far waits unsorted, by stretches of some minutes. A heap of everybody would walk through memory at every
//! step: with 200,000 personas it took most of the time. And what is sorted can be looked at before its turn comes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// What is due when, in nanoseconds since 1970, and for whom.
type Entry = (i64, u32);

/// Entries in the order of time, and at one instant in the order of personas.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    /// The first one stands last.
    near: Vec<Entry>,
    /// What was added to the near part since it was sorted.
    added: BinaryHeap<Reverse<Entry>>,
    far: BTreeMap<i64, Vec<Entry>>,
    /// Entries of this stretch and before are near.
    stretch: Option<i64>,
}

/// A stretch is 2^38 nanoseconds: four and a half minutes.
const STRETCH_BITS: u32 = 38;

impl Agenda {
    /// The first entry. Something is near while there is anything.
    pub(crate) fn first(&self) -> Option<Entry> {
        let (sorted, added) = (self.near.last().copied(), self.added.peek().map(|Reverse(entry)| *entry));
        [sorted, added].into_iter().flatten().min()
    }

    /// Whose turn it is about so many entries after the first. Only likely: others may come before.
    pub(crate) fn ahead(&self, entries: usize) -> Option<u32> {
        let place = self.near.len().checked_sub(entries + 1)?;
        self.near.get(place).map(|(_, whose)| *whose)
    }

    /// Takes the first entry off.
    pub(crate) fn take(&mut self) -> Option<Entry> {
        let first = self.first()?;
        if self.near.last() == Some(&first) {
            self.near.pop();
        } else {
            self.added.pop();
        }
        if self.near.is_empty()
            && self.added.is_empty()
            && let Some((stretch, mut entries)) = self.far.pop_first()
        {
            self.stretch = Some(stretch);
            entries.sort_unstable_by(|a, b| b.cmp(a));
            self.near = entries;
        }
        Some(first)
    }

    /// Adds an entry.
    pub(crate) fn add(&mut self, entry: Entry) {
        let stretch = entry.0 >> STRETCH_BITS;
        if self.near.is_empty() && self.added.is_empty() {
            // Nothing is near, and so nothing at all is here: see `take`.
            self.stretch = Some(stretch);
        }
        if self.stretch.is_some_and(|near| stretch <= near) {
            self.added.push(Reverse(entry));
        } else {
            self.far.entry(stretch).or_default().push(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_come_in_order_whatever_is_added_between(
            steps in proptest::collection::vec((any::<bool>(), 0i64..40, 0i64..1 << 40), 0..200),
        ) {
            let mut agenda = Agenda::default();
            let mut model = std::collections::BTreeSet::new();
            for (number, (take, stretch, rest)) in (0u32..).zip(steps) {
                if take {
                    prop_assert_eq!(agenda.first(), model.first().copied());
                    prop_assert_eq!(agenda.take(), model.pop_first());
                } else {
                    let entry = ((stretch << STRETCH_BITS) + rest - (1 << 39), number);
                    agenda.add(entry);
                    model.insert(entry);
                }
            }
            let mut rest = Vec::new();
            while let Some(entry) = agenda.take() {
                rest.push(entry);
            }
            prop_assert_eq!(rest, model.into_iter().collect::<Vec<_>>());
        }
    }
}
