//! Sessions over TLS, with both transports.

use std::sync::Arc;

use rustls::{ServerConfig, crypto::ring, pki_types::CertificateDer};
use suffuse_client::{ConnectError, Session, Transport};
use tokio::{io::AsyncWriteExt as _, net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::peer::{accepted, frame, header, ok, read_head, switching, within};

/// A server with a certificate for `localhost` by an issuer that nobody knows.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) root: CertificateDer<'static>,
    _task: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let root = certified.cert.der().clone();
        let key = certified.signing_key.serialize_der().try_into().unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![root.clone()], key)
            .unwrap();
        Self::with(config, root).await
    }

    /// Starts a server whose certificate is the root or by it.
    pub(crate) async fn with(config: ServerConfig, root: CertificateDer<'static>) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let head = read_head(&mut stream).await;
                    let answer = match header(&head, "upgrade") {
                        Some(_) => {
                            [switching(&head).into_bytes(), frame(2, &accepted(90_000))].concat()
                        }
                        None => [ok(55).into_bytes(), accepted(90_000)].concat(),
                    };
                    stream.write_all(&answer).await.ok();
                    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                });
            }
        });
        Self {
            port,
            root,
            _task: task,
        }
    }
}

/// A certificate that can be trusted, so that a machine without any can begin.
pub(crate) fn certificate() -> CertificateDer<'static> {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    certified.cert.der().clone()
}

#[tokio::test]
async fn both_transports_connect_to_an_issuer_that_is_trusted() {
    let server = Server::start().await;
    for transport in Transport::ALL {
        let builder = Session::builder()
            .url(format!("wss://localhost:{}", server.port))
            .transports([transport])
            .trusted_roots([server.root.clone()]);
        let session = within(builder.open()).await.unwrap();
        assert_eq!(session.transport(), transport);
        assert!(
            session.attempts()[0].url.contains("s://localhost"),
            "{:?}",
            session.attempts()
        );
    }
}

#[tokio::test]
async fn an_issuer_that_is_not_trusted_is_named() {
    let server = Server::start().await;
    let builder = Session::builder()
        .url(format!("wss://localhost:{}", server.port))
        .transports(Transport::ALL);
    let error = within(builder.open()).await.unwrap_err();
    // A machine without any trusted issuer cannot even begin.
    if !matches!(error, ConnectError::TlsConfiguration { .. }) {
        let report = error.to_string();
        assert_eq!(
            report
                .matches("no TLS: the issuer of the server's certificate is not trusted")
                .count(),
            2,
            "{report}"
        );
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_named() {
    let server = Server::start().await;
    let builder = Session::builder()
        .url(format!("https://127.0.0.1:{}", server.port))
        .trusted_roots([server.root.clone()]);
    let error = within(builder.open()).await.unwrap_err().to_string();
    assert!(
        error.contains(
            "no TLS: the server's certificate is for another host: certificate not valid for name"
        ) && error.contains("localhost"),
        "{error}"
    );
}
