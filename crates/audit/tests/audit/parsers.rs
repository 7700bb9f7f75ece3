//! No bytes make a parser panic, or what judges: the body of the fuzz target over its corpus, and what is made from it.

#[path = "../../../../fuzz/bodies/records.rs"]
mod records;

use std::fs;
use std::path::Path;

use proptest::prelude::*;

fn corpus() -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/records");
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 9);
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

#[test]
fn the_corpus_is_judged() {
    corpus().iter().for_each(|input| records::check(input));
}

/// Times and lengths that no calendar and no file holds.
const IMPOSSIBLE: [&[u8]; 12] = [
    b"Feb 30 99:99:99 h p: x\n",
    b"2026-11-22T03:08:43+25:00 h p[: x\n",
    b"9999-12-31T23:59:59Z h sshd: x\n",
    b"-9999-01-01T00:00:00Z h p: x\n",
    b"#99999999999\nx\n",
    b": 99999999999999:0;x\n",
    b"#-9\n",
    b"From a\nDate: Sun, 99 Nov 99999 03:08:43 +9999\n\n",
    b"%PDF-1.7 /CreationDate(D:99999999999999-99'99')",
    b"/Author<FEFFD8",
    b"PK\x05\x06\0\0\0\0\x01\0\x01\0\xff\xff\0\0\0\0\0\0\0\0",
    b"Jan  1 00:00:00 h p: x\n",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        records::check(&bytes);
    }

    #[test]
    fn nearly_right_bytes_are_judged(
        pieces in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let corpus = corpus();
        let mut input = Vec::new();
        for (which, cut, noise) in pieces {
            let piece = which.get(&corpus);
            input.extend_from_slice(&piece[..cut.index(piece.len())]);
            input.push(noise);
        }
        records::check(&input);
    }

    #[test]
    fn impossible_times_are_judged(
        pieces in proptest::collection::vec(prop::sample::select(IMPOSSIBLE.to_vec()), 1..40),
    ) {
        records::check(&pieces.concat());
    }
}
