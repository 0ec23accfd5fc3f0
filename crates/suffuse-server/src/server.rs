//! A server: its broker thread, its listeners, and their orderly end.

use std::{
    fmt, io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
    thread,
    time::{Duration, Instant},
};

use suffuse_broker::Broker;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinHandle,
};

use crate::{
    broker_thread, cluster,
    drain::{Drain, DrainError, DrainPlan, DrainProgress},
    http::{Foreign, Forwarding, Guesses},
    inbox::{Inbox, Input},
    link::polling::PollingLinks,
    listener,
    metrics::Metrics,
    options::Options,
    password,
    shared::Shared,
};

/// How many connections beyond the limit are told so at the same time; others are just closed.
const SURPLUS_CONNECTIONS_MAX: usize = 64;
/// How many passwords of operators are checked at once; more requests are answered with 503.
const ADMIN_CHECKS_MAX: usize = 2;
/// How often the operator hears of requests for other nodes.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// A running server. It stops when it is dropped, though in order only by [`Server::stop`].
pub struct Server {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    tasks: Vec<JoinHandle<()>>,
    broker: Option<thread::JoinHandle<()>>,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is nothing to listen on.
    #[error("no address to listen on: expected at least one, for example 127.0.0.1:8080")]
    NoAddress,
    /// An address cannot be had.
    #[error("cannot listen on {address} ({source}): {advice}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
        /// Who may have it, and what to do.
        advice: String,
    },
    /// The certificate of a listener cannot be used.
    #[error("cannot use {} for TLS: {problem}", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The secret of the group cannot be used.
    #[error("cannot use {} as the secret of the group: {problem}", file.display())]
    Secret {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The system has no threads, or no randomness, to give.
    #[error("the system cannot run a server: {0}")]
    System(io::Error),
}

