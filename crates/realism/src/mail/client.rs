//! The programs that people write mail with: which fields their messages have, in which order, and how ids look.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::{Letter, header};
use crate::decide::slot_seed;
use crate::persona::Role;
use crate::planner::Slot;
use crate::random::{Generator, Purpose};
use crate::world::{PersonaIndex, World};
use crate::{Language, Persona};

/// What a persona writes mail with, always the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    Thunderbird,
    Evolution,
    Mutt,
    Outlook,
}

/// Between the first of January 1601, where Windows begins to count, and 1970, in units of 100 ns.
const FILETIME_EPOCH: i128 = 116_444_736_000_000_000;
/// A letter names at most so many ancestors, as programs cut the field.
const REFERENCES_MAX: usize = 20;

impl Client {
    pub(super) fn of(world: &World, persona: PersonaIndex) -> Self {
        let mut draw = Generator::new(world.persona_seed(persona, Purpose::Mail).word(9));
        let uses = |tool: &str| {
            world.persona(persona).is_some_and(|who| who.character.tools.iter().any(|one| one == tool))
        };
        let role = world.seats().person(persona).map_or(Role::Other, |seat| seat.role);
        let weights = match role {
            Role::Developer | Role::Administrator | Role::Scientist => [45, 15, 30, 10],
            _ => [35, 10, 0, 55],
        };
        if uses("thunderbird") {
            return Self::Thunderbird;
        }
        match draw.weighted(&weights) {
            Some(1) => Self::Evolution,
            Some(2) => Self::Mutt,
            Some(3) => Self::Outlook,
            _ => Self::Thunderbird,
        }
    }

    /// Whether an answer stands above what it answers, the whole of it, instead of below what it quotes.
    pub(super) const fn answers_above(self) -> bool {
        matches!(self, Self::Outlook)
    }

    /// Whether lines end in a blank where they go on (RFC 3676).
    const fn is_flowed(self) -> bool {
        matches!(self, Self::Thunderbird)
    }

