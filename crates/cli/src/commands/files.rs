//! `verisim plant`, `read` and `rm`: one file of a decoy, by hand.

use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use verisim_core::{
    Action, ActivityDriver as _, Body, Connector, DecoyName, DecoyPath, FileClass, FileTimes, Owner,
    OwnerPolicy, PlantFile, RemoveFile, StatRequest,
};
use verisim_engine::control::{JobView, Request};

use crate::access::Access;
use crate::args::{PlantArgs, ReadArgs, RmArgs};
use crate::config::Config;
use crate::config::units::OwnerArg;
use crate::context::Context;
use crate::error::{CliError, CliResult, advice, show};
use crate::exit::Exit;
use crate::render;
use crate::wire::Wired;

/// How long the look before a plant may take at the least, also for who does not want to wait.
const LOOK_TIME_MIN: Duration = Duration::from_secs(1);
/// The largest file that is planted by hand: its content travels in the job row.
const PLANT_BYTES_MAX: u64 = 16 << 20;

/// Plants a file.
pub(super) async fn plant(context: &Context, args: &PlantArgs) -> CliResult {
    let config = context.config()?;
    let path = decoy_path(&args.path)?;
    let body = content(&args.file)?;
    let wired = Wired::new(config.clone(), context.clock());
    let member = wired.member(&args.decoy)?;
    let began = context.clock().monotonic();
    let look_max = args.wait.max(LOOK_TIME_MIN);
    let look = look(member.connector.as_ref(), args.owner.as_ref(), &path);
    let owner = tokio::time::timeout(look_max, look).await.map_err(|_| {
        let what =
            format!("{} did not say within {} s what is at {path}", args.decoy, look_max.as_secs_f64());
        CliError::new(Exit::Unreachable, what)
            .hint("nothing was queued; wait for longer with --wait, or ask `verisim doctor`")
    })??;
    let wait = args.wait.saturating_sub(context.clock().monotonic().saturating_sub(began));
    let action = Action::Plant(PlantFile {
        path,
        body: Body::from(body),
        class: FileClass::Manual,
        mode: args.mode,
        owner: OwnerPolicy::Set(owner),
        times: FileTimes::Live,
    });
    carry_out(context, config, &args.decoy, action, wait).await
}

/// Whose the file shall be, once it is certain that nothing stands there: where something does nobody has tampered, and the
/// wish is refused before it becomes a job.
async fn look(connector: &dyn Connector, asked: Option<&OwnerArg>, path: &DecoyPath) -> CliResult<Owner> {
    if connector.stat(path, StatRequest::Plain).await?.is_some() {
        let what = format!("{path} is there already, and nothing is ever overwritten");
        return Err(CliError::new(Exit::Failed, what)
            .hint("plant under another name; `verisim ledger` says what is known of this one"));
    }
    owner(connector, asked, path).await
}

/// Removes a file.
pub(super) async fn rm(context: &Context, args: &RmArgs) -> CliResult {
    let config = context.config()?;
    let path = decoy_path(&args.path)?;
    Wired::new(config.clone(), context.clock()).member(&args.decoy)?;
    carry_out(context, config, &args.decoy, Action::Remove(RemoveFile { path }), args.wait).await
}

/// Prints a file. Reading changes nothing, so it asks neither daemon nor store.
pub(super) async fn read(context: &Context, args: &ReadArgs) -> CliResult {
    let wired = Wired::new(context.config()?, context.clock());
    let member = wired.member(&args.decoy)?;
    let path = decoy_path(&args.path)?;
    let limit = verisim_core::ByteCount(args.limit.0.saturating_add(1));
    let mut bytes = wired.driver.read_file(&member.decoy, &path, limit).await?;
    let cut = bytes.len() as u64 > args.limit.0;
    if cut {
        bytes.truncate(usize::try_from(args.limit.0).unwrap_or(usize::MAX));
    }
    if context.output.json {
        #[derive(serde::Serialize)]
        struct Line<'a> {
            decoy: &'a DecoyName,
            path: &'a DecoyPath,
            bytes: usize,
            complete: bool,
            sha256: verisim_core::Digest,
            body: Body,
        }
        let sha256 = verisim_core::Digest::of(&bytes);
        let line = Line {
            decoy: &args.decoy,
            path: &path,
            bytes: bytes.len(),
            complete: !cut,
            sha256,
            body: Body::from(bytes),
        };
        context.output.typed("file", &line)?;
    } else if context.output.terminal {
        // A decoy's file may hold anything; a terminal gets it without its escape sequences.
        context.output.raw(tame(&bytes).as_bytes())?;
    } else {
        context.output.raw(&bytes)?;
    }
    if cut {
        context.output.say(format!("the file goes on; these are its first {} bytes (--limit)", args.limit.0));
    }
    Ok(Exit::Done)
}

