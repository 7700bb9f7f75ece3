//! The suite of a driver for files: its table of fates, with nothing between driver and decoy but a connector, and in the
//! place of the engine a few lines that do what the engine promises.

#![expect(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a check is named by what it checks, and fails by panicking"
)]

mod fates;
mod faults;
mod little_engine;
mod tampering;

pub use fates::*;
pub use faults::*;
pub use little_engine::{LittleEngine, MakeDriver};
pub use tampering::*;

/// Makes one test of every check. The arguments are an expression that makes a fresh [`crate::DecoyUnderTest`], and a function
/// that makes a driver for a decoy of the name `d` behind a connector.
#[macro_export]
macro_rules! driver_suite {
    ($fresh:expr, $make:expr) => {
        $crate::driver_suite! { @ $fresh, $make;
            inv_5_every_action_is_confirmed_by_what_is_there,
            whose_file_it_is_decides_what_may_be_done,
            an_edit_that_does_not_fit_is_refused,
            a_shared_edit_changes_what_is_found,
            a_plant_overwrites_nothing,
            inv_4_a_plant_with_a_mark_is_recognised,
            an_edit_is_a_tripwire,
            what_moves_or_goes_is_what_we_left,
            writes_travel_together_and_are_judged_one_by_one,
            inv_4_an_answer_lost_at_any_call_is_neither_repeated_nor_tampering,
            inv_4_a_torn_addition_is_completed,
            inv_4_what_a_killed_edit_left_is_settled,
            tampering_by_renaming_is_noticed_at_any_instant,
            tampering_in_place_is_noticed_at_any_instant,
            a_decoy_that_is_not_of_the_fleet_is_not_found,
        }
    };
    (@ $fresh:expr, $make:expr; $($check:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let decoy = $fresh;
                $crate::driver_suite::$check(&decoy, &$make).await;
            }
        )*
    };
}
