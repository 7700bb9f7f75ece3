//! A timeline of a decoy as an examiner makes it, with The Sleuth Kit, from an image of its file system: beside the times that
//! can be set it shows change and birth times, and which inode is which.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use crate::host_root;
use crate::one_story::configure;
use crate::sandbox::{Sandbox, command};

/// A file system in an image, mounted while this lives.
struct Image {
    file: PathBuf,
    at: PathBuf,
}

impl Image {
    /// `None`, loudly, where the tools are missing; never in continuous integration.
    fn make(sandbox: &Sandbox) -> Option<Self> {
        let has = |tool: &str| {
            command("sh").args(["-c", &format!("command -v {tool}")]).output().unwrap().status.success()
        };
        if let Some(tool) = ["fls", "istat", "mkfs.ext4"].into_iter().find(|tool| !has(tool)) {
            verisim_testkit::skip(&format!("no {tool} here (apt-get install sleuthkit e2fsprogs)"));
            return None;
        }
        let (file, at) = (sandbox.path("image"), sandbox.path("files01"));
        fs::File::create(&file).unwrap().set_len(96 << 20).unwrap();
        succeeds(command("mkfs.ext4").args(["-q", "-F", "-I", "256"]).arg(&file));
        fs::create_dir_all(&at).unwrap();
        succeeds(command("mount").args(["-o", "loop"]).arg(&file).arg(&at));
        fs::remove_dir(at.join("lost+found")).unwrap();
        Some(Self { file, at })
    }

    /// Writes everything out, for the kit reads the image and not the mount. Taking the mount away would not do: containers that
    /// other tests start in that moment have a copy of it, and with that the file system lives on.
    fn close(&self) {
        succeeds(command("mount").args(["-o", "remount,ro"]).arg(&self.at));
        succeeds(command("umount").arg(&self.at));
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = command("umount").arg("--lazy").arg(&self.at).output();
    }
}

fn succeeds(command: &mut std::process::Command) -> String {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// A line of the body file of `fls -m`, times in seconds.
#[derive(Debug)]
struct Line {
    path: String,
    inode: u64,
    mode: String,
    uid: u32,
    mtime: i64,
    ctime: i64,
    born: i64,
}

/// What there is on the image.
fn lines(image: &Image) -> Vec<Line> {
    let body = succeeds(command("fls").args(["-r", "-p", "-m", "/"]).arg(&image.file));
    let read = |line: &str| {
        let field: Vec<&str> = line.split('|').collect();
        let number = |place: usize| field[place].parse::<i64>().unwrap();
        Line {
            path: field[1].to_owned(),
            inode: field[2].parse().unwrap_or(0),
            mode: field[3].to_owned(),
            uid: u32::try_from(number(4)).unwrap(),
            mtime: number(8),
            ctime: number(9),
            born: number(10),
        }
    };
    let there =
        |line: &Line| !line.path.contains("(deleted") && !line.path.starts_with("/$") && line.inode > 11;
    body.lines().map(read).filter(there).collect()
}

/// Written, accessed and changed, each with its nanoseconds, as the kit prints them.
fn nanoseconds(image: &Image, inode: u64) -> HashMap<String, String> {
    let told = succeeds(command("istat").args(["-z", "UTC"]).arg(&image.file).arg(inode.to_string()));
    let times = told.lines().filter_map(|line| line.split_once(":\t"));
    times.map(|(name, time)| (name.to_owned(), time.to_owned())).collect()
}

fn median(mut all: Vec<i64>) -> i64 {
    all.sort_unstable();
    all[all.len() / 2]
}

/// Lets people work on the decoy until they have written some files.
fn live(sandbox: &Sandbox, home: &Path, exposed: i64) {
    let daemon = sandbox.up();
    crate::sandbox::in_their_time("people write files", || written_since(home, exposed) > 6);
    assert_eq!(daemon.terminate().0, Some(0));
}

/// How many files below a folder were changed since, but for hidden ones.
fn written_since(folder: &Path, since: i64) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let shown = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    let counts = shown.map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => written_since(&entry.path(), since),
        Ok(about) => usize::from(std::os::unix::fs::MetadataExt::ctime(&about) >= since),
        Err(_) => 0,
    });
    counts.sum()
}

/// Tell 6: what lies in a home is its owner's, who has an account. Tell 7: modes as programs set them.
fn owners_and_modes(all: &[Line], passwd: &str) {
    let uids: HashMap<&str, u32> = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .map(|field| (field[0], field[2].parse().unwrap()))
        .collect();
    for line in all.iter().filter(is_home) {
        let login = line.path.split('/').nth(2).unwrap();
        let is_job = line.path.contains("/log");
        assert!(line.uid == uids[login] || is_job && line.uid == 0, "{line:?} of {login}");
        let name = line.path.rsplit('/').next().unwrap();
        let secret = line.path.contains("/.ssh/") && !name.ends_with(".pub") && name != "known_hosts";
        assert!(!secret || line.mode.ends_with("rw-------"), "{line:?}");
        assert!(!line.mode.ends_with("rwxrwxrwx"), "{line:?}");
    }
}

/// Whether it lies in somebody's home.
fn is_home(line: &&Line) -> bool {
    line.path.starts_with("/home/") && line.path.matches('/').count() > 2
}

