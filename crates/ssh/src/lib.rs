//! One SSH client, for everything of Verisim that speaks SSH: who a host is (`ssh_config`, `known_hosts`), one connection to
//! it that is kept and made anew when it breaks, and on it SFTP, commands and forwarded connections.
//!
//! The other side is not trusted: every answer is bounded in bytes and time, an answer that nobody asked for ends the
//! session, and what a server says reaches people only as printable text.
//!
//! SFTP is spoken by this crate itself (`sftp`), version 3, as OpenSSH has it. Names are bytes there, many requests are
//! under way at once, and a server that lies about lengths, ids or counts is found out; a library that takes names as
//! `String` and waits for each answer can do none of these.

mod accept;
mod auth;
mod client;
mod config;
mod error;
mod exec;
mod handler;
mod heard;
mod known_hosts;
mod login;
mod meet;
mod pattern;
mod quote;
mod session;
pub mod sftp;
mod target;

pub use accept::{HostKey, accept_host_key, fetch_host_key, replace_host_key};
pub use auth::check_identity;
pub use client::Client;
pub use config::{ClientConfig, ConfigError};
pub use error::{Error, Result};
pub use exec::{Command, Output, Running, Said};
pub use known_hosts::{KnownHosts, KnownKey, Verdict};
pub use login::{Greeted, Login, SeenKeys};
pub use quote::quote;
pub use session::Session;
pub use target::{HostKeyPolicy, Secret, Target};
