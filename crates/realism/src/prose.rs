//! Notes and drafts: text as a person leaves it.

use verisim_core::{DecoyPath, TextEdit};

use crate::compose::{lines_of, replace};
use crate::habits::Tone;
use crate::markup::Markup;
use crate::voice::{Voice, capital};

/// A draft that is longer than this gets shorter before it grows again.
const DRAFT_BYTES_MAX: usize = 48 * 1024;
/// Sizes of new notes and drafts: least and most, in bytes.
const NOTE_BYTES: [f64; 2] = [70.0, 60e3];
const DRAFT_BYTES: [f64; 2] = [240.0, 60e3];

/// A new note.
pub(crate) fn note(voice: &mut Voice<'_>, path: &DecoyPath) -> String {
    let length = voice.size(700.0, 1.5, NOTE_BYTES);
    let markup = Markup::of(path, voice.habits.heading);
    let mut out = String::with_capacity(length + 200);
    if voice.draw.percent(55) {
        let title = voice.say_one(&voice.lexicon.titles);
        markup.heading(&title, 1, &mut out);
    }
    let lines_in_a_group = f64::from(voice.draw.between(3, 12));
    loop {
        jotted(voice, &mut out);
        if out.len() >= length {
            return out;
        }
        if f64::from(voice.draw.below(1000)) < 1000.0 / lines_in_a_group {
            group(voice, markup, &mut out);
        }
    }
}

/// What sets a part of a note off: an empty line, a date, a heading.
fn group(voice: &mut Voice<'_>, markup: Markup, out: &mut String) {
    out.push('\n');
    match voice.draw.below(5) {
        0 => {
            let today = voice.date(voice.now.date());
            out.push_str(&today);
            out.push('\n');
        }
        1 => {
            let title = voice.say_one(&voice.lexicon.titles);
            markup.heading(&title, 2, out);
        }
        _ => {}
    }
}

/// What a note gets later: a line or a few at the end, or a line made better.
pub(crate) fn note_edits(voice: &mut Voice<'_>, current: Option<&[u8]>) -> Vec<TextEdit> {
    let lines = current.map(lines_of).unwrap_or_default();
    if lines.len() > 2 && voice.draw.percent(25) {
        let line = 1 + voice.draw.index(lines.len() - 1);
        let mut text = String::new();
        jotted(voice, &mut text);
        return vec![replace(line, text.into_bytes())];
    }
    let mut text = String::new();
    if voice.draw.percent(35) {
        let today = voice.date(voice.now.date());
        text = format!("\n{today}\n");
    }
    for _ in 0..voice.draw.geometric(1.8).min(9) {
        jotted(voice, &mut text);
    }
    vec![TextEdit::Append { text: text.into() }]
}

/// A new draft.
pub(crate) fn draft(voice: &mut Voice<'_>, path: &DecoyPath) -> String {
    let length = voice.size(4200.0, 1.5, DRAFT_BYTES);
    let markup = Markup::of(path, voice.habits.heading);
    let mut out = String::with_capacity(length + 1000);
    let title = capital(&voice.say_one(&voice.lexicon.titles));
    let today = voice.date(voice.now.date());
    markup.begin(&title, &voice.persona.full_name, &today, voice.draw.percent(50), &mut out);
    if length < 700 {
        paragraph(voice, markup, &mut out);
    } else {
        while out.len() < length {
            section(voice, markup, &mut out);
        }
        if voice.draw.percent(30) {
            out.push('\n');
            voice.put_one(&voice.lexicon.closings, &mut out);
            out.push('\n');
        }
    }
    markup.end(&mut out);
    out
}

/// A draft grows, and sometimes is put right or shortened.
pub(crate) fn draft_edits(voice: &mut Voice<'_>, path: &DecoyPath, current: Option<&[u8]>) -> Vec<TextEdit> {
    let content = current.unwrap_or_default();
    let lines = lines_of(content);
    let markup = Markup::of(path, voice.habits.heading);
    if lines.len() > 6 && (content.len() > DRAFT_BYTES_MAX || voice.draw.percent(10)) {
        let own = |at: &usize| markup.is_text(lines[*at]) && is_whole(&lines, *at);
        let text_lines: Vec<usize> = (2..lines.len() - 1).filter(own).collect();
        if let Some(line) = voice.draw.pick(&text_lines) {
            return vec![TextEdit::Delete { line: u32::try_from(*line).unwrap_or(u32::MAX), count: 1 }];
        }
    }
    let own = |at: &usize| markup.is_text(lines[*at]) && is_whole(&lines, *at);
    let text_lines: Vec<usize> = (1..lines.len()).filter(own).collect();
    let mut all = Vec::new();
    if voice.draw.percent(40)
        && let Some(line) = voice.draw.pick(&text_lines).copied()
    {
        let mut text = String::new();
        sentence(voice, &mut text);
        text.push('\n');
        all.push(replace(line, markup.escaped(text).into_bytes()));
        if voice.draw.percent(50) {
            return all;
        }
    }
    let mut text = String::new();
    if voice.draw.percent(30) {
        section(voice, markup, &mut text);
    } else {
        text.push('\n');
        paragraph(voice, markup, &mut text);
    }
    // What closes the file stays at its end.
    all.push(match markup.last_line(&lines) {
        Some(line) => TextEdit::Insert { line, text: text.into() },
        None => TextEdit::Append { text: text.into() },
    });
    all
}

