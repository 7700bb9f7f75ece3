//! Settings of programs: what each role has in its home.

use std::sync::LazyLock;

use verisim_core::{DecoyPath, TextEdit};

use crate::Language;
use crate::compose::{lines_of, replace};
use crate::lexicon::{Lexicon, Pattern, Patterns};
use crate::persona::Role;
use crate::random::Purpose;
use crate::voice::{Voice, identifier, invented};

/// The forms that are written, told by the ending of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Ini,
    Yaml,
    Ssh,
    Aliases,
    Vim,
    Tmux,
    Bookmarks,
}

/// Names below the home, and the form that goes with each. What a person of many hosts writes bears the host's name.
const DOTFILES: [(&str, Form); 5] = [
    (".ssh/config", Form::Ssh),
    (".bash_aliases", Form::Aliases),
    (".vimrc", Form::Vim),
    (".tmux.conf", Form::Tmux),
    (".config/gtk-3.0/bookmarks", Form::Bookmarks),
];

static SSH: LazyLock<Patterns> = LazyLock::new(|| {
    Pattern::all(&[
        "Host {code}\n    HostName {host}\n    Port {n}{small}\n",
        "Host {host}\n    ServerAliveInterval {n}\n    Compression yes\n",
        "Host {code}-*\n    ForwardAgent no\n    ConnectTimeout {small}\n",
        "# {ticket}\nHost {code}{small}\n    HostName {host}\n    LocalForward {n}{small} localhost:{n}{n}\n",
        "Host {host} {code}\n    IdentityFile ~/.ssh/{code}\n    IdentitiesOnly yes\n",
    ])
});
static ALIASES: LazyLock<Patterns> = LazyLock::new(|| {
    Pattern::all(&[
        "alias {code}='cd ~/{code}'\n",
        "alias l{small}='ls -lt | head -{n}'\n",
        "alias {ident}='less ~/{code}/{ident}.log'\n",
        "alias to{code}='ssh {host}'\n",
        "alias g{small}='grep -rn --include=\"*.{ident}\"'\n",
        "{ident}() {\n    find ~/{code} -name \"*$1*\" -mtime -{n}\n}\n",
        "export {code}_dir=$HOME/{code}   # {ticket}\n",
        "alias du{small}='du -sh ~/{code}/* | sort -h | tail -{n}'\n",
    ])
});
static VIM: LazyLock<Patterns> = LazyLock::new(|| {
    Pattern::all(&[
        "set tabstop={small} shiftwidth={small}\n",
        "set textwidth={n}\n",
        "set scrolloff={small}\n",
        "set number relativenumber\nset history={n}{small}\n",
        "set ignorecase smartcase\n",
        "set undolevels={n}\n",
        "nnoremap <leader>{small} :edit ~/{code}/{ident}.txt<CR>\n",
        "iabbrev {code} {project} ({ticket})\n",
        "autocmd BufRead */{code}/* setlocal expandtab textwidth={n}\n",
        "\" {thing}: {colleague}, {date}\n",
    ])
});
static TMUX: LazyLock<Patterns> = LazyLock::new(|| {
    Pattern::all(&[
        "set -g history-limit {n}00\n",
        "set -g status-right '{code} %H:%M'\n",
        "bind {small} new-window -n {code} 'ssh {host}'\n",
        "set -g base-index 1\nset -g escape-time {n}\n",
        "bind C-{small} split-window -h -c ~/{code}\n",
        "set -g display-time {n}{small}\n",
    ])
});
static INI: LazyLock<Patterns> = LazyLock::new(|| {
    Pattern::all(&[
        "[{ident}]\nenabled = yes\nlimit = {n}\npath = /srv/{code}/{ident}\n\n",
        "[{ident}_{small}]\nhost = {host}\nport = {n}{small}\ntimeout = {small}\n\n",
        "; {ticket}: {colleague}\n[{code}]\ninterval = {n}\nkeep = {small}\n\n",
        "[log]\nlevel = info\nfile = /var/log/{code}/{ident}.log\nrotate = {small}\n\n",
        "[cache.{ident}]\nsize = {n}{small}\nttl = {n}\n\n",
        "[user.{code}]\nname = {me}\nrecent = {ident}-{n}.txt\n\n",
    ])
});
static YAML: LazyLock<Patterns> = LazyLock::new(|| {
    Pattern::all(&[
        "{ident}_{n}:\n  enabled: true\n  limit: {n}\n  path: /srv/{code}/{ident}\n",
        "{code}_{n}:\n  host: {host}\n  port: {n}{small}\n  retries: {small}\n",
        "# {ticket}, {colleague}\n{ident}_{n}:\n  - {ident}: {n}\n  - {ident}: {n}\n",
        "{ident}_{n}: {n}{small}\n",
        "log_{n}:\n  level: info\n  file: /var/log/{code}.log\n",
        "schedule_{n}:\n  every: {n}m\n  skip: [{small}, {n}]\n",
    ])
});
static BOOKMARKS: LazyLock<Patterns> = LazyLock::new(|| {
    Pattern::all(&[
        "file:///srv/{code}/{ident} {project}\n",
        "smb://{host}/{ident} {ident} ({project})\n",
        "sftp://{host}/home/{code}/{ident}{n}\n",
        "file:///media/{code}/{ident}{n} {project}\n",
    ])
});

