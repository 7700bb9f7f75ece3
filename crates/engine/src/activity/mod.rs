//! Actions on decoys: what a batch does, what an outcome means, what the ledger learns from it.

mod batch;
mod event;
mod judge;
mod ledger;
mod piece;

pub(crate) use batch::{Batch, BatchEnd};
pub(crate) use event::not_done;