    /// What stands before the subject of an answer: programs of Microsoft say it in the author's language.
    pub(super) fn answer_mark(self, world: &World, letter: &Letter) -> &'static str {
        match (self, world.persona(letter.slot.persona).map(|who| who.language)) {
            (Self::Outlook, Some(Language::German)) => "AW:",
            (Self::Outlook, _) => "RE:",
            _ => "Re:",
        }
    }

    pub(super) fn message_id(self, world: &World, slot: &Slot) -> String {
        let mut draw = Generator::new(slot_seed(world, slot, Purpose::Mail).word(4));
        let domain = domain(world, slot.persona);
        match self {
            // A UUID of version 4.
            Self::Thunderbird => {
                let (high, low) = (draw.bits(), draw.bits());
                format!(
                    "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}@{domain}",
                    high >> 32,
                    high >> 16 & 0xffff,
                    high & 0xfff,
                    0x8000 | low >> 48 & 0x3fff,
                    low & 0xffff_ffff_ffff
                )
            }
            Self::Evolution => {
                format!("{:016x}{:016x}{:08x}.camel@{domain}", draw.bits(), draw.bits(), draw.bits() >> 32)
            }
            // Seconds since 1970 in 32 bits, and 64 bits of chance, in letters that are safe in an address.
            Self::Mutt => {
                const LETTERS: &[u8; 64] =
                    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
                let seconds = slot.at.as_second().cast_unsigned() & 0xffff_ffff;
                let whole = u128::from(seconds) << 64 | u128::from(draw.bits());
                let letter =
                    |place: u32| LETTERS[usize::try_from(whole >> (90 - 6 * place) & 63).unwrap_or(0)];
                let id: String = (0..16).map(|place| char::from(letter(place))).collect();
                let host = world.decoy(slot.decoy).map_or("localhost", |decoy| decoy.name.as_str());
                format!("{id}@{host}.{domain}")
            }
            // A counter and the time as Windows counts it, in two halves.
            Self::Outlook => {
                let time = (slot.at.as_nanosecond() / 100 + FILETIME_EPOCH).max(0).cast_unsigned();
                let (high, low) = (time >> 32 & 0xffff_ffff, time & 0xffff_ffff);
                let count = draw.between(1, 0x2ff);
                format!("{count:04x}{high:08x}${low:08x}${:08x}$@{domain}", draw.bits() >> 32)
            }
        }
    }

    /// The message: what the header says in this program's order, and the body.
    pub(super) fn message(self, world: &World, letter: &Letter, id: &str, body: &str) -> Option<Vec<u8>> {
        let from = world.persona(letter.slot.persona)?;
        let subject = letter.subject(world);
        let part = Part::of(self, body);
        let mut out = String::with_capacity(part.body.len() + 900);
        let quoted = self == Self::Outlook;
        let writer = [header::mailbox(&from.full_name, &address(world, from), quoted)];
        let readers: Vec<String> = letter
            .readers
            .iter()
            .filter_map(|reader| world.persona(*reader))
            .map(|who| header::mailbox(&who.full_name, &address(world, who), quoted))
            .collect();
        let date = from.time_zone.offset_seconds(letter.slot.at);
        for field in self.fields() {
            match field {
                Field::From => header::list("From", &writer, ",", &mut out),
                Field::To => header::list("To", &readers, ",", &mut out),
                Field::Subject => header::text("Subject", &subject, &mut out),
                Field::Date => header::list("Date", &[self::date(letter.slot.at, date)], "", &mut out),
                Field::Id => header::list("Message-ID", &[format!("<{id}>")], "", &mut out),
                Field::Answers => {
                    if let Some(answered) = letter.answers() {
                        let id = format!("<{}>", answered.message_id(world));
                        header::list("In-Reply-To", &[id], "", &mut out);
                    }
                }
                Field::References => {
                    let ids = ancestors(world, letter);
                    if !ids.is_empty() {
                        header::list("References", &ids, "", &mut out);
                    }
                }
                Field::Fixed(line) => out.extend([line, "\r\n"]),
                Field::Type => out.push_str(&part.kind),
                Field::Encoding => out.extend(["Content-Transfer-Encoding: ", part.encoding, "\r\n"]),
                Field::Language => {
                    let tag = crate::lexicon::Lexicon::of(from.language).tag;
                    let tag = if self == Self::Outlook { from.language.code() } else { tag };
                    out.extend(["Content-Language: ", tag, "\r\n"]);
                }
            }
        }
        out.push_str("\r\n");
        out.push_str(&part.body);
        Some(out.into_bytes())
    }

    const fn fields(self) -> &'static [Field] {
        use Field::{Answers, Date, Encoding, Fixed, From, Id, Language, References, Subject, To, Type};
        match self {
            Self::Thunderbird => &[
                Id,
                Date,
                Fixed("MIME-Version: 1.0"),
                Fixed("User-Agent: Mozilla Thunderbird"),
                Subject,
                To,
                References,
                Language,
                From,
                Answers,
                Type,
                Encoding,
            ],
            Self::Evolution => &[
                Id,
                Subject,
                From,
                To,
                Date,
                Answers,
                References,
                Type,
                Encoding,
                Fixed("User-Agent: Evolution 3.46.4-2"),
                Fixed("MIME-Version: 1.0"),
            ],
            Self::Mutt => &[
                Date,
                From,
                To,
                Subject,
                Id,
                References,
                Fixed("MIME-Version: 1.0"),
                Type,
                Fixed("Content-Disposition: inline"),
                Encoding,
                Answers,
            ],
            Self::Outlook => &[
                From,
                To,
                References,
                Answers,
                Subject,
                Date,
                Id,
                Fixed("MIME-Version: 1.0"),
                Type,
                Encoding,
                Fixed("X-Mailer: Microsoft Outlook 16.0"),
                Language,
            ],
        }
    }
}

