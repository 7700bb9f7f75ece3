//! The bus of one process: every subscriber has a bounded buffer and keeps nobody waiting.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use tokio::sync::Notify;
use verisim_core::{Bus, Event, EventId, Failure, TopicFilter};

/// A bus within one process.
#[derive(Debug, Default)]
pub struct LocalBus {
    subscribers: Mutex<Vec<Weak<Subscriber>>>,
}

/// What a subscriber gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// An event.
    Event(Arc<Event>),
    /// The subscriber was too slow: events with these ids, both included, are to be read from the store.
    Missed {
        /// The first that may be missing.
        first: EventId,
        /// The last that may be missing.
        last: EventId,
    },
}

/// A place on the bus. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Subscription {
    inner: Arc<Subscriber>,
}

#[derive(Debug)]
struct Subscriber {
    filter: TopicFilter,
    capacity: usize,
    queue: Mutex<Queue>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Arc<Event>>,
    missed: Option<(EventId, EventId)>,
    closed: bool,
}

impl Subscriber {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, event: &Arc<Event>) {
        if !self.filter.matches(&event.body.topic) {
            return;
        }
        let mut queue = self.lock();
        // What comes after a gap waits behind it, so that ids rise for the reader.
        if let Some((_, last)) = &mut queue.missed {
            *last = (*last).max(event.id);
        } else if queue.events.len() >= self.capacity {
            queue.missed = Some((event.id, event.id));
        } else {
            queue.events.push_back(Arc::clone(event));
        }
        drop(queue);
        self.ready.notify_one();
    }
}

impl LocalBus {
    /// A bus without subscribers.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// A place on the bus for events on these topics, with a buffer of `capacity` (at least 1) events.
    #[must_use]
    pub fn subscribe(&self, filter: TopicFilter, capacity: usize) -> Subscription {
        let inner = Arc::new(Subscriber {
            filter,
            capacity: capacity.max(1),
            queue: Mutex::default(),
            ready: Notify::new(),
        });
        self.lock().push(Arc::downgrade(&inner));
        Subscription { inner }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Subscriber>>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn each(&self, mut visit: impl FnMut(&Subscriber)) {
        self.lock().retain(|subscriber| match subscriber.upgrade() {
            Some(subscriber) => {
                visit(&subscriber);
                true
            }
            None => false,
        });
    }

    /// Ends every subscription once what is buffered has been read.
    pub fn close(&self) {
        self.each(|subscriber| {
            subscriber.lock().closed = true;
            subscriber.ready.notify_one();
        });
    }
}

#[async_trait]
impl Bus for LocalBus {
    async fn publish(&self, events: &[Event]) -> Result<(), Failure> {
        for event in events {
            let event = Arc::new(event.clone());
            self.each(|subscriber| subscriber.offer(&event));
        }
        Ok(())
    }
}

impl Subscription {
    /// The next delivery; `None` when the bus was closed. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            if let Some(delivery) = self.try_next() {
                return Some(delivery);
            }
            if self.inner.lock().closed {
                return None;
            }
            self.inner.ready.notified().await;
        }
    }

    /// The next delivery if there is one already.
    pub fn try_next(&mut self) -> Option<Delivery> {
        let mut queue = self.inner.lock();
        match queue.events.pop_front() {
            Some(event) => Some(Delivery::Event(event)),
            None => queue.missed.take().map(|(first, last)| Delivery::Missed { first, last }),
        }
    }
}

#[cfg(test)]
mod tests {
    use verisim_core::{EVENT_VERSION, EventPayload, NewEvent, Timestamp, Topic};

    use super::*;

    fn event(id: i64, topic: &str) -> Event {
        let body = NewEvent::new(
            Topic::parse(topic).unwrap(),
            EventPayload::Health { status: "started".into() },
            Timestamp::UNIX_EPOCH,
        );
        Event { v: EVENT_VERSION, id: EventId(id), body }
    }

    #[tokio::test]
    async fn a_slow_subscriber_learns_what_it_missed_and_goes_on_in_order() {
        let bus = LocalBus::new();
        let mut slow = bus.subscribe("sync.>".parse().unwrap(), 2);
        let mut other = bus.subscribe(TopicFilter::all(), 100);
        let batch: Vec<_> = (1..=5).map(|id| event(id, "sync.1.queued")).collect();
        bus.publish(&batch).await.unwrap();
        bus.publish(&[event(6, "decoy.a.reachable")]).await.unwrap();
        let ids = |delivery| match delivery {
            Some(Delivery::Event(event)) => (event.id.0, event.id.0),
            Some(Delivery::Missed { first, last }) => (first.0, last.0),
            None => (0, 0),
        };
        assert_eq!(ids(slow.next().await), (1, 1));
        bus.publish(&[event(7, "sync.1.running")]).await.unwrap();
        assert_eq!(ids(slow.next().await), (2, 2));
        assert_eq!(ids(slow.next().await), (3, 7));
        assert_eq!(slow.try_next(), None);
        bus.publish(&[event(8, "sync.1.failed")]).await.unwrap();
        assert_eq!(ids(slow.next().await), (8, 8));
        assert_eq!((1..=8).map(|_| ids(other.try_next()).0).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
        bus.close();
        assert_eq!(slow.next().await, None);
    }
}
