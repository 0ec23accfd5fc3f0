//! Interoperability: the published clients, and proxies of others, against the real binary.
//!
//! A *case* is one sentence about what a client can do, such as «connects anonymously». The scripts
//! in `cases/` run it with the client's public interface only; [`catalogue`] says which client runs
//! which case. Each case is one test with a server of its own. How it went is compared with
//! `docs/interop.md`, which [`report`] writes (`cargo xtask interop`): a case that stops working
//! fails, and so does one that starts to work while the document still says «not built».

pub mod case;
pub mod catalogue;
pub mod follower;
pub mod place;
pub mod proxy;
pub mod relay;
pub mod report;
pub mod scene;
pub mod server;
