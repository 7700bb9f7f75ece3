//! Failures, each provoked at a server, with the kind that it must become.

use std::fs;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use verisim_core::{Effect, FailureKind, SyncTransport as _};
use verisim_testkit::Proxy;
use verisim_testkit::real_store::{Refusal, StoreServer};

use crate::common::who_waits_can_be_stopped;
use crate::place::Place;

fn place() -> Place {
    let place = Place::new();
    place.write(&[("a", b"alpha"), ("d/b", b"beta")]);
    place
}

/// What an operation says of a store that refuses everything with this.
async fn refused(refusal: Refusal) -> (FailureKind, String) {
    let place = place();
    place.server.refuse(refusal);
    let pushed = place.push().await.unwrap_err();
    let stat = place.transport().stat(&place.remote()).await.unwrap_err();
    assert_eq!(pushed.failure.kind, stat.failure.kind);
    let said = format!("{pushed:?} {pushed} {stat:?}");
    assert!(!said.contains("sesame") && !said.contains(StoreServer::SECRET_KEY), "{said}");
    (pushed.failure.kind, pushed.failure.detail)
}

/// A server that takes connections, and says nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_waits_for_another_s_claim_can_be_stopped() {
    let place = Place::new();
    place.write(&[("a", b"alpha")]);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let transport = place.transport_with(|bucket, _| bucket.endpoint = Some(endpoint));
    let (came, has_come) = std::sync::mpsc::channel();
    std::thread::spawn(move || silent.accept().map(|line| came.send(line)));
    let line = std::sync::OnceLock::new();
    let holds = || has_come.try_recv().is_ok_and(|came| line.set(came).is_ok());
    who_waits_can_be_stopped(&transport, place.scratch.path(), holds).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_8_every_answer_becomes_its_kind_and_no_secret_is_told() {
    for (status, code, kind, hint) in [
        (403, "InvalidAccessKeyId", FailureKind::Auth, "renew"),
        (403, "SignatureDoesNotMatch", FailureKind::Auth, "renew"),
        (400, "ExpiredToken", FailureKind::Auth, "expired"),
        (403, "RequestTimeTooSkewed", FailureKind::Auth, "clock"),
        (403, "AccessDenied", FailureKind::Denied, "let the key"),
        (404, "NoSuchBucket", FailureKind::Config, "make the bucket"),
        (301, "PermanentRedirect", FailureKind::Config, "region"),
        (400, "AuthorizationHeaderMalformed", FailureKind::Config, "region"),
        (507, "XMinioStorageFull", FailureKind::NoSpace, "quota"),
        (400, "BadDigest", FailureKind::HashMismatch, ""),
        (501, "NotImplemented", FailureKind::Unsupported, ""),
        (418, "NobodyKnowsThis", FailureKind::Unknown, "NobodyKnowsThis"),
    ] {
        let (found, said) = refused(Refusal::of_s3(status, code)).await;
        assert_eq!(found, kind, "{status} {code}: {said}");
        assert!(said.contains(hint) && said.contains(code), "{status} {code}: {said}");
    }
}

/// 503 and 429 with Retry-After: waited for, as long as that is not too long; then it is the network's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_asks_for_patience_gets_it() {
    for (status, code) in [(503, "SlowDown"), (429, "TooManyRequests")] {
        let place = place();
        let busy = Refusal {
            headers: vec![("retry-after", "1".into())],
            of: "PUT /vault/lab/run/d",
            times: 1,
            ..Refusal::of_s3(status, code)
        };
        place.server.refuse(busy.clone());
        let begin = Instant::now();
        place.push().await.unwrap();
        assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
        let asked = place.server.asked();
        assert_eq!(asked.iter().filter(|asked| asked.starts_with("PUT /vault/lab/run/d/b")).count(), 2);
        place.server.refuse(Refusal {
            headers: vec![("retry-after", "3600".into())],
            of: "",
            times: usize::MAX,
            ..busy
        });
        let begin = Instant::now();
        let failed = place.transport().stat(&place.remote()).await.unwrap_err().failure;
        assert_eq!(failed.kind, FailureKind::Network);
        assert!(failed.detail.contains("3600 s") && failed.detail.contains("fewer requests"), "{failed}");
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}

