//! Any edits of any content: no panic, never longer than the limit, and the same twice.

use verisim_core::{TextEdit, apply_edits};

const LIMIT: usize = 4096;

/// Fails by panicking.
pub(crate) fn check(input: &[u8]) {
    // The edits as JSON, a zero byte, the content.
    let at = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    let (json, content) = input.split_at(at);
    let Ok(edits) = serde_json::from_slice::<Vec<TextEdit>>(json) else { return };
    let edited = apply_edits(content, &edits, LIMIT);
    assert_eq!(apply_edits(content, &edits, LIMIT), edited);
    if let Ok(edited) = edited {
        assert!(edits.is_empty() || edited.len() <= LIMIT);
    }
}
