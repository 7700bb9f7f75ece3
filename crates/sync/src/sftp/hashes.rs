//! What is there: hashed there where commands can be run, else read back and hashed here.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::sync::mpsc;
use verisim_core::manifest::Entry;
use verisim_core::{
    CancellationToken, Digest, Failure, FailureKind, FileKind, Hasher, Hashes, Proof, PushOptions, RelPath,
    Remote, RemoteFile,
};
use verisim_ssh::sftp::{OpenFlags, Order, Reads, Status};
use verisim_ssh::{Error, Result};

use super::commands::{Ran, SILENCE, run};
use super::look::There;
use super::problem::failed;
use super::{Line, SftpOptions, SftpTransport};
use crate::bandwidth::Bucket;
use crate::operations::beyond_read_back;
use crate::shell::{Sums, Told, script};
use crate::stopping::unless_stopped;
use crate::tool::ours;

const OPERATION: &str = "sftp.hashsum";
/// How many files are read back at once.
const FILES_AT_ONCE: usize = 32;
/// How many results are told at once.
const TOLD_AT_ONCE: usize = 64;
/// How much a file may have grown since it was listed; one that grows for ever comes to an end.
const GROWTH_MAX: u64 = 1 << 20;

/// What is there.
pub(super) async fn hashes(
    transport: &SftpTransport,
    at: &Remote,
    options: &PushOptions,
) -> std::result::Result<Hashes, Failure> {
    let cancel = options.cancel.child_token();
    let end_when_dropped = cancel.clone().drop_guard();
    let place = unless_stopped(&cancel, OPERATION, transport.operations.place(OPERATION)).await?;
    let beginning = async {
        let line = transport.connect(OPERATION).await?;
        let look = transport.there(&line).look(at, OPERATION).await?;
        // A folder that is gone holds nothing: all of it is missing, and will be sent again.
        if look.exists || look.in_the_way.is_some() {
            ours(&look, at, &transport.known, &transport.options, OPERATION)?;
        } else if !transport.known.judge(&transport.options, look.marker.as_deref())? {
            return Err(crate::identity::never_used(&transport.options));
        }
        let commands = transport.commands(&line, look.marker.as_deref(), OPERATION).await?;
        Ok((line, look.exists, commands.hasher()))
    };
    let (line, exists, hasher) = unless_stopped(&cancel, OPERATION, beginning).await?;
    let proof = if hasher.is_some() { Proof::Sha256Remote } else { Proof::Sha256Readback };
    let (out, told) = mpsc::channel(8);
    let hashing = Hashing {
        line,
        options: transport.options.clone(),
        at: at.clone(),
        bucket: Bucket::new(options.bandwidth.clone(), Arc::clone(&transport.clock), transport.level.clone()),
        cancel: cancel.clone(),
        out,
    };
    let (known, commands) = (transport.known.clone(), Arc::clone(&transport.commands));
    tokio::spawn(async move {
        let _place = place;
        let work = async {
            match hasher {
                _ if !exists => Ok(()),
                Some(hasher) => {
                    let Hashing { options, at, out, .. } = &hashing;
                    let (at, place) = (at.clone(), options.to_string());
                    let sums =
                        Sums::new(out.clone(), known, &place, at, hasher, options.stall_max, OPERATION);
                    hashing.there(sums, hasher).await
                }
                None => hashing.here().await,
            }
        };
        if let Err(failure) = unless_stopped(&cancel, OPERATION, work).await {
            // Commands may have been forbidden there: the next pass looks anew.
            commands.forget();
            // That nobody listens any more is no failure.
            let _ = hashing.out.send(vec![Err(failure.into())]).await;
        }
    });
    let runs = stream::unfold((told, end_when_dropped), |(mut told, guard)| async move {
        told.recv().await.map(|run: Vec<Told>| (stream::iter(run), (told, guard)))
    });
    Ok(Hashes { proof, files: Box::pin(runs.flatten().fuse()) })
}

/// One pass over what is there.
struct Hashing {
    line: Line,
    options: SftpOptions,
    at: Remote,
    bucket: Bucket,
    cancel: CancellationToken,
    out: mpsc::Sender<Vec<Told>>,
}

