//! Logins over a connection that somebody else made, to a server that the tests make: who is let in, who is believed.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::server::{Auth, Config, Handler, Response, Session as Serving, run_stream};
use russh::{ChannelId, MethodKind, MethodSet, SshId};
use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
use verisim_core::{ByteCount, FailureKind};
use verisim_ssh::{Command, Error, Login, Secret, SeenKeys, Session, Target};

const PASSWORD: &str = "correct horse";

/// How the server lets somebody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    /// A password.
    Password,
    /// The answer to one hidden question, as PAM asks it, and then none.
    OneAnswer,
    /// The answer to a question that shows what is typed.
    AName,
    /// The answers to two hidden questions.
    TwoAnswers,
    /// A password, and then the answer to a question.
    Both,
}

#[derive(Clone)]
struct Server {
    wants: Wants,
    /// Every secret that the client gave away.
    given: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(wants: Wants) -> Self {
        Self { wants, given: Arc::default() }
    }

    /// Serves one connection with the host key of this number; answers the client's end.
    fn serve(&self, key: u8) -> DuplexStream {
        let pair = Ed25519Keypair::from_seed(&[key; 32]);
        let methods = match self.wants {
            Wants::Password | Wants::Both => MethodKind::Password,
            _ => MethodKind::KeyboardInteractive,
        };
        let config = Config {
            server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-OpenSSH_9.9 Test")),
            auth_rejection_time: Duration::ZERO,
            keys: vec![PrivateKey::from(pair)],
            methods: MethodSet::from([methods, MethodKind::PublicKey].as_slice()),
            ..Config::default()
        };
        let (ours, theirs) = duplex(64 * 1024);
        let handler = self.clone();
        tokio::spawn(async move {
            if let Ok(session) = run_stream(Arc::new(config), theirs, handler).await {
                let _ = session.await;
            }
        });
        ours
    }

    fn judge(&self, given: &str) -> Auth {
        self.given.lock().unwrap().push(given.to_owned());
        if given == PASSWORD { Auth::Accept } else { Auth::reject() }
    }
}

fn ask(prompts: &'static [(Cow<'static, str>, bool)]) -> Auth {
    Auth::Partial { name: "".into(), instructions: "".into(), prompts: prompts.into() }
}

