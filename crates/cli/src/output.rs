//! The one place that prints: results on standard output, messages on standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::args::{Color, Global};
use crate::error::{CliError, CliResult};
use crate::exit::Exit;

/// How results and messages are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// One object a line.
    pub(crate) json: bool,
    /// Nothing but results and errors.
    pub(crate) quiet: bool,
    /// Colours on standard output.
    pub(crate) color: bool,
    /// Colours on standard error.
    pub(crate) color_messages: bool,
    /// Whether standard output is a terminal.
    pub(crate) terminal: bool,
}

/// What a piece of text is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it is.
    Plain,
    /// A heading, a name.
    Strong,
    /// Of less interest.
    Faint,
    /// As it should be.
    Good,
    /// Deserves a look.
    Warn,
    /// Is wrong.
    Bad,
}

impl Tone {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31",
        }
    }
}

/// `text` in its tone, where colours are wanted.
pub(crate) fn paint(color: bool, tone: Tone, text: impl Display) -> String {
    if color && tone != Tone::Plain {
        format!("\x1b[{}m{text}\x1b[0m", tone.code())
    } else {
        text.to_string()
    }
}

/// How long a line of JSON mostly is.
const LINE_BYTES: usize = 1024;
/// In pieces of so many bytes many results are written.
const PIECE_BYTES: usize = 64 << 10;

/// An object with its type as the first field.
#[derive(Serialize)]
struct Typed<'a, T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    object: &'a T,
}

/// Adds one object as one line.
fn put_object(object: &impl Serialize, out: &mut Vec<u8>) -> CliResult<()> {
    serde_json::to_writer(&mut *out, object).map_err(|error| {
        CliError::new(Exit::Failed, format!("the result cannot be written as JSON: {error}"))
    })?;
    out.push(b'\n');
    Ok(())
}

/// Many results, on their way to standard output.
#[derive(Debug)]
pub(crate) struct Results {
    output: Output,
    waiting: Vec<u8>,
}

impl Results {
    /// One object as one line, with its type as the first field.
    pub(crate) fn typed(&mut self, kind: &'static str, object: &impl Serialize) -> CliResult<()> {
        put_object(&Typed { kind, object }, &mut self.waiting)?;
        self.written()
    }

    /// A line of text.
    pub(crate) fn line(&mut self, text: impl Display) -> CliResult<()> {
        // A write into memory does not fail.
        let _ = writeln!(self.waiting, "{text}");
        self.written()
    }

    fn written(&mut self) -> CliResult<()> {
        if self.output.terminal || self.waiting.len() >= PIECE_BYTES { self.finish() } else { Ok(()) }
    }

    /// Writes what waits. Without it the last piece is not written.
    pub(crate) fn finish(&mut self) -> CliResult<()> {
        let done = self.output.raw(&self.waiting);
        self.waiting.clear();
        done
    }
}

impl Output {
    /// How things are shown, by the arguments, the environment and what the outputs are.
    pub(crate) fn new(global: &Global) -> Self {
        let terminal = io::stdout().is_terminal();
        let wanted = |is_terminal: bool| match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && !no_color(),
        };
        Self {
            json: global.json,
            quiet: global.quiet,
            color: wanted(terminal) && !global.json,
            color_messages: wanted(io::stderr().is_terminal()),
            terminal,
        }
    }

    /// Where the command line could not be read, but asks for JSON.
    pub(crate) const fn for_scripts() -> Self {
        Self { json: true, quiet: false, color: false, color_messages: false, terminal: false }
    }

    /// A line of text as a result.
    pub(crate) fn line(&self, text: impl Display) -> CliResult<()> {
        self.raw(format!("{text}\n").as_bytes())
    }

    /// Bytes as a result, as they are.
    pub(crate) fn raw(&self, bytes: &[u8]) -> CliResult<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| stdout_error(&error))
    }

    /// One object as one line.
    pub(crate) fn object(&self, object: &impl Serialize) -> CliResult<()> {
        let mut line = Vec::with_capacity(LINE_BYTES);
        put_object(object, &mut line)?;
        self.raw(&line)
    }

    /// Results of which there are many: written in large pieces, but to a terminal.
    pub(crate) fn results(self) -> Results {
        Results { output: self, waiting: Vec::with_capacity(PIECE_BYTES + LINE_BYTES) }
    }

    /// One object as one line, with its type as the first field.
    pub(crate) fn typed(&self, kind: &'static str, object: &impl Serialize) -> CliResult<()> {
        self.object(&Typed { kind, object })
    }

    /// `text` in its tone, for standard output.
    pub(crate) fn paint(&self, tone: Tone, text: impl Display) -> String {
        paint(self.color, tone, text)
    }

    /// A message for people; not shown when quiet.
    pub(crate) fn say(&self, text: impl Display) {
        if !self.quiet {
            self.message(text);
        }
    }

    /// A message that is always shown; for a script, one object.
    pub(crate) fn message(&self, text: impl Display) {
        #[derive(Serialize)]
        struct Line {
            #[serde(rename = "type")]
            kind: &'static str,
            text: String,
        }
        if self.json {
            self.told(&Line { kind: "message", text: text.to_string() });
        } else {
            write_message(text);
        }
    }

    /// An object for whoever reads the messages.
    pub(crate) fn told(&self, object: &impl Serialize) {
        // What is told is made of text and numbers, which can be written.
        if let Ok(line) = serde_json::to_string(object) {
            write_message(line);
        }
    }

    /// An error, with its advice.
    pub(crate) fn error(&self, error: &CliError) {
        #[derive(Serialize)]
        struct Line<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            exit: u8,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            hint: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            operation: Option<&'a str>,
        }
        if self.json {
            let line = Line {
                kind: "error",
                exit: error.exit.code(),
                message: &error.message,
                hint: error.hint.as_deref(),
                operation: error.operation,
            };
            return self.told(&line);
        }
        self.message(format!("{} {}", paint(self.color_messages, Tone::Bad, "error:"), error.message));
        if let Some(hint) = &error.hint {
            self.message(format!("{} {hint}", paint(self.color_messages, Tone::Strong, "help:")));
        }
    }
}

/// Whether `--json` is among the arguments, where they cannot be read any better.
pub(crate) fn json_is_asked_for() -> bool {
    std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json")
}

/// Standard error that is closed is nobody's loss.
fn write_message(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether `NO_COLOR` asks for none, see <https://no-color.org>: present and not empty.
#[expect(clippy::disallowed_methods, reason = "the binary reads the environment here")]
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb")
}

/// How many columns the terminal has that shows the results; `None` where none does.
pub(crate) fn terminal_width(output: Output) -> Option<usize> {
    if !output.terminal {
        return None;
    }
    crossterm::terminal::size().ok().map(|(width, _)| usize::from(width))
}

/// Whether the terminal shows characters beyond ASCII, as far as the environment says.
#[expect(clippy::disallowed_methods, reason = "the binary reads the environment here")]
pub(crate) fn speaks_unicode() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// A reader that has gone away wants no more: that is the end of the work, not an error of it.
fn stdout_error(error: &io::Error) -> CliError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::reader_gone(),
        _ => CliError::new(Exit::Failed, format!("cannot write to standard output: {error}")),
    }
}
