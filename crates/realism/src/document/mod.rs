//! Documents of office programs: real packages (ECMA-376) and real pages (PDF 1.4), whose properties fit the persona, the
//! program and the session.

mod docx;
mod package;
mod pdf;
mod properties;
mod xlsx;

use verisim_core::{Body, DecoyPath, TextEdit};

use crate::document::properties::{Program, Properties};
use crate::prose::{self, Block};
use crate::table;
use crate::voice::{Voice, capital};

/// How much text a new document holds: least and most, in bytes.
const TEXT_BYTES: [f64; 2] = [300.0, 120e3];
/// A document or table that is larger is not gone on with: the ledger keeps bodies up to 64 KiB, and nobody edits what
/// cannot be read.
const PACKAGE_BYTES_MAX: usize = 48 * 1024;

/// A new document: a page where the name says so, else one of an office program.
pub(crate) fn new(voice: &mut Voice<'_>, path: &DecoyPath) -> Vec<u8> {
    let title = capital(&voice.say_one(&voice.lexicon.titles));
    let length = voice.size(7500.0, 1.2, TEXT_BYTES);
    let mut blocks = vec![Block::Title(title.clone())];
    prose::blocks(voice, length, &mut blocks);
    let properties = Properties::new(voice, title);
    if path.as_bytes().ends_with(b".pdf") {
        pdf::write(&properties, &blocks)
    } else {
        docx::write(&properties, &blocks)
    }
}

/// A document is gone on with: a part is added at its end, and the properties tell. Pages are made anew.
pub(crate) fn edits(voice: &mut Voice<'_>, path: &DecoyPath, current: Option<&[u8]>) -> Vec<TextEdit> {
    let mut blocks = Vec::new();
    let length = voice.size(500.0, 0.8, [120.0, 4000.0]);
    prose::blocks(voice, length, &mut blocks);
    let grown = current
        .filter(|now| now.len() < PACKAGE_BYTES_MAX)
        .and_then(|now| docx::extend(now, &Properties::new(voice, String::new()), &blocks));
    let body = grown.unwrap_or_else(|| new(voice, path));
    vec![TextEdit::Whole { body: Body::from(body) }]
}

/// A new table: lines of text where the name says so, else a workbook.
pub(crate) fn sheet(voice: &mut Voice<'_>, path: &DecoyPath) -> Vec<u8> {
    if path.as_bytes().ends_with(b".csv") {
        return table::exchange(voice).into_bytes();
    }
    let rows = (voice.size(90.0, 1.4, [4.0, 1500.0])).max(4);
    let title = capital(voice.noun().word);
    let properties = Properties::new(voice, title);
    xlsx::write(voice, &properties, rows)
}

/// A table gets rows.
pub(crate) fn sheet_edits(voice: &mut Voice<'_>, path: &DecoyPath, current: Option<&[u8]>) -> Vec<TextEdit> {
    if path.as_bytes().ends_with(b".csv") {
        return table::more_rows(voice, current);
    }
    let properties = Properties::new(voice, String::new());
    let grown = current
        .filter(|now| now.len() < PACKAGE_BYTES_MAX)
        .and_then(|now| xlsx::extend(voice, now, &properties));
    let body = grown.unwrap_or_else(|| sheet(voice, path));
    vec![TextEdit::Whole { body: Body::from(body) }]
}

impl Program {
    /// What the persona has: a person keeps to one.
    fn of(voice: &Voice<'_>) -> Self {
        if voice.habits.free_office { Self::LibreOffice } else { Self::Office }
    }
}
