//! A filter and a topic, each of any text: the filter that is a topic's own text matches it, and `>` matches everything.

use verisim_core::{Topic, TopicFilter};

/// Fails by panicking.
pub(crate) fn check(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    let (filter, topic) = input.split_once('\n').unwrap_or((input, input));
    let filter = filter.parse::<TopicFilter>();
    let Ok(topic) = Topic::parse(topic) else { return };
    if let Ok(filter) = filter {
        let _ = filter.matches(&topic);
    }
    assert!(TopicFilter::all().matches(&topic));
    assert!(topic.as_str().parse::<TopicFilter>().unwrap().matches(&topic));
}
