//! Ids and names as types of their own, so that a job cannot be taken for an event nor a decoy for a persona.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! number_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

number_id! {
    /// A durable row in the queue. Rises; never reused.
    JobId;
    /// An event row. Rises in the order of commits; the bus carries it for de-duplication.
    EventId;
    /// A fencing token: grows with every lease of a job, and stands in the WHERE of every write under that lease.
    Fence;
}

macro_rules! name_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and wraps a name.
            ///
            /// # Errors
            /// When it is not 1 to 63 characters out of `a-z`, `0-9` and `-`.
            pub fn new(name: &str) -> Result<Self, InvalidName> {
                check_name(name).map(|()| Self(name.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(name: &str) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

name_id! {
    /// The name of a decoy.
    DecoyName;
    /// The name of a persona.
    PersonaName;
    /// The name of a destination for captures.
    DestinationName;
    /// The name of a capture rule: a folder that is watched for captures.
    CaptureName;
    /// The name of a rule of a gate.
    GateRuleName;
}

fn check_name(name: &str) -> Result<(), InvalidName> {
    let fits = (1..=63).contains(&name.len());
    let legal = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits && legal { Ok(()) } else { Err(InvalidName(name.chars().take(80).collect())) }
}

/// A name that breaks the rule for names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a name: use 1 to 63 characters out of a-z, 0-9 and '-'")]
pub struct InvalidName(String);

/// A stretch of work of one persona on one decoy, from login to logout. Unique for a persona.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Arc<str>);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes a repeated enqueue of the same work harmless. For an action: persona, session and sequence number; for a sync:
/// capture and generation; for work by hand: a random token of the caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdempotencyKey(pub Arc<str>);

impl IdempotencyKey {
    /// The key of a planned action.
    #[must_use]
    pub fn for_action(persona: &PersonaName, session: &SessionId, sequence: u32) -> Self {
        Self(format!("action/{persona}/{session}/{sequence}").into())
    }

    /// The key of one generation of a capture.
    #[must_use]
    pub fn for_capture(rule: &CaptureName, relative_hex: &str, generation: u32) -> Self {
        Self(format!("sync/{rule}/{relative_hex}/{generation}").into())
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who holds a lease. New at every start of a process: a worker that comes back is another worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(pub Arc<str>);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_letters_digits_and_dashes_up_to_63() {
        assert!(DecoyName::new("files01").is_ok());
        assert!(DecoyName::new(&"a".repeat(63)).is_ok());
        for bad in ["", "Files", "a b", "a.b", "a_b", "ä", &"a".repeat(64), "a\n", "*", ">"] {
            assert!(DecoyName::new(bad).is_err(), "{bad:?}");
        }
    }
}
