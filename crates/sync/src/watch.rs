//! Hearing of captures at once: inotify on the folders of rules, and on the captures in them that are not complete.
//!
//! It only wakes: what is new and what is complete is decided by looking, as often as without it. So everything that it
//! may miss costs time and nothing else: a network file system, where changes by others make no sound, is not watched; nor
//! is what goes beyond a number of folders, or what the kernel has no room for. A queue that overflows means that everything is
//! looked at. A quiet period is no sound, and nobody listens for it. A complete capture of a rule that has a gate is listened to as
//! well: it may be held, and what is mended at its top is heard. What is mended deeper in it is found by the clock.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use tokio::io::unix::AsyncFd;
use verisim_core::{CancellationToken, CaptureName, RelPath};

use crate::blocking::blocking;
use crate::rule::{CaptureRule, Completeness, Each};
use crate::tree::Root;

/// How many folders are watched at the most, over all rules.
const FOLDERS_MAX: usize = 4096;
/// How many captures are told at once; more of them are looked at like all others.
const TOLD_MAX: usize = 1024;
/// How long is waited for more before it is told: files come in bursts. It is also how often is told at the most.
const BURST: Duration = Duration::from_millis(500);
/// How often everything is set up anew: the one where a folder could not be watched, the other in any case.
const ANEW_SOON: Duration = Duration::from_secs(60);
const ANEW: Duration = Duration::from_secs(15 * 60);
/// Room for what the kernel tells at once.
const EVENT_BYTES: usize = 16 << 10;

/// Something changed that is worth a look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stirred {
    /// The rule.
    pub rule: CaptureName,
    /// The capture below its folder; `None` for that folder itself.
    pub relative: Option<RelPath>,
}

/// What a watched folder is.
#[derive(Clone)]
enum Watched {
    /// The folder of a rule, in which captures appear.
    Folder(usize),
    /// A capture, in which this file will appear.
    Capture(usize, Option<RelPath>, RelPath),
    /// A complete capture, which its gate may hold.
    Gated(usize, Option<RelPath>),
}

/// Listens until `stop`, and tells what stirred. What cannot be watched is looked at by the clock alone.
pub async fn watch(rules: Vec<CaptureRule>, tell: impl Fn(Vec<Stirred>), stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = listen(rules.into(), tell) => {}
    }
}

async fn listen(rules: Arc<[CaptureRule]>, tell: impl Fn(Vec<Stirred>)) {
    loop {
        let all = Arc::clone(&rules);
        let opened = blocking("sync.watch", move || Ok(Ears::open(all, FOLDERS_MAX))).await;
        let wait = match opened {
            Ok(Ok(mut ears)) => {
                let anew = if ears.is_whole { ANEW } else { ANEW_SOON };
                match tokio::time::timeout(anew, ears.listen(&tell)).await {
                    Err(_) => continue,
                    Ok(Ok(())) => {
                        // What was missed is found by looking at everything.
                        let all =
                            rules.iter().map(|rule| Stirred { rule: rule.name.clone(), relative: None });
                        tell(all.collect());
                        BURST
                    }
                    Ok(Err(error)) => deaf(&error),
                }
            }
            Ok(Err(error)) => deaf(&error),
            Err(failure) => deaf(&failure),
        };
        tokio::time::sleep(wait).await;
    }
}

/// Says that nothing is heard, and when to try again.
fn deaf(error: &dyn std::fmt::Display) -> Duration {
    tracing::warn!(%error, "the folders of captures cannot be watched; they are looked at once a minute");
    ANEW
}

/// What is watched now.
struct Ears {
    rules: Arc<[CaptureRule]>,
    inotify: OwnedFd,
    watched: HashMap<i32, Watched>,
    folders_max: usize,
    /// Every folder that should be watched is.
    is_whole: bool,
}