impl Server {
    /// Starts a server. It accepts connections when this returns.
    ///
    /// # Errors
    /// If an address cannot be had, a certificate cannot be used, or the system lacks something.
    #[expect(
        clippy::unused_async,
        reason = "sockets need a runtime, which an async function always has"
    )]
    pub async fn start(options: Options) -> Result<Self, StartError> {
        if options.listen.is_empty() {
            return Err(StartError::NoAddress);
        }
        let listeners = options
            .listen
            .iter()
            .map(listener::bind)
            .collect::<Result<Vec<_>, _>>()?;
        let forwarding = forwarding(&options)?;
        let (shared, broker) = start_broker(options, forwarding).map_err(StartError::System)?;
        let mut server = Self {
            shared,
            addresses: Vec::new(),
            tasks: Vec::new(),
            broker: Some(broker),
        };
        for (socket, listener) in listeners {
            server.addresses.push(listener.address);
            let run = listener::run(socket, Arc::new(listener), Arc::clone(&server.shared));
            server.tasks.push(tokio::spawn(run));
        }
        server
            .tasks
            .push(tokio::spawn(sweep(Arc::clone(&server.shared))));
        server
            .tasks
            .push(tokio::spawn(report(Arc::clone(&server.shared))));
        Ok(server)
    }

    /// Returns the addresses that the server listens on, in the order of the options.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Looks at the broker between two batches. All sessions wait meanwhile, so the look is short.
    pub async fn inspect<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Broker) -> T + Send + 'static,
    ) -> T {
        self.shared
            .inspect(look)
            .await
            .expect("the broker runs as long as the server, or the process ends")
    }

    /// Stops the server: accepts no connections, tells all sessions, and waits until they have heard it, though
    /// not longer than [`Limits::stop_timeout`](crate::Limits::stop_timeout).
    pub async fn stop(mut self) {
        self.begin_stop();
        let ended = self
            .shared
            .places
            .acquire_many(places(self.shared.limits.connections_max));
        if tokio::time::timeout(self.shared.limits.stop_timeout, ended)
            .await
            .is_err()
        {
            tracing::warn!("some connections did not end in time and are cut");
        }
        for task in self.tasks.drain(..) {
            task.abort();
            let _ = task.await;
        }
        if let Some(broker) = self.broker.take() {
            let _ = tokio::task::spawn_blocking(|| broker.join()).await;
        }
    }

    /// Empties the server: tells load balancers that it is not ready, waits for them to notice, and then
    /// ends the connections of sessions at a rate, so that their clients connect elsewhere. Returns when no
    /// session has a connection, or the drain was aborted. The server goes on draining when this is dropped;
    /// only [`Server::abort_drain`] ends that.
    ///
    /// # Errors
    /// If it is being drained already.
    pub async fn drain(&self, plan: DrainPlan) -> Result<DrainProgress, DrainError> {
        Drain::begin(&self.shared, plan)?;
        Ok(self.shared.drain.ended().await)
    }

    /// Lets a server that is being drained serve again, and returns how far it was.
    pub fn abort_drain(&self) -> DrainProgress {
        self.shared.drain.abort()
    }

    /// Returns how far the server is drained.
    #[must_use]
    pub fn drain_progress(&self) -> DrainProgress {
        self.shared.drain.progress()
    }

    fn begin_stop(&self) {
        self.shared.stop.send_replace(true);
        self.shared.inbox.push(Input::Stop);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.begin_stop();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

/// Reads the secret of the group, by which servers believe each other.
fn forwarding(options: &Options) -> Result<Option<Forwarding>, StartError> {
    let Some(file) = &options.cluster.secret_file else {
        return Ok(None);
    };
    let link = cluster::Link::read(file).map_err(|problem| StartError::Secret {
        file: file.clone(),
        problem,
    })?;
    Ok(Some(Forwarding::new(&options.cluster, link)))
}

fn start_broker(
    options: Options,
    forwarding: Option<Forwarding>,
) -> io::Result<(Arc<Shared>, thread::JoinHandle<()>)> {
    let mut settings = options.broker;
    let mut server_id = [0; 8];
    getrandom::fill(&mut server_id).map_err(io::Error::other)?;
    settings.server_id = i64::from_be_bytes(server_id);
    let inbox = Arc::new(Inbox::default());
    let metrics = Metrics::default();
    let peers = options.cluster.peers.iter().map(|(node, _)| node);
    let shared = Shared {
        inbox: Arc::clone(&inbox),
        polling: PollingLinks::default(),
        message_bytes_max: settings.message_bytes_max,
        message_time_max: message_time_max(settings.ping_interval),
        origins: options.allowed_origins,
        guesses: Guesses::default(),
        foreign: Foreign::new(settings.node, peers, &metrics),
        metrics,
        forwarding,
        drain: Drain::default(),
        drain_plan: options.drain,
        admin_places: Arc::new(Semaphore::new(ADMIN_CHECKS_MAX)),
        cookie: options.cookie,
        node: settings.node,
        page: options.page,
        places: Arc::new(Semaphore::new(
            places(options.limits.connections_max) as usize
        )),
        surplus_places: Arc::new(Semaphore::new(SURPLUS_CONNECTIONS_MAX)),
        stop: watch::Sender::new(false),
        next_link: AtomicU64::new(1),
        limits: options.limits,
    };
    let random = Box::new(|bytes: &mut [u8]| {
        // Tokens made of anything else could be guessed.
        getrandom::fill(bytes).expect("a system that had randomness at the start has it later");
    });
    let broker = Broker::new(settings, options.principals, random);
    let checks = password::start(&inbox)?;
    let thread = thread::Builder::new().name("broker".to_owned());
    let thread = thread.spawn(move || broker_thread::run(broker, &inbox, checks))?;
    Ok((Arc::new(shared), thread))
}

/// A message that takes longer than two pings is never finished.
fn message_time_max(ping_interval: Duration) -> Duration {
    if ping_interval.is_zero() {
        Duration::from_secs(60)
    } else {
        ping_interval * 2
    }
}

/// Returns the number of connections as a semaphore counts them.
fn places(connections_max: usize) -> u32 {
    u32::try_from(connections_max.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX)
}

/// Ends polling links that nobody polls, until the task is aborted.
async fn sweep(shared: Arc<Shared>) {
    let grace = shared.limits.poll_grace;
    let mut interval =
        tokio::time::interval((grace / 10).clamp(Duration::from_millis(5), Duration::from_secs(1)));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        shared.polling.sweep(Instant::now(), grace);
    }
}

/// Tells the operator once a minute of what a load balancer in front does wrong, until the task is aborted.
async fn report(shared: Arc<Shared>) {
    let mut interval = tokio::time::interval(REPORT_INTERVAL);
    loop {
        interval.tick().await;
        if let Some(report) = shared.foreign.report() {
            tracing::warn!(code = "SFX-L201", "{report}");
        }
    }
}
