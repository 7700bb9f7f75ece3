//! Shell histories.

use verisim_core::Timestamp;

use super::{second, text};

/// How many commands are read.
const COMMANDS_MAX: usize = 50_000;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// When it was given, where the shell kept that.
    pub at: Option<Timestamp>,
    /// What was typed, bounded.
    pub line: String,
}

/// What a shell kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The commands, oldest first.
    pub commands: Vec<Command>,
}

/// Reads the histories of bash (times as comments of digits), of zsh (`: time:length;command`) and of shells without times.
#[must_use]
pub fn history(bytes: &[u8]) -> History {
    let mut commands = Vec::new();
    let mut at = None;
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        if commands.len() == COMMANDS_MAX {
            break;
        }
        let line = text(line, 500);
        if let Some(time) = line.strip_prefix('#').and_then(|time| time.parse().ok()).and_then(second) {
            at = Some(time);
        } else if let Some((time, line)) = zsh(&line) {
            commands.push(Command { at: Some(time), line });
        } else {
            commands.push(Command { at, line });
        }
    }
    History { commands }
}

fn zsh(line: &str) -> Option<(Timestamp, String)> {
    let (head, command) = line.strip_prefix(": ")?.split_once(';')?;
    let (time, length) = head.split_once(':')?;
    length.parse::<u32>().ok()?;
    Some((second(time.parse().ok()?)?, command.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_with_the_command_that_follows_them() {
        let found =
            history(b"ls\n#1700000000\nvim a\n# a remark\n: 1700000100:0;make\n#99999999999999999999\n");
        let commands: Vec<_> =
            found.commands.iter().map(|c| (c.at.map(|at| at.as_second()), c.line.as_str())).collect();
        assert_eq!(commands[0], (None, "ls"));
        assert_eq!(commands[1], (Some(1_700_000_000), "vim a"));
        assert_eq!(commands[3], (Some(1_700_000_100), "make"));
        assert_eq!(commands[4].1, "#99999999999999999999", "no time is a command like any other");
    }
}
