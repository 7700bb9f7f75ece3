//! IMAP: a greeting, what the server can do, and where a password is known a look into the mailbox.

use super::access::Password;
use super::limits::{LINE_BYTES_MAX, LINES_MAX};
use super::talk::Talk;
use super::trouble::Trouble;
use super::wire::Wire;

/// What may be said after a login: nothing of it changes anything.
const COMMANDS: [&str; 5] =
    ["NOOP", "CAPABILITY", "EXAMINE INBOX", "LIST \"\" \"*\"", "STATUS INBOX (MESSAGES UNSEEN)"];

pub(super) async fn speak(talk: &mut Talk<'_>, password: Option<&Password>) -> Result<(), Trouble> {
    let mut session = Session { wire: talk.connect().await?, number: 0 };
    let greeting = session.wire.line(LINE_BYTES_MAX).await?;
    if !greeting.starts_with(b"* ") {
        return Err(Trouble::garbled("no greeting of IMAP"));
    }
    talk.greeted(&greeting);
    let can = session.say(talk, "CAPABILITY", "CAPABILITY").await?;
    if let Some((login, password)) = talk.plan.login.as_deref().zip(password) {
        if can.untagged.windows(13).any(|word| word.eq_ignore_ascii_case(b"LOGINDISABLED")) {
            talk.note("no login: the server wants TLS first");
        } else {
            let command = format!("LOGIN {} {}", quoted(login), quoted(password.reveal()));
            let answer = session.say(talk, &command, &format!("LOGIN {login}")).await?;
            if !answer.ok {
                let _ = session.say(talk, "LOGOUT", "LOGOUT").await;
                return Err(Trouble::refused(format!("it does not let {login} in")));
            }
            talk.logged_in(login);
            for ask in &talk.plan.asks {
                if !talk.pause(ask).await {
                    break;
                }
                if COMMANDS.iter().any(|command| ask.ask.eq_ignore_ascii_case(command)) {
                    session.say(talk, &ask.ask, &ask.ask).await?;
                } else {
                    talk.note(&format!("{}: not said, it is not for looking only", ask.ask));
                }
            }
        }
    }
    session.say(talk, "LOGOUT", "LOGOUT").await?;
    session.wire.close().await;
    Ok(())
}

/// A quoted string (RFC 9051, 4.3). Line ends cannot be in it: the plan was checked, and a password with one is cut there.
fn quoted(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    format!("\"{}\"", line.replace('\\', "\\\\").replace('"', "\\\""))
}

struct Session {
    wire: Wire,
    number: u32,
}

struct Answer {
    ok: bool,
    /// What came before the answer proper.
    untagged: Vec<u8>,
}

impl Session {
    /// Says a command under a tag, and reads up to the line that bears it. `shown` is the command without secrets.
    async fn say(&mut self, talk: &mut Talk<'_>, command: &str, shown: &str) -> Result<Answer, Trouble> {
        self.number += 1;
        let tag = format!("a{:03} ", self.number);
        self.wire.send(format!("{tag}{command}\r\n").as_bytes()).await?;
        let mut untagged = Vec::new();
        for _ in 0..LINES_MAX {
            let line = self.wire.line(LINE_BYTES_MAX).await?;
            if let Some(answer) = line.strip_prefix(tag.as_bytes()) {
                let word = answer.split(|byte| *byte == b' ').next().unwrap_or_default();
                talk.answered(&format!("{shown}: {}", String::from_utf8_lossy(word)));
                return Ok(Answer { ok: word.eq_ignore_ascii_case(b"OK"), untagged });
            }
            untagged.extend_from_slice(&line);
            untagged.push(b'\n');
        }
        Err(Trouble::garbled("an answer without an end"))
    }
}
