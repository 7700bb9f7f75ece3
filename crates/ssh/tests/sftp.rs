//! SFTP with a server that stops answering.

use std::sync::Arc;
use std::time::Duration;

use russh::ChannelId;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::server::{Auth, Config, Handler, Session as Serving, run_stream};
use tokio::io::{DuplexStream, duplex};
use verisim_core::FailureKind;
use verisim_ssh::sftp::Sftp;
use verisim_ssh::{Login, Secret, SeenKeys, Session};

/// Lets everybody in, says its version of SFTP, and nothing after that.
struct Silent;

impl Silent {
    fn serve() -> DuplexStream {
        let config = Config {
            auth_rejection_time: Duration::ZERO,
            keys: vec![PrivateKey::from(Ed25519Keypair::from_seed(&[1; 32]))],
            inactivity_timeout: None,
            ..Config::default()
        };
        let (ours, theirs) = duplex(64 * 1024);
        tokio::spawn(async move {
            if let Ok(session) = run_stream(Arc::new(config), theirs, Self).await {
                let _ = session.await;
            }
        });
        ours
    }
}

impl Handler for Silent {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, _: &str) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: russh::Channel<russh::server::Msg>,
        reply: russh::server::ChannelOpenHandle,
        _: &mut Serving,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        session: &mut Serving,
    ) -> Result<(), russh::Error> {
        session.channel_success(channel)?;
        session.data(channel, vec![0, 0, 0, 5, 2, 0, 0, 0, 3])
    }
}

#[tokio::test(start_paused = true)]
async fn inv_7_of_requests_that_wait_together_each_is_given_up_when_the_server_falls_silent() {
    let login = Login {
        host: "web01".into(),
        user: "maria".into(),
        identities: Vec::new(),
        passphrase: None,
        password: Some(Secret::new("correct horse".into())),
        version: None,
        time_max: Duration::from_secs(20),
    };
    let met = Session::greet(Silent::serve(), login, &SeenKeys::default()).await.unwrap();
    let session = met.log_in().await.unwrap();
    let sftp = Sftp::open(&session).await.unwrap();
    let together = async { tokio::join!(sftp.stat(b"/a"), sftp.stat(b"/b"), sftp.stat(b"/c")) };
    let (first, second, third) = tokio::time::timeout(Duration::from_secs(60), together).await.unwrap();
    for answer in [first, second, third] {
        assert_eq!(answer.unwrap_err().kind(), FailureKind::Network);
    }
    assert!(sftp.stat(b"/d").await.is_err(), "nothing more is asked of it");
}
