//! Words for a POSIX shell.

/// One word that a POSIX shell takes as exactly these bytes, whatever they are: in single quotes, in which nothing means
/// anything, and a single quote itself between double ones. A NUL cannot be in an argument; what holds one is cut there by
/// any shell, so callers refuse it before.
#[must_use]
pub fn quote(word: &[u8]) -> Vec<u8> {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"_-./,:+=@%".contains(b);
    if !word.is_empty() && word.iter().all(plain) && word.first() != Some(&b'=') {
        return word.to_vec();
    }
    let mut out = Vec::with_capacity(word.len() + 2);
    out.push(b'\'');
    for byte in word {
        match byte {
            b'\'' => out.extend_from_slice(b"'\"'\"'"),
            byte => out.push(*byte),
        }
    }
    out.push(b'\'');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        #[expect(clippy::disallowed_methods, reason = "the shell itself is asked what it makes of a word")]
        fn a_shell_takes_a_word_as_it_is(word in proptest::collection::vec(1_u8.., 0..40)) {
            let script = [b"printf '%s.' ".as_slice(), &quote(&word)].concat();
            let script = <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(script);
            let said = std::process::Command::new("/bin/sh").arg("-c").arg(script).output().unwrap();
            prop_assert_eq!(said.stdout, [&word[..], b"."].concat());
        }
    }
}
