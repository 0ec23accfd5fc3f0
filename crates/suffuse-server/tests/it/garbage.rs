//! Clients that send anything at all: nobody else notices.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use suffuse_proto::sample::Random;

use crate::peer::{BINARY, Peer, TestServer, frame, poll_request, upgrade_request};

const ROUNDS: u64 = 40;
const CLIENTS_OF_A_ROUND: usize = 60;
const CONTROL: &str = "/diffusion?v=29&ty=WB&ca=8&username=control&password=AQhwYXNzd29yZA==";

#[test]
fn a_session_sees_every_value_in_order_whatever_others_send() {
    let server = TestServer::start();
    let mut innocent = server.connect();
    assert_eq!(innocent.upgrade(CONTROL).1[2], 100);
    subscribe(&mut innocent);

    for round in 0..ROUNDS {
        let mut random = Random::new(round);
        for _ in 0..CLIENTS_OF_A_ROUND {
            // The server may end the connection in the middle of it: that is what it is for.
            let _ = misbehave(server.address(), &mut random);
        }
        set_and_see(&mut innocent, round);
    }

    assert_eq!(innocent.ask(&[0, 0x38, 99]), [6, 99]);
}

/// Adds the INT64 topic `a`, and subscribes to it.
fn subscribe(peer: &mut Peer) {
    assert_eq!(peer.ask(&[0, 112, 1, 1, b'a', 18, 0]), [6, 1, 0]);
    let notice = peer.ask(&[0, 3, 2, 2, b'>', b'a', 0]);
    assert_eq!(notice[..2], [0, 87], "{notice:02x?}");
    assert_eq!(peer.expect_message(), [6, 2]);
}

/// Sets the topic to 1,000 + `round`, and expects the value and then the answer.
fn set_and_see(peer: &mut Peer, round: u64) {
    let number = 1000 + round as u16;
    let [high, low] = number.to_be_bytes();
    let conversation = 3 + round as u8;
    let value = peer.ask(&[0, 118, conversation, 1, b'a', 18, 3, 0x19, high, low, 0]);
    assert_eq!(value[0], 4, "round {round}: {value:02x?}");
    assert_eq!(value[5..], [0x19, high, low], "round {round}");
    assert_eq!(peer.expect_message(), [6, conversation]);
}

/// Connects, and sends something that no client sends.
fn misbehave(address: SocketAddr, random: &mut Random) -> std::io::Result<()> {
    let mut socket = TcpStream::connect(address)?;
    match random.below(6) {
        0 => socket.write_all(&bytes(random, 2000)),
        1 => {
            upgrade(&mut socket, random)?;
            socket.write_all(&bytes(random, 300))
        }
        2 => {
            upgrade(&mut socket, random)?;
            (0..random.below(20))
                .try_for_each(|_| socket.write_all(&frame(BINARY, &bytes(random, 60))))
        }
        3 => {
            upgrade(&mut socket, random)?;
            (1..20u8).try_for_each(|conversation| {
                let service = [3, 4, 55, 83, 87, 112, 117, 118, 122, 127][random.below(10)];
                let message = [&[0, service, conversation], &*bytes(random, 40)].concat();
                socket.write_all(&frame(BINARY, &message))
            })
        }
        4 => {
            upgrade(&mut socket, random)?;
            let mut broken = frame(random.byte() & 15, &bytes(random, 120));
            broken[0] ^= random.byte() & 0xf0;
            broken[1] ^= random.byte() & 0x80;
            socket.write_all(&broken)
        }
        _ => {
            let (mode, sequence) = (random.below(4), random.below(3));
            let headers = format!(
                "m: {mode}\r\nty: B\r\nv: 29\r\nr: 0\r\nc: n00.aaaaaaaaaaaaaaaaaaaa\r\ns: {sequence}\r\n"
            );
            let body = String::from_utf8_lossy(&bytes(random, 60)).into_owned();
            socket.write_all(poll_request(&headers, &body).as_bytes())?;
            socket.read(&mut [0; 64]).map(|_| ())
        }
    }
}

/// Opens a WebSocket, with parameters that may be nonsense.
fn upgrade(socket: &mut TcpStream, random: &mut Random) -> std::io::Result<()> {
    const PARAMETERS: [&str; 6] = [
        "v=29&ty=WB&ca=8&r=0",
        "v=29&ty=WB&ca=10&r=0",
        "v=25&ty=PY&r=0",
        "v=9&ty=WB&ca=8&r=0",
        "v=29&sp=%7Bx&r=0&username=%FF",
        "v=&password=x",
    ];
    let parameters = PARAMETERS[random.below(PARAMETERS.len())];
    socket.write_all(upgrade_request(&format!("/diffusion?{parameters}"), "").as_bytes())?;
    socket.read(&mut [0; 512]).map(|_| ())
}

fn bytes(random: &mut Random, length_max: usize) -> Vec<u8> {
    (0..random.below(length_max))
        .map(|_| random.byte())
        .collect()
}
