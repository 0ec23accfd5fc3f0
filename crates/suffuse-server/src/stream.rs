//! A connected socket, plain or with TLS, and its place among the connections that are allowed.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::OwnedSemaphorePermit,
};
use tokio_rustls::server::TlsStream;

/// A connected socket. It gives its place back when it is dropped.
pub(crate) struct Stream {
    socket: Socket,
    _place: OwnedSemaphorePermit,
}

enum Socket {
    Plain(TcpStream),
    /// The half that reads; the other one is elsewhere.
    Read(OwnedReadHalf),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(crate) fn plain(socket: TcpStream, place: OwnedSemaphorePermit) -> Self {
        Self {
            socket: Socket::Plain(socket),
            _place: place,
        }
    }

    pub(crate) fn tls(socket: TlsStream<TcpStream>, place: OwnedSemaphorePermit) -> Self {
        Self {
            socket: Socket::Tls(Box::new(socket)),
            _place: place,
        }
    }

    /// Takes the half that writes away, unless the socket has TLS, where reading and writing are one.
    pub(crate) fn split(self) -> (Self, Option<OwnedWriteHalf>) {
        match self.socket {
            Socket::Plain(socket) => {
                let (read, write) = socket.into_split();
                (
                    Self {
                        socket: Socket::Read(read),
                        ..self
                    },
                    Some(write),
                )
            }
            Socket::Read(_) | Socket::Tls(_) => (self, None),
        }
    }
}

/// Writes what a socket takes at once.
///
/// It asks the kernel, without a look at what tokio knows of the socket and without the thread cancellation
/// of libc: together these cost a tenth of a small write. When the socket is full, the link finds that out
/// for itself, and waits.
#[cfg(target_os = "linux")]
pub(crate) fn write_now(socket: &OwnedWriteHalf, bytes: &[u8]) -> io::Result<usize> {
    use rustix::net::{SendFlags, send};
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    Ok(send(socket.as_ref(), bytes, flags)?)
}

/// Writes what a socket takes at once.
#[cfg(not(target_os = "linux"))]
pub(crate) fn write_now(socket: &OwnedWriteHalf, bytes: &[u8]) -> io::Result<usize> {
    socket.try_write(bytes)
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
            Socket::Read(socket) => Pin::new(socket).poll_read(cx, buffer),
            Socket::Tls(socket) => Pin::new(&mut **socket).poll_read(cx, buffer),
        }
    }
}

/// Calls a method of the socket, if it can write.
macro_rules! forward {
    ($self:ident, $method:ident $(, $argument:expr)*) => {
        match &mut $self.get_mut().socket {
            Socket::Plain(socket) => Pin::new(socket).$method($($argument),*),
            Socket::Read(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            Socket::Tls(socket) => Pin::new(&mut **socket).$method($($argument),*),
        }
    };
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        forward!(self, poll_write, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, poll_flush, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, poll_shutdown, cx)
    }
}
