//! Commands whose connection is cut while they run.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use crate::support::{Server, suffuse};

/// A proxy before a server. It ends with the test's process.
struct Cutter {
    address: String,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Cutter {
    fn start(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let streams = Arc::new(Mutex::new(Vec::new()));
        let (seen, server) = (streams.clone(), server.address.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                let copy = |stream: &TcpStream| stream.try_clone().unwrap();
                seen.lock().unwrap().extend([copy(&client), copy(&server)]);
                let (from_client, to_server) = (copy(&client), copy(&server));
                thread::spawn(move || pass(from_client, to_server));
                thread::spawn(move || pass(server, client));
            }
        });
        Self { address, streams }
    }

    fn cut(&self) {
        for stream in self.streams.lock().unwrap().drain(..) {
            // It may have ended already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}

fn watch(cutter: &Cutter, options: &[&str]) -> Child {
    let url = format!("ws://{}/diffusion", cutter.address);
    suffuse(["watch", "w", "--values", "--url", &url])
        .args(options)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn server_with_topic() -> Server {
    let server = Server::dev();
    let added = server.control(&["add", "w", "--type", "string"]);
    assert_eq!(added.code, 0, "{added:?}");
    set(&server, "first");
    server
}

fn set(server: &Server, value: &str) {
    let ran = server.control(&["set", "w", value]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn watch_goes_on_over_a_lost_connection() {
    for transport in ["ws", "polling"] {
        let server = server_with_topic();
        let cutter = Cutter::start(&server);
        let mut watch = watch(&cutter, &["--transports", transport]);
        let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
        let mut line = || lines.next().unwrap().unwrap();
        assert_eq!(line(), "first");
        cutter.cut();
        for value in ["second", "third"] {
            set(&server, value);
            assert_eq!(line(), value, "{transport}");
        }
        watch.kill().unwrap();
        let said = watch.wait_with_output().unwrap().stderr;
        let said = String::from_utf8(said).unwrap();
        // A poll that is cut is made once more, and nobody has to hear of it.
        let is_told = said.contains("connection lost: ")
            && said.contains("connected again over WEBSOCKET, nothing was lost");
        assert_eq!(is_told, transport == "ws", "{said}");
    }
}

#[test]
fn watch_ends_with_its_connection_if_it_is_to() {
    let server = server_with_topic();
    let cutter = Cutter::start(&server);
    let mut watch = watch(&cutter, &["--reconnect-timeout", "0"]);
    let mut stdout = BufReader::new(watch.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "first\n");
    cutter.cut();
    let output = watch.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("error[SFX-D203]: the session has ended: the connection was lost"),
        "{said}"
    );
}
