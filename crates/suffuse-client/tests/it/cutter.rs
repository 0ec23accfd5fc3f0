//! A proxy before a real server that cuts connections: when it is told to, or after a random number of
//! bytes, wherever that is.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// Random numbers that repeat from their seed (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap() % limit
    }
}

/// The proxy.
pub(crate) struct Cutter {
    pub(crate) address: SocketAddr,
    control: Arc<Control>,
    _tasks: JoinSet<()>,
}

struct Control {
    server: SocketAddr,
    /// Each connection has a random number of bytes below this, if it is not 0.
    bytes_max: AtomicUsize,
    random: Mutex<Random>,
    refuses_websocket: AtomicBool,
    is_out: AtomicBool,
    cuts: AtomicUsize,
    /// Counts up; what was there before is cut.
    generation: watch::Sender<usize>,
    /// The server's end of the last connection that was cut for the client only.
    half_open: Mutex<Option<TcpStream>>,
}

impl Cutter {
    pub(crate) async fn start(server: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let control = Arc::new(Control {
            server,
            bytes_max: AtomicUsize::new(0),
            random: Mutex::new(Random(seed)),
            refuses_websocket: AtomicBool::new(false),
            is_out: AtomicBool::new(false),
            cuts: AtomicUsize::new(0),
            generation: watch::channel(0).0,
            half_open: Mutex::new(None),
        });
        let mut tasks = JoinSet::new();
        let to_task = control.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let control = to_task.clone();
                connections.spawn(async move { control.serve(client).await });
            }
        });
        Self {
            address,
            control,
            _tasks: tasks,
        }
    }

    /// Cuts every connection that is there.
    fn cut(&self) {
        self.control.generation.send_modify(|count| *count += 1);
    }

    /// Cuts every connection that is there, and lets no other one be, until the outage ends.
    pub(crate) fn begin_outage(&self) {
        self.control.is_out.store(true, Ordering::SeqCst);
        self.cut();
    }

    pub(crate) fn end_outage(&self) {
        self.control.is_out.store(false, Ordering::SeqCst);
    }

    /// Cuts each connection after less than so many bytes from now on; 0: none.
    pub(crate) fn cut_within(&self, bytes_max: usize) {
        self.control.bytes_max.store(bytes_max, Ordering::SeqCst);
        self.cut();
    }

    /// How many connections were cut.
    pub(crate) fn cuts(&self) -> usize {
        self.control.cuts.load(Ordering::SeqCst)
    }

    /// Answers attempts over WebSocket with 503, or passes them on.
    pub(crate) fn refuse_websocket(&self, refuses: bool) {
        self.control
            .refuses_websocket
            .store(refuses, Ordering::SeqCst);
    }
}

impl Control {
    async fn serve(&self, mut client: TcpStream) {
        let mut generation = self.generation.subscribe();
        generation.mark_unchanged();
        if self.is_out.load(Ordering::SeqCst) {
            return;
        }
        let mut method = [0; 3];
        let peeked = client.peek(&mut method).await.unwrap_or(0);
        if self.refuses_websocket.load(Ordering::SeqCst) && method[..peeked] == *b"GET" {
            let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
            let _ = client.write_all(answer).await;
            return;
        }
        let Ok(mut server) = TcpStream::connect(self.server).await else {
            return;
        };
        // Otherwise small messages wait for each other.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let bytes = self.budget();
        let is_cut = tokio::select! {
            is_cut = copy(&mut client, &mut server, bytes) => is_cut,
            _ = generation.changed() => true,
        };
        if is_cut {
            self.cuts.fetch_add(1, Ordering::SeqCst);
            // Half of the servers do not notice before the client is back, or ever.
            let is_half_open = self.random.lock().unwrap().below(2) == 0;
            *self.half_open.lock().unwrap() = is_half_open.then_some(server);
        }
    }

    fn budget(&self) -> usize {
        match self.bytes_max.load(Ordering::SeqCst) {
            0 => usize::MAX,
            bytes_max => self.random.lock().unwrap().below(bytes_max),
        }
    }
}

/// Copies both ways. Returns whether the bytes were used up before an end was there.
async fn copy(client: &mut TcpStream, server: &mut TcpStream, mut left: usize) -> bool {
    let (mut up, mut down) = ([0; 4096], [0; 4096]);
    loop {
        let (read, to, buffer) = tokio::select! {
            read = client.read(&mut up) => (read, &mut *server, &up),
            read = server.read(&mut down) => (read, &mut *client, &down),
        };
        let Ok(read @ 1..) = read else {
            return false;
        };
        let passed = read.min(left);
        if to.write_all(&buffer[..passed]).await.is_err() {
            return false;
        }
        left -= passed;
        if left == 0 {
            return true;
        }
    }
}
