//! Secrets do not leave this process in what a tool prints (INV-8).

use std::fmt;

/// What stands for a secret.
const MASK: &[u8] = b"[secret]";
/// A shorter one would be found everywhere, and tells nothing by being masked.
const BYTES_MIN: usize = 4;

/// Texts that are masked. Never shown, not even for debugging.
#[derive(Clone, Default)]
pub struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    /// These texts. Those of less than four bytes are not masked.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut secrets: Vec<Vec<u8>> =
            secrets.into_iter().filter(|secret| secret.len() >= BYTES_MIN).collect();
        // The longest first: one may hold another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    /// How many bytes of a secret may stand at the end of one piece and go on in the next.
    pub(super) fn overlap(&self) -> usize {
        self.0.first().map_or(0, |longest| longest.len().saturating_sub(1))
    }

    /// The text with every secret masked.
    #[must_use]
    pub fn mask(&self, text: &[u8]) -> Vec<u8> {
        if self.0.is_empty() {
            return text.to_vec();
        }
        let mut masked = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((first, after)) = rest.split_first() {
            match self.0.iter().find(|secret| rest.starts_with(secret)) {
                Some(secret) => {
                    masked.extend_from_slice(MASK);
                    rest = rest.split_at(secret.len()).1;
                }
                None => {
                    masked.push(*first);
                    rest = after;
                }
            }
        }
        masked
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inv_8_no_secret_is_left_in_what_is_kept() {
        let secrets = Secrets::new([b"hunter2".to_vec(), b"hunter2-and-more".to_vec(), b"a".to_vec()]);
        assert_eq!(secrets.mask(b"x hunter2-and-more hunter2hunter2 a"), b"x [secret] [secret][secret] a");
        assert_eq!(format!("{secrets:?}"), "Secrets(2)");
        assert_eq!(Secrets::default().mask(b"as it is"), b"as it is");
    }
}
