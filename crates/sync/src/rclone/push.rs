//! One push.

use std::collections::HashMap;
use std::ffi::OsString;

use tokio::sync::watch;
use verisim_core::{
    BandwidthLimit, CancellationToken, Capture, Failure, FailureKind, Inventory, PushOptions, RelPath,
    Remote, ToolOutput, TransportError, TransportResult,
};
use verisim_sys::Ended;

use super::call::Call;
use super::far::{below, write_list};
use super::there::There;
use super::{RcloneTransport, folders, other};
use crate::blocking::blocking;
use crate::errno::{Side, failure};
use crate::explain::{Tool, ToolOperation};
use crate::native::folder;
use crate::special::remark_on_folders;
use crate::stopping::unless_stopped;
use crate::tool::{Gauge, Local, Look, Lot, Share, claim, ended};
use crate::tree::{Item, Kind};

pub(super) const OPERATION: &str = "rclone.push";
/// What rclone reads: the very directory in which it was started, whatever bears its name by now.
pub(super) const HERE: &str = "/proc/self/cwd";
/// What is to be sent, in the work folder.
const LIST: &str = "list";
/// What is no regular file, in the work folder.
const SPECIAL: &str = "special.jsonl";
/// How many names a refusal tells.
const NAMES_MAX: usize = 5;

/// Pushes the capture.
pub(super) async fn push(
    transport: &RcloneTransport,
    capture: &Capture,
    to: &Remote,
    options: &PushOptions,
) -> TransportResult {
    let cancel = options.cancel.child_token();
    let _end_when_dropped = cancel.clone().drop_guard();
    let far = &transport.far;
    far.rclone.require_tool(OPERATION)?;
    let local = {
        let about = far.to_string();
        let (capture, to, options, cancel) = (capture.clone(), to.clone(), options.clone(), cancel.clone());
        blocking(OPERATION, move || Local::open(&capture, &to, &about, options, cancel, OPERATION)).await?
    };
    let there = transport.there(&cancel).await?;
    require_names(&there, far, &to.path, &local.items())?;
    let is_new = claim_there(transport, &there, to, &cancel).await?;
    local.require_space(far.free_bytes(&there, &cancel).await)?;
    let local = blocking(OPERATION, move || {
        let mut local = local;
        local.hash().map(|()| local)
    })
    .await?;
    let wanted: Vec<RelPath> =
        local.items().iter().filter(|item| item.kind == Kind::Directory).map(path_of).collect();
    folders::make(far, &there, (to, &options.work_dir), &wanted, &cancel).await?;
    let mut sending = Sending {
        transport,
        there: &there,
        to,
        is_new,
        bandwidth: options.bandwidth.clone(),
        cancel: &cancel,
        sent: Inventory::default(),
        output: ToolOutput::default(),
    };
    let gauge = local.gauge();
    gauge.sent(Inventory::default());
    let local = match sending.all(&local, &gauge).await {
        Ok(()) => local,
        Err(error) => {
            local.note_sent(sending.sent.bytes);
            return Err(reason(local, error).await);
        }
    };
    let (sent, output) = (sending.sent, sending.output);
    let (listed, mut remarks) = local.special()?;
    if !there.has_folders {
        remarks.extend(remark_on_folders(&local.items()));
    }
    if !listed.is_empty() {
        let file = options.work_dir.join(SPECIAL);
        let written = crate::private::write(&file, &listed);
        written.map_err(|error| failure(Side::State, OPERATION, "listing links", &error))?;
        far.put(&there, &file, &below(to.path.as_bytes(), folder::SPECIAL), OPERATION, &cancel).await?;
    }
    if let Some(hash) = far.rclone.options.hash.as_deref().filter(|hash| there.knows(hash)) {
        other::note(&far.rclone, &there, &local, hash, &cancel).await?;
    }
    let local = blocking(OPERATION, move || local.require_unchanged().map(|()| local)).await?;
    gauge.end();
    Ok(blocking(OPERATION, move || local.finish(sent, remarks, output)).await?)
}

fn path_of(item: &Item) -> RelPath {
    item.path.clone()
}

/// What rclone says of a capture that changes under it may be anything: what really happened is found out by looking.
async fn reason(local: Local, error: TransportError) -> TransportError {
    let is_vague =
        matches!(error.failure.kind, FailureKind::Config | FailureKind::Unknown | FailureKind::NotFound);
    if !is_vague {
        return error;
    }
    match blocking(OPERATION, move || local.require_unchanged()).await {
        Err(failure) if matches!(failure.kind, FailureKind::SourceChanged | FailureKind::SourceVanished) => {
            TransportError { failure, output: error.output }
        }
        _ => error,
    }
}

