//! Tidiness as a test: what no compiler checks, and what rots when nobody looks.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What may depend on what, beyond `core`, on which everything may depend. Tests may use more: see [`TEST_ONLY`].
const EDGES: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("realism", &[]),
    ("sys", &[]),
    ("ssh", &[]),
    ("connect", &["ssh", "sys"]),
    ("drivers", &[]),
    ("sync", &["ssh", "sys"]),
    ("store", &[]),
    ("engine", &["realism"]),
    ("cli", &["connect", "drivers", "engine", "realism", "ssh", "store", "sync", "sys"]),
    ("testkit", &[]),
    // Measures the others against what a user would pick instead; no part of the product.
    ("bench", &["connect", "drivers", "engine", "realism", "ssh", "store", "sync", "sys", "testkit"]),
];

/// Crates that only tests and measurements may use.
const TEST_ONLY: &[&str] = &["testkit", "bench"];

/// Lines a source file may have without its tests.
const FILE_LINES_MAX: usize = 400;

/// Files that are longer, each with the length it may not exceed: it can only go down.
const LONGER: &[(&str, usize)] = &[
    // A lexicon: data, not code.
    ("crates/realism/src/english.rs", 440),
];

/// Where a banned call has its home (`clippy.toml` says which are banned, and why).
const HOMES: &[&str] = &["crates/cli/src/", "crates/bench/src/", "crates/sys/src/runner/"];

/// Words that do not belong into a comment that is kept.
const UNWANTED: &[&str] = &["TODO", "FIXME", "HACK"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn files_below(dir: &Path, ending: &str, out: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                files_below(&path, ending, out);
            }
        } else if name.ends_with(ending) {
            out.push(path);
        }
    }
}

/// Every Rust file of the repository: its path from the root, and its text.
fn sources() -> Vec<(String, String)> {
    let root = root();
    let mut files = Vec::new();
    files_below(&root, ".rs", &mut files);
    assert!(files.len() > 30, "the sources were not found below {}", root.display());
    files
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path.strip_prefix(&root).unwrap().to_string_lossy().into_owned(), text)
        })
        .collect()
}

fn is_product(path: &str) -> bool {
    path.starts_with("crates/") && path.contains("/src/") && !path.starts_with("crates/testkit/")
}

/// The text before the file's own test module.
fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod ").map_or(text, |at| &text[..at])
}

fn manifests() -> BTreeMap<String, toml::Table> {
    let mut out = BTreeMap::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let dir = entry.unwrap().path();
        if let Ok(text) = fs::read_to_string(dir.join("Cargo.toml")) {
            out.insert(dir.file_name().unwrap().to_string_lossy().into_owned(), text.parse().unwrap());
        }
    }
    out
}

