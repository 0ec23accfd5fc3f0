//! A relay of TCP connections that breaks them, as networks do.
//!
//! Once it is armed, each connection gets a [`Fault`] that follows from the seed and the number of the
//! connection, until as many have happened as were wanted. Then connections last.

mod fault;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use socket2::SockRef;

pub use fault::{Direction, Fault, Kind};

/// How much is passed on at once.
const CHUNK_BYTES: usize = 16 << 10;
/// How long an end may take nothing, before its connection is broken.
const WRITE_MAX: Duration = Duration::from_secs(5);
/// How a slow direction goes on.
const SLOW_BYTES: usize = 7;
const SLOW_PAUSE: Duration = Duration::from_millis(2);

/// A relay that listens on the loopback interface. It ends with this value, and so do its connections.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    seed: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_over: bool,
    /// How many faults have still to happen.
    wanted: usize,
    drawn: u64,
    happened: BTreeMap<Kind, usize>,
    connections: Vec<Weak<Connection>>,
}

impl Relay {
    /// Starts a relay to a server, which breaks nothing yet.
    ///
    /// # Errors
    /// Fails if it cannot listen.
    pub fn start(server: SocketAddr, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            seed,
            state: Mutex::default(),
        });
        let accepting = shared.clone();
        thread::spawn(move || accepting.accept(&listener));
        Ok(Self { address, shared })
    }

    /// Returns the address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks connections, these and later ones, until so many are broken.
    pub fn arm(&self, faults: usize) {
        self.shared.state().wanted = faults;
    }

    /// Returns how many connections have still to be broken.
    pub fn wanted(&self) -> usize {
        self.shared.state().wanted
    }

    /// Returns how many connections were broken, by kind.
    pub fn happened(&self) -> BTreeMap<Kind, usize> {
        self.shared.state().happened.clone()
    }

    /// Resets every connection now.
    pub fn cut(&self) {
        let connections = std::mem::take(&mut self.shared.state().connections);
        connections
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|connection| connection.reset());
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.state().is_over = true;
        self.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.state().is_over {
                return;
            }
            // A connection that does not come about is one more that the client has to make anew.
            if let Ok(client) = client {
                let _ = self.join(client);
            }
        }
    }

    fn join(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        let connection = Arc::new(Connection::new(client, self.server)?);
        let mut state = self.state();
        state.connections.retain(|weak| weak.strong_count() > 0);
        state.connections.push(Arc::downgrade(&connection));
        drop(state);
        for direction in [Direction::Up, Direction::Down] {
            let (shared, connection) = (self.clone(), connection.clone());
            thread::spawn(move || connection.pump(direction, &shared));
        }
        Ok(())
    }

    /// Returns a fault for a connection that has none, if it is to have one.
    fn draw(&self) -> Option<Fault> {
        let mut state = self.state();
        let is_wanted = state.wanted > 0;
        state.drawn += u64::from(is_wanted);
        is_wanted.then(|| Fault::draw(self.seed, state.drawn))
    }

    /// Takes note that a fault happens. Returns whether it is still wanted.
    fn happens(&self, kind: Kind) -> bool {
        let mut state = self.state();
        if state.wanted == 0 {
            return false;
        }
        state.wanted -= 1;
        *state.happened.entry(kind).or_default() += 1;
        true
    }
}

/// A connection to each end.
#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: TcpStream,
    fault: Mutex<Option<Fault>>,
    is_broken: AtomicBool,
}

impl Connection {
    fn new(client: TcpStream, server: SocketAddr) -> io::Result<Self> {
        let server = TcpStream::connect(server)?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(WRITE_MAX))?;
        }
        Ok(Self {
            client,
            server,
            fault: Mutex::new(None),
            is_broken: AtomicBool::new(false),
        })
    }

    /// Passes on what comes in one direction, until the connection ends or breaks.
    fn pump(&self, direction: Direction, shared: &Shared) {
        let (from, to) = match direction {
            Direction::Up => (&self.client, &self.server),
            Direction::Down => (&self.server, &self.client),
        };
        let mut buffer = vec![0; CHUNK_BYTES];
        let (mut passed, mut is_counting) = (0, false);
        loop {
            let read = (&mut &*from).read(&mut buffer);
            if self.is_broken.load(Ordering::Acquire) {
                return;
            }
            let Ok(read @ 1..) = read else {
                // Both ends close as a whole: one that is half closed is a fault.
                return self.end();
            };
            let bytes = &buffer[..read];
            let fault = self.fault_of(shared);
            if fault.is_some() && !is_counting {
                (is_counting, passed) = (true, 0);
            }
            let due = fault.filter(|fault| {
                fault.direction == direction
                    && passed + read > fault.after
                    && shared.happens(fault.kind)
            });
            let (before, after) = bytes.split_at(due.map_or(read, |due| due.after - passed));
            if (&mut &*to).write_all(before).is_err() {
                return self.end();
            }
            passed += read;
            if let Some(fault) = due {
                return self.suffer(fault, to, after);
            }
        }
    }

    fn fault_of(&self, shared: &Shared) -> Option<Fault> {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        *fault = fault.or_else(|| shared.draw());
        *fault
    }

    fn suffer(&self, fault: Fault, to: &TcpStream, after: &[u8]) {
        match fault.kind {
            Kind::Reset => {}
            Kind::End => return self.end(),
            Kind::Stall => thread::sleep(fault.lasts),
            Kind::Slow => trickle(to, after, fault.lasts),
            Kind::HalfClose => {
                let _ = to.shutdown(Shutdown::Write);
                thread::sleep(fault.lasts);
            }
            Kind::ServerLeft => self.reset_one(&self.client, fault.lasts),
            Kind::ClientLeft => self.reset_one(&self.server, fault.lasts),
        }
        self.reset();
    }

    /// Ends the connection of one end, and leaves the other one in the dark for a while.
    fn reset_one(&self, end: &TcpStream, lasts: Duration) {
        self.is_broken.store(true, Ordering::Release);
        let _ = end.shutdown(Shutdown::Both);
        thread::sleep(lasts);
    }

    fn end(&self) {
        self.is_broken.store(true, Ordering::Release);
        for stream in [&self.client, &self.server] {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn reset(&self) {
        self.is_broken.store(true, Ordering::Release);
        for stream in [&self.client, &self.server] {
            // The reset is sent when the last thread lets go of the socket: reading ends at once, and
            // writing soon.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
            let _ = stream.shutdown(Shutdown::Read);
        }
    }
}

fn trickle(to: &TcpStream, bytes: &[u8], lasts: Duration) {
    let begin = Instant::now();
    for piece in bytes.chunks(SLOW_BYTES) {
        if begin.elapsed() >= lasts || (&mut &*to).write_all(piece).is_err() {
            return;
        }
        thread::sleep(SLOW_PAUSE);
    }
}
