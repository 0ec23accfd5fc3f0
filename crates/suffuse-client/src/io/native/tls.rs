//! TLS: which issuers are trusted, and who the client is.

use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig,
    client::danger::ServerCertVerifier,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use rustls_platform_verifier::Verifier;

use crate::error::ConnectError;

mod failure;

pub(super) use failure::{failure, failure_in};

/// What the application says about TLS.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsOptions {
    roots: Vec<CertificateDer<'static>>,
    roots_pem: Vec<Vec<u8>>,
    client: Option<ClientCertificate>,
    config: Option<Arc<ClientConfig>>,
}

/// A chain of certificates and the key of the first one, as PEM.
#[derive(Clone)]
struct ClientCertificate {
    chain: Vec<u8>,
    key: Vec<u8>,
}

/// Shows nothing: there is a private key.
impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

impl TlsOptions {
    pub(crate) fn add_roots(&mut self, roots: impl IntoIterator<Item = CertificateDer<'static>>) {
        self.roots.extend(roots);
    }

    pub(crate) fn add_roots_pem(&mut self, roots: Vec<u8>) {
        self.roots_pem.push(roots);
    }

    pub(crate) fn set_client_certificate(&mut self, chain: Vec<u8>, key: Vec<u8>) {
        self.client = Some(ClientCertificate { chain, key });
    }

    pub(crate) fn set_config(&mut self, config: Arc<ClientConfig>) {
        self.config = Some(config);
    }

    /// Returns the configuration to connect with.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, ConnectError> {
        match &self.config {
            Some(config) => Ok(config.clone()),
            None => self.config_with(|verifier| verifier),
        }
    }

    /// Returns a configuration in which `wrap` has put something around the judge of certificates.
    /// One that the application has set is not looked at.
    pub(super) fn config_with(
        &self,
        wrap: impl FnOnce(Arc<dyn ServerCertVerifier>) -> Arc<dyn ServerCertVerifier>,
    ) -> Result<Arc<ClientConfig>, ConnectError> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = self.roots.clone();
        for pem in &self.roots_pem {
            roots.extend(certificates(pem, "PEM of trusted roots")?);
        }
        let verifier = Verifier::new_with_extra_roots(roots, provider.clone())
            .map_err(|error| unusable(format!("the trusted roots are not usable: {error}")))?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(wrap(Arc::new(verifier)));
        let mut config = match &self.client {
            None => builder.with_no_client_auth(),
            Some(client) => {
                let (chain, key) = client.parse()?;
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    unusable(format!("the client certificate is not usable: {error}"))
                })?
            }
        };
        // Both transports are HTTP/1.1, and a balancer may otherwise choose HTTP/2.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ClientCertificate {
    fn parse(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), ConnectError> {
        let chain = certificates(&self.chain, "client certificate")?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| {
            unusable(format!(
                "the key of the client certificate is not a private key in PEM without a password: {error}"
            ))
        })?;
        Ok((chain, key))
    }
}

/// Reads certificates in PEM, at least one.
fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(format!("the {what} is not well-formed: {error}")))?;
    match certificates.is_empty() {
        true => Err(unusable(format!(
            "the {what} has no part `BEGIN CERTIFICATE`"
        ))),
        false => Ok(certificates),
    }
}

fn unusable(problem: String) -> ConnectError {
    ConnectError::TlsConfiguration { problem }
}
