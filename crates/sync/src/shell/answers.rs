//! The answers of the scripts, taken apart. Everything in them may be a lie, and none of it is more than text.

use memchr::memmem;
use verisim_core::{Digest, Failure, FailureKind};

use super::script::{BEGIN, HASHERS, Hasher};
use crate::tool::Look;

/// What a far side is found to have on which commands may be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shell {
    /// What its rsync says of itself; empty where there is none, and where nobody asked.
    pub(crate) rsync: String,
    /// Its hasher; `None`: what is there is read back.
    pub(crate) hasher: Option<Hasher>,
    /// Whether it sorts names in any bytes.
    pub(crate) sorts: bool,
}

/// The records of an answer; `None` where no script of ours has answered.
fn records(answer: &[u8]) -> Option<impl Iterator<Item = (&[u8], &[u8])>> {
    let begin = memmem::find(answer, BEGIN)? + BEGIN.len();
    let records = answer.split_at(begin).1.split(|byte| *byte == 0);
    Some(records.filter_map(|record| {
        let equals = memchr::memchr(b'=', record)?;
        Some((record.split_at(equals).0, record.split_at(equals + 1).1))
    }))
}

/// Whether a script of ours has answered to its end.
pub(crate) fn is_whole(answer: &[u8]) -> bool {
    records(answer).is_some_and(|mut records| records.any(|(key, _)| key == b"end"))
}

/// What the far side has; `None` where commands cannot be run there.
pub(crate) fn shell(answer: &[u8]) -> Option<Shell> {
    let mut found = Shell { rsync: String::new(), hasher: None, sorts: false };
    let mut lists = false;
    for (key, value) in records(answer)? {
        match key {
            b"rsync" => found.rsync = String::from_utf8_lossy(value).into_owned(),
            b"sorts" => found.sorts = true,
            b"lists" => lists = true,
            b"hasher" => {
                let hasher = std::str::from_utf8(value).ok().and_then(|at| at.parse::<usize>().ok());
                found.hasher = hasher.and_then(|at| HASHERS.get(at)).copied();
            }
            _ => {}
        }
    }
    found.hasher = found.hasher.filter(|_| lists);
    Some(found)
}

/// What was found out about a folder. `place` is the destination's root, for people.
pub(crate) fn look(
    answer: &[u8],
    place: &dyn std::fmt::Display,
    operation: &'static str,
) -> Result<Look, Failure> {
    let unheard =
        || Failure::new(FailureKind::Unknown, operation, "the far side did not answer what was asked");
    let mut look = Look::default();
    let text =
        |value: &[u8]| Some(String::from_utf8_lossy(value).into_owned()).filter(|text| !text.is_empty());
    for (key, value) in records(answer).filter(|_| is_whole(answer)).ok_or_else(unheard)? {
        match key {
            b"root" if value == b"absent" => return Err(absent(place, operation)),
            b"root" if value == b"closed" => {
                let what = format_args!("{place} cannot be looked into: let the account there read it");
                return Err(Failure::new(FailureKind::Denied, operation, what));
            }
            b"marker" => look.marker = text(value.trim_ascii()),
            b"above" => look.above = text(value),
            b"way" => look.in_the_way = text(value),
            b"owner" => look.owner = text(value),
            b"exists" => look.exists = true,
            b"content" => look.has_content = true,
            b"sealed" => look.sealed = value.get(..64).and_then(|hex| Digest::from_hex(hex).ok()),
            b"space" => look.free_bytes = free_bytes(&String::from_utf8_lossy(value)),
            _ => {}
        }
    }
    Ok(look)
}

/// A destination whose root is not there. What it stands on may not be mounted, so it is away, and may come back by itself.
pub(crate) fn absent(place: &dyn std::fmt::Display, operation: &'static str) -> Failure {
    let what = format_args!("{place} is not there: mount the storage on that host, or make the folder");
    Failure::new(FailureKind::Network, operation, what)
}

/// The free bytes that a line of `df -Pk` tells: the number before the share that is used.
fn free_bytes(line: &str) -> Option<u64> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let used = words
        .iter()
        .position(|word| word.strip_suffix('%').is_some_and(|share| share.parse::<u8>().is_ok()))?;
    words.get(used.checked_sub(1)?)?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(records: &[&str]) -> Vec<u8> {
        let mut out = b"Welcome! root=absent\nverisim-begins\0".to_vec();
        for record in records {
            out.extend_from_slice(record.as_bytes());
            out.push(0);
        }
        out
    }

    #[test]
    fn what_a_far_side_has_is_taken_from_its_answer() {
        let all = ["rsync=rsync  version 3.2.7  protocol version 31", "sorts=yes", "lists=yes", "hasher=1"];
        let found = shell(&answer(&all)).unwrap();
        assert_eq!(found.hasher, Some(HASHERS[1]));
        assert_eq!(found.rsync, "rsync  version 3.2.7  protocol version 31");
        let without: Vec<&str> = all.iter().copied().filter(|record| *record != "lists=yes").collect();
        assert_eq!(shell(&answer(&without)).unwrap().hasher, None, "what cannot list is read back");
        assert_eq!(shell(&answer(&["lists=yes", "hasher=77"])).unwrap().hasher, None);
        assert_eq!(shell(b"This account does rsync only.\n"), None);
    }

    #[test]
    fn an_answer_that_breaks_off_says_nothing() {
        let whole = [
            "root=there",
            "marker=vault",
            "exists=yes",
            "owner=us",
            "space=/dev/sda1 100 40 60 40% /",
            "end=yes",
        ];
        let look = |records: &[&str]| look(&answer(records), &"nas:/runs", "t.t");
        let found = look(&whole).unwrap();
        assert_eq!((found.owner.as_deref(), found.free_bytes), (Some("us"), Some(60 * 1024)));
        assert_eq!(look(&whole[..5]).unwrap_err().kind, FailureKind::Unknown);
        assert_eq!(look(&["root=absent", "end=yes"]).unwrap_err().kind, FailureKind::Network);
        assert_eq!(look(&["root=closed", "end=yes"]).unwrap_err().kind, FailureKind::Denied);
    }

    proptest! {
        #[test]
        fn any_answer_is_taken_without_a_panic(bytes: Vec<u8>) {
            let told = [BEGIN, &bytes, b"\0end=yes\0"].concat();
            let _ = (shell(&told), look(&told, &"x", "t.t"), free_bytes(&String::from_utf8_lossy(&bytes)));
        }
    }
}
