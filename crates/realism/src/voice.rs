//! The small grammar: patterns are filled with what exists in the world, in the persona's own way.

use jiff::civil::{Date, DateTime};

use crate::habits::{DateStyle, Habits};
use crate::lexicon::{Lexicon, Trade};
use crate::persona::Persona;
use crate::planner::Slot;
use crate::random::{Generator, Purpose, Seed};
use crate::world::{DecoyIndex, PersonaIndex, World};

/// One persona speaking at one slot.
pub(crate) struct Voice<'w> {
    pub(crate) world: &'w World,
    pub(crate) persona: &'w Persona,
    pub(crate) slot: &'w Slot,
    pub(crate) habits: Habits,
    pub(crate) lexicon: &'static Lexicon,
    pub(crate) trade: &'static Trade,
    pub(crate) draw: Generator,
    /// What the persona's clock shows.
    pub(crate) now: DateTime,
}

/// Patterns stand in patterns at most so deep.
const DEPTH_MAX: u32 = 3;

impl<'w> Voice<'w> {
    /// `None` when the slot is of another world.
    pub(crate) fn new(world: &'w World, slot: &'w Slot, draw: Generator) -> Option<Self> {
        let persona = world.persona(slot.persona)?;
        let lexicon = Lexicon::of(persona.language);
        Some(Self {
            world,
            persona,
            slot,
            habits: Habits::of(world, slot.persona),
            lexicon,
            trade: lexicon.trade(world.seats().person(slot.persona)?.role),
            draw,
            now: persona.time_zone.local(slot.at),
        })
    }

    /// Fills a pattern.
    pub(crate) fn say(&mut self, pattern: &str) -> String {
        let mut out = String::with_capacity(pattern.len() + 24);
        self.fill(pattern, &mut out, DEPTH_MAX);
        out
    }

