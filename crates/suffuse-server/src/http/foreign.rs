//! Requests that name a session of another node.
//!
//! A session lives on one node, which its token names (spec: connection §10). A request for another one
//! shows that the load balancer is not sticky. It is answered without a look at the sessions, and counted:
//! for each configured node, and for all others together, so that made-up tokens take no memory.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use suffuse_proto::{NodeId, SessionToken};

use crate::metrics::Metrics;

/// Whose session a token names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This node, if the session exists.
    Here,
    /// A configured node.
    Peer(NodeId),
    /// A node that is not configured, or none.
    Other,
}

/// What is known of other nodes, and how often requests for them came here.
pub(crate) struct Foreign {
    node: NodeId,
    peers: Vec<Arrivals>,
    others: Arrivals,
    /// The node of the last request that was for none of the configured ones.
    example: Mutex<Option<NodeId>>,
    /// All requests that name a session, of which the foreign ones are a share.
    all: Counter,
    all_reported: AtomicU64,
    /// What forwarding has cost since the last report: requests, and microseconds on the way.
    forwarded: AtomicU64,
    forwarded_micros: AtomicU64,
}

/// The requests for one node.
struct Arrivals {
    node: Option<NodeId>,
    counter: Counter,
    /// How many of them were reported already.
    reported: AtomicU64,
}

impl Arrivals {
    fn new(node: Option<NodeId>, metrics: &Metrics) -> Self {
        Self {
            node,
            counter: metrics.foreign_requests(node),
            reported: AtomicU64::new(0),
        }
    }

    /// Returns how many came since the last time.
    fn take_new(&self) -> u64 {
        take_new(&self.counter, &self.reported)
    }
}

fn take_new(counter: &Counter, reported: &AtomicU64) -> u64 {
    let count = counter.get();
    count.saturating_sub(reported.swap(count, Ordering::Relaxed))
}

impl Foreign {
    pub(crate) fn new(
        node: NodeId,
        peers: impl IntoIterator<Item = NodeId>,
        metrics: &Metrics,
    ) -> Self {
        let peers = peers.into_iter().filter(|peer| *peer != node);
        Self {
            node,
            peers: peers
                .map(|peer| Arrivals::new(Some(peer), metrics))
                .collect(),
            others: Arrivals::new(None, metrics),
            example: Mutex::new(None),
            all: metrics.session_requests.clone(),
            all_reported: AtomicU64::new(0),
            forwarded: AtomicU64::new(0),
            forwarded_micros: AtomicU64::new(0),
        }
    }

    /// Returns whose session a token names, and counts the request.
    pub(super) fn owner(&self, token: &SessionToken) -> Owner {
        self.all.inc();
        let Some(node) = token.node() else {
            self.others.counter.inc();
            return Owner::Other;
        };
        if node == self.node {
            return Owner::Here;
        }
        if let Some(peer) = self.peers.iter().find(|peer| peer.node == Some(node)) {
            peer.counter.inc();
            return Owner::Peer(node);
        }
        self.others.counter.inc();
        *self.example.lock().unwrap_or_else(PoisonError::into_inner) = Some(node);
        Owner::Other
    }

    /// Notes that a request was forwarded, and how much longer it took for that.
    pub(super) fn on_forwarded(&self, added: Duration, metrics: &Metrics) {
        let micros = u64::try_from(added.as_micros()).unwrap_or(u64::MAX);
        self.forwarded.fetch_add(1, Ordering::Relaxed);
        self.forwarded_micros.fetch_add(micros, Ordering::Relaxed);
        metrics.forward_seconds.observe(added.as_secs_f64());
    }

    /// Returns what became of the requests.
    fn outcome(&self) -> String {
        let forwarded = self.forwarded.swap(0, Ordering::Relaxed);
        let micros = self.forwarded_micros.swap(0, Ordering::Relaxed);
        if forwarded == 0 {
            return "They were refused, and their clients connect again".to_owned();
        }
        let millis = micros as f64 / forwarded as f64 / 1000.0;
        format!("{forwarded} were forwarded (+{millis:.1} ms), the others refused")
    }

    /// Returns what to tell the operator of the time since the last report, if there is something.
    pub(crate) fn report(&self) -> Option<String> {
        let all = take_new(&self.all, &self.all_reported);
        let mut shares = Vec::new();
        for peer in &self.peers {
            let (count, node) = (peer.take_new(), peer.node?);
            if count > 0 {
                shares.push(format!("{count} were for sessions of node {node}"));
            }
        }
        let others = self.others.take_new();
        let example = self
            .example
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if others > 0 {
            let example = example.map(|node| format!(", the last one {node}"));
            let example = example.unwrap_or_default();
            shares.push(format!(
                "{others} were for nodes that are not in cluster.peers{example}"
            ));
        }
        if shares.is_empty() {
            return None;
        }
        Some(format!(
            "of {all} polls, sends and reconnections in the last minute that arrived at node {here}, {}: the load \
             balancer is not sticky, or somebody makes tokens up. {outcome}. \
             Route by the first three characters of the header or query parameter `c`; see docs/operations.md",
            shares.join(", and "),
            here = self.node,
            outcome = self.outcome(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> SessionToken {
        SessionToken::from_ascii(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_token_names_its_node() {
        let nodes = ["n02", "n03"].map(|node| node.parse().unwrap());
        let foreign = Foreign::new("n01".parse().unwrap(), nodes, &Metrics::default());
        let cases = [
            ("n01.aaaaaaaaaaaaaaaaaaaa", Owner::Here),
            ("n02.aaaaaaaaaaaaaaaaaaaa", Owner::Peer(nodes[0])),
            ("n03.aaaaaaaaaaaaaaaaaaaa", Owner::Peer(nodes[1])),
            ("n04.aaaaaaaaaaaaaaaaaaaa", Owner::Other),
            ("N01.aaaaaaaaaaaaaaaaaaaa", Owner::Other),
            ("n01aaaaaaaaaaaaaaaaaaaaa", Owner::Other),
            ("........................", Owner::Other),
        ];
        for (text, owner) in cases {
            assert_eq!(foreign.owner(&token(text)), owner, "{text}");
        }
    }

    #[test]
    fn a_report_tells_the_shares_of_the_time_since_the_last_one() {
        let foreign = Foreign::new(
            "n01".parse().unwrap(),
            ["n02".parse().unwrap()],
            &Metrics::default(),
        );
        assert_eq!(foreign.report(), None);
        for (count, text) in [(77, "n01"), (40, "n02"), (3, "n09")] {
            for _ in 0..count {
                foreign.owner(&token(&format!("{text}.aaaaaaaaaaaaaaaaaaaa")));
            }
        }
        let report = foreign.report().unwrap();
        let expected = "of 120 polls, sends and reconnections in the last minute that arrived at node n01, \
                        40 were for sessions of node n02, and 3 were for nodes that are not in cluster.peers, the last one \
                        n09: the load balancer is not sticky";
        assert!(report.starts_with(expected), "{report}");
        assert_eq!(foreign.report(), None);
        foreign.owner(&token("n01.aaaaaaaaaaaaaaaaaaaa"));
        assert_eq!(foreign.report(), None, "own sessions are no news");
    }
}
