//! A session from one decoy to another: over the connection that the first one's connector dials.

use std::net::SocketAddr;
use std::time::Duration;

use crate::decoy::SshDecoy;
use verisim_connect::WayIn;
use verisim_core::{ByteCount, Connector};
use verisim_ssh::{Command, Error, Login, SeenKeys, Session};
use verisim_testkit::decoy_under_test::answer;
use verisim_testkit::sshd::{Sshd, SshdOptions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_spoken_over_what_a_decoy_dials() {
    let start = || Sshd::start(SshdOptions::default());
    let (Some(from), Some(to)) = (start(), start()) else { return };
    let decoy = SshDecoy::behind(from, WayIn::Sftp, false).await;
    let at = SocketAddr::from(([127, 0, 0, 1], to.port()));
    let login = Login {
        host: "to".into(),
        user: "root".into(),
        identities: vec![to.key()],
        passphrase: None,
        password: None,
        version: None,
        time_max: Duration::from_secs(20),
    };
    let seen = SeenKeys::default();
    let stream = answer(decoy.connector.dial(at)).await.unwrap();
    let greeted = answer(Session::greet(stream, login.clone(), &seen)).await.unwrap();
    assert!(greeted.version().starts_with(b"SSH-2.0-OpenSSH"));
    let session = answer(greeted.log_in()).await.unwrap();
    let command = Command {
        line: b"echo here; exit 4".to_vec(),
        stdin: bytes::Bytes::new(),
        time_max: Duration::from_secs(20),
        output_max: ByteCount(100),
    };
    let output = answer(session.run(&command)).await.unwrap();
    assert_eq!((output.code, &output.stdout[..]), (Some(4), &b"here\n"[..]));
    session.close().await;
    let stream = answer(decoy.connector.dial(at)).await.unwrap();
    let stranger = Login { identities: vec![to.stranger()], ..login };
    let refused = answer(Session::greet(stream, stranger, &seen)).await.unwrap().log_in().await;
    assert!(matches!(refused, Err(Error::Refused { offered: 1, .. })), "{refused:?}");
    let log = std::fs::read_to_string(to.folder().join("log")).unwrap();
    assert!(log.contains("Accepted publickey for root"), "{log}");
    assert!(log.contains("Received disconnect from"), "it was left as clients leave: {log}");
}
