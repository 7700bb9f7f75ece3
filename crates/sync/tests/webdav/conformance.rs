//! The conformance suite of the port, on servers of the field.

use std::sync::Arc;

use verisim_testkit::real_dav::Dav;
use verisim_testkit::transport_suite::{Lacks, TransportFixture};

use crate::place::Place;

fn is_text(path: &[u8]) -> bool {
    std::str::from_utf8(path)
        .is_ok_and(|text| !text.contains(|c: char| c.is_ascii_control()) && !text.ends_with(' '))
}

fn fixture(whose: Dav) -> Option<TransportFixture> {
    let place = Place::new(whose)?;
    place.is_used();
    let (remote_root, transport) = (place.vault(), Arc::new(place.transport()));
    let scratch = tempfile::tempdir_in(crate::common::base()).unwrap();
    let carries = match whose {
        Dav::Nginx => |path: &[u8]| {
            is_text(path) && !path.split(|byte| *byte == b'/').any(|name| name.starts_with(b"."))
        },
        Dav::Apache => is_text,
    };
    // A link over there is the server's to follow or not, and is not shown.
    let lacks = Lacks { carries, folders: true, links: false };
    Some(TransportFixture { transport, remote_root, scratch, kept: Box::new(place), lacks })
}

macro_rules! suite {
    ($name:ident, $server:ident) => {
        mod $name {
            use super::{Dav, fixture};
            verisim_testkit::transport_conformance!(match fixture(Dav::$server) {
                Some(fixture) => fixture,
                None => return,
            });
        }
    };
}

suite!(nginx, Nginx);
suite!(apache, Apache);
