//! What is found out once about a far side.

use std::sync::{Arc, Mutex, PoisonError};

use verisim_core::{CancellationToken, Failure};

use crate::stopping::unless_stopped;

/// What operations on one far side share: the first to need it finds it out, and the others wait for that one.
#[derive(Debug)]
pub(crate) struct Learnt<T> {
    known: Mutex<Option<Arc<T>>>,
    /// Held by who finds it out. Apart from what is known, so that forgetting waits for nobody.
    learning: tokio::sync::Mutex<()>,
}

impl<T> Default for Learnt<T> {
    fn default() -> Self {
        Self { known: Mutex::default(), learning: tokio::sync::Mutex::default() }
    }
}

impl<T> Learnt<T> {
    /// What is known, or else what `find` finds out. Who is cancelled waits no longer for another's `find`; one's own has to
    /// hear of that itself.
    pub(crate) async fn get<E: From<Failure>>(
        &self,
        cancel: &CancellationToken,
        operation: &'static str,
        find: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        let learning = async { Ok::<_, E>(self.learning.lock().await) };
        let _learning = unless_stopped(cancel, operation, learning).await?;
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let found = Arc::new(find.await?);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&found));
        Ok(found)
    }

    fn known(&self) -> Option<Arc<T>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What failed may have failed because the far side is not what it was: whoever comes next looks anew.
    pub(crate) fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
