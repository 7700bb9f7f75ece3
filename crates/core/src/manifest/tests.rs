use std::collections::BTreeMap;
use std::convert::Infallible;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;

/// Paths of any bytes, with those that need escaping more often than chance has it.
fn path() -> impl Strategy<Value = RelPath> {
    let byte = prop_oneof![3 => any::<u8>(), 1 => prop::sample::select(b"\\\n\r /a*".to_vec())];
    vec(byte, 1..24).prop_filter_map("not a path", |bytes| RelPath::new(bytes).ok())
}

fn tree() -> impl Strategy<Value = BTreeMap<RelPath, Digest>> {
    btree_map(path(), any::<[u8; 32]>().prop_map(Digest::from_bytes), 0..20)
}

fn entries(tree: &BTreeMap<RelPath, Digest>) -> Vec<Entry> {
    tree.iter().map(|(path, sha256)| Entry { path: path.clone(), sha256: *sha256 }).collect()
}

fn written(tree: &BTreeMap<RelPath, Digest>) -> (Vec<u8>, Written) {
    let mut out = Vec::new();
    let mut writer = Writer::new(|line: &[u8]| {
        out.extend_from_slice(line);
        Ok::<(), Infallible>(())
    });
    for entry in entries(tree) {
        writer.push(&entry, 7).unwrap();
    }
    let end = writer.finish();
    (out, end)
}

/// Parses `bytes` cut at `cuts`.
fn parsed(bytes: &[u8], cuts: &[usize], sorted: Sorted) -> Result<Vec<Entry>, ParseError> {
    let mut parser = Parser::new(sorted);
    let mut out = Vec::new();
    let mut rest = bytes;
    for cut in cuts {
        let (piece, tail) = rest.split_at((*cut).min(rest.len()));
        parser.feed(piece, |entry| out.push(entry))?;
        rest = tail;
    }
    parser.feed(rest, |entry| out.push(entry))?;
    parser.finish().map(|()| out)
}

fn entry(path: impl AsRef<[u8]>, content: &[u8]) -> Entry {
    Entry { path: RelPath::new(path).unwrap(), sha256: Digest::of(content) }
}

#[test]
fn a_line_is_what_sha256sum_writes() {
    let hash = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    for (name, line) in [
        ("a b", format!("{hash}  a b\n")),
        ("a\nb", format!("\\{hash}  a\\nb\n")),
        ("a\rb", format!("\\{hash}  a\\rb\n")),
        ("a\\n", format!("\\{hash}  a\\\\n\n")),
    ] {
        let mut out = Vec::new();
        write_line(&entry(name, b"x"), &mut out);
        assert_eq!(out, line.as_bytes());
    }
}

#[test]
fn every_form_that_sha256sum_prints_is_read() {
    let hash = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    for line in [
        format!("{hash}  d/a\n"),
        format!("{hash} *d/a\n"),
        format!("{}  d/a\n", hash.to_uppercase()),
        format!("{hash}  ./d/a\n"),
        format!("\\{hash}  d/a\n"),
    ] {
        assert_eq!(parsed(line.as_bytes(), &[], Sorted::Required).unwrap(), [entry("d/a", b"x")], "{line:?}");
    }
}

/// A line, and whether an error is the one it must give.
type Mistake = (String, fn(&ParseErrorKind) -> bool);

#[test]
fn every_mistake_is_named_with_its_line() {
    use ParseErrorKind as K;
    let hash = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    let good = format!("{hash}  m\n");
    let cases: Vec<Mistake> = vec![
        ("\n".into(), |k| *k == K::Form),
        (format!("{hash} m\n"), |k| *k == K::Form),
        (format!("{}g  m\n", &hash[1..]), |k| *k == K::Form),
        (format!("{hash}  \n"), |k| matches!(k, K::Path(_))),
        (format!("{hash}  ../m\n"), |k| matches!(k, K::Path(_))),
        (format!("{hash}  /etc/m\n"), |k| matches!(k, K::Path(_))),
        (format!("{hash}  n\0\n"), |k| matches!(k, K::Path(_))),
        (format!("\\{hash}  n\\t\n"), |k| *k == K::Escape),
        (format!("\\{hash}  n\\\n"), |k| *k == K::Escape),
        (format!("{hash}  m\n"), |k| matches!(k, K::OutOfOrder(_))),
        (format!("{hash}  a\n"), |k| matches!(k, K::OutOfOrder(_))),
        (format!("{hash}  z"), |k| *k == K::CutOff),
        (format!("{hash}  {}\n", "z".repeat(LINE_BYTES_MAX)), |k| *k == K::TooLong),
    ];
    for (bad, expected) in cases {
        for cuts in [vec![], vec![1; good.len() + bad.len()]] {
            let error = parsed(format!("{good}{bad}").as_bytes(), &cuts, Sorted::Required).unwrap_err();
            assert_eq!(error.line, 2, "{bad:?}");
            assert!(expected(&error.kind), "{bad:?}: {error}");
        }
    }
    assert_eq!(parsed(format!("{good}{good}").as_bytes(), &[], Sorted::Any).unwrap().len(), 2);
}

