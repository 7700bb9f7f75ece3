//! Destinations that are remotes of rclone.

use verisim_core::{DestinationName, Proof};
use verisim_sync::RcloneFacts;

use super::{Check, Scratch, Sheet, evidence, far, space};
use crate::config::units::show_size;
use crate::config::{Config, RcloneConfig};
use crate::exit::Exit;
use crate::state::StateDir;
use crate::wire::rclone_to;

/// Whether rclone is here, whether the remote answers, what it can do, and whether it is the one that was used before.
pub(super) async fn look_at_remote(
    sheet: &mut Sheet,
    config: &Config,
    name: &DestinationName,
    rclone: &RcloneConfig,
) {
    let made = Scratch::new().and_then(|scratch| {
        rclone_to(rclone, name, &StateDir::at(&config.state), scratch.0.clone()).map(|made| (made, scratch))
    });
    let (transport, _scratch) = match made {
        Ok(made) => made,
        Err(error) => return sheet.bad(Check::Configuration, Exit::Config, error.message, ""),
    };
    match Box::pin(transport.inquire()).await {
        Ok(facts) => note(sheet, rclone, facts),
        Err(error) => far::note_failure(sheet, &error.failure, None),
    }
}

fn note(sheet: &mut Sheet, rclone: &RcloneConfig, facts: RcloneFacts) {
    let remote = &rclone.remote;
    let RcloneFacts { version, kind, hashes, free_bytes, proof, found } = facts;
    let kind = kind.map_or_else(String::new, |kind| format!(" ({kind})"));
    sheet.good(Check::Tools, format!("rclone {version} on this machine"));
    sheet.good(Check::Reachable, format!("{remote} answers{kind}"));
    evidence::note_identity(sheet, found);
    let hashes = if hashes.is_empty() { "no hash".to_owned() } else { hashes.join(", ") };
    if let Some(hash) = rclone.hash.as_deref().filter(|_| proof != Proof::Other) {
        let mend = "choose one that it knows, or leave `hash` away";
        sheet.warn(Check::Tools, format!("it does not know {hash}; what it knows: {hashes}"), mend);
    }
    match proof {
        Proof::Sha256Remote => {
            sheet.good(Check::Tools, "what is there is hashed there: it knows sha256");
        }
        Proof::Sha256Readback => sheet.warn(
            Check::Tools,
            format!("what is there is read back to be verified: it knows {hashes}, and cannot prove sha256"),
            "leave it, within `read_back_max` a pass; reading may cost money at a cloud service",
        ),
        Proof::Other if rclone.hash.is_some() && kind != " (local)" => sheet.warn(
            Check::Tools,
            "what is there is proved by the chosen hash and the size, which is less than sha256",
            "where captures shall be cleaned up on that, say so: accept_other_proof = true in `cleanup`",
        ),
        Proof::Other => sheet.warn(
            Check::Tools,
            "it is a folder of this machine, which rclone reads through the cache: nothing is cleaned up on that alone",
            "write native = { path = \"..\" }, or accept_other_proof = true in `cleanup`",
        ),
    }
    if let Some(free) = free_bytes {
        sheet.good(Check::Space, format!("{} are free in {remote}", show_size(free)));
    }
    space(sheet, free_bytes);
}
