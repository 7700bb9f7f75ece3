//! Mail between personas: who writes to whom about what, when it is answered, and the message as its program sends it.
//!
//! Everything about a letter follows from the moment at which it is written and from the letter that it answers: its id, its
//! subject and its text are made again whenever they are asked for, so that a reply can name and quote what it answers, and
//! nothing of a mail is kept but where it stands in its thread.

mod client;
mod header;
mod post;
mod text;

use std::sync::Arc;

use jiff::Timestamp;
use verisim_core::{Body, Email};

use self::client::Client;
pub(crate) use self::post::Post;
use crate::PersonaIndex;
use crate::decide::slot_seed;
use crate::planner::Slot;
use crate::random::{Generator, Purpose, whole};
use crate::voice::Voice;
use crate::world::World;

/// No thread goes deeper: people pick up the phone.
const DEPTH_MAX: u8 = 8;
/// How many read a mail at most.
const READERS_MAX: usize = 5;
/// The chance that whom a mail is sent to answers it, in percent, and what is left of it with every step of the thread.
const ANSWERS_PERCENT: f64 = 68.0;
const GOES_ON: f64 = 0.78;
/// The same for those who merely read along.
const READERS_PERCENT: f64 = 9.0;
/// How long somebody takes to answer whose latency is not given: the median of the medians, in minutes; and the standard
/// deviation of the logarithm, among people and for one of them. Replies to mail in a company take 47 minutes in the median, with
/// a tail of days (Kooti et al., "Evolution of Conversations in the Age of Email Overload", 2015).
const LATENCY_MINUTES: f64 = 47.0;
const LATENCY_SIGMA: f64 = 0.8;
const REPLY_SIGMA: f64 = 1.1;

/// A mail that a persona writes to colleagues.
#[derive(Debug, PartialEq, Eq)]
pub struct Letter {
    slot: Slot,
    readers: Vec<PersonaIndex>,
    /// By reader, when they are ready to answer; `None` where they never will.
    ready: Vec<Option<Timestamp>>,
    answers: Option<Arc<Self>>,
    depth: u8,
}

impl Letter {
    /// When, by whom and where it is written.
    #[must_use]
    pub const fn slot(&self) -> &Slot {
        &self.slot
    }

    /// Whom it is sent to; the first is whom it asks. At least one, at most five.
    #[must_use]
    pub fn readers(&self) -> &[PersonaIndex] {
        &self.readers
    }

    /// What it answers.
    #[must_use]
    pub fn answers(&self) -> Option<&Self> {
        self.answers.as_deref()
    }

    /// What the thread began with.
    fn root(&self) -> &Self {
        let mut at = self;
        while let Some(before) = &at.answers {
            at = before;
        }
        at
    }

    /// A new thread of the slot's persona; `None` where nobody else is in the world.
    pub(crate) fn begin(world: &World, slot: &Slot) -> Option<Arc<Self>> {
        let mut draw = Generator::new(slot_seed(world, slot, Purpose::Mail).word(1));
        let mut readers: Vec<PersonaIndex> = Vec::new();
        let more = if draw.percent(70) { 1 } else { draw.geometric(2.5) as usize };
        for _ in 0..more.min(READERS_MAX) * 3 {
            if readers.len() == more.min(READERS_MAX) {
                break;
            }
            let reader = correspondent(world, slot, &mut draw)?;
            if reader != slot.persona && !readers.contains(&reader) {
                readers.push(reader);
            }
        }
        (!readers.is_empty()).then(|| Self::sent(world, slot, readers, None))
    }

    /// An answer of the slot's persona to a letter that it got: to its author, and mostly to all who got it.
    pub(crate) fn answer(world: &World, slot: &Slot, to: &Arc<Self>) -> Arc<Self> {
        let mut draw = Generator::new(slot_seed(world, slot, Purpose::Mail).word(2));
        let mut readers = vec![to.slot.persona];
        if draw.percent(80) {
            readers.extend(to.readers.iter().filter(|reader| **reader != slot.persona));
        }
        Self::sent(world, slot, readers, Some(Arc::clone(to)))
    }

