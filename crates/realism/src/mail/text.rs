//! What mails say.

use jiff::civil::DateTime;

use super::client::{self, Client};
use super::{Letter, voice};
use crate::Language;
use crate::character::Tone;
use crate::decide::slot_seed;
use crate::habits::Tone as Style;
use crate::planner::Slot;
use crate::prose;
use crate::random::{Generator, Purpose};
use crate::voice::{Voice, capital};
use crate::world::World;

/// A mail with everything that it quotes is no longer, in bytes: what is older is cut off.
const BODY_BYTES_MAX: usize = 24 * 1024;
/// Sentences of a mail: the mean, and the most.
const SENTENCES: f64 = 2.6;
const SENTENCES_MAX: u32 = 16;
/// Lines that are quoted before somebody answers below them, at most.
const QUOTED_MAX: usize = 14;

/// What a thread is about.
pub(super) struct Topic {
    /// The subject of its first letter.
    pub(super) subject: String,
    /// How it is spoken of in a sentence.
    name: String,
}

/// The topic of the thread that begins at a slot; `None` when it is of another world.
pub(super) fn topic(world: &World, root: &Slot) -> Option<Topic> {
    let draw = Generator::new(slot_seed(world, root, Purpose::Mail).word(5));
    let mut voice = Voice::new(world, root, draw)?;
    let today = voice.now.date();
    if voice.draw.percent(50)
        && let Some(project) = voice.own_project()
    {
        let count = world.company().count_until(project, today);
        let number = count.saturating_sub(voice.draw.geometric(5.0) - 1).max(1);
        if let Some(ticket) = world.company().ticket(project, number) {
            return Some(Topic { subject: format!("{}: {}", ticket.key, ticket.title), name: ticket.key });
        }
    }
    // A name that goes into a sentence of any language as it is.
    let name = voice.own_project().map_or_else(|| capital(&voice.project()), |one| one.code_name.clone());
    let date = voice.date(today);
    let subject = match voice.draw.below(4) {
        0 => format!("{name}, {date}"),
        1 => format!("{}, {date}", capital(voice.meeting())),
        2 => format!("{name}: {}", voice.noun().word),
        _ => {
            let said = voice.say_one(&voice.lexicon.titles);
            if said.contains(&name) { capital(&said) } else { format!("{name}: {said}") }
        }
    };
    Some(Topic { subject, name })
}

/// The whole of a letter, with what it quotes; lines end in `\n`. `deep` counts the letters around this one.
pub(super) fn body(world: &World, letter: &Letter, deep: u8) -> Option<String> {
    let own = said(world, letter)?;
    let Some(answered) = letter.answers() else { return Some(own) };
    let client = Client::of(world, letter.slot.persona);
    if client.answers_above() {
        let below = if deep < 3 { body(world, answered, deep + 1)? } else { said(world, answered)? };
        let mut out = own;
        out.push('\n');
        original(world, answered, letter, &mut out)?;
        out.push_str(&below);
        cut(&mut out);
        return Some(out);
    }
    let before = said(world, answered)?;
    let mut out = attribution(world, answered, letter, client)?;
    // A signature is not quoted.
    let text = before.split("\n-- \n").next().unwrap_or_default().trim_end();
    for line in text.lines().take(QUOTED_MAX) {
        out.push_str(if line.is_empty() { ">" } else { "> " });
        out.push_str(line);
        out.push('\n');
    }
    out.push('\n');
    out.push_str(&own);
    Some(out)
}

fn cut(text: &mut String) {
    if text.len() > BODY_BYTES_MAX {
        let end = text[..text.floor_char_boundary(BODY_BYTES_MAX)].rfind('\n').map_or(0, |at| at + 1);
        text.truncate(end);
    }
}

