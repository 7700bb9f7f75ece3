//! `verisim audit`: the adversary who tries to tell that a host is a decoy.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use verisim_audit::simulation::{self, Simulated};
use verisim_audit::{Coherence, Evidence, Finding, Options, Report, Verdict, coherence, collect, judge_all};
use verisim_connect::RootfsConnector;
use verisim_core::{Connector, DecoyPath, Timestamp, printable};

use crate::args::AuditArgs;
use crate::context::{Context, absolute};
use crate::error::{CliError, CliResult, show};
use crate::exit::Exit;
use crate::output::{Output, Tone, terminal_width};
use crate::render::table::{counted, wrap};
use crate::render::time;
use crate::wire::Wired;

/// How wide the text is where no terminal says.
const WIDTH: usize = 110;
/// What weighs less is only counted, unless more is asked for.
const LIGHT_DB: f64 = 1.0;
/// The longest line of a simulation that is read, in bytes; a longer one is passed over, as no event.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Looks at decoys, folders and a simulation, and says what gives them away.
pub(super) async fn audit(context: &Context, args: &AuditArgs) -> CliResult {
    let mut options = Options::default();
    for path in &args.exclude {
        options.exclude.push(super::files::decoy_path(path)?);
    }
    let (evidence, mut worst) = look(context, args, &options).await?;
    let mut reports = judge_all(&evidence);
    if let Some(file) = &args.simulation {
        let simulated = read_simulation(file)?;
        if simulated.events() == 0 {
            let message = format!("{} has no event in it: there is nothing to judge", show(file));
            return Err(CliError::new(Exit::Failed, message)
                .hint("`verisim simulate --json` prints such events, one object a line; did it fail?"));
        }
        reports.push(simulation::judge(&show(file), &simulated));
    }
    for (place, report) in reports.iter().enumerate() {
        if context.output.json {
            context.output.typed("audit", report)?;
            continue;
        }
        let gap = if place > 0 { "\n" } else { "" };
        context.output.raw(format!("{gap}{}", shown(context, report)).as_bytes())?;
    }
    for (evidence, report) in evidence.iter().zip(&reports).filter(|_| args.strict) {
        let joined = coherence(evidence);
        if worst == Exit::Done && !joined.is_whole() {
            worst = Exit::Found;
        }
        match context.output.json {
            true => context.output.typed("coherence", &Joined { name: &report.name, joined: &joined })?,
            false => context.output.raw(contradictions(&report.name, &joined).as_bytes())?,
        }
    }
    if worst == Exit::Done && reports.iter().any(|report| report.score < args.min_score) {
        worst = Exit::Found;
    }
    Ok(worst)
}

#[derive(serde::Serialize)]
struct Joined<'a> {
    name: &'a str,
    #[serde(flatten)]
    joined: &'a Coherence,
}

/// So many contradictions of a kind are shown.
const CONTRADICTIONS_MAX: usize = 20;

/// Every contradiction by name.
fn contradictions(name: &str, joined: &Coherence) -> String {
    let mut out = format!("\n{name}: files, logins, logs and histories\n");
    let edits = |outside: &[(DecoyPath, Timestamp)]| -> Vec<String> {
        outside.iter().map(|(path, at)| format!("{path}, changed {}", time::utc(*at))).collect()
    };
    let typed = joined.unknown.iter().map(|(path, text)| format!("{path}: {}", printable(text))).collect();
    let kinds: [(&str, usize, Vec<String>); 3] = [
        ("edits that lie in no session of wtmp", joined.edits_in_wtmp, edits(&joined.outside_wtmp)),
        ("edits that lie in no session of the logs", joined.edits_in_logs, edits(&joined.outside_logs)),
        ("names in histories of what is not there and never went", joined.names, typed),
    ];
    for (what, all, wrong) in kinds {
        let _ = writeln!(out, "  {} of {all} {what}", wrong.len());
        for one in wrong.iter().take(CONTRADICTIONS_MAX) {
            let _ = writeln!(out, "    {one}");
        }
        if wrong.len() > CONTRADICTIONS_MAX {
            let _ = writeln!(out, "    .. and {} more", wrong.len() - CONTRADICTIONS_MAX);
        }
    }
    out
}

