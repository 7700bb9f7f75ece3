//! Real servers: what they write into their own logs is what was planned. Blocking calls are the test's own preparations.

use verisim_core::{Effect, FailureKind, TrafficProtocol, TrafficStyle};
use verisim_testkit::doubles::DirectDial;
use verisim_testkit::{LOGIN, RealServer};

use crate::stage::{Stage, plan};

#[tokio::test]
async fn a_browser_reads_pages_fetches_what_belongs_to_them_and_follows_links() {
    let Some(nginx) = RealServer::nginx() else { return };
    let stage = Stage::new();
    let mut visit = plan(TrafficProtocol::Http, nginx.port(), &["/"]);
    (visit.style, visit.agent, visit.follow) = (TrafficStyle::Person, Some("Firefox of the test".into()), 2);
    let seen = stage.visit(visit).await.unwrap();
    assert_eq!((seen.status, seen.requests), (Some(200), Some(5)), "{seen:?}");
    assert!(seen.banner.unwrap().starts_with("nginx"));
    assert!(seen.sent_bytes > 500 && seen.received_bytes > 500);
    assert_eq!(stage.connector.dials(), 1, "the connection is kept");
    let log = nginx.log_with(&["GET /team.html"]);
    let lines: Vec<&str> = log.lines().collect();
    let expected = [
        ("GET /", 200, "-"),
        ("GET /style.css", 200, "/"),
        ("GET /favicon.ico", 404, "/"),
        ("GET /about.html", 200, "/"),
        ("GET /team.html", 200, "/about.html"),
    ];
    assert_eq!(lines.len(), expected.len(), "{log}");
    for (line, (request, status, from)) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("http web01 {request} HTTP/1.1 {status} ")), "{line}");
        let from = if from == "-" { from.to_owned() } else { format!("http://web01:{}{from}", nginx.port()) };
        assert!(line.contains(&format!("\"{from}\" \"Firefox of the test\"")), "{line}");
    }
}

#[tokio::test]
async fn a_script_asks_for_what_it_was_told_to_and_stays_on_the_host() {
    let Some(nginx) = RealServer::nginx() else { return };
    let stage = Stage::new();
    let seen = stage
        .visit(plan(TrafficProtocol::Http, nginx.port(), &["/", "/old", "/away", "/round"]))
        .await
        .unwrap();
    assert_eq!(seen.status, Some(200));
    let log = nginx.log_with(&["GET /round"]);
    let paths: Vec<&str> = log.lines().map(|line| line.split(' ').nth(3).unwrap()).collect();
    let mut expected = vec!["/", "/old", "/about.html", "/away"];
    expected.extend(["/round"; 6]);
    assert_eq!(paths, expected);
    assert!(log.contains("\"curl/"), "{log}");
}

#[tokio::test]
async fn https_is_spoken_whoever_signed_the_certificate() {
    let Some(nginx) = RealServer::nginx() else { return };
    let seen = Stage::new()
        .visit(plan(TrafficProtocol::Https, nginx.second_port(), &["/about.html"]))
        .await
        .unwrap();
    assert_eq!((seen.status, seen.requests), (Some(200), Some(1)));
    let log = nginx.log_with(&["https web01 GET /about.html HTTP/1.1 200"]);
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[tokio::test]
async fn mysql_is_logged_in_to_and_asked() {
    let Some(mariadb) = RealServer::mariadb() else { return };
    let asks =
        ["select @@version_comment limit 1", "SHOW DATABASES", "SELECT nothing FROM nowhere", "SELECT NOW()"];
    let mut visit = plan(TrafficProtocol::Mysql, mariadb.port(), &asks);
    visit.login = Some(LOGIN.into());
    let seen = Stage::new().visit(visit.clone()).await.unwrap();
    assert_eq!((seen.login.as_deref(), seen.requests), (Some(LOGIN), Some(4)), "{seen:?}");
    assert!(seen.banner.unwrap().contains("MariaDB"));
    assert!(
        seen.spoken[0].ends_with(": 1 rows") && seen.spoken[2].contains(": error 1"),
        "{:?}",
        seen.spoken
    );
    let log = mariadb.log_with(&["Connect\tann@127.0.0.1", asks[0], asks[1], asks[3], "Quit"]);
    assert!(!log.contains("Access denied"), "{log}");

    // Without an account the greeting is all there is; with a wrong password the failure is final.
    visit.login = None;
    let seen = Stage::new().visit(visit.clone()).await.unwrap();
    assert_eq!((seen.login, seen.requests), (None, Some(0)));
    visit.login = Some(LOGIN.into());
    let refused = Stage::with(DirectDial::new(), "wrong").visit(visit).await.unwrap_err();
    assert_eq!((refused.kind, refused.effect), (FailureKind::Auth, Effect::NotApplied), "{refused}");
    let _ = mariadb.log_with(&["Access denied for user 'ann'@'127.0.0.1'"]);
}

#[tokio::test]
async fn imap_is_logged_in_to_and_looked_at() {
    let Some(dovecot) = RealServer::dovecot() else { return };
    let mut visit = plan(
        TrafficProtocol::Imap,
        dovecot.port(),
        &["STATUS INBOX (MESSAGES UNSEEN)", "EXAMINE INBOX", "DELETE INBOX"],
    );
    visit.login = Some(LOGIN.into());
    let seen = Stage::new().visit(visit.clone()).await.unwrap();
    assert_eq!((seen.login.as_deref(), seen.requests), (Some(LOGIN), Some(5)), "{seen:?}");
    let _ = dovecot.log_with(&["Login: user=<ann>", "Logged out"]);
    let said = seen.spoken.join("\n");
    assert!(said.contains("EXAMINE INBOX: OK") && said.contains("DELETE INBOX: not said"), "{said}");
    assert!(!said.contains("horse"), "INV-8: {said}");
    let refused = Stage::with(DirectDial::new(), "wrong").visit(visit).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Auth);
}

#[tokio::test]
async fn smtp_is_greeted() {
    let Some(exim) = RealServer::exim() else { return };
    let seen = Stage::new()
        .visit(plan(TrafficProtocol::Smtp, exim.port(), &["NOOP", "MAIL FROM:<x@y>"]))
        .await
        .unwrap();
    assert_eq!((seen.status, seen.requests), (Some(220), Some(3)), "{seen:?}");
    assert!(seen.banner.unwrap().starts_with("220 mail01 ESMTP Exim"));
    let log = exim.log_with(&["C=EHLO,NOOP,QUIT"]);
    assert!(log.contains("(desk01)"), "it has a name for itself: {log}");
}

#[tokio::test]
async fn ssh_without_an_account_goes_as_far_as_the_versions() {
    let Some(sshd) = RealServer::sshd() else { return };
    let seen = Stage::new().visit(plan(TrafficProtocol::Ssh, sshd.port(), &[])).await.unwrap();
    assert!(seen.banner.unwrap().starts_with("SSH-2.0-OpenSSH"));
    let _ = sshd.log_with(&["Connection from 127.0.0.1", "Connection closed by 127.0.0.1"]);
    // A bare connection to the same port hears the version too.
    let bare = Stage::new().visit(plan(TrafficProtocol::Tcp, sshd.port(), &[])).await.unwrap();
    assert!(bare.banner.unwrap().starts_with("SSH-2.0-OpenSSH"));
    assert_eq!(bare.sent_bytes, 0);
}
