//! The decoy as its intruder would have it: what every connector must withstand. [`crate::hostile_suite!`] makes one test
//! of each attack for a connector.
//!
//! A canary tree stands outside of the decoy's root. It must not change and must not be read; the kernel itself reports any
//! opening, reading and changing of it while an attack runs.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a check fails by panicking")]

mod attacks;
mod canary;
mod floods;
mod mounts;
mod races;

pub use attacks::*;
pub use canary::Canary;
pub use floods::*;
pub use mounts::*;
pub use races::*;

/// Makes one test of every attack. The argument is an expression that makes a fresh [`crate::DecoyUnderTest`].
#[macro_export]
macro_rules! hostile_suite {
    // One after the other in one test, for decoys that are dear to make. `$except` names those that are left out.
    (@ one_after_the_other $fresh:expr, $except:expr) => {
        $crate::hostile_suite! { @ list one_by_one [$fresh, $except] }
    };
    ($fresh:expr) => {
        $crate::hostile_suite! { @ list each [$fresh] }
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "a million files take a minute and a gigabyte of inodes"]
        async fn inv_7_a_million_entries_are_listed_within_bounds() {
            let decoy = $fresh;
            $crate::hostile_suite::inv_7_a_million_entries_are_listed_within_bounds(&decoy).await;
        }
    };
    (@ list $how:ident [$($with:tt)*]) => {
        $crate::hostile_suite! { @ $how $($with)*;
            inv_7_no_path_leaves_the_root_at_any_depth,
            inv_7_no_final_link_is_followed,
            inv_7_no_path_leaves_the_root_while_a_directory_is_swapped,
            inv_7_nothing_but_a_file_is_opened_while_a_name_is_swapped,
            a_hard_link_to_an_outside_file_is_never_written_through,
            a_fifo_is_never_opened,
            a_device_or_socket_is_never_opened,
            inv_7_an_endless_file_is_read_within_bounds,
            what_a_name_holds_reaches_no_terminal,
            inv_7_a_crowded_directory_is_listed_within_bounds,
            inv_7_what_procfs_and_dev_hold_is_not_read,
            a_full_file_system_is_said_to_be_full,
            a_read_only_file_system_is_left_alone,
            what_permissions_forbid_is_denied,
            a_missing_root_is_not_found,
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
                $crate::hostile_suite::$check(&decoy).await;
            }
        )*
    }};
    (@ each $fresh:expr; $($check:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let decoy = $fresh;
                $crate::hostile_suite::$check(&decoy).await;
            }
        )*
    };
}