/// Whether a line holds whole sentences, and is no part of a paragraph that was broken within one.
fn is_whole(lines: &[&[u8]], at: usize) -> bool {
    let ends = |line: &[u8]| line.ends_with(b".") || line.ends_with(b"?");
    let before = at.checked_sub(1).and_then(|before| lines.get(before));
    lines.get(at).is_some_and(|line| ends(line)) && before.is_none_or(|line| line.is_empty() || ends(line))
}

/// Adds one line of a note, in the persona's tone, with its line end.
fn jotted(voice: &mut Voice<'_>, out: &mut String) {
    out.push_str(voice.habits.bullet);
    match voice.habits.tone {
        Tone::Terse => voice.put_line(out),
        Tone::Plain => {
            let mut line = String::with_capacity(96);
            voice.put_line(&mut line);
            out.push_str(&capital(&line));
        }
        Tone::Wordy => sentence(voice, out),
    }
    out.push('\n');
}

/// Adds one sentence, with its full stop.
pub(crate) fn sentence(voice: &mut Voice<'_>, out: &mut String) {
    let from = out.len();
    if voice.draw.percent(16) {
        voice.put_one(&voice.lexicon.openers, out);
        out.push(' ');
    }
    voice.put_sentence(out);
    if voice.draw.percent(22) {
        voice.put_one(&voice.lexicon.tails, out);
    }
    out.push('.');
    // The first letter becomes a capital where it stands, but not that of a host's name.
    let word = out[from..].split(' ').next().unwrap_or_default();
    let is_name = word.contains(|letter: char| letter.is_ascii_digit());
    if let Some(first) = out[from..].chars().next().filter(|_| !is_name) {
        out.replace_range(from..from + first.len_utf8(), &first.to_uppercase().to_string());
    }
}

/// Adds a paragraph, laid out as the persona's editor does.
fn paragraph(voice: &mut Voice<'_>, markup: Markup, out: &mut String) {
    let mut text = String::with_capacity(600);
    for number in 0..voice.draw.between(2, 6) {
        if number > 0 {
            text.push(voice.habits.between_sentences);
        }
        sentence(voice, &mut text);
    }
    markup.wrapped(&markup.escaped(text), voice.habits.columns, out);
    out.push('\n');
}

/// A part of a document that is more than a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Block {
    Title(String),
    Heading(String),
    Paragraph(String),
    Item(String),
}

/// Adds blocks of about so many bytes of text in all.
pub(crate) fn blocks(voice: &mut Voice<'_>, length: usize, out: &mut Vec<Block>) {
    let mut written = 0;
    while written < length {
        if written == 0 || voice.draw.percent(30) {
            out.push(Block::Heading(voice.draw.word(&voice.lexicon.headings).to_owned()));
        }
        if voice.draw.percent(20) {
            for _ in 0..voice.draw.between(2, 6) {
                let mut item = String::with_capacity(96);
                voice.put_line(&mut item);
                let item = capital(&item);
                written += item.len();
                out.push(Block::Item(item));
            }
        } else {
            let mut text = String::with_capacity(500);
            for number in 0..voice.draw.between(1, 6) {
                if number > 0 {
                    text.push(' ');
                }
                sentence(voice, &mut text);
            }
            written += text.len();
            out.push(Block::Paragraph(text));
        }
    }
}

fn section(voice: &mut Voice<'_>, markup: Markup, out: &mut String) {
    let name = voice.draw.word(&voice.lexicon.headings);
    if !out.is_empty() && !out.ends_with("\n\n") {
        out.push('\n');
    }
    markup.heading(name, 2, out);
    for number in 0..voice.draw.between(1, 3) {
        if number > 0 {
            out.push('\n');
        }
        if voice.draw.percent(22) {
            markup.list_begins(out);
            for _ in 0..voice.draw.between(2, 7) {
                let mut line = String::with_capacity(96);
                voice.put_line(&mut line);
                let line = capital(&line);
                markup.item(&line, out);
            }
            markup.list_ends(out);
        } else {
            paragraph(voice, markup, out);
        }
    }
}
