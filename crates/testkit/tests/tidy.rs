//! Tidiness as a test: what no compiler checks, and what rots when nobody looks.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What may depend on what, beyond `core`, on which everything may depend. Tests may use more: see [`TEST_ONLY`].
const EDGES: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("audit", &[]),
    ("realism", &[]),
    ("sys", &[]),
    ("ssh", &[]),
    ("connect", &["ssh", "sys"]),
    ("drivers", &[]),
    ("sync", &["ssh", "sys"]),
    ("store", &[]),
    ("engine", &["realism"]),
    ("cli", &["audit", "connect", "drivers", "engine", "realism", "ssh", "store", "sync", "sys"]),
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

/// What goes wrong in flows that push a directory with a tool and compare listings, and what is done here instead.
const DEFECTS: [(&str, &str); 20] = [
    (
        "the content lands in a folder within the folder",
        "the content of the capture is mirrored; every transport is held to it with the real tools",
    ),
    (
        "only the last component of a path names the folder there",
        "the full mirrored path, and an owner marker; another owner is refused",
    ),
    (
        "a job waits for a verification or a second pass that nobody makes",
        "every state that is not final has something that drives it, also after a kill",
    ),
    (
        "one unexpected error leaves a job stuck for ever",
        "paths are bytes; every error, and every panic, becomes a kind",
    ),
    (
        "no time limit on a tool; two pushes of one run after a restart",
        "process groups, limits for start, silence and the whole, leases with fencing tokens",
    ),
    (
        "the whole output of a tool in memory, and no progress",
        "output is a stream, kept within bounds; progress is told",
    ),
    ("one job at a time for everybody", "lanes per destination, woken when something is due"),
    (
        "the manifest is made after the push, and compared with itself",
        "hashed as it is sent, or before, with every file looked at before and after; what is there is read there",
    ),
    (
        "files are deleted that were never verified",
        "by a written list, file by file, if unchanged since, under interlocks; what else is there stays",
    ),
    ("the manifest never reaches the destination", "written there last, in one step: the commit mark"),
    (
        "names with spaces, newlines and backslashes make false mismatches",
        "the escapes of `sha256sum`, lists that end with NUL, bytes",
    ),
    (
        "links, special files and odd names are met only by failing",
        "looked for first, decided by kind, and told",
    ),
    (
        "a part of a file stands under its final name",
        "another name or folder until it is whole; what is cut goes on",
    ),
    ("a retry keeps the corrupt file", "what differs, and nothing else, is sent again by force"),
    ("the last delay of the table is never used", "five delays, six attempts"),
    ("safety hangs on convenient defaults", "required inputs; an interlock has none that means \"fine\""),
    (
        "a bandwidth is 4.9 % too fast, set once, and knows no midnight",
        "125,000 bytes a second per Mbit/s, asked for again while it runs, windows over midnight",
    ),
    (
        "a state is written without a look at the one before",
        "state and fencing token stand in the WHERE of every write",
    ),
    (
        "ssh is not told whom to believe and how long to wait, and raw data is compressed",
        "one identity, checked host keys, time limits, no compression",
    ),
    (
        "every pass hashes the whole destination again",
        "as many full passes as are asked for and no more; a mismatch sends what differs alone",
    ),
];

/// The numbers in names such as `defect_07_..` and `defects_04_11_12_..`.
fn defects_in(name: &str) -> Vec<usize> {
    let mut parts = name.split(|c: char| !c.is_ascii_alphanumeric());
    match parts.next() {
        Some("defect" | "defects") => parts.map_while(|part| part.parse().ok()).collect(),
        _ => Vec::new(),
    }
}

/// The page is what this makes: `VERISIM_WRITE_DOCS=1` writes it anew.
#[test]
#[expect(clippy::disallowed_methods, reason = "whether to write the page is asked for from outside")]
fn every_known_defect_has_a_test_and_the_page_names_it() {
    let mut tests: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources().iter().filter(|(path, _)| !path.ends_with("tests/tidy.rs")) {
        for line in text.lines() {
            let Some(name) = line.trim_start().split("fn ").nth(1).and_then(|rest| rest.split('(').next())
            else {
                continue;
            };
            for number in defects_in(name) {
                let place = path.trim_start_matches("crates/");
                tests.entry(number).or_default().insert(format!("`{name}` ({place})"));
            }
        }
    }
    let numbers: Vec<usize> = tests.keys().copied().collect();
    assert_eq!(
        numbers,
        (1..=DEFECTS.len()).collect::<Vec<_>>(),
        "a defect without a test, or one without a row"
    );
    let mut page = String::from(
        "# Twenty defects that this has not\n\n\
         Each was found in flows that push a directory with a tool and compare listings. Each has tests that fail on it, found by its\n\
         number: `cargo nextest run defect_13` (and `defects_` where a test stands for several). What is in `transport_suite.rs` runs once\n\
         for every transport and way to it. Made by the tests.\n\n| # | What goes wrong elsewhere | What is done here | Tests |\n|---|---|---|---|\n",
    );
    for (at, (wrong, here)) in DEFECTS.iter().enumerate() {
        let tests = tests[&(at + 1)].iter().cloned().collect::<Vec<_>>().join("<br>");
        page.push_str(&format!("| {} | {wrong} | {here} | {tests} |\n", at + 1));
    }
    let file = root().join("docs/defects.md");
    if std::env::var_os("VERISIM_WRITE_DOCS").is_some() {
        fs::write(&file, &page).unwrap();
    }
    let known = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        known == page,
        "docs/defects.md is not what the tests are: VERISIM_WRITE_DOCS=1 cargo test -p verisim-testkit --test tidy"
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
