//! The options of every command that connects.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use suffuse_client::{Transport, TransportNameError};

use super::parse;

/// Where to connect, as whom, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// The server: ws, wss, http or https
    #[arg(
        long,
        value_name = "URL",
        default_value = "ws://127.0.0.1:8080/diffusion"
    )]
    pub(crate) url: String,
    /// The transports to try, in this order: ws, polling [default: ws]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) transports: Option<Vec<String>>,
    /// The request path, instead of the one in the URL; ends in /diffusion
    #[arg(long = "path", value_name = "PATH")]
    pub(crate) request_path: Option<String>,
    /// Who connects [default: anonymous]
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<String>,
    /// The password; other users of this machine can see it
    #[arg(
        long,
        value_name = "PASSWORD",
        requires = "principal",
        conflicts_with = "credentials_file"
    )]
    pub(crate) credentials: Option<String>,
    /// A file with the password, without its last line break
    #[arg(long, value_name = "FILE", requires = "principal")]
    pub(crate) credentials_file: Option<PathBuf>,
    /// A forward proxy, http://HOST:PORT; a password is safer in --proxy-from-env
    #[arg(long, value_name = "URL", conflicts_with = "proxy_from_env")]
    pub(crate) proxy: Option<String>,
    /// The forward proxy of http_proxy, https_proxy, all_proxy and no_proxy
    #[arg(long)]
    pub(crate) proxy_from_env: bool,
    /// A PEM file with issuers of certificates to trust, beside those of the system
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// A PEM file with the certificate of this client, for TLS
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub(crate) client_cert: Option<PathBuf>,
    /// A PEM file with the key of this certificate
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub(crate) client_key: Option<PathBuf>,
    /// The longest wait for the connection, and for each answer
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse::duration)]
    pub(crate) timeout: Duration,
    /// How long a lost connection is made anew; 0: not at all
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse::duration_or_zero)]
    pub(crate) reconnect_timeout: Duration,
    /// text or json
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    pub(crate) output: Output,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs: one JSON document, or one a line.
    Json,
}

impl ConnectionArgs {
    /// Returns the transports to try, if there is a list, and the names in it that are none. As in the published
    /// clients these are left out (spec: connection §8.1).
    pub(crate) fn transports(&self) -> Option<(Vec<Transport>, Vec<TransportNameError>)> {
        let names = self.transports.as_ref()?.iter().map(|name| name.trim());
        let parsed = names.filter(|name| !name.is_empty()).map(str::parse);
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for transport in parsed {
            match transport {
                Ok(transport) => known.push(transport),
                Err(error) => unknown.push(error),
            }
        }
        Some((known, unknown))
    }
}
