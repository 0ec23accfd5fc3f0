//! The suite's own order, our client through proxies of others, and how the process behaves.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod balancers;
mod doctor;
mod faults;
mod faulty;
mod process;
mod proxies;
mod suite;
