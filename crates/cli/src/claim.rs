//! Whose the state folder is: two configurations that use one would undo each other's work.

use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::config;
use crate::error::{CliError, CliResult, show};
use crate::exit::Exit;
use crate::state::StateDir;

/// The longest name of a file that Linux takes, with the end of the line.
const NAME_BYTES_MAX: u64 = 4096;

/// The configuration to which a state folder belongs, where that is another one than `file`: one that is there and names the
/// same folder still. One that was moved, or names another folder now, has no claim.
pub(crate) fn rival(state: &StateDir, file: &Path) -> Option<PathBuf> {
    let other = claimed_by(state).filter(|other| *other != whole(file))?;
    let config = config::load(&other, None).ok()?;
    (whole(&config.state) == whole(state.path())).then_some(other)
}

/// What is said then.
pub(crate) fn refusal(state: &StateDir, file: &Path, rival: &Path) -> CliError {
    let (state_shown, claim) = (show(state.path()), show(&state.claim()));
    let what = format!(
        "the state folder {state_shown} belongs to the configuration {}, and this is {}: each would cancel what the other \
         has queued",
        show(rival),
        show(file)
    );
    CliError::new(Exit::Config, what).hint(format!(
        "give this one a folder of its own, with `state = ..` or --state DIR; if it takes the other's place, remove {claim}"
    ))
}

/// From now on the folder is that of this configuration.
///
/// # Errors
/// When that cannot be written down.
pub(crate) fn claim(state: &StateDir, file: &Path) -> CliResult<()> {
    if !file.exists() || claimed_by(state).is_some_and(|by| by == whole(file)) {
        return Ok(());
    }
    let mut line = whole(file).into_os_string().into_vec();
    line.push(b'\n');
    state.write(&state.claim(), &line)
}

fn claimed_by(state: &StateDir) -> Option<PathBuf> {
    let mut line = Vec::new();
    std::fs::File::open(state.claim()).ok()?.take(NAME_BYTES_MAX).read_to_end(&mut line).ok()?;
    let name = line.strip_suffix(b"\n").filter(|name| !name.is_empty())?;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(name)))
}

/// The one name of a file, however it was called.
fn whole(file: &Path) -> PathBuf {
    std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    #[test]
    fn a_folder_belongs_to_the_configuration_that_used_it_as_long_as_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one.toml"), dir.path().join("two.toml"));
        let text = "state = \"state\"\n";
        std::fs::write(&one, text).unwrap();
        std::fs::write(&two, text).unwrap();
        let state = StateDir::open(&dir.path().join("state")).unwrap();
        assert_eq!(rival(&state, &two), None, "it is nobody's yet");
        claim(&state, &one).unwrap();
        assert_eq!(rival(&state, &one), None);
        assert_eq!(rival(&state, &two), Some(whole(&one)));
        let link = dir.path().join("link.toml");
        std::os::unix::fs::symlink(&one, &link).unwrap();
        assert_eq!(rival(&state, &link), None, "the same under another name");
        // It names another folder now, is moved, or is none any more.
        std::fs::write(&one, "state = \"elsewhere\"\n").unwrap();
        assert_eq!(rival(&state, &two), None);
        std::fs::write(&one, "no configuration").unwrap();
        assert_eq!(rival(&state, &two), None);
        std::fs::remove_file(&one).unwrap();
        assert_eq!(rival(&state, &two), None);
        claim(&state, &two).unwrap();
        assert_eq!(rival(&state, &two), None);
        std::fs::write(state.claim(), "").unwrap();
        assert_eq!(rival(&state, &two), None, "a mark that says nothing is none");
    }
}
