//! A certificate for the loopback interface, by an issuer that nobody knows.

use std::fs;
use std::path::Path;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The file with the certificate of the issuer.
pub(super) const ROOT: &str = "root.pem";

/// Writes the issuer's certificate, the certificate and its key (also together, as some want it).
pub(super) fn write(folder: &Path) -> Result<()> {
    let root_key = KeyPair::generate()?;
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.distinguished_name
        .push(DnType::CommonName, "issuer of a test");
    let root_certificate = root.self_signed(&root_key)?.pem();
    fs::write(folder.join(ROOT), &root_certificate)?;

    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let mut leaf = CertificateParams::new(names)?;
    leaf.distinguished_name
        .push(DnType::CommonName, "localhost");
    let key = KeyPair::generate()?;
    let issuer = Issuer::new(root, root_key);
    // The root is in it because Chromium is told to trust it by a chain that has it.
    let chain = leaf.signed_by(&key, &issuer)?.pem() + &root_certificate;
    let key = key.serialize_pem();
    fs::write(folder.join("tls.pem"), format!("{chain}{key}"))?;
    fs::write(folder.join("tls.crt"), chain)?;
    fs::write(folder.join("tls.key"), key)?;
    Ok(())
}