/// A field of a header.
#[derive(Clone, Copy)]
enum Field {
    From,
    To,
    Subject,
    Date,
    Id,
    Answers,
    References,
    Type,
    Encoding,
    Language,
    Fixed(&'static str),
}

/// The body as it goes over the wire, and what the header says of it.
struct Part {
    kind: String,
    encoding: &'static str,
    body: String,
}

impl Part {
    /// `body` has lines of `\n`, each as long as it became.
    fn of(client: Client, body: &str) -> Self {
        let is_ascii = body.is_ascii();
        let wraps = client != Client::Outlook && client != Client::Evolution;
        let mut text = String::with_capacity(body.len() + body.len() / 16);
        for line in body.lines() {
            if wraps {
                wrapped(line, client.is_flowed(), &mut text);
            } else {
                text.push_str(line);
                text.push_str("\r\n");
            }
        }
        let charset = match client {
            Client::Thunderbird => "Content-Type: text/plain; charset=UTF-8; format=flowed\r\n",
            Client::Mutt if is_ascii => "Content-Type: text/plain; charset=us-ascii\r\n",
            Client::Mutt => "Content-Type: text/plain; charset=utf-8\r\n",
            Client::Evolution => "Content-Type: text/plain; charset=\"UTF-8\"\r\n",
            Client::Outlook => "Content-Type: text/plain;\r\n\tcharset=\"utf-8\"\r\n",
        };
        let (encoding, body) = match (wraps, is_ascii) {
            (true, true) => ("7bit", text),
            (true, false) => ("8bit", text),
            (false, _) => ("quoted-printable", header::quoted_printable(&text)),
        };
        Self { kind: charset.to_owned(), encoding, body }
    }
}

/// Where people's programs break a line.
const WRAP_AT: usize = 72;

/// Adds a line in pieces; a quoted one keeps its mark on each.
fn wrapped(line: &str, is_flowed: bool, out: &mut String) {
    let mark = if line.starts_with('>') { "> " } else { "" };
    // What a line must not begin with is moved by a blank (RFC 3676, section 4.4).
    let stuffed = is_flowed && mark.is_empty() && (line.starts_with(' ') || line.starts_with("From "));
    if stuffed {
        out.push(' ');
    }
    // The line before a signature ends with a blank of its own.
    if line == "-- " {
        out.push_str("-- \r\n");
        return;
    }
    let mut column = 0;
    for (place, word) in line.trim_end().split(' ').enumerate() {
        let width = word.chars().count();
        if place > 0 && column + 1 + width > WRAP_AT {
            out.push_str(if is_flowed { " \r\n" } else { "\r\n" });
            out.push_str(mark);
            column = mark.len();
        } else if place > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out.push_str("\r\n");
}

/// `Mon, 23 Nov 2026 16:45:12 +0100`, whatever language is spoken (RFC 5322, section 3.3).
fn date(at: Timestamp, offset_seconds: i32) -> String {
    let offset = Offset::from_seconds(offset_seconds).unwrap_or(Offset::UTC);
    at.to_zoned(TimeZone::fixed(offset)).strftime("%a, %-d %b %Y %H:%M:%S %z").to_string()
}

/// The ids of what a letter answers, the oldest first.
fn ancestors(world: &World, letter: &Letter) -> Vec<String> {
    let mut ids = Vec::new();
    let mut at = letter.answers();
    while let Some(before) = at.filter(|_| ids.len() < REFERENCES_MAX) {
        ids.push(format!("<{}>", before.message_id(world)));
        at = before.answers();
    }
    ids.reverse();
    ids
}

/// The address that is configured, else one like those of the company.
pub(super) fn address(world: &World, who: &Persona) -> String {
    let configured = who.character.email.as_ref().filter(|email| email.is_ascii() && email.contains('@'));
    configured.cloned().unwrap_or_else(|| format!("{}@{}", who.login, world.company().domain))
}

fn domain(world: &World, persona: PersonaIndex) -> String {
    let address = world.persona(persona).map(|who| address(world, who)).unwrap_or_default();
    address.rsplit('@').next().unwrap_or_default().to_owned()
}
