//! From a host name to a stream of bytes: look-up, TCP, TLS.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{Progress, cookies::Cookies, tls::TlsOptions};
use crate::{
    attempt::{Failure, Stage},
    builder::Plan,
    endpoint::Endpoint,
    error::ConnectError,
    text::shortened,
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
    pub(super) cookies: Cookies,
    /// How long making a connection, or an answer to a request that needs no waiting, may take.
    pub(super) limit: Duration,
    tls: Option<TlsConnector>,
}

impl Dialer {
    pub(super) fn new(plan: &Plan, tls: &TlsOptions) -> Result<Self, ConnectError> {
        let tls = match plan.endpoint.secure {
            true => Some(TlsConnector::from(tls.config()?)),
            false => None,
        };
        Ok(Self {
            endpoint: Arc::new(plan.endpoint.clone()),
            cookies: Cookies::default(),
            limit: plan.attempt_timeout,
            tls,
        })
    }

    /// Makes a connection.
    pub(super) async fn dial(&self, progress: &mut Progress) -> Result<Stream, Failure> {
        progress.stage = Stage::Lookup;
        let addresses = self.look_up().await?;
        progress.stage = Stage::Tcp;
        let stream = self.connect(&addresses, progress).await?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        progress.stage = Stage::Tls;
        let name =
            ServerName::try_from(self.endpoint.host.clone()).map_err(|error| Failure::Tls {
                problem: error.to_string(),
            })?;
        match tls.connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(Failure::Tls {
                problem: shortened(&error.to_string()),
            }),
        }
    }

    async fn look_up(&self) -> Result<Vec<SocketAddr>, Failure> {
        let target = (self.endpoint.host.as_str(), self.endpoint.port);
        let addresses = tokio::net::lookup_host(target)
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

fn describe(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return "connection refused: nothing listens there".to_owned();
    }
    shortened(&error.to_string())
}