/// Refuses by name what would be stored under another one, before anything is sent.
fn require_names(there: &There, far: &super::far::Far, to: &RelPath, items: &[Item]) -> Result<(), Failure> {
    let fits = |name: &[u8]| there.naming.carries(name) && there.here.carries(name);
    let mut bad: Vec<String> = Vec::new();
    let mut total = 0_usize;
    let mut refuse = |shown: String| {
        total += 1;
        if bad.len() < NAMES_MAX {
            bad.push(shown);
        }
    };
    if !to.components().all(|name| there.naming.carries(name)) {
        refuse(format!("{to} (the folder there)"));
    }
    let mut folded: HashMap<String, &RelPath> = HashMap::new();
    for item in items.iter().filter(|item| matches!(item.kind, Kind::File | Kind::Directory)) {
        if !item.path.components().next_back().is_none_or(fits) {
            refuse(item.path.to_string());
        } else if there.ignores_case {
            let key = String::from_utf8_lossy(item.path.as_bytes()).to_lowercase();
            if let Some(other) = folded.insert(key, &item.path) {
                refuse(format!("{} (like {other} there)", item.path));
            }
        }
    }
    if total == 0 {
        return Ok(());
    }
    let more = if total > bad.len() { format!(" and {} more", total - bad.len()) } else { String::new() };
    let what = format_args!(
        "rclone would store under other names, at {far}: {}{more}; nothing was sent: rename them, or use another transport",
        bad.join(", ")
    );
    Err(Failure::new(FailureKind::Unsupported, OPERATION, what))
}

/// Makes sure that the folder there is ours; nothing is changed there before that is so. Whether it was claimed just now.
async fn claim_there(
    transport: &RcloneTransport,
    there: &There,
    to: &Remote,
    cancel: &CancellationToken,
) -> Result<bool, TransportError> {
    let (far, known) = (&*transport.far, &transport.known);
    // What is there, whether the destination has its marker, and whether the folder has our owner.
    let look = async || -> Result<(Look, bool, bool), TransportError> {
        let look = far.look(there, (to, false), OPERATION, cancel).await?;
        let is_known = known.judge(far, look.marker.as_deref())?;
        let is_claimed = claim(&look, to, OPERATION)?;
        Ok((look, is_known, is_claimed))
    };
    if let (_, true, true) = look().await? {
        return Ok(false);
    }
    let claiming = async { Ok::<_, Failure>(transport.claiming.lock().await) };
    let _one_at_a_time = unless_stopped(cancel, OPERATION, claiming).await?;
    // Another push may have marked the destination meanwhile.
    let (before, is_known, is_claimed) = look().await?;
    if is_known && is_claimed {
        return Ok(false);
    }
    far.claim(there, to, (&before, known.fresh()), cancel).await?;
    // Somebody else may have been faster, here or at the destination's root.
    if let (_, _, true) = look().await? {
        return Ok(before.owner.is_none());
    }
    let what = format_args!("{} has no owner although it was claimed just now", to.path);
    Err(Failure::new(FailureKind::Unknown, OPERATION, what).into())
}

/// Everything that the runs of rclone share.
struct Sending<'a> {
    transport: &'a RcloneTransport,
    there: &'a There,
    to: &'a Remote,
    /// Nothing was sent there before.
    is_new: bool,
    bandwidth: Option<watch::Receiver<Option<BandwidthLimit>>>,
    cancel: &'a CancellationToken,
    sent: Inventory,
    output: ToolOutput,
}

