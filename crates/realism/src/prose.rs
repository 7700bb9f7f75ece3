//! Notes, drafts and scratch: text as a person leaves it.

use verisim_core::TextEdit;

use crate::compose::{lines_of, replace};
use crate::habits::{Heading, Tone};
use crate::voice::{Voice, capital};

/// A draft that is longer than this gets shorter before it grows again.
const DRAFT_BYTES_MAX: usize = 24 * 1024;

/// A new note.
pub(crate) fn note(voice: &mut Voice<'_>) -> String {
    let count = (voice.draw.geometric(5.0) + 1).min(40);
    let mut out = String::new();
    if voice.draw.percent(60) {
        let title = title(voice);
        heading(voice, &title, &mut out);
    }
    for _ in 0..count {
        let line = jotted(voice);
        out.push_str(&line);
        if voice.draw.percent(12) {
            out.push('\n');
        }
    }
    out
}

/// What a note gets later: a line or a few at the end, or a line made better.
pub(crate) fn note_edits(voice: &mut Voice<'_>, current: Option<&[u8]>) -> Vec<TextEdit> {
    let lines = current.map(lines_of).unwrap_or_default();
    if lines.len() > 2 && voice.draw.percent(25) {
        let line = 1 + voice.draw.index(lines.len() - 1);
        return vec![replace(line, jotted(voice).into_bytes())];
    }
    let mut text = String::new();
    if voice.draw.percent(35) {
        let today = voice.date(voice.now.date());
        text = format!("\n{today}\n");
    }
    for _ in 0..voice.draw.geometric(1.8).min(9) {
        text.push_str(&jotted(voice));
    }
    vec![TextEdit::Append { text: text.into() }]
}

/// A new draft.
pub(crate) fn draft(voice: &mut Voice<'_>) -> String {
    let mut out = String::new();
    let title = title(voice);
    heading(voice, &capital(&title), &mut out);
    if voice.draw.percent(50) {
        let (name, today) = (voice.persona.full_name.clone(), voice.date(voice.now.date()));
        out.push_str(&format!("{name}, {today}\n\n"));
    }
    for _ in 0..voice.draw.between(1, 3) {
        section(voice, &mut out);
    }
    out
}

/// A draft grows, and sometimes is put right or shortened.
pub(crate) fn draft_edits(voice: &mut Voice<'_>, current: Option<&[u8]>) -> Vec<TextEdit> {
    let content = current.unwrap_or_default();
    let lines = lines_of(content);
    if lines.len() > 6 && (content.len() > DRAFT_BYTES_MAX || voice.draw.percent(10)) {
        let room = lines.len() - 3;
        let line = u32::try_from(2 + voice.draw.index(room)).unwrap_or(u32::MAX);
        return vec![TextEdit::Delete { line, count: 1 }];
    }
    let text_lines: Vec<usize> = (1..lines.len()).filter(|i| lines[*i].len() > 40).collect();
    if voice.draw.percent(40)
        && let Some(line) = voice.draw.pick(&text_lines).copied()
    {
        let mut text = sentence(voice);
        text.push('\n');
        let mut all = vec![replace(line, text.into_bytes())];
        if voice.draw.percent(50) {
            all.push(TextEdit::Append { text: paragraph(voice).into() });
        }
        return all;
    }
    let mut text = String::new();
    if voice.draw.percent(30) {
        section(voice, &mut text);
    } else {
        text = paragraph(voice);
    }
    vec![TextEdit::Append { text: text.into() }]
}

/// Intermediate output: lists, numbers, a bit of a table.
pub(crate) fn scratch(voice: &mut Voice<'_>) -> String {
    let rows = (voice.draw.geometric(14.0) + 2).min(400);
    let kind = voice.draw.below(3);
    let mut out = String::new();
    for row in 0..rows {
        let (one, other) = (voice.draw.below(100_000), voice.draw.below(1000));
        let word = voice.draw.word(voice.trade.things).replace(' ', "_");
        match kind {
            0 => out.push_str(&format!("{},{word},{one}.{other:03}\n", row + 1)),
            1 => out.push_str(&format!("{one:>7} {word}/{other}\n")),
            _ => out.push_str(&format!("{word}\t{one}\t{}\n", voice.draw.bits() % 1_000_000_007)),
        }
    }
    out
}

fn title(voice: &mut Voice<'_>) -> String {
    match voice.draw.below(4) {
        0 => voice.say("{project}: {thing}"),
        1 => voice.say("{thing}, {month}"),
        2 => {
            let today = voice.date(voice.now.date());
            voice.say("{thing} ") + &today
        }
        _ => voice.say("{thing} ({project})"),
    }
}

/// One line of a note, in the persona's tone, with its line end.
fn jotted(voice: &mut Voice<'_>) -> String {
    let line = match voice.habits.tone {
        Tone::Terse => voice.say_one(voice.lexicon.note_lines),
        Tone::Plain => capital(&voice.say_one(voice.lexicon.note_lines)),
        Tone::Wordy => sentence(voice),
    };
    format!("{}{line}\n", voice.habits.bullet)
}

fn sentence(voice: &mut Voice<'_>) -> String {
    capital(&voice.say_one(voice.lexicon.plain_lines))
}

fn paragraph(voice: &mut Voice<'_>) -> String {
    let mut out = String::from("\n");
    for _ in 0..voice.draw.between(2, 5) {
        out.push_str(&sentence(voice));
        out.push('\n');
    }
    out
}

fn section(voice: &mut Voice<'_>, out: &mut String) {
    let name = voice.draw.word(voice.lexicon.headings);
    if !out.is_empty() {
        out.push('\n');
    }
    heading(voice, name, out);
    for _ in 0..voice.draw.between(1, 2) {
        out.push_str(paragraph(voice).trim_start_matches('\n'));
        out.push('\n');
    }
}

fn heading(voice: &Voice<'_>, text: &str, out: &mut String) {
    match voice.habits.heading {
        Heading::Hash => out.push_str(&format!("# {text}\n\n")),
        Heading::Underlined => out.push_str(&format!("{text}\n{}\n", "-".repeat(text.chars().count()))),
        Heading::Capitals => out.push_str(&format!("{}\n\n", text.to_uppercase())),
        Heading::Colon => out.push_str(&format!("{text}:\n")),
    }
}
