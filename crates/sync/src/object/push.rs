//! One push: look, refuse what must be refused, send what is not there yet, look again.

use std::collections::HashMap;
use std::sync::Arc;

use verisim_core::{
    CancellationToken, Capture, Failure, FailureKind, Inventory, PushOptions, Pushed, Remote, ToolOutput,
};

use super::ObjectTransport;
use super::far::Far;
use super::names::refused;
use super::options::Store;
use super::pieces::{Pieces, sweep};
use super::problem::{changing, failed};
use super::sending::Sending;
use crate::bandwidth::{Bucket, Level};
use crate::blocking::blocking;
use crate::native::folder;
use crate::native::partial::partial_name;
use crate::reading::{Content, Reader, WHOLE_BYTES_MAX, channel};
use crate::special::remark_on_folders;
use crate::tool::Local;
use crate::tree::{Item, Kind};

pub(super) const OPERATION: &str = "object.push";
/// How many names a refusal tells.
const NAMES_MAX: usize = 5;

/// Pushes the capture.
pub(super) async fn push(
    transport: &ObjectTransport,
    capture: &Capture,
    to: &Remote,
    options: &PushOptions,
) -> Result<Pushed, Failure> {
    let cancel = options.cancel.child_token();
    let _end_when_dropped = cancel.clone().drop_guard();
    let mut local = {
        let about = transport.options.to_string();
        let (capture, to, options, cancel) = (capture.clone(), to.clone(), options.clone(), cancel.clone());
        blocking(OPERATION, move || Local::open(&capture, &to, &about, options, cancel, OPERATION)).await?
    };
    let far = transport.far(Some(transport.pace(options, &cancel, false)), OPERATION)?;
    let items = local.items();
    let has_folders = far.options.store.has_folders();
    require_names(&far.folder(to), &far.options.store, &items)?;
    require_listed(&far, &items).await?;
    transport.claim(&far, to, &cancel).await?;
    // Where there was no marker to be listed before, there is one now.
    require_listed(&far, &items).await?;
    put_aside(&far, to, &local).await?;
    if has_folders {
        make_folders(&far, to, &items).await?;
    }
    let mut positions = local.positions();
    let size = |at: &usize| items.get(*at).map_or(0, |item| item.stamp.size);
    // Large files one by one, the longest first; small ones by directory.
    positions.sort_by_key(|at| std::cmp::Reverse(size(at).max(WHOLE_BYTES_MAX - 1)));
    let kept = kept(&far, to, &local, &positions).await?;
    let bytes: u64 = positions.iter().map(size).sum();
    local.require_room(bytes.saturating_sub(kept.values().sum()), None)?;
    let (sent, has_pieces) = send(transport, &far, (to, positions, kept), &mut local, &cancel).await?;
    let gauge = local.gauge();
    let (local, (listed, mut remarks)) =
        blocking(OPERATION, move || local.special().map(|special| (local, special))).await?;
    if !has_folders {
        remarks.extend(remark_on_folders(&items));
    }
    if !listed.is_empty() {
        let path = far.within(to, folder::SPECIAL.as_bytes());
        far.put(&path, Content::Bytes(listed), OPERATION).await?;
    }
    let local = blocking(OPERATION, move || local.require_unchanged().map(|()| local)).await?;
    if has_pieces {
        let swept = sweep(&far, to).await;
        swept.map_err(|error| changing(OPERATION, "removing pieces that were joined", &error))?;
    }
    gauge.end();
    let output = ToolOutput::default();
    blocking(OPERATION, move || local.finish(sent, remarks, output)).await
}

/// Refuses by name what would be stored under another one, before anything is sent.
fn require_names(folder: &str, store: &Store, items: &[Item]) -> Result<(), Failure> {
    let (has_folders, is_azure) = (store.has_folders(), matches!(store, Store::Azblob { .. }));
    require(items, |item| match item.kind {
        Kind::File => refused(folder, item.path.as_bytes(), is_azure),
        // The name of a folder has an end that shows.
        Kind::Directory if has_folders => refused(folder, &[item.path.as_bytes(), b"/"].concat(), is_azure),
        Kind::Directory | Kind::Symlink | Kind::Other(_) => None,
    })
}

