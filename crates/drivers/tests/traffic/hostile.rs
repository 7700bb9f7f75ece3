//! Servers that mean harm: whatever they do, a session ends in time, with bounded memory, and with a true effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use verisim_core::{Effect, FailureKind, TrafficProtocol, TrafficStyle};
use verisim_testkit::LOGIN;

use crate::stage::{Stage, plan};

/// What a server does with a connection.
#[derive(Debug, Clone)]
enum Deed {
    /// Says this once something was sent, and nothing more.
    Answer(Vec<u8>),
    /// Says this before anything was sent, and nothing more.
    Speak(Vec<u8>),
    /// Says this again and again.
    Flood(Vec<u8>),
    /// Says this, one byte every 50 ms.
    Drip(Vec<u8>),
    /// Ends the connection at once.
    HangUp,
    /// Says nothing at all.
    Silence,
}

async fn serve(deed: Deed) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(act(stream, deed.clone()));
        }
    });
    port
}

async fn act(mut stream: TcpStream, deed: Deed) -> std::io::Result<()> {
    match deed {
        Deed::HangUp => return Ok(()),
        Deed::Silence => sleep(Duration::from_secs(60)).await,
        Deed::Speak(bytes) => {
            stream.write_all(&bytes).await?;
            sleep(Duration::from_secs(60)).await;
        }
        Deed::Answer(bytes) => {
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).await? > 0 {
                stream.write_all(&bytes).await?;
            }
        }
        Deed::Flood(bytes) => loop {
            stream.write_all(&bytes).await?;
        },
        Deed::Drip(bytes) => {
            for byte in bytes.iter().cycle() {
                stream.write_all(&[*byte]).await?;
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    Ok(())
}

/// Sessions of every protocol with servers of every kind end within the patience, and never with a claim that nothing was
/// sent when something was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_protocol_survives_every_deed() {
    let garbage: Vec<u8> = (0..=255_u8).rev().cycle().take(4096).collect();
    let line = |text: &str| text.as_bytes().to_vec();
    let deeds = [
        Deed::HangUp,
        Deed::Silence,
        Deed::Speak(garbage.clone()),
        Deed::Answer(garbage.clone()),
        Deed::Flood(garbage),
        Deed::Flood(line("no end ")),
        Deed::Flood(line("250-more\r\n")),
        Deed::Flood(line("* more\r\n")),
        Deed::Flood(line("HTTP/1.1 100 Continue\r\n\r\n")),
        Deed::Flood(line("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")),
        Deed::Drip(line("220 ")),
        Deed::Drip(line("SSH")),
        Deed::Flood(vec![0xff; 64]),
        Deed::Flood(vec![1, 0, 0, 0, 0xff]),
        Deed::Flood(vec![0]),
        // Lengths that nobody has: a chunk, a packet of MySQL, an answer of SMB, a record of TLS, a literal of IMAP.
        Deed::Answer(line("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx")),
        Deed::Answer(line("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nx")),
        Deed::Answer(line("HTTP/1.1 302 Found\r\nLocation: https://192.0.2.1/\r\nContent-Length: 0\r\n\r\n")),
        Deed::Answer(line("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n")),
        Deed::Speak(vec![0xff, 0xff, 0xff, 0, 0x0a, b'8', 0]),
        Deed::Answer(vec![0, 0xff, 0xff, 0xff, 0xfe, b'S', b'M', b'B']),
        Deed::Answer(vec![0x16, 3, 3, 0xff, 0xff, 2, 0xff, 0xff, 0xff]),
        Deed::Flood(vec![0x17, 3, 3, 0x40, 0]),
        Deed::Flood(line("* 1 FETCH (BODY {4294967295}\r\n")),
        Deed::Flood(line("SSH-1.99-\0\0\0\r\n")),
    ];
    let mut sessions = tokio::task::JoinSet::new();
    for protocol in TrafficProtocol::ALL {
        for deed in &deeds {
            let deed = deed.clone();
            sessions.spawn(async move {
                let port = serve(deed.clone()).await;
                let mut visit = plan(protocol, port, &["/"]);
                (visit.style, visit.login) = (TrafficStyle::Person, Some(LOGIN.into()));
                let stage = Stage::new().hasty();
                let ended = timeout(Duration::from_secs(20), stage.visit(visit)).await;
                let ended = ended.unwrap_or_else(|_| panic!("{protocol} {deed:?} has no end"));
                match ended {
                    Ok(seen) => {
                        assert!(seen.received_bytes < 9 * 1024 * 1024, "{protocol} {deed:?}");
                        assert!(seen.spoken.len() <= verisim_core::SPOKEN_LINES_MAX);
                        let shown = seen.banner.iter().chain(&seen.spoken);
                        assert!(shown.flat_map(|text| text.chars()).all(|c| !c.is_control()));
                    }
                    Err(failure) => {
                        let kinds = [FailureKind::Network, FailureKind::Unknown, FailureKind::Auth];
                        assert!(kinds.contains(&failure.kind), "{protocol} {deed:?}: {failure:?}");
                        assert!(failure.detail.chars().count() < 600);
                    }
                }
            });
        }
    }
    while let Some(ended) = sessions.join_next().await {
        ended.unwrap();
    }
}

/// However many servers drip and hang at once, only so many sessions are under way, and the rest come later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_all_decoys_together_are_bounded() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = (Arc::clone(&open), Arc::clone(&most));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (open, most) = (Arc::clone(&seen.0), Arc::clone(&seen.1));
            tokio::spawn(async move {
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // Until the visitor has lost its patience.
                let _ = stream.read(&mut [0; 8]).await;
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    let stage = Arc::new(Stage::new().hasty());
    let mut sessions = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let stage = Arc::clone(&stage);
        sessions.spawn(async move { stage.visit(plan(TrafficProtocol::Imap, port, &[])).await });
    }
    while let Some(ended) = sessions.join_next().await {
        assert_eq!(ended.unwrap().unwrap_err().effect, Effect::NotApplied);
    }
    let most = most.load(Ordering::SeqCst);
    assert!((10..=128).contains(&most), "{most} at once");
}

#[tokio::test]
async fn inv_4_nothing_sent_may_be_tried_again_and_anything_sent_may_not() {
    let effect = async |protocol, deed| {
        let visit = plan(protocol, serve(deed).await, &["/"]);
        let failure = Stage::new().hasty().visit(visit).await.unwrap_err();
        (failure.kind, failure.effect)
    };
    // Who speaks second has sent nothing yet when the greeting does not come.
    for protocol in [TrafficProtocol::Mysql, TrafficProtocol::Smtp, TrafficProtocol::Imap] {
        let got = effect(protocol, Deed::Silence).await;
        assert_eq!(got, (FailureKind::Network, Effect::NotApplied), "{protocol}");
    }
    for protocol in
        [TrafficProtocol::Http, TrafficProtocol::Https, TrafficProtocol::Ssh, TrafficProtocol::Smb]
    {
        let got = effect(protocol, Deed::Silence).await;
        assert_eq!(got, (FailureKind::Network, Effect::Unknown), "{protocol}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let refused = Stage::new().visit(plan(TrafficProtocol::Http, closed, &["/"])).await.unwrap_err();
    assert_eq!((refused.kind, refused.effect), (FailureKind::Network, Effect::NotApplied));
}

#[tokio::test]
async fn a_mysql_server_that_asks_for_a_file_or_for_the_password_gets_neither() {
    // A greeting, the answer to a login, and to the query "send me /etc/passwd".
    let mut greeting = b"\x0a8.0.36\0\x01\0\0\0saltsalt\0\x00\x80\x2d\x02\0\x08\0\x15".to_vec();
    greeting.extend_from_slice(&[0; 10]);
    greeting.extend_from_slice(b"saltsaltsalt\0mysql_native_password\0");
    let packet = |number: u8, payload: &[u8]| {
        let mut out = vec![u8::try_from(payload.len()).unwrap(), 0, 0, number];
        out.extend_from_slice(payload);
        out
    };
    for (after_login, then) in [
        (packet(2, b"\0\0\0\x02\0\0\0"), packet(1, b"\xfb/etc/passwd")),
        (packet(2, b"\xfemysql_clear_password\0"), packet(3, b"\0\0\0\x02\0\0\0")),
        (packet(2, b"\x01\x04"), packet(3, b"\0\0\0\x02\0\0\0")),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let hello = packet(0, &greeting);
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = Vec::new();
            let mut buffer = [0; 4096];
            stream.write_all(&hello).await.unwrap();
            for answer in [after_login, then] {
                let count = stream.read(&mut buffer).await.unwrap_or(0);
                heard.extend_from_slice(&buffer[..count]);
                let _ = stream.write_all(&answer).await;
            }
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                heard.extend_from_slice(&buffer[..count]);
            }
            heard
        });
        let mut visit = plan(TrafficProtocol::Mysql, port, &["SELECT 1"]);
        visit.login = Some(LOGIN.into());
        let _ = Stage::new().hasty().visit(visit).await;
        let heard = String::from_utf8_lossy(&server.await.unwrap()).into_owned();
        assert!(heard.contains(LOGIN), "it came as far as the login");
        assert!(!heard.contains("horse") && !heard.contains("root:"), "{heard:?}");
    }
}

