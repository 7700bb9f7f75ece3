//! Decoys among the containers of this machine's engine, for `init`.

use std::fmt::Write as _;

use super::quote;
use crate::context::Context;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::fleet::{self, FoundDecoy, Remark};

/// What was found among containers.
#[derive(Default)]
pub(super) struct Containers {
    /// The decoys, by name.
    pub(super) decoys: Vec<FoundDecoy>,
    /// Where their engine listens, where it is not the usual place.
    pub(super) host: Option<String>,
    /// What looked like a decoy and is none.
    pub(super) remarks: Vec<Remark>,
}

/// What stands in every configuration that `init` writes.
pub(super) const SECTION: &str = "\n\
    # Containers with the label verisim.decoy=NAME, and those named NAME-ssh with another NAME-SERVICE on their network, are\n\
    # decoys for as long as they run, also if they come later: take a [[decoy]] out below, and it is still found.\n\
    # With `naming = false` labels alone count, with `docker = false` only what is declared here.\n\
    [discover]\ndocker = true\nnaming = true\n";

/// Asks the engine, if there is one. One that does not answer has no decoys; that is said.
pub(super) fn look(context: &Context) -> CliResult<Containers> {
    let mut found = Containers::default();
    let host = context.engine()?;
    if fleet::is_absent(&host) {
        return Ok(found);
    }
    let rule = fleet::NamingRule { enabled: true, prefix: String::new() };
    context.block_on(async {
        match fleet::look(&verisim_connect::Engine::at(host.clone()), &rule).await {
            Ok(findings) => {
                found.decoys = findings.decoys.into_values().collect();
                found.remarks = findings.remarks;
            }
            Err(failure) => context.output.message(format!("no containers: {}", failure.detail)),
        }
        Ok(Exit::Done)
    })?;
    found.host = (host != verisim_connect::EngineAddress::default()).then(|| host.to_string());
    Ok(found)
}

/// How a container stands in the configuration.
pub(super) fn text(found: &FoundDecoy, host: Option<&str>) -> String {
    let mut out = String::new();
    let all = found.containers.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let why = if found.by_naming { "by their names" } else { "by their label" };
    let host = host.map_or_else(String::new, |host| format!(", host = {}", quote(host)));
    // A label may say anything.
    let services = found.services.iter().filter(|service| crate::config::is_service(service));
    let services: Vec<String> = services.map(|service| quote(service)).collect();
    let role = found.role.as_deref().unwrap_or_else(|| fleet::role_of(&found.services));
    let _ = write!(
        out,
        "# Found among the containers {why}: {}\nconnector = {{ docker = {{ container = {}{host} }} }}\nservices = [{}]\nrole = {}\n",
        verisim_core::printable(&all),
        quote(found.container.as_str()),
        services.join(", "),
        quote(role)
    );
    if let Some(address) = found.address {
        let _ = writeln!(out, "address = {}", quote(&address.to_string()));
    }
    out
}
