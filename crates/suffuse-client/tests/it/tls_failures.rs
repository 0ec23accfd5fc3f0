//! Certificates of both sides, and what is said when TLS fails.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use suffuse_client::{Builder, ConnectError, Failure, Session, TlsProblem, Transport};

use crate::{
    peer::{Peer, Script, within},
    tls::Server,
};

const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// Someone who issues certificates.
struct Issuer(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
struct Identity {
    chain: String,
    key: String,
    certificate: CertificateDer<'static>,
    private_key: PrivateKeyDer<'static>,
}

impl Issuer {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn root(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// Uses the certificate of the issuer as that of a server.
    fn own(&self) -> Identity {
        Identity {
            chain: self.0.pem(),
            key: self.0.key().serialize_pem(),
            certificate: self.root(),
            private_key: self.0.key().serialize_der().try_into().unwrap(),
        }
    }

    /// Issues a certificate that is valid in these years.
    fn issue(&self, host: &str, from: i32, to: i32) -> Identity {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity {
            chain: certificate.pem(),
            key: key.serialize_pem(),
            certificate: certificate.der().clone(),
            private_key: key.serialize_der().try_into().unwrap(),
        }
    }
}

/// Starts a server. With an issuer of clients, it requires their certificates.
async fn start(
    identity: Identity,
    versions: &[&'static SupportedProtocolVersion],
    clients: Option<&Issuer>,
) -> Server {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(issuer) => {
            let mut roots = RootCertStore::empty();
            roots.add(issuer.root()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let root = identity.certificate.clone();
    let config = builder
        .with_single_cert(vec![identity.certificate], identity.private_key)
        .unwrap();
    Server::with(config, root).await
}

fn builder(host: &str, port: u16, root: &Issuer) -> Builder {
    Session::builder()
        .url(format!("wss://{host}:{port}"))
        .trusted_roots_pem(root.0.pem())
}

/// Checks what both transports say.
async fn check(name: &str, builder: Builder, expected: TlsProblem, hint: &str) {
    let error = within(builder.transports(Transport::ALL).open()).await;
    let error = error.expect_err(name);
    assert_eq!(error.attempts().len(), 2, "{name}: {error}");
    for attempt in error.attempts() {
        let Some(Failure::Tls { cause, .. }) = attempt.failure() else {
            panic!("{name}: {error}");
        };
        assert_eq!(*cause, expected, "{name}: {error}");
    }
    let report = error.report();
    assert!(
        report.contains(&format!("help: {hint}")),
        "{name}: {report}"
    );
    assert!(report.contains("no TLS: "), "{name}: {report}");
}

#[tokio::test]
async fn a_bad_certificate_of_the_server_is_told_with_what_is_wrong_with_it() {
    let (known, unknown) = (Issuer::new("known"), Issuer::new("unknown"));
    let cases = [
        (
            known.own(),
            TlsProblem::BadCertificate,
            "look at the certificate",
        ),
        (
            unknown.issue("localhost", 2020, 2090),
            TlsProblem::UnknownIssuer,
            "add the certificate of the issuer",
        ),
        (
            known.issue("localhost", 2020, 2021),
            TlsProblem::Expired,
            "renew the certificate",
        ),
        (
            known.issue("localhost", 2089, 2090),
            TlsProblem::NotYetValid,
            "check the clocks",
        ),
        (
            known.issue("elsewhere.example", 2020, 2090),
            TlsProblem::WrongName,
            "connect by a name",
        ),
    ];
    for (identity, expected, hint) in cases {
        let server = start(identity, BOTH, None).await;
        let builder = builder("localhost", server.port, &known);
        check(&format!("{expected:?}"), builder, expected, hint).await;
    }
}

#[tokio::test]
async fn what_does_not_speak_tls_is_told() {
    let issuer = Issuer::new("issuer");
    let peer = Peer::start(Script::Answer("HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    let http = builder("127.0.0.1", peer.address.port(), &issuer);
    check(
        "HTTP",
        http,
        TlsProblem::NotTls,
        "check the port, or connect without TLS",
    )
    .await;

    let peer = Peer::start(Script::Answer("")).await;
    let silent = builder("127.0.0.1", peer.address.port(), &issuer);
    check(
        "nothing",
        silent,
        TlsProblem::Other,
        "check that the port speaks TLS",
    )
    .await;
}

#[tokio::test]
async fn versions_that_do_not_meet_are_told() {
    let issuer = Issuer::new("issuer");
    let server = start(issuer.issue("localhost", 2020, 2090), &[&TLS12], None).await;
    let mut roots = RootCertStore::empty();
    roots.add(issuer.root()).unwrap();
    let only_13 = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = builder("localhost", server.port, &issuer).tls(Arc::new(only_13));
    check(
        "1.3",
        builder,
        TlsProblem::ProtocolVersion,
        "let the server offer TLS 1.2 or 1.3",
    )
    .await;
}

#[tokio::test]
async fn a_client_certificate_is_required_refused_or_taken() {
    let (servers, clients, others) = (
        Issuer::new("servers"),
        Issuer::new("clients"),
        Issuer::new("others"),
    );
    for versions in [&[&TLS12], &[&TLS13]] {
        let identity = servers.issue("localhost", 2020, 2090);
        let server = start(identity, versions, Some(&clients)).await;
        let builder = builder("localhost", server.port, &servers);
        let name = format!("{versions:?}");

        let expected = TlsProblem::ClientCertificateRequired;
        check(
            &name,
            builder.clone(),
            expected,
            "set a client certificate and its key",
        )
        .await;

        let expected = TlsProblem::ClientCertificateRefused;
        for bad in [
            others.issue("client", 2020, 2090),
            clients.issue("client", 2020, 2021),
        ] {
            let refused = builder.clone().client_certificate(bad.chain, bad.key);
            check(
                &name,
                refused,
                expected,
                "set a client certificate that the server trusts",
            )
            .await;
        }

        let good = clients.issue("client", 2020, 2090);
        let taken = builder.client_certificate(good.chain, good.key);
        for transport in Transport::ALL {
            let session = within(taken.clone().transports([transport]).open()).await;
            assert_eq!(session.unwrap().transport(), transport, "{name}");
        }
    }
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_told_before_anything_is_sent() {
    let issuer = Issuer::new("issuer");
    let identity = issuer.issue("client", 2020, 2090);
    let other = issuer.issue("other", 2020, 2090);
    let cases = [
        ("", identity.key.as_str(), "no part `BEGIN CERTIFICATE`"),
        ("hello", &identity.key, "no part `BEGIN CERTIFICATE`"),
        (
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
            &identity.key,
            "the client certificate is not well-formed",
        ),
        (&identity.chain, "", "not a private key in PEM"),
        (&identity.chain, &identity.chain, "not a private key in PEM"),
        (
            &identity.chain,
            &other.key,
            "the client certificate is not usable",
        ),
    ];
    let builder = builder("localhost", 1, &issuer);
    let roots = ["", "hello"].map(|pem| {
        let builder = builder.clone().trusted_roots_pem(pem);
        (builder, "the PEM of trusted roots has no part")
    });
    let clients = cases.map(|(chain, key, expected)| {
        let builder = builder.clone().client_certificate(chain, key);
        (builder, expected)
    });
    for (builder, expected) in roots.into_iter().chain(clients) {
        let error = within(builder.open()).await.unwrap_err();
        assert!(
            matches!(error, ConnectError::TlsConfiguration { .. }),
            "{error}"
        );
        let report = error.report();
        assert!(
            report.starts_with("error[SFX-C109]: TLS cannot be set up: ")
                && report.contains(expected),
            "{expected}: {report}"
        );
        assert!(report.contains("help: "), "{report}");
    }
}
