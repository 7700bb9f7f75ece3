//! What the shell of the far side is asked: a few lines for any POSIX `sh`, given on its standard input, so that the login shell
//! there gets one plain word. Everything that is not from here is quoted. What it answers is a row of records that end with
//! NUL; whatever a login prints before the first of them is passed over.
//!
//! No step follows a link that stands in a capture's place, and nothing is removed but our own partial copies.

use std::time::Duration;

use verisim_core::RelPath;
use verisim_ssh::quote;

use crate::identity::MARKER;

/// Comes before the records.
pub(crate) const BEGIN: &[u8] = b"verisim-begins\0";

/// A program that hashes, as it is called on the far side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hasher {
    /// How it is called: words for a shell.
    pub(crate) call: &'static str,
    /// Its records end with NUL: then names in any bytes are told apart.
    pub(crate) by_nul: bool,
}

/// All that are known, the better ones first. The library of openssl has code for the processors of servers that is several times
/// as fast as plain C (`openssl speed sha256` beside `sha256sum`); where a system's `sha256sum` is as fast, it calls that library.
pub(crate) const HASHERS: [Hasher; 6] = [
    Hasher { call: "openssl dgst -sha256 -r", by_nul: false },
    Hasher { call: "sha256sum -z", by_nul: true },
    Hasher { call: "sha256sum", by_nul: false },
    Hasher { call: "busybox sha256sum", by_nul: false },
    Hasher { call: "shasum -a 256", by_nul: false },
    Hasher { call: "sha256 -r", by_nul: false },
];

/// The SHA-256 of `abc` (FIPS 180-4, an example of NIST): a hasher that says another one is none.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
/// How many files a hasher is given at once: it takes longer to begin than to hash a small file. How long such a list may be in
/// bytes is xargs' matter.
pub(super) const BATCH_FILES: usize = 6000;
/// How often a script that hashes says at the least that it is alive.
const BEAT_SECONDS_MAX: u64 = 20;
/// How long a hasher may not advance, when nothing else is said: a sleeping disk wakes in less.
pub(crate) const STALL_MAX: Duration = Duration::from_secs(120);

