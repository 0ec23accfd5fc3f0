//! The way to the server: direct, through a tunnel that a proxy makes, or by requests that a proxy
//! forwards.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, StatusCode, Uri,
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;

use super::{
    Progress,
    dial::Stream,
    http::{self, HttpConnection},
};
use crate::{
    attempt::{Failure, Stage},
    endpoint::Endpoint,
    proxy::ProxyServer,
    transport::Transport,
};

/// How a transport gets to the server.
#[derive(Clone, Debug)]
pub(super) enum Route {
    Direct,
    /// Through a tunnel that the proxy makes.
    Tunnel(Arc<ProxyServer>),
    /// By requests with the whole URL.
    Forward(Arc<ProxyServer>),
}

impl Route {
    pub(super) fn new(
        proxy: Option<Arc<ProxyServer>>,
        transport: Transport,
        endpoint: &Endpoint,
    ) -> Self {
        match proxy {
            None => Self::Direct,
            // A proxy can forward plain requests only, and most do not forward an upgrade.
            Some(proxy) if transport == Transport::HttpPolling && !endpoint.secure => {
                Self::Forward(proxy)
            }
            Some(proxy) => Self::Tunnel(proxy),
        }
    }

    /// Returns the proxy, if there is one.
    pub(super) fn proxy(&self) -> Option<&ProxyServer> {
        match self {
            Self::Direct => None,
            Self::Tunnel(proxy) | Self::Forward(proxy) => Some(proxy),
        }
    }

    /// Returns the proxy that is asked for a tunnel, if one is.
    pub(super) fn tunnel(&self) -> Option<&ProxyServer> {
        match self {
            Self::Tunnel(proxy) => Some(proxy),
            Self::Direct | Self::Forward(_) => None,
        }
    }

    /// Returns the proxy that forwards requests, if one does.
    pub(super) fn forward(&self) -> Option<&ProxyServer> {
        match self {
            Self::Forward(proxy) => Some(proxy),
            Self::Direct | Self::Tunnel(_) => None,
        }
    }
}

/// Asks a proxy for a tunnel to the endpoint.
pub(super) async fn tunnel(
    stream: Stream,
    proxy: &ProxyServer,
    endpoint: &Endpoint,
    progress: &mut Progress,
) -> Result<Stream, Failure> {
    progress.stage = Stage::Proxy;
    let failure = |status: Option<StatusCode>, problem: String| Failure::Proxy {
        proxy: proxy.to_string(),
        status: status.map(|status| status.as_u16()),
        problem,
    };
    let broken = |error: hyper::Error| {
        let cause = http::chain(&error);
        failure(None, format!("does not answer CONNECT: {cause}"))
    };
    let mut connection = HttpConnection::open(stream).await.map_err(broken)?;
    let response = connection
        .send(connect(proxy, endpoint))
        .await
        .map_err(broken)?;
    let status = response.status();
    if !status.is_success() {
        progress.http_status = Some(status.as_u16());
        progress.server = http::text_of(response.headers(), &header::SERVER);
        let problem = format!("refused CONNECT with HTTP {status}");
        return Err(failure(Some(status), problem));
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(broken)?;
    Ok(Box::new(TokioIo::new(upgraded)))
}

fn connect(proxy: &ProxyServer, endpoint: &Endpoint) -> Request<Full<Bytes>> {
    let authority = endpoint.authority();
    let mut request = Request::new(Full::new(Bytes::new()));
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = Uri::try_from(authority.as_str()).expect("the host was checked");
    let headers = request.headers_mut();
    headers.insert(header::HOST, http::text_header(&authority));
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(http::USER_AGENT),
    );
    http::authorize(headers, proxy);
    request
}
