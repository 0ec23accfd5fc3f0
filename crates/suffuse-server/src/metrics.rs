//! Counters of what operators watch, as OpenMetrics text. `docs/operations.md` says what to alert on.
//!
//! Nothing here is touched by the fan-out: requests and handshakes are counted, messages are not. All
//! label values come from fixed sets, so whoever sends garbage cannot make the text grow.

use prometheus_client::{
    encoding::text,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use suffuse_proto::{NodeId, ResponseCode};

/// One label and its value.
type Label<T> = [(&'static str, T); 1];

/// The counters of a server.
pub(crate) struct Metrics {
    registry: Registry,
    handshakes: Family<Label<u32>, Counter>,
    refused_requests: Family<Label<u32>, Counter>,
    foreign_requests: Family<Label<String>, Counter>,
    proxy_refusals: Family<Label<&'static str>, Counter>,
    /// Requests that name a session: polls, sends, reconnections.
    pub(crate) session_requests: Counter,
    /// Those of them whose token would be of this node, but names no session.
    pub(crate) unknown_tokens: Counter,
    /// Requests from addresses that are no trusted proxies, with headers that only these may send.
    pub(crate) ignored_forwarding_headers: Counter,
    /// Forwarded requests whose proof is wrong.
    pub(crate) refused_forwards: Counter,
    forwarded_requests: Family<[(&'static str, String); 2], Counter>,
    /// How much longer requests took because they were forwarded.
    pub(crate) forward_seconds: Histogram,
    sessions: Gauge,
    topics: Gauge,
    connections: Gauge,
}

/// Why a connection was refused for its PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyRefusal {
    /// It has one, but does not come from a trusted proxy.
    Untrusted,
    /// It comes from a trusted proxy, but has none.
    Missing,
    /// It has one that cannot be read.
    Malformed,
}

/// What became of a request for another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForwardOutcome {
    /// The node has answered.
    Answered,
    /// It has not.
    Failed,
    /// It was not asked.
    Refused,
}

/// What is counted at the moment of a look.
pub(crate) struct Level {
    pub(crate) sessions: usize,
    pub(crate) topics: usize,
    pub(crate) connections: usize,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("suffuse"),
            handshakes: Family::default(),
            refused_requests: Family::default(),
            foreign_requests: Family::default(),
            proxy_refusals: Family::default(),
            session_requests: Counter::default(),
            unknown_tokens: Counter::default(),
            ignored_forwarding_headers: Counter::default(),
            refused_forwards: Counter::default(),
            forwarded_requests: Family::default(),
            forward_seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 15)),
            sessions: Gauge::default(),
            topics: Gauge::default(),
            connections: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// Names the metrics. The library adds `_total` to counters, and a full stop to the help.
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "handshakes",
            "Answers to connections and reconnections, by response code",
            self.handshakes.clone(),
        );
        registry.register(
            "refused_requests",
            "HTTP answers with an error, by status",
            self.refused_requests.clone(),
        );
        registry.register(
            "session_requests",
            "Polls, sends and reconnections",
            self.session_requests.clone(),
        );
        registry.register(
            "unknown_tokens",
            "Polls, sends and reconnections with a token of this node that names no session",
            self.unknown_tokens.clone(),
        );
        registry.register(
            "foreign_requests",
            "Polls, sends and reconnections for sessions of other nodes, by node",
            self.foreign_requests.clone(),
        );
        registry.register(
            "ignored_forwarding_headers",
            "Requests with forwarding headers that did not come from a trusted proxy",
            self.ignored_forwarding_headers.clone(),
        );
        registry.register(
            "refused_proxy_headers",
            "Connections refused for their PROXY header, or for the lack of one, by reason",
            self.proxy_refusals.clone(),
        );
        registry.register(
            "forwarded_requests",
            "Requests passed on to the node of their session, by node and outcome",
            self.forwarded_requests.clone(),
        );
        registry.register(
            "forward_seconds",
            "How much longer requests took because they were forwarded",
            self.forward_seconds.clone(),
        );
        registry.register(
            "refused_forwards",
            "Requests that pretend to be forwarded",
            self.refused_forwards.clone(),
        );
        registry.register(
            "sessions",
            "Sessions, connected or waiting for their client",
            self.sessions.clone(),
        );
        registry.register("topics", "Topics", self.topics.clone());
        registry.register("connections", "TCP connections", self.connections.clone());
    }

    /// Counts the answer to a handshake.
    pub(crate) fn on_handshake(&self, code: ResponseCode) {
        let label = [("code", u32::from(code.0))];
        self.handshakes.get_or_create(&label).inc();
    }

    /// Counts an answer that refuses a request.
    pub(crate) fn on_refusal(&self, status: http::StatusCode) {
        let label = [("status", u32::from(status.as_u16()))];
        self.refused_requests.get_or_create(&label).inc();
    }

    /// Counts a connection that was refused for its PROXY header.
    pub(crate) fn on_proxy_refusal(&self, reason: ProxyRefusal) {
        let reason = match reason {
            ProxyRefusal::Untrusted => "untrusted",
            ProxyRefusal::Missing => "missing",
            ProxyRefusal::Malformed => "malformed",
        };
        self.proxy_refusals
            .get_or_create(&[("reason", reason)])
            .inc();
    }

    /// Counts a request for another, configured node.
    pub(crate) fn on_forward(&self, node: NodeId, outcome: ForwardOutcome) {
        let outcome = match outcome {
            ForwardOutcome::Answered => "answered",
            ForwardOutcome::Failed => "failed",
            ForwardOutcome::Refused => "refused",
        };
        let label = [("node", node.to_string()), ("outcome", outcome.to_owned())];
        self.forwarded_requests.get_or_create(&label).inc();
    }

    /// Returns the counter of requests for one other node; `None`: of all that are not configured.
    pub(crate) fn foreign_requests(&self, node: Option<NodeId>) -> Counter {
        let name = node.map_or_else(|| "other".to_owned(), |node| node.to_string());
        self.foreign_requests.get_or_create_owned(&[("node", name)])
    }

    /// Returns everything as OpenMetrics text.
    pub(crate) fn encode(&self, level: &Level) -> String {
        let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.sessions.set(number(level.sessions));
        self.topics.set(number(level.topics));
        self.connections.set(number(level.connections));
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("a string takes all that is written");
        text
    }
}
