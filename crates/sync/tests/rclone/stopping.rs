//! Whoever waits for another's run of rclone can be stopped meanwhile.

use verisim_core::SyncTransport as _;
use verisim_testkit::real_rclone::Generation;

use crate::common::who_waits_can_be_stopped;
use crate::place::{Kind, Place, program};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_waits_for_another_can_be_stopped() {
    // While the other finds out what the remote is, and while it makes the markers.
    for command in ["providers", "copyto"] {
        let Some(place) = Place::new(Kind::Folder, Generation::Installed) else { return };
        place.write(&[("a", b"alpha")]);
        let held = place.path("held");
        let before = format!(
            "case \"$*\" in *{command}*) [ ! -e {go} ] || {{ touch {held}; exec sleep 600; }};; esac",
            go = place.path("go").display(),
            held = held.display()
        );
        let program = program(&place.path("rclone"), &place.options.program, &before);
        let transport = place.transport_with(|options| options.program = program);
        if command == "copyto" {
            // What the remote is, is known by then.
            transport.stat(&place.remote()).await.unwrap();
        }
        std::fs::write(place.path("go"), "").unwrap();
        who_waits_can_be_stopped(&transport, place.scratch.path(), || held.exists()).await;
    }
}
