//! A balancer that is faulty on purpose, for faults that no program shows on demand. It handles one
//! request for each connection, as `suffuse doctor` makes them.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a fault alters one place, and nothing at all others"
)]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// What the balancer does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It sends each request to the next node.
    NotSticky,
    /// It sends what has no cookie to the next node, and all else to the first.
    ByCookieOnly,
    /// It removes these headers of requests.
    DropsHeaders(&'static [&'static str]),
    /// It removes cookies and unknown headers of answers.
    DropsAnswerHeaders,
    /// It refuses bodies of more bytes.
    LimitsBodies(usize),
    /// It refuses heads of more bytes.
    LimitsHeads(usize),
    /// It ends tunnels after a time, in use or not.
    Cut(Duration),
    /// It ends tunnels that were idle for a time.
    CutsIdle(Duration),
    /// It forgets tunnels that were idle for a time, and says nothing.
    ForgetsIdle(Duration),
    /// It ends requests that were not answered for a time with 504.
    CutsPolls(Duration),
    /// It never answers an upgrade.
    Swallows,
    /// It passes the 101 on, and nothing after it.
    NoFrames,
    /// It passes the 101 on with another key.
    WrongKey,
    /// It answers upgrades with this head.
    Answers(&'static str),
    /// It passes the bytes of tunnels on one by one, which is no fault.
    Chops,
    /// It passes upgrades on after a time.
    Delays(Duration),
    /// It passes answers on after a time.
    Buffers(Duration),
    /// It answers every so manieth request itself, with 502.
    FailsEvery(usize),
    /// It loses every so manieth answer.
    LosesEvery(usize),
    /// It passes one request on at a time.
    OneAtATime,
    /// It answers pre-flight requests itself.
    AnswersOptions,
    /// It redirects everything.
    Redirects,
}

/// A running balancer; it ends with this value.
pub(crate) struct Balancer {
    pub(crate) address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

struct Shared {
    fault: Fault,
    nodes: Vec<SocketAddr>,
    requests: AtomicUsize,
    connections: AtomicUsize,
    turn: Mutex<()>,
}

impl Balancer {
    pub(crate) fn start(fault: Fault, nodes: Vec<SocketAddr>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            fault,
            nodes,
            requests: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            turn: Mutex::new(()),
        });
        runtime.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let shared = shared.clone();
                // A client may go at any time.
                connections.spawn(async move { shared.serve(client).await.ok() });
            }
        });
        Self {
            address,
            _runtime: runtime,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/diffusion", self.address)
    }
}

