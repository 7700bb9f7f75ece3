//! What a remote is, and can do: found out from rclone, once.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use verisim_core::{CancellationToken, Failure, FailureKind, TransportError};

use super::call::{Call, Rclone};
use super::names::{Encoding, Naming};
use super::version::{PARTIALS_SINCE, RcloneVersion, USABLE_SINCE};
use crate::explain::ToolOperation;

pub(super) const OPERATION: &str = "rclone.reach";
/// How many remotes may stand for each other.
const ALIASES_MAX: usize = 8;
/// Kinds of remote whose SHA-256 is computed by the far side from what it holds. A folder of this machine is read here.
const HASHES_THERE: [&str; 2] = ["sftp", "drive"];

/// A remote.
#[derive(Debug, Clone)]
pub(super) struct There {
    pub(super) version: RcloneVersion,
    /// Its kind, where it is known: `sftp`, `s3`, `local`.
    pub(super) kind: Option<String>,
    pub(super) naming: Naming,
    /// How this machine's files are named.
    pub(super) here: Naming,
    /// An upload is seen while it lasts, so it is made elsewhere and moved.
    pub(super) is_staged: bool,
    /// It keeps folders that are empty.
    pub(super) has_folders: bool,
    /// It takes `a` and `A` for one name.
    pub(super) ignores_case: bool,
    /// It keeps times, by which a file is known to be there.
    pub(super) keeps_times: bool,
    /// It can say how much is free.
    pub(super) tells_space: bool,
    /// What is there can be moved or copied without passing through here.
    pub(super) moves: bool,
    /// The hashes it knows.
    pub(super) hashes: Vec<String>,
    /// Options of its kind that we set.
    pub(super) options: Vec<&'static str>,
}

impl There {
    /// Whether the far side computes SHA-256.
    pub(super) fn hashes_there(&self) -> bool {
        self.kind.as_deref().is_some_and(|kind| HASHES_THERE.contains(&kind)) && self.knows("sha256")
    }

    /// Whether it knows a hash.
    pub(super) fn knows(&self, hash: &str) -> bool {
        self.hashes.iter().any(|known| known.eq_ignore_ascii_case(hash))
    }

    /// What is asked of rclone beside what every version and remote knows.
    pub(super) fn arguments(&self) -> impl Iterator<Item = &'static str> {
        // It is made under another name by us, and once is enough.
        let in_place = self.is_staged && self.version >= PARTIALS_SINCE;
        self.options.iter().copied().chain(in_place.then_some("--inplace"))
    }
}

#[derive(Deserialize)]
struct Info {
    #[serde(rename = "Precision")]
    precision: i64,
    #[serde(rename = "Hashes", default)]
    hashes: Option<Vec<String>>,
    #[serde(rename = "Features")]
    features: HashMap<String, bool>,
}

#[derive(Deserialize)]
struct Provider {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Options", default)]
    options: Option<Vec<Setting>>,
}

#[derive(Deserialize)]
struct Setting {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "DefaultStr", default)]
    default: String,
}

type Sections = HashMap<String, BTreeMap<String, serde_json::Value>>;

/// Finds out what the remote is. Changes nothing.
pub(super) async fn inquire(rclone: &Rclone, cancel: &CancellationToken) -> Result<There, TransportError> {
    let version = version(rclone, cancel).await?;
    let ask = |arguments: Vec<String>| {
        rclone.answer(Call::new(arguments), (ToolOperation::Fetch, OPERATION), cancel)
    };
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    let providers: Vec<Provider> = parse(&ask(words(&["config", "providers"])).await?)?;
    let sections: Sections = parse(&ask(words(&["config", "dump"])).await?)?;
    let kind = kind_of(&sections, &rclone.options.remote);
    let mut options = Vec::new();
    let encoding_of = |kind: &str| {
        let provider = providers.iter().find(|provider| provider.name == kind)?;
        provider
            .options
            .iter()
            .flatten()
            .find(|setting| setting.name == "encoding")
            .map(|setting| &*setting.default)
    };
    let mut naming = Naming::Literal;
    if let Some((kind, chosen)) = &kind
        && let Some(default) = encoding_of(kind)
    {
        let text = match (kind.as_str(), chosen) {
            // A server of files takes every name; what rclone would replace by itself it is told to leave.
            ("sftp", None) => {
                options.push("--sftp-encoding=Slash,Dot");
                "Slash,Dot"
            }
            (_, Some(chosen)) => chosen,
            (_, None) => default,
        };
        naming = Encoding::parse(text).map_or(Naming::Literal, Naming::Encoded);
    }
    if kind.as_ref().is_some_and(|(kind, _)| kind == "s3") {
        // A hash beside a large object would be the one that we claim, and not one of what is there.
        options.push("--s3-disable-checksum");
    }
    let here = encoding_of("local").and_then(Encoding::parse).map_or(Naming::Literal, Naming::Encoded);
    let features = ask(words(&["backend", "features", &rclone.options.remote])).await?;
    let Info { precision, hashes, features } = parse(&features)?;
    let can = |name: &str| features.get(name).copied().unwrap_or(false);
    let moves = can("Move") || can("Copy");
    let is_staged = match features.get("PartialUploads") {
        Some(seen) => *seen && can("Move"),
        // Before 1.63 nothing says so. What is no store of objects shows what is not whole.
        None => can("Move") && !can("BucketBased"),
    };
    Ok(There {
        version,
        kind: kind.map(|(kind, _)| kind),
        naming,
        here,
        is_staged,
        has_folders: can("CanHaveEmptyDirectories"),
        ignores_case: can("CaseInsensitive"),
        // A remote without times claims to be a hundred years off.
        keeps_times: precision < 86_400_000_000_000,
        tells_space: can("About"),
        moves,
        hashes: hashes.unwrap_or_default(),
        options,
    })
}

