//! The conformance suite of the port, on both ways to the far side.

use std::sync::Arc;

use verisim_testkit::transport_suite::{Lacks, TransportFixture};

use crate::place::{Account, Place};

fn fixture(account: Account) -> Option<TransportFixture> {
    let place = Place::new(account)?;
    place.is_used();
    let (remote_root, transport) = (place.path("vault"), place.transport());
    let scratch = tempfile::tempdir_in(crate::common::base()).unwrap();
    let (transport, kept) = (Arc::new(transport), Box::new(place));
    Some(TransportFixture { transport, remote_root, scratch, kept, lacks: Lacks::nothing() })
}

mod where_commands_may_be_run {
    use super::{Account, fixture};
    verisim_testkit::transport_conformance!(match fixture(Account::Shell) {
        Some(fixture) => fixture,
        None => return,
    });
}

mod where_rsync_alone_may_be_run {
    use super::{Account, fixture};
    verisim_testkit::transport_conformance!(match fixture(Account::RsyncAlone) {
        Some(fixture) => fixture,
        None => return,
    });
}
