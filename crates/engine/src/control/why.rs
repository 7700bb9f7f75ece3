//! Why something is on a decoy: what the ledger, the past and the events say of one path.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use verisim_core::{
    BurnFacts, BurnFate, BurnIn, DecoyName, DecoyPath, Event, EventId, EventPayload, EventQuery, LedgerEntry,
    Payload, Topic, TopicFilter,
};

use super::operator::{Asked, Operator};
use super::view::LedgerView;

/// How many events are told, the newest.
const EVENTS_TOLD_MAX: usize = 50;
/// How many events are read in one go.
const PAGE: usize = 1_000;
/// How many names of one file are followed.
const NAMES_MAX: usize = 64;

/// Why a path is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyView {
    /// The decoy.
    pub decoy: DecoyName,
    /// The path.
    pub path: DecoyPath,
    /// What the ledger says of it; `None` where it knows nothing.
    pub known: Option<LedgerView>,
    /// What the past of the decoy says of it.
    pub past: Option<PastView>,
    /// The past of the decoy, where it has one.
    pub burn_in: Option<BurnIn>,
    /// Whether it is a directory that the past touched, and whether the past made it.
    pub directory: Option<bool>,
    /// What happened to it, and to the names that it had before, oldest first; at most the newest 50.
    pub events: Vec<Event>,
}

/// A file of a past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastView {
    /// What became of it.
    pub fate: BurnFate,
    /// What is known of it.
    #[serde(flatten)]
    pub facts: BurnFacts,
}

impl WhyView {
    /// Whether anything of ours has to do with the path.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        let is_past =
            self.past.as_ref().is_some_and(|past| matches!(past.fate, BurnFate::Planted | BurnFate::Left));
        is_past || self.directory == Some(true) || self.known.is_some() || !self.events.is_empty()
    }
}

impl Operator {
    /// Why a path of a decoy is what it is.
    ///
    /// # Errors
    /// When there is no such decoy, or the store cannot be read.
    pub async fn why(&self, decoy: &DecoyName, path: &DecoyPath) -> Asked<WhyView> {
        self.member(decoy)?;
        let store = &self.shared().store;
        let known: Option<LedgerEntry> =
            store.ledger(&[(decoy.clone(), path.clone())]).await?.pop().flatten();
        let burn_in = store.burn_ins().await?.into_iter().find(|burn| burn.decoy == *decoy);
        // What records go on with is nobody's business.
        let burn_in = burn_in.map(|burn| BurnIn { keeping: None, ..burn });
        let (mut names, events) = self.history(decoy, path).await?;
        names.insert(path.clone());
        let mut past = None;
        for name in &names {
            if past.is_none() && burn_in.is_some() {
                past = store.burnt_file(decoy, name).await?;
            }
        }
        let directory = match &burn_in {
            Some(_) => store.burnt_directories(decoy).await?.into_iter().find(|dir| dir.path == *path),
            None => None,
        };
        Ok(WhyView {
            decoy: decoy.clone(),
            path: path.clone(),
            known: known.map(LedgerView::of),
            past: past.map(|file| PastView { fate: file.fate, facts: file.facts }),
            burn_in,
            directory: directory.map(|dir| dir.before.is_none()),
            events,
        })
    }

    /// The names that a file had, and what happened to it under them.
    async fn history(&self, decoy: &DecoyName, path: &DecoyPath) -> Asked<(BTreeSet<DecoyPath>, Vec<Event>)> {
        let file = Topic::activity(verisim_core::DriverKind::File, decoy);
        let about = [file, Topic::tampered(decoy), Topic::released(decoy)];
        let mut all = Vec::new();
        for topic in about {
            let Ok(topics) = topic.as_str().parse::<TopicFilter>() else { continue };
            let mut after = EventId(0);
            loop {
                let query = EventQuery { after, topics: topics.clone(), limit: PAGE };
                let page = self.shared().store.events(query).await?;
                all.extend(page.events.into_iter().filter(|event| concerns(event).next().is_some()));
                if page.seen <= after {
                    break;
                }
                after = page.seen;
            }
        }
        all.sort_by_key(|event| event.id);
        let mut names = BTreeSet::from([path.clone()]);
        let mut told = Vec::new();
        for event in all.into_iter().rev() {
            if !concerns(&event).any(|about| names.contains(about)) {
                continue;
            }
            if let EventPayload::Activity(Payload::Move(moved)) = &event.body.payload
                && names.len() < NAMES_MAX
            {
                names.insert(moved.from.clone());
            }
            if told.len() < EVENTS_TOLD_MAX {
                told.push(event);
            }
        }
        told.reverse();
        Ok((names, told))
    }
}

/// The path that an event is about, as it is called after it.
fn concerns(event: &Event) -> impl Iterator<Item = &DecoyPath> {
    let path = match &event.body.payload {
        EventPayload::Activity(payload) => match payload {
            Payload::Plant(plant) => Some(&plant.path),
            Payload::Append(append) => Some(&append.path),
            Payload::Edit(edit) => Some(&edit.path),
            Payload::Move(moved) => Some(&moved.to),
            Payload::Remove(removed) => Some(&removed.path),
            Payload::Traffic(_) | Payload::Email(_) => None,
        },
        EventPayload::Tampered { path, .. } | EventPayload::Released { path, .. } => Some(path),
        EventPayload::NotDone { path, .. } => path.as_ref(),
        _ => None,
    };
    path.into_iter()
}
