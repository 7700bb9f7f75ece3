//! One push: look, refuse what must be refused, send what is not there yet, look again.

use std::sync::Arc;

use verisim_core::{
    CancellationToken, Capture, Failure, FailureKind, Inventory, PushOptions, Pushed, Remote, ToolOutput,
};

use super::directories::Looks;
use super::sending::Sending;
use super::{Line, SftpTransport};
use crate::bandwidth::Bucket;
use crate::blocking::blocking;
use crate::native::folder;
use crate::reading::{Content, Reader, WHOLE_BYTES_MAX, channel};
use crate::sending::note_kept;
use crate::stopping::unless_stopped;
use crate::tool::{Local, Tally};

const OPERATION: &str = "sftp.push";

/// Pushes the capture.
pub(super) async fn push(
    transport: &SftpTransport,
    capture: &Capture,
    to: &Remote,
    options: &PushOptions,
) -> Result<Pushed, Failure> {
    let cancel = options.cancel.child_token();
    let _end_when_dropped = cancel.clone().drop_guard();
    let target = &transport.options.target;
    let mut local = {
        let about = (transport.options.to_string(), target.port, target.user.clone());
        let (capture, to, options, cancel) = (capture.clone(), to.clone(), options.clone(), cancel.clone());
        blocking(OPERATION, move || Local::open(&capture, &to, &about, options, cancel, OPERATION)).await?
    };
    let line = unless_stopped(&cancel, OPERATION, transport.connect(OPERATION)).await?;
    if !line.sftp.extensions().posix_rename {
        let what = "the server cannot replace a file in one step: it has no posix-rename@openssh.com";
        return Err(Failure::new(FailureKind::Unsupported, OPERATION, what));
    }
    let there = transport.there(&line);
    let looks = Looks::new(there, to, Arc::clone(&transport.clock));
    let Plan { positions, sending, free_bytes } =
        unless_stopped(&cancel, OPERATION, prepare(transport, &line, &looks, &local)).await?;
    let items = local.items();
    // What has holes may take less than its size, and shows when it is written.
    let dense = positions.iter().filter_map(|at| items.get(*at)).filter(|item| !item.is_sparse());
    let bytes = dense.map(|item| item.stamp.size);
    local.require_room(bytes.sum::<u64>().saturating_sub(sending.kept.values().sum()), free_bytes)?;
    unless_stopped(&cancel, OPERATION, there.make_directories(to, &items)).await?;
    let sent = send(transport, (positions, sending), &mut local, options, &cancel).await?;
    let gauge = local.gauge();
    let (local, (listed, remarks)) =
        blocking(OPERATION, move || local.special().map(|special| (local, special))).await?;
    let ending = async {
        there.replace(to, folder::SPECIAL, Content::Bytes(listed), OPERATION).await?;
        there.dress_directories(to, &items).await
    };
    unless_stopped(&cancel, OPERATION, ending).await?;
    let local = blocking(OPERATION, move || local.require_unchanged().map(|()| local)).await?;
    let settling = async {
        let marker = there.root(OPERATION).await?.marker;
        let commands = transport.commands(&line, marker.as_deref(), OPERATION).await?;
        transport.settle(&line, &commands, &to.path, OPERATION).await
    };
    unless_stopped(&cancel, OPERATION, settling).await?;
    gauge.end();
    let output = ToolOutput::default();
    blocking(OPERATION, move || local.finish(sent, remarks, output)).await
}

/// What is to be sent.
struct Plan<'a> {
    /// Where among the items it stands, in the order in which it is sent.
    positions: Vec<usize>,
    sending: Sending<'a>,
    free_bytes: Option<u64>,
}

/// Makes the folder ours, and finds out what of the files is there already.
async fn prepare<'a>(
    transport: &SftpTransport,
    line: &Line,
    looks: &'a Looks<'a>,
    local: &Local,
) -> Result<Plan<'a>, Failure> {
    let look = transport.claim(line, looks.to).await?;
    looks.set_aside(local.gone()).await?;
    let mut positions = local.positions();
    let kept = looks.prepare_partial(local, &positions).await?;
    let items = local.items();
    // Large files one by one, the longest first; small ones by directory.
    let size = |at: &usize| items.get(*at).map_or(0, |item| item.stamp.size);
    positions.sort_unstable_by_key(|at| (std::cmp::Reverse(size(at).max(WHOLE_BYTES_MAX - 1)), *at));
    let sending = Sending { looks, tally: Tally::new(local.gauge()), kept };
    Ok(Plan { positions, sending, free_bytes: look.free_bytes })
}

/// Reads and sends, side by side. Both have ended when it returns.
async fn send(
    transport: &SftpTransport,
    (positions, mut sending): (Vec<usize>, Sending<'_>),
    local: &mut Local,
    options: &PushOptions,
    cancel: &CancellationToken,
) -> Result<Inventory, Failure> {
    let stop = cancel.child_token();
    let clock = Arc::clone(&transport.clock);
    let reader = Reader {
        source: local.source(),
        items: local.items(),
        kept: sending.kept.clone(),
        bucket: Bucket::new(options.bandwidth.clone(), clock, transport.level.clone()),
        cancel: stop.clone(),
        operation: OPERATION,
    };
    let (out, taken) = channel();
    sending.tally.tell(0);
    let reading = blocking(OPERATION, move || reader.run(&positions, &out));
    let sent = async {
        let sent = unless_stopped(cancel, OPERATION, sending.run(local, taken)).await;
        // The reader may wait for a bandwidth.
        stop.cancel();
        sent
    };
    let ended = match tokio::join!(reading, sent) {
        (_, Err(failure)) => Err(failure),
        // A reader that was at its end, and that was told to stop after that, has not failed.
        (Err(failure), Ok(())) => Err(failure),
        (Ok(()), Ok(())) => Ok(()),
    };
    // What lies there needs no room of the next attempt.
    ended.inspect_err(|_| note_kept(&options.work_dir, sending.tally.there_bytes()))?;
    Ok(sending.tally.sent())
}
