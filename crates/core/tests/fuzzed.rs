//! The bodies of the fuzz targets over their corpus and some thousand inputs that are made from it: a target that does not
//! compile, or breaks on something near, is seen without a fuzzer.

#![expect(clippy::unwrap_used, reason = "a check fails by panicking")]

#[path = "../../../fuzz/bodies/manifest.rs"]
mod manifest;
#[path = "../../../fuzz/bodies/path.rs"]
mod path;
#[path = "../../../fuzz/bodies/text_edit.rs"]
mod text_edit;
#[path = "../../../fuzz/bodies/topic_filter.rs"]
mod topic_filter;

use std::path::{Path, PathBuf};

/// Inputs that are made for each target.
const MADE: u64 = 20_000;
/// The longest of them.
const BYTES_MAX: usize = 4096;
/// What a parser looks for.
const WORDS: [&[u8]; 12] =
    [b"\n", b"\\", b"  ", b" *", b"/", b"..", b".", b"*", b">", b"\0", b"\xff", b"{\"bytes\":\"/w==\"}"];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(fuzz().join("corpus").join(target)).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has no corpus");
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Draws numbers, the same in every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    /// Changes an input in one place.
    fn change(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        match self.below(6) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => drop(input.remove(at)),
            2 => drop(input.splice(at..at, WORDS[self.below(WORDS.len())].iter().copied())),
            3 => input.truncate(at),
            4 => {
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len() + 1);
                input.splice(at..at, other[from..].iter().copied());
            }
            _ => {
                let to = at + self.below(input.len() + 1 - at);
                let piece = input[at..to].to_vec();
                input.splice(at..at, piece);
            }
        }
        input.truncate(BYTES_MAX);
    }
}

fn run(target: &str, check: fn(&[u8])) {
    let seeds = corpus(target);
    seeds.iter().for_each(|seed| check(seed));
    for number in 0..MADE {
        let mut draw = Draw(number);
        let mut input = seeds[draw.below(seeds.len())].clone();
        for _ in 0..=draw.below(8) {
            draw.change(&mut input, &seeds);
        }
        let broke = std::panic::catch_unwind(|| check(&input)).is_err();
        assert!(!broke, "{target} breaks on input {number}: {:?}", String::from_utf8_lossy(&input));
    }
}

#[test]
fn manifests() {
    run("manifest", manifest::check);
}

#[test]
fn paths() {
    run("path", path::check);
}

#[test]
fn edits() {
    run("text_edit", text_edit::check);
}

#[test]
fn topics() {
    run("topic_filter", topic_filter::check);
}

/// `records` is run by the tests of `crates/audit`, which it is of.
#[test]
fn every_target_is_run_by_tests() {
    let mut targets: Vec<String> = std::fs::read_dir(fuzz().join("targets"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    targets.sort();
    assert_eq!(targets, ["manifest", "path", "records", "text_edit", "topic_filter"]);
}
