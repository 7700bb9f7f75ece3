//! One push.

use std::ffi::OsString;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::watch;
use verisim_core::{
    BandwidthLimit, CancellationToken, Capture, FailureKind, Inventory, PushOptions, Remote, ToolOutput,
    TransportError, TransportResult,
};
use verisim_sys::{Ended, Ran};

use super::far::{Rsync, Way, option};
use super::filter::Only;
use super::output::{Progress, Together};
use super::{RsyncTransport, filter, parts};
use crate::blocking::blocking;
use crate::errno::{Side, failure};
use crate::explain::{Tool, ToolOperation};
use crate::native::folder;
use crate::tool::{Gauge, Local, Look, Lot, Room, Share, claim, ended, output};

pub(super) const OPERATION: &str = "rsync_ssh.push";
/// Which files a run takes up, in the work folder; its number follows.
const RULES: &str = "rules";
/// What is no regular file, in the work folder.
const SPECIAL: &str = "special.jsonl";

/// What is asked of rsync for every file. Links, pipes and devices are not: it passes over them. Nothing is deleted, compressed
/// or written in place.
const ARGUMENTS: [&str; 10] = [
    "--from0",
    "--include-from=-",
    "--recursive",
    "--times",
    "--perms",
    // Set-id bits stay off in storage, and we must be able to read and replace what we wrote.
    "--chmod=Du+rwx,Fu+r,ug-s,o-t",
    "--info=progress2",
    "--out-format=%i %l %b",
    "--no-human-readable",
    "--outbuf=L",
];

/// Pushes the capture.
pub(super) async fn push(
    transport: &RsyncTransport,
    capture: &Capture,
    to: &Remote,
    options: &PushOptions,
) -> TransportResult {
    let cancel = options.cancel.child_token();
    let _end_when_dropped = cancel.clone().drop_guard();
    let far = &transport.far;
    far.require_tools()?;
    let stop = cancel.child_token();
    let local = {
        let about = (far.to_string(), far.options.port, far.options.user.clone());
        let (capture, to, options, stop) = (capture.clone(), to.clone(), options.clone(), stop.clone());
        blocking(OPERATION, move || Local::open(&capture, &to, &about, options, stop, OPERATION)).await?
    };
    let room = local.room();
    // While the host is looked up and asked, the capture is hashed: both are over before rsync reads anything.
    let hashing = blocking(OPERATION, move || {
        let mut local = local;
        local.hash().map(|()| local)
    });
    let reaching = async {
        let reached = Box::pin(reach(transport, to, &room, &cancel)).await;
        if reached.is_err() {
            stop.cancel();
        }
        reached
    };
    let (reached, local) = tokio::join!(reaching, hashing);
    let (way, local) = (reached?, local?);
    let mut sending = Sending {
        transport,
        way: &way,
        to,
        bandwidth: options.bandwidth.clone(),
        cancel: &cancel,
        sent: Inventory::default(),
        output: ToolOutput::default(),
    };
    let gauge = local.gauge();
    gauge.sent(Inventory::default());
    if let Err(error) = sending.all(&local, &gauge).await {
        local.note_sent(sending.sent.bytes);
        return Err(error);
    }
    let (sent, output) = (sending.sent, sending.output);
    let (listed, remarks) = local.special()?;
    if !listed.is_empty() {
        let file = options.work_dir.join(SPECIAL);
        let written = crate::private::write(&file, &listed);
        let lost =
            |error| crate::errno::failure(crate::errno::Side::State, OPERATION, "listing links", &error);
        written.map_err(lost)?;
        far.send_file(&way, to, &file, folder::SPECIAL, false, OPERATION, &cancel).await?;
    }
    let unchanged = blocking(OPERATION, move || local.require_unchanged().map(|()| local));
    let (local, settled) = tokio::join!(unchanged, far.settle(&way, &to.path, OPERATION, &cancel));
    let local = local?;
    settled?;
    gauge.end();
    Ok(blocking(OPERATION, move || local.finish(sent, remarks, output)).await?)
}

