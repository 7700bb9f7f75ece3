//! One line of a simulation. Its shape is part of the interface.

use std::fmt;

use jiff::tz::{Offset, TimeZone};
use serde::Serialize;
use verisim_core::{
    DecoyName, DecoyPath, Digest, FileClass, PersonaName, SessionId, Timestamp, Traffic, TrafficProtocol,
};
use verisim_realism::{Change, Scene, Slot, World};

/// What happens. A line at the end of a log and a better name are edits; `action` says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// A session begins.
    Login,
    /// A session ends.
    Logout,
    /// A file is new.
    Plant,
    /// A file changes.
    Edit,
    /// A file goes.
    Remove,
    /// A connection is opened.
    Traffic,
    /// A mail is sent.
    Email,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Plant => "plant",
            Self::Edit => "edit",
            Self::Remove => "remove",
            Self::Traffic => "traffic",
            Self::Email => "email",
        }
    }
}

/// One line.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    /// With the offset of the persona's zone.
    time: String,
    persona: &'a PersonaName,
    decoy: &'a DecoyName,
    session: SessionId,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<FileClass>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a DecoyPath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a DecoyPath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<TrafficProtocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a DecoyName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traffic: Option<&'a Traffic>,
    /// Of a mail: its id, and that of what it answers, without angle brackets.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// Whom it is sent to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recipients: Vec<&'a PersonaName>,
    /// Of what is written: a plant's and an edit's whole file, the lines that a log grows by.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<Digest>,
    why: String,
}

impl<'a> Line<'a> {
    /// The line of a scene; `None` when it is of another world.
    pub(super) fn of(world: &'a World, scene: &'a Scene) -> Option<Self> {
        let bare = |slot: &Slot, kind: Kind, why: String| -> Option<Self> {
            let persona = world.persona(slot.persona)?;
            Some(Self {
                time: local(slot.at, persona.time_zone.offset_seconds(slot.at)),
                persona: &persona.name,
                decoy: &world.decoy(slot.decoy)?.name,
                session: slot.session.id(),
                kind,
                action: None,
                class: None,
                path: None,
                to: None,
                protocol: None,
                target: None,
                traffic: None,
                message_id: None,
                in_reply_to: None,
                subject: None,
                recipients: Vec::new(),
                bytes: None,
                sha256: None,
                why,
            })
        };
        let (step, written) = match scene {
            Scene::Login(slot) => return bare(slot, Kind::Login, "the session begins".into()),
            Scene::Logout(slot) => return bare(slot, Kind::Logout, "the session ends".into()),
            Scene::Effect(step, written) => (step, written),
        };
        let decision = &step.decision;
        let (kind, action) = told(&decision.change);
        let mut line = bare(&decision.slot, kind, decision.why.to_string())?;
        line.action = Some(action);
        line.class = decision.change.class();
        match &decision.change {
            Change::Create { path, .. }
            | Change::Edit { path, .. }
            | Change::Append { path, .. }
            | Change::Remove { path, .. } => line.path = Some(path),
            Change::Rename { from, to, .. } => (line.path, line.to) = (Some(from), Some(to)),
            Change::Visit { to, protocol, .. } => {
                line.protocol = Some(*protocol);
                line.target = world.decoy(*to).map(|decoy| &decoy.name);
            }
            Change::Mail { letter } => {
                line.message_id = Some(letter.message_id(world));
                line.in_reply_to = letter.answers().map(|answered| answered.message_id(world));
                line.subject = step.action.as_ref().map(|_| letter.subject(world));
                let name = |reader| world.persona(reader).map(|who| &who.name);
                line.recipients = letter.readers().iter().filter_map(|reader| name(*reader)).collect();
            }
        }
        if let Some(verisim_core::Action::Traffic(traffic)) = &step.action {
            line.traffic = Some(traffic);
        }
        (line.bytes, line.sha256) = (written.map(|w| w.bytes), written.map(|w| w.sha256));
        Some(line)
    }
}

const fn told(change: &Change) -> (Kind, &'static str) {
    match change {
        Change::Create { .. } => (Kind::Plant, "plant"),
        Change::Edit { .. } => (Kind::Edit, "edit"),
        Change::Append { .. } => (Kind::Edit, "append"),
        Change::Rename { .. } => (Kind::Edit, "move"),
        Change::Remove { .. } => (Kind::Remove, "remove"),
        Change::Visit { .. } => (Kind::Traffic, "traffic"),
        Change::Mail { .. } => (Kind::Email, "email"),
    }
}

/// RFC 3339 with an offset: `2026-03-02T09:14:07.120000123+01:00`.
fn local(at: Timestamp, offset_seconds: i32) -> String {
    let offset = Offset::from_seconds(offset_seconds).unwrap_or(Offset::UTC);
    at.to_zoned(TimeZone::fixed(offset)).strftime("%Y-%m-%dT%H:%M:%S.%9f%:z").to_string()
}

/// For people, on one line: what is named by a decoy is shown as it is escaped.
impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.time.get(..19).unwrap_or(&self.time).replace('T', " ");
        let offset = self.time.get(29..).unwrap_or("");
        let (persona, decoy, kind) = (self.persona.as_str(), self.decoy.as_str(), self.kind.name());
        write!(f, "{time} {offset}  {persona:<20} {decoy:<10} {kind:<8}")?;
        if let Some(path) = self.path {
            write!(f, " {path}")?;
        }
        if let Some(to) = self.to {
            write!(f, " -> {to}")?;
        }
        if let (Some(protocol), Some(target)) = (self.protocol, self.target) {
            write!(f, " {protocol} to {target}")?;
        }
        if self.message_id.is_some() {
            let names: Vec<&str> = self.recipients.iter().map(|name| name.as_str()).collect();
            write!(f, " to {}", names.join(", "))?;
        }
        if let Some(subject) = &self.subject {
            write!(f, ": {subject:?}")?;
        }
        match (self.class, self.bytes) {
            (Some(class), Some(bytes)) => write!(f, " ({class}, {bytes} bytes)"),
            (Some(class), None) => write!(f, " ({class})"),
            (None, _) => Ok(()),
        }
    }
}
