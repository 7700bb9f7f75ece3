//! Names of files, as people and programs choose them.

use std::borrow::Cow;

use verisim_core::{DecoyPath, FileClass};

use crate::habits::{Habits, ScriptStyle};
use crate::persona::Role;
use crate::planner::Slot;
use crate::random::{Generator, Purpose};
use crate::upkeep::push_archive;
use crate::voice::{Voice, identifier, invented};
use crate::world::World;
use crate::{cache, configuration, source};

/// A name for a new file of this class. `None` only for a slot of another world.
pub(crate) fn new_file(
    world: &World,
    slot: &Slot,
    class: FileClass,
    draw: &mut Generator,
) -> Option<DecoyPath> {
    let own = Generator::new(crate::random::Seed::new(draw.bits()));
    let mut voice = Voice::new(world, slot, own)?;
    let habits = voice.habits;
    match class {
        FileClass::Note => {
            let words = voice.note_words();
            let words = voice.for_many_hosts(words);
            voice.at_home(habits.notes, &words, habits.text)
        }
        FileClass::Todo => {
            let words = voice.todo_words();
            let words = voice.for_many_hosts(words);
            voice.at_home(habits.todos, &words, habits.text)
        }
        FileClass::Draft => {
            let words = voice.draft_words();
            let words = voice.for_many_hosts(words);
            voice.at_home(habits.drafts, &words, habits.draft_text)
        }
        FileClass::Script => {
            let words = voice.task_words();
            let words = voice.for_many_hosts(words);
            let ending = match habits.script {
                ScriptStyle::Python => ".py",
                ScriptStyle::Shell if voice.draw.percent(70) => ".sh",
                ScriptStyle::Shell => "",
            };
            voice.program(habits.scripts, &words, ending)
        }
        FileClass::CronLog => {
            let words = voice.task_words();
            let words = voice.for_many_hosts(words);
            voice.program(habits.logs, &words, ".log")
        }
        FileClass::DaemonLog => voice.daemon_log(),
        FileClass::Scratch => voice.scratch(),
        FileClass::Document => {
            let words = voice.draft_words();
            let words = voice.for_many_hosts(words);
            let ending = if voice.draw.percent(26) { ".pdf" } else { ".docx" };
            voice.at_home(habits.drafts, &words, ending)
        }
        FileClass::Spreadsheet => {
            let words = voice.sheet_words();
            let words = voice.for_many_hosts(words);
            let ending = if voice.draw.percent(45) { ".csv" } else { ".xlsx" };
            voice.at_home(habits.drafts, &words, ending)
        }
        FileClass::Source => source::name(&mut voice),
        FileClass::Configuration => configuration::name(&mut voice),
        FileClass::Cache => cache::name(&mut voice),
        FileClass::Record | FileClass::Manual => None,
    }
}

/// Another name for a file that is set aside or gets a better one: a later version, or its own name in a folder for what
/// is old, of which there may be some beside it. A move makes no folder.
pub(crate) fn other_name(
    world: &World,
    slot: &Slot,
    (from, archives): (&DecoyPath, &[DecoyPath]),
    draw: &mut Generator,
) -> Option<DecoyPath> {
    let own = Generator::new(crate::random::Seed::new(draw.bits()));
    let mut voice = Voice::new(world, slot, own)?;
    if let Some(folder) = voice.draw.pick(archives).filter(|_| draw.percent(60)) {
        return folder.join(from.file_name()?).ok();
    }
    let name = std::str::from_utf8(from.file_name()?).ok()?;
    let parent = from.parent()?;
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => (stem, format!(".{ending}")),
        _ => (name, String::new()),
    };
    let mark = if voice.habits.separator.is_empty() { "_" } else { voice.habits.separator };
    let stem = next_version(stem).unwrap_or_else(|| {
        // What was a draft is something else now.
        let stages = &voice.lexicon.stages;
        let bare = stages.iter().find_map(|stage| stem.strip_suffix(&stage.replace(' ', mark)));
        let bare = bare.map_or(stem, |bare| bare.trim_end_matches(mark));
        let stage = match voice.draw.below(3) {
            0 => voice.stamp(),
            _ => voice.draw.word(stages).replace(' ', mark),
        };
        if bare.is_empty() { format!("{stem}{mark}{stage}") } else { format!("{bare}{mark}{stage}") }
    });
    parent.join(format!("{stem}{ending}").as_bytes()).ok()
}