/// Finds the way, and a folder there that is ours and has room.
async fn reach(
    transport: &RsyncTransport,
    to: &Remote,
    room: &Room,
    cancel: &CancellationToken,
) -> Result<Arc<Way>, TransportError> {
    let way = transport.way(cancel).await?;
    way.require_rsync(OPERATION)?;
    let look = claim_there(transport, &way, to, cancel).await?;
    room.require(look.free_bytes)?;
    Ok(way)
}

/// Makes sure that the folder there is ours; nothing is changed there before that is so.
async fn claim_there(
    transport: &RsyncTransport,
    way: &Way,
    to: &Remote,
    cancel: &CancellationToken,
) -> Result<Look, TransportError> {
    let (far, known) = (&*transport.far, &transport.known);
    let look = far.look(way, to, OPERATION, cancel).await?;
    let is_known = known.judge(far, look.marker.as_deref())?;
    if claim(&look, to, OPERATION)? && is_known {
        return Ok(look);
    }
    // Somebody else may be faster, here or at the destination's root.
    let look = far.claim(way, to, known.fresh(), cancel).await?;
    known.judge(far, look.marker.as_deref())?;
    if claim(&look, to, OPERATION)? {
        return Ok(look);
    }
    let what = format_args!("{} has no owner although it was claimed just now", to.path);
    Err(verisim_core::Failure::new(verisim_core::FailureKind::Unknown, OPERATION, what).into())
}

/// Everything that the runs of rsync share.
struct Sending<'a> {
    transport: &'a RsyncTransport,
    way: &'a Way,
    to: &'a Remote,
    bandwidth: Option<watch::Receiver<Option<BandwidthLimit>>>,
    cancel: &'a CancellationToken,
    sent: Inventory,
    output: ToolOutput,
}

