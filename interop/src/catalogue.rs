//! Which client runs which case.

use std::fmt;

use crate::proxy;
use crate::scene::Stage;

/// A published client on one transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// JavaScript 6.12.1 in Node over WebSocket.
    NodeWs,
    /// JavaScript 6.12.1 in Node over HTTP polling.
    NodePolling,
    /// JavaScript 6.12.1 in Chromium over WebSocket.
    ChromiumWs,
    /// JavaScript 6.12.1 in Chromium over HTTP polling.
    ChromiumPolling,
    /// Python 6.12.2 over WebSocket.
    Python,
    /// JavaScript 5.9.24 in Node over WebSocket.
    Node5Ws,
    /// JavaScript 5.9.24 in Node over HTTP polling.
    Node5Polling,
}

/// What runs the scripts of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// `run.mjs`.
    Node,
    /// `run.py`.
    Python,
}

impl Client {
    /// Every client, in the order of the report's columns.
    pub const ALL: [Self; 7] = [
        Self::NodeWs,
        Self::NodePolling,
        Self::ChromiumWs,
        Self::ChromiumPolling,
        Self::Python,
        Self::Node5Ws,
        Self::Node5Polling,
    ];

    /// Returns the name that the scripts know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::NodeWs => "node_ws",
            Self::NodePolling => "node_polling",
            Self::ChromiumWs => "chromium_ws",
            Self::ChromiumPolling => "chromium_polling",
            Self::Python => "python",
            Self::Node5Ws => "node5_ws",
            Self::Node5Polling => "node5_polling",
        }
    }

    /// Returns the heading of its column.
    pub fn title(self) -> &'static str {
        match self {
            Self::NodeWs => "Node, WebSocket",
            Self::NodePolling => "Node, polling",
            Self::ChromiumWs => "Chromium, WebSocket",
            Self::ChromiumPolling => "Chromium, polling",
            Self::Python => "Python",
            Self::Node5Ws => "Node 5.9, WebSocket",
            Self::Node5Polling => "Node 5.9, polling",
        }
    }

    /// Returns what runs its scripts.
    pub fn runtime(self) -> Runtime {
        match self {
            Self::Python => Runtime::Python,
            Self::NodeWs
            | Self::NodePolling
            | Self::ChromiumWs
            | Self::ChromiumPolling
            | Self::Node5Ws
            | Self::Node5Polling => Runtime::Node,
        }
    }
}

/// Cases about one subject.
#[derive(Debug)]
pub struct Group {
    /// The heading in the report.
    pub title: &'static str,
    /// The cases.
    pub features: &'static [Feature],
}

/// A sentence about what a client can do, and the clients of which it is checked.
#[derive(Debug)]
pub struct Feature {
    /// The sentence, as the scripts have it.
    pub name: &'static str,
    /// Who runs it.
    pub clients: &'static [Client],
    /// What must stand there.
    pub stage: Stage,
}

impl Feature {
    const fn new(name: &'static str, clients: &'static [Client]) -> Self {
        Self {
            name,
            clients,
            stage: Stage::Plain,
        }
    }

    const fn on(mut self, stage: Stage) -> Self {
        self.stage = stage;
        self
    }
}

/// A feature as one client has it.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The client.
    pub client: Client,
    /// The feature.
    pub feature: &'static Feature,
}

impl fmt::Display for Case {
    /// Writes the name of the test: `node_ws::connects_anonymously`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = self
            .feature
            .name
            .replace(|c: char| !c.is_alphanumeric(), "_");
        let words = sentence.split('_').filter(|word| !word.is_empty());
        write!(
            f,
            "{}::{}",
            self.client.name(),
            words.collect::<Vec<_>>().join("_")
        )
    }
}

/// Returns every case, in the order of the report.
pub fn cases() -> impl Iterator<Item = Case> {
    let features = CATALOGUE.iter().flat_map(|group| group.features);
    features.flat_map(|feature| {
        feature
            .clients
            .iter()
            .map(move |&client| Case { client, feature })
    })
}

use Client::{ChromiumPolling, ChromiumWs, Node5Polling, Node5Ws, NodePolling, NodeWs, Python};

const EVERY: &[Client] = &[NodeWs, NodePolling, ChromiumWs, ChromiumPolling, Python];
const SCRIPTED: &[Client] = &[NodeWs, NodePolling, Python];
const BROWSED: &[Client] = &[NodeWs, NodePolling, ChromiumWs, ChromiumPolling];
const BROWSER: &[Client] = &[ChromiumWs, ChromiumPolling];
/// Its list of transports is its own there.
const CASCADING: &[Client] = &[ChromiumPolling];
const NODE: &[Client] = &[NodeWs, NodePolling];
const WEBSOCKET: &[Client] = &[NodeWs, Python];
const PYTHON: &[Client] = &[Python];
const ONCE: &[Client] = &[NodeWs];
const VERSION5: &[Client] = &[Node5Ws, Node5Polling];

