//! Rows of numbers and words: scratch, and tables that programs exchange. Most of a fleet's bytes are here, so rows are
//! written without detours.

use verisim_core::{DecoyPath, TextEdit};

use crate::compose::lines_of;
use crate::voice::{Voice, identifier};

/// Sizes of scratch: least and most, in bytes. What is larger than its deviation allows is a dump of something.
const SCRATCH_BYTES: [f64; 2] = [14.0, 512e3];
/// Sizes of tables for exchange.
const EXCHANGE_BYTES: [f64; 2] = [160.0, 512e3];

/// Intermediate output, in the form that the name promises.
pub(crate) fn scratch(voice: &mut Voice<'_>, path: &DecoyPath) -> String {
    let length = voice.size(1500.0, 2.6, SCRATCH_BYTES);
    let mut out = String::with_capacity(length + 120);
    let name = path.file_name().unwrap_or_default();
    if name.ends_with(b".json") {
        records(voice, length, &mut out);
    } else if name.ends_with(b".csv") {
        rows(voice, ',', length, &mut out);
    } else if length < 40 {
        // A token, a mark, a number: what a program keeps for a moment.
        hexadecimal(voice.draw.bits(), &mut out);
        while out.len() + 1 < length {
            push_number(voice.draw.bits() % 10, &mut out);
        }
        out.push('\n');
    } else {
        match voice.draw.below(4) {
            0 => paths(voice, length, &mut out),
            1 => rows(voice, '\t', length, &mut out),
            2 => sums(voice, length, &mut out),
            _ => counts(voice, length, &mut out),
        }
    }
    out
}

/// A table for exchange between programs: a head and rows, parted as the persona's programs do.
pub(crate) fn exchange(voice: &mut Voice<'_>) -> String {
    let length = voice.size(5000.0, 2.1, EXCHANGE_BYTES);
    let mut out = String::with_capacity(length + 120);
    let mark = if voice.lexicon.decimal == ',' { ';' } else { ',' };
    rows(voice, mark, length, &mut out);
    out
}

/// Rows for a table that is there, like its last one: numbers are drawn again, words stay.
pub(crate) fn more_rows(voice: &mut Voice<'_>, current: Option<&[u8]>) -> Vec<TextEdit> {
    let lines = current.map(lines_of).unwrap_or_default();
    let last = lines.last().map(|line| String::from_utf8_lossy(line).into_owned());
    let last = last.filter(|line| line.len() < 400 && line.bytes().any(|byte| byte.is_ascii_digit()));
    let pattern = last.unwrap_or_else(|| format!("{};0;0", voice.noun().word));
    let mut text = String::new();
    for _ in 0..voice.draw.geometric(4.0).min(60) {
        let mut changing = false;
        for letter in pattern.chars() {
            // A year stays, what follows it moves.
            changing = changing || !letter.is_ascii_digit();
            let fresh = changing && ('2'..='9').contains(&letter);
            text.push(if fresh { char::from(b"123456789"[voice.draw.index(9)]) } else { letter });
        }
        text.push('\n');
    }
    vec![TextEdit::Append { text: text.into() }]
}

/// How a column is filled.
#[derive(Debug, Clone, Copy)]
enum Column {
    Day,
    Word,
    Count,
    Amount,
    Reference,
    State,
}

impl Column {
    /// Which heads fit, by their places in the lexicon, which are the same in every language.
    const fn heads(self) -> &'static [usize] {
        match self {
            Self::Day => &[0, 11, 14, 15],
            Self::Word => &[1, 2, 6, 9, 10, 13, 16],
            Self::Count => &[3, 12, 19],
            Self::Amount => &[5, 4],
            Self::Reference => &[8, 18],
            Self::State => &[7],
        }
    }
}

