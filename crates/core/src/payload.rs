//! What a confirmed action left behind: what its event says.

use serde::{Deserialize, Serialize};

use crate::{Body, DecoyName, DecoyPath, Digest, FileClass, FileMode, Timestamp, TrafficProtocol};

/// What a confirmed action left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "payload")]
pub enum Payload {
    /// Of a connection.
    Traffic(TrafficPayload),
    /// Of a new file.
    Plant(PlantPayload),
    /// Of added lines.
    Append(AppendPayload),
    /// Of an edit.
    Edit(EditPayload),
    /// Of a move.
    Move(MovePayload),
    /// Of a removal.
    Remove(RemovePayload),
    /// Of a mail.
    Email(EmailPayload),
}

/// What a plant left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlantPayload {
    /// Where.
    pub path: DecoyPath,
    /// What it is in the story.
    pub class: FileClass,
    /// The hash of what was read back.
    pub sha256: Digest,
    /// Its length.
    pub bytes: u64,
    /// Its mode, as found afterwards.
    pub mode: FileMode,
    /// Its modification time, as found afterwards.
    pub mtime: Timestamp,
    /// Whether it belongs to whom it should; false where we may not set that.
    pub owner_set: bool,
}

/// What an append left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendPayload {
    /// Where.
    pub path: DecoyPath,
    /// At which offset the added bytes were found.
    pub offset: u64,
    /// How many bytes were added.
    pub bytes: u64,
    /// The hash of the added bytes, as read back.
    pub sha256: Digest,
    /// The file's modification time, as found afterwards.
    pub mtime: Timestamp,
}

/// What an edit left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditPayload {
    /// Where.
    pub path: DecoyPath,
    /// The hash that was displaced.
    pub before: Digest,
    /// The hash of what was read back.
    pub after: Digest,
    /// Its length.
    pub bytes: u64,
    /// The new content, where it is small enough for the ledger.
    #[serde(skip)]
    pub body: Option<Body>,
    /// Its modification time, as found afterwards.
    pub mtime: Timestamp,
}

/// What a move left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovePayload {
    /// The old name.
    pub from: DecoyPath,
    /// The new name.
    pub to: DecoyPath,
    /// The hash of what was found under the new name.
    pub sha256: Digest,
}

/// What a removal left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovePayload {
    /// The name that is free now.
    pub path: DecoyPath,
    /// The hash of what went, where it was we who removed it.
    pub sha256: Option<Digest>,
}

/// What a mail left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailPayload {
    /// Its Message-ID.
    pub message_id: String,
    /// Its length.
    pub bytes: u64,
}

/// The most lines of [`TrafficPayload::spoken`].
pub const SPOKEN_LINES_MAX: usize = 24;

/// What a connection showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficPayload {
    /// The decoy it went to.
    pub to: DecoyName,
    /// What was spoken.
    pub protocol: TrafficProtocol,
    /// The first line the other side sent, printable and bounded.
    pub banner: Option<String>,
    /// The protocol's status, such as HTTP's 200.
    pub status: Option<u32>,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// How long it lasted, in milliseconds.
    pub duration_ms: u64,
    /// The port it went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The account that was logged in to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// How many requests were answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
    /// What was asked and what came of it, one line each, printable and bounded: at most [`SPOKEN_LINES_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spoken: Vec<String>,
}
