//! Where to connect, and how.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use suffuse_proto::{
    ResponseCode,
    handshake::{self, Capabilities, ConnectionRequest, Credentials, PRINCIPAL_BYTES_MAX},
};

use crate::{
    attempt::Attempt,
    endpoint::{self, Endpoint, ParsedUrl},
    error::{CloseReason, ConnectError},
    machine::{
        VERSION,
        cascade::{Cascade, CascadingCodes},
    },
    reconnect::Reconnect,
    retry::Retry,
    text::shortened,
    transport::{Transport, Transports},
};

/// How long an attempt may take by default.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// What happens while a session is opened, and to its connection later: the cascade made visible.
///
/// An attempt to reconnect is told as a cascade too: with `Attempt` and `Failed`, between `Recovering`
/// and `Recovered`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectEvent {
    /// A transport was selected, and an attempt begins.
    Attempt {
        /// Its number, from 1.
        number: usize,
        /// How many attempts there are at most: the transports of the list, as often as it is run.
        of: usize,
        /// The transport.
        transport: Transport,
        /// Where to.
        url: String,
    },
    /// An attempt failed.
    Failed {
        /// The attempt.
        attempt: Attempt,
        /// The transport that is tried next, if one is.
        next: Option<Transport>,
    },
    /// Every transport of the list failed, and the whole list is tried again after a pause.
    Retry {
        /// Which time it is, from 1.
        number: usize,
        /// How often the list is tried again at most.
        of: usize,
        /// How long the pause is.
        after: Duration,
    },
    /// The session is connected.
    Connected {
        /// The attempt that succeeded.
        attempt: Attempt,
    },
    /// The connection was lost, or an attempt to make it anew failed; the next one follows.
    Recovering {
        /// The number of the next attempt, from 1.
        attempt: u32,
        /// How long it is waited before it.
        pause: Duration,
        /// What happened.
        cause: String,
    },
    /// The session goes on with a new connection.
    Recovered {
        /// The transport that carries it.
        transport: Transport,
        /// Whether messages were lost, so that topics begin anew and requests failed.
        lost: bool,
    },
    /// The session is over.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

type EventHandler = Arc<dyn Fn(ConnectEvent) + Send + Sync>;

/// Says where to connect, and how. Made by [`Session::builder`](crate::Session::builder).
///
/// Without a host it is `localhost`. Without a statement about security, it is secure if the port
/// is 443 or not given. Without a port, it is 443 if secure and 80 if not.
#[derive(Clone, Default)]
#[must_use = "a builder does nothing until it opens a session"]
pub struct Builder {
    url: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    secure: Option<bool>,
    path: Option<String>,
    transports: Transports,
    codes: CascadingCodes,
    principal: String,
    credentials: Credentials,
    properties: BTreeMap<String, String>,
    attempt_timeout: Option<Duration>,
    retry: Retry,
    reconnect: Reconnect,
    on_event: Option<EventHandler>,
    #[cfg(not(target_arch = "wasm32"))]
    tls: crate::io::native::tls::TlsOptions,
    #[cfg(not(target_arch = "wasm32"))]
    proxy: Option<crate::proxy::Proxy>,
}

impl Builder {
    /// Sets host, port, security and request path from a URL, whose scheme is `ws`, `wss`, `http`
    /// or `https`. The scheme says only whether the connection is secure: which transports are
    /// tried is said by [`Self::transports`], whatever the scheme. Without a path it is
    /// `/diffusion`.
    ///
    /// Settings of the other methods go before the URL's.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Sets the host: a name or an IP address.
    pub fn server_host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Sets the port.
    pub fn server_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets whether TLS is used. All transports of the list have the same security.
    pub fn secure_transport(mut self, secure: bool) -> Self {
        self.secure = Some(secure);
        self
    }

    /// Sets the request path, by which a load balancer can route. It ends with `/diffusion`, and a
    /// missing `/` at its start is added.
    pub fn request_path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Sets the transports that are tried, in this order and in one pass. A transport may stand
    /// more than once. Without this call it is WebSocket; with an empty list nothing is tried, and
    /// opening fails at once.
    pub fn transports(mut self, transports: impl IntoIterator<Item = Transport>) -> Self {
        self.transports = Transports::List(transports.into_iter().collect());
        self
    }

    /// Sets which rejections of the server let the next transport be tried, in place of 113
    /// `LICENSE_EXCEEDED`, 117 `UNKNOWN_SESSION` and 127 `ERROR`.
    pub fn cascade_on(mut self, codes: impl IntoIterator<Item = ResponseCode>) -> Self {
        self.codes = CascadingCodes::Only(codes.into_iter().collect());
        self
    }

