//! How a container stands with its engine right now.

use bollard::models::{ContainerInspectResponse, HostConfig};
use verisim_core::{DecoyPath, Failure, FailureKind};

use super::{ContainerName, Engine};

/// The runtimes whose containers are processes of the engine's kernel, with roots that can be reached through it.
/// Others keep a kernel of their own between the container and the machine.
const PLAIN_RUNTIMES: [&str; 5] = ["", "runc", "crun", "youki", "io.containerd.runc.v2"];

/// A container that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Running {
    /// Its id: 64 hexadecimal digits.
    pub(super) id: String,
    /// Its first process, as the engine numbers it.
    pub(super) pid: u32,
    /// When that process was started: another start is another process, whatever its number.
    started_at: String,
    /// Whether its files can be reached through the kernel.
    pub(super) is_plain: bool,
    /// Whether its root takes no writes.
    pub(super) is_read_only: bool,
    /// Where something is mounted that an archive does not reach: it would go underneath, where nobody sees it.
    pub(super) hidden: Vec<DecoyPath>,
}

#[cfg(test)]
impl Running {
    /// A container that is said to run as this process.
    pub(super) fn for_test(id: String, pid: u32) -> Self {
        Self { id, pid, started_at: String::new(), is_plain: true, is_read_only: false, hidden: Vec::new() }
    }
}

impl Engine {
    /// The container, if it runs.
    ///
    /// # Errors
    /// `NotFound` when it does not exist, does not run or is paused: it cannot be reached, and is back when it is.
    /// `Network` while it restarts, and when the engine does not answer.
    pub(super) async fn running(
        &self,
        operation: &'static str,
        name: &ContainerName,
    ) -> Result<Running, Failure> {
        let asked = name.clone();
        let found = self
            .question(operation, |docker| async move { docker.inspect_container(asked.as_str(), None).await })
            .await?;
        judge(operation, name, found)
    }
}

fn judge(
    operation: &'static str,
    name: &ContainerName,
    found: ContainerInspectResponse,
) -> Result<Running, Failure> {
    let failed = |kind, what: &str| Failure::new(kind, operation, format!("the container {name} {what}"));
    let state = found.state.unwrap_or_default();
    let is = |flag: Option<bool>| flag == Some(true);
    if is(state.restarting) {
        return Err(failed(FailureKind::Network, "is restarting"));
    }
    if is(state.dead) || !is(state.running) {
        return Err(failed(FailureKind::NotFound, "is not running"));
    }
    if is(state.paused) {
        return Err(paused(operation, name));
    }
    let id = found.id.unwrap_or_default();
    let pid = state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
    let (Some(pid), true) = (pid, is_id(&id)) else {
        return Err(failed(FailureKind::Unknown, "is said to run, but not as which process"));
    };
    let mut hidden: Vec<DecoyPath> =
        ["/proc", "/sys", "/dev"].iter().filter_map(|at| DecoyPath::new(at).ok()).collect();
    for mount in found.mounts.into_iter().flatten() {
        if mount.typ.as_deref() == Some("tmpfs") {
            hidden.extend(mount.destination.and_then(|at| DecoyPath::new(at).ok()));
        }
    }
    let config: HostConfig = found.host_config.unwrap_or_default();
    for at in config.tmpfs.into_iter().flat_map(|tmpfs| tmpfs.into_keys()) {
        hidden.extend(DecoyPath::new(at).ok());
    }
    Ok(Running {
        is_read_only: is(config.readonly_rootfs),
        id,
        pid,
        started_at: state.started_at.unwrap_or_default(),
        is_plain: PLAIN_RUNTIMES.contains(&config.runtime.unwrap_or_default().as_str()),
        hidden,
    })
}

/// The container's time stands still. Its files could be written all the same, but nothing happens on a host at such a
/// time, and what did would be seen to have.
pub(super) fn paused(operation: &'static str, name: &ContainerName) -> Failure {
    Failure::new(FailureKind::NotFound, operation, format!("the container {name} is paused"))
}

fn is_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}