const HEAD: &str = "LC_ALL=C; export LC_ALL; umask 022
PATH=$PATH:/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin:/opt/bin:/opt/sbin; export PATH
put() { printf '%s=%s\\0' \"$1\" \"$2\"; }
line() { if [ -f \"$1\" ] && [ ! -L \"$1\" ]; then dd if=\"$1\" bs=8192 count=1 2>/dev/null | head -n 1; fi; }
printf 'verisim-begins\\0'
";

/// Asks what there is: rsync where its words are given, ways to list, and the first hasher that hashes.
pub(crate) fn inquire(rsync: Option<&str>) -> Vec<u8> {
    let mut out = HEAD.to_owned();
    if let Some(rsync) = rsync {
        out += &format!("put rsync \"$({rsync} --version 2>/dev/null </dev/null | head -n 1)\"\n");
    }
    out += &format!(
        "if [ \"$(printf 'b\\0a\\0' | sort -z 2>/dev/null | tr '\\0' ' ')\" = 'a b ' ]; then put sorts yes; fi
if [ \"$(find . -prune -print0 2>/dev/null | xargs -0 printf '%s' 2>/dev/null)\" = . ]; then put lists yes; fi
found=
try() {{
  if [ -n \"$found\" ]; then return 0; fi
  n=$1; shift
  case $(printf abc | \"$@\" 2>/dev/null | tr -d '\\0') in
  {ABC}*) found=$n; put hasher \"$n\" ;;
  esac
}}
"
    );
    for (at, hasher) in HASHERS.iter().enumerate() {
        out += &format!("try {at} {}\n", hasher.call);
    }
    out += "put end yes\n";
    out.into_bytes()
}

/// Asks whose the folder is. Ends with the root where that is not there.
pub(crate) fn look(root: &[u8], path: &RelPath, hasher: Option<Hasher>) -> Vec<u8> {
    let mut out = whose(root, path);
    let sealed = match hasher {
        Some(hasher) => format!("\"$({} <\"$m\" | tr -d '\\0')\"", hasher.call),
        None => "''".to_owned(),
    };
    out.extend_from_slice(
        format!(
            "m=$at/.verisim/checksums.sha256
if [ -z \"$way\" ] && [ -f \"$m\" ] && [ ! -L \"$m\" ]; then put sealed {sealed}; fi
put space \"$(df -Pk . 2>/dev/null | tail -n 1)\"
put end yes
"
        )
        .as_bytes(),
    );
    out
}

/// What every script begins with that is about a folder: into the root, and whose is what.
fn whose(root: &[u8], path: &RelPath) -> Vec<u8> {
    let mut out = HEAD.as_bytes().to_vec();
    out.extend(
        [b"root=".as_slice(), &quote(root), b"\nat=", &quote(&there(path.as_bytes())), b"\n"].concat(),
    );
    out.extend_from_slice(
        "way=
if [ ! -d \"$root\" ]; then put root absent; put end yes; exit 0; fi
if [ ! -x \"$root\" ] || [ ! -r \"$root\" ]; then put root closed; put end yes; exit 0; fi
cd -P -- \"$root\" || exit 1
put root there
above() {
  if [ -L \"$1\" ] || { [ -e \"$1\" ] && [ ! -d \"$1\" ]; } || [ -L \"$1/.verisim\" ]; then way=$1; put way \"$1\"; return; fi
  o=$(line \"$1/.verisim/owner\")
  if [ -n \"$o\" ]; then put \"$2\" \"$o\"; fi
}
"
        .as_bytes(),
    );
    out.extend(format!("put marker \"$(line ./{MARKER})\"\n").into_bytes());
    let bytes = path.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'/' {
            out.extend([b"above ".as_slice(), &quote(&there(bytes.split_at(at).0)), b" above\n"].concat());
        }
    }
    out.extend_from_slice(
        "if [ -z \"$way\" ]; then above \"$at\" owner; fi
if [ -z \"$way\" ] && [ -d \"$at\" ]; then
  put exists yes
  if [ -z \"$o\" ]; then
    for f in \"$at\"/* \"$at\"/.[!.]* \"$at\"/..?* \"$at\"/.verisim/* \"$at\"/.verisim/.[!.]*; do
      if [ -e \"$f\" ] || [ -L \"$f\" ]; then
        case $f in
        \"$at\"/.verisim | \"$at\"/.verisim/owner.new.* | \"$at\"/.verisim/partial) ;;
        *) put content yes; break ;;
        esac
      fi
    done
  fi
fi
"
        .as_bytes(),
    );
    out
}

/// Makes the folder, with its marker, and that of the destination where it has none. Neither replaces anything. Then asks
/// whose the folder is, as [`look`] does: somebody else may have been faster.
pub(crate) fn claim(
    root: &[u8],
    path: &RelPath,
    (owner, fresh): (&str, &str),
    hasher: Option<Hasher>,
) -> Vec<u8> {
    let mut out = HEAD.as_bytes().to_vec();
    out.extend([b"cd -P -- ".as_slice(), &quote(root), b" || exit 1\n"].concat());
    out.extend_from_slice(
        "folder() { if [ ! -d \"$1\" ] || [ -L \"$1\" ]; then mkdir \"$1\" || exit 1; fi; }
place() {
  if [ -e \"$2\" ]; then return 0; fi
  printf '%s\\n' \"$1\" | dd of=\"$2.new.$$\" || exit 1
  ln \"$2.new.$$\" \"$2\" 2>/dev/null || [ -e \"$2\" ] || mv \"$2.new.$$\" \"$2\" || exit 1
  rm -f \"$2.new.$$\"
}
"
        .as_bytes(),
    );
    out.extend(
        [b"place ".as_slice(), &quote(fresh.as_bytes()), format!(" ./{MARKER}\n").as_bytes()].concat(),
    );
    let whole = [path.as_bytes(), b"/.verisim/partial"].concat();
    for (at, byte) in whole.iter().enumerate() {
        if *byte == b'/' {
            out.extend([b"folder ".as_slice(), &quote(&there(whole.split_at(at).0)), b"\n"].concat());
        }
    }
    let marker = [&there(path.as_bytes())[..], b"/.verisim/owner"].concat();
    out.extend([b"place ".as_slice(), &quote(owner.as_bytes()), b" ", &quote(&marker), b"\n"].concat());
    out.extend(
        [b"folder ".as_slice(), &quote(&there(&whole)), b"\nsync -f . 2>/dev/null || sync\n"].concat(),
    );
    out.extend(look(root, path, hasher));
    out
}

/// Makes what was sent durable, and removes what is left of partial copies: all of it is there under its own name.
pub(crate) fn settle(root: &[u8], path: &RelPath) -> Vec<u8> {
    let mut out = HEAD.as_bytes().to_vec();
    out.extend([b"cd -P -- ".as_slice(), &quote(root), b" || exit 1\n"].concat());
    out.extend([b"cd -P -- ".as_slice(), &quote(&there(path.as_bytes())), b" || exit 1\n"].concat());
    out.extend_from_slice(
        b"[ -L ./.verisim ] || [ -L ./.verisim/partial ] || find ./.verisim/partial -type f -exec rm -f {} + 2>/dev/null\nsync -f . 2>/dev/null || sync\nput end yes\n",
    );
    out
}

/// What runs a hasher, given as its words, with its standard input on descriptor 3. While it runs, an empty line on standard error
/// is tried at every beat: where nobody listens any more, it is ended. Where the system tells what a process has read (`/proc`
/// of Linux), one that reads nothing for so many beats is told as `x`, and ended; not where it has a child, which may read.
const RUN: &str = "stop() { kill -9 $p $(cat /proc/$p/task/$p/children 2>/dev/null) 2>/dev/null; exit 0; }
run() {
  \"$@\" <&3 3<&- 4>&- & p=$!
  (
    trap '' PIPE; trap 'kill $z 2>/dev/null; exit 0' TERM; was=; n=0
    while :; do
      sleep BEAT >/dev/null 2>&1 4>&- & z=$!; wait $z
      echo >&2 || stop
      now=$(cat /proc/$p/io /proc/$p/fdinfo/* 2>/dev/null)
      n=$((n + 1))
      if [ -z \"$now\" ] || [ \"$now\" != \"$was\" ] || [ -n \"$(cat /proc/$p/task/$p/children 2>/dev/null)\" ]; then n=0; fi
      was=$now
      if [ $n -ge BEATS ]; then printf '\\0x\\0' >&4; stop; fi
    done
  ) >/dev/null </dev/null 3<&- & w=$!
  wait $p; kill $w 2>/dev/null; wait $w 2>/dev/null
}
size() { printf 'z%s\\0' \"$(ls -lnd -- \"$@\" 2>/dev/null | awk '{ s += $5 } END { printf \"%.0f\", s }' 2>/dev/null)\"; }
";

/// Hashes every regular file of the folder but those of the metadata folder. Records: `n` and a name for each file of a batch, `z`
/// and how many bytes they have, then what the hasher said, then `e`; files whose names its lines could not tell come first and
/// one by one, with `s` and a hash. `x` says that the hasher does not advance. At the end stands `d`. An empty line on standard
/// error every 20 seconds says that it is alive; `stall_max` is how long a hasher may read nothing.
pub(crate) fn hashes(
    root: &[u8],
    path: &RelPath,
    (hasher, sorts): (Hasher, bool),
    stall_max: Duration,
) -> Vec<u8> {
    let mut out = whose(root, path);
    let call = hasher.call;
    let sort = if sorts { "sort -z" } else { "cat" };
    let files = "find . -path ./.verisim -prune -o -type f";
    let beat = stall_max.as_secs().div_ceil(6).clamp(1, BEAT_SECONDS_MAX);
    let beats = stall_max.as_secs().div_ceil(beat).max(2);
    let run = RUN.replace("BEATS", &beats.to_string()).replace("BEAT", &beat.to_string());
    out.extend_from_slice(
        format!(
            "put end yes
if [ -n \"$way\" ] || [ ! -d \"$at\" ]; then printf 'd\\0'; exit 0; fi
cd -P -- \"$at\" || exit 1
case $(printf abc | {call} | tr -d '\\0') in {ABC}*) ;; *) exit 127 ;; esac
( trap 'kill $z 2>/dev/null; exit 0' TERM
while :; do sleep {beat} >/dev/null 2>&1 </dev/null & z=$!; wait $z; echo >&2; done ) >/dev/null </dev/null &
beat=$!
trap 'kill $beat 2>/dev/null; wait $beat 2>/dev/null' EXIT
exec 4>&1
"
        )
        .as_bytes(),
    );
    let separately =
        if hasher.by_nul { "" } else { "! \\( -path \"*$nl*\" -o -path \"*$cr*\" -o -path '*\\\\*' \\)" };
    if !hasher.by_nul {
        let one = format!(
            "{run}for f do printf 'n%s\\0' \"$f\"; size \"$f\"; h=$( {{ run {call}; }} 3<\"$f\" ); printf 's%.64s\\0e\\0' \"$h\"; done"
        );
        out.extend([b"one=".as_slice(), &quote(one.as_bytes()), b"\n"].concat());
        out.extend_from_slice(
            format!(
                "nl='\n'; cr=$(printf '\\r')
s=$( {{ {{ {files} \\( -path \"*$nl*\" -o -path \"*$cr*\" -o -path '*\\\\*' \\) -print0; echo $? >&3; }} | xargs -0 -n 200 sh -c \"$one\" sh >&4; }} 3>&1 )
[ \"$s\" = 0 ] || exit 1
"
            )
            .as_bytes(),
        );
    }
    let many = format!(
        "{run}[ $# -gt 0 ] || exit 0; printf 'n%s\\0' \"$@\"; size \"$@\"; run {call} \"$@\" 3</dev/null; printf 'e\\0'; exit 0"
    );
    out.extend([b"many=".as_slice(), &quote(many.as_bytes()), b"\n"].concat());
    out.extend_from_slice(
        format!(
            "s=$( {{ {{ {files} {separately} -print0; echo $? >&3; }} | {sort} | xargs -0 -n {BATCH_FILES} sh -c \"$many\" sh >&4; }} 3>&1 )
[ \"$s\" = 0 ] || exit 1
printf 'd\\0'
exit 0
"
        )
        .as_bytes(),
    );
    out
}

/// The path as it is named from the root: never like an option.
fn there(path: &[u8]) -> Vec<u8> {
    [b"./", path].concat()
}
