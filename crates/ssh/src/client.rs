//! A host that is talked to for days: one connection, made when it is needed, and made anew when it breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::sftp::Sftp;
use crate::{Error, Result, Session, Target};

/// How long a host rests after the first attempt in a row that failed.
const REST_FIRST: Duration = Duration::from_secs(1);
/// How long at the most; the delays double up to it. Who calls has delays of his own on top.
const REST_MAX: Duration = Duration::from_secs(30);

/// One host, and the one connection to it.
///
/// Calls share the connection. When it is broken, the next call makes a new one. When that fails, calls are answered with
/// the same error, without an attempt, until the host has rested; so a host that is down costs nobody more than one
/// connection time-out in each rest.
#[derive(Debug)]
pub struct Client {
    target: Target,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    session: Option<Arc<Session>>,
    sftp: Option<Arc<Sftp>>,
    failures: u32,
    resting: Option<(Arc<AtomicBool>, Error)>,
}

impl Client {
    /// A client that has not connected yet.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self { target, state: Mutex::default() }
    }

    /// The host.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The connection, made if there is none that lives.
    ///
    /// # Errors
    /// As [`Session::connect`].
    pub async fn session(&self) -> Result<Arc<Session>> {
        let mut state = self.state.lock().await;
        self.session_in(&mut state).await
    }

    /// The SFTP session on the connection, both made if there is none that lives.
    ///
    /// # Errors
    /// As [`Session::connect`] and [`Sftp::open`].
    pub async fn sftp(&self) -> Result<Arc<Sftp>> {
        let mut state = self.state.lock().await;
        match &state.sftp {
            // A server that broke one session, or left it without an answer, is met anew from the beginning.
            Some(sftp) if sftp.is_broken() => Self::forget(&mut state).await,
            Some(sftp) if state.session.as_ref().is_some_and(|session| !session.is_closed()) => {
                return Ok(Arc::clone(sftp));
            }
            _ => {}
        }
        let session = self.session_in(&mut state).await?;
        match Sftp::open(&session).await {
            Ok(sftp) => {
                let sftp = Arc::new(sftp);
                state.sftp = Some(Arc::clone(&sftp));
                Ok(sftp)
            }
            Err(error) => {
                if error.is_broken() {
                    state.session = None;
                    Self::rest(&mut state, &error);
                }
                Err(error)
            }
        }
    }

    /// Forgets the connection: what runs on it is over. The next call makes a new one.
    pub async fn reset(&self) {
        Self::forget(&mut *self.state.lock().await).await;
    }

    async fn forget(state: &mut State) {
        state.sftp = None;
        if let Some(session) = state.session.take() {
            session.close().await;
        }
    }

    async fn session_in(&self, state: &mut State) -> Result<Arc<Session>> {
        if let Some(session) = &state.session
            && !session.is_closed()
        {
            return Ok(Arc::clone(session));
        }
        (state.session, state.sftp) = (None, None);
        if let Some((rested, error)) = &state.resting
            && !rested.load(Ordering::Acquire)
        {
            return Err(error.clone());
        }
        match Session::connect(&self.target).await {
            Ok(session) => {
                let session = Arc::new(session);
                (state.failures, state.resting) = (0, None);
                state.session = Some(Arc::clone(&session));
                Ok(session)
            }
            Err(error) => {
                Self::rest(state, &error);
                Err(error)
            }
        }
    }

    fn rest(state: &mut State, error: &Error) {
        let delay = REST_FIRST.saturating_mul(1 << state.failures.min(5)).min(REST_MAX);
        state.failures = state.failures.saturating_add(1);
        let rested = Arc::new(AtomicBool::new(false));
        state.resting = Some((Arc::clone(&rested), error.clone()));
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            rested.store(true, Ordering::Release);
        });
    }
}
