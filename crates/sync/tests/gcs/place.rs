//! A bucket, for one test: a capture, a state folder, credentials.

use std::ops::Deref;
use std::path::PathBuf;

use verisim_core::{Pushed, TransportError};
use verisim_sync::{ObjectOptions, ObjectTransport, Store};
use verisim_testkit::real_gcs::{Caller, GcsServer};

use crate::common::bucket::{BUCKETS, Ground};

/// What a request has in it that sends the third part of a file, and one for the second page of a listing.
pub const PART: &str = "partNumber=3";
pub const PAGE: &str = "pageToken";

pub struct Place {
    /// Goes before its folders do.
    pub server: GcsServer,
    ground: Ground,
}

impl Place {
    pub fn new() -> Option<Self> {
        let ground = Ground::new();
        let server = GcsServer::start(&ground.path(BUCKETS))?;
        Some(Self { server, ground })
    }

    pub fn transport(&self) -> ObjectTransport {
        self.transport_of(Caller::Writer)
    }

    pub fn transport_of(&self, caller: Caller) -> ObjectTransport {
        let credentials = self.server.credentials(self.scratch.path(), caller);
        self.transport_to("vault", self.server.endpoint(), credentials)
    }

    pub fn transport_to(&self, bucket: &str, endpoint: String, credentials: PathBuf) -> ObjectTransport {
        let store =
            Store::Gcs { bucket: bucket.into(), endpoint: Some(endpoint), credentials: Some(credentials) };
        ObjectTransport::new(ObjectOptions::new(store, ""), self.known(), crate::common::clock())
    }

    pub async fn push(&self) -> Result<Pushed, TransportError> {
        self.push_by(&self.transport()).await
    }

    /// The parts of an upload that came to nothing were given up.
    pub fn require_given_up(&self) {
        let is_end = |asked: &String| asked.starts_with("DELETE") && asked.contains("uploadId");
        assert!(self.server.asked().iter().any(is_end));
    }
}

impl Deref for Place {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}
