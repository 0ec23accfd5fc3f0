//! Proxies and certificates, as options.

use std::{
    fs,
    io::{Read as _, Write},
    net::TcpListener,
    path::PathBuf,
    sync::Arc,
    thread,
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned, crypto::ring,
    server::WebPkiClientVerifier,
};

use crate::support::{Ran, run, suffuse};

const FORBIDDEN: &[u8] =
    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Forbids everything; returns its address.
fn forbidding() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // The client may have gone.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(FORBIDDEN);
        }
    });
    address
}

#[test]
fn a_proxy_that_is_given_is_used_and_named() {
    let proxy = forbidding();
    let url = format!("http://user:secret@{proxy}");
    let ran = run([
        "connect",
        "ws://no-such-host.invalid/diffusion",
        "--trace",
        "--proxy",
        &url,
    ]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let refused = format!("the proxy {proxy} refused CONNECT with HTTP 403 Forbidden");
    assert!(ran.stderr.contains(&refused), "{ran:?}");
    assert!(!ran.stderr.contains("secret"), "{ran:?}");
}

#[test]
fn the_proxy_of_the_environment_is_used_if_that_is_asked_for() {
    let (proxy, server) = (forbidding(), forbidding());
    let url = format!("ws://{server}/diffusion");
    let ping = |option: &[&str], no_proxy: &str| -> Ran {
        let mut command = suffuse([&["ping", "--url", &url], option].concat());
        command.env("http_proxy", &proxy).env("no_proxy", no_proxy);
        command.output().unwrap().into()
    };
    let through = format!("the proxy {proxy} refused CONNECT");
    let cases: [(&[&str], &str, bool); 3] = [
        (&[], "", false),
        (&["--proxy-from-env"], "", true),
        (&["--proxy-from-env"], "localhost, 127.0.0.1", false),
    ];
    for (option, no_proxy, is_used) in cases {
        let ran = ping(option, no_proxy);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert_eq!(
            ran.stderr.contains(&through),
            is_used,
            "{option:?} {no_proxy}: {ran:?}"
        );
    }
}

/// Certificates of a server and of its only client, each its own issuer, in files.
struct Files {
    dir: tempfile::TempDir,
    server: Arc<ServerConfig>,
}

impl Files {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let client_key = KeyPair::generate().unwrap();
        let client = CertificateParams::new(["client".to_owned()]).unwrap();
        let client = client.self_signed(&client_key).unwrap();
        let server = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        for (name, text) in [
            ("ca.pem", server.cert.pem()),
            ("client.pem", client.pem()),
            ("client.key", client_key.serialize_pem()),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let mut roots = RootCertStore::empty();
        roots.add(client.der().clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let key = server.signing_key.serialize_der().try_into().unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![server.cert.der().clone()], key)
            .unwrap();
        Self {
            dir,
            server: Arc::new(config),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts a server that forbids everything to the clients that it knows; returns its port.
    fn serve(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = self.server.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(config.clone()).unwrap();
                let mut stream = StreamOwned::new(connection, stream.unwrap());
                // The client may be refused, or have gone.
                if stream.read(&mut [0; 4096]).is_ok() {
                    let _ = stream.write_all(FORBIDDEN).and_then(|()| stream.flush());
                }
            }
        });
        port
    }
}

#[test]
fn certificates_are_taken_from_files() {
    let files = Files::new();
    let url = format!("wss://localhost:{}/diffusion", files.serve());
    let [ca, cert, key] =
        ["ca.pem", "client.pem", "client.key"].map(|name| files.path(name).display().to_string());
    let with_client = ["--ca", &ca, "--client-cert", &cert, "--client-key", &key];
    let cases: [(&[&str], &str); 2] = [
        (&["--ca", &ca], "the server requires a client certificate"),
        (&with_client, "HTTP 403 Forbidden"),
    ];
    for (options, expected) in cases {
        let ran = run([&["ping", "--url", &url], options].concat());
        assert_eq!(ran.code, 3, "{options:?}: {ran:?}");
        assert!(ran.stderr.contains(expected), "{options:?}: {ran:?}");
    }
}

#[test]
fn certificates_that_cannot_be_used_are_told() {
    let files = Files::new();
    let ca = files.path("ca.pem").display().to_string();
    let cases: [(&[&str], &str); 4] = [
        (
            &["--ca", "no-such-file"],
            "error[SFX-X003]: cannot use the issuers in `no-such-file`",
        ),
        (
            &["--client-cert", &ca, "--client-key", &ca],
            "error[SFX-C109]",
        ),
        (&["--client-cert", &ca], "--client-key"),
        (
            &["--proxy", "http://a", "--proxy-from-env"],
            "cannot be used with",
        ),
    ];
    for (options, expected) in cases {
        let ran = run([&["ping", "--url", "wss://localhost:1"], options].concat());
        assert_eq!(ran.code, 2, "{options:?}: {ran:?}");
        assert!(ran.stderr.contains(expected), "{options:?}: {ran:?}");
    }
}
