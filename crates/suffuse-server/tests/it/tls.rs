//! Listeners with a certificate.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};
use suffuse_server::{Options, Server, StartError, TlsFiles};

use crate::peer::{BINARY, TestServer, USER_PING, frame, upgrade_request};

fn files(folder: &Path) -> (TlsFiles, rcgen::CertifiedKey<rcgen::KeyPair>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        certificates: folder.join("chain.pem"),
        key: folder.join("key.pem"),
    };
    fs::write(&files.certificates, made.cert.pem()).unwrap();
    fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made)
}

#[test]
fn a_websocket_runs_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (files, made) = files(folder.path());
    let server = TestServer::start_with(|options| options.listen[0].tls = Some(files));

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut tls = StreamOwned::new(client, TcpStream::connect(server.address()).unwrap());

    tls.write_all(upgrade_request("/diffusion?v=29&ty=WB&ca=8", "").as_bytes())
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tls.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    let mut response = [0; 57];
    tls.read_exact(&mut response).unwrap();
    assert_eq!(response[..5], [0x82, 55, b'#', 29, 100]);
    tls.write_all(&frame(BINARY, USER_PING)).unwrap();
    let mut pong = [0; 4];
    tls.read_exact(&mut pong).unwrap();
    assert_eq!(pong, [0x82, 2, 6, 1]);
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (good, _) = files(folder.path());
    let other = tempfile::tempdir().unwrap();
    let (other, _) = files(other.path());
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "nothing").unwrap();
    let missing = folder.path().join("missing.pem");
    let cases = [
        (&missing, &good.key, "missing.pem"),
        (&empty, &good.key, "BEGIN CERTIFICATE"),
        (&good.certificates, &missing, "missing.pem"),
        (&good.certificates, &empty, "no private key"),
        (&good.certificates, &other.key, "chain.pem"),
    ];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (certificates, key, word) in cases {
        let mut options = Options::dev(([127, 0, 0, 1], 0).into());
        options.listen[0].tls = Some(TlsFiles {
            certificates: certificates.clone(),
            key: key.clone(),
        });
        let error = runtime.block_on(Server::start(options)).unwrap_err();
        assert!(matches!(error, StartError::Certificate { .. }));
        assert!(error.to_string().contains(word), "{error}");
    }
}
