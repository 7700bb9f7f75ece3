//! The conformance suite of the port.

use std::sync::Arc;

use verisim_testkit::transport_suite::{Lacks, TransportFixture};

use crate::place::Place;

fn carries(path: &[u8]) -> bool {
    std::str::from_utf8(path).is_ok_and(|text| {
        let is_special = |c: char| c.is_ascii_control() || c == '\\';
        let is_cut = |part: &str| part.ends_with('.');
        !text.contains(is_special) && !text.ends_with(' ') && !text.split('/').any(is_cut)
    })
}

fn fixture() -> Option<TransportFixture> {
    let place = Place::new()?;
    place.is_used();
    let (remote_root, transport) = (place.vault(), Arc::new(place.transport()));
    let scratch = tempfile::tempdir_in(crate::common::base()).unwrap();
    let lacks = Lacks { carries, folders: false, links: false };
    Some(TransportFixture { transport, remote_root, scratch, kept: Box::new(place), lacks })
}

verisim_testkit::transport_conformance!(match fixture() {
    Some(fixture) => fixture,
    None => return,
});
