//! Whoever watches where nothing is drawn: in a pipe, and past the end of a daemon.

use crate::sandbox::command;

#[test]
fn where_there_is_no_configuration_every_place_is_named() {
    let empty = tempfile::tempdir().unwrap();
    let mut status = command(env!("CARGO_BIN_EXE_verisim"));
    status.arg("status").current_dir(empty.path()).env("HOME", empty.path()).env_remove("XDG_STATE_HOME");
    let ended = status.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(3), "{said}");
    let here = empty.path().canonicalize().unwrap().join("verisim.toml");
    for place in [here.to_str().unwrap(), "/etc/verisim/verisim.toml"] {
        assert!(said.contains(place), "{place}: {said}");
    }
}