impl Sending<'_> {
    /// Sends files, then what is forced.
    async fn all(&mut self, local: &Local, gauge: &Gauge) -> Result<(), TransportError> {
        let mut share = self.transport.shares.take(self.bandwidth.clone());
        for lot in [Lot::Plain, Lot::Forced] {
            if local.todo(lot).next().is_some() {
                self.lot(local, lot, gauge, &mut share).await?;
                self.place(local, lot).await?;
            }
        }
        Ok(())
    }

    /// Runs rclone until it has sent everything, beginning anew whenever another rate holds: what is whole is not sent again.
    async fn lot(
        &mut self,
        local: &Local,
        lot: Lot,
        gauge: &Gauge,
        share: &mut Share,
    ) -> Result<(), TransportError> {
        let mut is_first = self.is_new;
        loop {
            let rate = share.now();
            let call = self.copying(local, lot, rate, is_first)?;
            let stop = self.cancel.child_token();
            let rclone = &self.transport.far.rclone;
            let run = rclone.copy(call, (Some(gauge.clone()), self.sent), OPERATION, &stop);
            let (copied, begins_anew) = share.run_at(rate, &stop, run).await;
            let copied = copied?;
            // What goes aside counts as sent with some, and is not.
            let most = local.amount(lot);
            self.sent.files = self.sent.files.saturating_add(copied.sent.files.min(most.files));
            self.sent.bytes = self.sent.bytes.saturating_add(copied.sent.bytes.min(most.bytes));
            if begins_anew && copied.ran.ended == Ended::Cancelled && !self.cancel.is_cancelled() {
                is_first = false;
                continue;
            }
            let judged = |free| ended(&copied.ran, Tool::Rclone, ToolOperation::Push, OPERATION, free);
            self.output = match judged(None) {
                Err(error) if error.failure.kind == FailureKind::Unknown => {
                    // A server that says no more than "failure" may be full.
                    judged(self.transport.far.free_bytes(self.there, self.cancel).await)?
                }
                done => done?,
            };
            return Ok(());
        }
    }

    /// The run that sends.
    fn copying(
        &self,
        local: &Local,
        lot: Lot,
        rate: Option<u64>,
        is_first: bool,
    ) -> Result<Call, TransportError> {
        let far = &self.transport.far;
        let folder = self.to.path.as_bytes();
        let target = if self.there.is_staged { far.stage(folder) } else { folder.to_vec() };
        let mut call = Call::new([OsString::from("copy"), HERE.into(), far.place(&target)])
            .args(self.there.arguments())
            // What arrived is verified by us, whatever hashes a remote knows.
            .args(["--ignore-checksum", "--error-on-no-transfer"]);
        call = match (lot, self.there.keeps_times) {
            (Lot::Plain, true) if is_first => call.args(["--no-check-dest"]),
            (Lot::Plain, true) if self.there.is_staged => {
                call.args([OsString::from("--compare-dest"), far.place(folder)])
            }
            (Lot::Plain, true) => call,
            (Lot::Plain, false) | (Lot::Forced, _) => call.args(["--ignore-times"]),
        };
        if !self.there.is_staged {
            call = call.args(self.aside(lot));
        }
        call = call.args(rate.map(|rate| format!("--bwlimit={rate}B")));
        call = call.list(self.list(local, lot)?);
        call.folder = Some(local.folder());
        call.is_long = true;
        Ok(call)
    }

    fn list(&self, local: &Local, lot: Lot) -> Result<std::fs::File, Failure> {
        let paths = local.todo(lot).map(|item| item.path.as_bytes());
        write_list(&local.work_dir().join(LIST), paths)
            .map_err(|error| failure(Side::State, OPERATION, "writing the list for rclone", &error))
    }

    /// Where what an earlier push sent goes, and is not kept otherwise; what is damaged is not worth keeping.
    fn aside(&self, lot: Lot) -> Vec<OsString> {
        if lot == Lot::Forced || self.is_new || !self.there.moves {
            return Vec::new();
        }
        let aside = below(self.to.path.as_bytes(), folder::ASIDE);
        vec!["--backup-dir".into(), self.transport.far.place(&aside)]
    }

    /// Gives what was sent its names.
    async fn place(&self, local: &Local, lot: Lot) -> Result<(), TransportError> {
        if !self.there.is_staged {
            return Ok(());
        }
        let far = &self.transport.far;
        let folder = self.to.path.as_bytes();
        let stage = far.place(&far.stage(folder));
        let mut call = Call::new([OsString::from("move"), stage.clone(), far.place(folder)])
            .args(self.there.arguments())
            .args(["--ignore-times", "--ignore-checksum"])
            // A listing leaves links out, and one that stands in a file's place must be seen to be replaced.
            .args((!self.is_new).then_some("--no-traverse"))
            .args(self.aside(lot))
            .list(self.list(local, lot)?);
        call.is_long = true;
        far.rclone.carry(call, OPERATION, self.cancel).await?;
        // What is left is of earlier attempts, or empty; a stage that is not there is as good.
        let call = Call::new([OsString::from("purge"), stage]).args(self.there.arguments());
        match far.rclone.carry(call, OPERATION, self.cancel).await {
            Err(error) if error.failure.kind == FailureKind::Cancelled => Err(error),
            _ => Ok(()),
        }
    }
}
