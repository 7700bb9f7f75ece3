//! HTTP and HTTPS: what a browser or a script fetches, over connections that are kept.

mod page;
mod response;

use std::collections::BTreeSet;
use std::time::Duration;

use verisim_core::{Digest, TrafficAsk, TrafficStyle};

use super::limits::{REDIRECTS_MAX, REQUESTS_MAX, RESOURCES_MAX};
use super::talk::Talk;
use super::tls;
use super::trouble::Trouble;
use super::wire::Wire;
use page::{Kind, Place};
use response::Response;

/// What a script calls itself, and a browser, when the plan names nothing.
const SCRIPT: &str = "curl/7.88.1";
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
/// How long a person looks at a page at the least before the next one.
const LOOK_MIN: Duration = Duration::from_millis(900);

pub(super) async fn speak(talk: &mut Talk<'_>, is_tls: bool) -> Result<(), Trouble> {
    let usual = if is_tls { 443 } else { 80 };
    let (name, port) = (talk.plan.to.as_str(), talk.address.port());
    let host = if port == usual { name.to_owned() } else { format!("{name}:{port}") };
    let place = Place { is_tls, host, name: name.to_owned(), address: talk.address };
    let mut visit = Visit { talk, place, wire: None, fetched: BTreeSet::new() };
    let asks: &[TrafficAsk] = &visit.talk.plan.asks;
    if asks.is_empty() {
        visit.page("/", None).await?;
    }
    let mut last: Option<Page> = None;
    for ask in asks {
        if !visit.talk.pause(ask).await {
            break;
        }
        last = visit.page(&ask.ask, last.as_ref().map(|page| page.path.as_str())).await?;
    }
    for step in 0..visit.talk.plan.follow {
        let Some(page) = last else { break };
        let Some(link) = visit.choose(&page, step) else { break };
        // A person reads before clicking: as long as before the last thing that was planned, or a moment.
        let pause = asks.last().map_or(LOOK_MIN, TrafficAsk::pause);
        if !visit.talk.wait(pause.max(LOOK_MIN)).await {
            break;
        }
        last = visit.page(&link, Some(&page.path)).await?;
    }
    if let Some(wire) = visit.wire.take() {
        wire.close().await;
    }
    Ok(())
}

/// One visit to a host.
struct Visit<'v, 'a> {
    talk: &'v mut Talk<'a>,
    place: Place,
    /// The connection that is kept, where there is one.
    wire: Option<Wire>,
    /// What was fetched already: a browser has it in its cache.
    fetched: BTreeSet<String>,
}

/// A page that was got.
struct Page {
    path: String,
    links: Vec<String>,
}

impl<'a> Visit<'_, 'a> {
    /// Gets a page, and as a browser what belongs to it. `None` where there is no page.
    async fn page(&mut self, path: &str, from: Option<&str>) -> Result<Option<Page>, Trouble> {
        let Some((path, response)) = self.get(path, from).await? else { return Ok(None) };
        let found = response.page().map(|html| page::scan(html, &path, &self.place)).unwrap_or_default();
        if self.talk.plan.style == TrafficStyle::Person {
            let resources = found.iter().filter(|found| found.kind == Kind::Resource);
            let mut resources: Vec<String> = resources.map(|found| found.path.clone()).collect();
            resources.truncate(RESOURCES_MAX);
            if response.page().is_some() && !self.fetched.contains("/favicon.ico") {
                resources.push("/favicon.ico".to_owned());
            }
            for resource in resources {
                if !self.fetched.contains(&resource) {
                    self.get(&resource, Some(&path)).await?;
                }
            }
        }
        let links = found.into_iter().filter(|found| found.kind == Kind::Link).map(|found| found.path);
        Ok(Some(Page { links: links.collect(), path }))
    }

    /// Gets one thing, following redirects on the same host. `None` where the session has asked enough.
    async fn get(&mut self, path: &str, from: Option<&str>) -> Result<Option<(String, Response)>, Trouble> {
        let mut path = path.to_owned();
        for _ in 0..=REDIRECTS_MAX {
            if self.talk.requests >= REQUESTS_MAX {
                return Ok(None);
            }
            let response = self.ask(&path, from).await?;
            self.fetched.insert(path.clone());
            self.talk.status(u32::from(response.status));
            if let Some(server) = &response.server {
                self.talk.greeted(server);
            }
            let bytes = response.body.len();
            let more = if response.whole { "" } else { " and more" };
            self.talk.answered(&format!("GET {path}: {}, {bytes} bytes{more}", response.status));
            match response.location.as_deref().map(|to| page::resolve(to, &path, &self.place)) {
                None => return Ok(Some((path, response))),
                Some(Some(next)) if page::is_harmless(&next) => path = next,
                Some(Some(_)) => {
                    self.talk
                        .note("redirected to something that may do more than show, which is not gone to");
                    return Ok(Some((path, response)));
                }
                Some(None) => {
                    self.talk.note("redirected to another place, which is not gone to");
                    return Ok(Some((path, response)));
                }
            }
        }
        self.talk.note("redirected in circles");
        Ok(None)
    }

    /// Asks once; over a new connection where the kept one turns out to be gone before anything came back.
    async fn ask(&mut self, path: &str, from: Option<&str>) -> Result<Response, Trouble> {
        let request = self.request(path, from);
        if let Some(wire) = self.wire.take() {
            match self.exchange(wire, &request).await {
                Err(Trouble::Ended | Trouble::Broken(_)) => {}
                answered => return answered,
            }
        }
        let stream = Box::new(self.talk.dial().await?);
        let wire = if self.place.is_tls {
            Wire::new(tls::over(self.talk, stream).await?, self.talk.limits.answer)
        } else {
            Wire::new(stream, self.talk.limits.answer)
        };
        self.exchange(wire, &request).await
    }

    async fn exchange(&mut self, mut wire: Wire, request: &str) -> Result<Response, Trouble> {
        wire.send(request.as_bytes()).await?;
        let response = Response::read(&mut wire).await?;
        if response.keeps {
            self.wire = Some(wire);
        }
        Ok(response)
    }

    /// The request, as its program writes it. Compression is not asked for: an answer of a few bytes could unfold into
    /// gigabytes, and links are looked for in what comes.
    fn request(&self, path: &str, from: Option<&str>) -> String {
        let (host, plan) = (&self.place.host, self.talk.plan);
        match plan.style {
            TrafficStyle::Script => {
                let agent = plan.agent.as_deref().unwrap_or(SCRIPT);
                format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: */*\r\n\r\n")
            }
            TrafficStyle::Person => {
                let agent = plan.agent.as_deref().unwrap_or(BROWSER);
                let scheme = if self.place.is_tls { "https" } else { "http" };
                let referer =
                    from.map_or_else(String::new, |from| format!("Referer: {scheme}://{host}{from}\r\n"));
                format!(
                    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: \
                     text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: \
                     en-US,en;q=0.5\r\n{referer}Connection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\n\r\n"
                )
            }
        }
    }

    /// The link of a page that is followed: one that was not seen yet, and the same one in every run.
    fn choose(&self, page: &Page, step: u8) -> Option<String> {
        let fresh: Vec<&String> = page.links.iter().filter(|link| !self.fetched.contains(*link)).collect();
        let word = format!("{} {} {step}", self.talk.from, page.path);
        let number = usize::from(Digest::of(word.as_bytes()).as_bytes()[0]);
        fresh.get(number % fresh.len().max(1)).map(|link| (*link).clone())
    }
}
