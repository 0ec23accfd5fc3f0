//! A crowd of our own sessions behind each documented load balancer: half of them poll, half of
//! them use TLS, and each looks at every value that it should see. The nodes know nothing of each
//! other, so a request that reaches the wrong one finds neither the session nor its topic.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
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
use tokio::net::{TcpListener, TcpSocket};

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

/// The address that the balancer sees of a client.
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 7);

#[test]
fn nodes_learn_who_the_client_is_from_haproxy() {
    check_client(Kind::Haproxy);
}

#[test]
fn nodes_learn_who_the_client_is_from_nginx() {
    check_client(Kind::Nginx);
}

#[test]
fn nodes_learn_who_the_client_is_from_caddy() {
    check_client(Kind::Caddy);
}

#[test]
fn nodes_learn_who_the_client_is_from_traefik() {
    check_client(Kind::Traefik);
}

#[test]
fn nodes_learn_who_the_client_is_from_envoy() {
    check_client(Kind::Envoy);
}

#[test]
fn nodes_learn_who_the_client_is_from_apache() {
    check_client(Kind::Apache);
}

#[test]
fn nodes_learn_who_the_client_is_from_varnish() {
    check_client(Kind::Varnish);
}

#[test]
fn nodes_learn_who_the_client_is_from_proxy_headers_of_haproxy() {
    let server = Server::start_with(&[
        "listen.0.trusted_proxies=[\"127.0.0.1\"]",
        "listen.0.proxy_protocol=v1v2",
    ]);
    let edit = (
        "default-server check",
        "default-server check send-proxy-v2 check-send-proxy",
    );
    check_client_of(&server.unwrap(), Kind::Haproxy, Some(edit));
}

/// Also: what the balancers write down of a connection has no password in it.
fn check_client(kind: Kind) {
    let server = Server::start_with(&["listen.0.trusted_proxies=[\"127.0.0.1\"]"]).unwrap();
    check_client_of(&server, kind, None);
}

fn check_client_of(server: &Server, kind: Kind, edit: Option<(&str, &str)>) {
    // Twice the same: where a new session goes to does not matter.
    let addresses = [server.address(); 2];
    let proxy = Proxy::start_edited(kind, &addresses, edit).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        for target in [proxy.url(), proxy.secure_url().unwrap()] {
            let url = from_elsewhere(&target).await;
            for transport in [Transport::WebSocket, Transport::HttpPolling] {
                let roots = fs::read(proxy.root_certificate()).unwrap();
                let builder = Session::builder()
                    .url(&url)
                    .transports([transport])
                    .trusted_roots_pem(roots)
                    .principal("admin")
                    .credentials(server.password());
                let session = builder.open().await.unwrap();
                let properties = session.properties().own().await.unwrap();
                assert_eq!(
                    properties["$ClientIP"],
                    CLIENT.to_string(),
                    "{transport:?} {target}"
                );
                session.close().await;
            }
        }
    });
    confide(proxy.port());
    // Without a node there are errors to log.
    server.signal("KILL").unwrap();
    confide(proxy.port());
    let said = proxy.finish().unwrap();
    let logged = if kind == Kind::Traefik {
        // Its log has no part of the URL without the query.
        "\"RequestMethod\":\"GET\""
    } else if kind == Kind::Varnish {
        // It writes no log by itself.
        ""
    } else {
        "/diffusion"
    };
    assert!(said.contains(logged), "nothing is logged: {said}");
    assert!(!said.contains("secret-in-"), "a secret in: {said}");
}

/// Asks for a WebSocket with passwords where the published clients have them, and waits for the answer.
fn confide(port: u16) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let lines = [
        "GET /diffusion?ty=B&v=29&ca=8&r=0&username=admin&password=secret-in-query HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "password: secret-in-header",
        "\r\n",
    ];
    stream.write_all(lines.join("\r\n").as_bytes()).unwrap();
    // Where no node is there, some end the connection without a word.
    let _ = stream.read(&mut [0; 12]).unwrap();
}

/// Starts a relay whose connections come from another address of this machine; returns the URL of
/// the relay for the URL of its target.
async fn from_elsewhere(target: &str) -> String {
    let (scheme, rest) = target.split_once("://").unwrap();
    let (authority, path) = rest.split_once('/').unwrap();
    let target: SocketAddr = authority.parse().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind((CLIENT, 0).into()).unwrap();
            let mut server = socket.connect(target).await.unwrap();
            tokio::spawn(async move {
                // An error is the end of one side, and so of both.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    format!("{scheme}://127.0.0.1:{port}/{path}")
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
        for server in &servers {
            server.check_owned().unwrap();
        }
        crowd = while_drained(kind, &servers[0], &proxy, on_first, crowd).await;
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

/// While a node is drained its sessions go on, and new ones go elsewhere.
async fn while_drained(
    kind: Kind,
    server: &Server,
    proxy: &Proxy,
    node: i64,
    crowd: Vec<Member>,
) -> Vec<Member> {
    server.begin_drain().unwrap();
    let begin = Instant::now();
    let mut elsewhere = 0;
    // nginx does not ask whether a node is ready.
    while kind != Kind::Nginx && elsewhere < 4 {
        let session = Session::builder().url(proxy.url()).open().await.unwrap();
        elsewhere = if session.id().server == node {
            0
        } else {
            elsewhere + 1
        };
        session.close().await;
        assert!(
            begin.elapsed() < PATIENCE,
            "sessions still go to a node that is drained"
        );
    }
    let crowd = each(crowd.into_iter().map(|member| member.work(4))).await;
    server.abort_drain().unwrap();
    crowd
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
