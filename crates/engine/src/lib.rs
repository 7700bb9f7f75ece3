//! The loop: plan, enqueue, lease, run, record, publish, recover; and the control socket.
//!
//! One loop ([`Engine::run`]) decides everything and waits only on the clock that it is given; batches of actions and steps
//! of syncs run beside it and report back. All that must survive is in the store before it happens; what the loop keeps in
//! memory (breakers, progress, who runs) can be lost at any instant.

mod activity;
mod away;
mod breaker;
mod burn;
mod bus;
mod change;
mod contact;
pub mod control;
mod engine;
mod fleet;
mod idle;
mod jitter;
mod life;
mod oneshot;
mod planner;
mod running;
mod settings;
mod shared;
mod sync;
mod turn;
mod world_planner;

pub use burn::{BurnError, BurnResult, Burner, Comings, Drawn, Exposure, Planted, Undone};
pub use bus::{Delivery, LocalBus, Subscription};
pub use change::{Arrival, Departure, FleetChange};
pub use engine::{Engine, EngineParts, Handle};
pub use fleet::{Fleet, Member};
pub use oneshot::OneShot;
pub use planner::{Decision, Draft, Finish, LifePlanner, Planned, Preview};
pub use settings::Settings;
pub use sync::new_job as new_sync_job;
pub use world_planner::WorldPlanner;
