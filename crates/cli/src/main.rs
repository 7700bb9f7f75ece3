//! The binary `verisim`.

fn main() {}
