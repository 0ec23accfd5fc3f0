//! Conversations of scripted clients with a simulated server.

mod adding;
mod constraints;
mod publishing;
mod subscribing;
mod updating;