    fn sent(world: &World, slot: &Slot, readers: Vec<PersonaIndex>, answers: Option<Arc<Self>>) -> Arc<Self> {
        let depth = answers.as_ref().map_or(0, |answered| answered.depth + 1);
        let mut letter = Self { slot: *slot, readers, ready: Vec::new(), answers, depth };
        letter.ready = letter.readers.iter().map(|reader| letter.drawn_for(world, *reader)).collect();
        Arc::new(letter)
    }

    /// When somebody who got it is ready to answer it; `None` where they never will.
    pub(crate) fn answered_at(&self, reader: PersonaIndex) -> Option<Timestamp> {
        let place = self.readers.iter().position(|one| *one == reader)?;
        self.ready.get(place).copied().flatten()
    }

    fn drawn_for(&self, world: &World, reader: PersonaIndex) -> Option<Timestamp> {
        if self.depth >= DEPTH_MAX {
            return None;
        }
        let seed = slot_seed(world, &self.slot, Purpose::Mail).word(3).word(u64::from(reader.0));
        let mut draw = Generator::new(seed);
        let asked = self.readers.first() == Some(&reader);
        let chance = if asked { ANSWERS_PERCENT } else { READERS_PERCENT };
        if draw.unit() * 100.0 >= chance * libm::pow(GOES_ON, f64::from(self.depth)) {
            return None;
        }
        let median = match world.persona(reader)?.character.reply_latency {
            Some(latency) => latency.as_secs_f64() / 60.0,
            None => {
                let mut own = Generator::new(world.persona_seed(reader, Purpose::Mail));
                own.lognormal(LATENCY_MINUTES, LATENCY_SIGMA)
            }
        };
        let pace = world.pace(reader, self.slot.session.unit).max(1.0);
        let seconds = draw.lognormal(median.max(1.0), REPLY_SIGMA).min(20_160.0) * 60.0 / pace;
        let after = jiff::SignedDuration::from_secs(i64::try_from(whole(seconds)).unwrap_or(0));
        self.slot.at.saturating_add(after).ok()
    }

    /// Its Message-ID, without the angle brackets, as its author's program makes them.
    #[must_use]
    pub fn message_id(&self, world: &World) -> String {
        Client::of(world, self.slot.persona).message_id(world, &self.slot)
    }

    /// Its subject: the thread's, with what the author's program puts before that of an answer.
    #[must_use]
    pub fn subject(&self, world: &World) -> String {
        let topic = text::topic(world, &self.root().slot).map(|topic| topic.subject).unwrap_or_default();
        // Whatever stood before it is replaced, as programs do.
        match self.answers {
            Some(_) => format!("{} {topic}", Client::of(world, self.slot.persona).answer_mark(world, self)),
            None => topic,
        }
    }

    /// The message. `None` when it is of another world.
    pub(crate) fn compose(&self, world: &World) -> Option<Email> {
        let client = Client::of(world, self.slot.persona);
        let body = text::body(world, self, 0)?;
        let message_id = self.message_id(world);
        let message = client.message(world, self, &message_id, &body)?;
        Some(Email { message_id, message: Body::from(message) })
    }
}

/// Somebody the persona has to do with: mostly of the team, else of those on the same decoy, else anybody.
fn correspondent(world: &World, slot: &Slot, draw: &mut Generator) -> Option<PersonaIndex> {
    let anybody = u32::try_from(world.personas().len()).ok().filter(|count| *count > 1)?;
    let lot = draw.below(100);
    let mate = || world.teammates(slot.persona);
    let found = match lot {
        0..62 => draw.pick(mate()).copied(),
        62..85 => draw.pick(world.seats().of_decoy(slot.decoy)).map(|(persona, _)| *persona),
        _ => None,
    };
    let found = found.filter(|found| *found != slot.persona);
    Some(found.unwrap_or_else(|| PersonaIndex(draw.below(anybody))))
}

/// Speaks for the author of a letter, in the language of its thread.
fn voice<'w>(world: &'w World, letter: &'w Letter, draw: Generator) -> Option<Voice<'w>> {
    let mut voice = Voice::new(world, &letter.slot, draw)?;
    voice.speak(world.persona(letter.root().slot.persona)?.language);
    Some(voice)
}
