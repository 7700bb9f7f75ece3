//! `verisim sync retry --all`: many captures tried again by one command.

use verisim_core::JobId;
use verisim_engine::control::{Answer, JobQuery, Request, RetryQuery};

use super::show::list;
use super::sync::captures;
use crate::access::Access;
use crate::args::SyncRetryArgs;
use crate::config::Config;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;

/// Has many captures tried again, and says how many. That there are none is no failure.
pub(super) async fn retry_all(context: &Context, config: Config, args: &SyncRetryArgs) -> CliResult {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        count: usize,
        jobs: &'a [JobId],
        /// Destinations that are away, and were asked at once whether they are back.
        asked: &'a [String],
    }
    require_known(&config, args)?;
    let mut access = Access::open(context, config).await?;
    let mut query = RetryQuery {
        states: args.states.clone(),
        destination: args.destination.clone(),
        rule: args.rule.clone(),
        before: None,
    };
    let (mut retried, mut away) = (Vec::new(), Vec::new());
    loop {
        let Answer::Retried { jobs, next, asked } = access.ask(Request::RetryAll(query.clone())).await?
        else {
            return Err(CliError::new(
                Exit::Failed,
                "the daemon answered something else than what was asked",
            ));
        };
        retried.extend(jobs);
        away.extend(asked.iter().map(|lane| lane.0.trim_start_matches("destination/").to_owned()));
        query.before = next;
        if next.is_none() {
            break;
        }
    }
    retried.sort_unstable();
    let blocked = match retried.is_empty() && args.states.is_empty() {
        true => list(&mut access, JobQuery { states: vec!["BLOCKED".to_owned()], ..captures() }).await?.len(),
        false => 0,
    };
    let output = context.output;
    if output.json {
        output.typed("retried", &Line { count: retried.len(), jobs: &retried, asked: &away })?;
    } else {
        if away.is_empty() || !retried.is_empty() {
            output.line(told(retried.len(), blocked, &args.states))?;
        }
        if !away.is_empty() {
            let names = away.join(", ");
            output.line(format!(
                "{names}: away, and asked now whether it is back; what waits for it goes on then"
            ))?;
        }
    }
    if !retried.is_empty() && matches!(access, Access::Here(_)) {
        output.say("no daemon runs; `verisim sync watch` or `verisim up` goes on with them");
    }
    Ok(Exit::Done)
}

fn told(retried: usize, blocked: usize, states: &[String]) -> String {
    match retried {
        0 if blocked > 0 => format!(
            "no capture of these is failed; nothing is tried again. Blocked: {blocked}; they are looked at by themselves, and at \
             once with --in blocked"
        ),
        0 if states.is_empty() => "no capture of these is failed; nothing is tried again".to_owned(),
        0 => format!("no capture of these is {}; nothing is tried again", states.join(" or ")),
        1 => "1 capture is tried again".to_owned(),
        count => format!("{count} captures are tried again"),
    }
}

/// Fails where the destination or the rule is none.
fn require_known(config: &Config, args: &SyncRetryArgs) -> CliResult<()> {
    let unknown = |what: &str, name: &str, known: Vec<&str>| {
        let error = CliError::new(Exit::Usage, format!("no {what} is called {name}"));
        Err(error.hint(format!("there are: {}", known.join(", "))))
    };
    if let Some(name) = &args.destination
        && !config.destinations.iter().any(|destination| destination.name == *name)
    {
        let known = config.destinations.iter().map(|destination| destination.name.as_str()).collect();
        unknown("destination", name.as_str(), known)?;
    }
    if let Some(name) = &args.rule
        && !config.captures.iter().any(|rule| rule.name == *name)
    {
        unknown(
            "capture rule",
            name.as_str(),
            config.captures.iter().map(|rule| rule.name.as_str()).collect(),
        )?;
    }
    Ok(())
}
