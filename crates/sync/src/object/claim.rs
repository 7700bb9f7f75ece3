//! Making a folder ours.

use verisim_core::{CancellationToken, Failure, FailureKind, Remote};

use super::ObjectTransport;
use super::far::Far;
use super::problem::changing;
use crate::identity::MARKER;
use crate::native::folder;
use crate::stopping::unless_stopped;
use crate::tool::{Look, claim, shown};

const OPERATION: &str = "object.push";

impl ObjectTransport {
    /// Makes sure that the folder there is ours; nothing is changed there before that is so.
    pub(super) async fn claim(
        &self,
        far: &Far,
        to: &Remote,
        cancel: &CancellationToken,
    ) -> Result<Look, Failure> {
        let claiming = async { Ok::<_, Failure>(self.claiming.lock().await) };
        let _one_at_a_time = unless_stopped(cancel, OPERATION, claiming).await?;
        let look = self.claimed(far, to).await?;
        // Here, where one comes after the other: some servers refuse a folder that somebody else makes at that moment.
        let staged = far.make_stage().await;
        staged.map_err(|error| changing(OPERATION, "making the folder for what is not whole", &error))?;
        Ok(look)
    }

    async fn claimed(&self, far: &Far, to: &Remote) -> Result<Look, Failure> {
        let look = far.look(to, OPERATION).await?;
        let is_known = self.known.judge(&*self.options, look.marker.as_deref())?;
        if claim(&look, to, OPERATION)? && is_known {
            return Ok(look);
        }
        let unmarked = |error| changing(OPERATION, "writing a marker", &error);
        if look.marker.is_none() {
            let fresh = self.known.fresh();
            let text = format!("{fresh}\nVerisim knows this destination by this file. Leave it here.\n");
            far.put_new(&far.path(MARKER), text).await.map_err(unmarked)?;
        }
        let owner = far.within(to, folder::OWNER.as_bytes());
        far.put_new(&owner, format!("{}\n", shown(&to.owner))).await.map_err(unmarked)?;
        // Somebody else may have been faster, here or at the destination's root.
        let look = far.look(to, OPERATION).await?;
        self.known.judge(&*self.options, look.marker.as_deref())?;
        if claim(&look, to, OPERATION)? {
            return Ok(look);
        }
        let what = format_args!("{} has no owner although it was claimed just now", to.path);
        Err(Failure::new(FailureKind::Unknown, OPERATION, what))
    }
}