/// What the author of a letter wrote, from the greeting to the signature.
fn said(world: &World, letter: &Letter) -> Option<String> {
    let draw = Generator::new(slot_seed(world, &letter.slot, Purpose::Mail).word(6));
    let topic = topic(world, &letter.root().slot)?;
    let mut voice = voice(world, letter, draw)?;
    voice.topic = topic.name;
    let ways = Ways::of(&voice);
    let mut out = String::with_capacity(600);
    greeting(&mut voice, letter, ways, &mut out);
    paragraphs(&mut voice, letter, ways, &mut out);
    if !ways.ends_plainly {
        let tone = ways.tone as usize;
        let goodbye = voice.draw.word(voice.lexicon.goodbyes.get(tone).map_or(&[][..], |words| words));
        out.push('\n');
        out.push_str(goodbye);
        out.push('\n');
    }
    let who = voice.persona;
    let first_name = who.full_name.split_whitespace().next().unwrap_or_default();
    let signature = who.character.signature.as_deref().unwrap_or(first_name);
    match Client::of(world, letter.slot.persona) {
        Client::Outlook => {
            out.extend([signature, "\n"]);
        }
        _ if signature == first_name => out.extend([first_name, "\n"]),
        _ => out.extend([first_name, "\n\n-- \n", signature, "\n"]),
    }
    Some(out)
}

/// How somebody writes mails: the tone, and what is known of the manners.
#[derive(Clone, Copy)]
struct Ways {
    tone: Tone,
    greets: bool,
    ends_plainly: bool,
    asks: bool,
    is_short: bool,
    numbers: bool,
    is_long: bool,
}

impl Ways {
    fn of(voice: &Voice<'_>) -> Self {
        let character = &voice.persona.character;
        let tone = character.tone.unwrap_or(match voice.habits.tone {
            Style::Terse => Tone::Terse,
            Style::Plain => Tone::Plain,
            Style::Wordy => Tone::Friendly,
        });
        let manners = character.mannerisms.iter().map(|one| one.to_lowercase());
        let manners: Vec<String> = manners.collect();
        let has = |words: &[&str]| manners.iter().any(|one| words.iter().any(|word| one.contains(word)));
        Self {
            tone,
            greets: !has(&["without a greeting", "ohne anrede", "sans formule", "sin saludo"]),
            ends_plainly: tone == Tone::Terse,
            asks: has(&["question", "fragt am ende", "pregunta"]),
            is_short: has(&["five lines", "fünf zeilen", "cinq lignes", "cinco líneas"]),
            numbers: has(&["numbers every", "nummeriert", "numérote", "numera"]),
            is_long: character.uses_llms_heavily,
        }
    }
}

fn greeting(voice: &mut Voice<'_>, letter: &Letter, ways: Ways, out: &mut String) {
    if !ways.greets || (letter.answers.is_some() && voice.draw.percent(25)) {
        return;
    }
    let reader = letter.readers.first().and_then(|reader| voice.world.persona(*reader));
    let (Some(reader), true) = (reader, letter.readers.len() <= 2) else {
        let all = &voice.lexicon.greetings_all;
        let words = all.get(ways.tone as usize).map_or(&[][..], |words| words);
        let greeting = voice.draw.word(words);
        out.extend([greeting, ",\n\n"]);
        return;
    };
    let words = voice.lexicon.greetings.get(ways.tone as usize).map_or(&[][..], |words| words);
    let first_name = reader.full_name.split_whitespace().next().unwrap_or_default();
    let greeting = voice.draw.word(words).replace("{reader}", first_name);
    out.push_str(&greeting.replace("{whole}", &reader.full_name));
    out.push_str(",\n\n");
}

fn paragraphs(voice: &mut Voice<'_>, letter: &Letter, ways: Ways, out: &mut String) {
    let patterns = match letter.answers {
        Some(_) => &voice.lexicon.mail_answers,
        None => &voice.lexicon.mail_opens,
    };
    // After a greeting and its comma German goes on with a small letter.
    let is_begun = out.ends_with(",\n\n") && voice.language == Language::German;
    let opening = voice.say_one(patterns);
    let terse = ways.tone == Tone::Terse;
    out.push_str(&if is_begun || terse { opening } else { begun(&opening) });
    let mut count = voice.draw.geometric(if ways.is_long { 2.0 * SENTENCES } else { SENTENCES }) - 1;
    count = count.min(if ways.is_short || terse { 3 } else { SENTENCES_MAX });
    if ways.numbers && count > 1 {
        out.push('\n');
        for number in 1..=count {
            out.push_str(&format!("\n{number}. "));
            prose::sentence(voice, out);
        }
        out.push('\n');
    } else {
        for _ in 0..count {
            let is_new = voice.draw.percent(22);
            out.push_str(if is_new { "\n\n" } else { " " });
            prose::sentence(voice, out);
        }
        out.push('\n');
    }
    if ways.asks || voice.draw.percent(18) {
        out.push('\n');
        let question = voice.say_one(&voice.lexicon.mail_asks);
        out.push_str(&if terse { question } else { begun(&question) });
        out.push('\n');
    }
}

