//! The system files of a decoy as they are before its past: read within bounds, and without a trace where the way to it allows.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _};
use verisim_core::{
    BurnBefore, BurnDress, ByteCount, ByteRange, Connector, DecoyPath, Failure, FailureKind, FileKind,
    FileStat, StatRequest, TimesChange,
};
use verisim_engine::Member;
use verisim_realism::{DecoyIndex, Existing, ExistingFile, World};

use crate::error::CliResult;
use crate::here::Here;

/// How many questions are asked at once.
const QUESTIONS_AT_ONCE: usize = 16;
/// What a logger that runs leaves in its run folder: it holds its logs open.
const LOGGER_RUNS: [&str; 4] =
    ["/run/rsyslogd.pid", "/var/run/rsyslogd.pid", "/run/syslog-ng.pid", "/run/syslogd.pid"];

/// What was read, and each file that was read whole as an undo needs it.
pub(super) struct Found {
    pub(super) existing: Existing,
    pub(super) before: BTreeMap<DecoyPath, BurnBefore>,
}

/// Reads what the records of a past are fitted to.
pub(super) async fn read(here: &Here, member: &Member, world: &World, decoy: DecoyIndex) -> CliResult<Found> {
    let connector = member.connector.as_ref();
    let mut found = Found { existing: Existing::default(), before: BTreeMap::new() };
    let reading = Existing::to_read(world, decoy).into_iter().map(|path| read_one(connector, path));
    let read: Vec<_> = stream::iter(reading).buffered(QUESTIONS_AT_ONCE).collect().await;
    for one in read {
        let Some((path, stat, body)) = one? else { continue };
        let is_whole = body.len() as u64 == stat.size;
        let body = verisim_core::Body::from(body);
        if is_whole {
            let dress =
                BurnDress { mode: stat.mode, owner: stat.owner, mtime: stat.mtime, atime: stat.atime };
            found.before.insert(path.clone(), BurnBefore { body: body.clone(), dress });
        }
        let file = ExistingFile { body, is_whole, mtime: stat.mtime, mode: stat.mode, owner: stat.owner };
        found.existing.files.insert(path, file);
    }
    let wanted = Existing::to_look_for(world, decoy);
    let loggers = LOGGER_RUNS.iter().filter_map(|path| DecoyPath::new(path).ok());
    let all: Vec<DecoyPath> = wanted.into_iter().chain(loggers.clone()).collect();
    let asking = all.into_iter().map(|path| async move {
        let there = connector.stat(&path, StatRequest::Plain).await?.is_some();
        Ok::<_, Failure>(there.then_some(path))
    });
    let there: Vec<_> = stream::iter(asking).buffered(QUESTIONS_AT_ONCE).collect().await;
    for path in there {
        found.existing.present.extend(path?);
    }
    let present = &found.existing.present;
    found.existing.logger_runs = loggers.clone().any(|path| present.contains(&path));
    found.existing.addresses = member.decoy.address.into_iter().collect();
    let peers = here.wired.config.decoys.iter().filter(|decoy| decoy.name != member.decoy.name);
    found.existing.peers =
        peers.filter_map(|decoy| decoy.address.map(|address| (decoy.name.clone(), address))).collect();
    Ok(found)
}

/// A regular file, or of a longer one the end; what is anything else is passed over.
async fn read_one(
    connector: &dyn Connector,
    path: DecoyPath,
) -> Result<Option<(DecoyPath, FileStat, bytes::Bytes)>, Failure> {
    let Some(stat) = connector.stat(&path, StatRequest::Times).await? else { return Ok(None) };
    if stat.kind != FileKind::Regular {
        return Ok(None);
    }
    let offset = stat.size.saturating_sub(Existing::BYTES_MAX);
    let body = match connector.read(&path, ByteRange { offset, length: ByteCount(Existing::BYTES_MAX) }).await
    {
        Ok(body) => body,
        // What we may not read, or went away, says nothing.
        Err(failure) if matches!(failure.kind, FailureKind::Denied | FailureKind::NotFound) => {
            return Ok(None);
        }
        Err(failure) => return Err(failure),
    };
    let can = connector.capabilities();
    if !can.quiet_reads && can.file_times && can.mtime_ns {
        let change =
            TimesChange { path: path.clone(), kind: FileKind::Regular, atime: stat.atime, mtime: stat.mtime };
        // Only that it was read would show; nothing depends on it.
        drop(connector.set_times(&[change]).await);
    }
    Ok(Some((path, stat, body)))
}