/// Refuses by name what a server does not show: nobody could say that it is there.
async fn require_listed(far: &Far, items: &[Item]) -> Result<(), Failure> {
    const WHY: &str = "the server does not list names that begin with a dot";
    let is_dotted =
        |item: &Item| item.kind == Kind::File && item.path.components().any(|name| name.starts_with(b"."));
    if !far.options.store.has_folders() || !items.iter().any(is_dotted) {
        return Ok(());
    }
    let lists = far.lists_dots().await;
    let lists = lists.map_err(|error| failed(OPERATION, "listing the destination's root", &error))?;
    match lists {
        Some(false) => require(items, |item| is_dotted(item).then_some(WHY)),
        _ => Ok(()),
    }
}

fn require(items: &[Item], why: impl Fn(&Item) -> Option<&'static str>) -> Result<(), Failure> {
    let bad: Vec<(&Item, &str)> = items.iter().filter_map(|item| Some((item, why(item)?))).collect();
    let Some((_, why)) = bad.first() else { return Ok(()) };
    let names: Vec<String> = bad.iter().take(NAMES_MAX).map(|(item, _)| item.path.to_string()).collect();
    let more = if bad.len() > names.len() {
        format!(" and {} more", bad.len() - names.len())
    } else {
        String::new()
    };
    let what = format_args!(
        "a store of objects does not keep these under their own names, the first because {why}: {}{more}",
        names.join(", ")
    );
    Err(Failure::new(FailureKind::Unsupported, OPERATION, what))
}

/// What an earlier push sent and is something else now is put aside, never lost.
async fn put_aside(far: &Far, to: &Remote, local: &Local) -> Result<(), Failure> {
    for (path, done) in local.gone() {
        let sha256 = done.sha256.to_string();
        let short = sha256.split_at_checked(16).map_or(sha256.as_str(), |(short, _)| short);
        let kept = format!("{}-{short}", partial_name(path));
        let put = far.put_aside(to, (path, &kept)).await;
        put.map_err(|error| changing(OPERATION, &format!("putting {path} aside"), &error))?;
    }
    Ok(())
}

/// How much of which file is there already, in pieces of an attempt that was cut off.
async fn kept(
    far: &Far,
    to: &Remote,
    local: &Local,
    positions: &[usize],
) -> Result<HashMap<usize, u64>, Failure> {
    let (items, mut kept) = (local.items(), HashMap::new());
    for at in positions {
        let begun = items.get(*at).filter(|item| local.is_begun_from(item));
        let Some((item, pieces)) = begun.and_then(|item| Some((item, Pieces::of(far, to, item)?))) else {
            continue;
        };
        let found = pieces.kept(far).await;
        let found = found
            .map_err(|error| changing(OPERATION, &format!("asking for pieces of {}", item.path), &error))?;
        if found > 0 {
            kept.insert(*at, found);
        }
    }
    Ok(kept)
}

async fn make_folders(far: &Far, to: &Remote, items: &[Item]) -> Result<(), Failure> {
    for item in items.iter().filter(|item| item.kind == Kind::Directory) {
        let path = format!("{}/", far.within(to, item.path.as_bytes()));
        let made = far.store.create_dir(&path).await;
        made.map_err(|error| changing(OPERATION, &format!("making the folder {}", item.path), &error))?;
    }
    Ok(())
}

/// Reads and sends, side by side. Both have ended when it returns.
async fn send(
    transport: &ObjectTransport,
    far: &Far,
    (to, positions, kept): (&Remote, Vec<usize>, HashMap<usize, u64>),
    local: &mut Local,
    cancel: &CancellationToken,
) -> Result<(Inventory, bool), Failure> {
    let stop = cancel.child_token();
    let reader = Reader {
        source: local.source(),
        items: local.items(),
        kept: kept.clone(),
        // What is sent waits for the bandwidth where it leaves this machine.
        bucket: Bucket::new(None, Arc::clone(&transport.clock), Level::default()),
        cancel: stop.clone(),
        operation: OPERATION,
    };
    let (out, taken) = channel();
    let mut sending = Sending::new(far, to, local.gauge(), kept);
    let reading = blocking(OPERATION, move || reader.run(&positions, &out));
    let sent = async {
        let sent = sending.run(local, taken).await;
        stop.cancel();
        sent
    };
    match tokio::join!(reading, sent) {
        _ if cancel.is_cancelled() => Err(Failure::new(FailureKind::Cancelled, OPERATION, "stopped")),
        (_, Err(failure)) | (Err(failure), Ok(())) => Err(failure),
        (Ok(()), Ok(())) => Ok((sending.tally.sent(), sending.has_pieces)),
    }
}
