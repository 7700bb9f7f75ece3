//! The control socket: how the command line reaches a running daemon, and what it can ask.
//!
//! [`Operator`] answers; [`Server`] and [`Client`] carry its questions and answers over a Unix socket as JSON lines. Where no
//! daemon runs, the command line asks an [`Operator`] of its own.

mod ask;
mod change;
mod client;
mod gate;
mod ledger;
mod operator;
mod protocol;
mod server;
mod syncs;
mod view;
mod why;

pub use client::{Client, ClientError, Stream};
pub use operator::{Asked, Operator};
pub use protocol::{
    Answer, Call, GateDecision, JobQuery, LINE_BYTES_MAX, PROTOCOL_VERSION, Refusal, RefusalKind, Release,
    Reply, Request, RetryQuery, SOCKET_NAME,
};
pub use server::{Server, ServerParts};
pub use syncs::RETRIED_STATES;
pub(crate) use view::has_settled;
pub use view::{AwayView, DecoyView, JobView, LedgerView, RunningView, StatusView};
pub use why::{PastView, WhyView};
