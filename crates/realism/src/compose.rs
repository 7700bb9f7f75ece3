//! From a decision to an action: the content, the mode and the owner that go with it.

use verisim_core::{
    Action, AppendFile, Body, DecoyPath, EditFile, FileClass, FileMode, FileTimes, MoveFile, Owner,
    OwnerPolicy, PlantFile, RemoveFile, TextEdit,
};

use crate::change::Change;
use crate::decide::{Decision, slot_seed};
use crate::random::{Generator, Purpose};
use crate::voice::Voice;
use crate::world::World;
use crate::{cache, configuration, converse, document, log, prose, script, source, table, todo};

/// A decision that cannot be composed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// Its persona or decoy is not part of this world.
    #[error("the decision was made in another world")]
    OtherWorld,
}

/// Makes the action of a decision. `current` is the content of the file that [`Change::wants`], whatever bytes that are;
/// without it an edit adds at the end, which fits every file. Live: the file gets the time at which it happens. Pure: the
/// same input gives the same action.
///
/// # Errors
/// When the decision was made in another world.
pub fn compose(world: &World, decision: &Decision, current: Option<&[u8]>) -> Result<Action, ComposeError> {
    let draw = Generator::new(slot_seed(world, &decision.slot, Purpose::Content));
    let mut voice = Voice::new(world, &decision.slot, draw).ok_or(ComposeError::OtherWorld)?;
    Ok(match &decision.change {
        Change::Create { path, class } => Action::Plant(plant(&mut voice, path, *class)),
        Change::Edit { path, class, .. } => Action::Edit(EditFile {
            path: path.clone(),
            edits: edits(&mut voice, path, *class, current),
            shared: false,
        }),
        Change::Append { path, class, since } => {
            let body = log::lines(&mut voice, path, *class, Some(*since));
            Action::Append(AppendFile { path: path.clone(), body: body.into(), class: FileClass::DaemonLog })
        }
        Change::Rename { from, to, .. } => Action::Move(MoveFile { from: from.clone(), to: to.clone() }),
        Change::Remove { path, .. } => Action::Remove(RemoveFile { path: path.clone() }),
        Change::Visit { to, protocol, port } => {
            let traffic = converse::session(&mut voice, *to, *protocol, *port);
            Action::Traffic(traffic.ok_or(ComposeError::OtherWorld)?)
        }
        Change::Mail { letter } => Action::Email(letter.compose(world).ok_or(ComposeError::OtherWorld)?),
    })
}

fn plant(voice: &mut Voice<'_>, path: &DecoyPath, class: FileClass) -> PlantFile {
    let text = |text: String| Body::from(text);
    let body = match class {
        FileClass::Note | FileClass::Record | FileClass::Manual => text(prose::note(voice, path)),
        FileClass::Todo => text(todo::list(voice, path)),
        FileClass::Draft => text(prose::draft(voice, path)),
        FileClass::Script => text(script::program(voice, path)),
        FileClass::CronLog | FileClass::DaemonLog => text(log::lines(voice, path, class, None)),
        FileClass::Scratch => text(table::scratch(voice, path)),
        FileClass::Document => document::new(voice, path).into(),
        FileClass::Spreadsheet => document::sheet(voice, path).into(),
        FileClass::Source => text(source::file(voice, path)),
        FileClass::Configuration => text(configuration::file(voice, path)),
        FileClass::Cache => cache::entry(voice, path).into(),
    };
    let (mode, owner) = belongs(voice, path, class);
    PlantFile {
        path: path.clone(),
        body,
        class,
        mode: FileMode::new(mode),
        owner: OwnerPolicy::Set(owner),
        times: FileTimes::Live,
    }
}

/// The mode and owner that a program would have set.
fn belongs(voice: &Voice<'_>, path: &DecoyPath, class: FileClass) -> (u32, Owner) {
    let own = voice.persona.owner;
    let private = voice.habits.private;
    match class {
        FileClass::DaemonLog if !path.starts_with(&voice.persona.home) => (0o640, Owner::ROOT),
        FileClass::Script => (if private { 0o700 } else { 0o755 }, own),
        // Programs keep these to themselves.
        FileClass::Cache => (0o600, own),
        FileClass::Configuration if path.as_bytes().ends_with(b"/.ssh/config") => (0o600, own),
        // `mktemp` gives its files to their owner alone.
        FileClass::Scratch if path.file_name().is_some_and(|name| name.starts_with(b"tmp.")) => (0o600, own),
        _ => (if private { 0o600 } else { 0o644 }, own),
    }
}

fn edits(voice: &mut Voice<'_>, path: &DecoyPath, class: FileClass, current: Option<&[u8]>) -> Vec<TextEdit> {
    match class {
        FileClass::Todo => todo::edits(voice, current),
        FileClass::Draft => prose::draft_edits(voice, path, current),
        FileClass::Script => script::edits(voice, current),
        FileClass::Document => document::edits(voice, path, current),
        FileClass::Spreadsheet => document::sheet_edits(voice, path, current),
        FileClass::Source => source::edits(voice, path, current),
        FileClass::Configuration => configuration::edits(voice, path, current),
        FileClass::Note
        | FileClass::CronLog
        | FileClass::DaemonLog
        | FileClass::Scratch
        | FileClass::Manual
        | FileClass::Record
        | FileClass::Cache => prose::note_edits(voice, current),
    }
}

/// The lines of a content, without their ends; at most 4,096 of them, since an edit looks at no more.
pub(crate) fn lines_of(content: &[u8]) -> Vec<&[u8]> {
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    if content.is_empty() { Vec::new() } else { content.split(|b| *b == b'\n').take(4096).collect() }
}

/// An edit that replaces line `line` (counted from 0).
pub(crate) fn replace(line: usize, text: Vec<u8>) -> TextEdit {
    TextEdit::Replace { line: u32::try_from(line).unwrap_or(u32::MAX), text: text.into() }
}
