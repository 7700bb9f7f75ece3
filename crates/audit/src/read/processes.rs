//! A list of processes, as `ps -eo pid=,ppid=,args=` prints it.

use super::text;

/// How many are read.
const PROCESSES_MAX: usize = 20_000;

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// That of its parent; 0 is outside of what the host sees.
    pub parent: u32,
    /// Its command line, bounded.
    pub command: String,
}

/// Reads the list; lines of another form are passed over.
#[must_use]
pub fn processes(bytes: &[u8]) -> Vec<Process> {
    let line = |line: &[u8]| {
        let line = text(line, 400);
        let mut words = line.split_whitespace();
        let (pid, parent) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Process { pid, parent, command: words.collect::<Vec<_>>().join(" ") })
    };
    bytes.split(|byte| *byte == b'\n').filter_map(line).take(PROCESSES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_two_numbers_and_a_command() {
        let found = processes(b"    1     0 /sbin/init splash\n  PID PPID\n 77 0 sh -c 'echo x'\n");
        assert_eq!(found.len(), 2);
        assert_eq!((found[1].pid, found[1].parent, found[1].command.as_str()), (77, 0, "sh -c 'echo x'"));
    }
}
