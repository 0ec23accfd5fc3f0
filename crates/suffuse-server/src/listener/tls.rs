//! TLS for a listener, from PEM files.

use std::{path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
};
use tokio_rustls::TlsAcceptor;

use crate::{options::TlsFiles, server::StartError};

/// Reads the files of a listener.
///
/// # Errors
/// If a file cannot be read, has not what is expected, or certificate and key do not belong together.
pub(super) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, StartError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(&files.certificates)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(&files.certificates, &error))?;
    if certificates.is_empty() {
        return Err(StartError::Certificate {
            file: files.certificates.clone(),
            problem: "it has no certificate: expected PEM, which begins with `-----BEGIN CERTIFICATE-----`".to_owned(),
        });
    }
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unusable(&files.key, &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(certificates, key)
        })
        .map_err(|error| StartError::Certificate {
            file: files.certificates.clone(),
            problem: error.to_string(),
        })?;
    // WebSockets need HTTP/1.1, and a client that may choose would choose HTTP/2.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn unusable(file: &Path, error: &pem::Error) -> StartError {
    let problem = if matches!(error, pem::Error::NoItemsFound) {
        "it has no private key in PEM form".to_owned()
    } else {
        error.to_string()
    };
    StartError::Certificate {
        file: file.to_owned(),
        problem,
    }
}