/// The head of a column, by its place in the lexicon.
pub(crate) fn head(voice: &Voice<'_>, place: usize) -> &'static str {
    voice.lexicon.columns.get(place).copied().unwrap_or("")
}

fn rows(voice: &mut Voice<'_>, mark: char, length: usize, out: &mut String) {
    use Column::{Amount, Count, Day, Reference, State, Word};
    let count = voice.draw.between(3, 8) as usize;
    let columns: Vec<Column> = (0..count)
        .map(|place| match (place, voice.draw.below(6)) {
            (0, 0..3) => Day,
            (0, _) => Reference,
            (1, _) => Word,
            (_, 0 | 1) => Amount,
            (_, 2 | 3) => Count,
            (_, 4) => State,
            _ => Word,
        })
        .collect();
    let mut heads: Vec<&str> = Vec::with_capacity(count);
    for column in &columns {
        // Of several columns of a kind each has another head, as far as there are any.
        let left: Vec<usize> =
            column.heads().iter().copied().filter(|at| !heads.contains(&head(voice, *at))).collect();
        let place = voice.draw.pick(&left).or(column.heads().first()).copied().unwrap_or(0);
        heads.push(head(voice, place));
    }
    out.push_str(&heads.join(mark.encode_utf8(&mut [0; 4])));
    out.push('\n');
    let prefix = voice.draw.word(&["", "R", "A-", "B", "INV", "C0", "20"]);
    let (mut day, mut reference) = (i64::from(voice.draw.below(300)), u64::from(voice.draw.below(900_000)));
    let nouns = &voice.trade.nouns;
    while out.len() < length {
        for (place, column) in columns.iter().enumerate() {
            if place > 0 {
                out.push(mark);
            }
            let bits = voice.draw.bits();
            match column {
                Day => {
                    day = (day - i64::from(bits.is_multiple_of(3))).max(0);
                    let date = voice.now.date().saturating_sub(jiff::Span::new().days(day));
                    push_date(date, out);
                }
                Word => {
                    out.push_str(nouns.get(at(bits, nouns.len())).map_or("", |noun| noun.word));
                }
                Count => push_number(bits % (1 << (1 + (bits >> 32) % 12)), out),
                Amount => {
                    push_number(bits % (10 << (1 + (bits >> 32) % 14)), out);
                    out.push(voice.lexicon.decimal);
                    push_number(bits >> 50 & 7, out);
                    push_number(bits >> 55 & 7, out);
                }
                Reference => {
                    reference += 1 + bits % 4;
                    out.push_str(prefix);
                    push_number(reference, out);
                }
                State => {
                    let states = &voice.lexicon.states;
                    out.push_str(states.get(at(bits, states.len())).unwrap_or(&""));
                }
            }
        }
        out.push('\n');
    }
}

/// A place in a list of this length.
fn at(bits: u64, length: usize) -> usize {
    usize::try_from(bits % (length as u64).max(1)).unwrap_or(0)
}

/// Objects, one a line.
fn records(voice: &mut Voice<'_>, length: usize, out: &mut String) {
    let mut keys = [String::new(), String::new()];
    for key in &mut keys {
        let noun = voice.noun().word;
        identifier(noun, key);
    }
    loop {
        let bits = voice.draw.bits();
        out.push_str("{\"id\": \"");
        hexadecimal(bits, out);
        for (place, key) in keys.iter().enumerate() {
            out.push_str(if place == 0 { "\", \"" } else { ", \"" });
            out.push_str(key);
            out.push_str("\": ");
            push_number(voice.draw.bits() % 100_000, out);
        }
        out.push_str("}\n");
        if out.len() >= length {
            return;
        }
    }
}

/// What `find` or `ls` lists.
fn paths(voice: &mut Voice<'_>, length: usize, out: &mut String) {
    let root = format!("{}/{}", voice.persona.home, voice.project());
    while out.len() < length {
        out.push_str(&root);
        out.push('/');
        for _ in 0..1 + voice.draw.below(2) {
            let noun = voice.noun().word;
            identifier(noun, out);
            out.push('/');
        }
        let noun = voice.noun().word;
        identifier(noun, out);
        push_number(voice.draw.bits() % 10_000, out);
        out.push_str(voice.draw.word(&[".csv", ".txt", ".log", ".dat", ".pdf", "", ".bak", ".xml"]));
        out.push('\n');
    }
}

/// What a program that hashes files prints.
fn sums(voice: &mut Voice<'_>, length: usize, out: &mut String) {
    while out.len() < length {
        for _ in 0..4 {
            hexadecimal(voice.draw.bits(), out);
        }
        out.push_str("  ");
        let noun = voice.noun().word;
        identifier(noun, out);
        push_number(voice.draw.bits() % 1000, out);
        out.push('\n');
    }
}

/// What `sort | uniq -c` prints.
fn counts(voice: &mut Voice<'_>, length: usize, out: &mut String) {
    let mut count = u64::from(voice.draw.between(200, 90_000));
    while out.len() < length {
        count -= count * (voice.draw.bits() % 200) / 1000;
        let digits = count.to_string();
        out.extend(std::iter::repeat_n(' ', 7_usize.saturating_sub(digits.len())));
        out.push_str(&digits);
        out.push(' ');
        let noun = voice.noun().word;
        identifier(noun, out);
        out.push('/');
        push_number(voice.draw.bits() % 100_000, out);
        out.push('\n');
    }
}

/// Adds a number, without the machinery of formats.
pub(crate) fn push_number(mut number: u64, out: &mut String) {
    let mut digits = [0_u8; 20];
    let mut from = digits.len();
    loop {
        from -= 1;
        digits[from] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend(digits[from..].iter().map(|digit| char::from(*digit)));
}

/// Adds sixteen digits.
pub(crate) fn hexadecimal(number: u64, out: &mut String) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    out.extend((0..16).map(|place| DIGITS[at(number >> (60 - 4 * place), 16)]));
}

fn push_date(date: jiff::civil::Date, out: &mut String) {
    push_number(u64::from(date.year().unsigned_abs()), out);
    for part in [date.month(), date.day()] {
        out.push('-');
        if part < 10 {
            out.push('0');
        }
        push_number(u64::from(part.unsigned_abs()), out);
    }
}
