//! What a page names: found by its attributes, without a parser of HTML. A link that is missed is no harm; one that leads
//! away from the host is never gone to.

use std::net::SocketAddr;

/// The longest path that is asked for, and the most that are taken from one page.
const PATH_BYTES_MAX: usize = 512;
const FOUND_MAX: usize = 128;
/// The longest tag that is read.
const TAG_BYTES_MAX: usize = 4096;
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

/// What a page at `base` names on the same host, in its order, each once. No byte of the page is looked at more than a few
/// times, whatever it holds.
pub(super) fn scan(html: &[u8], base: &str, place: &Place) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    for tag in tags(html) {
        if all.len() >= FOUND_MAX {
            break;
        }
        let name = tag.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        let (kind, attribute) = match () {
            () if is("a") => (Kind::Link, "href"),
            () if is("link") => (Kind::Resource, "href"),
            () if is("img") || is("script") => (Kind::Resource, "src"),
            () => continue,
        };
        let found = value(tag, attribute).and_then(|to| resolve(&to, base, place));
        let is_wanted =
            |path: &String| if kind == Kind::Resource { !is_deed(path) } else { is_harmless(path) };
        if let Some(path) = found.filter(is_wanted) {
            let found = Found { kind, path };
            if !all.contains(&found) {
                all.push(found);
            }
        }
    }
    all
}

/// What stands between `<` and `>`, one after the other. What is not closed within a tag's length is none.
fn tags(html: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut from, mut open_until) = (0, 0);
    std::iter::from_fn(move || {
        loop {
            let start = from + memchr::memchr(b'<', &html[from..])? + 1;
            let end = html.len().min(start + TAG_BYTES_MAX);
            // What was searched for the tag before is not searched again.
            let rest = start.max(open_until).min(end);
            match memchr::memchr(b'>', &html[rest..end]) {
                Some(length) => {
                    from = rest + length + 1;
                    return html.get(start..rest + length);
                }
                None => (from, open_until) = (start, end),
            }
        }
    })
}

/// Whether a path may be gone to by somebody who only looks.
pub(super) fn is_harmless(path: &str) -> bool {
    !path.contains('?') && !is_deed(path)
}

fn is_deed(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    DEEDS.iter().any(|deed| path.contains(deed))
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

    /// Each of these made a page of a mebibyte cost minutes, when every `<` was searched to the end.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
    fn a_page_made_to_be_slow_is_read_in_no_time() {
        const LENGTH: usize = 1 << 20;
        let lone = vec![b'<'; LENGTH];
        let closed = [&lone[1..], b">"].concat();
        let links = b"<a href".repeat(LENGTH / 7);
        let all_links = [&links[..], b">"].concat();
        let values = b"<a href=x href=".repeat(LENGTH / 15);
        let begun = std::time::Instant::now();
        for html in [lone, closed, links, all_links, values] {
            assert!(scan(&html, "/", &place()).len() <= 1);
        }
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    }

    #[test]
    fn a_tag_is_read_after_one_that_is_not_closed() {
        let html = [b"<b ".as_slice(), &[b'x'; TAG_BYTES_MAX], b"<a href=/one><<a href=/two><a href=/do?it>"]
            .concat();
        let found: Vec<_> = scan(&html, "/", &place()).into_iter().map(|it| it.path).collect();
        assert_eq!(found, ["/one"]);
    }
}
