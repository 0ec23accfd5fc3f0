use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Output};
use std::time::Duration;

use suffuse_interop::place;
use suffuse_interop::proxy::{Kind, Proxy};
use suffuse_interop::server::Server;

/// The exit code of a connection that failed.
const NOT_CONNECTED: i32 = 3;

#[test]
fn our_client_polls_through_nginx_that_passes_no_upgrade_on() {
    check(Kind::NginxWithoutUpgrade);
}

#[test]
fn our_client_polls_through_haproxy_that_forbids_upgrades() {
    check(Kind::HaproxyForbidsUpgrade);
}

fn check(kind: Kind) {
    let servers = [Server::start("n00").unwrap()];
    let proxy = Proxy::start(kind, &[servers[0].address()]).unwrap();

    let cascading = connect(&proxy.url(), "ws,polling");
    assert_eq!(cascading.status.code(), Some(0), "{}", text(&cascading));
    assert!(
        text(&cascading).contains("HTTP_POLLING"),
        "{}",
        text(&cascading)
    );

    let websocket = connect(&proxy.url(), "ws");
    let seen = status_of_an_upgrade(proxy.port());
    assert_eq!(
        websocket.status.code(),
        Some(NOT_CONNECTED),
        "{}",
        text(&websocket)
    );
    assert!(
        text(&websocket).contains(&seen),
        "status {seen} is not in: {}",
        text(&websocket)
    );
}

fn connect(url: &str, transports: &str) -> Output {
    let mut command = Command::new(place::binary().unwrap());
    command.args(["connect", url, "--explain", "--transports", transports]);
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Returns the status that the proxy answers an upgrade with, asked by hand.
fn status_of_an_upgrade(port: u16) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let lines = [
        "GET /diffusion?ty=WJ&v=29&ca=8&r=0 HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "\r\n",
    ];
    stream.write_all(lines.join("\r\n").as_bytes()).unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    String::from_utf8_lossy(&head[9..]).into_owned()
}
