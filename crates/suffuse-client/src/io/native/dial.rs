//! From a host name to a stream of bytes: look-up, TCP, the tunnel of a proxy, TLS.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{
    Progress,
    cookies::Cookies,
    route::{self, Route},
    tls::{self, TlsOptions},
};
use crate::{
    attempt::{Failure, Stage, TlsProblem},
    builder::Plan,
    endpoint::Endpoint,
    error::ConnectError,
    proxy::{Proxy, ProxyServer},
    text::shortened,
    transport::Transport,
};

/// How many addresses of a host are tried.
const ADDRESSES_MAX: usize = 8;

/// A connection, plain or secure.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(super) type Stream = Box<dyn Io>;

/// Makes connections to one endpoint, and remembers the cookies of its balancer.
#[derive(Clone)]
pub(super) struct Dialer {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) route: Route,
    pub(super) cookies: Cookies,
    /// How long making a connection, or an answer to a request that needs no waiting, may take.
    pub(super) limit: Duration,
    proxy: Option<Arc<ProxyServer>>,
    tls: Option<TlsConnector>,
}

impl Dialer {
    pub(super) fn new(
        plan: &Plan,
        tls: &TlsOptions,
        proxy: Option<&Proxy>,
    ) -> Result<Self, ConnectError> {
        let tls = match plan.endpoint.secure {
            true => Some(TlsConnector::from(tls.config()?)),
            false => None,
        };
        let proxy = proxy.map(|proxy| proxy.server_for(&plan.endpoint));
        Ok(Self {
            endpoint: Arc::new(plan.endpoint.clone()),
            route: Route::Direct,
            cookies: Cookies::default(),
            limit: plan.attempt_timeout,
            proxy: proxy.transpose()?.flatten(),
            tls,
        })
    }

    /// Returns the dialer for a transport.
    pub(super) fn with(&self, transport: Transport) -> Self {
        Self {
            route: Route::new(self.proxy.clone(), transport, &self.endpoint),
            ..self.clone()
        }
    }

    /// Returns the same dialer with a configuration of TLS, whether the endpoint is secure or not, and
    /// with no cookies.
    pub(super) fn with_tls(&self, connector: TlsConnector) -> Self {
        Self {
            tls: Some(connector),
            ..self.fresh()
        }
    }

    /// Returns the same dialer with no cookies.
    pub(super) fn fresh(&self) -> Self {
        Self {
            cookies: Cookies::default(),
            ..self.clone()
        }
    }

    /// Returns the forward proxy, if there is one.
    pub(super) fn forward_proxy(&self) -> Option<&ProxyServer> {
        self.proxy.as_deref()
    }

    /// Returns what stands in the request line: the path, or for a proxy that forwards the URL.
    pub(super) fn request_target(&self) -> String {
        match self.route.forward() {
            Some(_) => self.endpoint.url(Transport::HttpPolling),
            None => self.endpoint.path.clone(),
        }
    }

    /// Makes a connection.
    pub(super) async fn dial(&self, progress: &mut Progress) -> Result<Stream, Failure> {
        progress.proxy = self.route.proxy().map(ToString::to_string);
        let mut stream = self.reach(progress).await?;
        if let Some(proxy) = self.route.tunnel() {
            stream = route::tunnel(stream, proxy, &self.endpoint, progress).await?;
        }
        let Some(connector) = &self.tls else {
            return Ok(stream);
        };
        progress.stage = Stage::Tls;
        let name =
            ServerName::try_from(self.endpoint.host.clone()).map_err(|error| Failure::Tls {
                cause: TlsProblem::Other,
                problem: error.to_string(),
            })?;
        match connector.connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(tls::failure(&error)),
        }
    }

    /// Makes a TCP connection to the server, or to the proxy before it.
    async fn reach(&self, progress: &mut Progress) -> Result<Stream, Failure> {
        let Some(proxy) = self.route.proxy() else {
            return self
                .reach_host(&self.endpoint.host, self.endpoint.port, progress)
                .await;
        };
        let unreachable = |problem| Failure::Proxy {
            proxy: proxy.to_string(),
            status: None,
            problem,
        };
        match self.reach_host(&proxy.host, proxy.port, progress).await {
            Err(Failure::Lookup { problem }) => {
                Err(unreachable(format!("has no address: {problem}")))
            }
            Err(Failure::Tcp { problem }) => {
                Err(unreachable(format!("cannot be reached: {problem}")))
            }
            reached => reached,
        }
    }

    async fn reach_host(
        &self,
        host: &str,
        port: u16,
        progress: &mut Progress,
    ) -> Result<Stream, Failure> {
        progress.stage = Stage::Lookup;
        let addresses = look_up(host, port).await?;
        progress.stage = Stage::Tcp;
        Ok(Box::new(self.connect(&addresses, progress).await?))
    }

    /// Connects to the first address that answers.
    async fn connect(
        &self,
        addresses: &[SocketAddr],
        progress: &mut Progress,
    ) -> Result<TcpStream, Failure> {
        // An address that swallows everything must leave time for the ones after it.
        let share = self.limit / u32::try_from(addresses.len()).unwrap_or(1);
        let mut problem = String::new();
        for address in addresses {
            progress.address = Some(*address);
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Messages are small and someone waits for each.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => problem = describe(&error),
                Err(_) if addresses.len() == 1 => {
                    return Err(Failure::TimedOut {
                        stage: Stage::Tcp,
                        limit: share,
                    });
                }
                Err(_) => problem = "no answer".to_owned(),
            }
        }
        Err(Failure::Tcp { problem })
    }
}

/// Returns the addresses of a host.
pub(super) async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| Failure::Lookup {
            problem: shortened(&error.to_string()),
        })?;
    let addresses: Vec<_> = addresses.take(ADDRESSES_MAX).collect();
    match addresses.is_empty() {
        true => Err(Failure::Lookup {
            problem: "the resolver returned none".to_owned(),
        }),
        false => Ok(addresses),
    }
}

pub(super) fn describe(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return "connection refused: nothing listens there".to_owned();
    }
    shortened(&error.to_string())
}
