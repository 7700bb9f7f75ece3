//! What waits for an answer.

use std::sync::Arc;

use super::Letter;
use crate::day::instant;
use crate::planner::Slot;

/// So many letters somebody has in view; the oldest falls out of it.
const IN_VIEW: usize = 8;
/// What was not answered after so long is not answered any more, in nanoseconds of an ordinary pace.
const FORGOTTEN: i64 = 6 * 86_400 * 1_000_000_000;

/// By persona, the letters that they have in view. Empty until the first letter is sent, since most worlds send none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Post(Vec<Vec<Arc<Letter>>>);

impl Post {
    /// Brings a letter to those whom it is sent to, and takes what it answers out of its author's view.
    pub(crate) fn deliver(&mut self, letter: &Arc<Letter>) {
        if let Some(answered) = &letter.answers
            && let Some(own) = self.0.get_mut(letter.slot.persona.0 as usize)
        {
            own.retain(|one| !Arc::ptr_eq(one, answered));
        }
        for reader in &letter.readers {
            let place = reader.0 as usize;
            if self.0.len() <= place {
                self.0.resize_with(place + 1, Vec::new);
            }
            if let Some(view) = self.0.get_mut(place) {
                if view.len() == IN_VIEW {
                    view.remove(0);
                }
                view.push(Arc::clone(letter));
            }
        }
    }

    /// What the slot's persona answers now: of what it is ready to answer, that which came first.
    pub(crate) fn due(&self, slot: &Slot) -> Option<&Arc<Letter>> {
        let view = self.0.get(slot.persona.0 as usize)?;
        view.iter().find(|letter| {
            let age = instant(slot.at).saturating_sub(instant(letter.slot.at));
            age < FORGOTTEN && letter.answered_at(slot.persona).is_some_and(|ready| ready <= slot.at)
        })
    }
}
