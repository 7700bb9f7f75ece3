//! The causes at which rclone's chains end: what Go, the services and SFTP say.

use verisim_core::FailureKind;

use super::Probe;
use super::store::Answer;

type Meaning = (FailureKind, Option<&'static str>);

const CLOCK: &str = "the clocks differ: set this machine's clock (chrony), then try again";
const TOKEN: &str =
    "the credentials are wrong or have expired: renew them (`rclone config reconnect REMOTE:`, or new keys)";
const SLOWER: &str =
    "the service asks for fewer requests: it is tried again later; lower --transfers or --tpslimit";
const BUCKET: &str = "the bucket does not exist: make it, or mend its name";
const REGION: &str = "mend region and endpoint of the remote in rclone.conf";
const SECTION: &str = "the remote is not in this rclone.conf: `rclone config` adds it; is it the right file?";
const FLAG: &str =
    "rclone does not know this option, or takes it otherwise: `rclone version` says which it is";
const KNOWN_HOSTS: &str = "the host's key is not the one on record: compare it, then mend known_hosts_file";
const KEYS: &str = "mend key_file, key_pem or the agent of the remote in rclone.conf";
const CERTIFICATE: &str =
    "the server's certificate is not trusted: mend it, or name its authority with --ca-cert";
const FILE: &str = "the destination is a file, or the service refused to say: end its path with / and look at the credentials";

/// An error code of S3 and its kin: `AccessDenied: Access Denied\n\tstatus code: 403, ..` up to 1.67, and `.. StatusCode: 403,
/// .., api error AccessDenied: Access Denied` since.
pub(super) fn of_service(message: &str) -> Option<Meaning> {
    let code = if let Some((_, rest)) = message.rsplit_once("api error ") {
        rest.split(':').next()?
    } else {
        let (head, _) = message.rsplit_once("status code: ")?;
        head.split(": ").find(|word| is_code(word))?
    };
    let Some(answer) = Answer::of_code(code.trim()) else { return of_status(message) };
    let hint = match answer {
        Answer::Credentials => Some(TOKEN),
        Answer::Clock => Some(CLOCK),
        Answer::Slower => Some(SLOWER),
        Answer::NoBucket => Some(BUCKET),
        Answer::Elsewhere => Some(REGION),
        Answer::Forbidden
        | Answer::Kept
        | Answer::Failing
        | Answer::Full
        | Answer::Damaged
        | Answer::Absent
        | Answer::Unknown
        | Answer::Refused => None,
    };
    Some((answer.kind(), hint))
}

/// `SlowDown`, `XMinioStorageFull`: what the codes of services look like.
fn is_code(word: &str) -> bool {
    word.len() >= 5
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && word.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// A status of HTTP, with its reason phrase or in the words of an SDK.
pub(super) fn of_status(message: &str) -> Option<Meaning> {
    let number = |text: &str| text.get(..3)?.parse::<u16>().ok().filter(|status| (400..600).contains(status));
    let status = ["StatusCode: ", "status code: ", "Error ", "HTTP code "]
        .iter()
        .find_map(|words| number(message.rsplit_once(words)?.1))
        .or_else(|| {
            // `.. : 507 Insufficient Storage` ends the chain, with the body after another colon at the most.
            message.split(": ").find_map(|part| {
                let (digits, reason) = part.split_once(' ')?;
                (digits.len() == 3 && reason.starts_with(|c: char| c.is_ascii_uppercase()))
                    .then(|| number(digits))?
            })
        })?;
    let meaning = match status {
        401 | 407 => (FailureKind::Auth, Some(TOKEN)),
        403 | 423 | 451 => (FailureKind::Denied, None),
        404 | 410 => (FailureKind::NotFound, None),
        429 => (FailureKind::Network, Some(SLOWER)),
        408 | 425 => (FailureKind::Network, None),
        405 | 501 => (FailureKind::Unsupported, None),
        507 => (FailureKind::NoSpace, None),
        500..=599 => (FailureKind::Network, None),
        _ => (FailureKind::Config, None),
    };
    Some(meaning)
}

/// What SFTP answered, and what would tell more.
pub(super) struct SftpAnswer {
    pub(super) kind: FailureKind,
    pub(super) probe: Option<Probe>,
}

/// `sftp: "Failure" (SSH_FX_FAILURE)`. OpenSSH's server knows the codes of version 3 alone, and says "failure" to most.
pub(super) fn of_sftp(message: &str) -> Option<SftpAnswer> {
    let (_, code) = message.strip_suffix(')')?.rsplit_once("(SSH_FX_")?;
    let kind = match code {
        "PERMISSION_DENIED" | "WRITE_PROTECT" | "CANNOT_DELETE" | "LOCK_CONFLICT" => FailureKind::Denied,
        "NO_SUCH_FILE" | "NO_SUCH_PATH" => FailureKind::NotFound,
        "CONNECTION_LOST" | "NO_CONNECTION" => FailureKind::Network,
        "OP_UNSUPPORTED" => FailureKind::Unsupported,
        "NO_SPACE_ON_FILESYSTEM" | "QUOTA_EXCEEDED" => FailureKind::NoSpace,
        "FILE_ALREADY_EXISTS"
        | "INVALID_FILENAME"
        | "NOT_A_DIRECTORY"
        | "FILE_IS_A_DIRECTORY"
        | "BAD_MESSAGE"
        | "DIR_NOT_EMPTY" => FailureKind::Config,
        "FAILURE" => return Some(SftpAnswer { kind: FailureKind::Unknown, probe: Some(Probe::FreeSpace) }),
        _ => FailureKind::Unknown,
    };
    Some(SftpAnswer { kind, probe: None })
}

/// A cause of a chain.
pub(super) struct Cause {
    place: Place,
    words: &'static str,
    pub(super) kind: FailureKind,
    pub(super) hint: Option<&'static str>,
}

/// Where words count.
#[derive(Clone, Copy)]
enum Place {
    /// At the end of the chain.
    End,
    /// At the beginning of a link of the chain: what follows is a detail.
    Link,
}

impl Cause {
    const fn end(words: &'static str, kind: FailureKind) -> Self {
        Self { place: Place::End, words, kind, hint: None }
    }
    const fn link(words: &'static str, kind: FailureKind) -> Self {
        Self { place: Place::Link, words, kind, hint: None }
    }
    const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
    /// Whether it is this.
    pub(super) fn fits(&self, message: &str) -> bool {
        match self.place {
            Place::End => message
                .strip_suffix(self.words)
                .is_some_and(|before| before.is_empty() || before.ends_with([' ', '/'])),
            Place::Link => {
                message.starts_with(self.words)
                    || message
                        .match_indices(self.words)
                        .any(|(at, _)| message.get(..at).is_some_and(|before| before.ends_with(": ")))
            }
        }
    }
}

/// In the order in which they are asked: what says more comes first.
pub(super) const CAUSES: &[Cause] = &[
    // The capture.
    Cause::link("can't copy - source file is being updated (", FailureKind::SourceChanged),
    Cause::link("preallocate: file too big for remaining disk space", FailureKind::NoSpace),
    Cause::link("corrupted on transfer: ", FailureKind::HashMismatch),
    Cause::end("hashes differ", FailureKind::HashMismatch),
    Cause::end("differences found", FailureKind::HashMismatch),
    // rclone's own configuration and use.
    Cause::link("didn't find section in config file", FailureKind::Config).hint(SECTION),
    Cause::link("didn't find backend called ", FailureKind::Config)
        .hint("rclone knows no such type of remote: mend `type` in rclone.conf, or install a newer rclone"),
    Cause::link("config file section not found", FailureKind::Config).hint(SECTION),
    Cause::end("is a file not a directory", FailureKind::Config).hint(FILE),
    Cause::end("is a directory not a file", FailureKind::Config),
    Cause::link("unknown flag", FailureKind::Config).hint(FLAG),
    Cause::link("unknown command ", FailureKind::Config).hint(FLAG),
    Cause::link("unknown shorthand flag", FailureKind::Config).hint(FLAG),
    Cause::link("invalid argument \"", FailureKind::Config).hint(FLAG),
    Cause::link("flag needs an argument", FailureKind::Config).hint(FLAG),
    Cause::link("unable to decrypt configuration", FailureKind::Config)
        .hint("set RCLONE_CONFIG_PASS or --password-command"),
    Cause::link("couldn't decrypt", FailureKind::Config)
        .hint("a password in rclone.conf must be written by `rclone obscure`"),
    Cause::link("max transfer duration reached", FailureKind::Config).hint("--max-duration ended it"),
    Cause::link("max transfer limit reached", FailureKind::Config).hint("--max-transfer ended it"),
    // Who we are, and who they are.
    Cause::link("knownhosts: ", FailureKind::Auth).hint(KNOWN_HOSTS),
    Cause::link("ssh: unable to authenticate", FailureKind::Auth),
    Cause::link("ssh: no common algorithm", FailureKind::Config)
        .hint("both sides know no common algorithm: one of them is very old"),
    Cause::link("failed to read private key file", FailureKind::Config).hint(KEYS),
    Cause::link("failed to parse private key file", FailureKind::Config).hint(KEYS),
    Cause::link("failed to read public key", FailureKind::Config).hint(KEYS),
    Cause::link("couldn't connect to ssh-agent", FailureKind::Config).hint(KEYS),
    Cause::link("couldn't read ssh agent", FailureKind::Config).hint(KEYS),
    Cause::link("failed to open known_hosts", FailureKind::Config)
        .hint("known_hosts_file of the remote cannot be read"),
    Cause::link("couldn't parse known_hosts_file", FailureKind::Config)
        .hint("known_hosts_file of the remote cannot be read"),
    Cause::link("ssh: subsystem request failed", FailureKind::Config)
        .hint("the host offers no SFTP: see Subsystem in its sshd_config"),
    Cause::link("oauth2: ", FailureKind::Auth).hint(TOKEN),
    Cause::link("couldn't fetch token", FailureKind::Auth).hint(TOKEN),
    Cause::link("token expired", FailureKind::Auth).hint(TOKEN),
    Cause::link("empty token found", FailureKind::Auth).hint(TOKEN),
    Cause::link("invalid_grant", FailureKind::Auth).hint(TOKEN),
    Cause::link("530 ", FailureKind::Auth),
    Cause::end("Login incorrect", FailureKind::Auth),
    Cause::end("Login incorrect.", FailureKind::Auth),
    Cause::link("NoCredentialProviders", FailureKind::Config)
        .hint("the remote has no credentials: access_key_id and secret_access_key, or env_auth"),
    Cause::link("failed to refresh cached credentials", FailureKind::Config)
        .hint("the remote has no credentials: access_key_id and secret_access_key, or env_auth"),
    Cause::link("x509: ", FailureKind::Auth).hint(CERTIFICATE),
    Cause::link("tls: failed to verify certificate", FailureKind::Auth).hint(CERTIFICATE),
    Cause::link("http: server gave HTTP response to HTTPS client", FailureKind::Config)
        .hint("the endpoint speaks no TLS: write http:// there, or mend its port"),
    Cause::link("unsupported protocol scheme", FailureKind::Config)
        .hint("mend the url or endpoint of the remote"),
    Cause::link("remote error: tls: ", FailureKind::Config),
    // Files.
    Cause::end("no space left on device", FailureKind::NoSpace),
    Cause::end("disk quota exceeded", FailureKind::NoSpace),
    Cause::end("quota exceeded", FailureKind::NoSpace),
    Cause::link("552 ", FailureKind::NoSpace),
    Cause::end("permission denied", FailureKind::Denied),
    Cause::end("operation not permitted", FailureKind::Denied),
    Cause::end("read-only file system", FailureKind::Denied),
    Cause::end("no such file or directory", FailureKind::NotFound),
    Cause::end("file does not exist", FailureKind::NotFound),
    Cause::end("directory not found", FailureKind::NotFound),
    Cause::end("object not found", FailureKind::NotFound),
    Cause::end("bucket not found", FailureKind::NotFound),
    Cause::end("file name too long", FailureKind::Config),
    Cause::end("is a directory", FailureKind::Config),
    Cause::end("not a directory", FailureKind::Config),
    Cause::end("file exists", FailureKind::Config),
    Cause::end("file too large", FailureKind::Config),
    Cause::end("invalid argument", FailureKind::Config),
    Cause::link("hash type not supported", FailureKind::Unsupported)
        .hint("this remote knows no such hash: let files be read back"),
    Cause::link("hash unsupported", FailureKind::Unsupported)
        .hint("this remote knows no such hash: let files be read back"),
    Cause::end("Process exited with status 127", FailureKind::ToolMissing)
        .hint("install the hasher there, or let files be read back"),
    // The way there.
    Cause::end("no such host", FailureKind::Network)
        .hint("the name of the host does not resolve: look at the name, and at DNS"),
    Cause::end("server misbehaving", FailureKind::Network).hint("the name server does not answer"),
    Cause::end("connection refused", FailureKind::Network),
    Cause::end("connection reset by peer", FailureKind::Network),
    Cause::end("connection timed out", FailureKind::Network),
    Cause::end("connection lost", FailureKind::Network),
    Cause::end("network is unreachable", FailureKind::Network),
    Cause::end("no route to host", FailureKind::Network),
    Cause::end("broken pipe", FailureKind::Network),
    Cause::end("i/o timeout", FailureKind::Network),
    Cause::end("TLS handshake timeout", FailureKind::Network),
    Cause::end("timeout awaiting response headers", FailureKind::Network),
    Cause::end("context deadline exceeded", FailureKind::Network),
    Cause::link("context deadline exceeded (", FailureKind::Network),
    Cause::end("use of closed network connection", FailureKind::Network),
    Cause::end("Temporary failure in name resolution", FailureKind::Network),
    Cause::end("unexpected EOF", FailureKind::Network),
    Cause::end("EOF", FailureKind::Network),
    Cause::end("stale file handle", FailureKind::Network),
    Cause::end("host is down", FailureKind::Network),
    Cause::link("ssh: handshake failed", FailureKind::Network),
    Cause::link("ssh: unexpected packet in response to channel open", FailureKind::Network),
    Cause::end("context canceled", FailureKind::Cancelled),
];
