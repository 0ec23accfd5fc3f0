//! How the machine meets the world: links that carry messages, and the driver between them.

pub(crate) mod link;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod native;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::Stopwatch;
