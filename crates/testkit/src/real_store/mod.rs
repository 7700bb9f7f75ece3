//! An S3 server over a folder whose sub-folders are its buckets. The protocol is that of `s3s`: signatures, clocks, conditions
//! and XML are checked and written by it; what an object is, is a file.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what a test prepares fails by panicking")]

mod listing;
mod shelf;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::{TcpListener, TcpStream};

use shelf::Shelf;

/// What is answered instead of what is right.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// Headers beside it.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// Which requests it is for: the method and the path, as `PUT /vault/lab`, must begin like this.
    pub of: &'static str,
    /// How many of them.
    pub times: usize,
}

impl Refusal {
    /// An error as S3 writes it, to every request.
    #[must_use]
    pub fn of_s3(status: u16, code: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>said by the test</Message>\
             <Token-0>sesame-sesame</Token-0><RequestId>1</RequestId></Error>"
        );
        Self { status, headers: Vec::new(), body, of: "", times: usize::MAX }
    }
}

#[derive(Default)]
struct Script {
    refusals: Mutex<Vec<Refusal>>,
    asked: Mutex<Vec<String>>,
}

/// A running server. It ends when it is dropped.
pub struct StoreServer {
    address: SocketAddr,
    script: Arc<Script>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl std::fmt::Debug for StoreServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreServer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl StoreServer {
    /// The access key that it lets in.
    pub const ACCESS_KEY: &str = "AKIAVERISIMTEST";
    /// Its secret.
    pub const SECRET_KEY: &str = "secret-of-the-test-server";

    /// What XML does not carry in names, for rclone.
    pub const ENCODING: &str = "Slash,Ctl,Del,InvalidUtf8,Dot";

    /// Starts one over `folder`. What is not an object yet is kept beside it.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        let mut builder = S3ServiceBuilder::new(Shelf::new(folder));
        builder.set_auth(SimpleAuth::from_single(Self::ACCESS_KEY, Self::SECRET_KEY));
        let (service, script) = (builder.build(), Arc::<Script>::default());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.unwrap();
        let listener = runtime.block_on_here(TcpListener::bind("127.0.0.1:0"));
        let address = listener.local_addr().unwrap();
        runtime.spawn(serve(listener, service, Arc::clone(&script)));
        Self { address, script, runtime: Some(runtime) }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address, for clients.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it answers this, before everything that it was told earlier.
    ///
    /// # Panics
    /// When another thread panicked meanwhile.
    pub fn refuse(&self, refusal: Refusal) {
        self.script.refusals.lock().unwrap().insert(0, refusal);
    }

    /// From now on it answers what is right.
    ///
    /// # Panics
    /// When another thread panicked meanwhile.
    pub fn relent(&self) {
        self.script.refusals.lock().unwrap().clear();
    }

    /// What it was asked since this was asked last: methods and paths.
    ///
    /// # Panics
    /// When another thread panicked meanwhile.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.script.asked.lock().unwrap())
    }

    /// A section of `rclone.conf` that leads to it.
    #[must_use]
    pub fn section(&self, name: &str) -> String {
        format!(
            "[{name}]\ntype = s3\nprovider = Other\nregion = us-east-1\naccess_key_id = {}\nsecret_access_key = {}\n\
             endpoint = {}\nforce_path_style = true\nencoding = {}\n",
            Self::ACCESS_KEY,
            Self::SECRET_KEY,
            self.endpoint(),
            Self::ENCODING,
        )
    }

    /// A file of credentials that it lets in.
    #[must_use]
    pub fn credentials() -> String {
        format!(
            "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            Self::ACCESS_KEY,
            Self::SECRET_KEY
        )
    }
}

impl Drop for StoreServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A runtime may not wait for another one on the thread that it runs on.
trait BlockOnHere {
    fn block_on_here<T: Send + 'static>(
        &self,
        work: impl Future<Output = std::io::Result<T>> + Send + 'static,
    ) -> T;
}

impl BlockOnHere for tokio::runtime::Runtime {
    fn block_on_here<T: Send + 'static>(
        &self,
        work: impl Future<Output = std::io::Result<T>> + Send + 'static,
    ) -> T {
        let (send, receive) = std::sync::mpsc::channel();
        self.spawn(async move {
            let _ = send.send(work.await);
        });
        receive.recv().expect("the server's runtime runs").unwrap()
    }
}

async fn serve(listener: TcpListener, service: S3Service, script: Arc<Script>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, service.clone(), Arc::clone(&script)));
    }
}

async fn answer(stream: TcpStream, service: S3Service, script: Arc<Script>) {
    let _ = stream.set_nodelay(true);
    let answering = service_fn(move |request: Request<Incoming>| {
        let (service, script) = (service.clone(), Arc::clone(&script));
        async move {
            if let Some(refusal) = script.next(&request) {
                return Ok(refused(&refusal));
            }
            let answer = service.call(request.map(Body::from)).await;
            Ok::<_, Infallible>(answer.unwrap_or_else(|_| refused(&Refusal::of_s3(500, "InternalError"))))
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answering).await;
}

impl Script {
    /// What is answered to a request instead.
    fn next(&self, request: &Request<Incoming>) -> Option<Refusal> {
        let asked = format!("{} {}", request.method(), request.uri());
        let mut refusals = self.refusals.lock().unwrap();
        let found = refusals.iter_mut().find(|it| it.times > 0 && asked.starts_with(it.of));
        self.asked.lock().unwrap().push(asked);
        let found = found?;
        found.times -= 1;
        Some(found.clone())
    }
}

fn refused(refusal: &Refusal) -> Response<Body> {
    let mut response = Response::builder().status(refusal.status);
    for (name, value) in &refusal.headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(refusal.body.clone())).unwrap()
}
