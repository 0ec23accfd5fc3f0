//! Forward proxies between the client and the server.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use suffuse_client::{Builder, Failure, Proxy, Session, Transport};
use tokio::{
    io::{AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    peer::{Peer, Script, accepted, header, read_head, within},
    server, tls,
};

/// `user:secret`, as HTTP Basic authentication has it.
const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";

/// What a forward proxy does when it is asked for a tunnel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tunnels {
    Made,
    /// Answers with these bytes and ends the connection.
    Answered(&'static str),
    /// Never answers.
    Swallowed,
}

/// A forward proxy. Requests with a whole URL it always passes on.
pub(crate) struct ForwardProxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl ForwardProxy {
    pub(crate) async fn start(tunnels: Tunnels) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let seen = heads.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(serve(client, tunnels, seen.clone()));
            }
        });
        Self {
            address,
            heads,
            _tasks: tasks,
        }
    }

    pub(crate) fn with_credentials(&self, user: &str, password: &str) -> Proxy {
        Proxy::url(format!("http://{}", self.address)).basic_credentials(user, password)
    }

    fn take_heads(&self) -> Vec<String> {
        std::mem::take(&mut self.heads.lock().unwrap())
    }
}

async fn serve(mut client: TcpStream, tunnels: Tunnels, heads: Arc<Mutex<Vec<String>>>) {
    let head = read_head(&mut client).await;
    heads.lock().unwrap().push(head.clone());
    let is_tunnel = head.starts_with("CONNECT ");
    let target = head.split(' ').nth(1).unwrap_or_default();
    let authority = target.trim_start_matches("http://");
    let authority = authority.split('/').next().unwrap_or_default();
    match tunnels {
        Tunnels::Answered(answer) if is_tunnel => {
            client.write_all(answer.as_bytes()).await.ok();
            client.shutdown().await.ok();
        }
        Tunnels::Swallowed if is_tunnel => {
            let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
        }
        Tunnels::Made | Tunnels::Answered(_) | Tunnels::Swallowed => {
            let mut server = TcpStream::connect(authority).await.unwrap();
            if is_tunnel {
                let answer = "HTTP/1.1 200 Connection established\r\n\r\n";
                client.write_all(answer.as_bytes()).await.ok();
            } else {
                server.write_all(head.as_bytes()).await.ok();
            }
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
    }
}

fn builder(target: SocketAddr) -> Builder {
    Session::builder()
        .server_host(target.ip().to_string())
        .server_port(target.port())
        .request_path("/path/diffusion")
}

#[tokio::test]
async fn sessions_live_behind_a_proxy_that_wants_credentials() {
    let server = server::start().await;
    let target = server.addresses()[0];
    let proxy = ForwardProxy::start(Tunnels::Made).await;
    let cases = [
        (Transport::WebSocket, format!("CONNECT {target} HTTP/1.1")),
        (
            Transport::HttpPolling,
            format!("POST http://{target}/path/diffusion HTTP/1.1"),
        ),
    ];
    for (transport, first_line) in cases {
        let builder = builder(target)
            .transports([transport])
            .proxy(proxy.with_credentials("user", "secret"));
        let session = within(builder.open()).await.unwrap();
        within(session.ping()).await.unwrap();
        let attempt = &session.attempts()[0];
        assert_eq!(attempt.proxy, Some(proxy.address.to_string()));
        assert_eq!(attempt.address, Some(proxy.address));
        assert!(
            attempt
                .to_string()
                .ends_with(&format!("through the proxy {}", proxy.address)),
            "{attempt}"
        );
        session.close().await;
        for head in proxy.take_heads() {
            assert_eq!(head.lines().next(), Some(first_line.as_str()));
            assert_eq!(header(&head, "host"), Some(target.to_string().as_str()));
            assert_eq!(header(&head, "proxy-authorization"), Some(BASIC));
        }
    }
    within(server.stop()).await;
}

#[tokio::test]
async fn secure_sessions_of_both_transports_go_through_a_tunnel() {
    let server = tls::Server::start().await;
    let proxy = ForwardProxy::start(Tunnels::Made).await;
    for transport in Transport::ALL {
        let builder = Session::builder()
            .url(format!("wss://localhost:{}", server.port))
            .transports([transport])
            .trusted_roots([server.root.clone()])
            .proxy(Proxy::url(format!("http://user:secret@{}", proxy.address)));
        let session = within(builder.open()).await.unwrap();
        assert_eq!(session.transport(), transport);
        let heads = proxy.take_heads();
        let line = format!("CONNECT localhost:{} HTTP/1.1", server.port);
        assert_eq!(heads[0].lines().next(), Some(line.as_str()));
        assert_eq!(header(&heads[0], "proxy-authorization"), Some(BASIC));
    }
}

#[tokio::test]
async fn the_credentials_of_a_proxy_do_not_go_through_its_tunnel() {
    let peer = Peer::start(Script::respond(&accepted(90_000))).await;
    let proxy = ForwardProxy::start(Tunnels::Made).await;
    let builder = builder(peer.address).proxy(proxy.with_credentials("user", "secret"));
    within(builder.open()).await.unwrap();
    let heads = peer.heads();
    assert!(
        heads[0].starts_with("GET /path/diffusion HTTP/1.1"),
        "{heads:?}"
    );
    assert_eq!(header(&heads[0], "proxy-authorization"), None);
}

#[tokio::test]
async fn a_proxy_that_makes_no_tunnel_is_named_with_what_it_did_and_what_to_do() {
    let cases = [
        (
            Tunnels::Answered("HTTP/1.1 403 Forbidden\r\nServer: squid/5.7\r\n\r\n"),
            "refused CONNECT with HTTP 403 Forbidden (server: squid/5.7)",
            "the proxy must allow CONNECT",
        ),
        (
            Tunnels::Answered(
                "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 3\r\n\r\nno\n",
            ),
            "refused CONNECT with HTTP 407 Proxy Authentication Required",
            "give the proxy's user and password",
        ),
        (
            Tunnels::Answered("HTTP/1.1 502 Bad Gateway\r\n\r\n"),
            "refused CONNECT with HTTP 502 Bad Gateway",
            "the proxy does not reach the server",
        ),
        (
            Tunnels::Answered("HTTP/1.1 302 Found\r\nLocation: http://login/\r\n\r\n"),
            "refused CONNECT with HTTP 302 Found",
            "the proxy must allow CONNECT",
        ),
        (
            Tunnels::Answered("SSH-2.0-OpenSSH_9.6\r\n"),
            "does not answer CONNECT: ",
            "check host and port of the proxy",
        ),
        (
            Tunnels::Answered(""),
            "does not answer CONNECT: ",
            "check host and port of the proxy",
        ),
    ];
    for (tunnels, reason, hint) in cases {
        let proxy = ForwardProxy::start(tunnels).await;
        for (host, transport) in [
            ("ws://", Transport::WebSocket),
            ("wss://", Transport::HttpPolling),
        ] {
            // Nothing looks the name up but a proxy.
            let builder = Session::builder()
                .url(format!("{host}no-such-host.invalid"))
                .transports([transport])
                .trusted_roots([tls::certificate()])
                .proxy(proxy.with_credentials("user", "secret"));
            let error = within(builder.open()).await.unwrap_err();
            let report = error.report();
            let named = format!("the proxy {} {reason}", proxy.address);
            assert!(report.contains(&named), "{named} in {report}");
            assert!(
                report.contains(&format!("help: {hint}")),
                "{hint} in {report}"
            );
            assert!(
                !report.contains("secret") && !report.contains("dXNlcjpzZWNyZXQ"),
                "{report}"
            );
            assert_eq!(error.code(), "SFX-C104");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_does_not_forward_requests_is_named() {
    let cases = [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            "HTTP 407 Proxy Authentication Required",
            "a proxy on the way wants its own user and password",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\nServer: squid/5.7\r\nContent-Length: 0\r\n\r\n",
            "HTTP 403 Forbidden (server: squid/5.7)",
            "a proxy or the server refuses this client",
        ),
    ];
    for (answer, reason, hint) in cases {
        let proxy = Peer::start(Script::Answer(answer)).await;
        let builder = Session::builder()
            .url("http://no-such-host.invalid/diffusion")
            .transports([Transport::HttpPolling])
            .proxy(Proxy::url(format!("http://user:secret@{}", proxy.address)));
        let report = within(builder.open()).await.unwrap_err().report();
        let through = format!("through the proxy {}", proxy.address);
        for part in [reason, hint, &through] {
            assert!(report.contains(part), "{part} in {report}");
        }
        let head = &proxy.heads()[0];
        let line = "POST http://no-such-host.invalid:80/diffusion HTTP/1.1";
        assert_eq!(head.lines().next(), Some(line));
    }
}

#[tokio::test]
async fn a_proxy_that_swallows_or_is_not_there_is_named() {
    let proxy = ForwardProxy::start(Tunnels::Swallowed).await;
    let builder = Session::builder()
        .url("ws://no-such-host.invalid")
        .attempt_timeout(Duration::from_millis(80));
    let swallowing = builder.clone().proxy(proxy.with_credentials("a", "b"));
    let report = within(swallowing.open()).await.unwrap_err().report();
    let expected = "time-out after 80 ms while waiting for the proxy to make a tunnel";
    assert!(report.contains(expected), "{report}");
    let proxy = format!("through the proxy {}", proxy.address);
    assert!(report.contains(&proxy), "{report}");

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    for transport in Transport::ALL {
        let absent = builder
            .clone()
            .transports([transport])
            .proxy(Proxy::url(address.to_string()));
        let error = within(absent.open()).await.unwrap_err();
        let reason = error.attempts()[0].reason();
        let expected = format!(
            "the proxy {address} cannot be reached: connection refused: nothing listens there"
        );
        assert_eq!(reason, expected);
    }

    let unknown = builder.proxy(Proxy::url("http://no-such-proxy.invalid"));
    let error = within(unknown.open()).await.unwrap_err();
    assert!(
        matches!(
            error.attempts()[0].failure(),
            Some(Failure::Proxy { status: None, .. })
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_proxy_that_cannot_be_is_refused_before_anything_is_sent() {
    let peer = Peer::start(Script::Swallow).await;
    let builder = builder(peer.address).proxy(Proxy::url("socks5://user:secret@localhost:1080"));
    let report = within(builder.open()).await.unwrap_err().report();
    assert!(
        report.starts_with("error[SFX-C110]: the proxy `localhost:1080`"),
        "{report}"
    );
    assert_eq!(peer.heads(), [""; 0]);
}
