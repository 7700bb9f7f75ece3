//! The keys by which people log in: as `authorized_keys` has them, and as sshd logs their fingerprints.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use verisim_core::Digest;

use super::host::{Host, Person};
use crate::persona::is_workstation;
use crate::random::Generator;

/// Below a home.
pub(super) const AUTHORIZED: &str = ".ssh/authorized_keys";

/// Whether somebody logs in with a key: where one is there, and else as drawn.
pub(super) fn knows_key(host: &Host<'_>, person: &Person) -> bool {
    let seed = host.person_seed(person).text("key");
    there(host, person).is_some()
        || person.index.is_none_or(|index| host.is_administrator(index))
        || seed.number() % 100 < 45
}

/// What `authorized_keys` of somebody holds who has none yet. Nobody has the other half of the key.
pub(super) fn authorized(host: &Host<'_>, person: &Person) -> String {
    let desk = host.world.decoys().find(|decoy| is_workstation(&decoy.role));
    let desk = desk.map_or_else(|| "laptop".to_owned(), |decoy| decoy.name.to_string());
    format!("ssh-ed25519 {} {}@{desk}\n", STANDARD.encode(blob(host, person)), person.login)
}

/// The fingerprint of somebody's key, as sshd logs it: `ED25519 SHA256:` and the hash of the key without padding.
pub(super) fn fingerprint(host: &Host<'_>, person: &Person) -> String {
    let (kind, blob) = there(host, person).unwrap_or_else(|| ("ED25519", blob(host, person)));
    format!("{kind} SHA256:{}", STANDARD_NO_PAD.encode(Digest::of(&blob).as_bytes()))
}

/// The first key that is there already.
fn there(host: &Host<'_>, person: &Person) -> Option<(&'static str, Vec<u8>)> {
    let path = person.home.join(AUTHORIZED.as_bytes()).ok()?;
    let text = host.existing.text(&String::from_utf8_lossy(path.as_bytes()));
    text.lines().find_map(|line| {
        // Options may stand before the kind.
        let mut words = line.split_whitespace().skip_while(|word| kind_of(word).is_none());
        let kind = kind_of(words.next()?)?;
        Some((kind, STANDARD.decode(words.next()?).ok()?))
    })
}

fn kind_of(word: &str) -> Option<&'static str> {
    match word {
        "ssh-ed25519" => Some("ED25519"),
        "ssh-rsa" => Some("RSA"),
        _ if word.starts_with("ecdsa-sha2-") => Some("ECDSA"),
        _ => None,
    }
}

/// A key as it goes over the wire (RFC 8709, section 4): its kind and its 32 bytes, each with a length before it.
fn blob(host: &Host<'_>, person: &Person) -> Vec<u8> {
    const KIND: &[u8; 11] = b"ssh-ed25519";
    let mut draw = Generator::new(host.person_seed(person).text("fingerprint"));
    let mut blob = vec![0, 0, 0, 11];
    blob.extend_from_slice(KIND);
    blob.extend_from_slice(&[0, 0, 0, 32]);
    (0..4).for_each(|_| blob.extend_from_slice(&draw.bits().to_be_bytes()));
    blob
}