/// With its first letter as a capital, behind the mark that Spanish begins questions with.
fn begun(sentence: &str) -> String {
    match sentence.strip_prefix('¿') {
        Some(question) => format!("¿{}", capital(question)),
        None => capital(sentence),
    }
}

/// The line above what is quoted.
fn attribution(world: &World, quoted: &Letter, by: &Letter, client: Client) -> Option<String> {
    let (who, reader) = (world.persona(quoted.slot.persona)?, world.persona(by.slot.persona)?);
    let at = reader.time_zone.local(quoted.slot.at);
    let (name, short, clock) = (&who.full_name, short_date(reader.language, at), at.strftime("%H:%M"));
    Some(match (client, reader.language) {
        (Client::Mutt, _) => {
            let theirs = who.time_zone.local(quoted.slot.at);
            format!("On {}, {name} wrote:\n", theirs.strftime("%a, %b %d, %Y at %I:%M:%S%p"))
        }
        (_, Language::English) => format!("On {short} {clock}, {name} wrote:\n"),
        (_, Language::German) => format!("Am {short} um {clock} schrieb {name}:\n"),
        (_, Language::French) => format!("Le {short} à {clock}, {name} a écrit :\n"),
        (_, Language::Spanish) => format!("El {short} a las {clock}, {name} escribió:\n"),
    })
}

fn short_date(language: Language, at: DateTime) -> String {
    let form = match language {
        Language::English | Language::French => "%d/%m/%Y",
        Language::German => "%d.%m.%y",
        Language::Spanish => "%-d/%-m/%y",
    };
    at.strftime(form).to_string()
}

/// What stands between an answer and the whole of what it answers.
fn original(world: &World, quoted: &Letter, by: &Letter, out: &mut String) -> Option<()> {
    let (who, reader) = (world.persona(quoted.slot.persona)?, world.persona(by.slot.persona)?);
    let at = reader.time_zone.local(quoted.slot.at);
    let readers: Vec<&str> =
        quoted.readers.iter().filter_map(|one| Some(world.persona(*one)?.full_name.as_str())).collect();
    let [head, from, sent, to, subject] = match reader.language {
        Language::English => ["-----Original Message-----", "From", "Sent", "To", "Subject"],
        Language::German => ["-----Ursprüngliche Nachricht-----", "Von", "Gesendet", "An", "Betreff"],
        Language::French => ["-----Message d'origine-----", "De", "Envoyé", "À", "Objet"],
        Language::Spanish => ["-----Mensaje original-----", "De", "Enviado el", "Para", "Asunto"],
    };
    let gap = if reader.language == Language::French { " :" } else { ":" };
    let address = client::address(world, who);
    out.push_str(&format!("{head}\n{from}{gap} {} <{address}>\n", who.full_name));
    out.push_str(&format!("{sent}{gap} {}\n", long_date(reader.language, at)));
    out.push_str(&format!("{to}{gap} {}\n", readers.join("; ")));
    out.push_str(&format!("{subject}{gap} {}\n\n", quoted.subject(world)));
    Some(())
}

/// `Montag, 23. November 2026 16:45`, as the program's language has it.
fn long_date(language: Language, at: DateTime) -> String {
    let lexicon = crate::lexicon::Lexicon::of(language);
    let place = usize::from(at.date().weekday().to_monday_zero_offset().unsigned_abs());
    let weekend = match language {
        Language::English => ["Saturday", "Sunday"],
        Language::German => ["Samstag", "Sonntag"],
        Language::French => ["samedi", "dimanche"],
        Language::Spanish => ["sábado", "domingo"],
    };
    let day = lexicon.days.iter().chain(&weekend).nth(place).copied().unwrap_or_default();
    let month = usize::from(at.month().unsigned_abs()).saturating_sub(1);
    let month = lexicon.months.get(month).copied().unwrap_or_default();
    let (number, year, clock) = (at.day(), at.year(), at.strftime("%H:%M"));
    match language {
        Language::English => format!("{day}, {number} {month} {year} {clock}"),
        Language::German => format!("{day}, {number}. {month} {year} {clock}"),
        Language::French => format!("{day} {number} {month} {year} {clock}"),
        Language::Spanish => format!("{day}, {number} de {month} de {year} {clock}"),
    }
}
