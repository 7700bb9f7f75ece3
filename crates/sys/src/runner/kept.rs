//! How a tool ended, and what it printed.

use std::ops::ControlFlow;

use async_trait::async_trait;

use crate::HeadTail;

/// Who reads along.
#[async_trait]
pub trait Taker: Send {
    /// Takes a piece of what a tool prints. While it waits, the tool does; `Break` ends the tool.
    async fn take(&mut self, piece: &[u8]) -> ControlFlow<()>;
}

#[async_trait]
impl Taker for HeadTail {
    async fn take(&mut self, piece: &[u8]) -> ControlFlow<()> {
        self.push(piece);
        ControlFlow::Continue(())
    }
}

/// How a tool ended. Whether it was by us is known for certain: an exit code alone would not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// By this signal, which was not ours.
    Signal(i32),
    /// It was cancelled, and is gone.
    Cancelled,
    /// It took too long, and is gone.
    TimedOut(TimeOut),
    /// Whoever read its output wanted no more.
    Refused,
    /// It is not on this machine, or may not be run.
    Missing,
}

/// Which bound was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeOut {
    /// It never said anything.
    Start,
    /// It fell silent.
    Idle,
    /// It took too long in all.
    Total,
}

/// What a tool printed on one output: its first and its last part, with secrets masked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Printed {
    /// The first part.
    pub head: Vec<u8>,
    /// The last part, if there was more than the first.
    pub tail: Vec<u8>,
    /// How many bytes were left out between them.
    pub omitted_bytes: u64,
}

impl Printed {
    /// Both parts, with a line between them that says how much is left out.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let mut text = self.head.clone();
        if self.omitted_bytes > 0 {
            text.extend(format!("\n[... {} bytes left out ...]\n", self.omitted_bytes).into_bytes());
        }
        text.extend_from_slice(&self.tail);
        text
    }
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// How it ended.
    pub ended: Ended,
    /// What it printed on standard output, unless that was passed on.
    pub stdout: Printed,
    /// What it printed on standard error.
    pub stderr: Printed,
}
