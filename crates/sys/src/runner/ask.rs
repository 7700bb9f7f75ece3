//! What shall be run, and how long.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use super::Secrets;

/// A tool that shall be run.
#[derive(Debug)]
pub struct Ask {
    /// The program: a path, or a name that is looked for.
    pub program: PathBuf,
    /// Its arguments, without its own name.
    pub arguments: Vec<OsString>,
    /// Its whole environment. `LC_ALL=C` is added, so that it speaks one language.
    pub environment: Vec<(OsString, OsString)>,
    /// Where it runs; else in `/`.
    pub folder: Option<PathBuf>,
    /// What it reads.
    pub input: Input,
    /// How long it may take, and how much is kept of what it prints.
    pub limits: Limits,
    /// What is never shown of what it prints.
    pub secrets: Secrets,
}

impl Ask {
    /// A program without arguments that reads nothing.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: None,
            input: Input::Nothing,
            limits: Limits::default(),
            secrets: Secrets::default(),
        }
    }

    /// With more arguments.
    #[must_use]
    pub fn args<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// With a variable in its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }
}

/// What a tool reads on its standard input.
#[derive(Debug)]
pub enum Input {
    /// Nothing: it is at its end at once.
    Nothing,
    /// These bytes.
    Bytes(Vec<u8>),
    /// This file, from where it stands.
    File(File),
}

/// Bounds of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long it may take until it says anything, on either output.
    pub start: Duration,
    /// How long it may say nothing after that.
    pub idle: Duration,
    /// How long it may take in all; `None` for as long as it says something.
    pub total: Option<Duration>,
    /// How long it has to end by itself once it was asked to.
    pub grace: Duration,
    /// How many bytes are kept of each end of each output.
    pub kept_bytes: usize,
}

impl Default for Limits {
    /// 20 s to begin, 120 s of silence, no end; 5 s to go; 32 KiB of each end.
    fn default() -> Self {
        Self {
            start: Duration::from_secs(20),
            idle: Duration::from_secs(120),
            total: None,
            grace: Duration::from_secs(5),
            kept_bytes: 32 << 10,
        }
    }
}
