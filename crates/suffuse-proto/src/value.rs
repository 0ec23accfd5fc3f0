//! Values of topics: what the bytes of each topic type mean, and deltas between them
//! (spec: topics §11).

pub mod delta;