impl Form {
    fn of(path: &DecoyPath) -> Self {
        let ends = |ending: &&str| path.as_bytes().ends_with(ending.as_bytes());
        let dotfile = DOTFILES.iter().find(|(name, _)| ends(name)).map(|(_, form)| *form);
        let written = if [".yml", ".yaml"].iter().any(ends) { Self::Yaml } else { Self::Ini };
        dotfile.unwrap_or(written)
    }

    fn patterns(self) -> &'static Patterns {
        match self {
            Self::Ini => &INI,
            Self::Yaml => &YAML,
            Self::Ssh => &SSH,
            Self::Aliases => &ALIASES,
            Self::Vim => &VIM,
            Self::Tmux => &TMUX,
            Self::Bookmarks => &BOOKMARKS,
        }
    }

    /// Before a remark; nothing where the form has none.
    const fn remark(self) -> Option<&'static str> {
        match self {
            Self::Ini => Some("; "),
            Self::Vim => Some("\" "),
            Self::Yaml | Self::Ssh | Self::Aliases | Self::Tmux => Some("# "),
            Self::Bookmarks => None,
        }
    }
}

/// Where settings lie.
pub(crate) fn name(voice: &mut Voice<'_>) -> Option<DecoyPath> {
    let builds = matches!(voice.role(), Role::Developer | Role::Administrator | Role::Scientist);
    if !voice.has_many_hosts() && voice.draw.percent(45) {
        let (name, _) = if builds { DOTFILES[voice.draw.index(4)] } else { DOTFILES[4] };
        return voice.below_home(name);
    }
    // Each decoy has programs of its own.
    let number = u64::from(voice.draw.below(5));
    let seed = voice.world.decoy_seed(voice.slot.decoy, Purpose::Company).word(number).text("program");
    let program = invented(seed);
    let mut part = String::new();
    let noun = voice.noun().word;
    identifier(noun, &mut part);
    let name = match voice.draw.below(4) {
        0 => format!(".config/{program}/{program}.ini"),
        1 => format!(".config/{program}/{part}.conf"),
        2 => format!(".config/{program}/{part}.yaml"),
        _ => format!("{}/{part}-{program}.yml", voice.project()),
    };
    voice.below_home(&name)
}

/// What stands there.
pub(crate) fn file(voice: &mut Voice<'_>, path: &DecoyPath) -> String {
    let form = Form::of(path);
    let length = voice.size(330.0, 1.4, [110.0, 30e3]);
    speak_english(voice);
    let mut out = String::with_capacity(length + 200);
    if let Some(mark) = form.remark().filter(|_| voice.draw.percent(40)) {
        let today = voice.date(voice.now.date());
        out.push_str(&format!("{mark}{}, {today}\n", voice.persona.login));
    }
    loop {
        voice.put_one(form.patterns(), &mut out);
        if out.len() >= length {
            return out;
        }
    }
}

/// A part more, or a number that changes.
pub(crate) fn edits(voice: &mut Voice<'_>, path: &DecoyPath, current: Option<&[u8]>) -> Vec<TextEdit> {
    let form = Form::of(path);
    speak_english(voice);
    let lines = current.map(lines_of).unwrap_or_default();
    let changes =
        |line: &[u8]| line.len() < 200 && line.last().is_some_and(u8::is_ascii_digit) && line.is_ascii();
    let numbers: Vec<usize> = (0..lines.len()).filter(|at| changes(lines[*at])).collect();
    if voice.draw.percent(60)
        && let Some(at) = voice.draw.pick(&numbers).copied()
    {
        let digits = lines[at].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let mut text = lines[at][..lines[at].len() - digits].to_vec();
        text.extend(format!("{}\n", voice.draw.between(2, 600)).into_bytes());
        return vec![replace(at, text)];
    }
    let text = voice.say_one(form.patterns());
    vec![TextEdit::Append { text: text.into() }]
}

/// Settings are in English, whatever their owner speaks.
fn speak_english(voice: &mut Voice<'_>) {
    let role = voice.role();
    voice.lexicon = Lexicon::of(Language::English);
    voice.trade = voice.lexicon.trade(role);
}
