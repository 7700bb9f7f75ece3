//! Topics of the bus: dot-separated tokens; in a filter `*` stands for one token and a final `>` for the rest.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{DecoyName, DestinationName, DriverKind, JobId, SyncState};

/// Where an event is published. Made only by the constructors here, so that it is always well formed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Topic(String);

impl Topic {
    /// The outcome of an action: `orchestrator.<driver>.<decoy>`.
    #[must_use]
    pub fn activity(driver: DriverKind, decoy: &DecoyName) -> Self {
        let driver = match driver {
            DriverKind::File => "file",
            DriverKind::Email => "email",
            DriverKind::Traffic => "traffic",
        };
        Self(format!("orchestrator.{driver}.{decoy}"))
    }

    /// Foreign content was found: `decoy.<decoy>.tampered`.
    #[must_use]
    pub fn tampered(decoy: &DecoyName) -> Self {
        Self(format!("decoy.{decoy}.tampered"))
    }

    /// A person decided about a frozen path: `decoy.<decoy>.released`.
    #[must_use]
    pub fn released(decoy: &DecoyName) -> Self {
        Self(format!("decoy.{decoy}.released"))
    }

    /// A person accepted another root: `decoy.<decoy>.accepted`.
    #[must_use]
    pub fn accepted(decoy: &DecoyName) -> Self {
        Self(format!("decoy.{decoy}.accepted"))
    }

    /// A decoy got a past, or lost it again: `decoy.<decoy>.burnt_in`.
    #[must_use]
    pub fn burnt_in(decoy: &DecoyName) -> Self {
        Self(format!("decoy.{decoy}.burnt_in"))
    }

    /// A decoy became reachable or unreachable: `decoy.<decoy>.reachable`.
    #[must_use]
    pub fn reachable(decoy: &DecoyName) -> Self {
        Self(format!("decoy.{decoy}.reachable"))
    }

    /// A decoy came into the fleet: `decoy.<decoy>.joined`.
    #[must_use]
    pub fn joined(decoy: &DecoyName) -> Self {
        Self(format!("decoy.{decoy}.joined"))
    }

    /// A decoy went out of the fleet: `decoy.<decoy>.left`.
    #[must_use]
    pub fn left(decoy: &DecoyName) -> Self {
        Self(format!("decoy.{decoy}.left"))
    }

    /// A sync job reached a state: `sync.<job>.<state>`, the state in lower case.
    #[must_use]
    pub fn sync(job: JobId, state: SyncState) -> Self {
        Self(format!("sync.{job}.{}", state.name().to_ascii_lowercase()))
    }

    /// Damage was found at a destination: `sync.<job>.remote_damaged`.
    #[must_use]
    pub fn remote_damaged(job: JobId) -> Self {
        Self(format!("sync.{job}.remote_damaged"))
    }

    /// A person overrode what a capture's gate found, or took that back: `sync.<job>.gate_overridden`, `.gate_revoked`.
    #[must_use]
    pub fn gate(job: JobId, is_revoked: bool) -> Self {
        Self(format!("sync.{job}.gate_{}", if is_revoked { "revoked" } else { "overridden" }))
    }

    /// A destination went away or answers again: `destination.<destination>.reachable`.
    #[must_use]
    pub fn destination(destination: &DestinationName) -> Self {
        Self(format!("destination.{destination}.reachable"))
    }

    /// The daemon's own health: `system.orchestrator.health`.
    #[must_use]
    pub fn health() -> Self {
        Self("system.orchestrator.health".into())
    }

    /// A topic as it was stored.
    ///
    /// # Errors
    /// When it is not made of 1 to 8 tokens out of `[a-z0-9_-]`.
    pub fn parse(text: &str) -> Result<Self, InvalidTopic> {
        let tokens = text.split('.').count();
        if tokens <= TOKENS_MAX && text.split('.').all(is_token) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidTopic(text.chars().take(80).collect()))
        }
    }

    /// The topic as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

const TOKENS_MAX: usize = 8;

fn is_token(token: &str) -> bool {
    (1..=63).contains(&token.len())
        && token.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

/// Which topics a subscriber wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFilter {
    tokens: Vec<Token>,
    rest: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Any,
    Exact(String),
}

/// A topic or filter that breaks the rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no topic: use up to 8 tokens out of a-z, 0-9, '_' and '-', joined by '.'; in a filter '*' stands for one token, and '>' at the end for the rest"
)]
pub struct InvalidTopic(String);

impl TopicFilter {
    /// Everything.
    #[must_use]
    pub const fn all() -> Self {
        Self { tokens: Vec::new(), rest: true }
    }

    /// Whether `topic` is wanted. `>` stands for one token or more.
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> bool {
        let mut parts = topic.0.split('.');
        let matched = self.tokens.iter().all(|token| match (token, parts.next()) {
            (_, None) => false,
            (Token::Any, Some(_)) => true,
            (Token::Exact(want), Some(part)) => want == part,
        });
        matched && parts.next().is_some() == self.rest
    }
}

impl FromStr for TopicFilter {
    type Err = InvalidTopic;

    fn from_str(text: &str) -> Result<Self, InvalidTopic> {
        let invalid = || InvalidTopic(text.chars().take(80).collect());
        let (body, rest) = match text.strip_suffix('>') {
            Some("") => return Ok(Self::all()),
            Some(body) => (body.strip_suffix('.').ok_or_else(invalid)?, true),
            None => (text, false),
        };
        let tokens: Option<Vec<Token>> = body
            .split('.')
            .map(|token| match token {
                "*" => Some(Token::Any),
                token if is_token(token) => Some(Token::Exact(token.to_owned())),
                _ => None,
            })
            .collect();
        let tokens = tokens.filter(|tokens| tokens.len() <= TOKENS_MAX).ok_or_else(invalid)?;
        Ok(Self { tokens, rest })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_match_one_token_and_the_arrow_the_rest() {
        let topic = Topic::parse("orchestrator.file.files01").unwrap();
        for (filter, expected) in [
            (">", true),
            ("orchestrator.>", true),
            ("orchestrator.file.>", true),
            ("orchestrator.file.files01.>", false),
            ("orchestrator.*.files01", true),
            ("*.*.*", true),
            ("*.*", false),
            ("orchestrator.file.files01", true),
            ("orchestrator.file", false),
            ("orchestrator.email.*", false),
        ] {
            assert_eq!(filter.parse::<TopicFilter>().unwrap().matches(&topic), expected, "{filter}");
        }
        for bad in ["", ".", "a.", ".a", "a>", "a.>.b", "A", "a b", "a.**", "a.b.c.d.e.f.g.h.i"] {
            assert!(bad.parse::<TopicFilter>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<TopicFilter>();
            let _ = Topic::parse(&text);
        }
    }
}
