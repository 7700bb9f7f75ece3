//! The conformance suite of the port, on each kind of remote and by both generations.

use std::sync::Arc;

use verisim_testkit::real_rclone::Generation;
use verisim_testkit::transport_suite::{Lacks, TransportFixture};

use crate::place::{Kind, Place};

fn fixture(kind: Kind, generation: Generation) -> Option<TransportFixture> {
    let place = Place::new(kind, generation)?;
    place.is_used();
    let (remote_root, transport) = (place.vault(), Arc::new(place.transport()));
    let scratch = tempfile::tempdir_in(crate::common::base()).unwrap();
    let lacks = match (kind, generation) {
        // A file system takes every name, and is given every name where rclone can be told to.
        (Kind::Folder, _) | (Kind::Sftp, Generation::Newer) => Lacks::nothing(),
        // Before 1.7x, SFTP gets the form in which rclone shows names.
        (Kind::Sftp, Generation::Installed) => {
            Lacks { carries: |path| !path.iter().any(u8::is_ascii_control), folders: true, links: true }
        }
        (Kind::S3, _) => Lacks {
            carries: |path| std::str::from_utf8(path).is_ok() && !path.iter().any(u8::is_ascii_control),
            folders: false,
            links: false,
        },
    };
    Some(TransportFixture { transport, remote_root, scratch, kept: Box::new(place), lacks })
}

macro_rules! suite {
    ($name:ident, $kind:ident, $generation:ident) => {
        mod $name {
            use super::{Generation, Kind, fixture};
            verisim_testkit::transport_conformance!(match fixture(Kind::$kind, Generation::$generation) {
                Some(fixture) => fixture,
                None => return,
            });
        }
    };
}

suite!(a_folder_by_the_installed, Folder, Installed);
suite!(a_folder_by_the_newer, Folder, Newer);
suite!(sftp_by_the_installed, Sftp, Installed);
suite!(sftp_by_the_newer, Sftp, Newer);
suite!(s3_by_the_installed, S3, Installed);
suite!(s3_by_the_newer, S3, Newer);
