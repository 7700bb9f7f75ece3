//! What is typed without any file.

/// What people of every kind type.
pub(super) const EVERYBODY: [&str; 8] =
    ["ls", "ls -l", "ls -la", "pwd", "date", "w", "df -h", "ls -lt | head"];
/// What those who build and run things type, too.
pub(super) const BUILDERS: [&str; 10] = [
    "top",
    "uptime",
    "free -h",
    "history | tail -20",
    "ps aux | grep $USER",
    "who",
    "du -sh *",
    "env | sort",
    "id",
    "python3 --version",
];
pub(super) const RUNNERS: [&str; 8] = [
    "uptime",
    "last | head",
    "df -h",
    "free -m",
    "ip a",
    "ps aux --sort=-%mem | head",
    "uname -a",
    "mount | grep -v tmpfs",
];