impl Shared {
    async fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let (head, rest) = read_head(&mut client).await?;
        if self.fault == Fault::Redirects {
            return answer(&mut client, "302 Found\r\nLocation: https://login.example/").await;
        }
        if let Fault::LimitsHeads(limit) = self.fault
            && head.len() > limit
        {
            return answer(&mut client, "431 Request Header Fields Too Large").await;
        }
        if let Fault::LimitsBodies(limit) = self.fault
            && header(&head, "content-length").is_some_and(|it| it.parse().unwrap_or(0) > limit)
        {
            answer(&mut client, "413 Payload Too Large\r\nServer: narrow").await?;
            return drained(&mut client).await;
        }
        if self.fault == Fault::AnswersOptions && head.starts_with("OPTIONS") {
            return answer(&mut client, "204 No Content").await;
        }
        let node = TcpStream::connect(self.node_for(&head)).await?;
        node.set_nodelay(true)?;
        match header(&head, "upgrade") {
            Some(_) => self.tunnel(client, &head, node).await,
            None => self.pass_on(client, &head, &rest, node).await,
        }
    }

    /// Returns where a request goes: like the documented balancers, unless that is the fault.
    fn node_for(&self, head: &str) -> SocketAddr {
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        let next = self.nodes[number % self.nodes.len()];
        let of = |is_second: bool| self.nodes[usize::from(is_second) % self.nodes.len()];
        match self.fault {
            Fault::NotSticky => next,
            Fault::ByCookieOnly => match header(head, "cookie") {
                // The cookie is the one that `pass_on` and `tunnel` add.
                Some(cookie) => of(cookie.contains("NODE=1")),
                None => next,
            },
            _ => match head.contains("c: n02.") || head.contains("c=n02.") {
                true => of(true),
                false => match head.contains("c: n01.") || head.contains("c=n01.") {
                    true => of(false),
                    false => next,
                },
            },
        }
    }

    fn cookie(&self, node: &TcpStream) -> Option<String> {
        let peer = node.peer_addr().ok()?;
        let number = self.nodes.iter().position(|node| *node == peer)?;
        (self.fault == Fault::ByCookieOnly).then(|| format!("set-cookie: NODE={number}\r\n"))
    }

    async fn pass_on(
        &self,
        mut client: TcpStream,
        head: &str,
        rest: &[u8],
        mut node: TcpStream,
    ) -> io::Result<()> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        if matches!(self.fault, Fault::FailsEvery(every) if number.is_multiple_of(every)) {
            return answer(&mut client, "502 Bad Gateway\r\nServer: faulty").await;
        }
        let _turn = match self.fault {
            Fault::OneAtATime => Some(self.turn.lock().await),
            _ => None,
        };
        let head = match self.fault {
            Fault::DropsHeaders(names) => without(head, names),
            _ => head.to_owned(),
        };
        node.write_all(head.as_bytes()).await?;
        node.write_all(rest).await?;
        let cookie = self.cookie(&node).unwrap_or_default();
        let (mut from_client, mut to_client) = client.split();
        let (mut from_node, mut to_node) = node.split();
        let up = tokio::io::copy(&mut from_client, &mut to_node);
        let down = async {
            let (answer, body) = match self.fault {
                Fault::CutsPolls(after) => {
                    match tokio::time::timeout(after, read_head_of(&mut from_node)).await {
                        Ok(read) => read?,
                        Err(_) => {
                            let text = "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n";
                            return to_client.write_all(text.as_bytes()).await;
                        }
                    }
                }
                _ => read_head_of(&mut from_node).await?,
            };
            let answer = match self.fault {
                Fault::LosesEvery(every) if number.is_multiple_of(every) => {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                Fault::Buffers(time) => {
                    tokio::time::sleep(time).await;
                    answer
                }
                Fault::DropsAnswerHeaders => without(&answer, &["set-cookie:", "x-"]),
                _ => answer,
            };
            let answer = answer.replacen("\r\n", &format!("\r\n{cookie}"), 1);
            to_client.write_all(answer.as_bytes()).await?;
            to_client.write_all(&body).await?;
            tokio::io::copy(&mut from_node, &mut to_client).await?;
            Ok(())
        };
        // It is over when either side is.
        tokio::select! {
            down = down => down,
            up = up => up.map(drop),
        }
    }

    async fn tunnel(
        &self,
        mut client: TcpStream,
        head: &str,
        mut node: TcpStream,
    ) -> io::Result<()> {
        match self.fault {
            Fault::Swallows => return drained(&mut client).await,
            Fault::Answers(text) => return answer(&mut client, text).await,
            Fault::Delays(time) => tokio::time::sleep(time).await,
            _ => {}
        }
        node.write_all(head.as_bytes()).await?;
        let (reply, rest) = read_head(&mut node).await?;
        let reply = match self.fault {
            Fault::WrongKey => match header(&reply, "sec-websocket-accept") {
                Some(key) => reply.replace(key, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
                None => reply,
            },
            Fault::DropsAnswerHeaders => without(&reply, &["set-cookie:", "x-"]),
            _ => reply,
        };
        let cookie = self.cookie(&node).unwrap_or_default();
        let reply = reply.replacen("\r\n", &format!("\r\n{cookie}"), 1);
        client.write_all(reply.as_bytes()).await?;
        if self.fault == Fault::NoFrames {
            return drained(&mut client).await;
        }
        client.write_all(&rest).await?;
        match self.fault {
            Fault::Cut(after) => {
                let through = copy_bidirectional(&mut client, &mut node);
                match tokio::time::timeout(after, through).await {
                    Ok(ended) => ended.map(drop),
                    Err(_) => Ok(()),
                }
            }
            Fault::CutsIdle(after) => while_used(&mut client, &mut node, after).await,
            Fault::ForgetsIdle(after) => {
                while_used(&mut client, &mut node, after).await?;
                drained(&mut client).await
            }
            Fault::Chops => chopped(&mut client, &mut node).await,
            _ => copy_bidirectional(&mut client, &mut node).await.map(drop),
        }
    }
}

/// Passes everything on until nothing has come for a time.
async fn while_used(a: &mut TcpStream, b: &mut TcpStream, time: Duration) -> io::Result<()> {
    let (mut left, mut right) = ([0; 4096], [0; 4096]);
    loop {
        let (count, is_from_a) = tokio::select! {
            read = a.read(&mut left) => (read?, true),
            read = b.read(&mut right) => (read?, false),
            () = tokio::time::sleep(time) => return Ok(()),
        };
        match (count, is_from_a) {
            (0, _) => return Err(io::ErrorKind::UnexpectedEof.into()),
            (count, true) => b.write_all(&left[..count]).await?,
            (count, false) => a.write_all(&right[..count]).await?,
        }
    }
}

/// Passes everything on, and to the client a byte at a time.
async fn chopped(client: &mut TcpStream, node: &mut TcpStream) -> io::Result<()> {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_node, mut to_node) = node.split();
    let down = async {
        loop {
            let byte = from_node.read_u8().await?;
            to_client.write_u8(byte).await?;
        }
    };
    tokio::select! {
        up = tokio::io::copy(&mut from_client, &mut to_node) => up.map(drop),
        down = down => down,
    }
}

async fn answer(client: &mut TcpStream, status: &str) -> io::Result<()> {
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    client.write_all(text.as_bytes()).await
}

/// Reads until the peer ends the connection.
async fn drained(stream: &mut TcpStream) -> io::Result<()> {
    tokio::io::copy(stream, &mut tokio::io::sink())
        .await
        .map(drop)
}

async fn read_head(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    read_head_of(stream).await
}

/// Reads a head, and returns it with what came behind it.
async fn read_head_of(
    stream: &mut (impl tokio::io::AsyncRead + Unpin),
) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// Returns a head without the lines that begin so.
fn without(head: &str, starts: &[&str]) -> String {
    let is_kept = |line: &&str| {
        let line = line.to_ascii_lowercase();
        !starts.iter().any(|start| line.starts_with(start))
    };
    head.split_inclusive("\r\n").filter(is_kept).collect()
}
