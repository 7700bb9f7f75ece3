//! Decoys that are containers, and the engines behind them.

use verisim_connect::{Engine, EngineAddress, Reach};
use verisim_core::{Capabilities, Failure, FailureKind};

use super::{Check, Sheet};
use crate::config::DockerConfig;
use crate::error::{advice, show};
use crate::exit::Exit;

/// Whether an engine answers us, and what it is.
pub(super) async fn look_at_engine(address: &EngineAddress) -> Sheet {
    let mut sheet = Sheet::of(format!("engine {address}"));
    let engine = Engine::at(address.clone());
    match engine.facts().await {
        Ok(facts) if engine.is_here() => {
            sheet.good(Check::Reachable, format!("answers: {facts}; its containers run on this machine"));
        }
        Ok(facts) => sheet
            .good(Check::Reachable, format!("answers: {facts}; its containers are not ours to look into")),
        Err(failure) => {
            let mend = mend_engine(address, &failure);
            sheet.bad(Check::Reachable, Exit::Unreachable, failure.detail, mend);
        }
    }
    if let EngineAddress::Tcp(_) = address {
        sheet.warn(
            Check::Privacy,
            "it is spoken to without encryption, and whoever reaches it is root there",
            "give it certificates, and name ours with tls = { ca = \"ca.pem\", certificate = \"cert.pem\", key = \"key.pem\" }",
        );
    }
    sheet
}

fn mend_engine(address: &EngineAddress, failure: &Failure) -> String {
    match (address, failure.kind) {
        (EngineAddress::Socket(path), _) if !path.exists() => {
            let path = show(path);
            format!(
                "start the engine (systemctl start docker), or name its socket with host = \"unix:///..\": {path} is not there"
            )
        }
        (EngineAddress::Socket(path), FailureKind::Denied) => {
            format!("run verisim as root, or as a user who may write to {}", show(path))
        }
        (_, FailureKind::Auth | FailureKind::Config) => "mend the files under `tls`".to_owned(),
        _ => "start the engine, or mend `host`; its own log says why it does not answer".to_owned(),
    }
}

/// Which way its files take, and why not the better one.
pub(super) fn look_at_reach(sheet: &mut Sheet, docker: &DockerConfig, can: &Capabilities) {
    if can.atomic_replace {
        let why = match docker.reach {
            Some(_) => "as configured",
            None => "its engine is on this machine, and we are root",
        };
        return sheet
            .good(Check::Path, format!("path fast: through the kernel, nothing is started inside ({why})"));
    }
    let (why, mend) = match (&docker.host, docker.reach) {
        (_, Some(Reach::Portable)) => ("the configuration says so", "leave `path` out beside `container`"),
        (EngineAddress::Socket(_), _) if rustix::process::geteuid().is_root() => (
            "its engine runs on another kernel, as in a virtual machine",
            "run verisim beside the containers",
        ),
        (EngineAddress::Socket(_), _) => ("the fast way takes root", "run verisim as root"),
        (EngineAddress::Tcp(_) | EngineAddress::Tls(..), _) => {
            ("its engine is on another machine", "run verisim there")
        }
    };
    sheet.warn(
        Check::Path,
        format!("path portable: in archives through its engine, since {why}; files can be put there, replaced and read, not added to, renamed or removed"),
        format!("{mend}, where personas shall edit and tidy up"),
    );
}

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
        FailureKind::Network => {
            format!("look at its engine, {}: is it running, and does it answer?", docker.host)
        }
        kind => advice(kind)
            .1
            .unwrap_or("look at the container with `docker inspect`, and at the log of its engine")
            .to_owned(),
    }
}
