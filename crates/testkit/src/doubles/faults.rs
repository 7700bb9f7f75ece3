//! Where and how calls of doubles fail.

use std::sync::{Arc, Mutex, PoisonError};

use verisim_core::{CancellationToken, StoreError};

/// On which side of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before anything of it has happened.
    Before,
    /// After all of it has happened, before the caller learns of it.
    After,
}

/// What happens to a call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The process dies here: the call never returns, and no later one begins.
    Die,
    /// The store refuses; only before.
    Refuse(StoreError),
}

type Script = Box<dyn FnMut(&'static str, Phase) -> Option<Fault> + Send>;

/// Decides about every call of the doubles that share it.
pub struct Faults {
    script: Mutex<Script>,
    dead: CancellationToken,
}

impl Faults {
    /// Faults by a script that gets the call's name and phase.
    pub fn new(script: impl FnMut(&'static str, Phase) -> Option<Fault> + Send + 'static) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(Box::new(script)), dead: CancellationToken::new() })
    }

    /// Death at the `k`-th step, counted from 0; every call has two.
    #[must_use]
    pub fn die_at(k: usize) -> Arc<Self> {
        let mut step = 0;
        Self::new(move |_, _| {
            step += 1;
            (step == k + 1).then_some(Fault::Die)
        })
    }

    /// Becomes cancelled when the process dies.
    #[must_use]
    pub fn dead(&self) -> &CancellationToken {
        &self.dead
    }

    pub(crate) async fn pass(&self, call: &'static str, phase: Phase) -> Result<(), StoreError> {
        let fault = if self.dead.is_cancelled() {
            Some(Fault::Die)
        } else {
            (self.script.lock().unwrap_or_else(PoisonError::into_inner))(call, phase)
        };
        match fault {
            None => Ok(()),
            Some(Fault::Refuse(error)) => Err(error),
            Some(Fault::Die) => {
                self.dead.cancel();
                std::future::pending().await
            }
        }
    }

    /// As [`Self::pass`] for calls that are not the store's: a refusal is no fault there.
    pub(crate) async fn pass_or_die(&self, call: &'static str, phase: Phase) {
        // A refusal is the store's; others have failures of their own.
        let _ = self.pass(call, phase).await;
    }
}
