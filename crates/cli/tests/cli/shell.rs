//! Help, completions, manual pages, `init`.

use std::fs;

use crate::sandbox::{Sandbox, command, finish};

fn run(sandbox: &Sandbox, args: &[&str]) -> crate::sandbox::Ran {
    let mut verisim = command(env!("CARGO_BIN_EXE_verisim"));
    verisim.args(args).current_dir(sandbox.path(""));
    finish(verisim)
}

#[test]
fn completions_and_manual_pages_are_made() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(run(&sandbox, &["completions", shell]).exits(0).stdout.contains("verisim"), "{shell}");
    }
    let page = run(&sandbox, &["man"]).exits(0).stdout;
    assert!(page.contains(".SH \"EXIT STATUS\"") && page.contains("NAME"));
    run(&sandbox, &["man", "--dir", "man"]).exits(0);
    assert!(sandbox.path("man/verisim-sync-add.1").exists());
    for page in fs::read_dir(sandbox.path("man")).unwrap() {
        assert!(fs::read_to_string(page.unwrap().path()).unwrap().contains(".TH"));
    }
    let codes = run(&sandbox, &["exit-codes"]).exits(0).stdout;
    assert_eq!(codes.lines().count(), 7);
    assert!(run(&sandbox, &["help", "exit-codes"]).exits(0).stdout.contains("tells or mismatches"));
    run(&sandbox, &["--version"]).exits(0);
}

#[test]
fn init_writes_a_configuration_that_works_and_never_overwrites() {
    let sandbox = Sandbox::new();
    fs::remove_file(sandbox.path("verisim.toml")).unwrap();
    let args =
        ["--state", "state", "init", "--decoy", "files01", "--capture", "captures", "--destination", "vault"];
    run(&sandbox, &args).exits(0);
    let text = fs::read_to_string(sandbox.path("verisim.toml")).unwrap();
    assert!(text.contains("[[decoy]]") && text.contains("[[capture]]"));
    run(&sandbox, &["doctor"]).exits(0);
    run(&sandbox, &["plan"]).exits(0);
    let args_of_days = ["simulate", "--days", "9", "--from", "2026-03-02T00:00:00Z", "--json"];
    let days = run(&sandbox, &args_of_days).exits(0);
    assert!(days.json().iter().all(|line| line["type"] == "scene"));
    assert_eq!(days.stdout, run(&sandbox, &args_of_days).stdout);
    run(&sandbox, &args).exits(1);
    assert_eq!(fs::read_to_string(sandbox.path("verisim.toml")).unwrap(), text);
    let elsewhere = ["--config", "other.toml", "init", "--decoy", "files01", "--decoy", "files01"];
    run(&sandbox, &elsewhere).exits(3);
    assert!(!sandbox.path("other.toml").exists());
}

#[test]
fn colours_are_for_terminals_and_for_those_who_ask() {
    let sandbox = Sandbox::new();
    let coloured = |args: &[&str], no_color: bool| {
        let mut verisim = sandbox.verisim(args);
        if no_color {
            verisim.env("NO_COLOR", "1");
        }
        finish(verisim).exits(0).stdout.contains('\x1b')
    };
    assert!(!coloured(&["doctor"], false));
    assert!(coloured(&["--color", "always", "doctor"], false));
    assert!(coloured(&["--color", "always", "doctor"], true), "what is asked for on the command line wins");
}