    /// Sets who the client says it is. Without it the session is anonymous.
    pub fn principal(mut self, principal: impl Into<String>) -> Self {
        self.principal = principal.into();
        self
    }

    /// Sets the password of the principal.
    pub fn credentials(mut self, password: impl Into<String>) -> Self {
        self.credentials = Credentials::Password(password.into());
        self
    }

    /// Sets credentials that are not a password: bytes for an authenticator of the server.
    pub fn custom_credentials(mut self, credentials: impl Into<Bytes>) -> Self {
        self.credentials = Credentials::Custom(credentials.into());
        self
    }

    /// Proposes a session property. Which ones are accepted is for the server to say.
    pub fn property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(key.into(), value.into());
        self
    }

    /// Sets how long one attempt may take; by default 10 s. An attempt that takes longer is a
    /// transport error, and the next transport is tried.
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(limit);
        self
    }

    /// Sets how often the whole list of transports is tried again when all of it failed by
    /// transport errors; by default not at all. After a fatal error nothing is tried again. Each
    /// attempt keeps its own time limit.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use suffuse_client::{Retry, Session};
    /// let builder = Session::builder().retry(Retry {
    ///     attempts: 5,
    ///     interval: Duration::from_secs(2),
    /// });
    /// ```
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Sets whether, for how long and how a lost connection is made anew; by default within a minute,
    /// with growing, random pauses.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use suffuse_client::{Backoff, Reconnect, Session};
    /// let backoff = Backoff::full_jitter(Duration::from_millis(200), Duration::from_secs(10));
    /// let builder = Session::builder()
    ///     .reconnect(Reconnect::within(Duration::from_secs(60)).strategy(backoff));
    /// ```
    pub fn reconnect(mut self, reconnect: Reconnect) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// Sets a function that is called for everything that happens while the session is opened, and
    /// to its connection later. It must not block.
    pub fn on_event(mut self, handler: impl Fn(ConnectEvent) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Arc::new(handler));
        self
    }

    /// Checks all settings, and returns what to do.
    pub(crate) fn plan(&self) -> Result<Plan, ConnectError> {
        let cascade = Cascade::new(&self.transports, self.codes.clone(), self.retry);
        if self.transports.as_slice().is_empty() {
            return Err(ConnectError::NoTransport);
        }
        Ok(Plan {
            endpoint: self.endpoint()?,
            cascade,
            request: self.request()?,
            attempt_timeout: self.attempt_timeout.unwrap_or(ATTEMPT_TIMEOUT),
            reconnect: self.reconnect.clone(),
            on_event: self.on_event.clone(),
        })
    }

    fn endpoint(&self) -> Result<Endpoint, ConnectError> {
        let url = self.url.as_deref().map(ParsedUrl::parse).transpose()?;
        let host = match (&self.host, &url) {
            (Some(host), _) => endpoint::host(host)?,
            (None, Some(url)) => url.host.clone(),
            (None, None) => "localhost".to_owned(),
        };
        let port = self.port.or_else(|| url.as_ref().and_then(|url| url.port));
        if port == Some(0) {
            return Err(ConnectError::InvalidPort);
        }
        let secure = self.secure.or_else(|| url.as_ref().map(|url| url.secure));
        let secure = secure.unwrap_or(matches!(port, None | Some(443)));
        let path = match (&self.path, url) {
            (Some(path), _) => endpoint::request_path(path)?,
            (None, Some(url)) => url.path,
            (None, None) => endpoint::SUFFIX.to_owned(),
        };
        Ok(Endpoint {
            host,
            port: port.unwrap_or(if secure { 443 } else { 80 }),
            secure,
            path,
        })
    }

    fn request(&self) -> Result<ConnectionRequest, ConnectError> {
        check_principal(&self.principal)?;
        self.properties
            .keys()
            .try_for_each(|key| check_property(key))?;
        let mut proposed_properties = self.properties.clone();
        proposed_properties
            .entry("$Environment".to_owned())
            .or_insert_with(environment);
        Ok(ConnectionRequest {
            version: VERSION,
            client_type: String::new(),
            capabilities: Capabilities(Capabilities::UNIFIED.0 | Capabilities::ZLIB.0),
            reconnect_timeout: self.reconnect.within,
            reconnect: None,
            proposed_properties,
            principal: self.principal.clone(),
            credentials: self.credentials.clone(),
        })
    }
}