#[test]
fn an_error_stays() {
    let mut parser = Parser::new(Sorted::Any);
    let error = parser.feed(b"x\n", |_| panic!("no entry")).unwrap_err();
    assert_eq!(parser.feed(b"", |_| panic!("no entry")).unwrap_err(), error);
    assert_eq!(parser.finish().unwrap_err(), error);
}

#[test]
fn the_writer_refuses_what_is_out_of_order_or_named_twice() {
    let mut writer = Writer::new(|_: &[u8]| Ok::<(), Infallible>(()));
    writer.push(&entry("b", b""), 0).unwrap();
    assert!(matches!(writer.push(&entry("b", b""), 0), Err(WriteError::OutOfOrder { .. })));
    let mut writer = Writer::new(|_: &[u8]| Err::<(), &str>("full"));
    assert!(matches!(writer.push(&entry("b", b""), 0), Err(WriteError::Sink("full"))));
}

#[test]
fn a_sequence_out_of_order_never_compares_as_the_same() {
    let left = [entry("a", b"1"), entry("b", b"1")];
    let right = [entry("b", b"1"), entry("a", b"1")];
    assert!(!compare(left, right).all(|verdict| matches!(verdict, Verdict::Same(_))));
}

proptest! {
    #[test]
    fn any_tree_survives_in_any_pieces(tree in tree(), cuts in vec(0_usize..90, 0..40)) {
        let (bytes, end) = written(&tree);
        prop_assert_eq!(end.sha256, Digest::of(&bytes));
        prop_assert_eq!(end.inventory.files, tree.len() as u64);
        prop_assert_eq!(end.inventory.bytes, 7 * tree.len() as u64);
        prop_assert_eq!(bytes.iter().filter(|b| **b == b'\n').count(), tree.len());
        prop_assert_eq!(parsed(&bytes, &cuts, Sorted::Required).unwrap(), entries(&tree));
    }

    #[test]
    fn a_manifest_that_was_cut_off_is_never_taken_for_whole(tree in tree(), at: prop::sample::Index) {
        let (bytes, _) = written(&tree);
        prop_assume!(!bytes.is_empty());
        let cut = at.index(bytes.len());
        let whole_lines = cut == 0 || bytes[cut - 1] == b'\n';
        prop_assert_eq!(parsed(&bytes[..cut], &[], Sorted::Required).is_ok(), whole_lines);
    }

    #[test]
    fn no_bytes_panic_and_pieces_do_not_matter(bytes in vec(any::<u8>(), 0..300), cuts in vec(0_usize..90, 0..20)) {
        let whole = parsed(&bytes, &[], Sorted::Any);
        prop_assert_eq!(parsed(&bytes, &cuts, Sorted::Any), whole);
    }

    #[test]
    fn a_damaged_manifest_does_not_panic(tree in tree(), at: prop::sample::Index, with: u8, cuts in vec(0_usize..90, 0..20)) {
        let (mut bytes, _) = written(&tree);
        prop_assume!(!bytes.is_empty());
        let at = at.index(bytes.len());
        bytes[at] = with;
        let whole = parsed(&bytes, &[], Sorted::Required);
        prop_assert_eq!(parsed(&bytes, &cuts, Sorted::Required), whole);
    }

    #[test]
    fn the_comparison_says_what_a_map_says(left in tree(), right in tree(), shared in tree(), flipped: u8) {
        let (mut left, mut right) = (left, right);
        for (path, digest) in shared {
            let changed = path.as_bytes()[0] & 1 == flipped & 1;
            let other = if changed { Digest::of(digest.as_bytes()) } else { digest };
            left.insert(path.clone(), digest);
            right.insert(path, other);
        }
        let all: BTreeMap<_, _> = left.iter().chain(&right).map(|(path, _)| (path.clone(), ())).collect();
        let verdicts: Vec<_> = compare(entries(&left), entries(&right)).collect();
        prop_assert_eq!(verdicts.len(), all.len());
        for (verdict, path) in verdicts.into_iter().zip(all.into_keys()) {
            let expected = match (left.get(&path), right.get(&path)) {
                (Some(l), None) => Verdict::Missing(Entry { path, sha256: *l }),
                (None, Some(r)) => Verdict::Extra(Entry { path, sha256: *r }),
                (Some(l), Some(r)) if l == r => Verdict::Same(Entry { path, sha256: *l }),
                (Some(l), Some(r)) => Verdict::Different { path, expected: *l, found: *r },
                (None, None) => unreachable!(),
            };
            prop_assert_eq!(verdict, expected);
        }
    }
}
