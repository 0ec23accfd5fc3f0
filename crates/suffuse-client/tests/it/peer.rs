//! Scripted peers: they answer every connection in one way, and count what they saw.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use suffuse_client::Transport;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// What a peer does after it has read the head of a request.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    /// Answers with these bytes and ends the connection.
    Answer(&'static str),
    /// Ends the connection with a reset.
    Reset,
    /// Never answers.
    Swallow,
    /// Opens the transport, and then sends this as the first message: of a WebSocket as these
    /// frames, of polling as this body. Then ends the connection.
    Open(Vec<u8>, Vec<u8>),
    /// Opens the transport and says no more.
    OpenAndWait,
    /// Answers an upgrade with the wrong key.
    WrongKey,
}

impl Script {
    /// Opens the transport and rejects the session.
    pub(crate) fn reject(code: u8) -> Self {
        Self::respond(&[0x23, 29, code])
    }

    pub(crate) fn respond(response: &[u8]) -> Self {
        Self::Open(frame(2, response), response.to_vec())
    }
}

/// A final frame of a server.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len())
        .ok()
        .filter(|length| *length < 126)
        .expect("a short payload");
    [&[0x80 | opcode, length], payload].concat()
}

pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    open: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

impl Peer {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let seen = heads.clone();
        let (open_sender, open) = watch::channel(0);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open_sender.send_modify(|open| *open += 1);
                let (open, script, seen) = (open_sender.clone(), script.clone(), seen.clone());
                connections.spawn(async move {
                    play(stream, script, seen).await;
                    open.send_modify(|open| *open -= 1);
                });
            }
        });
        Self {
            address,
            heads,
            open,
            _tasks: tasks,
        }
    }

    /// Waits until the client has so many connections.
    pub(crate) async fn connections(&self, count: usize) {
        within(self.open.clone().wait_for(|open| *open == count))
            .await
            .unwrap();
    }

    /// The heads of the requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// The transports of the requests so far.
    pub(crate) fn transports(&self) -> Vec<Transport> {
        let transport = |head: &String| match head.starts_with("GET ") {
            true => Transport::WebSocket,
            false => Transport::HttpPolling,
        };
        self.heads().iter().map(transport).collect()
    }
}

async fn play(mut stream: TcpStream, script: Script, heads: Arc<Mutex<Vec<String>>>) {
    let head = read_head(&mut stream).await;
    heads.lock().unwrap().push(head.clone());
    let is_upgrade = head.starts_with("GET ");
    match script {
        Script::Answer(bytes) => write(&mut stream, bytes.as_bytes()).await,
        Script::Reset => {
            stream.set_zero_linger().unwrap();
            return;
        }
        Script::Swallow => return wait(&mut stream).await,
        Script::Open(frames, body) => {
            let answer = match is_upgrade {
                true => [switching(&head).into_bytes(), frames].concat(),
                false => [ok(body.len()).into_bytes(), body].concat(),
            };
            write(&mut stream, &answer).await;
        }
        Script::OpenAndWait => {
            let answer = if is_upgrade { switching(&head) } else { ok(3) };
            write(&mut stream, answer.as_bytes()).await;
            return wait(&mut stream).await;
        }
        Script::WrongKey => write(&mut stream, switching("").as_bytes()).await,
    }
    // Ends without a reset: what the client has sent is read.
    stream.shutdown().await.ok();
    wait(&mut stream).await;
}

async fn write(stream: &mut TcpStream, bytes: &[u8]) {
    // The client may be gone.
    let _ = stream.write_all(bytes).await;
}

/// Waits until the client ends the connection.
async fn wait(stream: &mut TcpStream) {
    let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
}

pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            // The start of TLS, which has no end of a head.
            Ok(0x16) if head.is_empty() => break,
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// The value of a header, by its name in lower case.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

pub(crate) fn switching(head: &str) -> String {
    let key = header(head, "sec-websocket-key").unwrap_or_default();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    )
}

pub(crate) fn ok(length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n")
}

/// The connection response of an accepted session, with a ping interval in milliseconds.
pub(crate) fn accepted(ping_interval: u64) -> Vec<u8> {
    response(100, ping_interval, 1 << 20)
}

/// The connection response of a session that was resumed, with the number of the next message that the
/// server expects.
pub(crate) fn resumed(next: u32) -> Vec<u8> {
    response(105, 90_000, next)
}

/// The connection response of a session that was resumed with loss.
pub(crate) fn resumed_with_loss() -> Vec<u8> {
    response(106, 90_000, 1 << 20)
}

fn response(code: u8, ping_interval: u64, last: u32) -> Vec<u8> {
    let mut response = vec![0x23, 29, code];
    response.extend(1u64.to_be_bytes());
    response.extend(2u64.to_be_bytes());
    response.extend(b"n00.abcdefghijklmnopqrst");
    response.extend(ping_interval.to_be_bytes());
    response.extend(last.to_be_bytes());
    response
}

/// Fails a test that would hang.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("the test hangs")
}
