//! What rsync and rclone print, and what it must become. The texts are those of rsync 3.1 to 3.5 over OpenSSH 9.2 and of
//! rclone 1.60 and 1.75, recorded or after their sources, with names of our own.

use verisim_core::FailureKind as K;
use verisim_sync::{Tool, ToolOperation};

#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) tool: Tool,
    pub(crate) operation: ToolOperation,
    /// For the table of the documentation.
    pub(crate) situation: &'static str,
    pub(crate) exit: i32,
    pub(crate) kind: K,
    /// What a probe must find for that kind; without one it is `unknown`.
    pub(crate) free: Option<u64>,
    pub(crate) stderr: &'static str,
}

const fn rsync(situation: &'static str, exit: i32, kind: K, stderr: &'static str) -> Case {
    Case { tool: Tool::Rsync, operation: ToolOperation::Push, situation, exit, kind, free: None, stderr }
}

const fn hash(situation: &'static str, exit: i32, kind: K, stderr: &'static str) -> Case {
    Case { tool: Tool::Rsync, operation: ToolOperation::Hashsum, situation, exit, kind, free: None, stderr }
}

const fn rclone(situation: &'static str, exit: i32, kind: K, stderr: &'static str) -> Case {
    Case { tool: Tool::Rclone, operation: ToolOperation::Push, situation, exit, kind, free: None, stderr }
}

const fn rehash(situation: &'static str, exit: i32, kind: K, stderr: &'static str) -> Case {
    Case { tool: Tool::Rclone, operation: ToolOperation::Hashsum, situation, exit, kind, free: None, stderr }
}

const fn fetch(situation: &'static str, exit: i32, kind: K, stderr: &'static str) -> Case {
    Case { tool: Tool::Rsync, operation: ToolOperation::Fetch, situation, exit, kind, free: None, stderr }
}

const fn full(case: Case) -> Case {
    Case { free: Some(4096), ..case }
}

/// How an rsync ends that never heard of the other one.
macro_rules! nobody {
    ($said:literal) => {
        concat!($said, "\r\nrsync: connection unexpectedly closed (0 bytes received so far) [sender]\nrsync error: unexplained error (code 255) at io.c(285) [sender=3.5.0]\n")
    };
}

/// One error of rsync, and its end.
macro_rules! partial {
    ($said:literal) => {
        concat!($said, "\nrsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1394) [sender=3.5.0]\n")
    };
}

/// One error of rclone with one file, as it repeats it.
macro_rules! one {
    ($cause:literal) => {
        concat!(
            "2026/03/02 09:00:01 ERROR : runs/a.bin: Failed to copy: ",
            $cause,
            "\n2026/03/02 09:00:01 ERROR : Attempt 1/1 failed with 1 errors and: ",
            $cause,
            "\n2026/03/02 09:00:01 Failed to copy: ",
            $cause,
            "\n"
        )
    };
}

/// rclone 1.75's words for an answer of S3.
macro_rules! s3 {
    ($status:literal, $code:literal) => {
        concat!("2026/03/02 09:00:01 ERROR : S3 bucket vault path runs: error reading destination root directory: operation error S3: ListObjectsV2, https response error StatusCode: ", $status, ", RequestID: 17, HostID: x, api error ", $code, ": AccessDenied is not what this says\n")
    };
}

