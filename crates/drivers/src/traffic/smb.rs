//! SMB: the negotiation that every client begins with. What comes after it needs an account and a protocol of its own.

use verisim_core::Digest;

use super::talk::Talk;
use super::trouble::Trouble;

/// SMB 2.0.2, 2.1, 3.0 and 3.0.2. 3.1.1 wants a list of contexts that would have to be right in every detail.
const DIALECTS: [u16; DIALECT_COUNT as usize] = [0x0202, 0x0210, 0x0300, 0x0302];
const DIALECT_COUNT: u16 = 4;
/// The header and the fixed part of an answer (MS-SMB2, 2.2.1.2 and 2.2.4).
const HEADER_BYTES: usize = 64;
const ANSWER_BYTES_MIN: usize = HEADER_BYTES + 64;
/// The longest answer that is taken: a security blob is some hundred bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

pub(super) async fn speak(talk: &mut Talk<'_>) -> Result<(), Trouble> {
    let mut wire = talk.connect().await?;
    wire.send(&negotiate(talk.from)).await?;
    let head = wire.exact(4).await?;
    let length = usize::from(head[1]) << 16 | usize::from(head[2]) << 8 | usize::from(head[3]);
    if head[0] != 0 || !(ANSWER_BYTES_MIN..=ANSWER_BYTES_MAX).contains(&length) {
        return Err(Trouble::garbled("no answer of SMB"));
    }
    let answer = wire.exact(length).await?;
    if !answer.starts_with(b"\xfeSMB") || answer[12..14] != [0, 0] {
        return Err(Trouble::garbled("no answer of SMB 2"));
    }
    let status = u32::from_le_bytes([answer[8], answer[9], answer[10], answer[11]]);
    let dialect = u16::from_le_bytes([answer[HEADER_BYTES + 4], answer[HEADER_BYTES + 5]]);
    let shown = format!("SMB {}.{}.{}", dialect >> 8, dialect >> 4 & 0xf, dialect & 0xf);
    talk.greeted(shown.as_bytes());
    talk.status(status);
    talk.answered(&format!("negotiate: {shown}, status {status:#010x}"));
    wire.close().await;
    Ok(())
}

/// A negotiate request behind the four bytes that carry SMB over TCP (MS-SMB2, 2.1 and 2.2.3).
fn negotiate(from: &str) -> Vec<u8> {
    let mut message = Vec::with_capacity(128);
    message.extend_from_slice(b"\xfeSMB");
    message.extend_from_slice(&64_u16.to_le_bytes()); // The length of the header.
    message.extend_from_slice(&[0; 6]); // Credit charge, status.
    message.extend_from_slice(&0_u16.to_le_bytes()); // The command: negotiate.
    message.extend_from_slice(&1_u16.to_le_bytes()); // Credits asked for.
    message.extend_from_slice(&[0; HEADER_BYTES - 16]); // Flags, ids, session, signature.
    message.extend_from_slice(&36_u16.to_le_bytes()); // The length of the fixed part.
    message.extend_from_slice(&DIALECT_COUNT.to_le_bytes());
    message.extend_from_slice(&1_u16.to_le_bytes()); // Signing is possible.
    message.extend_from_slice(&[0; 2]);
    message.extend_from_slice(&0x7f_u32.to_le_bytes()); // What a Linux client says it can do.
    // A client keeps its id as long as it is the same machine.
    message.extend_from_slice(&Digest::of(from.as_bytes()).as_bytes()[..16]);
    message.extend_from_slice(&[0; 8]);
    for dialect in DIALECTS {
        message.extend_from_slice(&dialect.to_le_bytes());
    }
    let mut out = u32::try_from(message.len()).unwrap_or_default().to_be_bytes().to_vec();
    out.extend_from_slice(&message);
    out
}
