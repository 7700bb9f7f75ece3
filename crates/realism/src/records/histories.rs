//! Histories of shells, and the files that a home begins with.

use std::fmt::Write as _;

use super::existing::Existing;
use super::host::{Host, Person};
use super::typing::Typed;
use crate::random::Generator;

/// What was typed in one session, and when the shell wrote it down: at its end.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) ended: i64,
    pub(super) typed: Vec<Typed>,
}

/// How many commands bash keeps where nothing else is said, and in the file of Debian's skeleton.
const KEPT: usize = 500;

/// A history as bash leaves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct History {
    pub(super) body: String,
    /// When the last session that typed anything ended.
    pub(super) written: i64,
}

/// Whether the persona has the shell keep times.
pub(super) fn keeps_times(host: &Host<'_>, person: &Person) -> bool {
    host.person_seed(person).text("times").number() % 100 < 35
}

/// Joins sessions as bash does: each is added at its end, a command that repeats the one before is left out, and the oldest
/// go when there are more than are kept. `None` where nothing was typed.
pub(super) fn history(host: &Host<'_>, person: &Person, mut blocks: Vec<Block>) -> Option<History> {
    blocks.sort_by_key(|block| block.ended);
    let times = keeps_times(host, person);
    let written = blocks.iter().filter(|block| !block.typed.is_empty()).map(|block| block.ended).max()?;
    let mut all: Vec<&Typed> = Vec::new();
    for block in &blocks {
        let mut last: Option<&str> = None;
        for typed in &block.typed {
            if last != Some(typed.text.as_str()) {
                all.push(typed);
            }
            last = Some(&typed.text);
        }
    }
    let kept = kept(&bashrc(host.existing));
    let mut body = String::new();
    for typed in all.iter().skip(all.len().saturating_sub(kept)) {
        if times {
            let _ = writeln!(body, "#{}", typed.at.div_euclid(1_000_000_000));
        }
        let _ = writeln!(body, "{}", typed.text);
    }
    Some(History { body, written })
}

/// How many commands the shell keeps in its file.
fn kept(bashrc: &str) -> usize {
    let set = bashrc.lines().find_map(|line| line.trim().strip_prefix("HISTFILESIZE="));
    set.and_then(|count| count.parse().ok()).map_or(KEPT, |count: usize| count.clamp(1, 100_000))
}

/// What the shell of a new account reads: the decoy's own, else a short one.
pub(super) fn bashrc(existing: &Existing) -> String {
    let own = existing.text("/etc/skel/.bashrc");
    if own.is_empty() { BASHRC.to_owned() } else { own }
}

/// The files that new homes of this system get, by name: those of the decoy, else short ones.
pub(super) fn usual_skeleton(host: &Host<'_>) -> Vec<(&'static str, String)> {
    let own = |name: &str| host.existing.text(&format!("/etc/skel/{name}"));
    let has_own = !own(".bashrc").is_empty();
    let mut out = vec![(".bashrc", bashrc(host.existing))];
    for (name, usual) in [(".profile", PROFILE), (".bash_logout", LOGOUT), (".bash_profile", "")] {
        let body = own(name);
        let body = if body.is_empty() && !has_own { usual.to_owned() } else { body };
        if !body.is_empty() {
            out.push((name, body));
        }
    }
    out
}

/// The files that the home of a person gets, by name.
pub(super) fn skeleton(host: &Host<'_>, person: &Person) -> Vec<(&'static str, String)> {
    let mut out = usual_skeleton(host);
    if let Some((_, rc)) = out.first_mut().filter(|_| keeps_times(host, person)) {
        let mut draw = Generator::new(host.person_seed(person).text("format"));
        let format = draw.word(&["%F %T ", "%d.%m. %H:%M  ", "%Y-%m-%d %H:%M:%S ", "%F %T  "]);
        let _ = write!(rc, "\nexport HISTTIMEFORMAT=\"{format}\"\n");
    }
    out
}

const BASHRC: &str = "\
# Read by bash for shells that somebody sits at.
case $- in *i*) ;; *) return ;; esac

HISTCONTROL=ignoreboth
HISTSIZE=1000
HISTFILESIZE=2000
shopt -s histappend checkwinsize

PS1='\\u@\\h:\\w\\$ '
alias ll='ls -l'
alias la='ls -A'
";
const PROFILE: &str = "\
# Read by a shell at login.
[ -n \"$BASH_VERSION\" ] && [ -f \"$HOME/.bashrc\" ] && . \"$HOME/.bashrc\"
[ -d \"$HOME/bin\" ] && PATH=\"$HOME/bin:$PATH\"
";
const LOGOUT: &str = "\
# Read when a login shell ends.
[ \"$SHLVL\" = 1 ] && [ -x /usr/bin/clear_console ] && /usr/bin/clear_console -q
";
