//! What a client sends and what it reads, case by case, at every cut, against `tungstenite`, and
//! within the limits of memory.

mod client;
mod decoder;
mod memory;
mod tungstenite;
