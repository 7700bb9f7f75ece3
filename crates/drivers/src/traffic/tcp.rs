//! A bare connection: made, listened to for a moment, and ended.

use super::limits::LISTEN;
use super::talk::Talk;
use super::trouble::Trouble;

pub(super) async fn speak(talk: &mut Talk<'_>) -> Result<(), Trouble> {
    let mut wire = talk.connect().await?;
    // That there was a connection is all that there is to it.
    talk.met();
    let said = wire.listen(LISTEN.min(talk.limits.answer)).await?;
    let line = said.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default().to_vec();
    if !line.is_empty() {
        talk.greeted(&line);
    }
    wire.close().await;
    Ok(())
}
