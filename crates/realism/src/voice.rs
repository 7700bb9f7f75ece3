//! The small grammar: patterns are filled with what exists in the world, in the persona's own way.

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime};

use crate::Language;
use crate::company::Project;
use crate::habits::Habits;
use crate::lexicon::{Gender, Lexicon, Noun, Pattern, Patterns, Piece, Trade, Word};
use crate::locale;
use crate::persona::{Persona, Role};
use crate::planner::Slot;
use crate::random::{Generator, Purpose, Seed};
use crate::world::{DecoyIndex, PersonaIndex, World};

/// So many projects are on somebody's mind.
const PROJECTS_MAX: usize = 4;

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
    /// What is spoken: mostly the persona's own language.
    pub(crate) language: Language,
    /// What a mail is about.
    pub(crate) topic: String,
    /// The project that was named last in the sentence.
    project_said: Option<&'w str>,
    /// What the last thing was, so that what is said of it agrees, and that the next one is another.
    last: Noun,
    /// What the persona's team has on its hands, once that was asked for.
    projects: Option<Vec<&'w Project>>,
    /// Which sentences and which lines were said of late, by their places.
    said: [u64; 2],
}

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
            language: persona.language,
            topic: String::new(),
            project_said: None,
            last: Noun { word: "", gender: Gender::Neuter },
            projects: None,
            said: [0; 2],
        })
    }

    /// From here on in that language.
    pub(crate) fn speak(&mut self, language: Language) {
        self.language = language;
        self.lexicon = Lexicon::of(language);
        self.trade = self.lexicon.trade(self.role());
    }

    /// What the persona does.
    pub(crate) fn role(&self) -> Role {
        self.world.seats().person(self.slot.persona).map_or(Role::Other, |seat| seat.role)
    }

    /// How long a text becomes, in bytes: lognormal, of this median and deviation of the logarithm, within bounds.
    pub(crate) fn size(&mut self, median: f64, sigma: f64, [least, most]: [f64; 2]) -> usize {
        let size = self.draw.lognormal(median, sigma).clamp(least, most);
        usize::try_from(crate::random::whole(size)).unwrap_or(usize::MAX)
    }

    /// Fills one of `patterns`.
    pub(crate) fn say_one(&mut self, patterns: &Patterns) -> String {
        let mut out = String::with_capacity(96);
        self.put_one(patterns, &mut out);
        out
    }

    /// Adds one of `patterns`, filled.
    pub(crate) fn put_one(&mut self, patterns: &Patterns, out: &mut String) {
        if let Some(pattern) = self.draw.pick(patterns) {
            self.put(pattern, out);
        }
    }

    /// Adds a sentence that was not said a moment ago.
    pub(crate) fn put_sentence(&mut self, out: &mut String) {
        self.put_fresh(&self.lexicon.plain, 0, out);
    }

    /// Adds a line that was not said a moment ago.
    pub(crate) fn put_line(&mut self, out: &mut String) {
        self.put_fresh(&self.lexicon.notes, 1, out);
    }

    /// Adds one of `patterns` that is not among those said of late.
    fn put_fresh(&mut self, patterns: &Patterns, kind: usize, out: &mut String) {
        let count = patterns.len().min(64);
        if self.said[kind].count_ones() as usize * 3 >= count * 2 {
            self.said[kind] = 0;
        }
        let mut place = self.draw.index(count);
        while self.said[kind] >> place & 1 == 1 {
            place = (place + 1) % count;
        }
        self.said[kind] |= 1 << place;
        if let Some(pattern) = patterns.get(place) {
            self.put(pattern, out);
        }
    }

    /// Adds a pattern, filled.
    pub(crate) fn put(&mut self, pattern: &Pattern, out: &mut String) {
        let from = out.len();
        self.project_said = None;
        for piece in &pattern.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Fill(word) => self.word(*word, out),
            }
        }
        if self.language == Language::French {
            locale::elide(out, from);
        }
    }

    /// Adds what stands for a word in braces.
    pub(crate) fn word(&mut self, word: Word, out: &mut String) {
        match word {
            Word::Thing => out.push_str(self.noun().word),
            Word::The | Word::Accusative | Word::Dative | Word::Of | Word::To => {
                let noun = self.noun();
                locale::with_article(self.language, word, noun, out);
            }
            Word::Verb => out.push_str(self.draw.pick(&self.trade.verbs).map_or("", |verb| verb.base)),
            Word::Done => {
                if let Some(verb) = self.draw.pick(&self.trade.verbs) {
                    locale::participle(self.language, *verb, self.last.gender, out);
                }
            }
            Word::Colleague => out.push_str(self.colleague()),
            Word::Me => out.push_str(&self.persona.full_name),
            Word::Project => match self.another_project() {
                Some(project) => out.push_str(&project.code_name),
                None => out.push_str(&capital(&self.project())),
            },
            Word::Code => out.push_str(&self.project()),
            Word::Ident => {
                let noun = self.noun().word;
                identifier(noun, out);
            }
            Word::Host => out.push_str(self.host()),
            Word::Vendor => self.vendor(out),
            Word::Ticket => self.ticket(out),
            Word::Topic => out.push_str(&self.topic),
            Word::Meeting => out.push_str(self.meeting()),
            Word::Day => out.push_str(self.draw.word(&self.lexicon.days)),
            Word::Month => out.push_str(self.draw.word(&self.lexicon.months)),
            Word::Room | Word::Week | Word::Number | Word::Small => self.number(word, out),
            Word::Date => {
                let days = i64::from(self.draw.between(1, 40));
                let date = self.now.date().saturating_add(jiff::Span::new().days(days));
                out.push_str(&self.date(date));
            }
            Word::Clock => {
                let (hour, minute) = (self.draw.between(8, 17), self.draw.below(12) * 5);
                locale::clock(self.language, hour, minute, out);
            }
            Word::Percent => locale::percent(self.language, self.draw.between(2, 96), out),
            Word::Amount => {
                let whole = crate::random::whole(self.draw.lognormal(900.0, 1.3).min(9e6));
                let cents = self.draw.percent(60).then(|| self.draw.below(100));
                locale::amount(self.language, whole, cents, out);
            }
            Word::Big => {
                let big = crate::random::whole(self.draw.lognormal(20_000.0, 1.8).min(9e8));
                locale::grouped(self.language, big, out);
            }
        }
    }

    fn number(&mut self, word: Word, out: &mut String) {
        let _ = match word {
            Word::Room => write!(out, "{}.{:02}", self.draw.between(0, 5), self.draw.between(1, 32)),
            Word::Week => write!(out, "{}", self.draw.between(1, 52)),
            Word::Small => write!(out, "{}", self.draw.between(2, 9)),
            _ => write!(out, "{}", self.draw.between(11, 480)),
        };
    }

    /// A thing of the persona's trade; what is said next agrees with it.
    pub(crate) fn noun(&mut self) -> Noun {
        let place = self.draw.index(self.trade.nouns.len());
        let nouns = &self.trade.nouns;
        let drawn = nouns.get(place).filter(|noun| noun.word != self.last.word).or(nouns.get(place + 1));
        if let Some(noun) = drawn.or(nouns.first()) {
            self.last = *noun;
        }
        self.last
    }

    /// Somebody who works on the same decoy, else somebody from the world, else somebody outside, by first name.
    pub(crate) fn colleague(&mut self) -> &'w str {
        let near = self.world.seats().of_decoy(self.slot.decoy);
        let count = u32::try_from(self.world.personas().len()).unwrap_or(0);
        let other = match self.draw.below(10) {
            0..4 => self.draw.pick(near).map(|(persona, _)| *persona),
            4..8 => Some(PersonaIndex(self.draw.below(count))),
            _ => None,
        };
        let other =
            other.filter(|other| *other != self.slot.persona).and_then(|other| self.world.persona(other));
        // Nobody speaks of themselves as of somebody else.
        let own = self.persona.full_name.split_whitespace().next();
        let first_name = other.and_then(|other| other.full_name.split_whitespace().next());
        first_name.filter(|name| Some(*name) != own).unwrap_or_else(|| {
            let people = &self.lexicon.people;
            let from = self.draw.index(people.len());
            let mut others = people.iter().cycle().skip(from).take(people.len());
            others.find(|name| Some(**name) != own).copied().unwrap_or_default()
        })
    }

    /// One of the projects that the persona's team has on its hands today.
    pub(crate) fn own_project(&mut self) -> Option<&'w Project> {
        if self.projects.is_none() {
            let (world, today) = (self.world, self.now.date());
            let team = world.team(self.slot.persona);
            let found =
                team.map(|team| world.company().projects_at(team, today).take(PROJECTS_MAX).collect());
            self.projects = Some(found.unwrap_or_default());
        }
        let projects = self.projects.as_ref()?;
        projects.get(self.draw.index(projects.len())).copied()
    }

    /// One of them that was not named in the same sentence; where there is one only, one of another team.
    fn another_project(&mut self) -> Option<&'w Project> {
        let said = self.project_said;
        let drawn = self.own_project()?;
        let is_other = |one: &Project| Some(one.code_name.as_str()) != said;
        let world = self.world;
        let found = match is_other(drawn) {
            true => drawn,
            false => {
                let own = self.projects.iter().flatten().copied().find(|one| is_other(one));
                let all = &world.company().projects;
                let from = self.draw.index(all.len());
                own.or_else(|| all.iter().cycle().skip(from).take(all.len()).find(|one| is_other(one)))?
            }
        };
        self.project_said = Some(&found.code_name);
        Some(found)
    }

    /// One of the persona's own projects, as names of files and programs have it.
    pub(crate) fn project(&mut self) -> String {
        if let Some(project) = self.own_project() {
            let mut name = String::with_capacity(project.code_name.len());
            identifier(&project.code_name, &mut name);
            return name;
        }
        let which = u64::from(self.draw.below(3));
        let number = self.world.persona_seed(self.slot.persona, Purpose::Company).word(which).number();
        let projects = (self.world.personas().len() as u64 / 3).max(5);
        invented(self.world.seed(Purpose::Company).word(number % projects))
    }

    /// A decoy of the world, mostly the one at hand, or a host that the company has beside them.
    pub(crate) fn host(&mut self) -> &'w str {
        let count = u32::try_from(self.world.decoys().len()).unwrap_or(0);
        let other = match self.draw.below(20) {
            0..10 => self.slot.decoy,
            10..15 => DecoyIndex(self.draw.below(count)),
            _ => {
                if let Some(machine) = self.draw.pick(&self.world.company().hosts) {
                    return &machine.name;
                }
                self.slot.decoy
            }
        };
        self.world.decoy(other).map_or("", |decoy| decoy.name.as_str())
    }

    /// A meeting of the persona's team by its name, or what people call any meeting.
    pub(crate) fn meeting(&mut self) -> &'w str {
        let company = self.world.company();
        if company.language == self.language
            && self.draw.percent(60)
            && let Some(team) = self.world.team(self.slot.persona)
        {
            let mut own = company.meetings.iter().filter(|meeting| meeting.team == team);
            if let Some(meeting) = own.nth(self.draw.index(3)) {
                return &meeting.title;
            }
        }
        self.draw.word(&self.lexicon.meetings)
    }

    fn vendor(&mut self, out: &mut String) {
        if let Some(vendor) = self.draw.pick(&self.world.company().vendors) {
            out.push_str(&vendor.name);
            return;
        }
        let number = u64::from(self.draw.below(40));
        let name = invented(self.world.seed(Purpose::Company).word(number).word(1));
        let firms = &self.lexicon.firms;
        let firm = firms.get(usize::try_from(number).unwrap_or(0) % firms.len().max(1));
        let _ = write!(out, "{} {}", capital(&name), firm.unwrap_or(&""));
    }

    /// A ticket that one of the persona's projects has, mostly one of the last weeks.
    fn ticket(&mut self, out: &mut String) {
        if let Some(project) = self.own_project() {
            let count = self.world.company().count_until(project, self.now.date());
            let back = self.draw.geometric(7.0) - 1;
            let _ = write!(out, "{}-{}", project.key, count.saturating_sub(back).max(1));
            return;
        }
        let project = self.project();
        out.extend(project.chars().take(3).flat_map(char::to_uppercase));
        let _ = write!(out, "-{}", self.draw.between(100, 9800));
    }

    /// A date as the persona writes it.
    pub(crate) fn date(&self, date: Date) -> String {
        locale::date(self.language, self.habits.date, date, self.month_name(date))
    }

    pub(crate) fn month_name(&self, date: Date) -> &'static str {
        let place = usize::from(date.month().unsigned_abs()).saturating_sub(1);
        self.lexicon.months.get(place).copied().unwrap_or("")
    }
}

/// A word as programs write it: small letters of ASCII, with `_` for the rest.
pub(crate) fn identifier(word: &str, out: &mut String) {
    let plain = |letter: char| match letter {
        'ä' | 'à' | 'á' | 'â' => 'a',
        'ö' | 'ó' | 'ô' => 'o',
        'ü' | 'ú' | 'ù' | 'û' => 'u',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'î' | 'ï' => 'i',
        'ñ' => 'n',
        'ç' => 'c',
        'ß' => 's',
        _ if letter.is_ascii_alphanumeric() => letter.to_ascii_lowercase(),
        _ => '_',
    };
    out.extend(word.chars().flat_map(char::to_lowercase).map(plain));
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

/// The same text with its first letter as a capital; a name with a digit in it, as hosts have, stays as it is.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    if text.split(' ').next().is_some_and(|word| word.contains(|letter: char| letter.is_ascii_digit())) {
        return text.to_owned();
    }
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
