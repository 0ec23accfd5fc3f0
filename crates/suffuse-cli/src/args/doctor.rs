//! The options of `suffuse doctor`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{ConnectionArgs, parse};

#[derive(Debug, Args)]
#[command(
    after_help = "Checks: dns tcp tls path websocket steady polling parallel buffering sticky-polls sticky-reconnects headers
cors size spread idle. Every session that is opened is closed again. docs/doctor.md explains each line.
Exit codes: 0 ok, 5 only warnings, 1 a check fails, 3 nothing connects, 4 credentials refused, 2 usage

Examples:
  suffuse doctor wss://push.example.com --origin https://www.example.com --idle-limit 70s --json
  suffuse doctor http://127.0.0.1:8080 --only polling,sticky-polls --rounds 50"
)]
pub(crate) struct DoctorArgs {
    /// The deployment, instead of --url
    #[arg(value_name = "URL")]
    pub(crate) server: Option<String>,
    /// How many sessions each check of stickiness opens, 1 to 200
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) rounds: u16,
    /// How long connections are left idle, to see whether they are cut
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = parse::duration)]
    pub(crate) idle_limit: Duration,
    /// The largest body that is sent
    #[arg(long, value_name = "SIZE", default_value = "2MiB", value_parser = parse::size)]
    pub(crate) size_limit: usize,
    /// The origin of web pages that are to connect
    #[arg(
        long,
        value_name = "ORIGIN",
        value_parser = parse::origin,
        help = "The origin of web pages that are to connect, such as https://www.example.com"
    )]
    pub(crate) origin: Option<String>,
    /// Only these checks, and those that they need
    #[arg(
        long,
        value_name = "CHECKS",
        value_delimiter = ',',
        hide_possible_values = true
    )]
    pub(crate) only: Vec<Check>,
    /// All checks but these, and those that need them
    #[arg(
        long,
        value_name = "CHECKS",
        value_delimiter = ',',
        hide_possible_values = true
    )]
    pub(crate) skip: Vec<Check>,
    /// The same as --output json
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// What is looked at, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Check {
    /// The addresses of the host.
    Dns,
    /// A TCP connection to each.
    Tcp,
    /// The certificates.
    Tls,
    /// What answers at the request path.
    Path,
    /// Whether a WebSocket gets a session.
    Websocket,
    /// Whether it stays while it is used.
    Steady,
    /// Whether HTTP polling gets a session.
    Polling,
    /// Whether a send passes while a poll is held.
    Parallel,
    /// Whether answers come at once.
    Buffering,
    /// Whether polls reach the node of their session.
    StickyPolls,
    /// Whether reconnections do.
    StickyReconnects,
    /// Whether headers pass.
    Headers,
    /// Whether pages of another origin may connect.
    Cors,
    /// How large requests may be.
    Size,
    /// Which nodes take part.
    Spread,
    /// Whether idle connections are cut.
    Idle,
}

impl Check {
    /// All, in the order of the report.
    pub(crate) const ALL: [Self; 16] = [
        Self::Dns,
        Self::Tcp,
        Self::Tls,
        Self::Path,
        Self::Websocket,
        Self::Steady,
        Self::Polling,
        Self::Parallel,
        Self::Buffering,
        Self::StickyPolls,
        Self::StickyReconnects,
        Self::Headers,
        Self::Cors,
        Self::Size,
        Self::Spread,
        Self::Idle,
    ];

    /// Returns the name in options and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Path => "path",
            Self::Websocket => "websocket",
            Self::Steady => "steady",
            Self::Polling => "polling",
            Self::Parallel => "parallel",
            Self::Buffering => "buffering",
            Self::StickyPolls => "sticky-polls",
            Self::StickyReconnects => "sticky-reconnects",
            Self::Headers => "headers",
            Self::Cors => "cors",
            Self::Size => "size",
            Self::Spread => "spread",
            Self::Idle => "idle",
        }
    }

    /// Returns the checks without which it says nothing.
    pub(crate) fn needs(self) -> &'static [Self] {
        match self {
            Self::Dns => &[],
            Self::Tcp => &[Self::Dns],
            Self::Tls => &[Self::Tcp],
            Self::Path => &[Self::Tls],
            Self::Websocket | Self::Polling | Self::Headers | Self::Cors => &[Self::Path],
            Self::Steady => &[Self::Websocket],
            Self::Parallel | Self::Buffering | Self::StickyPolls | Self::Size => &[Self::Polling],
            Self::StickyReconnects | Self::Idle => &[Self::Websocket, Self::Polling],
            Self::Spread => &[Self::Polling, Self::StickyPolls],
        }
    }
}
