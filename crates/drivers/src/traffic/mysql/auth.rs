//! How a password is proved to a MySQL server.

use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// How a server wants it proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// `mysql_native_password`.
    Native,
    /// `caching_sha2_password`.
    CachingSha2,
}

impl Method {
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"mysql_native_password" => Some(Self::Native),
            b"caching_sha2_password" => Some(Self::CachingSha2),
            // Above all not `mysql_clear_password`: a server that asks for the password itself does not get it.
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
        }
    }

    /// The proof for a salt of the server; nothing for an empty password.
    pub(super) fn prove(self, password: &str, salt: &[u8]) -> Vec<u8> {
        if password.is_empty() {
            return Vec::new();
        }
        match self {
            // SHA1(password) xor SHA1(salt, SHA1(SHA1(password)))
            Self::Native => {
                let once = Sha1::digest(password);
                let twice = Sha1::digest(once);
                let mask = Sha1::new().chain_update(salt).chain_update(twice).finalize();
                xor(&once, &mask)
            }
            // SHA256(password) xor SHA256(SHA256(SHA256(password)), salt)
            Self::CachingSha2 => {
                let once = Sha256::digest(password);
                let twice = Sha256::digest(once);
                let mask = Sha256::new().chain_update(twice).chain_update(salt).finalize();
                xor(&once, &mask)
            }
        }
    }
}

fn xor(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(a, b)| a ^ b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: &[u8] = b"01234567890123456789";

    /// A server keeps a hash of the password; with the proof it gets the password's own hash, and compares.
    #[test]
    fn a_server_that_keeps_only_a_hash_is_convinced() {
        let kept = Sha1::digest(Sha1::digest("secret"));
        let mask = Sha1::new().chain_update(SALT).chain_update(kept).finalize();
        let once = xor(&Method::Native.prove("secret", SALT), &mask);
        assert_eq!(Sha1::digest(&once), kept);

        let kept = Sha256::digest(Sha256::digest("secret"));
        let mask = Sha256::new().chain_update(kept).chain_update(SALT).finalize();
        let once = xor(&Method::CachingSha2.prove("secret", SALT), &mask);
        assert_eq!(Sha256::digest(&once), kept);
    }

    #[test]
    fn an_empty_password_is_proved_by_nothing() {
        for method in [Method::Native, Method::CachingSha2] {
            assert_eq!(method.prove("", SALT), Vec::<u8>::new());
            assert_eq!(Method::named(method.name().as_bytes()), Some(method));
        }
        assert_eq!(Method::named(b"mysql_clear_password"), None);
    }
}
