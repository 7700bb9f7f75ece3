//! One look at the containers of an engine.

use verisim_connect::{Engine, EngineAddress};
use verisim_core::Failure;

use super::{Findings, NamingRule, decoys_among};

/// The decoys among an engine's containers as they are now.
///
/// # Errors
/// When the engine does not say; within its patience.
pub(crate) async fn look(engine: &Engine, rule: &NamingRule) -> Result<Findings, Failure> {
    Ok(decoys_among(&engine.containers().await?, rule))
}

/// Whether nothing can listen there: a machine without an engine.
pub(crate) fn is_absent(host: &EngineAddress) -> bool {
    matches!(host, EngineAddress::Socket(path) if !path.exists())
}
