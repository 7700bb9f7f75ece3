//! What the host recorded: logins, logs, shell histories.

use verisim_core::{DecoyPath, FileStat};

use super::Collector;
use crate::evidence::{NamedHistory, NamedLog};
use crate::read::{Log, Unzipped, gunzip, history, lastlog, log, utmp};

/// How much is read of the end of a log, of a rotated one, and how far that is unpacked.
const LOG_BYTES_MAX: u64 = 8 << 20;
const ZIPPED_BYTES_MAX: u64 = 4 << 20;
const UNZIPPED_BYTES_MAX: u64 = 16 << 20;
/// The records of logins: whole ones of 384 bytes.
const LOGINS_BYTES_MAX: u64 = 384 * 100_000;
/// `lastlog` is as long as the largest uid says, and mostly holes.
const LASTLOG_BYTES_MAX: u64 = 292 * 65_536;
/// How many logs and histories are read.
const FILES_MAX: usize = 200;
/// Logs that are read, by how their names begin.
const LOGS: [&str; 10] = [
    "auth.log",
    "secure",
    "syslog",
    "messages",
    "cron.log",
    "cron",
    "mail.log",
    "daemon.log",
    "user.log",
    "dpkg.log",
];
/// Histories of shells.
const HISTORIES: [&[u8]; 4] = [b".bash_history", b".zsh_history", b".ash_history", b".sh_history"];

impl Collector<'_> {
    pub(super) async fn look_at_records(&mut self) {
        self.look_at_histories().await;
        self.look_at_logins().await;
        self.look_at_logs().await;
    }

    fn files_where(&self, is_wanted: impl Fn(&DecoyPath) -> bool) -> Vec<(DecoyPath, FileStat)> {
        let entries = self.found.entries.iter().filter(|entry| entry.is_file() && is_wanted(&entry.path));
        entries.map(|entry| (entry.path.clone(), entry.stat.clone())).take(FILES_MAX).collect()
    }

    async fn look_at_histories(&mut self) {
        let is_history = |path: &DecoyPath| HISTORIES.contains(&path.file_name().unwrap_or_default());
        for (path, stat) in self.files_where(is_history) {
            if let Some((bytes, _)) = self.read_end(&path, stat.size, 2 << 20).await {
                self.found.histories.push(NamedHistory { path, history: history(&bytes) });
            }
        }
    }

    async fn look_at_logins(&mut self) {
        for (name, is_older) in [("/var/log/wtmp.1", true), ("/var/log/wtmp", false)] {
            if let Some(bytes) = self.records(name).await {
                let mut records = utmp(&bytes);
                let wtmp = self.found.wtmp.get_or_insert_default();
                if is_older { *wtmp = records } else { wtmp.append(&mut records) }
            }
        }
        self.found.btmp = self.records("/var/log/btmp").await.map(|bytes| utmp(&bytes));
        if let Ok(path) = DecoyPath::new("/var/log/lastlog")
            && let Some(bytes) = self.read(&path, 0, LASTLOG_BYTES_MAX).await
        {
            self.found.lastlog = Some(lastlog(&bytes));
        }
    }

    /// The last records of a file, whole ones.
    async fn records(&mut self, path: &str) -> Option<bytes::Bytes> {
        let path = DecoyPath::new(path).ok()?;
        let whole = self.stat(&path).await?.size / 384 * 384;
        let from = whole.saturating_sub(LOGINS_BYTES_MAX);
        if whole == 0 {
            return Some(bytes::Bytes::new());
        }
        self.read(&path, from, whole - from).await
    }

    async fn look_at_logs(&mut self) {
        let is_log = |path: &DecoyPath| {
            let name = path.file_name().unwrap_or_default();
            let is_one = |log: &str| {
                name.strip_prefix(log.as_bytes())
                    .is_some_and(|rest| rest.is_empty() || rest[0] == b'.' || rest[0] == b'-')
            };
            path.parent().is_some_and(|parent| parent.as_bytes() == b"/var/log")
                && LOGS.iter().any(|log| is_one(log))
        };
        let zone = self.found.host.zone.clone().unwrap_or_default();
        for (path, stat) in self.files_where(is_log) {
            let is_zipped = path.file_name().unwrap_or_default().ends_with(b".gz");
            let bound = if is_zipped { ZIPPED_BYTES_MAX } else { LOG_BYTES_MAX };
            let read = if is_zipped {
                self.read(&path, 0, bound).await.map(|bytes| (bytes, stat.size > bound))
            } else {
                self.read_end(&path, stat.size, bound).await
            };
            let Some((bytes, is_cut)) = read else { continue };
            let log = parsed(&bytes, is_zipped, is_cut, &stat, &zone);
            self.found.logs.push(NamedLog { path, mtime: stat.mtime, log, is_cut });
        }
    }
}

fn parsed(bytes: &[u8], is_zipped: bool, is_cut: bool, stat: &FileStat, zone: &str) -> Option<Log> {
    let unzipped;
    let mut bytes = bytes;
    if is_zipped {
        unzipped = match gunzip(bytes, UNZIPPED_BYTES_MAX) {
            Unzipped::Whole(bytes) | Unzipped::Damaged(bytes) => bytes,
            Unzipped::Not => return None,
        };
        bytes = &unzipped;
    } else if is_cut {
        // The first line is only the end of one.
        let first = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        bytes = &bytes[first..];
    }
    Some(log(bytes, stat.mtime, zone))
}
