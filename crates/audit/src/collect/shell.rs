//! What only a command tells: when inodes were made, where the way to a decoy does not say, and what runs. Asked only where
//! commands are allowed, since an intruder may see them: four at most, once.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use verisim_core::{ByteCount, DecoyPath, Exec, Timestamp};

use super::Collector;
use crate::read::processes;

/// How long a command may take.
const TIME_MAX: Duration = Duration::from_secs(60);
/// How much of its output is kept.
const OUTPUT_BYTES_MAX: u64 = 32 << 20;

impl Collector<'_> {
    pub(super) async fn ask_shell(&mut self) {
        if !self.connector.capabilities().exec {
            return;
        }
        let ps: [&[u8]; 3] = [b"ps", b"-eo", b"pid=,ppid=,args="];
        if let Some(listed) = self.ask(&ps).await {
            // Ours is there while it is asked.
            let ours = |process: &crate::read::Process| process.command.starts_with("ps -eo pid=,ppid=");
            let found = processes(&listed).into_iter().filter(|process| !ours(process)).collect();
            self.found.processes = Some(found);
        }
        if let Some(kind) = self.ask(&[b"stat", b"-f", b"-c", b"%T", b"/"]).await {
            self.found.host.root_kind = Some(crate::read::line(&kind));
        }
        // Seconds since the start, and how long it was idle.
        if let Some(up) = self.ask(&[b"cat", b"/proc/uptime"]).await {
            let up = crate::read::line(&up).split(' ').next().and_then(|up| up.parse::<f64>().ok());
            let up = up.and_then(|up| std::time::Duration::try_from_secs_f64(up).ok());
            self.found.host.started = up.and_then(|up| self.found.taken.checked_sub(up).ok());
        }
        let knows_times = self.found.entries.iter().any(|entry| entry.stat.btime.is_some());
        if !knows_times {
            self.ask_for_times().await;
        }
    }

    async fn ask(&mut self, argv: &[&[u8]]) -> Option<Bytes> {
        let argv = argv.iter().map(|word| word.to_vec()).collect();
        let output_limit = ByteCount(OUTPUT_BYTES_MAX);
        let command = Exec { argv, stdin: Bytes::new(), time_limit: TIME_MAX, output_limit };
        let output = self.connector.exec(&command).await.ok()?;
        // A folder that went away meanwhile, or is not ours to read, makes `find` fail; what it told is told.
        (!output.stdout.is_empty()).then_some(output.stdout)
    }

    /// One run of GNU find over the folders of people tells inode and all four times to the nanosecond.
    async fn ask_for_times(&mut self) {
        let homes = ["/home", "/root", "/srv", "/data", "/var/www"];
        let mut argv: Vec<&[u8]> = vec![b"find"];
        argv.extend(homes.iter().map(|home| home.as_bytes()));
        argv.extend([&b"-xdev"[..], b"-printf", b"%i %B@ %C@ %T@ %A@ %p\\0"]);
        let Some(told) = self.ask(&argv).await else { return };
        let mut times: HashMap<&[u8], Told> = HashMap::new();
        for record in told.split(|byte| *byte == 0) {
            if let Some((path, record)) = told_of(record) {
                times.insert(path, record);
            }
        }
        for entry in &mut self.found.entries {
            let path: &DecoyPath = &entry.path;
            let Some(told) = times.get(path.as_bytes()) else { continue };
            let stat = &mut entry.stat;
            stat.inode = stat.inode.or(told.inode);
            stat.btime = stat.btime.or(told.btime);
            stat.ctime = stat.ctime.or(told.ctime);
            // The same second to the nanosecond; another one is another state of the file.
            for (time, exact) in [(&mut stat.mtime, told.mtime), (&mut stat.atime, told.atime)] {
                if let Some(exact) = exact.filter(|exact| exact.as_second() == time.as_second()) {
                    *time = exact;
                }
            }
        }
    }
}

struct Told {
    inode: Option<u64>,
    btime: Option<Timestamp>,
    ctime: Option<Timestamp>,
    mtime: Option<Timestamp>,
    atime: Option<Timestamp>,
}

fn told_of(record: &[u8]) -> Option<(&[u8], Told)> {
    let mut fields = record.splitn(6, |byte| *byte == b' ');
    let mut field = || fields.next().and_then(|field| std::str::from_utf8(field).ok());
    let inode = field()?.parse().ok();
    let (btime, ctime, mtime, atime) =
        (field().and_then(time), field().and_then(time), field().and_then(time), field().and_then(time));
    Some((fields.next()?, Told { inode, btime, ctime, mtime, atime }))
}

/// `1700000000.1234567890`: seconds and their decimals, of which find writes ten. Where a birth is not known it writes `-`
/// or 0.
fn time(text: &str) -> Option<Timestamp> {
    let (seconds, decimals) = text.split_once('.').unwrap_or((text, ""));
    let nanos: String = decimals.chars().chain("000000000".chars()).take(9).collect();
    let seconds: i64 = seconds.parse().ok().filter(|seconds| *seconds > 0)?;
    Timestamp::new(seconds, nanos.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_find_is_read_with_any_path() {
        let (path, told) =
            told_of(b"77 - 1700000000.1234567890 1700000001 1700000002.5 /home/a b\n").unwrap();
        assert_eq!(path, b"/home/a b\n");
        assert_eq!((told.inode, told.btime), (Some(77), None));
        assert_eq!(told.ctime.unwrap().subsec_nanosecond(), 123_456_789);
        assert_eq!(told.atime.unwrap().subsec_nanosecond(), 500_000_000);
        assert!(told_of(b"").is_none());
    }
}
