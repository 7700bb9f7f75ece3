//! Dividing a capture between two runs of rsync. One is never busy with all of a machine: each of its sides waits for the other,
//! and what a connection encrypts is encrypted by one processor.
//!
//! Each entry of the capture's own folder is of one part alone, with all below it: two runs never make the same directory.

use std::collections::BTreeMap;

use verisim_core::RelPath;

use super::filter::NAMED_MAX;
use crate::tree::{Item, Kind};

/// What a file costs beside its bytes, in bytes that take as long.
const FILE_COSTS: u64 = 64 << 10;
/// What is less than this is not divided: another connection would take longer.
const DIVIDED_SINCE: u64 = 128 << 20;

/// What each of two runs leaves to the other; `None`: it is one run's work.
pub(super) fn divide<'i>(items: impl Iterator<Item = &'i Item>) -> Option<[Vec<RelPath>; 2]> {
    let mut entries: BTreeMap<&[u8], u64> = BTreeMap::new();
    for item in items {
        let path = item.path.as_bytes();
        let name = path.split(|byte| *byte == b'/').next().unwrap_or(path);
        let costs = if item.kind == Kind::File { FILE_COSTS.saturating_add(item.stamp.size) } else { 0 };
        let entry = entries.entry(name).or_default();
        *entry = entry.saturating_add(costs);
        if entries.len() > NAMED_MAX {
            return None;
        }
    }
    let mut entries: Vec<(&[u8], u64)> = entries.into_iter().collect();
    entries.sort_by_key(|(_, costs)| std::cmp::Reverse(*costs));
    let mut parts = [(0_u64, Vec::new()), (0_u64, Vec::new())];
    for (name, costs) in entries {
        let [one, other] = &mut parts;
        let lighter = if one.0 <= other.0 { one } else { other };
        lighter.0 = lighter.0.saturating_add(costs);
        lighter.1.push(RelPath::new(name).ok()?);
    }
    let [(one, of_one), (other, of_other)] = parts;
    let is_worth_it = one.saturating_add(other) >= DIVIDED_SINCE && one.min(other) >= one.max(other) / 4;
    is_worth_it.then_some([of_other, of_one])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Stamp;

    fn item(path: &str, size: u64) -> Item {
        Item::file(RelPath::new(path).unwrap(), Stamp::new(size, 0, 1))
    }

    fn names(part: &[RelPath]) -> Vec<String> {
        part.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_entry_is_of_one_part_and_both_have_much_to_do() {
        let items = [item("a/x", 80 << 20), item("a/y", 1), item("b", 60 << 20), item("c/d/e", 30 << 20)];
        let [one, other] = divide(items.iter()).unwrap();
        assert_eq!((names(&one), names(&other)), (vec!["b".into(), "c".into()], vec!["a".to_owned()]));
        let many: Vec<Item> = (0..3000).map(|n| item(&format!("{}/{n}", n % 10), 10)).collect();
        let [one, other] = divide(many.iter()).unwrap();
        assert_eq!((one.len(), other.len()), (5, 5));
    }

    #[test]
    fn what_one_run_does_as_fast_is_left_to_one() {
        assert!(divide([item("a", 1), item("b", 1)].iter()).is_none(), "little");
        assert!(divide([item("a", 1 << 40), item("b", 1)].iter()).is_none(), "one large file");
        let wide: Vec<Item> = (0..5000).map(|n| item(&n.to_string(), 1 << 20)).collect();
        assert!(divide(wide.iter()).is_none(), "more names than rules are made for");
    }
}
