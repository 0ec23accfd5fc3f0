//! What TLS can fail at, and what to do about it.

/// What TLS failed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsProblem {
    /// The issuer of the server's certificate is not trusted.
    UnknownIssuer,
    /// The server's certificate is not valid any more.
    Expired,
    /// The server's certificate is not valid yet.
    NotYetValid,
    /// The server's certificate is for other hosts.
    WrongName,
    /// The server's certificate has another defect.
    BadCertificate,
    /// What answers does not speak TLS.
    NotTls,
    /// The server wants a certificate of the client, and got none.
    ClientCertificateRequired,
    /// The server does not take the client's certificate.
    ClientCertificateRefused,
    /// Client and server have no protocol version, or no algorithms, in common.
    ProtocolVersion,
    /// Something else.
    Other,
}

impl TlsProblem {
    /// Returns what went wrong, in one sentence without full stop; [`Self::Other`] has none.
    pub(super) fn sentence(self) -> Option<&'static str> {
        Some(match self {
            Self::UnknownIssuer => "the issuer of the server's certificate is not trusted",
            Self::Expired => "the server's certificate has expired",
            Self::NotYetValid => "the server's certificate is not valid yet",
            Self::WrongName => "the server's certificate is for another host",
            Self::BadCertificate => "the server's certificate is not usable",
            Self::NotTls => "what answers does not speak TLS",
            Self::ClientCertificateRequired => "the server requires a client certificate",
            Self::ClientCertificateRefused => "the server refuses the client certificate",
            Self::ProtocolVersion => {
                "client and server have no version of TLS, or no algorithms, in common"
            }
            Self::Other => return None,
        })
    }

    /// Returns the next thing to try.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::UnknownIssuer => {
                "add the certificate of the issuer to the trusted roots, if it is one of your own; the \
                 server must send the certificates between its own and the root"
            }
            Self::Expired => "renew the certificate of the server; check the clock of this machine",
            Self::NotYetValid => "check the clocks of this machine and of the certificate's issuer",
            Self::WrongName => {
                "connect by a name that the certificate has, or issue one for this host"
            }
            Self::BadCertificate => {
                "look at the certificate of the server: it may be revoked, damaged, or one of an issuer"
            }
            Self::NotTls => "check the port, or connect without TLS if that is meant",
            Self::ClientCertificateRequired => "set a client certificate and its key",
            Self::ClientCertificateRefused => {
                "set a client certificate that the server trusts, and that is valid now"
            }
            Self::ProtocolVersion => {
                "let the server offer TLS 1.2 or 1.3 with usual algorithms; some servers say the same when \
                 they require a client certificate"
            }
            Self::Other => {
                "check that the port speaks TLS, that the certificate is for this host, and that its \
                 issuer is known here; a private issuer can be added to the trusted roots"
            }
        }
    }
}
