//! Failures, each provoked at the server, with the kind that it must become.

use std::fs;

use futures_util::TryStreamExt as _;
use verisim_core::{Digest, Effect, FailureKind, RemoteFile, SyncTransport as _};
use verisim_testkit::real_azure::{KEY, Refusal};

use crate::common::read_tree;
use crate::place::Place;

fn place() -> Option<Place> {
    let place = Place::new()?;
    place.write(&[("a", b"alpha"), ("d/b", b"beta")]);
    Some(place)
}

/// A key that the account does not have, one that is none, and no permission to write: each is told for what it is, and no key
/// is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_8_who_may_not_is_told_so_and_no_secret_is_told() {
    let Some(place) = place() else { return };
    let other = KEY.replace("dGhl", "b25l");
    for (key, kind, hint) in
        [(other.as_str(), FailureKind::Auth, "renew"), ("no key at all!", FailureKind::Config, "base64")]
    {
        let transport = place.transport_to("vault", place.server.endpoint(), key);
        let failed = place.push_by(&transport).await.unwrap_err().failure;
        assert_eq!(failed.kind, kind, "{key}: {failed}");
        assert!(failed.detail.contains(hint), "{key}: {failed}");
        assert!(!format!("{failed:?}").contains(key), "{failed:?}");
        assert_eq!(transport.inquire().await.unwrap_err().failure.kind, kind, "{key}");
    }
    let code = "AuthorizationPermissionMismatch";
    place.server.refuse(&[Refusal { of: "^PUT", times: 99, status: 403, code, retry_after: 0 }]);
    let failed = place.push().await.unwrap_err().failure;
    assert_eq!(failed.kind, FailureKind::Denied, "{failed}");
    assert!(failed.detail.contains("let the key"), "{failed}");
    assert!(read_tree(&place.vault()).is_empty());
    assert!(place.transport().inquire().await.unwrap().is_in_clear);
}

/// A folder of a container that is not there is no empty one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_is_not_there_is_told() {
    let Some(place) = place() else { return };
    let elsewhere = place.transport_to("nobody", place.server.endpoint(), KEY);
    let failed = place.push_by(&elsewhere).await.unwrap_err().failure;
    assert_eq!(failed.kind, FailureKind::Config, "{failed}");
    assert!(failed.detail.contains("make the bucket"), "{failed}");
    assert_eq!(elsewhere.inquire().await.unwrap_err().failure.kind, FailureKind::Config);
    assert_eq!(elsewhere.stat(&place.remote()).await.unwrap_err().failure.kind, FailureKind::Config);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_is_the_networks() {
    let Some(place) = place() else { return };
    for endpoint in ["http://127.0.0.1:1/lab", "http://nobody.invalid:9000/lab", "https://127.0.0.1:1/lab"] {
        let transport = place.transport_to("vault", endpoint.into(), KEY);
        let failed = place.push_by(&transport).await.unwrap_err().failure;
        assert_eq!((failed.kind, failed.effect), (FailureKind::Network, Effect::NotApplied), "{failed}");
    }
}

/// Azure's throttling is waited for in the middle of a push; what lasts longer is the queue's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_busy_is_waited_for_and_then_left_to_the_queue() {
    let Some(place) = place() else { return };
    let of = "^PUT .*/run/d/b";
    let busy = |times, retry_after| Refusal { of, times, status: 503, code: "ServerBusy", retry_after };
    place.server.refuse(&[busy(2, 1)]);
    place.push().await.unwrap();
    assert_eq!(fs::read(place.there().join("d/b")).unwrap(), b"beta");
    let tries = place
        .server
        .asked()
        .iter()
        .filter(|asked| asked.contains("/run/d%2Fb") || asked.contains("/run/d/b"))
        .filter(|asked| asked.starts_with("PUT"))
        .count();
    assert_eq!(tries, 3, "{:?}", place.server.asked());
    place.write(&[("d/b", b"another")]);
    place.server.refuse(&[busy(99, 3600)]);
    let failed = place.push().await.unwrap_err().failure;
    assert_eq!(failed.kind, FailureKind::Network, "{failed}");
    assert!(failed.detail.contains("3600 s"), "{failed}");
}

