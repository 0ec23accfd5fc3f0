//! TLS: which issuers are trusted.

use std::sync::Arc;

use rustls::{ClientConfig, crypto::ring, pki_types::CertificateDer};
use rustls_platform_verifier::Verifier;

use crate::error::ConnectError;

/// What the application says about TLS.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsOptions {
    roots: Vec<CertificateDer<'static>>,
    config: Option<Arc<ClientConfig>>,
}

impl TlsOptions {
    pub(crate) fn add_roots(&mut self, roots: impl IntoIterator<Item = CertificateDer<'static>>) {
        self.roots.extend(roots);
    }

    pub(crate) fn set_config(&mut self, config: Arc<ClientConfig>) {
        self.config = Some(config);
    }

    /// Returns the configuration to connect with.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, ConnectError> {
        if let Some(config) = &self.config {
            return Ok(config.clone());
        }
        let unusable = |error: rustls::Error| ConnectError::TlsConfiguration {
            problem: error.to_string(),
        };
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier::new_with_extra_roots(self.roots.iter().cloned(), provider.clone())
            .map_err(unusable)?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        // Both transports are HTTP/1.1, and a balancer may otherwise choose HTTP/2.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
