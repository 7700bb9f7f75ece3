//! MySQL and MariaDB: a login, a query or two, and a goodbye.
//!
//! A client of our own, since it is small and since the ones there are open their connections themselves; ours speaks over
//! a connection that leaves from a decoy. It never sends a file, whatever the server asks for.

mod auth;
mod packet;

use super::access::Password;
use super::talk::Talk;
use super::tls;
use super::trouble::Trouble;
use super::wire::Wire;
use auth::Method;
use packet::{Greeting, Line, SSL};

/// `COM_QUIT` and `COM_QUERY`.
const QUIT: u8 = 1;
const QUERY: u8 = 3;
/// How many packets a login may take: a change of method, a word that the short proof was enough, and the end.
const LOGIN_PACKETS_MAX: u32 = 6;
/// The most packets of one answer.
const ANSWER_PACKETS_MAX: u32 = 4096;
/// Errors that say that the server is busy: there are too many connections, of all or of one user.
const BUSY: [u16; 2] = [1040, 1203];

pub(super) async fn speak(talk: &mut Talk<'_>, password: Option<&Password>) -> Result<(), Trouble> {
    let mut line = Line::new(talk.connect().await?);
    let first = line.read().await?;
    refused(&first)?;
    let greeting = Greeting::parse(&first).ok_or_else(|| Trouble::garbled("no greeting of MySQL"))?;
    talk.greeted(&greeting.version);
    let Some((login, password)) = talk.plan.login.as_deref().zip(password) else {
        talk.note("no account: left after the greeting");
        line.into_wire().0.close().await;
        return Ok(());
    };
    let mut line = log_in(talk, line, &greeting, login, password).await?;
    talk.logged_in(login);
    for ask in &talk.plan.asks {
        if !talk.pause(ask).await {
            break;
        }
        line.command(QUERY, &ask.ask).await?;
        let answer = answer(&mut line).await?;
        talk.answered(&format!("{}: {answer}", ask.ask));
    }
    line.command(QUIT, "").await?;
    line.into_wire().0.close().await;
    Ok(())
}

fn refused(packet: &[u8]) -> Result<(), Trouble> {
    match packet::error(packet) {
        None => Ok(()),
        Some((code, text)) if BUSY.contains(&code) => Err(Trouble::garbled(text)),
        Some((_, text)) => Err(Trouble::refused(text)),
    }
}

/// Logs in; over TLS where the server offers it, as its own clients do.
async fn log_in(
    talk: &Talk<'_>,
    mut line: Line,
    greeting: &Greeting,
    login: &str,
    password: &Password,
) -> Result<Line, Trouble> {
    let is_tls = greeting.capabilities & SSL != 0;
    if is_tls {
        line.write(&packet::ssl_request()).await?;
        let (wire, number) = line.into_wire();
        let stream = tls::over(talk, wire.into_stream()?).await?;
        line = Line::resume(Wire::new(stream, talk.limits.answer), number);
    }
    let method = greeting.method.unwrap_or(Method::CachingSha2);
    let proof = method.prove(password.reveal(), &greeting.salt);
    line.write(&packet::login(login, method, &proof, is_tls)).await?;
    for _ in 0..LOGIN_PACKETS_MAX {
        let answer = line.read().await?;
        refused(&answer)?;
        match answer.as_slice() {
            [0, ..] => return Ok(line),
            [0xfe, rest @ ..] => {
                let (name, salt) = packet::text(rest).unwrap_or((rest, &[]));
                let method = Method::named(name).ok_or_else(|| {
                    Trouble::refused("it wants the password in a way that is not known here")
                })?;
                let salt = salt.strip_suffix(&[0]).unwrap_or(salt);
                line.write(&method.prove(password.reveal(), salt)).await?;
            }
            // The short proof was enough; the end follows.
            [1, 3] => {}
            // It was not: the server wants the password itself. It is sent over TLS only, as the server's own clients do.
            [1, 4] if is_tls => {
                let mut whole = password.reveal().as_bytes().to_vec();
                whole.push(0);
                line.write(&whole).await?;
            }
            [1, 4] => return Err(Trouble::refused("it wants the password itself, and has no TLS")),
            _ => return Err(Trouble::garbled("no answer to a login")),
        }
    }
    Err(Trouble::garbled("a login without an end"))
}

/// Reads the answer to a query to its end, and says what it was.
async fn answer(line: &mut Line) -> Result<String, Trouble> {
    let first = line.read().await?;
    match first.first() {
        None => return Err(Trouble::garbled("an empty answer")),
        Some(0) => return Ok("ok".to_owned()),
        Some(0xff) => {
            return Ok(
                packet::error(&first).map_or_else(|| "error".to_owned(), |(code, _)| format!("error {code}"))
            );
        }
        // The server asks for a file of ours: a trick that is as old as the protocol.
        Some(0xfb) => return Err(Trouble::garbled("it asks for a file")),
        Some(_) => {}
    }
    let (mut ends, mut rows) = (0, 0_u32);
    for _ in 0..ANSWER_PACKETS_MAX {
        let packet = line.read().await?;
        if packet::is_end(&packet) {
            ends += 1;
            if ends == 2 {
                return Ok(format!("{rows} rows"));
            }
        } else if packet.first() == Some(&0xff) && ends == 1 {
            return Ok("broken off by the server".to_owned());
        } else if ends == 1 {
            rows += 1;
        }
    }
    Err(Trouble::garbled("an answer without an end"))
}
