//! Everything that is stored as JSON, with the version of its shape. A change of a stored type changes a golden file; then
//! either the old shape must still be readable, or the version rises and a migration rewrites what is there.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Fault, Outcome};

/// The version that is written.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a, T> {
    v: u32,
    data: &'a T,
}

#[derive(Deserialize)]
struct Read<T> {
    #[serde(deserialize_with = "known_version")]
    #[expect(
        dead_code,
        reason = "it is checked while it is read, and before the data, since it stands first"
    )]
    v: u32,
    data: T,
}

fn known_version<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        VERSION => Ok(VERSION),
        other => Err(serde::de::Error::custom(format_args!("version {other} is not known"))),
    }
}

pub(crate) fn encode<T: Serialize>(data: &T) -> Outcome<String> {
    serde_json::to_string(&Written { v: VERSION, data }).map_err(Fault::from)
}

pub(crate) fn decode<T: DeserializeOwned>(text: &str) -> Outcome<T> {
    Ok(serde_json::from_str::<Read<T>>(text)?.data)
}

#[cfg(test)]
mod golden;