/// Text as a terminal may get it: line ends and tabs stay, other control characters are escaped.
fn tame(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    if !out.ends_with('\n') && !out.is_empty() {
        out.push('\n');
    }
    out
}

pub(super) fn decoy_path(path: &OsStr) -> CliResult<DecoyPath> {
    DecoyPath::new(path.as_bytes()).map_err(|error| CliError::new(Exit::Usage, error))
}

/// The content to plant, from a file or the standard input.
fn content(file: &Path) -> CliResult<Vec<u8>> {
    let mut bytes = Vec::new();
    let trouble = |error: &std::io::Error| CliError::io(Exit::Failed, "cannot read", file, error);
    if file == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(PLANT_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| trouble(&error))?;
    } else {
        let open = std::fs::File::open(file).map_err(|error| trouble(&error))?;
        open.take(PLANT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| trouble(&error))?;
    }
    if bytes.len() as u64 > PLANT_BYTES_MAX {
        return Err(CliError::new(
            Exit::Usage,
            format!("{} is larger than 16 MiB, the most that is planted by hand", show(file)),
        ));
    }
    Ok(bytes)
}

/// Whose the file shall be: as asked for; else of the account in whose home it lies; else root's.
async fn owner(connector: &dyn Connector, asked: Option<&OwnerArg>, path: &DecoyPath) -> CliResult<Owner> {
    if let Some(OwnerArg::Numeric(owner)) = asked {
        return Ok(*owner);
    }
    let facts = connector.probe().await?;
    match asked {
        Some(OwnerArg::Login(login)) => {
            let account = facts.accounts.iter().find(|account| &account.login == login);
            account.map(|account| account.owner).ok_or_else(|| {
                CliError::new(Exit::Usage, format!("the decoy has no account {login:?}"))
                    .hint("give the owner as UID:GID")
            })
        }
        _ => {
            let lives_there = |home: &str| {
                DecoyPath::new(home).is_ok_and(|home| home != DecoyPath::root() && path.starts_with(&home))
            };
            let account = facts.accounts.iter().find(|account| lives_there(&account.home));
            Ok(account.map_or(Owner::ROOT, |account| account.owner))
        }
    }
}

/// Has an action done, by the daemon or here, and says what became of it.
async fn carry_out(
    context: &Context,
    config: Config,
    decoy: &DecoyName,
    action: Action,
    wait: Duration,
) -> CliResult {
    let mut access = Access::open(context, config).await?;
    let before = access.last_event().await?;
    let request = Request::Act {
        token: crate::wire::random_token()?,
        decoy: decoy.clone(),
        action: Box::new(action),
        why: "by hand".into(),
        deadline: None,
    };
    let (id, _) = access.make(request).await?;
    let job = access.wait(context, id, wait).await?;
    let topic = format!("orchestrator.file.{decoy}");
    access
        .events(before, &topic, |event| match event.body.job {
            Some(job) if job == id => render::event::show(context.output, &event),
            _ => Ok(()),
        })
        .await?;
    verdict(&job)
}

fn verdict(job: &JobView) -> CliResult {
    let said = job.failure.as_ref().map_or_else(String::new, |(kind, detail)| format!(" ({kind}: {detail})"));
    let state = job.state.as_str();
    match state {
        "DONE" => Ok(Exit::Done),
        "TAMPERED" => Err(CliError::new(
            Exit::Found,
            "what is there is not what was left there; nothing was overwritten",
        )
        .hint("look at it with `verisim read`; the path is left alone until you decide: `verisim release`")),
        _ if job.rests => {
            let (exit, hint) = job.failure.as_ref().map_or((Exit::Failed, None), |(kind, _)| advice(*kind));
            let error = CliError::new(exit, format!("job {} is {state}{said}", job.id));
            Err(match hint {
                Some(hint) => error.hint(hint),
                None => error,
            })
        }
        _ => Err(CliError::new(Exit::Unreachable, format!("job {} is not done yet: {state}{said}", job.id))
            .hint("it stays in the queue: `verisim jobs` shows it, and `verisim up` goes on with it")),
    }
}
