//! What an effect means, and how it is confirmed. Drivers reach decoys only through connectors.

mod connectors;
mod file;

pub use connectors::Connectors;
pub use file::FileDriver;
