//! What an error of TLS means.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "these lists of another crate grow, and what is not named here is `Other`"
)]

use std::{error::Error, io};

use rustls::{AlertDescription, CertificateError};

use crate::{
    attempt::{Failure, TlsProblem},
    text::shortened,
};

/// Returns the failure of a negotiation.
pub(in crate::io::native) fn failure(error: &io::Error) -> Failure {
    if let Some(failure) = failure_in(error) {
        return failure;
    }
    let problem = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the peer ended the connection instead".to_owned(),
        _ => shortened(&error.to_string()),
    };
    Failure::Tls {
        cause: TlsProblem::Other,
        problem,
    }
}

/// Returns the failure of TLS that is the cause of an error, if one is.
pub(in crate::io::native) fn failure_in(error: &(dyn Error + 'static)) -> Option<Failure> {
    let error = find(error)?;
    let problem = match error {
        // The sentence of the cause says already that this is about a certificate.
        rustls::Error::InvalidCertificate(error) => error.to_string(),
        error => error.to_string(),
    };
    Some(Failure::Tls {
        cause: cause(error),
        problem: shortened(&problem),
    })
}

/// Returns the error of TLS in a chain of errors.
fn find<'a>(mut error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    loop {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        // The source of an IO error is not the error that it carries, but the source of that.
        let carried = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        error = match carried {
            Some(carried) => carried,
            None => error.source()?,
        };
    }
}

fn cause(error: &rustls::Error) -> TlsProblem {
    use rustls::Error;
    match error {
        Error::InvalidCertificate(error) => certificate_problem(error),
        Error::InvalidMessage(_) => TlsProblem::NotTls,
        Error::PeerIncompatible(_) => TlsProblem::ProtocolVersion,
        Error::AlertReceived(alert) => alert_problem(*alert),
        _ => TlsProblem::Other,
    }
}

fn certificate_problem(error: &CertificateError) -> TlsProblem {
    match error {
        CertificateError::UnknownIssuer => TlsProblem::UnknownIssuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsProblem::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsProblem::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsProblem::WrongName
        }
        _ => TlsProblem::BadCertificate,
    }
}

/// Returns what a server says when it ends the negotiation.
fn alert_problem(alert: AlertDescription) -> TlsProblem {
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            TlsProblem::ClientCertificateRequired
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => TlsProblem::ClientCertificateRefused,
        AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity
        | AlertDescription::HandshakeFailure => TlsProblem::ProtocolVersion,
        _ => TlsProblem::Other,
    }
}
