//! Packets of the MySQL protocol, as far as a client needs them that logs in and asks.

use super::auth::Method;
use crate::traffic::limits::PACKET_BYTES_MAX;
use crate::traffic::trouble::Trouble;
use crate::traffic::wire::Wire;

/// Capabilities of a client: long passwords, protocol 4.1, transactions, a proof of 4.1, and methods by name.
const CAPABILITIES: u32 = 0x1 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
/// TLS.
pub(super) const SSL: u32 = 0x800;
/// `utf8mb4_general_ci`, which every server since 5.5 knows.
const CHARSET: u8 = 45;
const PACKET_MAX: u32 = 1 << 24;

/// Reads and writes packets; each bears a number that counts up within an exchange.
pub(super) struct Line {
    wire: Wire,
    number: u8,
}

impl Line {
    pub(super) fn new(wire: Wire) -> Self {
        Self { wire, number: 0 }
    }

    pub(super) fn into_wire(self) -> (Wire, u8) {
        (self.wire, self.number)
    }

    pub(super) fn resume(wire: Wire, number: u8) -> Self {
        Self { wire, number }
    }

    pub(super) async fn read(&mut self) -> Result<Vec<u8>, Trouble> {
        let head = self.wire.exact(4).await?;
        let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
        if length > PACKET_BYTES_MAX {
            return Err(Trouble::garbled("a packet that is too long"));
        }
        self.number = head[3].wrapping_add(1);
        self.wire.exact(length).await
    }

    pub(super) async fn write(&mut self, payload: &[u8]) -> Result<(), Trouble> {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
        let mut packet = vec![length[0], length[1], length[2], self.number];
        packet.extend_from_slice(payload);
        self.number = self.number.wrapping_add(1);
        self.wire.send(&packet).await
    }

    /// A command begins an exchange.
    pub(super) async fn command(&mut self, code: u8, text: &str) -> Result<(), Trouble> {
        self.number = 0;
        let mut payload = vec![code];
        payload.extend_from_slice(text.as_bytes());
        self.write(&payload).await
    }
}

/// What a server says first (protocol 10).
pub(super) struct Greeting {
    pub(super) version: Vec<u8>,
    pub(super) salt: Vec<u8>,
    pub(super) capabilities: u32,
    pub(super) method: Option<Method>,
}

impl Greeting {
    pub(super) fn parse(packet: &[u8]) -> Option<Self> {
        let rest = packet.strip_prefix(&[10])?;
        let (version, rest) = text(rest)?;
        // The number of the connection, the first part of the salt, and a zero.
        let (first, rest) = (rest.get(4..12)?, rest.get(13..)?);
        let (low, high) = (rest.get(..2)?, rest.get(5..7).unwrap_or(&[0, 0]));
        let capabilities = u32::from_le_bytes([low[0], low[1], high[0], high[1]]);
        let mut salt = first.to_vec();
        // Character set, status, the length of the salt, and ten bytes that mean nothing to us.
        let rest = rest.get(18..).unwrap_or(&[]);
        // The second part is 12 bytes and a zero in all servers there are.
        salt.extend_from_slice(rest.get(..12).unwrap_or(rest));
        let name = rest.get(13..).and_then(|rest| text(rest).map(|(name, _)| name).or(Some(rest)));
        let method = name.filter(|name| !name.is_empty()).map_or(Some(Method::Native), Method::named);
        Some(Self { version: version.to_vec(), salt, capabilities, method })
    }
}

/// What a client says of itself before TLS.
pub(super) fn ssl_request() -> Vec<u8> {
    introduction(CAPABILITIES | SSL)
}

/// The login.
pub(super) fn login(user: &str, method: Method, proof: &[u8], tls: bool) -> Vec<u8> {
    let mut out = introduction(if tls { CAPABILITIES | SSL } else { CAPABILITIES });
    out.extend_from_slice(user.as_bytes());
    out.push(0);
    out.push(u8::try_from(proof.len()).unwrap_or(0));
    out.extend_from_slice(proof);
    out.extend_from_slice(method.name().as_bytes());
    out.push(0);
    out
}

fn introduction(capabilities: u32) -> Vec<u8> {
    let mut out = capabilities.to_le_bytes().to_vec();
    out.extend_from_slice(&PACKET_MAX.to_le_bytes());
    out.push(CHARSET);
    out.extend_from_slice(&[0; 23]);
    out
}

/// An error: its number and its text.
pub(super) fn error(packet: &[u8]) -> Option<(u16, String)> {
    let rest = packet.strip_prefix(&[0xff])?;
    let code = u16::from_le_bytes([*rest.first()?, *rest.get(1)?]);
    let text = rest.get(2..).unwrap_or_default();
    // `#` and five characters of SQLSTATE come first once protocol 4.1 is agreed on.
    let text = if text.first() == Some(&b'#') { text.get(6..).unwrap_or_default() } else { text };
    Some((code, String::from_utf8_lossy(&text[..text.len().min(300)]).into_owned()))
}

/// Whether a packet ends a list of columns or rows.
pub(super) fn is_end(packet: &[u8]) -> bool {
    packet.first() == Some(&0xfe) && packet.len() < 9
}

/// A text that ends with a zero, and what follows it.
pub(super) fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(0, bytes)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}
