//! A crowd of our own sessions behind each documented load balancer: half of them poll, half of
//! them use TLS, and each looks at every value that it should see. The nodes know nothing of each
//! other, so a request that reaches the wrong one finds neither the session nor its topic.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use suffuse_client::streams::ValueStream;
use suffuse_client::{
    CloseReason, ConnectEvent, ResponseCode, Session, TopicSpecification, TopicType, Transport,
    keys,
};
use suffuse_interop::proxy::{Kind, Proxy};
use suffuse_interop::server::Server;

const CROWD: usize = 100;
const CHANGES: i64 = 25;

/// How long a session of a node that is gone may take to know it.
const END_MAX: Duration = Duration::from_secs(5);

/// How long anything else may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_crowd_stays_on_its_nodes_behind_haproxy() {
    check(Kind::Haproxy);
}

#[test]
fn a_crowd_stays_on_its_nodes_behind_nginx() {
    check(Kind::Nginx);
}

#[test]
fn a_crowd_stays_on_its_nodes_behind_caddy() {
    check(Kind::Caddy);
}

#[test]
fn a_crowd_stays_on_its_nodes_behind_traefik() {
    check(Kind::Traefik);
}

#[test]
fn a_crowd_stays_on_its_nodes_behind_envoy() {
    check(Kind::Envoy);
}

#[test]
fn a_crowd_stays_on_its_nodes_behind_apache() {
    check(Kind::Apache);
}

#[test]
fn a_crowd_stays_on_its_nodes_behind_varnish() {
    check(Kind::Varnish);
}

fn check(kind: Kind) {
    let mut servers = [Server::start("n01").unwrap(), Server::start("n02").unwrap()];
    let addresses: Vec<SocketAddr> = servers.iter().map(Server::address).collect();
    let proxy = Proxy::start(kind, &addresses).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let on_first = node_of(&servers[0]).await;
        let mut crowd = Vec::new();
        for member in each((0..CROWD).map(|number| Member::join(&proxy, number))).await {
            crowd.push(member);
        }
        let mut nodes = BTreeMap::<i64, usize>::new();
        for member in &crowd {
            *nodes.entry(member.session.id().server).or_default() += 1;
        }
        assert_eq!(nodes.len(), 2, "sessions of each node: {nodes:?}");
        assert!(nodes.values().all(|&count| count >= 10), "{nodes:?}");

        let mut crowd = each(crowd.into_iter().map(|member| member.work(1))).await;
        let (gone, stay): (Vec<_>, Vec<_>) = crowd
            .drain(..)
            .partition(|member| member.session.id().server == on_first);

        let stay = stay.into_iter().map(|member| member.work(2));
        let staying = tokio::spawn(each(stay.collect::<Vec<_>>()));
        servers[0].signal("KILL").unwrap();
        let killed = Instant::now();
        let ends = gone
            .into_iter()
            .map(|member| async move { (member.number, member.session.closed().await) });
        for (number, reason) in tokio::time::timeout(END_MAX, each(ends.collect::<Vec<_>>()))
            .await
            .unwrap_or_else(|_| {
                panic!(
                    "sessions do not end {:?} after their node",
                    killed.elapsed()
                )
            })
        {
            let told = matches!(
                reason,
                CloseReason::ReconnectRefused(ResponseCode::UNKNOWN_SESSION)
            );
            assert!(told, "member {number}: {reason:?}");
        }
        // The others notice nothing, neither before nor afterwards.
        let stay = staying.await.unwrap();
        each(stay.into_iter().map(|member| member.work(3))).await;
    });
    servers[1].check_running().unwrap();
}

/// Runs all at the same time.
async fn each<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

/// Returns the part of session ids that tells the node.
async fn node_of(server: &Server) -> i64 {
    let session = Session::builder().url(server.url()).open().await.unwrap();
    let node = session.id().server;
    session.close().await;
    node
}

/// A session with a topic of its own.
struct Member {
    number: usize,
    session: Session,
    values: ValueStream<i64>,
    /// How often the connection was lost: a poll that reaches the wrong node loses it.
    losses: Arc<AtomicUsize>,
}

impl Member {
    fn join(proxy: &Proxy, number: usize) -> impl Future<Output = Self> + Send + 'static {
        let transport = match number % 2 {
            0 => Transport::WebSocket,
            _ => Transport::HttpPolling,
        };
        let url = match number / 2 % 2 {
            0 => proxy.url(),
            _ => proxy.secure_url().unwrap(),
        };
        let roots = fs::read(proxy.root_certificate()).unwrap();
        let losses = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&losses);
        async move {
            let builder = Session::builder()
                .url(url)
                .transports([transport])
                .trusted_roots_pem(roots)
                .attempt_timeout(PATIENCE)
                .principal("admin")
                .credentials("password")
                .on_event(move |event| {
                    if let ConnectEvent::Recovering { .. } = event {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            let session = builder.open().await.unwrap();
            let path = path(number);
            let values = session.topics().stream(&path).await.unwrap();
            let specification =
                TopicSpecification::new(TopicType::INT64).with(keys::CONFLATION, "off");
            session.topics().add(&path, specification).await.unwrap();
            Self {
                number,
                session,
                values,
                losses,
            }
        }
    }

    /// Sets the topic again and again, and sees each value once, in order.
    async fn work(mut self, round: i64) -> Self {
        let path = path(self.number);
        for change in 0..CHANGES {
            let value = round * 1000 + change;
            let topics = self.session.topics();
            let set = tokio::time::timeout(PATIENCE, topics.set(&path, &value)).await;
            set.expect("an answer in time").unwrap();
        }
        for change in 0..CHANGES {
            let next = tokio::time::timeout(PATIENCE, self.values.next()).await;
            let update = next.expect("a value in time").expect("a session");
            assert_eq!(update.missed, 0);
            assert_eq!(
                update.value.unwrap(),
                round * 1000 + change,
                "member {}",
                self.number
            );
        }
        let losses = self.losses.load(Ordering::Relaxed);
        assert_eq!(losses, 0, "member {} lost its connection", self.number);
        self
    }
}

fn path(number: usize) -> String {
    format!("crowd/{number}")
}