impl Hashing {
    /// Has it hashed there.
    async fn there(
        &self,
        mut sums: Sums,
        hasher: (script::Hasher, bool),
    ) -> std::result::Result<(), Failure> {
        let script = script::hashes(&self.options.path, &self.at.path, hasher, self.options.stall_max);
        let stalled = sums.stalling().stalled();
        let ran = tokio::select! {
            ran = run(&self.line.session, script, &mut sums, SILENCE, OPERATION) => ran?,
            failure = stalled => return Err(failure),
        };
        match ran {
            Ran::Ended => sums.finish().await.map_err(|error| error.failure),
            Ran::Failed(how) => {
                let what = format_args!("hashing there ended {how}");
                Err(Failure::new(FailureKind::Unknown, OPERATION, what))
            }
            Ran::Refused => {
                let what = "commands could be run there a moment ago, and can no more";
                Err(Failure::new(FailureKind::Unknown, OPERATION, what))
            }
        }
    }

    /// Reads it back, many files at once, and tells them in order.
    async fn here(&self) -> std::result::Result<(), Failure> {
        let there = There { sftp: &self.line.sftp, options: &self.options };
        let files = there.files(&self.at, OPERATION).await?;
        let bytes_max = self.options.read_back_max.0;
        let mut left = bytes_max;
        let wanted = files.into_iter().map(|(path, size)| {
            let fits = size <= left;
            left -= if fits { size } else { 0 };
            (path, size, fits)
        });
        let reading = wanted.map(async |(path, size, fits)| match fits {
            true => self.one(there, path, size).await,
            false => {
                let failure = beyond_read_back(size, bytes_max, OPERATION);
                Ok(RemoteFile::Unproved { path, failure })
            }
        });
        let mut told = stream::iter(reading).buffered(FILES_AT_ONCE).ready_chunks(TOLD_AT_ONCE);
        while let Some(some) = told.next().await {
            let some: std::result::Result<Vec<RemoteFile>, Failure> = some.into_iter().collect();
            if self.out.send(some?.into_iter().map(Ok).collect()).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One file. That it cannot be read is told; that the line is broken ends the pass.
    async fn one(
        &self,
        there: There<'_>,
        path: RelPath,
        size: u64,
    ) -> std::result::Result<RemoteFile, Failure> {
        match self.hash(&there.within(&self.at, path.as_bytes()), size).await {
            Ok(sha256) => Ok(RemoteFile::Hashed(Entry { path, sha256 })),
            Err(error) if error.is_answer() => {
                let failure = failed(OPERATION, &format!("reading back {path}"), &error);
                Ok(RemoteFile::Unproved { path, failure })
            }
            Err(error) => Err(failed(OPERATION, &format!("reading back {path}"), &error)),
        }
    }

    async fn hash(&self, path: &[u8], size: u64) -> Result<Digest> {
        let sftp = &self.line.sftp;
        let handle = sftp.open_file(path, OpenFlags::READ, None).await?;
        self.bucket.wait(usize::try_from(size).unwrap_or(usize::MAX), &self.cancel).await;
        let mut hasher = Hasher::new();
        // One byte more than it had when it was listed shows whether it has grown.
        let wanted = size.saturating_add(1);
        let mut read = Reads::new(sftp, &handle, 0, wanted).pump(|piece| hasher.update(piece)).await;
        if matches!(read, Ok(got) if got == wanted) {
            let mut more = Reads::new(sftp, &handle, wanted, GROWTH_MAX);
            read = more.pump(|piece| hasher.update(piece)).await;
        }
        let closed = sftp.send(Order::Close(&handle)).await?;
        let looked = sftp.send_lstat(path).await?;
        read?;
        closed.done().await?;
        // A link in its place would have led elsewhere.
        match looked.done().await?.kind() {
            Some(FileKind::Regular) => Ok(hasher.finish()),
            _ => Err(Error::Status {
                doing: "read it",
                status: Status::Failure,
                said: "it is no file any more".into(),
            }),
        }
    }
}
