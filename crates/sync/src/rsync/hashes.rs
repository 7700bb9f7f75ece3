//! What is there: hashed there where commands can be run, else read back.

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use verisim_core::{Hashes, Proof, PushOptions, Remote, TransportError};
use verisim_sys::Ended;

use super::far::Way;
use super::{RsyncTransport, readback};
use crate::explain::{Tool, ToolOperation};
use crate::shell::{Shell, Sums, Told, script};
use crate::stopping::unless_stopped;
use crate::tool::ended;

pub(super) const OPERATION: &str = "rsync_ssh.hashsum";
/// What is there, in one connection where commands can be run.
pub(super) async fn hashes(
    transport: &RsyncTransport,
    at: &Remote,
    options: &PushOptions,
) -> Result<Hashes, TransportError> {
    let cancel = options.cancel.child_token();
    let end_when_dropped = cancel.clone().drop_guard();
    transport.far.require_tools()?;
    let way = transport.way(&cancel).await?;
    let place = unless_stopped(&cancel, OPERATION, transport.operations.place(OPERATION)).await?;
    let (out, told) = mpsc::channel(8);
    let (far, known, at) = (std::sync::Arc::clone(&transport.far), transport.known.clone(), at.clone());
    let proof = match &*way {
        Way::Shell(found) if found.hasher.is_some() => Proof::Sha256Remote,
        Way::Shell(_) | Way::Bare => Proof::Sha256Readback,
    };
    let rate =
        options.bandwidth.as_ref().and_then(|limit| *limit.borrow()).map(|limit| limit.bytes_per_second);
    let (work_dir, found) = (options.work_dir.clone(), std::sync::Arc::clone(&transport.way));
    tokio::spawn(async move {
        let _place = place;
        let done = match &*way {
            Way::Shell(Shell { hasher: Some(hasher), sorts, .. }) => {
                let (hashing, stall_max) = ((*hasher, *sorts), far.options.stall_max);
                let script = script::hashes(&far.options.path, &at.path, hashing, stall_max);
                let mut taker =
                    Sums::new(out.clone(), known, &far.to_string(), at, hashing, stall_max, OPERATION);
                let stalled = taker.stalling().stalled();
                let ran = tokio::select! {
                    ran = far.script(script, &mut taker, &cancel) => ran,
                    failure = stalled => Err(failure.into()),
                };
                match ran {
                    Ok(ran) if ran.ended == Ended::Refused => taker.finish().await,
                    Ok(ran) => match ended(&ran, Tool::Rsync, ToolOperation::Hashsum, OPERATION, None) {
                        Ok(_) => taker.finish().await,
                        Err(error) => Err(error),
                    },
                    Err(error) => Err(error),
                }
            }
            _ => readback::read_back(&far, &way, &known, &at, (&work_dir, rate), &out, &cancel).await,
        };
        if let Err(error) = done {
            // Its hasher may be gone: the next one looks anew.
            found.forget();
            far.hang_up();
            let _ = out.send(vec![Err(error)]).await;
        }
    });
    let runs = futures_util::stream::unfold((told, end_when_dropped), |(mut told, guard)| async move {
        told.recv().await.map(|run: Vec<Told>| (futures_util::stream::iter(run), (told, guard)))
    });
    Ok(Hashes { proof, files: Box::pin(runs.flatten().fuse()) })
}
