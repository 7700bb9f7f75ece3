//! Where captures come from, and where they go.

use std::path::Path;
use std::sync::Arc;

use verisim_core::DestinationName;
use verisim_sync::{GateAsks, Recognised};

use super::{Check, Sheet, far, free_bytes, object, remote, space, writable};
use crate::config::{CaptureConfig, Config, DestinationConfig, TransportConfig};
use crate::error::show;
use crate::exit::Exit;
use crate::state::StateDir;
use crate::wire::{Wired, known_destination};

/// A later directory of one name gets `~2` and so on at the destination, where a name has at most 255 bytes.
const NAME_BYTES_MAX: usize = 247;
/// How many names of a captures folder are looked at.
const NAMES_MAX: usize = 100_000;

/// Whether a destination is there, takes writes, and is the one that was used before.
pub(super) async fn look_at_destination(wired: &Wired, destination: &DestinationConfig) -> Sheet {
    let config = &wired.config;
    let mut sheet = Sheet::of(format!("destination {}", destination.name));
    match &destination.transport {
        TransportConfig::Native(path) => look_into_destination(&mut sheet, config, &destination.name, path),
        TransportConfig::Rsync(rsync) => {
            far::look_at_host(&mut sheet, config, &destination.name, rsync).await;
        }
        TransportConfig::Sftp(sftp) => {
            far::look_at_sftp(&mut sheet, config, &destination.name, (sftp, Arc::clone(&wired.clock))).await;
        }
        TransportConfig::Rclone(rclone) => {
            remote::look_at_remote(&mut sheet, config, &destination.name, rclone).await;
        }
        TransportConfig::Object(store) => {
            let about = (&**store, Arc::clone(&wired.clock));
            object::look_at_store(&mut sheet, config, &destination.name, about).await;
        }
    }
    sheet
}

fn look_into_destination(sheet: &mut Sheet, config: &Config, name: &DestinationName, path: &Path) {
    let shown = show(path);
    if !path.is_dir() {
        return sheet.bad(
            Check::Reachable,
            Exit::Unreachable,
            format!("{shown} is not there"),
            "mount the storage, or make the folder",
        );
    }
    if let Err(error) = writable(path) {
        let mend = if error == rustix::io::Errno::ROFS {
            "mount it for writing; then `verisim sync retry --all`"
        } else {
            "let this user write there; then `verisim sync retry --all`"
        };
        return sheet.bad(
            Check::Writable,
            Exit::Unreachable,
            format!("{shown} cannot be written: {error}"),
            mend,
        );
    }
    sheet.good(Check::Reachable, format!("{shown} is there and writable"));
    space(sheet, free_bytes(path));
    let first_use = look_at_identity(sheet, config, name, path);
    let captures = config.captures.iter().filter(|capture| capture.destination == *name);
    let beside = captures.map(|capture| capture.path.as_path()).find(|from| same_file_system(path, from));
    match beside {
        Some(from) => sheet.warn(Check::Identity,
            format!("{shown} is on the same file system as the captures in {}: one broken disk takes both", show(from)),
            "if it is meant to be a mounted share, it is not mounted: mount it before the first push",
        ),
        None if first_use && same_file_system(path, Path::new("/")) => sheet.warn(Check::Identity,
            format!("{shown} is on the same file system as /: if it is meant to be a mounted share, it is not mounted"),
            "mount it before the first push; for a local folder this is as it should be",
        ),
        None => {}
    }
}

/// Whether the folder is the destination that was used before. Answers whether there was none.
fn look_at_identity(sheet: &mut Sheet, config: &Config, name: &DestinationName, path: &Path) -> bool {
    let Ok(known) = known_destination(&StateDir::at(&config.state), name) else { return false };
    note_identity(sheet, known.recognise(path))
}

/// Says whether it is the destination that was used before. Answers whether there was none.
pub(super) fn note_identity(sheet: &mut Sheet, found: Recognised) -> bool {
    let is_new = found == Recognised::NeverUsed;
    match found {
        Recognised::Known => sheet.good(Check::Identity, "it is the destination that was used before"),
        Recognised::NeverUsed => {
            sheet.good(
                Check::Identity,
                "it was not used yet; the first push marks it, and must find the storage mounted",
            );
        }
        Recognised::Not(why) => {
            sheet.bad(Check::Identity, Exit::Unreachable, why, "nothing is written there until then");
        }
    }
    is_new
}

/// Whether captures can be read, and removed where they shall be.
pub(super) fn look_at_captures(capture: &CaptureConfig) -> Sheet {
    let mut sheet = Sheet::of(format!("capture {}", capture.name));
    look_into_captures(&mut sheet, &capture.path, capture.cleanup.enabled);
    look_at_gate(&mut sheet, capture);
    sheet
}

/// Whether what the gate asks can be asked: a command that is not there holds every capture.
fn look_at_gate(sheet: &mut Sheet, capture: &CaptureConfig) {
    let Ok(runner) = crate::tools::runner() else { return };
    for rule in capture.gate.iter() {
        let GateAsks::Command(command) = &rule.asks else { continue };
        match runner.find(&command.program) {
            Some(program) => {
                sheet.good(Check::Tools, format!("its gate asks {} by {}", rule.name, show(&program)));
            }
            None => sheet.bad(
                Check::Tools,
                Exit::Failed,
                format!(
                    "its gate asks {} by {}, which is not here or may not be run",
                    rule.name, command.program
                ),
                "install it, or mend `command`; until then every capture is held",
            ),
        }
    }
}

fn look_into_captures(sheet: &mut Sheet, path: &Path, cleanup: bool) {
    let shown = show(path);
    if !path.is_dir() {
        return sheet.bad(
            Check::Reachable,
            Exit::Unreachable,
            format!("{shown} is not there"),
            "make the folder, or mend `path`",
        );
    }
    match std::fs::read_dir(path) {
        Err(error) => {
            sheet.bad(
                Check::Reachable,
                Exit::Unreachable,
                format!("{shown} cannot be read: {error}"),
                "let this user read it",
            );
        }
        Ok(entries) => {
            sheet.good(Check::Reachable, format!("{shown} can be read"));
            let names = entries.take(NAMES_MAX).flatten().map(|entry| entry.file_name());
            let long = names.filter(|name| name.len() > NAME_BYTES_MAX).count();
            if long > 0 {
                sheet.warn(Check::Tells,
                    format!("names of more than {NAME_BYTES_MAX} bytes: {long}; a directory that replaces one of them later cannot be pushed"),
                    "give captures shorter names",
                );
            }
        }
    }
    if cleanup && let Err(error) = writable(path) {
        sheet.bad(
            Check::Writable,
            Exit::Unreachable,
            format!("cleanup is on, but {shown} cannot be written: {error}"),
            "let this user write there",
        );
    }
}

fn same_file_system(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    matches!((std::fs::metadata(a), std::fs::metadata(b)), (Ok(a), Ok(b)) if a.dev() == b.dev())
}
