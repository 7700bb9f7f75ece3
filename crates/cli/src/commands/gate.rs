//! The gate before a capture: what holds it, and what a person decides about that (`verisim sync override`).

use verisim_core::{GateOverride, JobId, RuleFindings, Severity, SyncProgress, printable};
use verisim_engine::control::{GateDecision, JobView, Request};

use crate::args::SyncOverrideArgs;
use crate::context::Context;
use crate::error::CliResult;
use crate::output::{Output, Tone};
use crate::render::table::counted;
use crate::render::time;

/// Whether a capture waits because its gate holds it.
pub(super) fn is_held(job: &JobView) -> bool {
    let holds = |progress: &SyncProgress| {
        progress.gate.as_ref().is_some_and(|report| !report.is_clear(&progress.overrides))
    };
    job.state == "WAITING" && job.progress.as_ref().is_some_and(holds)
}

/// Decides about what a capture's gate found.
pub(super) async fn decide(context: &Context, args: &SyncOverrideArgs) -> CliResult {
    let decision = GateDecision {
        job: JobId(args.job),
        rule: args.rule.clone(),
        reason: args.reason.clone(),
        by: crate::tools::who(args.by.as_deref()),
        revoke: args.revoke,
    };
    super::sync::change(context, context.config()?, Request::Gate(decision)).await
}

/// Prints what a capture's gate found, with how to mend it, and who decided what about that.
pub(super) fn show_gate(output: Output, progress: &SyncProgress) -> CliResult<()> {
    let line = |name: &str, told: String| output.line(format!("{:8}{name:<10} {told}", ""));
    for found in progress.gate.iter().flat_map(|report| &report.found) {
        let state = match found {
            found if found.hard_total == 0 => output.paint(Tone::Warn, "warns"),
            found if progress.overrides.iter().any(|given| given.covers(found)) => {
                output.paint(Tone::Warn, "overridden")
            }
            _ => output.paint(Tone::Bad, "holds it"),
        };
        line("gate", format!("{}  {state}: {}", output.paint(Tone::Strong, &found.rule), totals(found)))?;
        for finding in &found.findings {
            let path = finding.path.as_ref().map_or_else(String::new, |path| format!("{} ", printable(path)));
            let weight = if finding.severity == Severity::Warning { "warning: " } else { "" };
            line("", format!("  {weight}{path}{}", printable(&finding.what)))?;
            line("", format!("    {} {}", output.paint(Tone::Faint, "mend:"), printable(&finding.mend)))?;
        }
        let kept = u64::try_from(found.findings.len()).unwrap_or(u64::MAX);
        let more = (found.hard_total + found.warnings_total).saturating_sub(kept);
        if more > 0 {
            line("", format!("  and {more} more"))?;
        }
    }
    for given in &progress.overrides {
        let GateOverride { rule, by, reason, at, .. } = given;
        line("override", format!("{} {rule} by {}: {}", time::utc(*at), printable(by), printable(reason)))?;
        if let Some(back) = &given.revoked {
            let (by, reason) = (printable(&back.by), printable(&back.reason));
            line("", format!("  revoked {} by {by}: {reason}", time::utc(back.at)))?;
        }
    }
    Ok(())
}

fn totals(found: &RuleFindings) -> String {
    let hard = (found.hard_total > 0).then(|| counted(found.hard_total, "finding"));
    let warnings = (found.warnings_total > 0).then(|| counted(found.warnings_total, "warning"));
    hard.into_iter().chain(warnings).collect::<Vec<_>>().join(", ")
}
