//! A filter and a topic, each of any text: the filter that is a topic's own text matches it, and `>` matches everything.
#![no_main]

use verisim_core::{Topic, TopicFilter};

libfuzzer_sys::fuzz_target!(|input: &str| {
    let (filter, topic) = input.split_once('\n').unwrap_or((input, input));
    let filter = filter.parse::<TopicFilter>();
    let Ok(topic) = Topic::parse(topic) else { return };
    if let Ok(filter) = filter {
        let _ = filter.matches(&topic);
    }
    assert!(TopicFilter::all().matches(&topic));
    assert!(topic.as_str().parse::<TopicFilter>().unwrap().matches(&topic));
});
