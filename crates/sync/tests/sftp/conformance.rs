//! The conformance suite of the port: where commands may be run, and where there is SFTP alone.

use std::sync::Arc;

use verisim_testkit::transport_suite::TransportFixture;

use crate::place::{Account, Place};

fn fixture(account: Account) -> Option<TransportFixture> {
    let place = Place::new(account)?;
    place.is_used();
    let (remote_root, transport) = (place.vault.clone(), place.transport());
    let scratch = tempfile::tempdir_in(crate::common::base()).unwrap();
    Some(TransportFixture {
        transport: Arc::new(transport),
        remote_root,
        scratch,
        kept: Box::new(place),
        lacks: verisim_testkit::transport_suite::Lacks::nothing(),
    })
}

mod where_commands_may_be_run {
    use super::{Account, fixture};
    verisim_testkit::transport_conformance!(match fixture(Account::Shell) {
        Some(fixture) => fixture,
        None => return,
    });
}

mod where_there_is_sftp_alone {
    use super::{Account, fixture};
    verisim_testkit::transport_conformance!(match fixture(Account::SftpAlone) {
        Some(fixture) => fixture,
        None => return,
    });
}
