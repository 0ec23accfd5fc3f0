//! The HTTP polling transport: polls and sends on a connection each.
//!
//! ```text
//! connection 1   m=0 connect │ m=1 s=0 poll │ m=1 s=1 poll │ …
//! connection 2                  m=2 s=0 send │ m=2 s=1 send │ …
//! ```
//! A request whose connection ends without an answer is made once more, on a new connection and with
//! the same sequence number: proxies end idle connections at any time, and the server knows what it
//! has had.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{
    Method, StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use suffuse_proto::{
    SessionToken,
    handshake::ConnectionRequest,
    polling::{self, Direction},
};
use tokio::sync::mpsc;

use super::{
    Connected, LinkTasks, Progress,
    dial::Dialer,
    http::{self, HttpConnection},
};
use crate::{
    MESSAGE_BYTES_MAX,
    attempt::{Failure, Stage},
    io::link::{self, Link},
    machine::VERSION,
    transport::Transport,
};

/// The most bytes of an answer to a connection request that are read; a real one has 55.
const RESPONSE_BYTES_MAX: usize = 4096;
/// The most bytes of an answer to a poll: a message in base64, and smaller ones with it.
const BODY_BYTES_MAX: usize = MESSAGE_BYTES_MAX / 3 * 4 + (1 << 20);
/// How many messages, and about how many bytes, are sent in one request.
const BATCH_MAX: usize = 256;
const BATCH_BYTES_MAX: usize = 64 << 10;

/// By which the server says that the connection is over.
const DIFFUSION_CONNECTION: HeaderName = HeaderName::from_static("diffusion-connection");

/// Makes an attempt to get a session over HTTP polling.
pub(super) async fn connect(
    dialer: &Dialer,
    request: &ConnectionRequest,
    progress: &mut Progress,
) -> Result<Connected, Failure> {
    let mut post = http::request(dialer, Method::POST, Bytes::new());
    let headers = post.headers_mut();
    http::set_parameter(headers, "m", "0");
    for (name, value) in request.to_parameters().to_polling_headers() {
        http::set_parameter(headers, name, &value);
    }
    let (connection, response) = http::begin(dialer, post, progress).await?;
    http::expect_status(&response, StatusCode::OK)?;
    progress.stage = Stage::Response;
    let content_type = http::text_of(response.headers(), &header::CONTENT_TYPE);
    let problem = |what: String| match &content_type {
        Some(content_type) => Failure::Response {
            problem: format!("{what}, of type {content_type}"),
        },
        None => Failure::Response { problem: what },
    };
    let body = http::body(response, RESPONSE_BYTES_MAX)
        .await
        .map_err(problem)?;
    let accepted = match super::accepted(body, request) {
        Err(Failure::Response { problem: what }) => return Err(problem(what)),
        accepted => accepted?,
    };
    let (link, ends) = Link::new();
    let exchange = |connection, mode| Exchange {
        dialer: dialer.clone(),
        token: accepted.token,
        connection,
        mode,
        sequence: 0,
    };
    let mut tasks = LinkTasks::default();
    tasks
        .readers
        .spawn(poll(exchange(Some(connection), "1"), ends.incoming.clone()));
    tasks
        .writers
        .spawn(send(exchange(None, "2"), ends.outgoing, ends.incoming));
    Ok(Connected {
        transport: Transport::HttpPolling,
        accepted,
        link,
        tasks,
    })
}

/// One of the two series of requests.
struct Exchange {
    dialer: Dialer,
    token: SessionToken,
    connection: Option<HttpConnection>,
    mode: &'static str,
    sequence: u64,
}

impl Exchange {
    /// Makes the next request of the series and returns the body of the answer.
    async fn post(&mut self, body: Bytes) -> Result<Bytes, String> {
        let is_first_try = self.connection.is_some();
        let answer = match self.try_post(body.clone()).await {
            Err(Trouble::Transport(_)) if is_first_try => {
                self.connection = None;
                self.try_post(body).await
            }
            answer => answer,
        };
        self.sequence += 1;
        answer.map_err(|trouble| match trouble {
            Trouble::Transport(what) | Trouble::Answer(what) => what,
        })
    }

