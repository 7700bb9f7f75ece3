//! What a page names: found by its attributes, without a parser of HTML. A link that is missed is no harm; one that leads
//! away from the host is never gone to.

use std::net::SocketAddr;

/// The longest path that is asked for, and the most that are taken from one page.
const PATH_BYTES_MAX: usize = 512;
const FOUND_MAX: usize = 128;
/// Words in a path that speak of doing something: a visitor looks, and touches nothing.
const DEEDS: [&str; 9] =
    ["logout", "logoff", "signout", "delete", "remove", "destroy", "reset", "shutdown", "unsubscribe"];

/// Where a visit is.
pub(super) struct Place {
    pub(super) is_tls: bool,
    /// As it stands in the `Host` header: with the port where that is not the usual one.
    pub(super) host: String,
    pub(super) name: String,
    pub(super) address: SocketAddr,
}

/// Something that a page names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) path: String,
}

/// What it is to the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A browser fetches it at once.
    Resource,
    /// A person may go there.
    Link,
}

/// What a page at `base` names on the same host, in its order, each once.
pub(super) fn scan(html: &[u8], base: &str, place: &Place) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    for tag in memchr::memchr_iter(b'<', html).map(|at| &html[at + 1..]) {
        if all.len() >= FOUND_MAX {
            break;
        }
        let tag = &tag[..memchr::memchr(b'>', tag).unwrap_or(0).min(4096)];
        let name = tag.split(u8::is_ascii_whitespace).next().unwrap_or_default().to_ascii_lowercase();
        let (kind, attribute) = match name.as_slice() {
            b"a" => (Kind::Link, "href"),
            b"link" => (Kind::Resource, "href"),
            b"img" | b"script" => (Kind::Resource, "src"),
            _ => continue,
        };
        let found = value(tag, attribute).and_then(|to| resolve(&to, base, place));
        if let Some(path) = found.filter(|path| kind == Kind::Resource || is_harmless(path)) {
            let found = Found { kind, path };
            if !all.contains(&found) {
                all.push(found);
            }
        }
    }
    all
}

fn is_harmless(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    !path.contains('?') && !DEEDS.iter().any(|deed| path.contains(deed))
}

/// The value of an attribute, in quotes of either kind or bare.
fn value(tag: &[u8], attribute: &str) -> Option<String> {
    let lower = tag.to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = memchr::memmem::find(&lower[from..], attribute.as_bytes()) {
        let (start, end) = (from + at, from + at + attribute.len());
        from = end;
        let is_word = start > 0 && lower[start - 1].is_ascii_whitespace();
        let Some(rest) = tag[end..].trim_ascii_start().strip_prefix(b"=").filter(|_| is_word) else {
            continue;
        };
        let rest = rest.trim_ascii_start();
        let value = match rest.first()? {
            quote @ (b'"' | b'\'') => rest[1..].split(|byte| byte == quote).next()?,
            _ => rest.split(|byte| byte.is_ascii_whitespace()).next()?,
        };
        return Some(String::from_utf8_lossy(value).trim().replace("&amp;", "&"));
    }
    None
}

/// The path that a reference means at `base`; `None` where it leads to another host, scheme or port, or is nothing that can
/// be asked for.
pub(super) fn resolve(reference: &str, base: &str, place: &Place) -> Option<String> {
    let reference = reference.split('#').next()?;
    let own = if place.is_tls { "https:" } else { "http:" };
    let local = match reference.split_once("//") {
        Some((scheme, rest)) if scheme.is_empty() || scheme.eq_ignore_ascii_case(own) => {
            let (host, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
            let by_address = place.address.to_string();
            let usual = place.address.port() == if place.is_tls { 443 } else { 80 };
            let is_here = host.eq_ignore_ascii_case(&place.host)
                || host == by_address
                || (usual
                    && (host.eq_ignore_ascii_case(&place.name) || host == place.address.ip().to_string()));
            if !is_here {
                return None;
            }
            if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
        }
        _ if reference.is_empty() => return None,
        _ if reference.split(['/', '?']).next()?.contains(':') => return None,
        _ if reference.starts_with('/') => reference.to_owned(),
        _ => {
            let base = base.split('?').next()?;
            let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{reference}")
        }
    };
    let (path, query) =
        local.split_once('?').map_or((local.as_str(), None), |(path, query)| (path, Some(query)));
    let mut whole = normal(path);
    if let Some(query) = query {
        whole.push('?');
        whole.push_str(query);
    }
    let is_askable = whole.len() <= PATH_BYTES_MAX && whole.bytes().all(|byte| byte.is_ascii_graphic());
    is_askable.then_some(whole)
}

/// A path without `.` and `..`, as a browser writes it.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').skip(1) {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let folder = matches!(path.rsplit('/').next(), Some("." | ".."));
    let end = if folder && parts.last().is_some_and(|part| !part.is_empty()) { "/" } else { "" };
    format!("/{}{end}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        let address = SocketAddr::from(([192, 0, 2, 7], 8080));
        Place { is_tls: false, host: "web01:8080".into(), name: "web01".into(), address }
    }

    #[test]
    fn references_stay_on_the_host() {
        for (reference, expected) in [
            ("/a/b", Some("/a/b")),
            ("c?d=1#e", Some("/x/c?d=1")),
            ("../c", Some("/c")),
            ("../../../../etc", Some("/etc")),
            ("./", Some("/x/")),
            ("..", Some("/")),
            ("http://web01:8080/q", Some("/q")),
            ("http://web01:8080", Some("/")),
            ("//192.0.2.7:8080/q", Some("/q")),
            ("http://web01/q", None),
            ("https://web01:8080/q", None),
            ("http://evil.example/q", None),
            ("//evil.example", None),
            ("http://web01:8080@evil.example/", None),
            ("javascript:alert(1)", None),
            ("mailto:a@example.org", None),
            ("", None),
            ("#top", None),
            ("/with blank", None),
            ("/a\r\nHost: evil", None),
        ] {
            assert_eq!(resolve(reference, "/x/y", &place()).as_deref(), expected, "{reference}");
        }
    }

    #[test]
    fn a_page_names_what_belongs_to_it_and_where_one_may_go() {
        let html = b"<LINK rel=x HREF='/s.css'><script data-src=no src=a.js></script><img alt=\"<\" src=\"i.png\">\
            <a class=x href=\"/next\">n</a><a href=/logout>out</a><a href='/next'>again</a><a href=\"http://e.example/\">\
            <a name=x><a href";
        let found: Vec<_> = scan(html, "/", &place()).into_iter().map(|it| (it.kind, it.path)).collect();
        assert_eq!(
            found,
            [
                (Kind::Resource, "/s.css".to_owned()),
                (Kind::Resource, "/a.js".to_owned()),
                (Kind::Resource, "/i.png".to_owned()),
                (Kind::Link, "/next".to_owned()),
            ]
        );
    }
}
