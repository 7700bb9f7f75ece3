//! Lists of what is to be done: entries are added, and ticked.

use verisim_core::{DecoyPath, TextEdit};

use crate::compose::{lines_of, replace};
use crate::habits::BOXES;
use crate::markup::Markup;
use crate::voice::Voice;

/// Sizes of new lists: least and most, in bytes.
const LIST_BYTES: [f64; 2] = [90.0, 20e3];

/// A new list.
pub(crate) fn list(voice: &mut Voice<'_>, path: &DecoyPath) -> String {
    let mut out = String::new();
    if voice.draw.percent(40) {
        let today = voice.date(voice.now.date());
        out = format!("{today}\n");
    }
    let length = voice.size(430.0, 1.0, LIST_BYTES);
    loop {
        out.push_str(&entry(voice));
        if out.len() >= length {
            return out;
        }
        if voice.draw.percent(6) {
            out.push('\n');
            let name = voice.draw.word(&voice.lexicon.headings);
            Markup::of(path, voice.habits.heading).heading(name, 2, &mut out);
        }
    }
}

/// Ticks an open entry, adds one, or both. A list that was swept by somebody else is gone on with at its end.
pub(crate) fn edits(voice: &mut Voice<'_>, current: Option<&[u8]>) -> Vec<TextEdit> {
    let lines = current.map(lines_of).unwrap_or_default();
    let open: Vec<(usize, Vec<u8>)> =
        lines.iter().enumerate().filter_map(|(at, line)| Some((at, ticked(line)?))).collect();
    let done: Vec<usize> = (0..lines.len()).filter(|at| is_done(lines[*at])).collect();
    let mut all = Vec::new();
    if voice.draw.percent(65)
        && let Some((at, line)) = voice.draw.pick(&open)
    {
        all.push(replace(*at, line.clone()));
    }
    if done.len() > 12 {
        // The oldest done entry is swept away; it comes after the tick, which leaves the number of lines as it is.
        let line = u32::try_from(done[0]).unwrap_or(u32::MAX);
        all.push(TextEdit::Delete { line, count: 1 });
    }
    if all.is_empty() || open.len() < 3 || voice.draw.percent(20) {
        all.push(TextEdit::Append { text: entry(voice).into() });
    }
    all
}

fn entry(voice: &mut Voice<'_>) -> String {
    let text = voice.say_one(&voice.lexicon.todos);
    format!("{}{text}\n", voice.habits.open)
}

/// The line with its open mark turned into a done one; `None` when it has none.
fn ticked(line: &[u8]) -> Option<Vec<u8>> {
    let indent = line.len() - line.trim_ascii_start().len();
    BOXES.iter().find_map(|(open, done)| {
        let rest = line[indent..].strip_prefix(open.as_bytes())?;
        Some([&line[..indent], done.as_bytes(), rest, b"\n"].concat())
    })
}

fn is_done(line: &[u8]) -> bool {
    BOXES.iter().any(|(_, done)| line.trim_ascii_start().starts_with(done.as_bytes()))
}
