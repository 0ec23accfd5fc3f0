//! Programs of others between clients and servers, each in a folder of its own, on free ports.
//!
//! ```text
//!   Kind ── which files, which commands            docs/load-balancers/, interop/proxies/
//!     │
//!   Proxy::start ── a folder, free ports, a certificate ── the example values of the files are replaced
//!     │
//!   processes, which end with the Proxy
//! ```

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

pub use kind::Kind;

use crate::place;

mod certificate;
mod kind;
mod workshop;

use workshop::Workshop;

/// How often a proxy is started anew, because another process took a port that was free.
const TRIES_MAX: usize = 5;

/// How long a proxy may take until it passes requests on.
const START_MAX: Duration = Duration::from_secs(15);

/// How long a proxy may take to end, before it is killed. Apache gives its children up to 10 s.
const STOP_MAX: Duration = Duration::from_secs(15);

/// How long to wait before the next look.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A running proxy; it ends with this value.
#[derive(Debug)]
pub struct Proxy {
    kind: Kind,
    // The first is the one that clients connect to without TLS.
    processes: Vec<Child>,
    workshop: Workshop,
}

impl Proxy {
    /// Starts a proxy in front of servers on this machine, and waits until it passes requests on.
    ///
    /// The servers are the nodes `n01` and `n02`, in this order, where the proxy tells by the token
    /// which of them has a session.
    ///
    /// # Errors
    /// Fails if the program is not installed or does not start.
    pub fn start(kind: Kind, servers: &[SocketAddr]) -> Result<Self> {
        Self::start_edited(kind, servers, None)
    }

    /// Starts a proxy as [`Self::start`] does, with a piece of its files replaced by another one.
    ///
    /// # Errors
    /// Fails as that does, and if no file has the piece.
    pub fn start_edited(
        kind: Kind,
        servers: &[SocketAddr],
        edit: Option<(&str, &str)>,
    ) -> Result<Self> {
        let mut last = None;
        for _ in 0..TRIES_MAX {
            match Self::try_start(kind, servers, edit) {
                Ok(proxy) => return Ok(proxy),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no attempt to start a proxy")?)
    }

    /// Returns the address that clients connect to.
    pub fn url(&self) -> String {
        self.url_with_path("/diffusion")
    }

    /// Returns the address with another request path.
    pub fn url_with_path(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port())
    }

    /// Returns the address that clients connect to with TLS, if the proxy ends TLS.
    pub fn secure_url(&self) -> Option<String> {
        let port = self.workshop.ports.secure;
        self.kind
            .has_tls()
            .then(|| format!("https://127.0.0.1:{port}/diffusion"))
    }

    /// Returns whether clients name the proxy besides the server.
    pub fn is_forward(&self) -> bool {
        self.kind.is_forward()
    }

    /// Returns the file with the certificate that issued the one of the proxy, as PEM.
    pub fn root_certificate(&self) -> PathBuf {
        self.workshop.root_certificate()
    }

    /// Returns the port for connections without TLS.
    pub fn port(&self) -> u16 {
        self.workshop.ports.plain
    }

    /// Returns the process id, of the process that ends TLS where that is another one.
    pub fn pid(&self) -> Option<u32> {
        self.processes.first().map(Child::id)
    }

    /// Ends the proxy, and returns everything that it has written, its access log with it.
    ///
    /// # Errors
    /// Fails if a file cannot be read.
    pub fn finish(mut self) -> Result<String> {
        self.processes.iter_mut().for_each(end);
        self.workshop.said()
    }

    fn try_start(kind: Kind, servers: &[SocketAddr], edit: Option<(&str, &str)>) -> Result<Self> {
        let workshop = Workshop::new(servers)?;
        let mut edits = 0;
        for file in kind.files() {
            edits += workshop.add(&place::root().join(file), edit)?;
        }
        ensure!(
            edit.is_none() || edits > 0,
            "no file of {kind:?} has the piece to replace: {edit:?}"
        );
        let mut proxy = Self {
            kind,
            processes: Vec::new(),
            workshop,
        };
        for command in kind.commands() {
            proxy.processes.push(launch(command, &proxy.workshop)?);
        }
        match proxy.await_passage() {
            Ok(()) => Ok(proxy),
            Err(error) => {
                let said = proxy.finish().unwrap_or_default();
                Err(error.context(format!("{kind:?} said: {said}")))
            }
        }
    }

    fn await_passage(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_MAX;
        while Instant::now() < deadline {
            for process in &mut self.processes {
                if let Some(status) = process.try_wait()? {
                    bail!("the proxy ended with {status}");
                }
            }
            if self.passes() {
                return Ok(());
            }
            thread::sleep(LOOK_AGAIN);
        }
        bail!("the proxy passes no request on after {START_MAX:?}")
    }

    /// Returns whether the proxy accepts connections and, unless it is a forward proxy, knows its servers.
    fn passes(&self) -> bool {
        let accepts = |port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        let secure = !self.kind.has_tls() || accepts(self.workshop.ports.secure);
        let plain = match self.kind.is_forward() {
            true => accepts(self.port()),
            // 404: it has not read its routes. 502, 503: it does not know yet that a server is there.
            false => status(self.port(), self.kind.probe_path())
                .is_ok_and(|status| !matches!(status, 404 | 502 | 503)),
        };
        secure && plain
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.processes.iter_mut().for_each(end);
    }
}

fn launch(command: &str, workshop: &Workshop) -> Result<Child> {
    let mut words = words(command);
    let program = words.next().context("a command without a program")?;
    let output = File::create(workshop.output_of(program))?;
    Command::new(place::program(program))
        .args(words.map(|word| workshop.fill(word)))
        .stdin(Stdio::null())
        .stderr(output.try_clone()?)
        .stdout(output)
        .spawn()
        .with_context(|| {
            format!("cannot start {program}; `cargo xtask test` installs what the tests need")
        })
}

/// Splits a command line; words with spaces stand between apostrophes.
fn words(command: &str) -> impl Iterator<Item = &str> {
    let quoted = command.split('\'').enumerate();
    quoted.flat_map(|(number, part)| match number % 2 {
        0 => part.split_whitespace().collect::<Vec<_>>(),
        _ => vec![part],
    })
}

fn end(process: &mut Child) {
    // By a signal that it can handle, so that programs of several processes end all of them.
    signal("TERM", process.id());
    let deadline = Instant::now() + STOP_MAX;
    while Instant::now() < deadline {
        if !matches!(process.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(LOOK_AGAIN);
    }
    let children = children_of(process.id());
    let _ = process.kill();
    let _ = process.wait();
    children.into_iter().for_each(|child| signal("KILL", child));
}

fn signal(name: &str, process: u32) {
    // An error means that it has ended already.
    let _ = Command::new("kill")
        .args(["-s", name, &process.to_string()])
        .stderr(Stdio::null())
        .status();
}

fn children_of(process: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    let list = list.unwrap_or_default();
    list.split_whitespace()
        .filter_map(|id| id.parse().ok())
        .collect()
}

/// Returns the status that a plain GET is answered with.
fn status(port: u16, path: &str) -> Result<u16> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(START_MAX))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    Ok(String::from_utf8_lossy(&head[9..]).parse()?)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