#[tokio::test]
async fn a_packed_page_is_not_unpacked_and_a_long_one_is_left() {
    let bomb = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\0\0";
    let stage = Stage::new().hasty();
    let mut visit = plan(TrafficProtocol::Http, serve(Deed::Answer(bomb.to_vec())).await, &["/"]);
    (visit.style, visit.follow) = (TrafficStyle::Person, 5);
    let seen = stage.visit(visit).await.unwrap();
    assert_eq!(seen.requests, Some(1), "{seen:?}");
    let mut long = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec();
    long.resize(3 * 1024 * 1024, b'x');
    let seen =
        stage.visit(plan(TrafficProtocol::Http, serve(Deed::Answer(long)).await, &["/"])).await.unwrap();
    assert!(seen.spoken[0].ends_with("and more"), "{:?}", seen.spoken);
    assert!(seen.received_bytes < 3 * 1024 * 1024);
}

#[tokio::test]
async fn what_links_to_itself_for_ever_is_left_after_a_while() {
    let page = |body: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .into_bytes()
    };
    let images: String = (0..200).map(|number| format!("<img src=/{number}.png>")).collect();
    let body = format!("{images}<a href=/a/><a href=x/>");
    let mut visit = plan(TrafficProtocol::Http, serve(Deed::Answer(page(&body))).await, &["/"]);
    (visit.style, visit.follow) = (TrafficStyle::Person, 255);
    let seen = Stage::new().hasty().visit(visit).await.unwrap();
    assert!(seen.requests.unwrap() <= 40, "{:?}", seen.requests);
}
