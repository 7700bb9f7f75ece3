//! WebDAV servers of the field over a folder, for one test each. They let [`LOGIN`](crate::LOGIN) in with
//! [`PASSWORD`](crate::PASSWORD).

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what a test prepares fails by panicking, and real servers are processes"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::real_server::{LOGIN, PASSWORD, Place, RealServer, program, run, skip};

/// Where Debian keeps what nginx needs to list folders.
const NGINX_MODULE: &str = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so";
/// Where Debian keeps the modules of Apache.
const APACHE_MODULES: &str = "/usr/lib/apache2/modules";
/// The account that Apache serves as, where root starts it: it refuses to serve as root.
const APACHE_ACCOUNT: &str = "www-data";

/// Whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dav {
    /// nginx with its own module and the extended one.
    Nginx,
    /// Apache's httpd with `mod_dav_fs`.
    Apache,
}

impl Dav {
    /// Starts one over `folder`, which every account must be able to reach; `None`, said aloud, where it is not installed.
    #[must_use]
    pub fn start(self, folder: &Path) -> Option<RealServer> {
        match self {
            Self::Nginx => nginx(folder),
            Self::Apache => apache(folder),
        }
    }
}

/// The file of accounts.
fn users(held: &Path) -> PathBuf {
    let hash = Command::new("openssl").args(["passwd", "-apr1", PASSWORD]).output().unwrap();
    let path = held.join("users");
    fs::write(&path, format!("{LOGIN}:{}", String::from_utf8_lossy(&hash.stdout))).unwrap();
    path
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn nginx(folder: &Path) -> Option<RealServer> {
    let (program, _) = (program("nginx")?, program("openssl")?);
    if !Path::new(NGINX_MODULE).exists() {
        skip("libnginx-mod-http-dav-ext is not installed");
        return None;
    }
    RealServer::start("nginx-dav", &Place::here(), |held, port, _| {
        let users = users(held);
        // What is not whole lies on the same disk, so that it appears by being renamed.
        let temp = folder.with_extension("nginx");
        fs::create_dir_all(&temp).unwrap();
        let (folder, temp, held) = (folder.display(), temp.display(), held.display());
        let user = if is_root() { "user root;" } else { "" };
        let text = format!(
            "load_module {NGINX_MODULE};\ndaemon off; master_process off; {user} pid {held}/pid; error_log {held}/log;\n\
             events {{}}\nhttp {{ access_log {held}/access; client_max_body_size 0; client_body_temp_path {temp};\n\
             proxy_temp_path {held}/t2; fastcgi_temp_path {held}/t3; uwsgi_temp_path {held}/t4; scgi_temp_path {held}/t5;\n\
             server {{ listen 127.0.0.1:{port}; root {folder}; auth_basic there; auth_basic_user_file {};\n\
             location / {{ dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS; }} }} }}\n",
            users.display()
        );
        fs::write(format!("{held}/config"), text).unwrap();
        let mut command = Command::new(&program);
        command.args(["-c", &format!("{held}/config"), "-p", &held.to_string()]);
        command
    })
}

fn apache(folder: &Path) -> Option<RealServer> {
    let (program, _) = (program("apache2")?, program("openssl")?);
    RealServer::start("apache-dav", &Place::here(), |held, port, _| {
        let users = users(held);
        let locks = held.join("locks");
        fs::create_dir(&locks).unwrap();
        fs::set_permissions(&locks, fs::Permissions::from_mode(0o777)).unwrap();
        if is_root() {
            run(Command::new("chown").args(["-R", &format!("{APACHE_ACCOUNT}:")]).arg(folder));
        }
        let account = match is_root() {
            true => format!("User {APACHE_ACCOUNT}\nGroup {APACHE_ACCOUNT}\n"),
            false => String::new(),
        };
        let modules: String = [
            "mpm_event",
            "authn_core",
            "authn_file",
            "authz_core",
            "authz_user",
            "auth_basic",
            "dav",
            "dav_fs",
        ]
        .map(|name| format!("LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so\n"))
        .concat();
        let (folder, locks, held) = (folder.display(), locks.display(), held.display());
        let text = format!(
            "{modules}{account}ServerRoot {held}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {held}/pid\n\
             ErrorLog {held}/log\nDefaultRuntimeDir {held}\nMutex sem\nDavLockDB {locks}/locks\nDocumentRoot {folder}\n\
             <Directory {folder}>\nDav On\nAuthType Basic\nAuthName there\nAuthUserFile {}\nRequire valid-user\n\
             </Directory>\n",
            users.display()
        );
        fs::write(format!("{held}/config"), text).unwrap();
        let mut command = Command::new(&program);
        command.args(["-D", "FOREGROUND", "-f", &format!("{held}/config")]);
        command
    })
}
