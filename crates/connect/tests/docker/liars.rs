//! An engine that lies: it sends without end, or less than it says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use verisim_connect::Engine;
use verisim_core::{Effect, FailureKind};

/// More than any answer may have, by far: what is taken beyond the bound is what lies on the way.
const TAKEN_BYTES_MAX: u64 = 96 * 1024 * 1024;

/// Answers every request with `head`, and then with `piece` again and again. Counts what was taken.
async fn liar(head: &'static str, piece: Vec<u8>) -> (Engine, Arc<AtomicU64>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let taken = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&taken);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (piece, counted) = (piece.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(head.as_bytes()).await;
                while stream.write_all(&piece).await.is_ok() {
                    counted.fetch_add(piece.len() as u64, Ordering::Relaxed);
                }
            });
        }
    });
    (Engine::at(address.parse().unwrap()).with_patience(Duration::from_secs(60)), taken)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_7_an_answer_without_end_is_cut_off() {
    let spaces = vec![b' '; 64 * 1024];
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000000000\r\n\r\n[",
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Endless: ",
    ] {
        let (engine, taken) = liar(head, spaces.clone()).await;
        let failure = engine.containers().await.unwrap_err();
        assert_eq!(failure.effect, Effect::NotApplied, "{head:?}: {failure}");
        assert_eq!(failure.kind, FailureKind::Network, "{head:?}: {failure}");
        let taken = taken.load(Ordering::Relaxed);
        assert!(taken < TAKEN_BYTES_MAX, "{head:?}: {taken} bytes were taken");
    }
    // One event that never ends, and many small ones, which are taken as they come.
    let (engine, taken) =
        liar("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"x\": \"", spaces).await;
    let mut events = Box::pin(engine.events());
    let told = events.next().await.unwrap();
    assert_eq!(told.unwrap_err().kind, FailureKind::Network);
    assert!(taken.load(Ordering::Relaxed) < TAKEN_BYTES_MAX);
    let event = br#"{"Type":"container","Action":"start","Actor":{"ID":"a","Attributes":{"name":"b"}}}"#;
    let events = [&event[..], b"\n"].concat().repeat(500);
    let (engine, _) = liar("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", events).await;
    let told = engine.events().take(20_000).filter(|event| std::future::ready(event.is_ok())).count().await;
    assert_eq!(told, 20_000, "more than one event may have in all");
}
