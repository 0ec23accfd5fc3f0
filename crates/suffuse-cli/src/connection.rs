//! Connecting as the options of a command say.

use std::{
    fmt, fs,
    future::Future,
    path::{Path, PathBuf},
    time::Duration,
};

use suffuse_client::{
    Attempt, Builder, CloseReason, ConnectEvent, Failure as AttemptFailure, Proxy, Reconnect,
    RequestError, Session,
};

use crate::{
    args::ConnectionArgs,
    failure::{Failure, Status},
    output,
};

/// The largest file that an option names, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A session, and how long its answers may take.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) session: Session,
    timeout: Duration,
}

impl Connected {
    pub(crate) fn new(session: Session, timeout: Duration) -> Self {
        Self { session, timeout }
    }

    /// Connects.
    ///
    /// # Errors
    /// When no attempt succeeds, or the options cannot be used.
    pub(crate) async fn open(args: &ConnectionArgs) -> Result<Self, Failure> {
        let session = builder(args)?.connect().await?;
        Ok(Self::new(session, args.timeout))
    }

    /// Waits for an answer, as long as it may take.
    ///
    /// # Errors
    /// When the server refuses, the session ends, or there is no answer in time.
    pub(crate) async fn answer<T>(
        &self,
        request: impl Future<Output = Result<T, RequestError>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.timeout, request).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Failure::time_out("the server", self.timeout.as_secs_f64())),
        }
    }

    /// Closes the session.
    pub(crate) async fn close(self) {
        self.session.close().await;
    }
}

/// Connects, does something, and closes the session whatever came of it.
///
/// # Errors
/// When there is no session, or `action` fails.
pub(crate) async fn with_session<T>(
    args: &ConnectionArgs,
    action: impl AsyncFnOnce(&Connected) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let connected = Connected::open(args).await?;
    let result = action(&connected).await;
    connected.close().await;
    result
}

/// Returns the builder that the options describe.
///
/// # Errors
/// When a file with the password or with certificates cannot be read.
pub(crate) fn builder(args: &ConnectionArgs) -> Result<Builder, Failure> {
    let mut builder = Session::builder()
        .url(&args.url)
        .attempt_timeout(args.timeout)
        .reconnect(Reconnect::within(args.reconnect_timeout))
        .on_event(|event| tell_recovery(&event));
    if let Some((transports, unknown)) = args.transports() {
        for name in unknown {
            output::note(format_args!("warning: {name}; it is left out"));
        }
        builder = builder.transports(transports);
    }
    if let Some(path) = &args.request_path {
        builder = builder.request_path(path);
    }
    if let Some(principal) = &args.principal {
        builder = builder.principal(principal);
    }
    if let Some(proxy) = proxy(args) {
        builder = builder.proxy(proxy);
    }
    builder = with_certificates(builder, args)?;
    let password = password(&args.credentials, &args.credentials_file)?;
    Ok(match password {
        Some(password) => builder.credentials(password),
        None => builder,
    })
}

/// Returns the password that was given, itself or in a file.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn password(
    password: &Option<String>,
    file: &Option<PathBuf>,
) -> Result<Option<String>, Failure> {
    match (password, file) {
        (Some(password), _) => Ok(Some(password.clone())),
        (None, Some(file)) => password_from(file).map(Some),
        (None, None) => Ok(None),
    }
}

fn proxy(args: &ConnectionArgs) -> Option<Proxy> {
    match &args.proxy {
        Some(url) => Some(Proxy::url(url)),
        None => args.proxy_from_env.then(Proxy::from_env),
    }
}

fn with_certificates(mut builder: Builder, args: &ConnectionArgs) -> Result<Builder, Failure> {
    if let Some(file) = &args.ca {
        builder = builder.trusted_roots_pem(bytes_from(file, "the issuers")?);
    }
    if let (Some(chain), Some(key)) = (&args.client_cert, &args.client_key) {
        let chain = bytes_from(chain, "the certificate")?;
        builder = builder.client_certificate(chain, bytes_from(key, "the key")?);
    }
    Ok(builder)
}