    async fn try_post(&mut self, body: Bytes) -> Result<Bytes, Trouble> {
        let request = self.request(body);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.dial().await.map_err(Trouble::Transport)?,
        };
        let response = connection
            .send(request)
            .await
            .map_err(|error| Trouble::Transport(http::chain(&error)))?;
        self.dialer.cookies.learn(response.headers());
        let status = response.status();
        if status != StatusCode::OK {
            return Err(Trouble::Answer(refused(status)));
        }
        if response
            .headers()
            .get(DIFFUSION_CONNECTION)
            .is_some_and(|value| value == "reconnect")
        {
            return Err(Trouble::Answer(
                "the server asked for another connection".to_owned(),
            ));
        }
        let body = http::body(response, BODY_BYTES_MAX)
            .await
            .map_err(Trouble::Transport)?;
        self.connection = Some(connection);
        Ok(body)
    }

    fn request(&self, body: Bytes) -> hyper::Request<http_body_util::Full<Bytes>> {
        let mut request = http::request(&self.dialer, Method::POST, body);
        let headers = request.headers_mut();
        http::set_parameter(headers, "m", self.mode);
        http::set_parameter(headers, "c", self.token.as_str());
        http::set_parameter(headers, "s", &self.sequence.to_string());
        http::set_parameter(headers, "v", &VERSION.number().to_string());
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain;charset=UTF-8"),
        );
        request
    }

    async fn dial(&self) -> Result<HttpConnection, String> {
        let mut progress = Progress::default();
        let stream = tokio::time::timeout(self.dialer.limit, self.dialer.dial(&mut progress))
            .await
            .map_err(|_| format!("time-out while {}", progress.stage))?
            .map_err(|failure| failure.to_string())?;
        HttpConnection::open(stream)
            .await
            .map_err(|error| http::chain(&error))
    }
}

fn refused(status: StatusCode) -> String {
    // A server that does not know the session says so with this status.
    let hint = match status {
        StatusCode::NOT_FOUND => {
            "; behind a load balancer: it must send all requests of a session to one server"
        }
        _ => "",
    };
    format!("the server answered a request with HTTP {status}{hint}")
}

/// Why a request got no usable answer.
enum Trouble {
    /// Its connection ended, or there was none.
    Transport(String),
    /// The answer ends the session's connection.
    Answer(String),
}

async fn poll(mut exchange: Exchange, incoming: mpsc::Sender<link::Incoming>) {
    let mut pause = Pause::default();
    let end = loop {
        let start = Instant::now();
        let body = match exchange.post(Bytes::new()).await {
            Ok(body) => body,
            Err(end) => break end,
        };
        let messages = match polling::decode(&body, VERSION.dialect(), Direction::Down) {
            Ok(messages) => messages,
            Err(error) => break format!("the answer to a poll is not well-formed: {error}"),
        };
        if messages.is_empty() {
            pause.after_nothing(start.elapsed()).await;
        }
        for message in messages {
            if incoming.send(Ok(message)).await.is_err() {
                return;
            }
        }
    };
    // Nobody listens if the driver has ended.
    let _ = incoming.send(Err(end)).await;
}

/// Polls are answered when there is something, or after a while. A cache on the way that answers
/// them with nothing at once must not make this a loop without rest.
#[derive(Debug, Default)]
struct Pause {
    quick: u32,
}

impl Pause {
    const QUICK: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(1);

    async fn after_nothing(&mut self, elapsed: Duration) {
        self.quick = if elapsed < Self::QUICK {
            self.quick.saturating_add(1)
        } else {
            0
        };
        tokio::time::sleep(self.length()).await;
    }

    /// Nothing for the first ones, which are normal, and then longer and longer.
    fn length(&self) -> Duration {
        match self.quick {
            0..=3 => Duration::ZERO,
            quick => Duration::from_millis(1 << (quick - 3).min(10)).min(Self::LONGEST),
        }
    }
}

async fn send(
    mut exchange: Exchange,
    mut outgoing: mpsc::Receiver<Bytes>,
    incoming: mpsc::Sender<link::Incoming>,
) {
    while let Some(first) = outgoing.recv().await {
        let body = batch(&first, &mut outgoing);
        // A send is answered at once, so a limit to the whole exchange tells a lost one.
        let limit: Duration = exchange.dialer.limit * 2;
        let answer = tokio::time::timeout(limit, exchange.post(body)).await;
        let answer =
            answer.unwrap_or_else(|_| Err("a request to send was not answered".to_owned()));
        if let Err(end) = answer {
            let _ = incoming.send(Err(end)).await;
            return;
        }
    }
}

/// Returns the body for a message and those that wait behind it.
fn batch(first: &Bytes, outgoing: &mut mpsc::Receiver<Bytes>) -> Bytes {
    let mut body = Vec::new();
    let (dialect, direction) = (VERSION.dialect(), Direction::Up);
    polling::append(&mut body, first, dialect, direction);
    for _ in 1..BATCH_MAX {
        if body.len() >= BATCH_BYTES_MAX {
            break;
        }
        let Ok(message) = outgoing.try_recv() else {
            break;
        };
        polling::append(&mut body, &message, dialect, direction);
    }
    polling::finish(body, dialect, direction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_answers_are_asked_for_more_and_more_slowly() {
        let length = |quick| Pause { quick }.length().as_millis();
        assert_eq!(
            [0, 1, 3, 4, 5, 8, 12, 13, 1000].map(length),
            [0, 0, 0, 2, 4, 32, 512, 1000, 1000]
        );
    }
}