/// What else Azure answers instead of storing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_refuses_is_told_for_what_it_is() {
    let Some(place) = place() else { return };
    for (status, code, kind) in [
        (500, "InternalError", FailureKind::Network),
        (500, "OperationTimedOut", FailureKind::Network),
        (403, "AccountIsDisabled", FailureKind::Denied),
        (403, "AuthorizationFailure", FailureKind::Denied),
        (409, "BlobImmutableDueToPolicy", FailureKind::Denied),
        (409, "AccountBeingCreated", FailureKind::Network),
        (409, "ContainerBeingDeleted", FailureKind::Config),
        (409, "ContainerDisabled", FailureKind::Denied),
        (409, "LeaseIdMissing", FailureKind::Denied),
        (412, "LeaseIdMissing", FailureKind::Denied),
        (409, "BlobArchived", FailureKind::Denied),
        (409, "BlobBeingRehydrated", FailureKind::Denied),
        (403, "AuthorizationSourceIPMismatch", FailureKind::Denied),
        (400, "Md5Mismatch", FailureKind::HashMismatch),
        (400, "InvalidHeaderValue", FailureKind::Config),
        (413, "RequestBodyTooLarge", FailureKind::Config),
        (401, "InvalidAuthenticationInfo", FailureKind::Auth),
    ] {
        place.server.refuse(&[Refusal { of: "^PUT .*/run/a", times: 99, status, code, retry_after: 0 }]);
        let failed = place.push().await.unwrap_err().failure;
        assert_eq!(failed.kind, kind, "{status} {code}: {failed}");
        assert!(failed.detail.contains(code), "{failed}");
    }
    place.server.refuse(&[]);
    place.push().await.unwrap();
}

/// An answer that ends in its midst is no content: the pass ends as a failure of the network, and the next one finds all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_cut_is_no_content() {
    let Some(place) = place() else { return };
    let content = vec![7; 300_000];
    place.write(&[("a", &content)]);
    place.push().await.unwrap();
    let told = async || -> Result<Vec<_>, _> {
        let hashes = place.transport().hashsum(&place.remote(), &place.push_options()).await?;
        hashes.files.try_collect().await
    };
    place.server.cut("^GET .*/run/a$", 99, 100_000);
    let failed = told().await.unwrap_err().failure;
    assert_eq!(failed.kind, FailureKind::Network, "{failed}");
    assert!(failed.detail.contains("cut"), "{failed}");
    place.server.refuse(&[]);
    let files = told().await.unwrap();
    assert!(files.iter().any(|file| matches!(file, RemoteFile::Hashed(entry)
        if entry.path.to_string() == "a" && entry.sha256 == Digest::of(&content))));
}

/// Two that claim a destination at once: one marker is written, and both know it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_marker_is_written_only_where_there_is_none() {
    let Some(place) = place() else { return };
    let (one, other) = (place.transport(), place.transport_of_another());
    let options = place.push_options();
    let mut others = place.push_options();
    others.work_dir = place.path("other-work");
    let (capture, remote) = (place.capture(), place.remote());
    let (first, second) =
        tokio::join!(one.push(&capture, &remote, &options), other.push(&capture, &remote, &others));
    assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
    let marker = fs::read_to_string(place.vault().join(".verisim-destination")).unwrap();
    place.push().await.unwrap();
    other.inquire().await.unwrap();
    assert_eq!(fs::read_to_string(place.vault().join(".verisim-destination")).unwrap(), marker);
    let first = marker.lines().next();
    assert_eq!(fs::read_to_string(place.path("known")).unwrap().lines().next(), first);
    assert!(place.server.asked().iter().any(|asked| asked.contains("if-none-match")));
}
