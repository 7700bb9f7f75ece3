//! A decoy behind a real sshd.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use verisim_connect::{SshConnector, SshOptions, WayIn};
use verisim_core::{Connector, FailureKind};
use verisim_ssh::Target;
use verisim_testkit::DecoyUnderTest;
use verisim_testkit::sshd::{Sshd, SshdOptions};

/// A decoy behind a real sshd that locks whoever logs in into its root.
pub(crate) struct SshDecoy {
    pub(crate) connector: SshConnector,
    pub(crate) sshd: Mutex<Sshd>,
    root: PathBuf,
    outside: PathBuf,
    held: Option<tempfile::TempDir>,
}

/// How one gets to an sshd.
pub(crate) fn target(sshd: &Sshd) -> Target {
    let mut target = Target::new("127.0.0.1", "root");
    target.port = sshd.port();
    target.identities = vec![sshd.key()];
    target.known_hosts = vec![sshd.known_hosts()];
    target
}

pub(crate) fn connector(target: Target, way: WayIn, commands: bool) -> SshConnector {
    SshConnector::new(SshOptions { target, way, commands })
}

impl SshDecoy {
    /// With SFTP and nothing else.
    pub(crate) async fn over_sftp() -> Option<Self> {
        let sshd = Sshd::start(SshdOptions { locked_in: true, ..SshdOptions::default() })?;
        Some(Self::behind(sshd, WayIn::Sftp, false).await)
    }

    /// With commands and nothing else. Commands see the decoy's root as theirs, and yet find their tools, which lie
    /// outside: the wrapper changes the root, and stays in the folder of the tools.
    pub(crate) async fn over_commands() -> Option<Self> {
        let (sshd, held) = without_sftp()?;
        let mut this = Self::behind(sshd, WayIn::Auto, true).await;
        this.held = Some(held);
        Some(this)
    }

    pub(crate) async fn behind(sshd: Sshd, way: WayIn, commands: bool) -> Self {
        let connector = connector(target(&sshd), way, commands);
        connector.connect().await.unwrap();
        let (root, outside) = (sshd.root(), sshd.outside());
        Self { connector, sshd: Mutex::new(sshd), root, outside, held: None }
    }
}

impl DecoyUnderTest for SshDecoy {
    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(self.connector.clone())
    }
    fn host_root(&self) -> &Path {
        &self.root
    }
    fn outside(&self) -> &Path {
        &self.outside
    }
    fn take_away(&self) {
        self.sshd.lock().unwrap().stop();
    }
    fn absence(&self) -> FailureKind {
        FailureKind::Network
    }
    fn bring_back(&self) {
        self.sshd.lock().unwrap().start_again();
        // A host that was down rests for a while before it is tried again.
        std::thread::sleep(Duration::from_secs(3));
    }
}

/// An sshd that locks commands into its root, for as long as the folder beside it is held.
pub(crate) fn without_sftp() -> Option<(Sshd, tempfile::TempDir)> {
    let held = tempfile::tempdir().unwrap();
    let named = held.path().join("root");
    let line = format!("ForceCommand {}/enter {}", tools().display(), named.display());
    let sshd = Sshd::start(SshdOptions { without_sftp: true, lines: vec![line], ..SshdOptions::default() })?;
    std::fs::write(named, sshd.root().to_str().unwrap()).unwrap();
    Some((sshd, held))
}

/// What the connector runs.
const TOOLS: [&str; 17] = [
    "base64", "stat", "dd", "chown", "chmod", "touch", "ln", "mv", "rm", "mkdir", "rmdir", "find", "head",
    "id", "cat", "true", "dash",
];

/// Lays the tools out, once, so that they run from a folder outside of their root: each with its libraries, by the dynamic
/// linker that lies beside it, everything named from that folder. A function of the shell stands for each.
fn tools() -> PathBuf {
    let at = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ssh-tools-{}", TOOLS.len()));
    // Tests are processes of their own: whoever comes first lays out, and gives the whole its name.
    if !at.join("enter").exists() {
        let made = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        lay_out(made.path(), &at);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(made.path(), mode).unwrap();
        if std::fs::rename(made.path(), &at).is_ok() {
            let _ = made.keep();
        }
    }
    at
}

fn lay_out(into: &Path, at: &Path) {
    let (bin, lib) = (into.join("bin"), into.join("lib"));
    std::fs::create_dir(&bin).unwrap();
    std::fs::create_dir(&lib).unwrap();
    for tool in TOOLS {
        let from =
            ["/usr/bin", "/bin"].map(|dir| Path::new(dir).join(tool)).into_iter().find(|file| file.exists());
        let from = from.unwrap_or_else(|| panic!("{tool} is not installed"));
        std::fs::copy(&from, bin.join(tool)).unwrap();
        for library in libraries(&from) {
            let name = library.file_name().unwrap();
            let to = if name.to_string_lossy().starts_with("ld-linux") {
                into.join("ld.so")
            } else {
                lib.join(name)
            };
            std::fs::copy(&library, to).unwrap();
        }
    }
    let loader = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(into.join("ld.so"), loader).unwrap();
    let functions: String =
        TOOLS.iter().map(|tool| format!("{tool}() {{ ./ld.so ./bin/{tool} \\\"$@\\\"; }}; ")).collect();
    let source = ENTER.replace("FUNCTIONS", &functions).replace("TOOLS", at.to_str().unwrap());
    std::fs::write(into.join("enter.c"), source).unwrap();
    compile(into);
}

#[expect(clippy::disallowed_methods, reason = "what starts quickly is compiled, and linked to nothing")]
fn compile(into: &Path) {
    let mut compiler = std::process::Command::new("gcc");
    let made = compiler.args(["-O1", "-static", "-o", "enter", "enter.c"]).current_dir(into).status();
    assert!(made.unwrap().success());
}

/// What sshd runs in the place of every command: a small program, since it is started for each of thousands.
const ENTER: &str = r#"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int count, char **words) {
    static char root[4096], line[1 << 20];
    const char *command = getenv("SSH_ORIGINAL_COMMAND");
    int named = open(words[1], O_RDONLY);
    if (count != 2 || !command || read(named, root, sizeof root - 1) < 1) return 126;
    close(named);
    if (chdir("TOOLS") || chroot(root)) return 126;
    if (snprintf(line, sizeof line, "%s%s", "FUNCTIONS", command) >= (int)sizeof line) return 126;
    char *const shell[] = {"./ld.so", "./bin/dash", "-c", line, NULL};
    char *const environment[] = {"LD_LIBRARY_PATH=./lib", NULL};
    execve("./ld.so", shell, environment);
    return 126;
}
"#;

#[expect(clippy::disallowed_methods, reason = "the linker itself is asked what a tool needs")]
fn libraries(program: &Path) -> Vec<PathBuf> {
    let said = std::process::Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    text.split_ascii_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}
