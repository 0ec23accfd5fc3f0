//! Start and stop.

use suffuse_server::{Options, Server, StartError};
use tokio::runtime::Runtime;

use crate::peer::{ABORT, Peer, TestServer, poll_request};

#[test]
fn a_server_that_stops_tells_its_clients() {
    let server = TestServer::start();
    let address = server.address();
    let mut websocket = server.websocket();
    let token = server.polling();
    let request = |method: u8, sequence: u8, body: &str| {
        poll_request(
            &format!("m: {method}\r\nc: {token}\r\ns: {sequence}\r\n"),
            body,
        )
    };
    assert_eq!(
        server
            .connect()
            .exchange(request(2, 0, "AAAAAgA4AQ=="))
            .status,
        200
    );
    // The second poll is read together with the first one, so it is held when that is answered.
    let mut poll = server.connect();
    poll.send([request(1, 0, ""), request(1, 1, "")].concat());
    assert_eq!(poll.read_reply().text(), "AAAAAQYB");
    let mut idle = server.connect();
    assert_eq!(
        idle.exchange("GET / HTTP/1.1\r\nhost: test\r\n\r\n").status,
        404
    );

    let stop = server.stop_meanwhile();

    assert_eq!(websocket.expect_message(), ABORT);
    websocket.expect_close(1001);
    drop(websocket);
    assert_eq!(poll.read_reply().text(), "AAAAABw=");
    assert_eq!(poll.read_to_end(), b"");
    assert_eq!(idle.read_to_end(), b"");
    drop((poll, idle));
    stop.join().unwrap();
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_server_starts_again_at_once_on_the_same_port() {
    let server = TestServer::start();
    let address = server.address();
    let mut peer = server.websocket();
    let stop = server.stop_meanwhile();
    assert_eq!(peer.expect_message(), ABORT);
    peer.expect_close(1001);
    drop(peer);
    stop.join().unwrap();
    let server = TestServer::start_with(|options| options.listen[0].address = address);
    drop(server.websocket());
}

#[test]
fn a_start_that_fails_says_where_and_what_to_do() {
    let runtime = Runtime::new().unwrap();
    let start = |change: &dyn Fn(&mut Options)| {
        let mut options = Options::dev(([127, 0, 0, 1], 0).into());
        change(&mut options);
        runtime.block_on(Server::start(options)).unwrap_err()
    };
    let server = TestServer::start();
    let taken = server.address();

    let error = start(&|options| options.listen[0].address = taken);
    assert!(matches!(error, StartError::Listen { address, .. } if address == taken));
    let text = error.to_string();
    assert!(
        text.contains(&taken.to_string()) && text.contains("choose another port"),
        "{text}"
    );
    if cfg!(target_os = "linux") {
        assert!(
            text.contains(&format!("process {}", std::process::id())),
            "{text}"
        );
    }

    let error = start(&|options| options.listen[0].address = ([192, 0, 2, 1], 0).into());
    assert!(error.to_string().contains("127.0.0.1"), "{error}");

    let error = start(&|options| options.listen.clear());
    assert!(error.to_string().contains("127.0.0.1:8080"), "{error}");
}

#[test]
fn several_listeners_serve_the_same_sessions() {
    let server = TestServer::start_with(|options| {
        let mut second = options.listen[0].clone();
        second.name = "second".to_owned();
        options.listen.push(second);
    });
    let addresses = server.addresses().to_vec();
    assert_ne!(addresses[0], addresses[1]);
    let peers = addresses.iter().map(|address| {
        let mut peer = Peer::connect(*address);
        peer.upgrade("/diffusion?v=29&ty=WB&ca=8");
        peer
    });
    let _peers: Vec<Peer> = peers.collect();
    assert_eq!(server.sessions(), 2);
}

#[test]
fn the_page_answers_what_is_no_connection() {
    let server = TestServer::start_with(|options| {
        options.page = Some(suffuse_server::page::PageInfo {
            version: "0.1.0",
            node: "n00".to_owned(),
            mode: "development mode".to_owned(),
            security: "everybody".to_owned(),
            selector: "?demo//".to_owned(),
        });
    });
    let get = |target: &str| {
        server
            .connect()
            .exchange(format!("GET {target} HTTP/1.1\r\nhost: test\r\n\r\n"))
    };
    assert!(get("/").text().contains("development mode"));
    let values = get("/api/values?selector=%3Fdemo%2F%2F");
    assert_eq!(
        (values.status, values.header("content-type")),
        (200, Some("application/json"))
    );
    assert_eq!(get("/nothing").status, 404);
}
