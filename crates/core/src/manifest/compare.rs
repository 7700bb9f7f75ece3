//! Comparing two sorted manifests in a stream.

use std::cmp::Ordering;

use crate::{Digest, RelPath, manifest::Entry};

/// What a comparison says of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is expected and was not found.
    Missing(Entry),
    /// It was found and is not expected.
    Extra(Entry),
    /// It was found with another content.
    Different {
        /// Which file.
        path: RelPath,
        /// The hash it should have.
        expected: Digest,
        /// The hash it has.
        found: Digest,
    },
    /// It was found as expected.
    Same(Entry),
}

/// Decides over the heads of two sorted sequences: takes what is decided out of its place, for the caller to fill again.
/// `None` when both are empty.
///
/// Where a sequence is not sorted after all, a file may come out as missing and as extra; never as the same.
pub fn settle(expected: &mut Option<Entry>, found: &mut Option<Entry>) -> Option<Verdict> {
    let order = match (expected.as_ref(), found.as_ref()) {
        (None, None) => return None,
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(left), Some(right)) => left.path.cmp(&right.path),
    };
    match order {
        Ordering::Less => expected.take().map(Verdict::Missing),
        Ordering::Greater => found.take().map(Verdict::Extra),
        Ordering::Equal => {
            let (left, right) = (expected.take()?, found.take()?);
            Some(if left.sha256 == right.sha256 {
                Verdict::Same(left)
            } else {
                Verdict::Different { path: left.path, expected: left.sha256, found: right.sha256 }
            })
        }
    }
}

/// Compares two sorted sequences; see [`compare`].
#[derive(Debug)]
pub struct Compare<L, R> {
    expected: L,
    found: R,
    heads: (Option<Entry>, Option<Entry>),
}

/// The verdicts over two sorted sequences, in the order of their paths. Holds one entry of each.
pub fn compare<L, R>(expected: L, found: R) -> Compare<L::IntoIter, R::IntoIter>
where
    L: IntoIterator<Item = Entry>,
    R: IntoIterator<Item = Entry>,
{
    Compare { expected: expected.into_iter(), found: found.into_iter(), heads: (None, None) }
}

impl<L: Iterator<Item = Entry>, R: Iterator<Item = Entry>> Iterator for Compare<L, R> {
    type Item = Verdict;

    fn next(&mut self) -> Option<Verdict> {
        let (left, right) = &mut self.heads;
        if left.is_none() {
            *left = self.expected.next();
        }
        if right.is_none() {
            *right = self.found.next();
        }
        settle(left, right)
    }
}