/// The version on this machine, which must be one that can be used.
pub(super) async fn version(
    rclone: &Rclone,
    cancel: &CancellationToken,
) -> Result<RcloneVersion, TransportError> {
    let call = Call::new(["version"]);
    let said = rclone.answer(call, (ToolOperation::Fetch, OPERATION), cancel).await?;
    let text = String::from_utf8_lossy(&said).into_owned();
    match text.lines().next().and_then(RcloneVersion::parse) {
        Some(version) if version >= USABLE_SINCE => Ok(version),
        found => {
            let found = found.map_or_else(|| "one that says no version".into(), |found| found.to_string());
            let what = format_args!(
                "rclone {USABLE_SINCE} or newer is needed on this machine, and there is {found}"
            );
            Err(Failure::new(FailureKind::ToolMissing, OPERATION, what).into())
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(said: &[u8]) -> Result<T, Failure> {
    // What it said may hold secrets, and an error of the parser shows none of it but its place.
    serde_json::from_slice(said).map_err(|error| {
        let what = format_args!(
            "rclone did not answer what was asked: line {}, column {}",
            error.line(),
            error.column()
        );
        Failure::new(FailureKind::Unknown, OPERATION, what)
    })
}

/// The kind of a remote and the encoding that is chosen for it; what an alias stands for, instead of the alias.
fn kind_of(sections: &Sections, remote: &str) -> Option<(String, Option<String>)> {
    let mut remote = remote.to_owned();
    for _ in 0..ALIASES_MAX {
        let Some((name, _)) = remote.split_once(':').filter(|(name, _)| !name.contains('/')) else {
            return Some(("local".into(), None));
        };
        let section = sections.get(name)?;
        let text = |key: &str| section.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
        let kind = text("type")?;
        if kind != "alias" {
            return Some((kind, text("encoding").filter(|chosen| !chosen.is_empty())));
        }
        remote = text("remote")?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_what_it_stands_for() {
        let sections: Sections = serde_json::from_str(
            r#"{"nas":{"type":"sftp","host":"x"},"deep":{"type":"alias","remote":"two:a"},
                "two":{"type":"alias","remote":"nas:b"},"here":{"type":"alias","remote":"/srv/a:b"},
                "win":{"type":"smb","encoding":"Slash,Dot"},"round":{"type":"alias","remote":"round:x"},
                "lost":{"type":"alias","remote":"gone:x"}}"#,
        )
        .unwrap();
        let kind =
            |remote| kind_of(&sections, remote).map(|(kind, chosen)| (kind, chosen.unwrap_or_default()));
        assert_eq!(kind("deep:x"), Some(("sftp".into(), String::new())));
        assert_eq!(kind("here:"), Some(("local".into(), String::new())));
        assert_eq!(kind("win:x"), Some(("smb".into(), "Slash,Dot".into())));
        for unknown in ["round:x", "lost:x", "nobody:x"] {
            assert_eq!(kind(unknown), None);
        }
    }

    #[test]
    fn what_holds_secrets_is_never_quoted() {
        let failed = parse::<Sections>(b"{\"nas\":{\"pass\":\"hunter2hunter2\"").err().unwrap();
        assert!(!failed.to_string().contains("hunter2"), "{failed}");
    }
}
