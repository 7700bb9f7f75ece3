//! An engine that wants certificates.

use std::path::{Path, PathBuf};
use std::process::Command;

use verisim_connect::{Engine, EngineAddress, TlsFiles};
use verisim_core::{Effect, FailureKind};
use verisim_testkit::RealEngine;

fn openssl(dir: &Path, line: &str) {
    #[expect(clippy::disallowed_methods, reason = "certificates are made by the program for that")]
    let made = Command::new("openssl").args(line.split(' ')).current_dir(dir).output().unwrap();
    assert!(made.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&made.stderr));
}

/// An authority, and what it signed for a server on the loopback and for a client.
fn certificates(dir: &Path) {
    let new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -batch";
    openssl(dir, &format!("{new} -x509 -days 2 -subj /CN=authority -keyout ca.key -out ca.pem"));
    for (name, more) in [("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")]
    {
        openssl(dir, &format!("{new} -subj /CN={name} -addext {more} -keyout {name}.key -out {name}.csr"));
        openssl(
            dir,
            &format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -copy_extensions copy -out {name}.pem"
            ),
        );
    }
}

fn files(authority: &Path, own: &Path) -> TlsFiles {
    let at = |dir: &Path, name: &str| -> PathBuf { dir.join(name) };
    TlsFiles {
        authority: at(authority, "ca.pem"),
        certificate: at(own, "client.pem"),
        key: at(own, "client.key"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_both_sides_must_fit() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certificates(ours.path());
    certificates(theirs.path());
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let at = |name: &str| ours.path().join(name).display().to_string();
    let host = format!("127.0.0.1:{port}");
    let (authority, certificate, key) = (at("ca.pem"), at("server.pem"), at("server.key"));
    let options =
        ["--tlsverify", "--tlscacert", &authority, "--tlscert", &certificate, "--tlskey", &key, "--host"];
    let listen = format!("tcp://{host}");
    let Some(_real) = RealEngine::start_with(&[&options[..], &[&listen]].concat()) else { return };
    let connect = |files| Engine::connect(EngineAddress::Tls(host.clone(), files));

    let engine = connect(files(ours.path(), ours.path())).await.unwrap();
    assert!(!engine.is_here());
    assert!(engine.containers().await.unwrap().is_empty());
    for (what, files) in [
        ("an authority that did not sign the engine's", files(theirs.path(), ours.path())),
        ("a certificate that the engine's authority did not sign", files(ours.path(), theirs.path())),
    ] {
        let failure = connect(files).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.effect),
            (FailureKind::Auth, Effect::NotApplied),
            "{what}: {failure}"
        );
    }
    let missing = TlsFiles { authority: "/no/such/file".into(), ..files(ours.path(), ours.path()) };
    assert_eq!(connect(missing).await.unwrap_err().kind, FailureKind::Config);
}