impl Ears {
    /// Begins to watch the folders of rules, and the captures in them.
    fn open(rules: Arc<[CaptureRule]>, folders_max: usize) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let mut ears = Self { rules, inotify, watched: HashMap::new(), folders_max, is_whole: true };
        for at in 0..ears.rules.len() {
            let rule = &ears.rules[at];
            let each = rule.each;
            let Ok(root) = Root::open(&rule.path) else {
                ears.is_whole = false;
                continue;
            };
            if !verisim_sys::is_local(&root) {
                continue;
            }
            match each {
                Each::Whole => {
                    ears.hear(&root, at, None);
                }
                Each::Directory => {
                    ears.add(&root, Watched::Folder(at));
                    for name in root.names().unwrap_or_default() {
                        ears.hear_below(&root, at, &name);
                    }
                }
            }
        }
        Ok(ears)
    }

    /// Watches a directory that was opened: a name may lead elsewhere by now.
    fn add(&mut self, root: &Root, what: Watched) {
        let flags = match what {
            Watched::Folder(_) => {
                WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF
            }
            Watched::Capture(..) => WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::CLOSE_WRITE,
            Watched::Gated(..) => WatchFlags::MOVE | WatchFlags::DELETE | WatchFlags::CLOSE_WRITE,
        };
        let is_gated = matches!(what, Watched::Gated(..));
        // Thousands may rest that were let through long ago: they leave room for those that are not complete.
        let most = if is_gated { self.folders_max / 2 } else { self.folders_max };
        if self.watched.len() >= most {
            self.is_whole &= is_gated;
            return;
        }
        let path = format!("/proc/self/fd/{}", root.as_fd().as_raw_fd());
        match inotify::add_watch(&self.inotify, path, flags | WatchFlags::ONLYDIR) {
            Ok(watch) => {
                self.watched.insert(watch, what);
            }
            Err(error) => {
                if self.is_whole {
                    tracing::info!(%error, "a folder of captures cannot be watched; it is looked at once a minute");
                }
                self.is_whole = false;
            }
        }
    }

    /// Watches the capture `name` of a rule; answers it, if what makes it complete is there already.
    fn hear_below(&mut self, folder: &Root, at: usize, name: &[u8]) -> Option<Stirred> {
        let relative = RelPath::new(name).ok().filter(|path| !path.is_metadata())?;
        // A link, a file, or a directory that we may not read.
        let root = folder.descend(name).ok()?;
        if !verisim_sys::is_local(&root) {
            return None;
        }
        self.hear(&root, at, Some(relative))
    }

    fn hear(&mut self, root: &Root, at: usize, relative: Option<RelPath>) -> Option<Stirred> {
        let rule = self.rules.get(at)?;
        let (Completeness::Sentinel(file) | Completeness::Manifest(file)) = &rule.complete else {
            return None;
        };
        let (name, file) = (rule.name.clone(), file.clone());
        let is_there = || root.stat(file.as_bytes()).is_ok_and(|stat| stat.is_some());
        let is_gated = !rule.gate.is_empty();
        if !is_there() {
            self.add(root, Watched::Capture(at, relative.clone(), file.clone()));
            // It may have come between the two.
            if !is_there() {
                return None;
            }
        }
        if is_gated {
            self.add(root, Watched::Gated(at, relative.clone()));
        }
        Some(Stirred { rule: name, relative })
    }

    /// What makes a capture complete has come: from here on its gate may hold it.
    fn completed(&mut self, at: usize, relative: Option<&RelPath>) -> Option<Stirred> {
        let rule = self.rules.get(at)?;
        let stirred = Stirred { rule: rule.name.clone(), relative: relative.cloned() };
        let folder = Root::open(&rule.path).ok().filter(|_| !rule.gate.is_empty());
        let root = folder.and_then(|folder| match relative {
            Some(relative) => folder.descend(relative.as_bytes()).ok(),
            None => Some(folder),
        });
        if let Some(root) = root {
            self.add(&root, Watched::Gated(at, relative.cloned()));
        }
        Some(stirred)
    }

    /// Tells what stirs, in bursts. Ends when something may have been missed, or a folder is another one.
    async fn listen(&mut self, tell: &impl Fn(Vec<Stirred>)) -> io::Result<()> {
        #[expect(
            deprecated,
            reason = "only what does not own its descriptor is unsound there, and this does"
        )]
        let ready = AsyncFd::new(self.inotify.try_clone()?)?;
        loop {
            ready.readable().await?.clear_ready();
            // What comes meanwhile is read below; only what comes after that has to be waited for.
            tokio::time::sleep(BURST).await;
            let mut stirred = BTreeSet::new();
            let goes_on = self.take(&mut stirred)?;
            if !stirred.is_empty() {
                tell(stirred.into_iter().take(TOLD_MAX).collect());
            }
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Takes what the kernel has to tell; answers whether listening goes on.
    fn take(&mut self, stirred: &mut BTreeSet<Stirred>) -> io::Result<bool> {
        let mut heard = Vec::new();
        {
            let mut buffer = [MaybeUninit::uninit(); EVENT_BYTES];
            let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
            // As much as one queue of the kernel holds: whoever writes without end must not keep us reading.
            for _ in 0..FOLDERS_MAX * 4 {
                match reader.next() {
                    Ok(event) => {
                        let name = event.file_name().map(|name| name.to_bytes().to_vec());
                        heard.push((event.wd(), event.events(), name));
                    }
                    Err(rustix::io::Errno::WOULDBLOCK) => break,
                    Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let mut goes_on = true;
        for (watch, flags, name) in heard {
            if flags.intersects(ReadFlags::QUEUE_OVERFLOW | ReadFlags::UNMOUNT) {
                goes_on = false;
                continue;
            }
            let Some(what) = self.watched.get(&watch).cloned() else { continue };
            if flags.contains(ReadFlags::IGNORED) {
                self.watched.remove(&watch);
                goes_on &= !matches!(what, Watched::Folder(_));
                continue;
            }
            match (what, name) {
                (Watched::Folder(at), Some(name)) => self.appeared(at, &name, flags, stirred),
                (Watched::Folder(_), None) => goes_on = false,
                (Watched::Capture(at, relative, file), Some(name)) if name == file.as_bytes() => {
                    stirred.extend(self.completed(at, relative.as_ref()));
                }
                (Watched::Gated(at, relative), _) => {
                    stirred
                        .extend(self.rules.get(at).map(|rule| Stirred { rule: rule.name.clone(), relative }));
                }
                (Watched::Capture(..), _) => {}
            }
        }
        Ok(goes_on)
    }

    /// Something appeared in the folder of a rule.
    fn appeared(&mut self, at: usize, name: &[u8], flags: ReadFlags, stirred: &mut BTreeSet<Stirred>) {
        let Some(rule) = self.rules.get(at).filter(|_| flags.contains(ReadFlags::ISDIR)) else { return };
        stirred.insert(Stirred { rule: rule.name.clone(), relative: None });
        let Ok(folder) = Root::open(&rule.path) else { return };
        stirred.extend(self.hear_below(&folder, at, name));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use tokio::sync::mpsc;
    use verisim_core::CleanupRule;

    use super::*;

    fn rule(path: &Path, each: Each, complete: Completeness) -> CaptureRule {
        CaptureRule {
            audit: None,
            name: "lab".parse().unwrap(),
            path: path.to_owned(),
            each,
            complete,
            gate: [].into(),
            destination: "vault".parse().unwrap(),
            cleanup: CleanupRule {
                enabled: false,
                min_passes: 2,
                min_age: Duration::from_secs(3600),
                accept_other_proof: false,
                remove_metadata: false,
            },
        }
    }

    fn sentinel() -> Completeness {
        Completeness::Sentinel(RelPath::new("done").unwrap())
    }

    /// What is told, one by one; and what ends it.
    fn listen(rule: CaptureRule) -> (mpsc::UnboundedReceiver<Vec<Stirred>>, CancellationToken) {
        let (send, told) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        tokio::spawn(watch(vec![rule], move |stirred| drop(send.send(stirred)), stop.clone()));
        (told, stop)
    }

    /// Waits until this is told; what else is told before is let pass.
    async fn hears(told: &mut mpsc::UnboundedReceiver<Vec<Stirred>>, relative: Option<&str>) {
        let expected = Stirred {
            rule: "lab".parse().unwrap(),
            relative: relative.map(|name| RelPath::new(name).unwrap()),
        };
        let heard = async {
            while let Some(stirred) = told.recv().await {
                if stirred.contains(&expected) {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), heard).await.expect("it was never told");
    }

    /// Lets the watcher set itself up.
    async fn settle(dir: &Path, told: &mut mpsc::UnboundedReceiver<Vec<Stirred>>) {
        for number in 0..100 {
            fs::create_dir(dir.join(format!("settle-{number}"))).unwrap();
            if tokio::time::timeout(Duration::from_millis(700), told.recv()).await.is_ok() {
                return;
            }
        }
        panic!("nothing is ever told");
    }

    #[tokio::test]
    async fn a_new_capture_and_its_sentinel_are_heard_at_once() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("old")).unwrap();
        let (mut told, stop) = listen(rule(dir.path(), Each::Directory, sentinel()));
        settle(dir.path(), &mut told).await;
        fs::write(dir.path().join("old/half.log"), "x").unwrap();
        fs::write(dir.path().join("old/done"), "").unwrap();
        hears(&mut told, Some("old")).await;
        fs::create_dir(dir.path().join("new")).unwrap();
        hears(&mut told, None).await;
        fs::write(dir.path().join("new/done"), "").unwrap();
        hears(&mut told, Some("new")).await;
        // One that comes whole, and one that comes by its name alone.
        let outside = tempfile::tempdir_in(dir.path().parent().unwrap()).unwrap();
        fs::create_dir(outside.path().join("whole")).unwrap();
        fs::write(outside.path().join("whole/done"), "").unwrap();
        fs::rename(outside.path().join("whole"), dir.path().join("whole")).unwrap();
        hears(&mut told, Some("whole")).await;
        stop.cancel();
    }

    /// What a gate holds may be mended at once.
    #[tokio::test]
    async fn what_is_mended_in_a_capture_that_a_gate_may_hold_is_heard() {
        let dir = tempfile::tempdir().unwrap();
        let asks = crate::gate::GateAsks::Forbidden(Vec::new());
        let severity = verisim_core::Severity::Hard;
        let gate = crate::gate::GateRule { name: "no-scratch".parse().unwrap(), severity, asks };
        let rule = CaptureRule { gate: [gate].into(), ..rule(dir.path(), Each::Directory, sentinel()) };
        for name in ["old", "new"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("x.tmp"), "scratch").unwrap();
        }
        fs::write(dir.path().join("old/done"), "").unwrap();
        let (mut told, stop) = listen(rule);
        settle(dir.path(), &mut told).await;
        fs::remove_file(dir.path().join("old/x.tmp")).unwrap();
        hears(&mut told, Some("old")).await;
        fs::write(dir.path().join("new/done"), "").unwrap();
        hears(&mut told, Some("new")).await;
        fs::rename(dir.path().join("new/x.tmp"), dir.path().join("new/x.raw")).unwrap();
        hears(&mut told, Some("new")).await;
        stop.cancel();
    }

    #[tokio::test]
    async fn a_folder_that_is_replaced_is_watched_again() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("captures");
        fs::create_dir(&dir).unwrap();
        let (mut told, stop) = listen(rule(&dir, Each::Directory, sentinel()));
        settle(&dir, &mut told).await;
        fs::rename(&dir, base.path().join("away")).unwrap();
        fs::create_dir(&dir).unwrap();
        settle(&dir, &mut told).await;
        stop.cancel();
    }

    #[tokio::test]
    async fn what_is_watched_is_bounded_and_no_link_is_followed() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(outside.path(), dir.path().join("link")).unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let rules = |complete| vec![rule(dir.path(), Each::Directory, complete)].into();
        assert_eq!(Ears::open(rules(sentinel()), 9).unwrap().watched.len(), 1);
        for number in 0..20 {
            fs::create_dir(dir.path().join(format!("run-{number}"))).unwrap();
        }
        let ears = Ears::open(rules(sentinel()), 9).unwrap();
        assert_eq!((ears.watched.len(), ears.is_whole), (9, false));
        assert_eq!(Ears::open(rules(sentinel()), 100).unwrap().watched.len(), 21);
        let quiet = Ears::open(rules(Completeness::Quiet(Duration::from_secs(1))), 100).unwrap();
        assert_eq!((quiet.watched.len(), quiet.is_whole), (1, true), "a quiet period is no sound");
        fs::write(dir.path().join("run-1/done"), "").unwrap();
        assert_eq!(Ears::open(rules(sentinel()), 100).unwrap().watched.len(), 20);
        let whole = vec![rule(dir.path(), Each::Whole, sentinel())];
        assert_eq!(Ears::open(whole.into(), 100).unwrap().watched.len(), 1);
        let away = vec![rule(&dir.path().join("nowhere"), Each::Directory, sentinel())];
        assert!(!Ears::open(away.into(), 100).unwrap().is_whole);
        // Nobody else's changes are heard on a network file system; procfs stands for one here.
        let foreign = vec![rule(Path::new("/proc/self"), Each::Directory, sentinel())];
        assert_eq!(Ears::open(foreign.into(), 100).unwrap().watched.len(), 0);
    }
}
