//! A container, for one test: a capture, a state folder, a key.

use std::ops::Deref;

use verisim_core::{Pushed, TransportError};
use verisim_ssh::Secret;
use verisim_sync::{KnownDestination, ObjectOptions, ObjectTransport, Store};
use verisim_testkit::real_azure::{ACCOUNT, AzureServer, KEY};

use crate::common::bucket::{BUCKETS, Ground};

/// What a request has in it that sends a part of a file, and one for the second page of a listing.
pub const PART: &str = "comp=block&";
pub const PAGE: &str = "marker=";

pub struct Place {
    /// Goes before its folders do.
    pub server: AzureServer,
    ground: Ground,
}

impl Place {
    pub fn new() -> Option<Self> {
        let ground = Ground::new();
        let server = AzureServer::start(&ground.path(BUCKETS))?;
        Some(Self { server, ground })
    }

    pub fn transport(&self) -> ObjectTransport {
        self.transport_to("vault", self.server.endpoint(), KEY)
    }

    pub fn transport_to(&self, container: &str, endpoint: String, key: &str) -> ObjectTransport {
        self.transport_that(self.known(), container, endpoint, key)
    }

    /// Another machine's, which knows nothing of the destination and would mark it in its own way.
    pub fn transport_of_another(&self) -> ObjectTransport {
        let known = KnownDestination::new(self.path("other-known"), "another");
        self.transport_that(known, "vault", self.server.endpoint(), KEY)
    }

    fn transport_that(
        &self,
        known: KnownDestination,
        container: &str,
        endpoint: String,
        key: &str,
    ) -> ObjectTransport {
        let key = Some(Secret::new(key.to_owned()));
        let store = Store::Azblob { container: container.into(), account: ACCOUNT.into(), endpoint, key };
        ObjectTransport::new(ObjectOptions::new(store, ""), known, crate::common::clock())
    }

    pub async fn push(&self) -> Result<Pushed, TransportError> {
        self.push_by(&self.transport()).await
    }

    /// Parts that no list names go away by themselves: Azure has no request that gives them up.
    pub fn require_given_up(&self) {}
}

impl Deref for Place {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}
