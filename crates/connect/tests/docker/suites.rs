//! Both ways keep the contract of the port and withstand their decoy.

use verisim_testkit::RealEngine;

use crate::decoys::{FastDecoy, PortableDecoy, empty_container};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_7_the_fast_way_keeps_the_contract_and_withstands_its_decoy() {
    let Some(engine) = RealEngine::start() else { return };
    let container = empty_container(&engine, "suite", &[]);
    verisim_testkit::connector_suite!(@ one_after_the_other FastDecoy::fresh(&engine, &container), &[]);
    verisim_testkit::hostile_suite!(@ one_after_the_other FastDecoy::fresh(&engine, &container), &[]);
}

/// What is left out of the suite for the portable way, and why. That it is unsupported is asserted by the suite itself
/// (`what_is_not_a_capability_is_unsupported`); what the rest means for a container is checked beside it.
const NOT_PORTABLE: &[(&str, &str)] = &[
    ("a_flushed_file_is_written_like_any_other", "adds to a file"),
    ("an_addition_stands_at_the_end_of_the_same_file", "adds to a file"),
    ("an_addition_finds_itself_among_those_of_others", "adds to a file"),
    ("an_addition_takes_only_a_regular_file_with_one_name", "adds to a file"),
    ("a_batch_is_written_in_order_and_each_file_by_itself", "adds to a file"),
    ("past_times_are_set_to_the_nanosecond", "adds to a file"),
    ("any_sequence_of_calls_agrees_with_a_model", "adds to a file"),
    ("a_name_may_have_any_bytes", "lists"),
    ("a_directory_is_listed_within_the_limit", "lists"),
    ("what_is_no_directory_is_not_listed", "lists"),
    ("a_file_moves_if_it_is_the_expected_one", "renames"),
    ("nothing_is_moved_over", "renames"),
    ("a_file_goes_if_it_is_the_expected_one", "removes"),
    ("a_leftover_of_ours_is_removed", "removes; nothing is ever staged"),
    ("a_displaced_foreign_file_is_put_back", "nothing is ever staged"),
    ("of_two_foreign_versions_none_is_lost", "nothing is ever staged"),
    ("what_is_torn_is_discarded", "nothing is ever staged"),
    ("missing_parents_are_not_made_unasked", "a container's root is not empty"),
    ("a_file_that_is_too_large_is_refused", "a container's root is not empty"),
    ("a_probe_tells_what_can_be_seen", "a container's root is not empty"),
    ("reading_leaves_the_access_time", "the engine reads as anybody does"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_portable_way_keeps_the_contract() {
    let Some(engine) = RealEngine::start() else { return };
    let container = engine.container("suite", &[]);
    verisim_testkit::connector_suite!(
        @ one_after_the_other PortableDecoy::fresh(&engine, &container), NOT_PORTABLE
    );
}

/// As [`NOT_PORTABLE`], of the attacks.
const NOT_ATTACKED: &[(&str, &str)] = &[
    (
        "inv_7_nothing_but_a_file_is_opened_while_a_name_is_swapped",
        "an engine looks at a name and then opens it: a FIFO that comes in between holds up the engine, not us",
    ),
    (
        "a_hard_link_to_an_outside_file_is_never_written_through",
        "on a container's file system nothing is outside",
    ),
    // What is mounted inside is refused (`archives_do_what_they_can_and_refuse_the_rest`). That a volume is full, or read-only,
    // or the whole root, is in `a_container_that_does_not_run_is_said_to_be_so`.
    ("inv_7_what_procfs_and_dev_hold_is_not_read", "the engine does not see what is mounted inside"),
    ("a_full_file_system_is_said_to_be_full", "the engine does not see what is mounted inside"),
    ("a_read_only_file_system_is_left_alone", "the engine does not see what is mounted inside"),
    ("inv_7_a_crowded_directory_is_listed_within_bounds", "lists"),
    ("what_a_name_holds_reaches_no_terminal", "lists"),
    ("inv_7_an_endless_file_is_read_within_bounds", "an archive has no end that could be read first"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_7_the_portable_way_withstands_its_decoy() {
    let Some(engine) = RealEngine::start() else { return };
    let container = engine.container("suite", &[]);
    verisim_testkit::hostile_suite!(
        @ one_after_the_other PortableDecoy::fresh(&engine, &container), NOT_ATTACKED
    );
}
