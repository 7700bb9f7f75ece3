//! Any bytes as a path, and any text as the JSON of one.

use verisim_core::{DecoyPath, RelPath};

/// Fails by panicking.
pub(crate) fn check(input: &[u8]) {
    if let Ok(path) = DecoyPath::new(input) {
        let json = serde_json::to_string(&path).unwrap();
        assert_eq!(serde_json::from_str::<DecoyPath>(&json).unwrap(), path);
        assert!(path.components().all(|part| part != b".." && part != b"." && !part.contains(&0)));
        if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
            assert_eq!(parent.join(name).unwrap(), path);
            assert!(path.starts_with(&parent));
        }
    }
    if let Ok(path) = RelPath::new(input) {
        let json = serde_json::to_string(&path).unwrap();
        assert_eq!(serde_json::from_str::<RelPath>(&json).unwrap(), path);
        assert!(!path.as_bytes().starts_with(b"/"));
    }
    let _ = serde_json::from_slice::<DecoyPath>(input);
    let _ = serde_json::from_slice::<RelPath>(input);
}