/// What really is wrong, found out by the server itself: the key, the secret, the bucket, and a file without a key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_settings_are_told_by_the_real_server() {
    let place = place();
    for (text, kind) in [
        (StoreServer::credentials().replace("AKIA", "AKIB"), FailureKind::Auth),
        (StoreServer::credentials().replace("secret-of", "secret-off"), FailureKind::Auth),
        ("[default]\n".to_owned(), FailureKind::Auth),
        ("[other]\naws_access_key_id = x\naws_secret_access_key = y\n".to_owned(), FailureKind::Auth),
    ] {
        fs::write(place.path("credentials"), &text).unwrap();
        let failed = place.push().await.unwrap_err().failure;
        assert_eq!(failed.kind, kind, "{text}: {failed}");
        assert!(!failed.to_string().contains("secret-of"), "{failed}");
    }
    fs::write(place.path("credentials"), StoreServer::credentials()).unwrap();
    let elsewhere = place.transport_with(|bucket, _| bucket.bucket = "nobody".into());
    let failed = place.push_by(&elsewhere).await.unwrap_err().failure;
    assert_eq!(failed.kind, FailureKind::Config, "{failed}");
    assert!(elsewhere.inquire().await.is_err());
    assert!(place.transport().inquire().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_is_the_networks() {
    let place = place();
    for endpoint in ["http://127.0.0.1:1", "http://nobody.invalid:9000", "https://127.0.0.1:1"] {
        let transport = place.transport_with(|bucket, _| bucket.endpoint = Some(endpoint.into()));
        let failed = place.push_by(&transport).await.unwrap_err().failure;
        assert_eq!(failed.kind, FailureKind::Network, "{endpoint}: {failed}");
        assert_eq!(failed.effect, Effect::NotApplied, "{endpoint}: {failed}");
    }
}

/// A server that speaks no TLS where it should: not trusted, or not understood, and never spoken to in clear.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_should_be_encrypted_is_never_sent_in_clear() {
    let place = place();
    let endpoint = place.server.endpoint().replace("http:", "https:");
    let transport = place.transport_with(|bucket, _| bucket.endpoint = Some(endpoint));
    let failed = place.push_by(&transport).await.unwrap_err().failure;
    assert!(matches!(failed.kind, FailureKind::Network | FailureKind::Auth), "{failed}");
    assert!(place.server.asked().is_empty());
}

/// The connection is cut in the middle of a push: what follows goes over a new one, or the next push ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_costs_no_evidence() {
    let place = place();
    let large = vec![5; 20 << 20];
    place.write(&[("large", &large)]);
    let proxy = Proxy::start(place.server.address(), Duration::ZERO).await;
    let endpoint = format!("http://{}", proxy.address());
    let transport = place.transport_with(|bucket, _| bucket.endpoint = Some(endpoint));
    for pieces in [3, 20, 60, 150] {
        proxy.cut_after(pieces, verisim_testkit::doubles::Phase::Before);
        if let Err(failed) = place.push_by(&transport).await {
            assert_eq!(failed.failure.kind, FailureKind::Network, "{failed}");
        }
    }
    place.push_by(&transport).await.unwrap();
    assert_eq!(crate::common::read_tree(&place.path("run")), {
        let mut there = crate::common::read_tree(&place.there());
        there.retain(|path, _| !path.starts_with(".verisim"));
        there
    });
}

/// A page of a listing, as a store that lies has it.
fn page(key: &str, more: &str) -> Refusal {
    let body = format!(
        "<?xml version=\"1.0\"?><ListBucketResult><Name>vault</Name><IsTruncated>true</IsTruncated>\
         <NextContinuationToken>again</NextContinuationToken><Contents><Key>{key}</Key>\
         <LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>\"x\"</ETag><Size>5</Size></Contents>{more}\
         </ListBucketResult>"
    );
    Refusal { status: 200, body, of: "GET /vault?", ..Refusal::of_s3(200, "") }
}

/// Whatever a store lists, a pass ends with a failure, in time and in bounded memory, and names nothing outside.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_7_a_store_that_lies_is_found_out() {
    let place = place();
    place.push().await.unwrap();
    for (lie, kind) in [
        (page("lab/run/a", ""), FailureKind::Unsupported),
        (page("lab/run/.verisim/owner", ""), FailureKind::Unsupported),
        (page("lab/run/../../../etc/passwd", ""), FailureKind::Unknown),
        (page("elsewhere/a", ""), FailureKind::Unknown),
        (page("l", ""), FailureKind::Unknown),
        (page("lab/run/a", &"<CommonPrefixes/>".repeat(1 << 20)), FailureKind::Unknown),
        (Refusal { status: 200, body: "<ListBucketResult><".into(), ..page("", "") }, FailureKind::Unknown),
        (Refusal { status: 204, body: String::new(), ..page("", "") }, FailureKind::Unknown),
    ] {
        let shown: String = lie.body.chars().take(150).collect();
        place.server.refuse(lie);
        let hashes = place.transport().hashsum(&place.remote(), &place.push_options()).await.unwrap();
        let mut failures = hashes.files.filter_map(|file| std::future::ready(file.err()));
        let found = tokio::time::timeout(Duration::from_secs(20), failures.next()).await.unwrap();
        assert_eq!(found.map(|error| error.failure.kind), Some(kind), "{shown}");
        place.server.relent();
    }
}

/// A store without conditional writes, and one that takes no writes at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_can_do_less_is_made_do_with() {
    let place = place();
    place.server.refuse(Refusal {
        of: "PUT /vault/.verisim-destination",
        times: 1,
        ..Refusal::of_s3(501, "NotImplemented")
    });
    place.push().await.unwrap();
    place.server.refuse(Refusal { of: "PUT", ..Refusal::of_s3(403, "AccessDenied") });
    place.write(&[("new", b"new")]);
    let failed = place.push().await.unwrap_err().failure;
    assert_eq!((failed.kind, failed.effect), (FailureKind::Denied, Effect::Unknown), "{failed}");
}