#[test]
fn crates_depend_on_each_other_only_along_the_allowed_edges() {
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut wrong = Vec::new();
    for (name, manifest) in manifests() {
        let Some(allowed) = allowed.get(name.as_str()) else {
            wrong.push(format!("crate {name} is not in the table of edges"));
            continue;
        };
        for section in ["dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(section).and_then(toml::Value::as_table) else { continue };
            for dependency in dependencies.keys().filter_map(|key| key.strip_prefix("verisim-")) {
                if dependency != "core" && !allowed.contains(&dependency) {
                    wrong.push(format!("{name} may not depend on {dependency}"));
                }
                if TEST_ONLY.contains(&dependency) && !TEST_ONLY.contains(&name.as_str()) {
                    wrong.push(format!("{name} depends on {dependency} outside its tests"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    for (name, manifest) in manifests() {
        let inherits =
            manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        assert_eq!(inherits, Some(true), "crates/{name}/Cargo.toml lacks [lints] workspace = true");
    }
}

#[test]
fn every_invariant_is_named_by_a_test() {
    let mut named = BTreeSet::new();
    for (_, text) in sources() {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(name) = line.trim_start().split("fn ").nth(1).filter(|_| line.contains("fn ")) else {
                continue;
            };
            let is_test = lines[at.saturating_sub(6)..at].iter().any(|line| {
                let line = line.trim();
                line == "#[test]" || line.starts_with("#[tokio::test") || line.starts_with("proptest!")
            });
            if !is_test {
                continue;
            }
            let parts: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
            for pair in parts.windows(2) {
                if pair[0] == "inv"
                    && let Ok(number) = pair[1].parse::<u32>()
                {
                    named.insert(number);
                }
            }
        }
    }
    let missing: Vec<u32> = (1..=12).filter(|number| !named.contains(number)).collect();
    assert!(
        missing.is_empty(),
        "no test is named after INV-{missing:?} (as in `fn inv_7_no_path_leaves_the_root`)"
    );
}

#[test]
fn no_source_file_is_longer_than_one_can_see() {
    let longer: BTreeMap<&str, usize> = LONGER.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| is_product(path)) {
        let lines = without_tests(text).lines().count();
        match longer.get(path.as_str()) {
            None if lines > FILE_LINES_MAX => {
                wrong.push(format!(
                    "{path} has {lines} lines without its tests; {FILE_LINES_MAX} are allowed"
                ));
            }
            Some(limit) if lines > *limit => {
                wrong.push(format!("{path} grew to {lines} lines; it may have {limit}"));
            }
            Some(limit) if lines <= FILE_LINES_MAX || lines + 20 < *limit => {
                wrong.push(format!("{path} shrank to {lines} lines: lower its limit of {limit} in tidy.rs"));
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn banned_calls_are_excused_only_at_their_home() {
    let mut wrong = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| is_product(path)) {
        let excused = without_tests(text).contains("clippy::disallowed_methods")
            || without_tests(text).contains("clippy::print_std");
        if excused && !HOMES.iter().any(|home| path.starts_with(home)) {
            wrong.push(format!("{path} excuses a banned call, and is not its home"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_unfinished_and_no_path_of_a_developer_is_kept() {
    let here = root().to_string_lossy().into_owned();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if path.ends_with("tests/tidy.rs") {
            continue;
        }
        for (at, line) in text.lines().enumerate() {
            let comment = line.split_once("//").map_or("", |(_, comment)| comment);
            if let Some(word) = UNWANTED.iter().find(|word| comment.contains(*word)) {
                wrong.push(format!("{path}:{}: {word}", at + 1));
            }
            if line.contains(&here) {
                wrong.push(format!("{path}:{}: a path of a developer's machine", at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_source_file_is_dead() {
    let sources = sources();
    let mut wrong = Vec::new();
    for (path, _) in sources.iter().filter(|(path, _)| path.contains("/src/")) {
        let file = Path::new(path);
        let stem = file.file_stem().unwrap().to_string_lossy();
        if ["lib", "main", "mod"].contains(&stem.as_ref()) || path.contains("/src/bin/") {
            continue;
        }
        let declared = sources.iter().any(|(other, text)| {
            let same_crate = other.split("/src/").next() == path.split("/src/").next();
            same_crate && text.lines().any(|line| line.trim_end().ends_with(&format!("mod {stem};")))
        });
        if !declared {
            wrong.push(format!("{path} is not declared by any `mod {stem};`"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_architecture_names_every_crate_and_every_invariant() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for (name, _) in manifests() {
        assert!(text.contains(&format!("crates/{name}")), "ARCHITECTURE.md does not mention crates/{name}");
    }
    for number in 1..=12 {
        assert!(text.contains(&format!("INV-{number}")), "ARCHITECTURE.md does not mention INV-{number}");
    }
}

#[test]
fn continuous_integration_runs_what_a_developer_runs() {
    let text = fs::read_to_string(root().join(".ci/run")).unwrap();
    let commands: Vec<&str> =
        text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).collect();
    assert_eq!(commands, ["set -eu", "cd \"$(dirname \"$0\")/..\"", "exec ./test"]);
}