fn environment() -> String {
    format!("RUST_{}_{}", std::env::consts::OS, std::env::consts::ARCH)
}

fn check_principal(principal: &str) -> Result<(), ConnectError> {
    let invalid = |problem| {
        Err(ConnectError::InvalidSessionData {
            what: "principal".to_owned(),
            problem,
        })
    };
    if principal.len() > PRINCIPAL_BYTES_MAX {
        return invalid("it has more than 4096 bytes");
    }
    if principal.chars().any(char::is_control) {
        return invalid("it has a control character");
    }
    Ok(())
}

fn check_property(key: &str) -> Result<(), ConnectError> {
    let reserved = |char: char| char.is_whitespace() || char.is_control() || "\"'()".contains(char);
    if key.is_empty() || key.contains(reserved) {
        let what = format!("session property `{}`", shortened(key));
        let problem =
            "a key has one or more characters, without white space, quotes and parentheses";
        return Err(ConnectError::InvalidSessionData { what, problem });
    }
    Ok(())
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("secure", &self.secure)
            .field("path", &self.path)
            .field("transports", &self.transports)
            .field("principal", &self.principal)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

/// What to do to open a session: all settings, checked.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) endpoint: Endpoint,
    pub(crate) cascade: Cascade,
    pub(crate) request: ConnectionRequest,
    pub(crate) attempt_timeout: Duration,
    pub(crate) reconnect: Reconnect,
    on_event: Option<EventHandler>,
}

impl Plan {
    /// Returns the plan of an attempt to resume a session: one run through the whole list.
    pub(crate) fn resuming(&self, parameters: handshake::Reconnect) -> Self {
        let mut plan = self.clone();
        plan.cascade = self.cascade.clone().without_retries();
        plan.request.reconnect = Some(parameters);
        plan
    }

    pub(crate) fn emit(&self, event: impl FnOnce() -> ConnectEvent) {
        if let Some(handler) = &self.on_event {
            handler(event());
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use rustls::{ClientConfig, pki_types::CertificateDer};

    use super::{Arc, Builder, ConnectError};
    use crate::{io::native, proxy::Proxy, session::Session};

    impl Builder {
        /// Adds certificates of issuers that are trusted for TLS, beside those of the system.
        pub fn trusted_roots(
            mut self,
            roots: impl IntoIterator<Item = CertificateDer<'static>>,
        ) -> Self {
            self.tls.add_roots(roots);
            self
        }

        /// Adds certificates of issuers that are trusted for TLS, as PEM. That they cannot be used is
        /// an error when the session is opened.
        pub fn trusted_roots_pem(mut self, roots: impl Into<Vec<u8>>) -> Self {
            self.tls.add_roots_pem(roots.into());
            self
        }

        /// Sets the certificate by which the server knows the client, and its private key, both as
        /// PEM. The chain begins with the client's own certificate. That they cannot be used is an
        /// error when the session is opened.
        pub fn client_certificate(
            mut self,
            chain: impl Into<Vec<u8>>,
            key: impl Into<Vec<u8>>,
        ) -> Self {
            self.tls.set_client_certificate(chain.into(), key.into());
            self
        }

        /// Sets the whole configuration of TLS, in place of the system's roots,
        /// [`Self::trusted_roots`] and [`Self::client_certificate`].
        pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
            self.tls.set_config(config);
            self
        }

        /// Sets the forward proxy, or the rules that choose one. Without this call there is none,
        /// whatever the environment says.
        pub fn proxy(mut self, proxy: Proxy) -> Self {
            self.proxy = Some(proxy);
            self
        }

        /// Opens a session: makes attempts in the order of the transports, until one succeeds.
        ///
        /// # Errors
        /// When a setting is not possible, or no attempt succeeds. The error names every attempt.
        pub async fn open(&self) -> Result<Session, ConnectError> {
            native::open(self.plan()?, &self.tls, self.proxy.as_ref()).await
        }

        /// Returns what makes single exchanges with the server, in place of a session.
        ///
        /// # Errors
        /// When a setting is not possible.
        pub fn probe(&self) -> Result<native::probe::Probe, ConnectError> {
            native::probe::Probe::new(&self.plan()?, &self.tls, self.proxy.as_ref())
        }

        /// The same as [`Self::open`].
        ///
        /// # Errors
        /// As [`Self::open`].
        pub async fn connect(&self) -> Result<Session, ConnectError> {
            self.open().await
        }
    }
}

#[cfg(test)]
mod tests;
