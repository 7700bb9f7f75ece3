//! What is a persona's own in how files are named, laid out and written.

use crate::random::{Generator, Purpose};
use crate::world::{PersonaIndex, World};

/// How a persona does things, the same on every decoy and every day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    /// Between the words of a name.
    pub(crate) separator: &'static str,
    /// Whether names begin with capitals.
    pub(crate) capitals: bool,
    /// Where notes, lists, drafts, scripts, logs and scratch lie, below the home; scratch from `/` where it begins so.
    pub(crate) notes: &'static str,
    pub(crate) todos: &'static str,
    pub(crate) drafts: &'static str,
    pub(crate) scripts: &'static str,
    pub(crate) logs: &'static str,
    pub(crate) scratch: &'static str,
    /// Whether folders of projects stand below those.
    pub(crate) project_folders: bool,
    /// Endings of notes, lists and drafts.
    pub(crate) text: &'static str,
    pub(crate) draft_text: &'static str,
    /// Before a line of a note, and before an open entry of a list.
    pub(crate) bullet: &'static str,
    pub(crate) open: &'static str,
    pub(crate) heading: Heading,
    pub(crate) date: DateStyle,
    pub(crate) tone: Tone,
    /// Where the lines of longer texts are broken, 0 for nowhere, and what stands between two sentences.
    pub(crate) columns: usize,
    pub(crate) between_sentences: char,
    /// Whether texts and tables are written with free software.
    pub(crate) free_office: bool,
    /// Whether the persona's files are readable for nobody else.
    pub(crate) private: bool,
    /// Which language scripts are written in.
    pub(crate) script: ScriptStyle,
}

/// How a heading is set off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heading {
    /// `# heading`
    Hash,
    /// Underlined with `=` or `-`.
    Underlined,
    /// In capitals.
    Capitals,
    /// As it is, with a colon.
    Colon,
}

/// How a date is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DateStyle {
    /// `2026-11-23`
    Iso,
    /// With points, where the language has that: `23.11.`
    Dotted,
    /// With a short name of the month: `23 Nov`
    Short,
    /// With strokes, where the language has that: `11/23`
    Slashed,
}

/// How somebody writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Jots down, in lower case.
    Terse,
    /// Jots down, properly.
    Plain,
    /// Writes whole sentences.
    Wordy,
}

/// Which language a script is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScriptStyle {
    /// POSIX shell or bash.
    Shell,
    /// Python 3.
    Python,
}

impl Habits {
    pub(crate) fn of(world: &World, persona: PersonaIndex) -> Self {
        let mut draw = Generator::new(world.persona_seed(persona, Purpose::Habits));
        let (open, _) = *draw.pick(BOXES).unwrap_or(&("[ ] ", "[x] "));
        Self {
            separator: draw.word(&["-", "_", "-", "_", ".", "", " "]),
            capitals: draw.percent(25),
            notes: draw.word(&[
                "notes",
                "Notes",
                "Documents",
                "Documents/notes",
                "doc",
                "work",
                "Desktop",
                "memo",
                "work/notes",
                "misc",
            ]),
            todos: draw.word(&["", "", "notes", "Desktop", "Documents", "work", "todo"]),
            drafts: draw.word(&[
                "Documents",
                "Documents/drafts",
                "drafts",
                "work",
                "texts",
                "Documents/work",
                "writing",
            ]),
            scripts: draw.word(&["bin", "scripts", "bin", ".local/bin", "tools", "src/scripts", "work/bin"]),
            logs: draw.word(&["logs", "log", "var/log", "bin/log", ".local/share/logs", "cron"]),
            scratch: draw.word(&["/tmp", "/tmp", "tmp", "/var/tmp", "scratch", ""]),
            project_folders: draw.percent(40),
            text: draw.word(&[".txt", ".md", ".txt", "", ".org", ".text"]),
            draft_text: draw.word(&[".md", ".txt", ".tex", ".rst", ".md", ".adoc"]),
            bullet: draw.word(&["- ", "* ", "", "+ ", "  - ", "o "]),
            open,
            heading: *draw
                .pick(&[Heading::Hash, Heading::Underlined, Heading::Capitals, Heading::Colon])
                .unwrap_or(&Heading::Hash),
            date: *draw
                .pick(&[DateStyle::Iso, DateStyle::Dotted, DateStyle::Short, DateStyle::Slashed])
                .unwrap_or(&DateStyle::Iso),
            tone: tone(world, persona, &mut draw),
            columns: *draw.pick(&[0, 72, 78, 80, 0]).unwrap_or(&0),
            between_sentences: *draw.pick(&[' ', ' ', '\n']).unwrap_or(&' '),
            free_office: draw.percent(45),
            private: draw.percent(20),
            script: *draw
                .pick(&[ScriptStyle::Shell, ScriptStyle::Shell, ScriptStyle::Python])
                .unwrap_or(&ScriptStyle::Shell),
        }
    }
}

/// As the persona is said to write, else as drawn.
fn tone(world: &World, persona: PersonaIndex, draw: &mut Generator) -> Tone {
    use crate::character::Tone as Said;
    let drawn = *draw.pick(&[Tone::Terse, Tone::Plain, Tone::Wordy]).unwrap_or(&Tone::Plain);
    match world.persona(persona).and_then(|who| who.character.tone) {
        Some(Said::Terse) => Tone::Terse,
        Some(Said::Plain) => Tone::Plain,
        Some(Said::Friendly | Said::Formal) => Tone::Wordy,
        None => drawn,
    }
}

/// How open and done entries of a list are marked.
pub(crate) const BOXES: &[(&str, &str)] = &[
    ("[ ] ", "[x] "),
    ("- [ ] ", "- [x] "),
    ("* [ ] ", "* [X] "),
    ("TODO ", "DONE "),
    ("( ) ", "(x) "),
    ("o ", "x "),
    ("[] ", "[v] "),
];
