//! SSH: a login where one is known, else the exchange of versions.

use verisim_core::ByteCount;

use super::access::{SshLogin, SshSeen, SshTrouble, SshVisit};
use super::limits::{LINE_BYTES_MAX, SSH_LINES_MAX, SSH_OUTPUT_BYTES_MAX};
use super::talk::Talk;
use super::trouble::Trouble;

/// The version of Debian 12, when the plan names none.
const VERSION: &str = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7";

pub(super) async fn speak(talk: &mut Talk<'_>, client: Option<&dyn SshLogin>) -> Result<(), Trouble> {
    let login = talk.plan.login.as_deref();
    match client.zip(login).filter(|(client, login)| client.knows(&talk.plan.to, login)) {
        Some((client, login)) => log_in(talk, client, login).await,
        None => exchange_versions(talk).await,
    }
}

/// As far as one gets without an account: the server's log has a connection that was closed before the login.
async fn exchange_versions(talk: &mut Talk<'_>) -> Result<(), Trouble> {
    let mut wire = talk.connect().await?;
    let version = talk.plan.agent.as_deref().unwrap_or(VERSION);
    wire.send(format!("{version}\r\n").as_bytes()).await?;
    for _ in 0..SSH_LINES_MAX {
        let line = wire.line(LINE_BYTES_MAX).await?;
        if line.starts_with(b"SSH-") {
            talk.greeted(&line);
            wire.close().await;
            return Ok(());
        }
    }
    Err(Trouble::garbled("it talks and talks, and shows no version"))
}

async fn log_in(talk: &mut Talk<'_>, client: &dyn SshLogin, login: &str) -> Result<(), Trouble> {
    let stream = Box::new(talk.dial().await?);
    let (plan, ending) = (talk.plan, talk.ending.clone());
    let visit = SshVisit {
        to: &plan.to,
        login,
        agent: plan.agent.as_deref(),
        commands: &plan.asks,
        answer_time_max: talk.limits.answer,
        ending: &ending,
        output_bytes_max: ByteCount(SSH_OUTPUT_BYTES_MAX),
    };
    let mut noted = Noted { talk, login, seen: SshSeen::default() };
    let ended = client.visit(stream, &visit, &mut noted.seen).await;
    drop(noted);
    ended.map_err(|trouble| match trouble {
        SshTrouble::Refused(why) => Trouble::refused(why),
        SshTrouble::Broken(why) => Trouble::garbled(why),
    })
}

/// Notes what was seen whenever the session ends, also when it is dropped in the middle.
struct Noted<'n, 'a> {
    talk: &'n mut Talk<'a>,
    login: &'n str,
    seen: SshSeen,
}

impl Drop for Noted<'_, '_> {
    fn drop(&mut self) {
        if let Some(banner) = &self.seen.banner {
            self.talk.greeted(banner);
        }
        if self.seen.logged_in {
            self.talk.logged_in(self.login);
        }
        for (ask, ran) in self.talk.plan.asks.iter().zip(&self.seen.ran) {
            let code = ran.code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
            self.talk.answered(&format!("{}: {code}, {} bytes", ask.ask, ran.output_bytes));
        }
        if let Some(code) = self.seen.ran.last().and_then(|ran| ran.code) {
            self.talk.status(code);
        }
    }
}