/// What is checked.
pub const CATALOGUE: &[Group] = &[
    Group {
        title: "Connecting",
        features: &[
            Feature::new("connects, pings and closes", EVERY),
            Feature::new("connects anonymously", EVERY),
            Feature::new("is refused with a wrong password", EVERY),
            Feature::new("is refused with an unknown principal", NODE),
            Feature::new("connects below any path that ends in /diffusion", EVERY),
            Feature::new("connects from a page of its own origin", BROWSER),
            Feature::new("cascades to the next transport", BROWSED),
            Feature::new("keeps 200 sessions at once", SCRIPTED),
            Feature::new("is told when the server stops", SCRIPTED).on(Stage::Ending),
            Feature::new("stays connected while nobody says anything", EVERY).on(Stage::Pinging),
            Feature::new("learns that no server is there", NODE),
            Feature::new("reconnects and misses nothing", NODE),
            Feature::new("reconnects again and again", NODE),
            Feature::new("reconnects over another transport", NODE),
            Feature::new("does one lost request after a reconnection", ONCE),
            Feature::new("is told of lost requests after a reconnection", NODE),
            Feature::new("reconnects and sees what changed", PYTHON),
            Feature::new("reconnects to 500 topics", PYTHON),
        ],
    },
    Group {
        title: "Load balancers",
        features: &[
            Feature::new("stays on its node behind HAProxy", EVERY)
                .on(Stage::Balanced(proxy::Kind::Haproxy)),
            Feature::new("reconnects to its node behind HAProxy", NODE)
                .on(Stage::Balanced(proxy::Kind::Haproxy)),
            Feature::new("stays on its node behind nginx", EVERY)
                .on(Stage::Balanced(proxy::Kind::Nginx)),
            Feature::new("reconnects to its node behind nginx", NODE)
                .on(Stage::Balanced(proxy::Kind::Nginx)),
            Feature::new("stays on its node behind Caddy", EVERY)
                .on(Stage::Balanced(proxy::Kind::Caddy)),
            Feature::new("reconnects to its node behind Caddy", NODE)
                .on(Stage::Balanced(proxy::Kind::Caddy)),
            Feature::new("stays on its node behind Traefik", EVERY)
                .on(Stage::Balanced(proxy::Kind::Traefik)),
            Feature::new("reconnects to its node behind Traefik", NODE)
                .on(Stage::Balanced(proxy::Kind::Traefik)),
            Feature::new("stays on its node behind Envoy", EVERY)
                .on(Stage::Balanced(proxy::Kind::Envoy)),
            Feature::new("reconnects to its node behind Envoy", NODE)
                .on(Stage::Balanced(proxy::Kind::Envoy)),
            Feature::new("stays on its node behind Apache", EVERY)
                .on(Stage::Balanced(proxy::Kind::Apache)),
            Feature::new("reconnects to its node behind Apache", NODE)
                .on(Stage::Balanced(proxy::Kind::Apache)),
            Feature::new("stays on its node behind Varnish", EVERY)
                .on(Stage::Balanced(proxy::Kind::Varnish)),
            Feature::new("reconnects to its node behind Varnish", NODE)
                .on(Stage::Balanced(proxy::Kind::Varnish)),
            Feature::new("is routed by its path by nginx", EVERY)
                .on(Stage::Balanced(proxy::Kind::NginxByPath)),
            Feature::new("is routed by its cookie by HAProxy", BROWSER)
                .on(Stage::Balanced(proxy::Kind::HaproxyByCookie)),
            Feature::new(
                "cascades by itself where nginx passes no upgrade on",
                CASCADING,
            )
            .on(Stage::Behind(proxy::Kind::NginxWithoutUpgrade)),
            Feature::new(
                "cascades by itself where HAProxy forbids upgrades",
                CASCADING,
            )
            .on(Stage::Behind(proxy::Kind::HaproxyForbidsUpgrade)),
            Feature::new("cascades by itself where Squid refuses tunnels", CASCADING)
                .on(Stage::Behind(proxy::Kind::Squid)),
        ],
    },
    Group {
        title: "Topics",
        features: &[
            Feature::new(
                "adds, sets, watches, fetches and removes JSON topics",
                EVERY,
            ),
            Feature::new(
                "adds, sets, watches, fetches and removes BINARY topics",
                EVERY,
            ),
            Feature::new(
                "adds, sets, watches, fetches and removes STRING topics",
                SCRIPTED,
            ),
            Feature::new(
                "adds, sets, watches, fetches and removes INT64 topics",
                SCRIPTED,
            ),
            Feature::new(
                "adds, sets, watches, fetches and removes DOUBLE topics",
                SCRIPTED,
            ),
            Feature::new(
                "adds, sets, watches, fetches and removes RECORD_V2 topics",
                BROWSED,
            ),
            Feature::new("adds a topic once", NODE),
            Feature::new("is refused a topic with another specification", SCRIPTED),
            Feature::new("is refused a topic with an invalid path", NODE),
            Feature::new("removes only what a selector matches", NODE),
            Feature::new("adds a removed topic again", NODE),
            Feature::new("reads but does not write as an anonymous session", EVERY),
        ],
    },
    Group {
        title: "Values",
        features: &[
            Feature::new("sees 300 random JSON changes, equal and in order", EVERY),
            Feature::new(
                "sees a burst of 300 JSON changes, equal and in order",
                BROWSED,
            ),
            Feature::new("sees changes of texts and bytes", NODE),
            Feature::new("carries a value of 1 MiB and its changes", BROWSED),
            Feature::new("sets a value to null", SCRIPTED),
            Feature::new("is not sent a value that did not change", NODE),
        ],
    },
    Group {
        title: "Topic properties",
        features: &[
            Feature::new("keeps no value of a topic with DONT_RETAIN_VALUE", NODE),
            Feature::new(
                "sees every change of a topic with PUBLISH_VALUES_ONLY",
                NODE,
            ),
            Feature::new("sees big values of topics with any COMPRESSION", BROWSED),
            Feature::new("is refused a value that VALIDATE_VALUES forbids", ONCE),
            Feature::new("sees every change of a topic with CONFLATION off", NODE),
            Feature::new(
                "sees the last change of a topic with CONFLATION always",
                NODE,
            ),
            Feature::new(
                "is unsubscribed from a topic with TIDY_ON_UNSUBSCRIBE",
                NODE,
            ),
            Feature::new("fetches the properties that it set", ONCE),
            Feature::new("is refused a topic with an invalid property", ONCE),
            Feature::new(
                "sees a topic removed when the session that made it closes",
                NODE,
            ),
            Feature::new("changes a topic as its OWNER", ONCE),
        ],
    },
    Group {
        title: "Selectors and subscriptions",
        features: &[
            Feature::new("subscribes by selectors of each kind", BROWSED),
            Feature::new("subscribes to topics that are added later", NODE),
            Feature::new("unsubscribes and is told that it asked for it", SCRIPTED),
            Feature::new("keeps a topic out of a wider selection", NODE),
            Feature::new("subscribes in several scopes", NODE),
            Feature::new("subscribes again to what it has", NODE),
            Feature::new("adds a stream to topics that it has", NODE),
            Feature::new("is refused a selector with look-ahead", NODE),
        ],
    },
    Group {
        title: "Fetching",
        features: &[
            Feature::new("fetches paths in order", BROWSED),
            Feature::new("fetches ranges", NODE),
            Feature::new("fetches the first or the last", SCRIPTED),
            Feature::new("fetches by topic type", NODE),
            Feature::new("fetches values", NODE),
            Feature::new("fetches properties", SCRIPTED),
            Feature::new("fetches sizes", NODE),
            Feature::new("fetches no more than the size it asks for", NODE),
            Feature::new("fetches a few of each deep branch", NODE),
        ],
    },
    Group {
        title: "Updating",
        features: &[
            Feature::new("is refused an update of no topic or of another type", NODE),
            Feature::new("updates under constraints of topics and values", NODE),
            Feature::new("updates under comparisons of values", NODE),
            Feature::new("updates under constraints of parts of JSON values", NODE),
            Feature::new("updates by a stream", NODE),
            Feature::new("is told that a stream has ended", NODE),
            Feature::new("updates by a JSON patch", ONCE),
        ],
    },
    Group {
        title: "Sessions",
        features: &[
            Feature::new("reads its own session properties", NODE),
            Feature::new("reads the properties of another session", ONCE),
            Feature::new("closes another session", ONCE),
            Feature::new("subscribes another session", ONCE),
            Feature::new("listens to session events", ONCE),
            Feature::new("locks and unlocks", WEBSOCKET),
        ],
    },
    Group {
        title: "Larger features",
        features: &[
            Feature::new("derives topics by topic views", ONCE),
            Feature::new("appends to and queries time series", SCRIPTED),
            Feature::new("edits time series and queries the edits", NODE),
            Feature::new("subscribes to time series", NODE),
            Feature::new("sends requests to a path", WEBSOCKET),
            Feature::new("sends requests to a session", ONCE),
            Feature::new("is notified of topics", ONCE),
            Feature::new("is notified of missing topics", ONCE),
            Feature::new("reads and changes the security store", ONCE),
            Feature::new("maps branches by session trees", WEBSOCKET),
            Feature::new("lists metric collectors", WEBSOCKET),
            Feature::new("lists remote servers", ONCE),
        ],
    },
    Group {
        title: "The old dialect (protocol 9)",
        features: &[
            Feature::new("connects and closes", VERSION5),
            Feature::new("reconnects and misses nothing", VERSION5),
            Feature::new("is refused with a wrong password", VERSION5),
            Feature::new("adds, watches and removes JSON topics", VERSION5),
            Feature::new("is refused a topic with another specification", VERSION5),
            Feature::new("fetches topics", VERSION5),
            Feature::new("lives with topics of types that it does not know", VERSION5),
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::cases;

    #[test]
    fn a_case_has_a_name_of_its_own() {
        let names: Vec<String> = cases().map(|case| case.to_string()).collect();
        assert_eq!(names[0], "node_ws::connects_pings_and_closes");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}
