//! The bytes of a file, as they travel through a job row.

use base64::Engine as _;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// File content. In JSON it is `{"text": ".."}` where it is UTF-8, else `{"base64": ".."}`, so that a person can read what
/// a job will write and a DOCX survives all the same.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Body(pub Bytes);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wire<'a> {
    Text(#[serde(borrow)] std::borrow::Cow<'a, str>),
    Base64(#[serde(borrow)] std::borrow::Cow<'a, str>),
}

impl Body {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wire = match std::str::from_utf8(&self.0) {
            Ok(text) => Wire::Text(text.into()),
            Err(_) => Wire::Base64(base64::engine::general_purpose::STANDARD.encode(&self.0).into()),
        };
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Wire::deserialize(deserializer)? {
            Wire::Text(text) => Ok(Self(text.into_owned().into())),
            Wire::Base64(text) => base64::engine::general_purpose::STANDARD
                .decode(text.as_bytes())
                .map(|bytes| Self(bytes.into()))
                .map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_survive_json(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            let body = Body::from(bytes);
            let json = serde_json::to_string(&body).unwrap();
            prop_assert_eq!(serde_json::from_str::<Body>(&json).unwrap(), body);
        }
    }
}
