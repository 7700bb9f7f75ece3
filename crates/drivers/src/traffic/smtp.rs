//! SMTP: a greeting, a name, and what a mail client or monitor says before it leaves. No mail is sent here.

use super::limits::{LINE_BYTES_MAX, LINES_MAX};
use super::talk::Talk;
use super::trouble::Trouble;
use super::wire::Wire;

/// What may be said: nothing of it changes anything.
const COMMANDS: [&str; 3] = ["NOOP", "RSET", "HELP"];

pub(super) async fn speak(talk: &mut Talk<'_>) -> Result<(), Trouble> {
    let mut wire = talk.connect().await?;
    let greeting = reply(&mut wire).await?;
    talk.greeted(&greeting.text);
    talk.status(greeting.code);
    if greeting.code == 220 {
        let name = talk.plan.agent.as_deref().unwrap_or(talk.from);
        say(talk, &mut wire, &format!("EHLO {name}")).await?;
        for ask in &talk.plan.asks {
            if !talk.pause(ask).await {
                break;
            }
            if COMMANDS.iter().any(|command| ask.ask.eq_ignore_ascii_case(command)) {
                say(talk, &mut wire, &ask.ask).await?;
            } else {
                talk.note(&format!("{}: not said, it is not small talk", ask.ask));
            }
        }
    }
    say(talk, &mut wire, "QUIT").await?;
    wire.close().await;
    Ok(())
}

async fn say(talk: &mut Talk<'_>, wire: &mut Wire, command: &str) -> Result<(), Trouble> {
    wire.send(format!("{command}\r\n").as_bytes()).await?;
    let answer = reply(wire).await?;
    talk.answered(&format!("{command}: {}", answer.code));
    Ok(())
}

struct Reply {
    code: u32,
    /// The first line.
    text: Vec<u8>,
}

/// A reply of one or more lines: `250-..` goes on, `250 ..` is the last (RFC 5321, 4.2).
async fn reply(wire: &mut Wire) -> Result<Reply, Trouble> {
    let mut first = None;
    for _ in 0..LINES_MAX {
        let line = wire.line(LINE_BYTES_MAX).await?;
        let code = line.get(..3).and_then(|code| std::str::from_utf8(code).ok());
        let code = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
        let code: u32 = code
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| Trouble::garbled("a reply without a code"))?;
        let goes_on = line.get(3) == Some(&b'-');
        let text = first.get_or_insert(line);
        if !goes_on {
            return Ok(Reply { code, text: std::mem::take(text) });
        }
    }
    Err(Trouble::garbled("a reply without an end"))
}
