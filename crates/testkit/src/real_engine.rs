//! A real Docker engine of the test's own, and containers in it.
//!
//! It keeps everything in a temporary folder and makes no network, and it is ended by its number. It takes root, and
//! `dockerd` and a static `busybox` on the machine: where they are wanting, a test says so and is not run, but never under
//! continuous integration.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test's own engine is started and waited for, and fails the test when it does not come"
)]

use std::fs;
use std::fs::File;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};
use tempfile::TempDir;

use crate::decoy_under_test::MountWork;

/// How long an engine may take to come and to go.
const ENGINE_TIME_MAX: Duration = Duration::from_secs(60);
/// The image of all containers: a static busybox and nothing else.
const IMAGE: &str = "verisim-test";

/// A running engine. It ends with this value, and its containers with it.
pub struct RealEngine {
    dir: TempDir,
    daemon: Option<Child>,
    options: Vec<String>,
}

impl RealEngine {
    /// Starts one. `None` where that cannot be, which is said aloud.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// Starts one with more options of `dockerd`.
    #[must_use]
    #[expect(clippy::print_stderr, reason = "a check that does not run says so")]
    pub fn start_with(options: &[&str]) -> Option<Self> {
        let found = |name: &str| {
            let paths = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&paths).any(|dir| dir.join(name).exists())
        };
        let missing: Vec<&str> =
            ["dockerd", "docker", "busybox", "setpriv"].into_iter().filter(|name| !found(name)).collect();
        if !rustix::process::geteuid().is_root() || !missing.is_empty() {
            assert!(
                std::env::var_os("CI").is_none(),
                "continuous integration needs a real engine; missing: root, or {missing:?}"
            );
            eprintln!("NOT CHECKED: a real engine takes root and dockerd; missing here: {missing:?}");
            return None;
        }
        let mut engine = Self {
            dir: TempDir::new().unwrap(),
            daemon: None,
            options: options.iter().map(|&option| option.to_owned()).collect(),
        };
        if let Err(said) = engine.start_daemon() {
            assert!(std::env::var_os("CI").is_none(), "dockerd does not come: {said}");
            eprintln!("NOT CHECKED: dockerd does not run on this machine: {said}");
            return None;
        }
        engine.import();
        Some(engine)
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("engine.sock")
    }

    /// A folder of this machine for the test's own things.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    fn start_daemon(&mut self) -> Result<(), String> {
        let at = |name: &str| self.dir.path().join(name);
        let log = File::create(at("log")).unwrap();
        // It must not outlive a test that is killed.
        let daemon = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "dockerd"])
            .args(["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-masq=false"])
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .arg("--host")
            .arg(format!("unix://{}", self.socket().display()))
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
        let begun = Instant::now();
        while !self.try_docker(&["version"]).status.success() {
            let is_over = self.daemon.as_mut().is_some_and(|daemon| daemon.try_wait().unwrap().is_some());
            if is_over || begun.elapsed() > ENGINE_TIME_MAX {
                self.end(Signal::KILL);
                return Err(fs::read_to_string(self.dir.path().join("log")).unwrap_or_default());
            }
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn import(&self) {
        let image = self.dir.path().join("image");
        fs::create_dir_all(image.join("bin")).unwrap();
        let busybox = Command::new("sh").args(["-c", "command -v busybox"]).output().unwrap().stdout;
        let busybox = String::from_utf8(busybox).unwrap();
        fs::copy(busybox.trim(), image.join("bin/busybox")).unwrap();
        let archive = self.dir.path().join("image.tar");
        let packed =
            Command::new("tar").arg("-C").arg(&image).arg("-cf").arg(&archive).arg(".").status().unwrap();
        assert!(packed.success());
        self.docker(&["import", &archive.display().to_string(), IMAGE]);
    }

    /// Lets the engine die as from a loss of power; its containers too.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Starts it again in the same folder.
    pub fn restart(&mut self) {
        // The numbers of what was killed may still be taken, by what nobody has waited for.
        for file in ["pid", "exec/containerd/containerd.pid"] {
            let _ = fs::remove_file(self.dir.path().join(file));
        }
        self.start_daemon().expect("what ran before comes again");
    }

    /// The number of the daemon's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().expect("the engine runs").id()
    }

    fn end(&mut self, signal: Signal) {
        let Some(mut daemon) = self.daemon.take() else { return };
        let containerd = self.dir.path().join("exec/containerd/containerd.pid");
        let containerd = fs::read_to_string(containerd).ok().and_then(|pid| pid.trim().parse::<i32>().ok());
        send(i32::try_from(daemon.id()).ok(), signal);
        daemon.wait().unwrap();
        if signal == Signal::KILL {
            send(containerd, signal);
        }
    }

    /// An engine that was killed leaves its mounts, and then the folder could not be removed.
    fn unmount_all(&self) {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let below = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        // What was mounted last goes first.
        for at in below
            .filter(|at| Path::new(at).starts_with(self.dir.path()))
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
        {
            let _ = rustix::mount::unmount(at, rustix::mount::UnmountFlags::DETACH);
        }
    }

    fn try_docker(&self, arguments: &[&str]) -> std::process::Output {
        Command::new("docker")
            .arg("--host")
            .arg(format!("unix://{}", self.socket().display()))
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Runs the client, which must succeed, and gives what it printed.
    pub fn docker(&self, arguments: &[&str]) -> String {
        let output = self.try_docker(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "docker {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Starts a container that only waits, without a network.
    pub fn container(&self, name: &str, options: &[&str]) -> RealContainer<'_> {
        self.container_that(name, options, &["/bin/busybox", "sleep", "100000"])
    }

    /// Starts a container that runs `command`.
    pub fn container_that(&self, name: &str, options: &[&str], command: &[&str]) -> RealContainer<'_> {
        let run = ["run", "--detach", "--name", name, "--stop-timeout", "0"];
        let network: &[&str] = if options.contains(&"--network") { &[] } else { &["--network", "none"] };
        self.docker(&[&run, network, options, &[IMAGE], command].concat());
        RealContainer { engine: self, name: name.to_owned() }
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn send(pid: Option<i32>, signal: Signal) {
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

impl Drop for RealEngine {
    fn drop(&mut self) {
        if self.daemon.is_none() {
            // One that was killed left its containers behind, and only an engine finds them again. One that never came
            // has none.
            if !self.dir.path().join("image").exists() {
                return;
            }
            self.restart();
        }
        let all = String::from_utf8(self.try_docker(&["ps", "-aq"]).stdout).unwrap_or_default();
        for id in all.split_whitespace() {
            let _ = self.try_docker(&["rm", "-f", id]);
        }
        self.end(Signal::TERM);
        self.unmount_all();
    }
}

/// A container of a real engine.
pub struct RealContainer<'e> {
    engine: &'e RealEngine,
    name: String,
}

impl RealContainer<'_> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its first process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        let pid = self.engine.docker(&["inspect", "--format", "{{.State.Pid}}", &self.name]);
        pid.parse().expect("a running container has a process")
    }

    /// Its root, as that process sees it.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid()))
    }

    /// Lets the client do something to it, as `docker VERB NAME`.
    pub fn change(&self, verb: &[&str]) {
        self.engine.docker(&[verb, &[&self.name]].concat());
    }

    /// Joins it to another container by a cable of their own, at these addresses of one /24. Nothing of it is seen outside.
    pub fn connect(&self, address: IpAddr, other: &Self, other_address: IpAddr) {
        let (ours, theirs) = (self.pid().to_string(), other.pid().to_string());
        let cable =
            ["link", "add", "eth0", "netns", &ours, "type", "veth", "peer", "name", "eth0", "netns", &theirs];
        run("ip", &cable);
        for (pid, address) in [(&ours, address), (&theirs, other_address)] {
            let network = format!("--net=/proc/{pid}/ns/net");
            run("nsenter", &[&network, "ip", "address", "add", &format!("{address}/24"), "dev", "eth0"]);
            run("nsenter", &[&network, "ip", "link", "set", "eth0", "up"]);
        }
    }

    /// Does something to its mounts, where they are: on a thread of its own that enters them and then ends. The path is
    /// that of the container's root there.
    ///
    /// # Errors
    /// What the work answers.
    pub fn with_mounts(&self, work: MountWork<'_>) -> rustix::io::Result<()> {
        let mounts = File::open(format!("/proc/{}/ns/mnt", self.pid())).unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                #[expect(deprecated, reason = "only descriptors are unsafe to unshare, and they are not")]
                rustix::thread::unshare(UnshareFlags::FS)?;
                let kind = Some(LinkNameSpaceType::Mount);
                rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&mounts), kind)?;
                work(Path::new("/"))
            });
            thread.join().unwrap()
        })
    }
}

impl Drop for RealContainer<'_> {
    fn drop(&mut self) {
        let _ = self.engine.try_docker(&["rm", "-f", &self.name]);
    }
}
