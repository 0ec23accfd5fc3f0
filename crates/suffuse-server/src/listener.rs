//! Listeners: they accept TCP connections, speak TLS if they have a certificate, and let `http` serve them.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    ForwardedHeader, Networks, http::connection, metrics::ProxyRefusal, options::Listen,
    server::StartError, shared::Shared, stream::Stream,
};

mod occupant;
mod proxy_protocol;
mod tls;

use proxy_protocol::HeaderError;

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 4096;
/// How long no connection is accepted after the system had no room for one.
const PAUSE: Duration = Duration::from_millis(50);

/// An address that clients connect to.
pub(crate) struct Listener {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    tls: Option<TlsAcceptor>,
    pub(crate) trusted_proxies: Networks,
    pub(crate) forwarded_header: ForwardedHeader,
    has_proxy_protocol: bool,
    pub(crate) has_metrics: bool,
    pub(crate) has_admin: bool,
}

/// Begins to listen.
///
/// # Errors
/// If the address cannot be had, or the certificate cannot be used.
pub(crate) fn bind(listen: &Listen) -> Result<(TcpListener, Listener), StartError> {
    let tls = listen.tls.as_ref().map(tls::acceptor).transpose()?;
    let socket =
        socket(listen.address).map_err(|error| occupant::explain(listen.address, error))?;
    let address = socket.local_addr().unwrap_or(listen.address);
    Ok((
        socket,
        Listener {
            name: listen.name.clone(),
            address,
            tls,
            trusted_proxies: listen.trusted_proxies.clone(),
            forwarded_header: listen.forwarded_header,
            has_proxy_protocol: listen.proxy_protocol,
            has_metrics: listen.metrics,
            has_admin: listen.admin,
        },
    ))
}

fn socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    #[cfg(unix)]
    socket.set_reuseaddr(true)?; // On other systems it would let two servers share the port.
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until the server stops.
pub(crate) async fn run(socket: TcpListener, listener: Arc<Listener>, shared: Arc<Shared>) {
    let mut stopped = std::pin::pin!(shared.stopped());
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = &mut stopped => return,
        };
        match accepted {
            Ok((stream, peer)) => admit(stream, peer, &listener, &shared),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted; are there too few file descriptors (ulimit -n)?");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// The client has gone before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

fn admit(stream: TcpStream, peer: SocketAddr, listener: &Arc<Listener>, shared: &Arc<Shared>) {
    let place = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
    let (place, is_surplus) = match place(&shared.places) {
        Some(place) => (place, false),
        None => match place(&shared.surplus_places) {
            Some(place) => (place, true),
            None => return, // Not even a refusal is possible.
        },
    };
    tokio::spawn(serve(
        stream,
        peer,
        place,
        is_surplus,
        Arc::clone(listener),
        Arc::clone(shared),
    ));
}

async fn serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
    is_surplus: bool,
    listener: Arc<Listener>,
    shared: Arc<Shared>,
) {
    // Messages are written whole; waiting for more would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %peer, "a connection ended before it began");
        return;
    }
    let local = stream.local_addr().unwrap_or(listener.address);
    let Some(peer) = introduce(&mut stream, peer, &listener, &shared).await else {
        return;
    };
    let stream = match &listener.tls {
        None => Stream::plain(stream, place),
        Some(tls) => {
            match tokio::time::timeout(shared.limits.handshake_timeout, tls.accept(stream)).await {
                Ok(Ok(stream)) => Stream::tls(stream, place),
                Ok(Err(error)) => return tracing::debug!(%error, %peer, "a TLS handshake failed"),
                Err(_) => return tracing::debug!(%peer, "a TLS handshake took too long"),
            }
        }
    };
    connection::serve(stream, peer, local, shared, listener, is_surplus).await;
}

/// Finds out who is at the other end of a connection: the socket says it, or a trusted proxy with a PROXY
/// header. `None`: the connection is refused.
async fn introduce(
    stream: &mut TcpStream,
    peer: SocketAddr,
    listener: &Listener,
    shared: &Shared,
) -> Option<SocketAddr> {
    if !listener.has_proxy_protocol {
        return Some(peer);
    }
    let refuse = |reason: ProxyRefusal, error: &dyn fmt::Display| {
        tracing::debug!(%error, %peer, "a connection was refused");
        shared.metrics.on_proxy_refusal(reason);
        None
    };
    let timeout = shared.limits.handshake_timeout;
    if !listener.trusted_proxies.contain(peer.ip()) {
        let has_header = tokio::time::timeout(timeout, proxy_protocol::is_present(stream));
        return match has_header.await {
            Ok(true) => refuse(
                ProxyRefusal::Untrusted,
                &"a PROXY header, but not of a trusted proxy",
            ),
            Ok(false) => Some(peer),
            Err(_) => None, // It has sent nothing at all.
        };
    }
    match tokio::time::timeout(timeout, proxy_protocol::read(stream)).await {
        Ok(Ok(client)) => Some(client.unwrap_or(peer)),
        Ok(Err(error @ HeaderError::Missing(_))) => refuse(ProxyRefusal::Missing, &error),
        Ok(Err(error @ HeaderError::Malformed(_))) => refuse(ProxyRefusal::Malformed, &error),
        Ok(Err(HeaderError::Io(_))) => None, // A balancer that only looks whether the port is open.
        Err(_) => refuse(
            ProxyRefusal::Missing,
            &"a trusted proxy sent no PROXY header in time",
        ),
    }
}
