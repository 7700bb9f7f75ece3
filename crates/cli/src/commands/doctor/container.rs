//! Decoys that are containers, and the engines behind them.

use verisim_core::{Failure, FailureKind};

use crate::config::DockerConfig;
use crate::error::advice;

/// How to mend it that a container does not answer.
pub(super) fn mend(docker: &DockerConfig, failure: &Failure) -> String {
    let container = &docker.container;
    match failure.kind {
        FailureKind::NotFound => format!(
            "start it (docker start {container}; docker unpause {container} where it is paused), or mend its name under `connector`"
        ),
        FailureKind::Unsupported => "write path = \"portable\" beside `container`".to_owned(),
        FailureKind::Denied => {
            "run verisim as root, or write path = \"portable\" beside `container`".to_owned()
        }
        kind => {
            let (_, hint) = advice(kind);
            hint.unwrap_or("look at the container with `docker inspect`, and at the log of its engine")
                .to_owned()
        }
    }
}
