//! A proxy before a real server that breaks WebSocket in one way and passes everything else on.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustls::{ServerConfig, crypto::ring};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::peer::{header, read_head, within};

/// What the proxy does to an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Passes it on without the headers that make it one.
    Stripped,
    /// Answers it with these bytes and ends the connection.
    Answer(&'static str),
    /// Ends the connection with a reset.
    Reset,
    /// Never answers.
    Swallowed,
    /// Passes it on when the client has given up and polls already.
    Late,
    /// Passes the 101 on, and no frame.
    NoFrames,
    /// Passes the 101 on, and no frame, and ends the connection after a while.
    Cut(Duration),
    /// Passes the 101 on with a wrong key, and then everything.
    WrongKey,
    /// Is a forward proxy that makes no tunnels.
    NoTunnel,
    /// Speaks TLS, with a certificate that nobody trusts, and lets nothing pass.
    Untrusted,
}

/// The proxy. What it saw is of the connections that it broke.
pub(crate) struct BadProxy {
    pub(crate) address: SocketAddr,
    seen: Seen,
    open: watch::Receiver<usize>,
    all: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

#[derive(Clone)]
struct Seen {
    broken: Arc<AtomicUsize>,
    open: watch::Sender<usize>,
    is_polling: watch::Sender<bool>,
}

impl BadProxy {
    pub(crate) async fn start(fault: Fault, server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (open_sender, open) = watch::channel(0);
        let seen = Seen {
            broken: Arc::default(),
            open: open_sender,
            is_polling: watch::channel(false).0,
        };
        let all = Arc::new(AtomicUsize::new(0));
        let (to_tasks, count) = (seen.clone(), all.clone());
        let acceptor = (fault == Fault::Untrusted).then(untrusted);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let (seen, acceptor) = (to_tasks.clone(), acceptor.clone());
                connections.spawn(async move {
                    match acceptor {
                        Some(acceptor) => seen.watch(refuse(acceptor, client)).await,
                        None => serve(client, fault, server, seen).await,
                    }
                });
            }
        });
        Self {
            address,
            seen,
            open,
            all,
            _tasks: tasks,
        }
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }

    /// How many connections were broken.
    pub(crate) fn broken(&self) -> usize {
        self.seen.broken.load(Ordering::Relaxed)
    }

    /// Waits until the client has ended every connection that was broken.
    pub(crate) async fn all_ended(&self) {
        within(self.open.clone().wait_for(|open| *open == 0))
            .await
            .unwrap();
    }
}

impl Seen {
    /// Counts a connection while it lasts.
    async fn watch(&self, connection: impl Future<Output = ()>) {
        self.broken.fetch_add(1, Ordering::Relaxed);
        self.open.send_modify(|open| *open += 1);
        connection.await;
        self.open.send_modify(|open| *open -= 1);
    }
}

async fn serve(mut client: TcpStream, fault: Fault, server: SocketAddr, seen: Seen) {
    let head = read_head(&mut client).await;
    if header(&head, "upgrade").is_some() || head.starts_with("CONNECT ") {
        let broken = break_upgrade(&mut client, &head, fault, server);
        seen.watch(broken).await;
        if fault == Fault::Late {
            let mut is_polling = seen.is_polling.subscribe();
            is_polling.wait_for(|is_polling| *is_polling).await.unwrap();
            pass_on(&mut client, &head, server).await;
        }
        return;
    }
    seen.is_polling.send_replace(true);
    pass_on(&mut client, &head, server).await;
}

/// Passes a head on, and then everything in both directions.
async fn pass_on(client: &mut TcpStream, head: &str, server: SocketAddr) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    if server.write_all(head.as_bytes()).await.is_ok() {
        // Ends when either side does.
        let _ = copy_bidirectional(client, &mut server).await;
    }
}

async fn break_upgrade(client: &mut TcpStream, head: &str, fault: Fault, server: SocketAddr) {
    match fault {
        Fault::Stripped => pass_on(client, &stripped(head), server).await,
        Fault::Answer(bytes) => answer(client, bytes).await,
        Fault::NoTunnel => {
            assert!(head.starts_with("CONNECT "), "{head}");
            answer(client, "HTTP/1.1 403 Forbidden\r\nServer: squid\r\n\r\n").await;
        }
        Fault::Reset => client.set_zero_linger().unwrap(),
        Fault::Swallowed | Fault::Late => ended(client).await,
        Fault::NoFrames => {
            let _server = switch(client, head, server, |answer| answer).await;
            ended(client).await;
        }
        Fault::Cut(after) => {
            let server = switch(client, head, server, |answer| answer).await;
            tokio::time::sleep(after).await;
            drop(server);
        }
        Fault::WrongKey => {
            let mut server = switch(client, head, server, with_wrong_key).await;
            let _ = copy_bidirectional(client, &mut server).await;
        }
        Fault::Untrusted => unreachable!("nothing comes through TLS"),
    }
}

async fn answer(client: &mut TcpStream, bytes: &str) {
    client.write_all(bytes.as_bytes()).await.unwrap();
    client.shutdown().await.ok();
    ended(client).await;
}

/// Lets the server switch to WebSocket, and passes its answer on, changed.
async fn switch(
    client: &mut TcpStream,
    head: &str,
    server: SocketAddr,
    change: fn(String) -> String,
) -> TcpStream {
    let mut server = TcpStream::connect(server).await.unwrap();
    server.write_all(head.as_bytes()).await.unwrap();
    let answer = read_head(&mut server).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    client.write_all(change(answer).as_bytes()).await.unwrap();
    server
}

fn with_wrong_key(answer: String) -> String {
    let key = header(&answer, "sec-websocket-accept").unwrap();
    answer.replace(key, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
}

fn stripped(head: &str) -> String {
    let is_kept = |line: &&str| {
        let line = line.to_ascii_lowercase();
        !line.starts_with("upgrade:") && !line.starts_with("connection:")
    };
    head.split_inclusive("\r\n").filter(is_kept).collect()
}

/// Waits until the client ends the connection.
async fn ended(client: &mut TcpStream) {
    let _ = tokio::io::copy(client, &mut tokio::io::sink()).await;
}

async fn refuse(acceptor: TlsAcceptor, client: TcpStream) {
    if let Ok(mut stream) = acceptor.accept(client).await {
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    }
}

fn untrusted() -> TlsAcceptor {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = certified.signing_key.serialize_der().try_into().unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
