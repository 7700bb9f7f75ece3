//! How the demonstration is shown: a screen where somebody watches, lines where not.

use std::path::Path;
use std::time::Duration;

use verisim_core::{Event, EventPayload, Timestamp};

use super::live::{Frame, Screen};
use super::model::Model;
use crate::context::Context;
use crate::error::{CliError, CliResult, show};
use crate::exit::Exit;
use crate::output::Output;
use crate::render;

/// A screen, lines, or objects.
pub(super) struct View {
    screen: Option<Screen>,
    output: Output,
    dir: String,
    phase: &'static str,
    began: Duration,
    clock: std::sync::Arc<dyn verisim_core::Clock>,
}

impl View {
    pub(super) fn open(context: &Context, dir: &Path, attended: bool, fresh: bool) -> CliResult<Self> {
        let output = context.output;
        let screen =
            if attended {
                let opened = Screen::open(crate::output::speaks_unicode(), output.color);
                Some(opened.map_err(|error| {
                    CliError::new(Exit::Failed, format!("cannot use the terminal: {error}"))
                })?)
            } else {
                None
            };
        let clock = context.clock();
        let view = Self { screen, output, dir: show(dir), phase: "", began: clock.monotonic(), clock };
        let doing = if fresh { "a new company is founded in" } else { "the company goes on in" };
        view.say(&format!("{doing} {}: three decoys, five people, a vault", view.dir))?;
        Ok(view)
    }

    /// How long it has been going on.
    pub(super) fn elapsed(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.began)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Says in which part of it we are.
    pub(super) fn phase(&mut self, phase: &'static str) -> CliResult<()> {
        self.phase = phase;
        self.say(phase)
    }

    /// A line for those who read lines.
    pub(super) fn say(&self, text: &str) -> CliResult<()> {
        if self.screen.is_none() && !self.output.json { self.output.line(text) } else { Ok(()) }
    }

    /// Shows an event, as far as it deserves a line.
    pub(super) fn event(&self, event: &Event) -> CliResult<()> {
        let noise = matches!(event.body.payload, EventPayload::Health { .. });
        if self.screen.is_some() || (noise && !self.output.json) {
            return Ok(());
        }
        render::event::show(self.output, event)
    }

    /// Draws the screen again.
    pub(super) fn draw(&self, model: &Model) -> CliResult<()> {
        let Some(screen) = &self.screen else { return Ok(()) };
        let frame =
            Frame { model, dir: &self.dir, phase: self.phase, elapsed: self.elapsed(), now: self.now() };
        screen.draw(&frame).map_err(|error| CliError::new(Exit::Failed, format!("cannot draw: {error}")))
    }

    /// Waits for a short while; answers whether a key asked for the end.
    pub(super) async fn pause(&self, span: Duration) -> CliResult<bool> {
        if self.screen.is_none() {
            tokio::time::sleep(span).await;
            return Ok(false);
        }
        let waited = tokio::task::spawn_blocking(move || Screen::wants_end(span)).await;
        match waited {
            Ok(Ok(end)) => Ok(end),
            Ok(Err(error)) => Err(CliError::new(Exit::Failed, format!("cannot read the keyboard: {error}"))),
            Err(error) => Err(CliError::new(Exit::Failed, format!("waiting broke off: {error}"))),
        }
    }
}
