//! A server in the test's process, and a peer that writes and reads the bytes of HTTP and WebSockets.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use suffuse_server::{DrainPlan, DrainProgress, Options, Server};
use tokio::runtime::Runtime;

/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server.
pub(crate) struct TestServer {
    runtime: Runtime,
    server: Server,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub(crate) fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::dev(([127, 0, 0, 1], 0).into());
        change(&mut options);
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(Server::start(options)).unwrap();
        Self { runtime, server }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.addresses()[0]
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        self.server.addresses()
    }

    pub(crate) fn connect(&self) -> Peer {
        Peer::connect(self.address())
    }

    /// Connects a WebSocket client and takes the response.
    pub(crate) fn websocket(&self) -> Peer {
        let mut peer = self.connect();
        let (_, response) = peer.upgrade("/diffusion?v=29&ty=WB&ca=8&r=60000");
        assert_eq!(response[..3], [b'#', 29, 100]);
        peer
    }

    /// Connects a polling client and returns its token.
    pub(crate) fn polling(&self) -> String {
        let reply = self.connect().exchange(poll_request(
            "m: 0\r\nty: B\r\nv: 29\r\nca: 8\r\nr: 60000\r\n",
            "",
        ));
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.body[..3], [b'#', 29, 100]);
        String::from_utf8(reply.body[19..43].to_vec()).unwrap()
    }

    /// Returns how many sessions there are, connected or not.
    pub(crate) fn sessions(&self) -> usize {
        self.runtime
            .block_on(self.server.inspect(|broker| broker.stats().sessions))
    }

    /// Drains the server, and returns when that has ended.
    pub(crate) fn drain(&self, plan: DrainPlan) -> DrainProgress {
        self.runtime.block_on(self.server.drain(plan)).unwrap()
    }

    /// Begins to drain the server.
    pub(crate) fn begin_drain(&self, plan: DrainPlan) {
        let begun = async { tokio::time::timeout(Duration::ZERO, self.server.drain(plan)).await };
        if let Ok(ended) = self.runtime.block_on(begun) {
            ended.unwrap();
        }
    }

    pub(crate) fn abort_drain(&self) {
        self.server.abort_drain();
    }

    pub(crate) fn drain_progress(&self) -> DrainProgress {
        self.server.drain_progress()
    }

    /// Waits until there are so many sessions.
    pub(crate) fn await_sessions(&self, expected: usize) {
        let deadline = std::time::Instant::now() + PATIENCE;
        while self.sessions() != expected {
            assert!(
                std::time::Instant::now() < deadline,
                "{} sessions, expected {expected}",
                self.sessions()
            );
            std::thread::yield_now();
        }
    }

    pub(crate) fn stop(self) {
        self.runtime.block_on(self.server.stop());
    }

    /// Stops the server on a thread of its own.
    pub(crate) fn stop_meanwhile(self) -> std::thread::JoinHandle<()> {
        std::thread::spawn(move || self.stop())
    }
}

/// Returns a polling request; `headers` are lines that end in `\r\n`.
pub(crate) fn poll_request(headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /diffusion HTTP/1.1\r\nhost: test\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
}

/// One connection to a server.
pub(crate) struct Peer {
    socket: BufReader<TcpStream>,
}

/// A response of HTTP.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self {
            socket: BufReader::new(socket),
        }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Sends to a server that may have ended the connection.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.socket.get_mut().write_all(bytes)
    }

    pub(crate) fn exchange(&mut self, request: impl AsRef<[u8]>) -> Reply {
        self.send(request);
        self.read_reply()
    }

    pub(crate) fn read_reply(&mut self) -> Reply {
        let first = self.read_line();
        let status = first
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("expected a status line, found {first:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.read_line();
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut reply = Reply {
            status,
            headers,
            body: Vec::new(),
        };
        let length = reply
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        reply.body = self.read_bytes(length);
        reply
    }

    fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.socket.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn read_bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.socket.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Reads until the server ends the connection, which it must do in order.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.socket.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Waits for the end of the connection, in order or not, and returns whether nothing came before it.
    pub(crate) fn is_cut(&mut self) -> bool {
        let mut bytes = Vec::new();
        let end = self.socket.read_to_end(&mut bytes);
        let waited = end.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        bytes.is_empty() && !waited
    }

    pub(crate) fn shut_down(&mut self, how: Shutdown) {
        self.socket.get_mut().shutdown(how).unwrap();
    }

    /// Opens a WebSocket and returns the HTTP response and the first message.
    pub(crate) fn upgrade(&mut self, target: &str) -> (Reply, Vec<u8>) {
        self.upgrade_with(target, "")
    }

    /// The same with more headers, lines that end in `\r\n`.
    pub(crate) fn upgrade_with(&mut self, target: &str, headers: &str) -> (Reply, Vec<u8>) {
        let reply = self.exchange(upgrade_request(target, headers));
        assert_eq!(reply.status, 101, "{}", reply.text());
        assert_eq!(
            reply.header("sec-websocket-accept"),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
        assert_eq!(reply.header("sec-websocket-extensions"), None);
        let (opcode, message) = self.read_frame();
        assert_eq!(opcode, BINARY);
        (reply, message)
    }

    /// Sends a final, masked frame.
    pub(crate) fn send_frame(&mut self, opcode: u8, payload: &[u8]) {
        self.send(frame(opcode, payload));
    }

    /// Sends a binary message and returns what comes next.
    pub(crate) fn ask(&mut self, message: &[u8]) -> Vec<u8> {
        self.send_frame(BINARY, message);
        self.expect_message()
    }

    pub(crate) fn expect_message(&mut self) -> Vec<u8> {
        let (opcode, payload) = self.read_frame();
        assert_eq!(opcode, BINARY, "{payload:02x?}");
        payload
    }

    /// Expects a close frame with a code, and the end of the connection after it.
    pub(crate) fn expect_close(&mut self, code: u16) {
        let (opcode, payload) = self.read_frame();
        assert_eq!(
            (opcode, payload.as_slice()),
            (CLOSE, code.to_be_bytes().as_slice())
        );
        assert_eq!(self.read_to_end(), b"");
    }

    pub(crate) fn read_frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.read_bytes(2);
        assert_eq!(head[0] & 0xf0, 0x80, "frames of a server are final");
        let length = match head[1] {
            126 => usize::from(u16::from_be_bytes(self.read_bytes(2).try_into().unwrap())),
            127 => u64::from_be_bytes(self.read_bytes(8).try_into().unwrap()) as usize,
            length => usize::from(length),
        };
        (head[0] & 0x0f, self.read_bytes(length))
    }
}

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A message that asks for an answer, and the answer.
pub(crate) const USER_PING: &[u8] = &[0, 0x38, 1];
pub(crate) const USER_PONG: &[u8] = &[6, 1];
/// The message with which a client ends its session, and what the server answers.
pub(crate) const CLOSE_REQUEST: &[u8] = &[0x1d];
pub(crate) const ABORT: &[u8] = &[0x1c];

/// Returns a final, masked frame.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [1, 2, 3, 4];
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

/// Returns the request that opens a WebSocket.
pub(crate) fn upgrade_request(target: &str, headers: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nhost: test\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n{headers}\r\n"
    )
}