impl Sending<'_> {
    /// Sends directories and files, then what is forced.
    async fn all(&mut self, local: &Local, gauge: &Gauge) -> Result<(), TransportError> {
        let mut share = self.transport.shares.take(self.bandwidth.clone());
        for lot in [Lot::Plain, Lot::Forced] {
            let largest_bytes = local.todo(lot).map(|item| item.stamp.size).max();
            // Directories go with the first, whether there is any file or not.
            if largest_bytes.is_some() || lot == Lot::Plain {
                self.lot(local, lot, largest_bytes.unwrap_or(0), gauge, &mut share).await?;
            }
        }
        Ok(())
    }

    /// Runs rsync until it has sent everything, beginning anew whenever another rate holds: what is cut off goes on where it
    /// was.
    async fn lot(
        &mut self,
        local: &Local,
        lot: Lot,
        largest_bytes: u64,
        gauge: &Gauge,
        share: &mut Share,
    ) -> Result<(), TransportError> {
        loop {
            let rate = share.now();
            let mut runs = Vec::new();
            for (at, only) in Self::parts(local, lot, rate).into_iter().enumerate() {
                let rules = filter::write_rules(&local.work_dir().join(format!("{RULES}-{at}")), &only);
                let lost = |error| failure(Side::State, OPERATION, "writing the rules for rsync", &error);
                runs.push(Rsync {
                    arguments: self.arguments(lot, rate),
                    // With a slash: its content lands in the folder there, never in a folder of its own name.
                    places: vec!["./".into(), self.transport.far.place(&self.folder_there())],
                    folder: Some(local.folder()),
                    list: Some(rules.map_err(lost)?),
                    largest_bytes,
                });
            }
            let together = Together::new(Some(gauge.clone()), self.sent, runs.len());
            let stop = self.cancel.child_token();
            let runs =
                runs.into_iter().enumerate().map(|(at, rsync)| self.run(rsync, (&together, at), &stop));
            let (ran, begins_anew) = share.run_at(rate, &stop, join_all(runs)).await;
            self.sent = together.all();
            let ran = ran.into_iter().collect::<Result<Vec<Ran>, TransportError>>()?;
            let is_whole = |ran: &Ran| ran.ended == Ended::Code(0);
            // Where one has failed, it has stopped the other, and says why.
            let telling = |ran: &&Ran| !is_whole(ran) && ran.ended != Ended::Cancelled;
            let Some(ran) = ran.iter().find(telling).or_else(|| ran.iter().find(|ran| !is_whole(ran))) else {
                self.output = ran.first().map(output).unwrap_or_default();
                return Ok(());
            };
            if begins_anew && ran.ended == Ended::Cancelled && !self.cancel.is_cancelled() {
                continue;
            }
            let judged = |free| ended(ran, Tool::Rsync, ToolOperation::Push, OPERATION, free);
            self.output = match judged(None) {
                Err(error) if error.failure.kind == FailureKind::Unknown => judged(self.free_bytes().await)?,
                done => done?,
            };
            return Ok(());
        }
    }

    /// Which files each run takes up.
    fn parts(local: &Local, lot: Lot, rate: Option<u64>) -> Vec<Only<'_>> {
        // What is complete is not even looked at; nor is, for now, what is forced.
        if local.is_begun() || lot == Lot::Forced || local.todo(Lot::Forced).next().is_some() {
            return vec![Only::these(local.todo(lot).map(|item| &item.path))];
        }
        // A rate is kept to by one.
        let parts = if rate.is_none() { parts::divide(local.items().iter()) } else { None };
        parts.map_or_else(|| vec![Only::All], |parts| parts.map(Only::Without).into())
    }

    /// One run. What fails stops those beside it.
    async fn run(
        &self,
        rsync: Rsync,
        (together, at): (&Arc<Together>, usize),
        stop: &CancellationToken,
    ) -> Result<Ran, TransportError> {
        let mut progress = Progress::new(together, at);
        let ran = self.transport.far.rsync(self.way, rsync, &mut progress, stop).await;
        if !ran.as_ref().is_ok_and(|ran| ran.ended == Ended::Code(0)) {
            stop.cancel();
        }
        ran
    }

    /// What is free there, where a failure without words may be a full disk.
    async fn free_bytes(&self) -> Option<u64> {
        let look = self.transport.far.look(self.way, self.to, OPERATION, self.cancel).await;
        look.ok()?.free_bytes
    }

    /// The folder, with a slash at its end.
    fn folder_there(&self) -> Vec<u8> {
        [self.to.path.as_bytes(), b"/"].concat()
    }

    fn arguments(&self, lot: Lot, rate: Option<u64>) -> Vec<OsString> {
        let far = &self.transport.far;
        let ours = |name: &str, path: &str| {
            option(name, &far.path_of(&[self.to.path.as_bytes(), b"/", path.as_bytes()].concat()))
        };
        let mut out: Vec<OsString> = ARGUMENTS.iter().map(OsString::from).collect();
        out.extend([ours("--partial-dir=", folder::PARTIAL), ours("--temp-dir=", folder::PARTIAL)]);
        match lot {
            // What an earlier push sent and is something else now is put aside, never lost.
            Lot::Plain => out.extend(["--backup".into(), ours("--backup-dir=", folder::ASIDE)]),
            // Of what is damaged nothing is taken for good, and nothing is kept.
            Lot::Forced => out.extend(["--ignore-times".into(), "--whole-file".into()]),
        }
        out.extend(rate.map(|rate| OsString::from(format!("--bwlimit={}", kibibytes(rate)))));
        out
    }
}

/// rsync counts in whole KiB per second, of which 1 Mbit/s is 122.07. Less than asked for, rather than more.
fn kibibytes(bytes_per_second: u64) -> u64 {
    (bytes_per_second / 1024).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_megabit_is_122_kib_and_not_128() {
        assert_eq!(kibibytes(125_000), 122);
        assert_eq!(kibibytes(50 * 125_000), 6103);
        assert_eq!(kibibytes(1), 1, "0 would be no limit");
    }
}