pub(crate) const CASES: &[Case] = &[
    // Before anything is sent: who we are.
    rsync(
        "the capture is gone before it begins",
        3,
        K::SourceVanished,
        "rsync: [Receiver] getcwd(): No such file or directory (2)\nrsync error: errors selecting input/output files, dirs (code 3) at util1.c(1226) [Receiver=3.5.0]\n",
    ),
    rsync(
        "the key is not accepted",
        255,
        K::Auth,
        nobody!("lab@nas.example: Permission denied (publickey,password)."),
    ),
    rsync("the key is not accepted, says an old client", 255, K::Auth, "Permission denied (publickey).\r\n"),
    rsync(
        "the key is not accepted, and the pipe breaks first",
        12,
        K::Auth,
        "lab@nas: Permission denied (publickey).\r\nrsync: [sender] write error: Broken pipe (32)\nrsync error: error in rsync protocol data stream (code 12) at io.c(849) [sender=3.2.7]\n",
    ),
    rsync(
        "another rrsync holds the directory",
        12,
        K::Network,
        nobody!("rrsync error: Another instance of rrsync is already accessing this directory."),
    ),
    rsync(
        "too many keys offered",
        255,
        K::Auth,
        nobody!("Received disconnect from 192.0.2.7 port 22:2: Too many authentication failures"),
    ),
    rsync(
        "the host's key is not known",
        255,
        K::Auth,
        nobody!(
            "No ED25519 host key is known for nas.example and you have requested strict checking.\r\nHost key verification failed."
        ),
    ),
    rsync(
        "the host's key changed",
        255,
        K::Auth,
        nobody!(
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nHost key for nas.example has changed and you have requested strict checking.\r\nHost key verification failed."
        ),
    ),
    rsync(
        "the agent does not sign",
        255,
        K::Auth,
        nobody!(
            "sign_and_send_pubkey: signing failed for ED25519 \"/home/lab/.ssh/id\" from agent: agent refused operation\r\nlab@nas: Permission denied (publickey)."
        ),
    ),
    rsync(
        "the key file is open to others",
        255,
        K::Config,
        nobody!(
            "Permissions 0640 for '/home/lab/.ssh/id' are too open.\r\nLoad key \"/home/lab/.ssh/id\": bad permissions\r\nlab@nas: Permission denied (publickey)."
        ),
    ),
    rsync(
        "the key file is not there",
        255,
        K::Config,
        nobody!(
            "Warning: Identity file /home/lab/.ssh/nokey not accessible: No such file or directory.\r\nlab@nas: Permission denied (publickey)."
        ),
    ),
    rsync(
        "the key file is no key",
        12,
        K::Config,
        nobody!(
            "Load key \"/home/lab/notes.txt\": invalid format\r\nlab@nas: Permission denied (publickey)."
        ),
    ),
    rsync(
        "no common algorithm",
        255,
        K::Config,
        nobody!(
            "Unable to negotiate with 192.0.2.7 port 22: no matching host key type found. Their offer: ssh-rsa"
        ),
    ),
    rsync(
        "a mistake in ssh_config",
        255,
        K::Config,
        nobody!("/home/lab/.ssh/config: line 3: Bad configuration option: usr"),
    ),
    rsync("the account has no shell", 12, K::Config, nobody!("This account is currently not available.")),
    rsync(
        "the account has SFTP only",
        2,
        K::Config,
        "This service allows sftp connections only.\nrsync: connection unexpectedly closed (0 bytes received so far) [sender]\n",
    ),
    rsync(
        "the shell prints at login",
        2,
        K::Config,
        "protocol version mismatch -- is your shell clean?\n(see the rsync manpage for an explanation)\nrsync error: protocol incompatibility (code 2) at compat.c(622) [sender=3.2.7]\n",
    ),
    rsync(
        "what listens is no ssh server",
        255,
        K::Config,
        nobody!("kex_exchange_identification: banner line contains invalid characters"),
    ),
    // The way there.
    rsync(
        "connection refused",
        255,
        K::Network,
        nobody!("ssh: connect to host nas.example port 22: Connection refused"),
    ),
    rsync("no route", 12, K::Network, nobody!("ssh: connect to host 192.0.2.9 port 22: No route to host")),
    rsync(
        "the name does not resolve",
        255,
        K::Network,
        nobody!("ssh: Could not resolve hostname nas.exmaple: Name or service not known"),
    ),
    rsync(
        "reset before SSH begins",
        255,
        K::Network,
        nobody!(
            "kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 192.0.2.7 port 22"
        ),
    ),
    rsync(
        "closed before SSH begins",
        255,
        K::Network,
        nobody!(
            "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by 192.0.2.7 port 22"
        ),
    ),
    rsync(
        "the server does not answer any more",
        255,
        K::Network,
        "Timeout, server nas.example not responding.\r\nrsync: [sender] write error: Broken pipe (32)\nrsync error: unexplained error (code 255) at io.c(849) [sender=3.2.7]\n",
    ),
    rsync(
        "the connection breaks in mid-stream",
        12,
        K::Network,
        "rsync: connection unexpectedly closed (41734 bytes received so far) [sender]\nrsync error: error in rsync protocol data stream (code 12) at io.c(231) [sender=3.2.7]\n",
    ),
    rsync(
        "broken, under a banner that speaks of permission",
        255,
        K::Network,
        "Permission denied to all others. lab@nas: Permission denied (publickey) is logged.\nrsync: [sender] write error: Broken pipe (32)\nrsync error: unexplained error (code 255) at io.c(849) [sender=3.5.0]\n",
    ),
    rsync(
        "broken after data came, with a login's line in the banner",
        12,
        K::Network,
        "lab@nas: Permission denied (publickey).\nrsync: connection unexpectedly closed (812 bytes received so far) [sender]\nrsync error: error in rsync protocol data stream (code 12) at io.c(231) [sender=3.2.7]\n",
    ),
    rsync(
        "rsync's own time-out",
        30,
        K::Network,
        "[sender] io timeout after 120 seconds -- exiting\nrsync error: timeout in data send/receive (code 30) at io.c(197) [sender=3.2.7]\n",
    ),
    rsync(
        "the daemon does not answer",
        35,
        K::Network,
        "rsync error: timeout waiting for daemon connection (code 35) at io.c(187) [sender=3.2.7]\n",
    ),
    rsync("the remote shell was killed", 125, K::Network, ""),
    rsync(
        "somebody stopped the rsync there",
        20,
        K::Network,
        "rsync error: received SIGINT, SIGTERM, or SIGHUP (code 20) at rsync.c(713) [receiver=3.2.7]\nrsync: connection unexpectedly closed (77 bytes received so far) [sender]\n",
    ),
    // The tools.
    rsync(
        "no rsync there",
        127,
        K::ToolMissing,
        "bash: line 1: rsync: command not found\nrsync: connection unexpectedly closed (0 bytes received so far) [sender]\nrsync error: remote command not found (code 127) at io.c(231) [sender=3.2.7]\n",
    ),
    rsync("no rsync there, with dash", 12, K::ToolMissing, nobody!("sh: 1: rsync: not found")),
    rsync("no rsync there, with zsh", 127, K::ToolMissing, nobody!("zsh:1: command not found: rsync")),
    rsync(
        "the rsync there may not be run",
        126,
        K::ToolMissing,
        nobody!("bash: line 1: /opt/rsync: Permission denied"),
    ),
    rsync(
        "no ssh here",
        14,
        K::ToolMissing,
        "rsync: [sender] Failed to exec ssh: No such file or directory (2)\nrsync error: error in IPC code (code 14) at pipe.c(85) [sender=3.2.7]\n",
    ),
    rsync(
        "the rsync there does not know an option",
        1,
        K::Config,
        "rsync: --mkpath: unknown option\nrsync error: syntax or usage error (code 1) at main.c(1666) [server=3.1.3]\nrsync: connection unexpectedly closed (0 bytes received so far) [sender]\n",
    ),
    rsync(
        "a mistake in our arguments",
        1,
        K::Config,
        "rsync: --bwlimt=5: unknown option\nrsync error: syntax or usage error (code 1) at main.c(1795) [client=3.2.7]\n",
    ),
    rsync(
        "what is asked is not supported",
        4,
        K::Unsupported,
        "rsync error: requested action not supported (code 4) at compat.c(210) [sender=3.2.7]\n",
    ),
    rsync(
        "a restricted account",
        12,
        K::Config,
        nobody!("rrsync error: option --delete has been disabled on this server."),
    ),
    // The capture.
    rsync(
        "a file may not be read",
        23,
        K::Denied,
        partial!(
            "rsync: [sender] send_files failed to open \"/runs/a/no space left on device (28)\": Permission denied (13)"
        ),
    ),
    rsync(
        "a file may not be read, told by an older rsync",
        23,
        K::Denied,
        "rsync: send_files failed to open \"/runs/a/x\": Permission denied (13)\nrsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1207) [sender=3.1.3]\n",
    ),
    rsync(
        "the capture is gone",
        23,
        K::SourceVanished,
        partial!(
            "rsync: [sender] change_dir \"/runs/permission denied\" failed: No such file or directory (2)"
        ),
    ),
    rsync(
        "a file vanished",
        24,
        K::SourceVanished,
        "file has vanished: \"/runs/a/tmp.1\"\nrsync warning: some files vanished before they could be transferred (code 24) at main.c(1338) [sender=3.2.7]\n",
    ),
    rsync(
        "a directory stands where a file was",
        23,
        K::SourceChanged,
        partial!("rsync: [sender] read errors mapping \"/runs/a/x.bin\": Is a directory (21)"),
    ),
    rsync(
        "the disk of the capture fails",
        23,
        K::Unknown,
        partial!("rsync: [sender] read errors mapping \"/runs/a/x.bin\": Input/output error (5)"),
    ),
    // The destination.
    rsync(
        "the disk there is full",
        11,
        K::NoSpace,
        "rsync: [receiver] write failed on \"/vault/runs/permission denied.bin\": No space left on device (28)\nrsync error: error in file IO (code 11) at receiver.c(393) [receiver=3.2.7]\nrsync: connection unexpectedly closed (213 bytes received so far) [sender]\n",
    ),
    rsync(
        "a quota is used up",
        11,
        K::NoSpace,
        "rsync: [receiver] mkstemp \"/vault/.x.bin.Ab12\" failed: Disk quota exceeded (122)\nrsync error: error in file IO (code 11) at receiver.c(393) [receiver=3.2.7]\n",
    ),
    rsync(
        "the folder there may not be written",
        23,
        K::Denied,
        partial!("rsync: [receiver] mkstemp \"/vault/runs/.x.bin.Ab12cd\" failed: Permission denied (13)"),
    ),
    rsync(
        "mounted read-only there",
        11,
        K::Denied,
        "rsync: [Receiver] mkdir \"/vault/runs\" failed: Read-only file system (30)\nrsync error: error in file IO (code 11) at main.c(791) [Receiver=3.2.7]\n",
    ),
    rsync(
        "the folder above is not there",
        11,
        K::NotFound,
        "rsync: [Receiver] mkdir \"/vault/2026/03/runs\" failed: No such file or directory (2)\nrsync error: error in file IO (code 11) at main.c(791) [Receiver=3.2.7]\n",
    ),
    rsync(
        "a directory is in the way",
        23,
        K::Config,
        partial!("could not make way for new regular file: a/x.bin"),
    ),
    rsync(
        "a name is too long for the file system",
        23,
        K::Config,
        partial!("rsync: [receiver] mkstemp \"/vault/.nnn.X\" failed: File name too long (36)"),
    ),
    rsync(
        "the share there went stale",
        23,
        K::Network,
        partial!("rsync: [generator] recv_generator: failed to stat \"/vault/a\": Stale file handle (116)"),
    ),
    rsync(
        "what arrived differs twice",
        23,
        K::HashMismatch,
        partial!("ERROR: a/x.bin failed verification -- update discarded."),
    ),
    rsync(
        "a limit of deletions",
        25,
        K::Config,
        "rsync error: the --max-delete limit stopped deletions (code 25) at main.c(1338) [sender=3.2.7]\n",
    ),
    // How it ended.
    rsync(
        "somebody stopped it here",
        20,
        K::Cancelled,
        "rsync error: received SIGINT, SIGTERM, or SIGHUP (code 20) at rsync.c(713) [sender=3.2.7]\n",
    ),
    rsync("ended by SIGTERM", 143, K::Cancelled, ""),
    rsync("killed", -9, K::Unknown, ""),
    rsync(
        "a crash of its other half",
        15,
        K::Unknown,
        "rsync error: sibling process crashed (code 15) at main.c(100) [sender=3.2.7]\n",
    ),
    rsync(
        "no memory",
        22,
        K::Unknown,
        "ERROR: out of memory in flist_expand [sender]\nrsync error: error allocating core memory buffers (code 22) at util2.c(105) [sender=3.2.7]\n",
    ),
    rsync("nothing but a code", 23, K::Unknown, ""),
    full(rsync("nothing but the code of a file that failed, and the disk there is full", 11, K::NoSpace, "")),
    rsync("nothing but ssh's code", 255, K::Network, ""),
    // Hashing over ssh.
    fetch(
        "the folder is not there",
        23,
        K::NotFound,
        partial!("rsync: [sender] change_dir \"/runs/lab\" failed: No such file or directory (2)"),
    ),
    fetch(
        "a file may not be read there",
        23,
        K::Denied,
        partial!("rsync: [sender] send_files failed to open \"/runs/lab/a.bin\": Permission denied (13)"),
    ),
    fetch(
        "a file went away there",
        24,
        K::NotFound,
        "file has vanished: \"/runs/lab/a.bin\"\nrsync warning: some files vanished before they could be transferred (code 24) at main.c(1889) [generator=3.5.0]\n",
    ),
    fetch(
        "the disk here is full",
        11,
        K::NoSpace,
        "rsync: [receiver] write failed on \"/state/desk/a.bin\": No space left on device (28)\nrsync error: error in file IO (code 11) at receiver.c(381) [receiver=3.5.0]\n",
    ),
    fetch(
        "the key is not accepted",
        255,
        K::Auth,
        "lab@nas: Permission denied (publickey).\r\nrsync: connection unexpectedly closed (0 bytes received so far) [Receiver]\nrsync error: unexplained error (code 255) at io.c(285) [Receiver=3.5.0]\n",
    ),
    hash(
        "a folder cannot be made there",
        1,
        K::Denied,
        "mkdir: cannot create directory './lab': Permission denied\n",
    ),
    hash(
        "mounted read-only there",
        1,
        K::Denied,
        "dd: failed to open './lab/.verisim/owner.new.71': Read-only file system\n",
    ),
    hash("no folder there", 1, K::NotFound, "find: '/vault/runs': No such file or directory\n"),
    hash("a file there may not be read", 1, K::Denied, "sha256sum: /vault/runs/x: Permission denied\n"),
    hash("no hasher there", 127, K::ToolMissing, "bash: line 1: sha256sum: command not found\n"),
    hash(
        "no hasher there, told by xargs",
        127,
        K::ToolMissing,
        "xargs: sha256sum: No such file or directory\n",
    ),
    hash(
        "a restricted account",
        1,
        K::Unsupported,
        "/usr/bin/rrsync: SSH_ORIGINAL_COMMAND does not run rsync\n",
    ),
    hash("refused", 255, K::Network, "ssh: connect to host nas port 22: Connection refused\r\n"),
    hash("the key is not accepted", 255, K::Auth, "lab@nas: Permission denied (publickey).\r\n"),
    hash(
        "a name like a refusal",
        1,
        K::NotFound,
        "sha256sum: lab@nas: Permission denied (publickey): No such file or directory\n",
    ),
    // rclone: configuration.
    rclone(
        "no such remote",
        1,
        K::Config,
        "2026/03/02 09:00:01 Failed to create file system for \"nas:runs\": didn't find section in config file\n",
    ),
    rclone(
        "no such type of remote",
        1,
        K::Config,
        "2026/03/02 09:00:01 CRITICAL: Failed to create file system for \"nas:runs\": didn't find backend called \"sftpp\"\n",
    ),
    rclone(
        "an unknown option",
        1,
        K::Config,
        "Error: unknown flag: --cheksum\nUsage:\n  rclone copy source:path dest:path [flags]\n",
    ),
    rclone(
        "an unknown option, in 1.75",
        2,
        K::Config,
        "2026/03/02 09:00:01 NOTICE: Fatal error: unknown flag: --cheksum\n",
    ),
    rclone(
        "the destination is a file",
        1,
        K::Config,
        "2026/03/02 09:00:01 Failed to create file system for \"nas:runs\": is a file not a directory\n",
    ),
    rclone(
        "the key file is not there",
        1,
        K::Config,
        "2026/03/02 09:00:01 Failed to create file system for \"nas:\": failed to read private key file: open /home/lab/nokey: no such file or directory\n",
    ),
    rclone(
        "a limit of time",
        10,
        K::Config,
        "2026/03/02 09:00:01 NOTICE: Failed to copy: max transfer duration reached as set by --max-duration\n",
    ),
    rclone("a limit of size", 8, K::Config, ""),
    // rclone: who and where.
    rclone(
        "the host's key changed",
        1,
        K::Auth,
        "2026/03/02 09:00:01 Failed to create file system for \"nas:runs\": NewFs: couldn't connect SSH: ssh: handshake failed: knownhosts: key mismatch\n",
    ),
    rclone(
        "the host's key is not known",
        1,
        K::Auth,
        "2026/03/02 09:00:01 Failed to create file system for \"nas:runs\": NewFs: couldn't connect SSH: ssh: handshake failed: knownhosts: key is unknown\n",
    ),
    rclone(
        "the key is not accepted",
        1,
        K::Auth,
        "2026/03/02 09:00:01 Failed to create file system for \"nas:runs\": NewFs: couldn't connect SSH: ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey], no supported methods remain\n",
    ),
    rclone(
        "cut during the handshake",
        1,
        K::Network,
        "2026/03/02 09:00:01 Failed to create file system for \"nas:runs\": NewFs: couldn't connect SSH: ssh: handshake failed: read tcp 10.0.0.1:40000->10.0.0.2:22: read: connection reset by peer\n",
    ),
    rclone(
        "refused",
        1,
        K::Network,
        "2026/03/02 09:00:01 CRITICAL: Failed to create file system for \"nas:permission denied\": NewFs: couldn't connect SSH: dial tcp 127.0.0.1:2259: connect: connection refused\n",
    ),
    rclone(
        "the name does not resolve",
        1,
        K::Network,
        "2026/03/02 09:00:01 Failed to create file system for \"nas:x\": NewFs: couldn't connect SSH: dial tcp: lookup nas.exmaple on 10.0.0.53:53: no such host\n",
    ),
    rclone("the connection is lost", 1, K::Network, one!("Update ReadFrom failed: connection lost")),
    rclone("a temporary error, by the code", 5, K::Network, ""),
    rclone(
        "the certificate is not trusted",
        1,
        K::Auth,
        "2026/03/02 09:00:01 Failed to create file system for \"dav:x\": read metadata failed: Propfind \"https://nas/x\": tls: failed to verify certificate: x509: certificate signed by unknown authority\n",
    ),
    rclone(
        "no TLS there",
        1,
        K::Config,
        "2026/03/02 09:00:01 Failed to create file system for \"dav:x\": read metadata failed: Propfind \"https://nas/x\": http: server gave HTTP response to HTTPS client\n",
    ),
    rclone(
        "a token that was revoked",
        1,
        K::Auth,
        "2026/03/02 09:00:01 Failed to create file system for \"drive:x\": couldn't find root directory ID: Get \"https://api.example/x\": couldn't fetch token: invalid_grant: maybe token expired?\n",
    ),
    // rclone: HTTP and S3.
    rclone("401", 1, K::Auth, one!("401 Unauthorized")),
    rclone("403", 1, K::Denied, one!("unchunked simple update failed: 403 Forbidden")),
    rclone("404", 1, K::NotFound, one!("404 Not Found")),
    rclone("429", 1, K::Network, one!("429 Too Many Requests")),
    rclone("503", 1, K::Network, one!("503 Service Unavailable")),
    rclone("507", 1, K::NoSpace, one!("507 Insufficient Storage")),
    rclone("S3: denied", 1, K::Denied, s3!("403", "AccessDenied")),
    rclone("S3: wrong key", 1, K::Auth, s3!("403", "InvalidAccessKeyId")),
    rclone("S3: expired token", 1, K::Auth, s3!("400", "ExpiredToken")),
    rclone("S3: clocks differ", 1, K::Auth, s3!("403", "RequestTimeTooSkewed")),
    rclone("S3: slow down", 1, K::Network, s3!("503", "SlowDown")),
    rclone("S3: no such bucket", 1, K::NotFound, s3!("404", "NoSuchBucket")),
    rclone("S3: full", 1, K::NoSpace, s3!("507", "XMinioStorageFull")),
    rclone("S3: another region", 1, K::Config, s3!("400", "AuthorizationHeaderMalformed")),
    rclone("S3: a digest that differs", 1, K::HashMismatch, s3!("400", "BadDigest")),
    rclone("S3: a code that nobody knows, with a status", 1, K::Network, s3!("502", "OddGateway")),
    rclone(
        "S3 as 1.60 words it",
        1,
        K::Auth,
        "2026/03/02 09:00:01 ERROR : S3 bucket vault path runs: error reading destination root directory: SignatureDoesNotMatch: The request signature we calculated does not match.\n\tstatus code: 403, request id: 17, host id: \n",
    ),
    // rclone: files.
    rclone(
        "a file may not be read",
        1,
        K::Denied,
        one!("failed to open source object: open /runs/507 Insufficient Storage: permission denied"),
    ),
    rclone(
        "a file vanished",
        1,
        K::SourceVanished,
        one!("failed to open source object: lstat /runs/permission denied: no such file or directory"),
    ),
    rclone(
        "the capture is gone",
        3,
        K::SourceVanished,
        "2026/03/02 09:00:01 ERROR : Local file system at /runs/access denied: error reading source root directory: directory not found\n",
    ),
    rclone(
        "a file changed",
        6,
        K::SourceChanged,
        one!("Update ReadFrom failed: can't copy - source file is being updated (size changed from 5 to 9)"),
    ),
    rclone("changed, by the code", 6, K::SourceChanged, ""),
    rclone(
        "the folder there may not be written",
        1,
        K::Denied,
        one!("Update Create failed: permission denied"),
    ),
    rclone(
        "the disk is full",
        1,
        K::NoSpace,
        "2026/03/02 09:00:01 ERROR : permission denied.bin: Failed to copy: write /vault/401 Unauthorized/x: no space left on device\n",
    ),
    rclone(
        "too large for the disk",
        1,
        K::NoSpace,
        one!("preallocate: file too big for remaining disk space"),
    ),
    rclone(
        "corrupted on the way",
        1,
        K::HashMismatch,
        "2026/03/02 09:00:01 ERROR : x.bin: corrupted on transfer: sha256 hashes differ src(Local) \"aa\" vs dst(sftp) \"bb\"\n",
    ),
    full(rclone(
        "SFTP says failure, and the disk is full",
        1,
        K::NoSpace,
        one!("Update ReadFrom failed: sftp: \"Failure\" (SSH_FX_FAILURE)"),
    )),
    rclone(
        "SFTP: permission",
        1,
        K::Denied,
        one!("Update Create failed: sftp: \"Permission denied\" (SSH_FX_PERMISSION_DENIED)"),
    ),
    rclone(
        "in JSON",
        1,
        K::Denied,
        "{\"level\":\"error\",\"msg\":\"Failed to copy: failed to open source object: open /runs/x: permission denied\",\"object\":\"connection refused\",\"objectType\":\"*local.Object\",\"source\":\"operations/operations.go:384\",\"time\":\"2026-03-02T09:00:01.1+00:00\"}\n",
    ),
    rclone(
        "in JSON, fatal in 1.75",
        1,
        K::Config,
        "{\"time\":\"2026-03-02T09:00:01.1+00:00\",\"level\":\"critical\",\"msg\":\"Failed to create file system for \\\"nas:x\\\": didn't find section in config file (\\\"nas\\\")\",\"source\":\"log/log.go:1\"}\n",
    ),
    rclone("stopped by SIGINT", 130, K::Cancelled, ""),
    rclone("nothing but a code", 1, K::Unknown, ""),
    rclone("something new", 1, K::Unknown, one!("the flux capacitor is misaligned")),
    rehash(
        "no folder there",
        3,
        K::NotFound,
        "2026/03/02 09:00:01 ERROR : : error listing: directory not found\n2026/03/02 09:00:01 Failed to hashsum: directory not found\n",
    ),
    rehash(
        "the remote knows no such hash",
        1,
        K::Unsupported,
        "2026/03/02 09:00:01 ERROR : x: hash unsupported: hash type not supported\n",
    ),
    rehash(
        "a file there may not be read",
        1,
        K::Denied,
        "2026/03/02 09:00:01 ERROR : x.bin: Failed to calculate hash: permission denied\n",
    ),
];
