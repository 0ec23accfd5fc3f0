//! HTTP/1.1 exchanges, which both transports begin with.

use std::{error::Error, fmt::Write as _, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{self, HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::{task::JoinSet, time::timeout};

use super::{
    Progress,
    dial::{Dialer, Stream},
    tls,
};
use crate::{
    attempt::{Failure, Stage},
    proxy::ProxyServer,
    text::shortened,
};

/// How long a connection may take to end after it takes no more requests.
const END: Duration = Duration::from_secs(1);

pub(super) const USER_AGENT: &str = concat!("suffuse-client/", env!("CARGO_PKG_VERSION"));

/// A connection that carries one exchange after the other.
#[derive(Debug)]
pub(super) struct HttpConnection {
    sender: SendRequest<Full<Bytes>>,
    /// Ends with the connection, and then tells how.
    task: JoinSet<Result<(), hyper::Error>>,
}

impl HttpConnection {
    /// Begins HTTP on a stream.
    pub(super) async fn open(stream: Stream) -> Result<Self, hyper::Error> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut task = JoinSet::new();
        task.spawn(connection.with_upgrades());
        Ok(Self { sender, task })
    }

    /// Sends a request, and returns the answer without its body.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        match self.try_send(request).await {
            // The connection ended before it had the request, and knows why.
            Err(error) if error.is_closed() || error.is_canceled() => {
                Err(self.end().await.unwrap_or(error))
            }
            answer => answer,
        }
    }

    async fn try_send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    /// Returns the error with which the connection ended, if it did.
    async fn end(&mut self) -> Option<hyper::Error> {
        let end = timeout(END, self.task.join_next()).await.ok()??;
        end.ok()?.err()
    }
}

/// Returns a request to the endpoint, with the cookies of its balancer.
pub(super) fn request(dialer: &Dialer, method: Method, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() =
        Uri::try_from(dialer.request_target()).expect("host and path were checked and encoded");
    let headers = request.headers_mut();
    if let Some(proxy) = dialer.route.forward() {
        authorize(headers, proxy);
    }
    headers.insert(header::HOST, text_header(&host(dialer)));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    if let Some(cookies) = dialer.cookies.header() {
        headers.insert(header::COOKIE, text_header(&cookies));
    }
    request
}

/// Adds the credentials for a proxy.
pub(super) fn authorize(headers: &mut HeaderMap, proxy: &ProxyServer) {
    if let Some(authorization) = &proxy.authorization {
        let mut value = text_header(authorization);
        value.set_sensitive(true);
        headers.insert(header::PROXY_AUTHORIZATION, value);
    }
}

/// Returns the header `Host`, in which the usual port is left out.
fn host(dialer: &Dialer) -> String {
    let endpoint = &dialer.endpoint;
    let authority = endpoint.authority();
    let usual = if endpoint.secure { ":443" } else { ":80" };
    authority
        .strip_suffix(usual)
        .unwrap_or(&authority)
        .to_owned()
}

/// Returns a header value; texts were checked to have no control characters.
pub(super) fn text_header(text: &str) -> HeaderValue {
    HeaderValue::from_bytes(text.as_bytes()).expect("the text has no control characters")
}

/// Sets a header of a connection parameter.
pub(super) fn set_parameter(headers: &mut HeaderMap, name: &'static str, value: &str) {
    headers.insert(HeaderName::from_static(name), text_header(value));
}

/// Makes a connection, sends the request that begins an attempt, and takes note of the answer.
pub(super) async fn begin(
    dialer: &Dialer,
    request: Request<Full<Bytes>>,
    progress: &mut Progress,
) -> Result<(HttpConnection, Response<Incoming>), Failure> {
    let stream = dialer.dial(progress).await?;
    progress.stage = Stage::Http;
    let mut connection = HttpConnection::open(stream)
        .await
        .map_err(|error| failure(&error))?;
    let response = connection
        .send(request)
        .await
        .map_err(|error| failure(&error))?;
    progress.http_status = Some(response.status().as_u16());
    progress.server = text_of(response.headers(), &header::SERVER);
    dialer.cookies.learn(response.headers());
    Ok((connection, response))
}

/// Checks that an answer has the status that was hoped for.
pub(super) fn expect_status(
    response: &Response<Incoming>,
    expected: StatusCode,
) -> Result<(), Failure> {
    let status = response.status();
    if status == expected {
        return Ok(());
    }
    Err(Failure::Http {
        status: status.as_u16(),
        reason: status.canonical_reason().unwrap_or_default().to_owned(),
        location: text_of(response.headers(), &header::LOCATION),
    })
}

/// Returns a header of an answer as a text that can be shown.
pub(super) fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers
        .get(name)
        .map(|value| shortened(&String::from_utf8_lossy(value.as_bytes())))
}

/// Reads a whole body.
pub(super) async fn body(response: Response<Incoming>, bytes_max: usize) -> Result<Bytes, String> {
    match Limited::new(response.into_body(), bytes_max)
        .collect()
        .await
    {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(chain(&*error)),
    }
}

/// Returns what went wrong when there was no answer.
pub(super) fn failure(error: &hyper::Error) -> Failure {
    // Since TLS 1.3 a server looks at the client's certificate after the client has sent a request.
    if let Some(failure) = tls::failure_in(error) {
        return failure;
    }
    let problem = chain(error);
    match error.is_parse() {
        true => Failure::Upgrade { problem },
        false => Failure::Ended {
            stage: Stage::Http,
            problem,
        },
    }
}

/// Returns an error with its causes.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.to_string();
        if !text.contains(&inner) {
            write!(text, ": {inner}").expect("a String takes everything");
        }
        cause = error.source();
    }
    shortened(&text)
}