/// `report_v2` becomes `report_v3`.
fn next_version(stem: &str) -> Option<String> {
    let digits = stem.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (text, number) = stem.split_at(stem.len() - digits);
    let number: u32 = number.parse().ok().filter(|number| *number < 30)?;
    text.ends_with(['v', 'V']).then(|| format!("{text}{}", number + 1))
}

impl Voice<'_> {
    fn thing(&mut self) -> &'static str {
        self.noun().word
    }

    fn stamp(&mut self) -> String {
        let date = self.now.date();
        match self.draw.below(3) {
            0 => format!("{:04}{:02}{:02}", date.year(), date.month(), date.day()),
            1 => format!("{:02}{:02}", date.month(), date.day()),
            _ => date.to_string(),
        }
    }

    fn note_words(&mut self) -> Vec<Word> {
        match self.draw.below(7) {
            0 => vec![self.stamp().into(), self.thing().into()],
            1 => vec![self.project().into(), self.thing().into()],
            2 => vec![self.thing().into(), self.colleague().to_lowercase().into()],
            3 => {
                let meeting = self.draw.word(&self.lexicon.meetings);
                vec![meeting.into(), self.colleague().to_lowercase().into(), self.stamp().into()]
            }
            4 => {
                let meeting = self.draw.word(&self.lexicon.meetings);
                vec![meeting.into(), self.project().into(), self.stamp().into()]
            }
            5 => vec![self.thing().into(), self.host().to_owned().into()],
            _ => vec![self.thing().into(), self.month_name(self.now.date()).to_lowercase().into()],
        }
    }

    fn todo_words(&mut self) -> Vec<Word> {
        let list = self.draw.word(&self.lexicon.lists);
        match self.draw.below(4) {
            0 => vec![list.into(), self.project().into()],
            1 => vec![self.project().into(), list.into()],
            2 => vec![
                list.into(),
                format!("w{}", self.now.date().iso_week_date().week()).into(),
                self.project().into(),
            ],
            _ => vec![list.into(), self.thing().into()],
        }
    }

    fn draft_words(&mut self) -> Vec<Word> {
        let report = self.draw.word(&self.lexicon.reports);
        let mut words = match self.draw.below(3) {
            0 => vec![self.project().into(), report.into()],
            1 => vec![report.into(), self.thing().into(), self.now.date().year().to_string().into()],
            _ => vec![self.project().into(), self.thing().into(), report.into()],
        };
        if self.draw.percent(35) {
            words.push(self.draw.word(&self.lexicon.stages).into());
        }
        words
    }

    fn task_words(&mut self) -> Vec<Word> {
        let verb = self.draw.pick(&self.trade.verbs).map_or("", |verb| verb.base);
        match self.draw.below(3) {
            0 => vec![verb.into(), self.thing().into()],
            1 => vec![self.project().into(), verb.into()],
            _ => vec![verb.into(), self.thing().into(), self.project().into()],
        }
    }

    fn sheet_words(&mut self) -> Vec<Word> {
        let date = self.now.date();
        let period = match self.draw.below(3) {
            0 => format!("{:04}-{:02}", date.year(), date.month()),
            1 => format!("Q{} {}", (date.month() + 2) / 3, date.year()),
            _ => self.stamp(),
        };
        let mut words: Vec<Word> = vec![self.thing().into(), period.into()];
        match self.draw.below(3) {
            0 => words.insert(0, self.project().into()),
            1 => words.push(self.project().into()),
            _ => {}
        }
        words
    }

    /// Who works on many hosts notes in names which one it is about, or all would bear the same names.
    fn for_many_hosts(&self, mut words: Vec<Word>) -> Vec<Word> {
        if self.has_many_hosts()
            && let Some(decoy) = self.world.decoy(self.slot.decoy)
        {
            words.push(decoy.name.to_string().into());
        }
        words
    }

    /// Whether names must say which host they are of.
    pub(crate) fn has_many_hosts(&self) -> bool {
        self.world.seats().workplace_count(self.slot.persona) > MANY_HOSTS
    }

    /// A file of a person: words as the person joins them.
    fn at_home(&mut self, folder: &str, words: &[Word], ending: &str) -> Option<DecoyPath> {
        let project = (self.habits.project_folders && self.draw.percent(50)).then(|| self.project());
        let mut path = self.home_buffer(folder);
        if let Some(project) = project {
            path.push_str(&project);
            path.push('/');
        }
        if folder == self.habits.drafts && self.draw.percent(12) {
            let by_year = self.draw.percent(60);
            push_archive(self.persona.language, self.now.date().year(), by_year, &mut path);
        }
        push_words(&self.habits, words, &mut path);
        path.push_str(ending);
        self.below_home(&path)
    }

    /// A buffer for a path below the home, with the folder in it.
    fn home_buffer(&self, folder: &str) -> String {
        let mut path = String::with_capacity(96);
        path.push_str(folder);
        path.push('/');
        path
    }

    /// A file of a program, or for one: lower case, no spaces.
    fn program(&self, folder: &str, words: &[Word], ending: &str) -> Option<DecoyPath> {
        let separator = if matches!(self.habits.separator, "_" | ".") { '_' } else { '-' };
        let mut path = self.home_buffer(folder);
        for (place, letters) in words.iter().enumerate() {
            if place > 0 {
                path.push(separator);
            }
            path.extend(
                letters.to_lowercase().chars().map(|letter| if letter == ' ' { separator } else { letter }),
            );
        }
        path.push_str(ending);
        self.below_home(&path)
    }

    /// Administrators have services of the whole host; everybody else runs some of their own.
    fn daemon_log(&mut self) -> Option<DecoyPath> {
        let number = u64::from(self.draw.below(4));
        let app = invented(self.world.decoy_seed(self.slot.decoy, Purpose::Company).word(number));
        let kind = self.draw.word(&["d", "-sync", "-agent", "-web", "-worker", "-relay"]).to_owned();
        if self.role() == Role::Administrator {
            DecoyPath::new(format!("/var/log/{app}{kind}/{app}.log")).ok()
        } else {
            self.below_home(&format!(".local/state/{app}{kind}/{app}.log"))
        }
    }

    fn scratch(&mut self) -> Option<DecoyPath> {
        let mut thing = String::new();
        identifier(self.thing(), &mut thing);
        let token: String = (0..6).map(|_| TOKEN[self.draw.index(TOKEN.len())]).collect();
        let ending = self.draw.word(&[".txt", ".csv", ".out", ".tmp", ".log", ".json", ""]);
        let name = match self.draw.below(4) {
            0 => format!("tmp.{token}"),
            1 => format!("{thing}.{token}{ending}"),
            2 => format!(
                "{}_{thing}{ending}",
                self.draw.word(&["out", "test", "new", "check", "diff", "list"])
            ),
            _ => format!("{}-{thing}-{token}{ending}", self.persona.login),
        };
        let folder = self.habits.scratch;
        if folder.starts_with('/') {
            // What lies where everybody writes bears a name that is nobody else's.
            let name = if name.contains(token.as_str()) { name } else { format!("{name}.{token}") };
            DecoyPath::new(format!("{folder}/{name}")).ok()
        } else {
            self.below_home(&format!("{folder}/{name}"))
        }
    }

    pub(crate) fn below_home(&self, rest: &str) -> Option<DecoyPath> {
        let mut whole = self.persona.home.as_bytes().to_vec();
        whole.push(b'/');
        whole.extend_from_slice(rest.as_bytes());
        DecoyPath::new(whole).ok()
    }
}

/// From so many hosts on, names say which one it is.
const MANY_HOSTS: u32 = 12;

const TOKEN: [char; 36] = [
    'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u',
    'v', 'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
];

/// A word of a name, or a few.
type Word = Cow<'static, str>;

/// Joins words as the person joins them.
fn push_words(habits: &Habits, words: &[Word], out: &mut String) {
    let words = words.iter().flat_map(|words| words.split(' ')).filter(|word| !word.is_empty());
    let capitals = habits.capitals || habits.separator.is_empty();
    for (place, word) in words.enumerate() {
        if place > 0 {
            out.push_str(habits.separator);
        }
        // What a keyboard has no key for is not in names, either.
        let mut letters = word.chars().map(|letter| match letter {
            '/' => '-',
            '\u{2019}' => '\'',
            _ => letter,
        });
        if capitals && let Some(first) = letters.next() {
            out.extend(first.to_uppercase());
        }
        out.extend(letters);
    }
}
