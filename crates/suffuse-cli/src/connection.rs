//! Connecting as the options of a command say.

use std::{fs, future::Future, path::Path, time::Duration};

use suffuse_client::{Attempt, Builder, CloseReason, ConnectEvent, RequestError, Session};

use crate::{
    args::ConnectionArgs,
    failure::{Failure, Status},
    output,
};

/// The largest file with a password, in bytes.
const CREDENTIALS_BYTES_MAX: u64 = 64 << 10;

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
/// When the file with the password cannot be read.
pub(crate) fn builder(args: &ConnectionArgs) -> Result<Builder, Failure> {
    let mut builder = Session::builder()
        .url(&args.url)
        .attempt_timeout(args.timeout);
    if let Some(transports) = &args.transports {
        builder = builder.transports(transports.iter().copied());
    }
    if let Some(path) = &args.request_path {
        builder = builder.request_path(path);
    }
    if let Some(principal) = &args.principal {
        builder = builder.principal(principal);
    }
    match (&args.credentials, &args.credentials_file) {
        (Some(password), _) => Ok(builder.credentials(password)),
        (None, Some(file)) => Ok(builder.credentials(password_from(file)?)),
        (None, None) => Ok(builder),
    }
}

fn password_from(file: &Path) -> Result<String, Failure> {
    let problem = |what: String| {
        let report = format!(
            "error[SFX-X003]: cannot use the password in `{}`: {what}",
            file.display()
        );
        Failure::new(Status::Usage, report)
    };
    let size = fs::metadata(file)
        .map_err(|error| problem(error.to_string()))?
        .len();
    if size > CREDENTIALS_BYTES_MAX {
        return Err(problem("the file has more than 64 KiB".to_owned()));
    }
    let text = fs::read_to_string(file).map_err(|error| problem(error.to_string()))?;
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

/// Prints what happens while a session is opened, to standard error.
pub(crate) fn trace(event: &ConnectEvent) {
    match event {
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
    format!(
        "{}{} after {millis:.1} ms{address}",
        attempt.reason(),
        server.unwrap_or_default()
    )
}
