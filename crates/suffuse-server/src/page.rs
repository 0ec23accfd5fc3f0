//! The built-in page: what this server is, how to connect to it, and live values.
//!
//! Answers every request that is not for a connection (decision W6). It reads only, and shows only what an
//! anonymous session may read. All assets are in the binary, and the page loads nothing from elsewhere.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use suffuse_broker::Broker;

mod values;

pub use values::ValuesRequest;

const INDEX: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");
/// The Rust example of the page.
const RUST_EXAMPLE: &str = include_str!("page/example.rs.txt");

/// The longest `Host` that is taken for one.
const HOST_BYTES_MAX: usize = 255;
/// The page loads what this server gives, and nothing else; nobody may frame it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the page says about the server.
#[derive(Clone, Debug)]
pub struct PageInfo {
    /// The version of the server.
    pub version: &'static str,
    /// The id of the node.
    pub node: String,
    /// How the server was started, such as `development mode`.
    pub mode: String,
    /// Who may connect, in a sentence.
    pub security: String,
    /// Selects the topics that the page shows first.
    pub selector: String,
}

/// What to do with a request.
#[derive(Debug)]
pub enum Answer {
    /// Send this.
    Ready(Response<Bytes>),
    /// Read values from the broker, then send what [`ValuesRequest::answer_from`] makes of them.
    Values(ValuesRequest),
}

/// Answers a request, or says which values the answer needs. `local` is the address that the connection
/// was made to.
#[must_use]
pub fn answer(
    info: &PageInfo,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    local: SocketAddr,
) -> Answer {
    if method != Method::GET && method != Method::HEAD {
        return Answer::Ready(method_not_allowed());
    }
    Answer::Ready(match uri.path() {
        "/" | "/index.html" => text(
            StatusCode::OK,
            "text/html; charset=utf-8",
            index(info, headers, local),
        ),
        "/page.css" => text(StatusCode::OK, "text/css; charset=utf-8", STYLE),
        "/page.js" => text(StatusCode::OK, "text/javascript; charset=utf-8", SCRIPT),
        "/api/values" => match ValuesRequest::parse(uri.query().unwrap_or_default()) {
            Ok(request) => return Answer::Values(request),
            Err(sentence) => values::refusal(StatusCode::BAD_REQUEST, &sentence),
        },
        _ => not_found(),
    })
}

impl ValuesRequest {
    /// Reads the values from the broker, and makes the answer.
    #[must_use]
    pub fn answer_from(&self, broker: &Broker) -> Response<Bytes> {
        let found = broker.public_topics(&self.selector, self.limit + 1);
        self.respond(found.as_deref())
    }
}

fn index(info: &PageInfo, headers: &HeaderMap, local: SocketAddr) -> String {
    let host = host(headers).unwrap_or_else(|| local.to_string());
    let (hostname, port) = split_host(&host);
    let rust = RUST_EXAMPLE.trim_end().replace("HOST", &host);
    let fields = [
        ("{{version}}", info.version),
        ("{{node}}", &info.node),
        ("{{mode}}", &info.mode),
        ("{{security}}", &info.security),
        ("{{selector}}", &info.selector),
        ("{{hostname}}", hostname),
        ("{{port}}", port),
        ("{{rust}}", &rust),
        ("{{host}}", &host),
    ];
    fields
        .iter()
        .fold(INDEX.to_owned(), |page, (field, value)| {
            page.replace(field, &escaped(value))
        })
}

/// Returns the host and port that the client asked for, if they look like ones.
fn host(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]%".contains(&byte);
    (!host.is_empty() && host.len() <= HOST_BYTES_MAX && host.bytes().all(is_plain))
        .then(|| host.to_owned())
}

fn split_host(host: &str) -> (&str, &str) {
    match host.rsplit_once(':') {
        Some((name, port))
            if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            (name, port)
        }
        _ => (host, "80"),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // The fields of the page are written with braces.
            '{' => out.push_str("&#123;"),
            _ => out.push(char),
        }
    }
    out
}

fn method_not_allowed() -> Response<Bytes> {
    let sentence =
        "this path can only be read: use GET, or connect to a path that ends in /diffusion\n";
    let mut response = text(
        StatusCode::METHOD_NOT_ALLOWED,
        "text/plain; charset=utf-8",
        sentence,
    );
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn not_found() -> Response<Bytes> {
    let sentence = "nothing is here: the page of this server is at /, and connections are made to any path that \
         ends in /diffusion\n";
    text(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", sentence)
}

/// Makes a response with the security headers.
fn text(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests;
