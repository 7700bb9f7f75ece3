//! A bucket, for one test: a capture, a state folder, a file of credentials.

use std::fs;
use std::ops::Deref;

use verisim_core::{Pushed, TransportError};
use verisim_sync::{ObjectOptions, ObjectTransport, S3Bucket, Store};
use verisim_testkit::real_store::StoreServer;

use crate::common::bucket::{BUCKETS, Ground};

pub struct Place {
    /// Goes before its folders do.
    pub server: StoreServer,
    ground: Ground,
}

impl Place {
    pub fn new() -> Self {
        let ground = Ground::new();
        fs::write(ground.path("credentials"), StoreServer::credentials()).unwrap();
        let server = StoreServer::start(&ground.path(BUCKETS));
        Self { server, ground }
    }

    pub fn bucket(&self) -> S3Bucket {
        S3Bucket {
            bucket: "vault".into(),
            region: "us-east-1".into(),
            endpoint: Some(self.server.endpoint()),
            virtual_host: false,
            credentials: Some(self.path("credentials")),
            profile: None,
        }
    }

    pub fn transport(&self) -> ObjectTransport {
        self.transport_with(|_, _| {})
    }

    pub fn transport_with(&self, change: impl FnOnce(&mut S3Bucket, &mut ObjectOptions)) -> ObjectTransport {
        let mut bucket = self.bucket();
        let mut options = ObjectOptions::new(Store::S3(bucket.clone()), "");
        change(&mut bucket, &mut options);
        options.store = Store::S3(bucket);
        ObjectTransport::new(options, self.known(), crate::common::clock())
    }

    pub async fn push(&self) -> Result<Pushed, TransportError> {
        self.push_by(&self.transport()).await
    }
}

impl Deref for Place {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}
