//! `verisim demo`: a small company of decoys on this machine, alive, and evidence going to a local vault.

mod captures;
mod company;
mod live;
mod model;
mod stage;
mod view;

use std::path::Path;
use std::time::Duration;

use verisim_core::{CancellationToken, Store as _};

use self::model::Model;
use self::stage::Stage;
use self::view::View;
use crate::args::DemoArgs;
use crate::context::{Context, absolute};
use crate::error::{CliError, CliResult, show};
use crate::exit::Exit;
use crate::here::Here;

/// How many days of past the decoys get.
const PAST_DAYS: u32 = 30;
/// How long it lasts where nobody can press a key.
const LENGTH_UNATTENDED: Duration = Duration::from_secs(40);
/// How long the evidence may take to be verified after that.
const GRACE: Duration = Duration::from_secs(12);

/// Shows it all.
pub(super) async fn demo(context: &Context, args: &DemoArgs) -> CliResult {
    let dir = absolute(&args.dir)?;
    let fresh = stage::prepare(&dir)?;
    let config = context.config_at(&dir.join(stage::CONFIG_FILE), None)?;
    let clock = context.clock();
    let here = Here::open(config, clock).await.map_err(|error| {
        if error.in_use {
            error.hint("a daemon runs on this folder; stop it, or choose another with --dir")
        } else {
            error
        }
    })?;
    let attended = context.output.terminal && !context.output.json;
    let stop = context.stop_token()?;
    let stage = Stage::new(context, here, dir.clone());
    let owners_set = stage.install(context.now()).await?;
    let mut view = View::open(context, &args.dir, attended, fresh)?;
    let mut model = Model::new();
    stage.give_past(context.now(), PAST_DAYS, &mut view, &mut model, &stop).await?;
    let length = args.length.or((!attended).then_some(LENGTH_UNATTENDED));
    let outcome = stage.live(&mut view, &mut model, length, stop).await;
    drop(view);
    outcome?;
    finish(context, args, &dir, &model, owners_set)?;
    drop(stage);
    let complete = model.captures.values().all(model::CaptureRow::is_verified) && !model.captures.is_empty();
    // Somebody who presses q early has seen enough; nothing failed.
    Ok(if complete || attended { Exit::Done } else { Exit::Failed })
}

/// Says what happened, what to look at, and what to type next.
fn finish(context: &Context, args: &DemoArgs, dir: &Path, model: &Model, owners_set: bool) -> CliResult<()> {
    let output = context.output;
    if output.json {
        #[derive(serde::Serialize)]
        struct Line {
            dir: String,
            effects: u64,
            troubles: u64,
            captures: usize,
            verified: usize,
            owners_set: bool,
        }
        let (captures, verified) = (model.captures.len(), model.verified());
        let (effects, troubles) = (model.effects, model.troubles);
        let owners_set = owners_set && model.owners_missing == 0;
        return output
            .typed("demo", &Line { dir: show(dir), effects, troubles, captures, verified, owners_set });
    }
    let files: i64 = model.hosts.iter().map(|host| host.files).sum();
    output.line("")?;
    output.line(format!(
        "{} changes on {} decoys by {} people, each read back and hashed; {files} files are there now.",
        model.effects,
        model.hosts.len(),
        model.people.len()
    ))?;
    let bytes: u64 = model.captures.values().map(|capture| capture.bytes).sum();
    output.line(format!(
        "{} of {} captures are in the vault, read back past the caches and compared ({}).",
        model.verified(),
        model.captures.len(),
        crate::config::units::show_size(bytes)
    ))?;
    for capture in model.captures.values().filter(|capture| !capture.is_verified()) {
        let (state, note) = (capture.state.to_lowercase().replace('_', " "), capture.note.as_deref());
        output.line(format!("  {} is {state}: {}", capture.name, note.unwrap_or("the time was up")))?;
    }
    if !owners_set || model.owners_missing > 0 {
        output.line(
            "Owners could not be set, because you are not root: on a real decoy that would be a tell.",
        )?;
    }
    next_steps(context, &args.dir, model)
}

fn next_steps(context: &Context, dir: &Path, model: &Model) -> CliResult<()> {
    let output = context.output;
    let program = program();
    let dir = shell_word(&dir.to_string_lossy());
    let heading = |text: &str| output.line(output.paint(crate::output::Tone::Strong, format!("\n{text}")));
    heading("Look at what they left:")?;
    output.line(format!("  ls -la --time-style=full-iso {dir}/decoys/files01/home/mkeller"))?;
    output.line(format!("  find {dir}/decoys -newer {dir}/verisim.toml -type f"))?;
    if let Some(capture) = model.captures.values().find(|capture| capture.is_verified()) {
        heading("Check the evidence yourself, without us:")?;
        let folder = shell_word(&capture.name);
        output.line(format!(
            "  (cd {dir}/vault/{folder} && sha256sum -c --quiet .verisim/checksums.sha256) && echo clean"
        ))?;
    }
    heading("And now:")?;
    let own = format!("{program} --config {dir}/verisim.toml");
    let steps = [
        (format!("{own} events --last 20"), "what happened, and why"),
        (format!("{own} plan"), "what they will do next"),
        (format!("{own} sync ls"), "the captures"),
        (format!("{own} doctor"), "what is missing"),
        (format!("{own} up"), "let it go on, until Ctrl-C"),
        (format!("{program} init"), "a configuration of your own"),
    ];
    let width = steps.iter().map(|(typed, _)| typed.len()).max().unwrap_or(0);
    steps.iter().try_for_each(|(typed, what)| {
        output.line(format!(
            "  {typed:<width$}  {}",
            output.paint(crate::output::Tone::Faint, format!("# {what}"))
        ))
    })
}

/// How this program was called, so that what is printed can be typed.
#[expect(clippy::disallowed_methods, reason = "the binary reads its own name")]
fn program() -> String {
    let name = std::env::args().next().unwrap_or_default();
    shell_word(if name.is_empty() { "verisim" } else { &name })
}

/// Text as one word of a shell.
fn shell_word(text: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '~' | ':' | '@');
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Whether somebody asked for the end, or the time is up.
fn is_over(stop: &CancellationToken, elapsed: Duration, length: Option<Duration>, done: bool) -> bool {
    let late = length.is_some_and(|length| elapsed >= length + if done { Duration::ZERO } else { GRACE });
    stop.is_cancelled() || late
}

/// An error of the demonstration's own folder.
fn trouble(what: &str, path: &Path, error: &std::io::Error) -> CliError {
    CliError::io(Exit::Failed, what, path, error)
}

impl Stage {
    /// Counts the files that are there already.
    async fn count(&self, model: &mut Model) -> CliResult<()> {
        let mut after = None;
        loop {
            let page = self.here.store.ledger_scan(after, 1000).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some((last.decoy.clone(), last.path.clone()));
            page.iter().for_each(|entry| model.count_file(entry.decoy.as_str()));
        }
    }
}