#[test]
fn an_examiners_timeline_shows_none_of_the_tells_of_times_owners_and_modes() {
    let sandbox = Sandbox::new();
    fs::remove_dir_all(sandbox.path("files01")).unwrap();
    let Some(image) = Image::make(&sandbox) else { return };
    host_root::make(&image.at, "files01");
    configure(&sandbox, "{ rootfs = { path = \"files01\" } }");
    let busy = fs::read_to_string(sandbox.path("verisim.toml")).unwrap();
    sandbox.write(
        "verisim.toml",
        &busy.replacen("seed = 7\n", "seed = 7\n[life]\nbusy = true\npace = 200\n", 1),
    );
    sandbox.run(&["burn-in", "files01", "--days", "180"]).exits(0);
    let exposed = now() + 1;
    let wtmp = || fs::metadata(image.at.join("var/log/wtmp")).unwrap().len();
    let before = wtmp();
    live(&sandbox, &image.at.join("home"), exposed);
    assert!(wtmp() > before, "nobody was seen to log in");
    let passwd = fs::read_to_string(image.at.join("etc/passwd")).unwrap();
    image.close();
    let all = lines(&image);
    let now = now();
    let files: Vec<&Line> = all.iter().filter(|line| line.mode.starts_with("r/")).filter(is_home).collect();
    let past: Vec<&&Line> = files.iter().filter(|line| line.ctime < exposed).collect();
    let fresh: Vec<&&Line> = files.iter().filter(|line| line.ctime >= exposed).collect();
    assert!(past.len() > 60 && fresh.len() > 3, "{} of the past, {} since", past.len(), fresh.len());

    // Tell 2, whole seconds, and tell 3, read in the instant it was written: by istat, which prints what fls rounds off.
    let told: Vec<_> = files.iter().take(120).map(|line| nanoseconds(&image, line.inode)).collect();
    let whole = told.iter().filter(|times| times["File Modified"].contains(".000000000")).count();
    assert!(whole == 0, "{whole} of {}", told.len());
    let same = told.iter().filter(|times| times["File Modified"] == times["Accessed"]).count();
    assert!(same * 10 <= told.len(), "{same} of {}", told.len());
    // What is added to at its end was last read before that; a past ends with a look at everything.
    let told: Vec<_> = past.iter().take(120).map(|line| nanoseconds(&image, line.inode)).collect();
    let back = told.iter().filter(|times| times["Accessed"] < times["File Modified"]).count();
    assert_eq!(back, 0, "of {}", told.len());

    // Tell 4: what has lain in a folder for long did not come there today, nor did the folder change since.
    let mut newest: BTreeMap<&Path, i64> = BTreeMap::new();
    for line in all.iter().filter(is_home) {
        let folder = Path::new(&line.path).parent().unwrap();
        let entry = newest.entry(folder).or_insert(i64::MIN);
        *entry = (*entry).max(line.mtime);
    }
    let folders: Vec<&Line> = all.iter().filter(|line| line.mode.starts_with("d/")).filter(is_home).collect();
    let week = 7 * 86_400;
    let dozed =
        |line: &&Line| newest.get(Path::new(&line.path)).is_some_and(|newest| *newest < exposed - week);
    let (old, touched): (Vec<&Line>, Vec<&Line>) =
        folders.iter().copied().filter(dozed).partition(|line| line.mtime < exposed - 86_400);
    assert!(old.len() > touched.len() * 4, "{} folders rest, {touched:?} do not", old.len());

    // Tell 5: inodes are given in the order in which files are born.
    let mut by_inode: Vec<&&Line> = past.clone();
    by_inode.sort_by_key(|line| line.inode);
    let inversions = by_inode.windows(2).filter(|pair| pair[0].born > pair[1].born + 1).count();
    assert!(inversions * 20 <= by_inode.len(), "{inversions} of {}", by_inode.len());

    owners_and_modes(&all, &passwd);

    // Tell 13: nobody of the past works at night, and hardly anybody at the weekend.
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let at = |line: &Line| jiff::Timestamp::from_second(line.mtime).unwrap().to_zoned(zone.clone());
    let shown = |line: &&&&Line| !line.path.rsplit('/').next().unwrap().starts_with('.');
    let own: Vec<_> = past
        .iter()
        .filter(shown)
        .filter(|line| line.path.contains("/iduarte/") || line.path.contains("/eholm/"))
        .collect();
    let late = own.iter().filter(|line| !(6..21).contains(&at(line).hour())).count();
    assert!(own.len() > 20 && late * 20 <= own.len(), "{late} of {}", own.len());
    let weekend = own.iter().filter(|line| at(line).weekday().to_monday_zero_offset() > 4).count();
    assert!(weekend * 8 <= own.len(), "{weekend} of {}", own.len());
    // What the story ends with is a minute or two ahead.
    let is_told = |path: &str| path.starts_with("/var/log/") || path.ends_with("/.bash_history");
    let ahead = |line: &&Line| line.mtime.max(line.ctime).max(line.born) > now && !is_told(&line.path);
    assert_eq!(all.iter().find(ahead).map(|line| &line.path), None);

    // Tell 14: a heavy tail, not hours.
    let ages: Vec<i64> = files.iter().map(|line| (now - line.mtime) / 86_400).collect();
    assert!(median(ages.clone()) >= 20 && ages.iter().any(|age| *age > 120), "{ages:?}");

    // Live is live: nothing is dated before it was born, nor after its last change (a new name changes that alone).
    for line in fresh.iter().filter(|line| line.born >= exposed) {
        assert!(line.mtime >= line.born && line.mtime <= line.ctime, "{line:?}");
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    crate::sandbox::now().as_second()
}
