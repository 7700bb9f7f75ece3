//! Reading a journal: what its lines come to, whatever a crash left of them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};

use verisim_core::{Digest, RelPath};

use super::{Done, Known, Line, Notes, Subject, check, orders};
use crate::tree::{self, Item, Kind, Stamp};

/// The longest line that is read: a path of 4095 bytes, each escaped to four, and the fields around it.
const LINE_BYTES_MAX: u64 = 20_000;

/// What the lines of a journal come to, one after the other.
pub(super) struct State<'i> {
    /// The capture, sorted.
    items: &'i [Item],
    pub(super) notes: Notes,
    pub(super) begun: HashMap<RelPath, Stamp>,
    /// Noted under the current boot, and not covered by a checkpoint yet: places, and what has none.
    pending: Vec<u32>,
    pending_gone: Vec<RelPath>,
    boot: String,
    pub(super) forced: Option<Digest>,
    /// It is about another subject, or about none.
    pub(super) void: bool,
    /// Its last line has no end.
    pub(super) torn: bool,
}

impl<'i> State<'i> {
    pub(super) fn read(file: &File, subject: &Subject<'_>, items: &'i [Item]) -> io::Result<Self> {
        let mut known = tree::list_for(items.len());
        known.resize(items.len(), Known::Nothing);
        let mut state = Self {
            items,
            notes: Notes { known, gone: HashMap::new() },
            begun: HashMap::new(),
            pending: Vec::new(),
            pending_gone: Vec::new(),
            boot: String::new(),
            forced: None,
            void: true,
            torn: false,
        };
        each_line(file, |line| {
            state.torn = line.last() != Some(&b'\n');
            if let Some(parsed) = parse(line) {
                state.apply(parsed, subject);
            }
        })?;
        state.under(&subject.boot);
        Ok(state)
    }

    fn apply(&mut self, line: Line, subject: &Subject<'_>) {
        match line {
            Line::Subject(name) => self.void = !subject.name.is_empty() && name != subject.name,
            Line::Boot(boot) => self.under(&boot),
            Line::Forced(digest) => {
                self.forced = Some(digest);
                // What other orders forced was sent before they could be followed by these.
                if Some(digest) == orders(subject) {
                    self.forget(subject);
                }
            }
            Line::Begun(path, stamp) => {
                self.begun.insert(path, stamp);
            }
            Line::Hashed(path, done) => self.hashed(&path, done),
            Line::Done(path, done) => self.done(path, done),
            Line::Checkpoint => {
                self.pending.clear();
                self.pending_gone.clear();
            }
            Line::Finished => self.forced = None,
        }
    }

    /// Where the file of this path stands among the items, what is known of it, and whether it still has this stamp.
    fn place(&mut self, path: &RelPath, stamp: Stamp) -> Option<(usize, &mut Known, bool)> {
        let items = self.items;
        let at = items.binary_search_by(|item| item.path.cmp(path)).ok()?;
        let item = items.get(at).filter(|item| item.kind == Kind::File)?;
        Some((at, self.notes.known.get_mut(at)?, item.stamp == stamp))
    }

    /// What was read here is not in doubt after a crash. That a file is complete says more.
    fn hashed(&mut self, path: &RelPath, done: Done) {
        match self.place(path, done.stamp) {
            None | Some((_, Known::Complete(_), _)) => {}
            Some((_, known, true)) => *known = Known::Hashed(done.sha256),
            Some((_, known, false)) => *known = Known::Nothing,
        }
    }

    fn done(&mut self, path: RelPath, done: Done) {
        self.begun.remove(&path);
        if let Some((at, known, is_same)) = self.place(&path, done.stamp) {
            *known = if is_same { Known::Complete(done.sha256) } else { Known::Nothing };
            if is_same {
                self.pending.extend(u32::try_from(at));
                self.notes.gone.remove(&path);
                return;
            }
        }
        self.pending_gone.push(path.clone());
        self.notes.gone.insert(path, done);
    }

    pub(super) fn forget(&mut self, subject: &Subject<'_>) {
        if subject.force_all {
            self.forget_all();
        }
        for path in subject.forced {
            self.notes.gone.remove(path);
            let at = self.items.binary_search_by(|item| item.path.cmp(path));
            if let Some(known) = at.ok().and_then(|at| self.notes.known.get_mut(at)) {
                *known = Known::Nothing;
            }
        }
    }

    pub(super) fn forget_all(&mut self) {
        self.notes.known.fill(Known::Nothing);
        self.notes.gone.clear();
    }

    /// What follows was noted under `boot`. Where that is another boot, what is pending may have been lost. No boot at all
    /// is that of a reader who asks for what was noted.
    fn under(&mut self, boot: &str) {
        if boot != self.boot && !boot.is_empty() {
            for at in self.pending.drain(..) {
                let known = usize::try_from(at).ok().and_then(|at| self.notes.known.get_mut(at));
                if let Some(known) = known
                    && let Known::Complete(sha256) = *known
                {
                    *known = Known::Hashed(sha256);
                }
            }
            for path in self.pending_gone.drain(..) {
                self.notes.gone.remove(&path);
            }
            boot.clone_into(&mut self.boot);
        }
    }
}

/// Hands out the lines of a journal, each bounded, and with its end where it has one.
pub(super) fn each_line(file: &File, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        if io::Read::take(&mut reader, LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        each(&line);
    }
}

pub(super) fn parse(line: &[u8]) -> Option<Line> {
    let text = std::str::from_utf8(line).ok()?.trim_end_matches('\n');
    let (sum, json) = text.split_once(' ')?;
    if sum != check(json) {
        return None;
    }
    serde_json::from_str(json).ok()
}
