//! What all connections of a server share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use suffuse_broker::{Broker, LinkId};
use suffuse_proto::NodeId;
use tokio::sync::{Semaphore, oneshot, watch};

use crate::{
    drain::{Drain, DrainPlan},
    http::{Foreign, Forwarding, Guesses, Origins},
    inbox::{Inbox, Input},
    link::polling::PollingLinks,
    metrics::{Level, Metrics},
    options::Limits,
    page::PageInfo,
};

/// The parts of a server that its connections use.
pub(crate) struct Shared {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) polling: PollingLinks,
    pub(crate) limits: Limits,
    pub(crate) message_bytes_max: usize,
    /// How long a message may take from its first byte to its last.
    pub(crate) message_time_max: Duration,
    pub(crate) origins: Origins,
    pub(crate) guesses: Guesses,
    pub(crate) foreign: Foreign,
    pub(crate) metrics: Metrics,
    pub(crate) forwarding: Option<Forwarding>,
    pub(crate) drain: Drain,
    /// How the server is drained if nothing else is said.
    pub(crate) drain_plan: DrainPlan,
    /// How many passwords of operators are checked at once.
    pub(crate) admin_places: Arc<Semaphore>,
    pub(crate) cookie: Option<String>,
    pub(crate) node: NodeId,
    pub(crate) page: Option<PageInfo>,
    /// A place for each connection that is allowed.
    pub(crate) places: Arc<Semaphore>,
    /// Places for connections that are told that there are too many.
    pub(crate) surplus_places: Arc<Semaphore>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) next_link: AtomicU64,
}

impl Shared {
    /// Returns the id of a new link.
    pub(crate) fn next_link(&self) -> LinkId {
        LinkId(self.next_link.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns whether the server stops.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits until the server stops.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.subscribe();
        async move {
            // The sender lives as long as the server.
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }

    /// Returns the metrics as text; `None` if the server has stopped.
    pub(crate) async fn encode_metrics(&self) -> Option<String> {
        let stats = self.inspect(Broker::stats).await?;
        let level = Level {
            sessions: stats.sessions,
            topics: stats.topics,
            connections: self
                .limits
                .connections_max
                .saturating_sub(self.places.available_permits()),
        };
        Some(self.metrics.encode(&level))
    }

    /// Looks at the broker between two batches; `None` if the server has stopped.
    pub(crate) async fn inspect<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Broker) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let look = |broker: &Broker| {
            let _ = answer.send(look(broker));
        };
        self.inbox.push(Input::Inspect(Box::new(look)));
        answered.await.ok()
    }
}
