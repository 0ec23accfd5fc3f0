//! What a certificate says about itself.

use std::{fmt, time::SystemTime};

use x509_parser::{extensions::GeneralName, prelude::FromDer as _};

/// How many names are shown.
const NAMES_SHOWN: usize = 4;

/// The facts that operators ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) issuer: String,
    pub(super) names: Vec<String>,
    /// Until when it is valid, as a text.
    pub(super) not_after: String,
    /// Whole days that are left; negative when it has expired.
    pub(super) days_left: i64,
}

impl Certificate {
    /// Reads a certificate in DER; returns nothing if it is none.
    pub(super) fn read(der: impl AsRef<[u8]>) -> Option<Self> {
        let (_, certificate) =
            x509_parser::certificate::X509Certificate::from_der(der.as_ref()).ok()?;
        let now = SystemTime::UNIX_EPOCH.elapsed().ok()?.as_secs();
        let now = i64::try_from(now).ok()?;
        let end = certificate.validity().not_after;
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names
            .iter()
            .flat_map(|it| &it.value.general_names)
            .filter_map(name)
            .collect();
        Some(Self {
            issuer: certificate.issuer().to_string(),
            names,
            not_after: end.to_string(),
            days_left: (end.timestamp() - now).div_euclid(86_400),
        })
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "a list of another crate, and other kinds of names are not for hosts"
    )]
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes)
                .ok()
                .map(|it| std::net::Ipv4Addr::from(it).to_string()),
            _ => <[u8; 16]>::try_from(*bytes)
                .ok()
                .map(|it| std::net::Ipv6Addr::from(it).to_string()),
        },
        _ => None,
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names.iter().take(NAMES_SHOWN);
        let names: Vec<&str> = names.map(String::as_str).collect();
        let more = if self.names.len() > NAMES_SHOWN {
            " …"
        } else {
            ""
        };
        write!(
            f,
            "for {}{more}, issued by {}, valid until {}",
            names.join(" "),
            self.issuer,
            self.not_after
        )
    }
}
