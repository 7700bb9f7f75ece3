//! Connections between decoys: what a plan says of one, and what a decoy offers.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::DecoyName;

/// A connection that leaves from the decoy. Everything that is said on it stands here, but for secrets, so that a plan
/// explains itself and a session can be compared with the log of the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// The decoy it goes to.
    pub to: DecoyName,
    /// What is spoken.
    pub protocol: TrafficProtocol,
    /// The port; `None` for the one that the other decoy offers the protocol at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Who sits at this end.
    #[serde(default, skip_serializing_if = "TrafficStyle::is_default")]
    pub style: TrafficStyle,
    /// How this end names itself where the protocol has a word for it: the `User-Agent` of HTTP, the name in SMTP's
    /// `EHLO`, the version of SSH. `None` for what is usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The account that is logged in to, where its secret is known; without one the session goes as far as it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// What is asked for, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<TrafficAsk>,
    /// How many links of what was got are followed, on the same host.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub follow: u8,
}

impl Traffic {
    /// A connection without anything asked.
    #[must_use]
    pub const fn new(to: DecoyName, protocol: TrafficProtocol) -> Self {
        Self {
            to,
            protocol,
            port: None,
            style: TrafficStyle::Script,
            agent: None,
            login: None,
            asks: Vec::new(),
            follow: 0,
        }
    }
}

impl fmt::Display for Traffic {
    /// Where it goes and what is spoken: `web01 port 8080, http`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to)?;
        if let Some(port) = self.port.filter(|port| Some(*port) != self.protocol.usual_port()) {
            write!(f, " port {port}")?;
        }
        write!(f, ", {}", self.protocol)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// One thing that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficAsk {
    /// A path (HTTP), a statement (MySQL), a command line (SSH), or a command (SMTP, IMAP).
    pub ask: String,
    /// How long nothing is said before it, in milliseconds.
    #[serde(default, skip_serializing_if = "is_no_pause")]
    pub pause_ms: u32,
}

impl TrafficAsk {
    /// The pause before it.
    #[must_use]
    pub const fn pause(&self) -> Duration {
        Duration::from_millis(self.pause_ms as u64)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_no_pause(pause_ms: &u32) -> bool {
    *pause_ms == 0
}

/// Who sits at this end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrafficStyle {
    /// A program that asks for what it was told to, and for nothing else.
    #[default]
    Script,
    /// A person at a program that fetches what a page needs, and follows links after a while.
    Person,
}

impl TrafficStyle {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    const fn is_default(&self) -> bool {
        matches!(self, Self::Script)
    }
}

/// What is spoken over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrafficProtocol {
    /// SSH.
    Ssh,
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// MySQL.
    Mysql,
    /// SMTP.
    Smtp,
    /// IMAP.
    Imap,
    /// SMB.
    Smb,
    /// A bare TCP connection.
    Tcp,
}

impl TrafficProtocol {
    /// Every protocol, for tables and tests.
    pub const ALL: [Self; 8] =
        [Self::Ssh, Self::Http, Self::Https, Self::Mysql, Self::Smtp, Self::Imap, Self::Smb, Self::Tcp];

    /// The name on the wire.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Http => "http",
            Self::Https => "https",
            Self::Mysql => "mysql",
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Smb => "smb",
            Self::Tcp => "tcp",
        }
    }

    /// The port that it has by the registry of IANA; `None` for a bare connection, which has none.
    #[must_use]
    pub const fn usual_port(self) -> Option<u16> {
        match self {
            Self::Ssh => Some(22),
            Self::Http => Some(80),
            Self::Https => Some(443),
            Self::Mysql => Some(3306),
            Self::Smtp => Some(25),
            Self::Imap => Some(143),
            Self::Smb => Some(445),
            Self::Tcp => None,
        }
    }
}

impl fmt::Display for TrafficProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.wire())
    }
}

/// Something that a decoy offers and that a connection can be made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Service {
    /// What is spoken.
    pub protocol: TrafficProtocol,
    /// At which port.
    pub port: u16,
}

impl Service {
    /// The service that a word of the configuration means: `ssh`, `mysql`, `http:8080`, `tcp:9000`, or a usual name of a
    /// server (`mariadb`, `samba`). `None` for what no connection is made to.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let (name, port) = match word.split_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok().filter(|port| *port != 0)?)),
            None => (word, None),
        };
        let protocol = match name {
            "ssh" | "sftp" => TrafficProtocol::Ssh,
            "http" | "web" => TrafficProtocol::Http,
            "https" => TrafficProtocol::Https,
            "mysql" | "mariadb" => TrafficProtocol::Mysql,
            "smtp" => TrafficProtocol::Smtp,
            "imap" => TrafficProtocol::Imap,
            "smb" | "samba" | "cifs" => TrafficProtocol::Smb,
            "tcp" => TrafficProtocol::Tcp,
            _ => return None,
        };
        Some(Self { protocol, port: port.or(protocol.usual_port())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_read_by_name_and_port() {
        let service = |protocol, port| Some(Service { protocol, port });
        assert_eq!(Service::parse("ssh"), service(TrafficProtocol::Ssh, 22));
        assert_eq!(Service::parse("mariadb:3307"), service(TrafficProtocol::Mysql, 3307));
        assert_eq!(Service::parse("tcp:9000"), service(TrafficProtocol::Tcp, 9000));
        for word in ["tcp", "gopher", "http:", "http:0", "http:99999", "http:80:80", ""] {
            assert_eq!(Service::parse(word), None, "{word}");
        }
    }

    #[test]
    fn the_wire_name_is_what_serde_writes() {
        for protocol in TrafficProtocol::ALL {
            assert_eq!(serde_json::to_string(&protocol).unwrap(), format!("\"{protocol}\""));
        }
    }

    #[test]
    fn what_was_planned_before_there_were_asks_is_still_read() {
        let bare = r#"{"to":"files01","protocol":"http"}"#;
        let traffic: Traffic = serde_json::from_str(bare).unwrap();
        assert_eq!(traffic, Traffic::new("files01".parse().unwrap(), TrafficProtocol::Http));
        assert_eq!(serde_json::to_string(&traffic).unwrap(), bare);
    }
}
