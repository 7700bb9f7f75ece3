//! The state folder.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{Check, Sheet, free_bytes, space, writable};
use crate::claim;
use crate::config::Config;
use crate::error::show;
use crate::exit::Exit;
use crate::state::StateDir;

/// Whether it is ours, for us alone, and can be written. Nothing is made.
pub(super) fn look(config: &Config, file: &Path) -> Sheet {
    let mut sheet = Sheet::of("state");
    look_into(&mut sheet, config);
    let state = StateDir::at(&config.state);
    if let Some(rival) = claim::rival(&state, file) {
        let error = claim::refusal(&state, file, &rival);
        sheet.bad(Check::Identity, error.exit, error.message, error.hint.unwrap_or_default());
    }
    sheet
}

fn look_into(sheet: &mut Sheet, config: &Config) {
    let shown = show(&config.state);
    match StateDir::look(&config.state) {
        Err(error) => sheet.bad(Check::Identity, Exit::Store, error.message, error.hint.unwrap_or_default()),
        Ok(None) => match nearest_folder(&config.state).map(|above| (writable(&above), above)) {
            Some((Ok(()), above)) => {
                sheet.good(
                    Check::Reachable,
                    format!("{shown} is not there yet; it is made when something is stored"),
                );
                space(sheet, free_bytes(&above));
            }
            Some((Err(error), above)) => sheet.bad(
                Check::Writable,
                Exit::Store,
                format!("{shown} is not there, and cannot be made in {}: {error}", show(&above)),
                "make it for this user with mode 0700, or name another folder with `state = ..`",
            ),
            None => sheet.bad(
                Check::Writable,
                Exit::Store,
                format!("{shown} cannot be made"),
                "name another folder",
            ),
        },
        Ok(Some(_)) => {
            match writable(&config.state) {
                Ok(()) => sheet.good(Check::Reachable, format!("{shown} is ours and writable")),
                Err(error) => sheet.bad(
                    Check::Writable,
                    Exit::Store,
                    format!("{shown} cannot be written: {error}"),
                    "let this user write there, or name another folder with `state = ..`",
                ),
            }
            let mode = std::fs::metadata(&config.state).map_or(0, |meta| meta.permissions().mode() & 0o7777);
            if mode & 0o077 != 0 {
                sheet.warn(
                    Check::Privacy,
                    format!("others on this machine can look into {shown} (mode {mode:04o})"),
                    format!("chmod 0700 {shown}"),
                );
            }
            space(sheet, free_bytes(&config.state));
        }
    }
}

/// The folder that is there and in which `path` would be made.
fn nearest_folder(path: &Path) -> Option<PathBuf> {
    path.ancestors().find(|above| above.exists()).filter(|above| above.is_dir()).map(Path::to_owned)
}