impl Handler for Server {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        assert_eq!(user, "maria");
        assert!(matches!(self.wants, Wants::Password | Wants::Both), "it was not asked for");
        Ok(match (self.wants, self.judge(password)) {
            (Wants::Both, Auth::Accept) => Auth::Reject {
                proceed_with_methods: Some(MethodSet::from([MethodKind::KeyboardInteractive].as_slice())),
                partial_success: true,
            },
            (_, answer) => answer,
        })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        const HIDDEN: &[(Cow<'static, str>, bool)] = &[(Cow::Borrowed("Password: "), false)];
        const SHOWN: &[(Cow<'static, str>, bool)] = &[(Cow::Borrowed("Name: "), true)];
        const TWO: &[(Cow<'static, str>, bool)] =
            &[(Cow::Borrowed("Password: "), false), (Cow::Borrowed("Code: "), false)];
        let Some(response) = response else {
            return Ok(ask(match self.wants {
                Wants::AName => SHOWN,
                Wants::TwoAnswers => TWO,
                _ => HIDDEN,
            }));
        };
        let given: Vec<String> = response.map(|one| String::from_utf8(one.to_vec()).unwrap()).collect();
        Ok(match given.as_slice() {
            [] => Auth::Accept,
            [one] => match self.judge(one) {
                Auth::Accept => ask(&[]),
                answer => answer,
            },
            _ => Auth::reject(),
        })
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

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        line: &[u8],
        session: &mut Serving,
    ) -> Result<(), russh::Error> {
        session.channel_success(channel)?;
        session.data(channel, line.to_vec())?;
        session.exit_status_request(channel, 3)?;
        session.close(channel)
    }
}

fn login(password: &str) -> Login {
    Login {
        host: "web01".into(),
        user: "maria".into(),
        identities: Vec::new(),
        passphrase: None,
        password: Some(Secret::new(password.into())),
        version: None,
        time_max: Duration::from_secs(20),
    }
}

async fn log_in(server: &Server, password: &str) -> verisim_ssh::Result<Session> {
    let stream = server.serve(1);
    Session::greet(stream, login(password), &SeenKeys::default()).await?.log_in().await
}

#[tokio::test]
async fn a_password_lets_us_in_and_a_command_is_run() {
    let server = Server::new(Wants::Password);
    let greeted = Session::greet(server.serve(1), login(PASSWORD), &SeenKeys::default()).await.unwrap();
    assert_eq!(greeted.version(), b"SSH-2.0-OpenSSH_9.9 Test");
    assert!(!format!("{greeted:?}").contains(PASSWORD));
    let session = greeted.log_in().await.unwrap();
    assert_eq!(session.version(), b"SSH-2.0-OpenSSH_9.9 Test");
    assert!(session.host_key().is_some_and(|key| key.starts_with("SHA256:")));
    let command = Command {
        line: b"uptime".to_vec(),
        stdin: bytes::Bytes::new(),
        time_max: Duration::from_secs(20),
        output_max: ByteCount(4),
    };
    let output = session.run(&command).await.unwrap();
    assert_eq!((output.code, &output.stdout[..]), (Some(3), &b"upti"[..]));
    session.close().await;
}

#[tokio::test]
async fn inv_8_a_password_that_is_refused_is_told_and_not_shown() {
    let server = Server::new(Wants::Password);
    let error = log_in(&server, "wrong").await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Auth);
    let told = error.to_string();
    assert!(told.contains("the password does not let us in") && !told.contains("wrong"), "{told}");
    assert_eq!(*server.given.lock().unwrap(), ["wrong"], "it is given once");
}

#[tokio::test]
async fn a_question_that_hides_its_answer_is_answered_with_the_password_once() {
    let server = Server::new(Wants::OneAnswer);
    log_in(&server, PASSWORD).await.unwrap();
    assert_eq!(*server.given.lock().unwrap(), [PASSWORD]);
    let server = Server::new(Wants::OneAnswer);
    assert!(matches!(log_in(&server, "wrong").await, Err(Error::Refused { .. })));
}

#[tokio::test]
async fn inv_8_what_is_no_question_for_a_password_is_not_answered_with_it() {
    for wants in [Wants::AName, Wants::TwoAnswers] {
        let server = Server::new(wants);
        let refused = log_in(&server, PASSWORD).await;
        assert!(matches!(refused, Err(Error::Refused { .. })), "{wants:?}: {refused:?}");
        assert!(server.given.lock().unwrap().is_empty(), "{wants:?}");
    }
}

#[tokio::test]
async fn a_server_that_wants_a_second_proof_is_told_as_such() {
    let server = Server::new(Wants::Both);
    let told = log_in(&server, PASSWORD).await.unwrap_err().to_string();
    assert!(told.contains("a second one"), "{told}");
}

#[tokio::test]
async fn the_first_key_that_a_host_shows_is_believed_and_no_other_after_it() {
    let (server, seen) = (Server::new(Wants::Password), SeenKeys::default());
    let greet = |key, host: &str| {
        Session::greet(server.serve(key), Login { host: host.into(), ..login(PASSWORD) }, &seen)
    };
    greet(1, "web01").await.unwrap();
    greet(1, "web01").await.unwrap();
    greet(2, "web02").await.unwrap();
    let error = greet(2, "web01").await.unwrap_err();
    assert!(matches!(&error, Error::HostKeyOther { host, .. } if host == "web01"), "{error}");
    assert_eq!(error.kind(), FailureKind::Auth);
    assert!(server.given.lock().unwrap().is_empty());
    greet(1, "web01").await.unwrap();
    let another_run = SeenKeys::default();
    Session::greet(server.serve(2), login(PASSWORD), &another_run).await.unwrap();
}

/// A host that was set up anew is believed once a person accepted its new key, without a new start of whoever visits it.
#[tokio::test]
async fn another_key_is_believed_once_a_person_wrote_it_down() {
    let (server, seen) = (Server::new(Wants::Password), SeenKeys::default());
    let held = tempfile::tempdir().unwrap();
    let file = held.path().join("known_hosts");
    let target = Target { port: 2222, known_hosts: vec![file.clone()], ..Target::new("192.0.2.7", "root") };
    seen.vouched_by("web01", &target);
    let greet = |key| Session::greet(server.serve(key), login(PASSWORD), &seen);
    greet(1).await.unwrap();
    assert!(matches!(greet(2).await, Err(Error::HostKeyOther { .. })), "nobody vouches for it");
    let line = |key: u8| {
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&[key; 32]));
        format!("[192.0.2.7]:2222 {}\n", key.public_key().to_openssh().unwrap())
    };
    std::fs::write(&file, line(3)).unwrap();
    assert!(matches!(greet(2).await, Err(Error::HostKeyOther { .. })), "it is another one that was accepted");
    std::fs::write(&file, line(2)).unwrap();
    greet(2).await.unwrap();
    assert!(matches!(greet(1).await, Err(Error::HostKeyOther { .. })), "the old one is the other one now");
    greet(2).await.unwrap();
}

#[tokio::test]
async fn the_version_that_is_asked_for_is_shown_if_it_is_one() {
    let (ours, mut theirs) = duplex(4096);
    let version = Some("SSH-2.0-PuTTY_Release_0.81".to_owned());
    let seen = SeenKeys::default();
    let greeting = Session::greet(ours, Login { version, ..login("x") }, &seen);
    let reading = async {
        let mut line = [0; 28];
        theirs.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"SSH-2.0-PuTTY_Release_0.81\r\n");
        drop(theirs);
    };
    let (greeted, ()) = tokio::join!(greeting, reading);
    assert!(matches!(greeted, Err(Error::HungUp { .. })));
    for version in ["", "PuTTY", "SSH-2.0-a\r\nb", &format!("SSH-2.0-{}", "x".repeat(300))] {
        let login = Login { version: Some(version.into()), ..login("x") };
        let greeted = Session::greet(duplex(64).0, login, &seen).await;
        assert!(matches!(greeted, Err(Error::Handshake { .. })), "{version:?}");
    }
}

#[tokio::test]
async fn a_host_that_says_nothing_or_talks_without_end_is_given_up() {
    let hasty = || Login { time_max: Duration::from_millis(300), ..login("x") };
    let (ours, _theirs) = duplex(4096);
    let error = Session::greet(ours, hasty(), &SeenKeys::default()).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    let (ours, mut theirs) = duplex(4096);
    let talking = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        while theirs.write_all(b"no version\r\n").await.is_ok() {}
    });
    let greeted = Session::greet(ours, login("x"), &SeenKeys::default()).await;
    assert!(greeted.is_err());
    talking.await.unwrap();
}
