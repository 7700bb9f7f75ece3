//! What a host says of itself: its name, its accounts, its packages.

use futures_util::StreamExt as _;
use verisim_core::{DecoyPath, Digest, Listing, StatRequest};

use super::{CALLS_AT_ONCE, Collector};
use crate::evidence::Layout;
use crate::read::{apk_files, dpkg_list, passwd};

/// How many files of packages are asked when they arrived.
const SAMPLED_MAX: usize = 400;
/// How many packages are read.
const PACKAGES_MAX: usize = 10_000;
/// How many paths of packages are kept.
const PACKAGE_FILES_MAX: usize = 2_000_000;
/// Names that only a home has at its top.
const OF_A_HOME: [&[u8]; 6] =
    [b".bashrc", b".profile", b".bash_history", b".bash_logout", b".zshrc", b".ssh"];

impl Collector<'_> {
    /// What the root is: of a host, of homes, a home, or any tree.
    pub(super) async fn lay_out(&mut self, listing: &Listing) {
        if let Some(bytes) = self.small("/etc/passwd").await {
            self.found.accounts = Some(passwd(&bytes));
            self.found.layout = Layout::Host;
            return;
        }
        let is_of_home = |listing: &Listing| {
            listing
                .entries
                .iter()
                .any(|entry| OF_A_HOME.contains(&entry.path.file_name().unwrap_or_default()))
        };
        if is_of_home(listing) {
            self.found.layout = Layout::Home;
            return;
        }
        let (mut homes, mut others) = (0, 0);
        for entry in listing.entries.iter().take(50) {
            let inside = self.connector.list(&entry.path, 1000).await;
            *(if inside.is_ok_and(|inside| is_of_home(&inside)) { &mut homes } else { &mut others }) += 1;
        }
        if homes > 0 && homes >= others {
            self.found.layout = Layout::Homes;
        }
    }

    pub(super) async fn look_at_host(&mut self) {
        if self.found.layout != Layout::Host {
            return;
        }
        let line = |bytes: Option<bytes::Bytes>| {
            let text = String::from_utf8_lossy(&bytes?).trim().chars().take(100).collect::<String>();
            (!text.is_empty()).then_some(text)
        };
        self.found.host.name = line(self.small("/etc/hostname").await);
        self.found.host.zone = line(self.small("/etc/timezone").await);
        let id = self.small("/etc/machine-id").await;
        self.found.host.machine_id = id.filter(|id| id.len() > 8).map(|id| Digest::of(&id));
        for file in ["/.dockerenv", "/run/.containerenv"] {
            let path = DecoyPath::new(file).ok();
            if let Some(path) = path
                && self.connector.stat(&path, StatRequest::Plain).await.is_ok_and(|found| found.is_some())
            {
                self.found.host.container_file = Some(file);
            }
        }
        for kind in ["rsa", "ecdsa", "ed25519"] {
            if let Some(key) = self.small(&format!("/etc/ssh/ssh_host_{kind}_key.pub")).await {
                // What stands after the key is a remark.
                let key: Vec<&[u8]> = key.split(u8::is_ascii_whitespace).take(2).collect();
                self.found.host.host_keys.push(Digest::of(&key.concat()));
            }
        }
        self.look_at_packages().await;
        self.sample_packages().await;
    }

    async fn look_at_packages(&mut self) {
        let lists = match DecoyPath::new("/var/lib/dpkg/info") {
            Ok(info) => self.connector.list(&info, 8 * PACKAGES_MAX).await,
            Err(_) => return,
        };
        let lists = lists.map(|lists| lists.entries).unwrap_or_default();
        let is_list = |path: &DecoyPath| path.file_name().is_some_and(|name| name.ends_with(b".list"));
        for list in lists.into_iter().filter(|entry| is_list(&entry.path)).take(PACKAGES_MAX) {
            let Some(bytes) = self.read(&list.path, 0, 4 << 20).await else { continue };
            let room = PACKAGE_FILES_MAX.saturating_sub(self.found.packages.files.len());
            self.found.packages.files.extend(dpkg_list(&bytes).take(room).map(<[u8]>::to_vec));
        }
        for database in ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"] {
            let Ok(path) = DecoyPath::new(database) else { continue };
            if let Some(bytes) = self.read(&path, 0, 32 << 20).await {
                self.found.packages.files.extend(apk_files(&bytes).into_iter().take(PACKAGE_FILES_MAX));
            }
        }
    }

    /// Asks some files of packages when they arrived on this host.
    async fn sample_packages(&mut self) {
        let mut programs: Vec<&Vec<u8>> =
            self.found.packages.files.iter().filter(|path| path.starts_with(b"/usr/")).collect();
        programs.sort_unstable();
        let step = (programs.len() / SAMPLED_MAX).max(1);
        let paths: Vec<DecoyPath> =
            programs.into_iter().step_by(step).filter_map(|path| DecoyPath::new(path).ok()).collect();
        let connector = self.connector;
        let asked = futures_util::stream::iter(paths)
            .map(|path| async move { connector.stat(&path, StatRequest::Plain).await.ok().flatten() })
            .buffer_unordered(CALLS_AT_ONCE);
        let arrived = &mut self.found.packages.arrived;
        asked
            .for_each(|stat| {
                arrived.extend(
                    stat.filter(|stat| stat.kind == verisim_core::FileKind::Regular)
                        .and_then(|stat| stat.btime.or(stat.ctime)),
                );
                std::future::ready(())
            })
            .await;
        arrived.sort_unstable();
    }
}
