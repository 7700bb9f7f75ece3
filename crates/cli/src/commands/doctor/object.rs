//! Destinations that are stores of objects.

use std::sync::Arc;

use verisim_core::{Clock, DestinationName};

use super::Sheet;
use crate::config::{Config, ObjectConfig};

/// Whether the store answers and lets us in, and whether it is the one that was used before.
#[cfg(feature = "object")]
pub(super) async fn look_at_store(
    sheet: &mut Sheet,
    config: &Config,
    name: &DestinationName,
    (object, clock): (&ObjectConfig, Arc<dyn Clock>),
) {
    use super::{Check, evidence, far};
    use crate::exit::Exit;
    use crate::state::StateDir;

    let transport = match crate::object::object_to(object, name, &StateDir::at(&config.state), clock) {
        Ok(transport) => transport,
        Err(error) => return sheet.bad(Check::Configuration, Exit::Config, error.message, ""),
    };
    let facts = match Box::pin(transport.inquire()).await {
        Ok(facts) => facts,
        Err(error) => return far::note_failure(sheet, &error.failure, None),
    };
    sheet.good(Check::Reachable, format!("{} answers, and lets us in", transport.place()));
    evidence::note_identity(sheet, facts.recognised);
    if facts.is_in_clear {
        sheet.warn(
            Check::Reachable,
            "what goes there is not encrypted: its endpoint begins with http://",
            "give the store a certificate, and write https://",
        );
    }
    sheet.warn(
        Check::Tools,
        "what is there is read back to be verified: a store's own checksums do not tell what its disks hold",
        "leave it, within `read_back_max` a pass; reading may cost money at a cloud service",
    );
}

/// The configuration names no store where none was built in.
#[cfg(not(feature = "object"))]
#[expect(clippy::unused_async, reason = "as where it was built in")]
pub(super) async fn look_at_store(
    _: &mut Sheet,
    _: &Config,
    _: &DestinationName,
    _: (&ObjectConfig, Arc<dyn Clock>),
) {
}
