//! The conformance suite of the connector port. [`crate::connector_suite!`] makes one test of each check for a connector.

#![expect(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a check is named by what it checks, and fails by panicking"
)]

mod listing;
mod model;
mod moving;
mod reading;
mod settling;
mod times;
mod unsupported;
mod writing;

pub use listing::*;
pub use model::*;
pub use moving::*;
pub use reading::*;
pub use settling::*;
pub use times::*;
pub use unsupported::*;
pub use writing::*;

/// Makes one test of every check of the connector suite. The argument is an expression that makes a fresh
/// [`crate::DecoyUnderTest`].
#[macro_export]
macro_rules! connector_suite {
    // One after the other in one test, for decoys that are dear to make. `$except` names those that are left out.
    (@ one_after_the_other $fresh:expr, $except:expr) => {
        $crate::connector_suite! { @ list one_by_one [$fresh, $except] }
    };
    ($fresh:expr) => {
        $crate::connector_suite! { @ list each [$fresh] }
    };
    (@ list $how:ident [$($with:tt)*]) => {
        $crate::connector_suite! { @ $how $($with)*;
            a_new_file_has_content_mode_and_stat,
            a_new_file_replaces_nothing,
            a_new_file_gets_its_owner,
            a_flushed_file_is_written_like_any_other,
            a_mode_without_read_permission_is_confirmed_too,
            missing_parents_are_made_as_their_place_calls_for,
            missing_parents_are_not_made_unasked,
            what_stands_in_the_way_of_a_parent_is_refused,
            a_name_may_have_any_bytes,
            a_replacement_keeps_mode_and_owner,
            a_replacement_takes_only_what_is_expected,
            an_addition_stands_at_the_end_of_the_same_file,
            an_addition_finds_itself_among_those_of_others,
            an_addition_takes_only_a_regular_file_with_one_name,
            a_batch_is_written_in_order_and_each_file_by_itself,
            a_file_that_is_too_large_is_refused,
            inv_5_what_is_reported_was_read_back,
            past_times_are_set_to_the_nanosecond,
            past_parents_bear_the_time_of_their_entry,
            a_directory_with_a_later_time_keeps_it,
            a_live_file_has_the_time_of_its_writing,
            a_directory_that_is_there_gets_other_times,
            a_file_that_is_there_gets_other_times,
            what_is_not_meant_keeps_its_times,
            only_an_empty_directory_goes,
            a_range_is_read_and_no_more,
            what_is_no_file_is_not_read,
            a_stat_does_not_follow_and_hashes_on_request,
            reading_leaves_the_access_time,
            a_directory_is_listed_within_the_limit,
            what_is_no_directory_is_not_listed,
            a_file_moves_if_it_is_the_expected_one,
            nothing_is_moved_over,
            a_file_goes_if_it_is_the_expected_one,
            a_leftover_of_ours_is_removed,
            a_displaced_foreign_file_is_put_back,
            of_two_foreign_versions_none_is_lost,
            what_is_torn_is_discarded,
            what_is_not_a_capability_is_unsupported,
            a_probe_tells_what_can_be_seen,
            any_sequence_of_calls_agrees_with_a_model,
        }
    };
    (@ one_by_one $fresh:expr, $except:expr; $($check:ident,)*) => {{
        let except: &[(&str, &str)] = $except;
        let all = [$(stringify!($check)),*];
        for (name, _) in except {
            assert!(all.contains(name), "{name} is no check of this suite");
        }
        $(
            if !except.iter().any(|(name, _)| *name == stringify!($check)) {
                let decoy = $fresh;
                $crate::decoy_under_test::running(stringify!($check));
                $crate::connector_suite::$check(&decoy).await;
            }
        )*
    }};
    (@ each $fresh:expr; $($check:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let decoy = $fresh;
                $crate::connector_suite::$check(&decoy).await;
            }
        )*
    };
}
