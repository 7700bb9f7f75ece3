//! Failures, each provoked at the server, with the kind that it must become.

use std::fs;

use verisim_core::{Effect, FailureKind, SyncTransport as _};
use verisim_testkit::real_gcs::Caller;

use crate::common::read_tree;
use crate::place::Place;

fn place() -> Option<Place> {
    let place = Place::new()?;
    place.write(&[("a", b"alpha"), ("d/b", b"beta")]);
    Some(place)
}

/// Who gets no token, whose token the store does not know, and who may only read: each is told for what it is, and no token is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_8_who_may_not_is_told_so_and_no_secret_is_told() {
    let Some(place) = place() else { return };
    for (caller, kind, hint, may_look) in [
        (Caller::Stranger, FailureKind::Auth, "credentials", false),
        (Caller::Nobody, FailureKind::Auth, "renew", false),
        (Caller::Reader, FailureKind::Denied, "let the key", true),
    ] {
        let transport = place.transport_of(caller);
        let failed = place.push_by(&transport).await.unwrap_err().failure;
        assert_eq!(failed.kind, kind, "{caller:?}: {failed}");
        assert!(failed.detail.contains(hint), "{caller:?}: {failed}");
        assert!(!format!("{failed:?}").contains("-of-"), "{caller:?}: {failed:?}");
        assert_eq!(transport.inquire().await.is_ok(), may_look, "{caller:?}");
        assert!(read_tree(&place.vault()).is_empty(), "{caller:?}");
    }
}

/// A file of credentials that is not there or holds none: nobody else's are used, and the store is not asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_are_named_and_cannot_be_used_are_told() {
    let Some(place) = place() else { return };
    let before = place.server.asked().len();
    for text in [None, Some("{}"), Some("{\"type\": \"service_account\"}")] {
        let file = place.path("gcs.json");
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let transport = place.transport_to("vault", place.server.endpoint(), file);
        let failed = place.push_by(&transport).await.unwrap_err().failure;
        assert_eq!(failed.kind, FailureKind::Auth, "{text:?}: {failed}");
    }
    assert_eq!(place.server.asked().len(), before);
}

/// Google says of a bucket that is not there what it says of an object.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_not_there_is_told() {
    let Some(place) = place() else { return };
    let credentials = place.server.credentials(place.scratch.path(), Caller::Writer);
    let elsewhere = place.transport_to("nobody", place.server.endpoint(), credentials);
    let failed = place.push_by(&elsewhere).await.unwrap_err().failure;
    assert_eq!(failed.kind, FailureKind::Config, "{failed}");
    assert!(failed.detail.contains("make the bucket"), "{failed}");
    assert_eq!(elsewhere.inquire().await.unwrap_err().failure.kind, FailureKind::Config);
    assert_eq!(elsewhere.stat(&place.remote()).await.unwrap_err().failure.kind, FailureKind::Config);
    let facts = place.transport().inquire().await.unwrap();
    assert!(facts.is_in_clear, "{facts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_is_the_networks() {
    let Some(place) = place() else { return };
    for endpoint in ["http://127.0.0.1:1", "http://nobody.invalid:9000", "https://127.0.0.1:1"] {
        let credentials = place.server.credentials(place.scratch.path(), Caller::Writer);
        let transport = place.transport_to("vault", endpoint.into(), credentials);
        let failed = place.push_by(&transport).await.unwrap_err().failure;
        assert_eq!((failed.kind, failed.effect), (FailureKind::Network, Effect::NotApplied), "{failed}");
    }
}

/// Two that claim a destination at once: one marker is written, and both know it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_marker_is_written_only_where_there_is_none() {
    let Some(place) = place() else { return };
    let (one, other) = (place.transport(), place.transport());
    let options = place.push_options();
    let mut others = place.push_options();
    others.work_dir = place.path("other-work");
    let (capture, remote) = (place.capture(), place.remote());
    let (first, second) =
        tokio::join!(one.push(&capture, &remote, &options), other.push(&capture, &remote, &others));
    assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
    let marker = fs::read_to_string(place.vault().join(".verisim-destination")).unwrap();
    place.push().await.unwrap();
    assert_eq!(fs::read_to_string(place.vault().join(".verisim-destination")).unwrap(), marker);
    assert!(place.server.asked().iter().any(|asked| asked.contains("ifGenerationMatch=0")));
}