/// Reads every decoy and folder. One that cannot be reached is told, and does not keep the others from being judged.
async fn look(
    context: &Context,
    args: &AuditArgs,
    options: &Options,
) -> Result<(Vec<Evidence>, Exit), CliError> {
    let mut targets: Vec<(String, std::sync::Arc<dyn Connector>)> = Vec::new();
    for dir in &args.dirs {
        let connector = RootfsConnector::new(absolute(dir)?, context.clock());
        targets.push((show(dir), std::sync::Arc::new(connector)));
    }
    if !args.decoys.is_empty() || (args.dirs.is_empty() && args.simulation.is_none()) {
        let wired = Wired::reach(context.config()?, context.clock()).await;
        let mut names = args.decoys.clone();
        if names.is_empty() {
            names.extend(wired.config.decoys.iter().map(|decoy| decoy.name.clone()));
        }
        if names.is_empty() {
            return Err(CliError::new(Exit::Usage, "there is no decoy to look at")
                .hint("name a folder with --dir, or a simulation with --simulation"));
        }
        for name in names {
            let member = wired.member(&name)?;
            targets.push((name.to_string(), member.connector));
        }
    }
    let (mut found, mut worst) = (Vec::new(), Exit::Done);
    for (name, connector) in targets {
        if !connector.capabilities().quiet_reads {
            context.output.say(format!(
                "{name}: what is read there gets a new time of its last read: no other way leads there"
            ));
        }
        match collect(&name, connector.as_ref(), context.now(), options).await {
            Ok(evidence) => found.push(evidence),
            Err(failure) => {
                let error = CliError::from(failure);
                worst = if error.exit == Exit::Failed { Exit::Unreachable } else { error.exit };
                context.output.error(&CliError { message: format!("{name}: {}", error.message), ..error });
            }
        }
    }
    Ok((found, worst))
}

fn read_simulation(file: &Path) -> Result<Simulated, CliError> {
    let trouble = |error: std::io::Error| CliError::io(Exit::Failed, "cannot read", file, &error);
    if file == Path::new("-") {
        return lines_of(std::io::stdin().lock()).map_err(trouble);
    }
    let open = std::fs::File::open(file).map_err(trouble)?;
    lines_of(BufReader::new(open)).map_err(trouble)
}

fn lines_of(mut input: impl BufRead) -> std::io::Result<Simulated> {
    let mut simulated = Simulated::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(simulated);
        }
        simulated.line(&line);
    }
}

/// A report for people: the score first, then what weighs most.
fn shown(context: &Context, report: &Report) -> String {
    let output = context.output;
    let least_db = if context.global.verbose > 0 { 0.0 } else { LIGHT_DB };
    let width = terminal_width(output).unwrap_or(WIDTH).clamp(50, 140);
    let (tone, words) = match report.verdict {
        Verdict::LivedIn => (Tone::Good, "lived in: nothing gives it away"),
        Verdict::Lifeless => (Tone::Warn, "lifeless: nobody ever lived there, which is empty, not fake"),
        Verdict::Doubtful => (Tone::Warn, "doubtful: some of it does not fit"),
        Verdict::Decoy => (Tone::Bad, "taken for a decoy"),
        Verdict::Unclear => (Tone::Warn, "unclear: too little to judge by"),
    };
    let mut out = format!(
        "{}  {}  {}\n",
        output.paint(Tone::Strong, &report.name),
        output.paint(tone, format!("{} of 100", report.score)),
        output.paint(tone, words)
    );
    let counts = format!(
        "confidence {:.0} %, by {} of people's files among {} entries",
        report.confidence * 100.0,
        report.personal,
        report.entries
    );
    let _ = writeln!(out, "{}", output.paint(Tone::Faint, counts));
    for finding in report.findings.iter().filter(|finding| finding.weight_db >= least_db) {
        out.push('\n');
        told(output, finding, width, &mut out);
    }
    let light = report.findings.iter().filter(|finding| finding.weight_db < least_db).count();
    if light > 0 {
        let more = format!("{} below {LIGHT_DB} dB; -v shows what", counted(light as u64, "finding"));
        let _ = writeln!(out, "\n{}", output.paint(Tone::Faint, more));
    }
    for left in &report.left_out {
        let _ = writeln!(out, "\n{}", output.paint(Tone::Faint, format!("not looked at: {left}")));
    }
    out
}

fn told(output: Output, finding: &Finding, width: usize, out: &mut String) {
    let tone = match finding.weight_db {
        w if w >= 8.0 => Tone::Bad,
        w if w >= 3.0 => Tone::Warn,
        _ => Tone::Faint,
    };
    let weight = output.paint(tone, format!("{:>5.1} dB", finding.weight_db));
    for (place, line) in wrap(&finding.what, width - 12).into_iter().enumerate() {
        let head = if place == 0 { weight.clone() } else { " ".repeat(8) };
        let _ = writeln!(out, "{head}  {}", output.paint(Tone::Strong, line));
    }
    let examples = finding.examples.join(", ");
    let tell = format!("{} (tell {})", finding.code, finding.tell);
    let rows = [
        ("such as", examples.as_str()),
        ("because", finding.explained.as_deref().unwrap_or_default()),
        ("mend", &finding.mend),
        ("name", &tell),
    ];
    // A command is copied from the screen: it stays on one line.
    let _ = writeln!(out, "{:10}{} {}", "", output.paint(Tone::Faint, "see     "), finding.see);
    for (name, text) in rows.into_iter().filter(|(_, text)| !text.is_empty()) {
        for (place, line) in wrap(text, width - 19).into_iter().enumerate() {
            let name = output.paint(Tone::Faint, format!("{:8}", if place == 0 { name } else { "" }));
            let _ = writeln!(out, "{:10}{name} {line}", "");
        }
    }
}