    /// Fills one of `patterns`.
    pub(crate) fn say_one(&mut self, patterns: &'static [&'static str]) -> String {
        let pattern = self.draw.word(patterns);
        self.say(pattern)
    }

    fn fill(&mut self, pattern: &str, out: &mut String, depth: u32) {
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let Some((word, after)) = after.split_once('}') else { break };
            let filled = self.word(word);
            if filled.contains('{') && depth > 0 {
                self.fill(&filled, out, depth - 1);
            } else {
                out.push_str(&filled);
            }
            rest = after;
        }
        out.push_str(rest);
    }

    /// What stands for a word in braces; nothing for one that is unknown, which a test excludes.
    pub(crate) fn word(&mut self, word: &str) -> String {
        match word {
            "thing" => self.draw.word(self.trade.things).to_owned(),
            "verb" => self.draw.word(self.trade.verbs).to_owned(),
            "colleague" => self.colleague(),
            "project" => self.project(),
            "host" => self.host(),
            "vendor" => self.vendor(),
            "ticket" => self.ticket(),
            "day" => self.draw.word(self.lexicon.days).to_owned(),
            "month" => self.draw.word(self.lexicon.months).to_owned(),
            "week" => self.draw.between(1, 52).to_string(),
            "n" => self.draw.between(11, 480).to_string(),
            "small" => self.draw.between(2, 9).to_string(),
            "percent" => format!("{} %", self.draw.between(2, 96)),
            "amount" => self.amount(),
            "room" => format!("{}.{:02}", self.draw.between(0, 5), self.draw.between(1, 32)),
            "clock" => format!("{:02}:{:02}", self.draw.between(8, 17), self.draw.below(12) * 5),
            "date" => {
                let days = i64::from(self.draw.between(1, 40));
                let date = self.now.date().saturating_add(jiff::Span::new().days(days));
                self.date(date)
            }
            _ => String::new(),
        }
    }

    fn amount(&mut self) -> String {
        let (whole, cents) = (self.draw.lognormal(900.0, 1.3), self.draw.below(100));
        let whole = crate::random::whole(whole.min(9e6));
        match self.draw.below(3) {
            0 => format!("{whole}.{cents:02} EUR"),
            1 => format!("{whole} EUR"),
            _ => format!("EUR {whole}.{cents:02}"),
        }
    }

    /// Somebody from the world, else somebody outside.
    pub(crate) fn colleague(&mut self) -> String {
        let count = u32::try_from(self.world.personas().len()).unwrap_or(0);
        let other = PersonaIndex(self.draw.below(count));
        let other = self.world.persona(other).filter(|_| other != self.slot.persona && self.draw.percent(70));
        let first_name = other.and_then(|other| other.full_name.split_whitespace().next());
        first_name.unwrap_or_else(|| self.draw.word(self.lexicon.people)).to_owned()
    }

    /// One of the persona's own projects.
    pub(crate) fn project(&mut self) -> String {
        let which = u64::from(self.draw.below(3));
        let number = self.world.persona_seed(self.slot.persona, Purpose::Company).word(which).number();
        let projects = (self.world.personas().len() as u64 / 3).max(5);
        invented(self.world.seed(Purpose::Company).word(number % projects))
    }

    /// A decoy of the world, mostly the one at hand.
    pub(crate) fn host(&mut self) -> String {
        let count = u32::try_from(self.world.decoys().len()).unwrap_or(0);
        let other = if self.draw.percent(50) { self.slot.decoy } else { DecoyIndex(self.draw.below(count)) };
        self.world.decoy(other).map_or_else(String::new, |decoy| decoy.name.to_string())
    }

    fn vendor(&mut self) -> String {
        let number = u64::from(self.draw.below(40));
        let name = invented(self.world.seed(Purpose::Company).word(number).word(1));
        format!("{} {}", capital(&name), self.draw.word(self.lexicon.firms))
    }

    fn ticket(&mut self) -> String {
        let project = self.project().to_uppercase();
        let letters: String = project.chars().take(3).collect();
        format!("{letters}-{}", self.draw.between(100, 9800))
    }

    /// A date as the persona writes it.
    pub(crate) fn date(&self, date: Date) -> String {
        let (day, month) = (date.day(), date.month());
        match self.habits.date {
            DateStyle::Iso => date.to_string(),
            DateStyle::Dotted => format!("{day:02}.{month:02}."),
            DateStyle::Short => format!("{day} {:.3}", self.month_name(date)),
            DateStyle::Slashed => format!("{month}/{day}"),
        }
    }

    pub(crate) fn month_name(&self, date: Date) -> &'static str {
        let place = usize::from(date.month().unsigned_abs()).saturating_sub(1);
        self.lexicon.months.get(place).copied().unwrap_or("")
    }
}

/// A word that nobody has used before: syllables drawn by the seed.
pub(crate) fn invented(seed: Seed) -> String {
    const STARTS: [&str; 28] = [
        "b", "br", "c", "cal", "d", "dor", "f", "fen", "g", "gar", "h", "hal", "k", "kes", "l", "lor", "m",
        "mar", "n", "nor", "p", "r", "s", "sel", "t", "tar", "v", "wel",
    ];
    const VOWELS: [&str; 8] = ["a", "e", "i", "o", "u", "ia", "eo", "au"];
    const ENDS: [&str; 20] = [
        "n", "r", "x", "th", "ris", "don", "mar", "vex", "lin", "tor", "wick", "dale", "mont", "ra", "s",
        "ko", "field", "nis", "ver", "lo",
    ];
    let mut draw = Generator::new(seed);
    let middle = if draw.percent(35) { ["l", "n", "r", "st", "v"][draw.index(5)] } else { "" };
    let more = if middle.is_empty() { "" } else { draw.word(&VOWELS) };
    format!("{}{}{middle}{more}{}", draw.word(&STARTS), draw.word(&VOWELS), draw.word(&ENDS))
}

/// The same text with its first letter as a capital.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