/// Returns the failure that what an option needs of a file cannot be used.
fn unusable(file: &Path, what: &str, problem: impl fmt::Display) -> Failure {
    let report = format!(
        "error[SFX-X003]: cannot use {what} in `{}`: {problem}",
        file.display()
    );
    Failure::new(Status::Usage, report)
}

fn bytes_from(file: &Path, what: &str) -> Result<Vec<u8>, Failure> {
    let size = fs::metadata(file)
        .map_err(|error| unusable(file, what, error))?
        .len();
    if size > FILE_BYTES_MAX {
        return Err(unusable(file, what, "the file has more than 1 MiB"));
    }
    fs::read(file).map_err(|error| unusable(file, what, error))
}

fn password_from(file: &Path) -> Result<String, Failure> {
    let what = "the password";
    let text = String::from_utf8(bytes_from(file, what)?)
        .map_err(|_| unusable(file, what, "it is not UTF-8"))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// Returns the failure of a session that ended by itself.
pub(crate) fn ended(reason: &CloseReason) -> Failure {
    Failure::new(
        Status::Error,
        format!("error[{}]: the session has ended: {reason}", reason.code()),
    )
}

/// Prints that a connection is lost and made anew, to standard error.
fn tell_recovery(event: &ConnectEvent) {
    match event {
        ConnectEvent::Recovering {
            attempt,
            pause,
            cause,
        } => output::note(format_args!(
            "connection lost: {}; attempt {attempt} to reconnect in {:.1} s",
            output::printable(cause),
            pause.as_secs_f64()
        )),
        ConnectEvent::Recovered { transport, lost } => output::note(format_args!(
            "connected again over {transport}{}",
            match lost {
                true => "; messages were lost, so every topic begins anew",
                false => ", nothing was lost",
            }
        )),
        ConnectEvent::Attempt { .. }
        | ConnectEvent::Failed { .. }
        | ConnectEvent::Retry { .. }
        | ConnectEvent::Connected { .. }
        | ConnectEvent::Closed { .. }
        | _ => {}
    }
}

/// Prints what happens while a session is opened, and to its connection later, to standard error.
pub(crate) fn trace(event: &ConnectEvent) {
    match event {
        ConnectEvent::Recovering { .. } | ConnectEvent::Recovered { .. } => tell_recovery(event),
        ConnectEvent::Closed { reason } => output::note(format_args!(
            "closed: {}",
            output::printable(&reason.to_string())
        )),
        ConnectEvent::Attempt {
            number,
            of,
            transport,
            url,
        } => {
            output::note(format_args!("attempt {number} of {of}: {transport} {url}"));
        }
        ConnectEvent::Failed { attempt, next } => {
            let then = match next {
                Some(next) => format!("{next} is next"),
                None => "nothing else is tried".to_owned(),
            };
            output::note(format_args!(
                "attempt {} failed: {}; {then}",
                attempt.number,
                described(attempt)
            ));
        }
        ConnectEvent::Connected { attempt } => {
            output::note(format_args!(
                "attempt {} connected: {}",
                attempt.number,
                described(attempt)
            ));
        }
        ConnectEvent::Retry { number, of, after } => {
            output::note(format_args!(
                "the list is tried again after {after:?}, {number} of {of}"
            ));
        }
        event => output::note(format_args!("{event:?}")),
    }
}

fn described(attempt: &Attempt) -> String {
    let address = attempt
        .address
        .map(|address| format!(", at {address}"))
        .unwrap_or_default();
    let server = attempt
        .server
        .as_deref()
        .map(|server| format!(" (server: {})", output::printable(server)));
    let millis = attempt.elapsed.as_secs_f64() * 1000.0;
    let proxy = attempt
        .proxy
        .as_ref()
        .filter(|_| !matches!(attempt.failure(), Some(AttemptFailure::Proxy { .. })))
        .map(|proxy| format!(", through the proxy {proxy}"));
    format!(
        "{}{} after {millis:.1} ms{address}{}",
        attempt.reason(),
        server.unwrap_or_default(),
        proxy.unwrap_or_default()
    )
}
