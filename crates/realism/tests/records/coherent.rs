//! Files, logins, logs and histories of one past are one story.

use verisim_audit::coherence;
use verisim_realism::Settings;

use crate::common::world;
use crate::sandbox::Lived;

#[test]
fn every_edit_lies_in_a_session_and_every_name_in_a_history_is_right() {
    let world = world(3, 8, Settings::default());
    for number in 0..3 {
        let lived = Lived::new(&world, number, 120, "2026-11-23T10:00:00Z");
        assert_eq!(lived.records.left_out, []);
        let found = coherence(&lived.evidence());
        assert_eq!(found.outside_wtmp, [], "of {}", found.edits_in_wtmp);
        assert_eq!(found.outside_logs, [], "of {}", found.edits_in_logs);
        assert_eq!(found.unknown, [], "of {}", found.names);
        assert!(found.edits_in_wtmp > 100 && found.edits_in_logs > 20 && found.names > 1000, "{found:?}");
    }
}
