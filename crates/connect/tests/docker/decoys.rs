//! Containers as the suites want their decoys: empty, and with an outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use verisim_connect::{DockerConnector, DockerOptions, Engine, EngineAddress, Reach};
use verisim_core::{Clock, Connector, Timestamp, Uptime};
use verisim_testkit::decoy_under_test::MountWork;
use verisim_testkit::{DecoyUnderTest, RealContainer, RealEngine};

/// Shows this machine's time, and so that of its containers.
pub(crate) struct OwnClock;

#[async_trait::async_trait]
impl Clock for OwnClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "what a container's files bear is this machine's time")]
        Timestamp::now()
    }
    fn monotonic(&self) -> Duration {
        unreachable!("a connector measures nothing");
    }
    fn uptime(&self) -> Option<Uptime> {
        unreachable!("a connector measures nothing");
    }
    async fn sleep_until(&self, _at: Timestamp) {
        unreachable!("a connector does not sleep");
    }
}

pub(crate) fn address(engine: &RealEngine) -> EngineAddress {
    EngineAddress::Socket(engine.socket())
}

/// A connector to a container, the way that is named.
pub(crate) fn connector(engine: &RealEngine, container: &str, reach: Reach) -> DockerConnector {
    let options = DockerOptions { container: container.parse().unwrap(), reach: Some(reach), exec: false };
    DockerConnector::new(Engine::at(address(engine)), options, Arc::new(OwnClock))
}

/// The first process of this container changed its root to a folder in it: an empty decoy, with an outside on the same file
/// system, which is an overlay as containers have it.
const INIT: &str = "/bin/busybox mkdir -p /decoy /outside; /bin/busybox cp /bin/busybox /decoy; \
                    exec /bin/busybox chroot /decoy /busybox sleep 100000";

/// Starts a container whose root, as its first process has it, is empty.
pub(crate) fn empty_container<'e>(engine: &'e RealEngine, name: &str, options: &[&str]) -> RealContainer<'e> {
    let container = engine.container_that(name, options, &["/bin/busybox", "sh", "-c", INIT]);
    settle(&container);
    container
}

/// Waits until its first process has changed its root, and takes the program away that it needed for that.
fn settle(container: &RealContainer<'_>) {
    let command = format!("/proc/{}/cmdline", container.pid());
    while !fs::read(&command).unwrap().starts_with(b"/busybox\0sleep") {
        std::thread::sleep(Duration::from_millis(5));
    }
    fs::remove_file(container.root().join("busybox")).unwrap();
}

/// An empty decoy, reached the fast way. Its root and its outside are links to where the container sees them.
pub(crate) struct FastDecoy<'e> {
    container: &'e RealContainer<'e>,
    connector: Arc<dyn Connector>,
    root: PathBuf,
    outside: PathBuf,
}

impl<'e> FastDecoy<'e> {
    /// Empties the container for the next check.
    pub(crate) fn fresh(engine: &'e RealEngine, container: &'e RealContainer<'e>) -> Self {
        let (root, outside) = (engine.folder().join("decoy"), engine.folder().join("outside"));
        show(container, &root, &outside);
        for dir in [&root, &outside] {
            for entry in fs::read_dir(dir).unwrap() {
                let at = entry.unwrap().path();
                let is_dir = fs::symlink_metadata(&at).unwrap().is_dir();
                if is_dir { fs::remove_dir_all(at) } else { fs::remove_file(at) }.unwrap();
            }
        }
        let connector = Arc::new(connector(engine, container.name(), Reach::Fast));
        Self { container, connector, root, outside }
    }
}

impl DecoyUnderTest for FastDecoy<'_> {
    fn connector(&self) -> Arc<dyn Connector> {
        Arc::clone(&self.connector)
    }
    fn host_root(&self) -> &Path {
        &self.root
    }
    fn outside(&self) -> &Path {
        &self.outside
    }
    fn with_mounts(&self, work: MountWork<'_>) -> rustix::io::Result<()> {
        self.container.with_mounts(Box::new(|root| work(&root.join("decoy"))))
    }
    fn take_away(&self) {
        self.container.change(&["kill"]);
    }
    fn bring_back(&self) {
        self.container.change(&["start"]);
        settle(self.container);
        show(self.container, &self.root, &self.outside);
    }
}

/// Lets two links lead to the root of the container's first process and to what lies beside it: as the container sees them,
/// with its mounts, and the same paths also after another start.
fn show(container: &RealContainer<'_>, root: &Path, outside: &Path) {
    for (link, target) in [(root, container.root()), (outside, container.root().join("../outside"))] {
        let _ = fs::remove_file(link);
        std::os::unix::fs::symlink(target, link).unwrap();
    }
}

/// A container as it is, reached through its engine.
pub(crate) struct PortableDecoy<'e> {
    container: &'e RealContainer<'e>,
    connector: Arc<dyn Connector>,
    root: PathBuf,
    outside: PathBuf,
}

impl<'e> PortableDecoy<'e> {
    /// Takes away what the check before left.
    pub(crate) fn fresh(engine: &RealEngine, container: &'e RealContainer<'e>) -> Self {
        let root = container.root();
        for entry in fs::read_dir(&root).unwrap() {
            let entry = entry.unwrap();
            if ["bin", "dev", "etc", "proc", "sys", ".dockerenv"]
                .iter()
                .all(|kept| *kept != entry.file_name())
            {
                let at = entry.path();
                let is_dir = fs::symlink_metadata(&at).unwrap().is_dir();
                if is_dir { fs::remove_dir_all(at) } else { fs::remove_file(at) }.unwrap();
            }
        }
        let outside = engine.folder().join("portable-outside");
        let _ = fs::remove_dir_all(&outside);
        fs::create_dir_all(&outside).unwrap();
        let connector = Arc::new(connector(engine, container.name(), Reach::Portable));
        Self { container, connector, root, outside }
    }
}

impl DecoyUnderTest for PortableDecoy<'_> {
    fn connector(&self) -> Arc<dyn Connector> {
        Arc::clone(&self.connector)
    }
    fn host_root(&self) -> &Path {
        &self.root
    }
    fn outside(&self) -> &Path {
        &self.outside
    }
    fn take_away(&self) {
        self.container.change(&["kill"]);
    }
    fn bring_back(&self) {
        self.container.change(&["start"]);
    }
}
