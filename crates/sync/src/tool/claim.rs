//! Whose a folder at a destination is, judged from what a tool found out about it.

use std::fmt::Display;

use verisim_core::{Digest, Failure, FailureKind, Remote, RemoteStat};

use crate::identity::{KnownDestination, never_used};

/// What a tool found out about a folder at a destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// The identity that the marker at the destination's root names.
    pub(crate) marker: Option<String>,
    /// A folder above it, and its owner.
    pub(crate) above: Option<String>,
    /// It, or a folder above it, is a link or no folder at all: which.
    pub(crate) in_the_way: Option<String>,
    /// Whether the folder is there.
    pub(crate) exists: bool,
    /// The owner that its marker names.
    pub(crate) owner: Option<String>,
    /// Whether something stands in it that is not ours; asked only where it has no owner.
    pub(crate) has_content: bool,
    /// The hash of its sealed manifest.
    pub(crate) sealed: Option<Digest>,
    /// Free bytes there.
    pub(crate) free_bytes: Option<u64>,
}

/// Whether the folder bears our marker already; `false`: it is free to be claimed. A folder of another owner, one below
/// another owner's, and one with content but no marker are refused.
pub(crate) fn claim(look: &Look, to: &Remote, operation: &'static str) -> Result<bool, Failure> {
    let refuse = |what: &dyn Display| Err(Failure::new(FailureKind::Config, operation, what));
    if let Some(owner) = &look.above {
        return refuse(&format_args!("a folder above {} belongs to {owner}", to.path));
    }
    if let Some(what) = &look.in_the_way {
        return refuse(&format_args!(
            "{what} stands where {} has to be, and is no folder: move it away",
            to.path
        ));
    }
    match &look.owner {
        Some(owner) if *owner == shown(&to.owner) => Ok(true),
        Some(owner) => refuse(&format_args!("{} belongs to {owner}", to.path)),
        None if look.has_content => refuse(&format_args!("{} has content and no owner marker", to.path)),
        None => Ok(false),
    }
}

/// Fails unless the folder, at the destination that people know as `place`, is ours.
pub(crate) fn ours(
    look: &Look,
    to: &Remote,
    known: &KnownDestination,
    place: &dyn Display,
    operation: &'static str,
) -> Result<(), Failure> {
    if !known.judge(place, look.marker.as_deref())? {
        return Err(never_used(place));
    }
    if look.in_the_way.is_none() && look.owner.as_deref() == Some(&shown(&to.owner)) {
        return Ok(());
    }
    Err(Failure::new(FailureKind::Config, operation, format_args!("{} is not ours any more", to.path)))
}

impl Look {
    /// What is told of it.
    pub(crate) fn stat(self) -> RemoteStat {
        let Self { exists, owner, sealed, free_bytes, .. } = self;
        RemoteStat { exists, owner, sealed, free_bytes }
    }

    /// What is told where the destination bears no marker yet: nothing in it is ours.
    pub(crate) const fn unmarked_stat(&self) -> RemoteStat {
        RemoteStat { exists: false, owner: None, sealed: None, free_bytes: self.free_bytes }
    }
}

/// An owner's name as it stands in a marker: one line.
pub(crate) fn shown(owner: &str) -> String {
    owner.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use verisim_core::{DestinationName, RelPath};

    use super::*;

    fn remote() -> Remote {
        Remote {
            destination: DestinationName::new("vault").unwrap(),
            path: RelPath::new("lab/run").unwrap(),
            owner: "site/lab/run/1".into(),
        }
    }

    /// Two captures of one name never land in one folder.
    #[test]
    fn only_a_folder_that_is_ours_or_free_is_taken() {
        let ours = Look { exists: true, owner: Some("site/lab/run/1".into()), ..Look::default() };
        assert!(claim(&ours, &remote(), "t.t").unwrap());
        assert!(!claim(&Look::default(), &remote(), "t.t").unwrap());
        assert!(!claim(&Look { exists: true, ..Look::default() }, &remote(), "t.t").unwrap());
        for refused in [
            Look { owner: Some("other/lab/run/1".into()), ..ours.clone() },
            Look { exists: true, has_content: true, ..Look::default() },
            Look { above: Some("somebody".into()), ..ours.clone() },
            Look { in_the_way: Some("lab".into()), ..ours },
        ] {
            assert_eq!(
                claim(&refused, &remote(), "t.t").unwrap_err().kind,
                FailureKind::Config,
                "{refused:?}"
            );
        }
    }
}
