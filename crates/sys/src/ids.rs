//! How the users and groups of a user namespace stand for those of this machine (user_namespaces(7)).

use verisim_core::Owner;

/// What an id is shown as inside that has no place there: the kernel's default of `/proc/sys/kernel/overflowuid`.
const OVERFLOW_ID: u32 = 65_534;
/// How many stretches the kernel keeps at the most in each of the two maps.
const STRETCHES_MAX: usize = 340;

/// The two maps of a user namespace: users and groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMap {
    users: Vec<Stretch>,
    groups: Vec<Stretch>,
}

/// Ids that follow one another on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    inside: u32,
    outside: u32,
    count: u32,
}

impl IdMap {
    /// Reads `/proc/PID/uid_map` and `/proc/PID/gid_map`. `None` when a line is none of such a file.
    #[must_use]
    pub fn parse(users: &str, groups: &str) -> Option<Self> {
        Some(Self { users: stretches(users)?, groups: stretches(groups)? })
    }

    /// Whether every id stands for itself, as without a user namespace.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        let whole = |map: &[Stretch]| matches!(map, [one] if one.inside == 0 && one.outside == 0 && one.count == u32::MAX);
        whole(&self.users) && whole(&self.groups)
    }

    /// The owner on this machine that stands for `inside`; `None` when one of the two ids has no place there.
    #[must_use]
    pub fn outside(&self, inside: Owner) -> Option<Owner> {
        let find = |map: &[Stretch], id: u32| {
            map.iter().find_map(|one| {
                let step = id.checked_sub(one.inside).filter(|step| *step < one.count)?;
                one.outside.checked_add(step)
            })
        };
        Some(Owner { uid: find(&self.users, inside.uid)?, gid: find(&self.groups, inside.gid)? })
    }

    /// The owner that the inside sees; an id without a place there is shown as the kernel shows it, as nobody.
    #[must_use]
    pub fn inside(&self, outside: Owner) -> Owner {
        let find = |map: &[Stretch], id: u32| {
            let found = map.iter().find_map(|one| {
                let step = id.checked_sub(one.outside).filter(|step| *step < one.count)?;
                one.inside.checked_add(step)
            });
            found.unwrap_or(OVERFLOW_ID)
        };
        Owner { uid: find(&self.users, outside.uid), gid: find(&self.groups, outside.gid) }
    }
}

fn stretches(map: &str) -> Option<Vec<Stretch>> {
    map.lines()
        .take(STRETCHES_MAX)
        .map(|line| {
            let mut numbers = line.split_ascii_whitespace().map(str::parse);
            let mut next = || numbers.next()?.ok();
            Some(Stretch { inside: next()?, outside: next()?, count: next()? })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "         0          0 4294967295\n";

    #[test]
    fn ids_are_translated_both_ways_and_never_made_up() {
        let map = IdMap::parse("0 100000 1000\n1000 1000 1\n", "0 200000 65536\n").unwrap();
        let pair = |uid, gid| Owner { uid, gid };
        assert_eq!(map.outside(Owner::ROOT), Some(pair(100_000, 200_000)));
        assert_eq!(map.outside(pair(1000, 5)), Some(pair(1000, 200_005)));
        assert_eq!(map.outside(pair(1001, 5)), None);
        assert_eq!(map.outside(pair(0, 65_536)), None);
        assert_eq!(map.inside(pair(100_999, 200_001)), pair(999, 1));
        assert_eq!(map.inside(Owner::ROOT), pair(65_534, 65_534));
        assert!(!map.is_identity());
        assert!(IdMap::parse(OWN, OWN).unwrap().is_identity());
        for bad in ["0 0", "x 0 1", "0 0 -1"] {
            assert_eq!(IdMap::parse(bad, OWN), None, "{bad}");
        }
        let edge = IdMap::parse("4294967290 4294967290 4294967295\n", OWN).unwrap();
        assert_eq!(edge.outside(pair(u32::MAX, 0)), Some(pair(u32::MAX, 0)));
    }
}
