//! `suffuse connect`: connects once, and says how.

use std::time::Duration;

use serde_json::{Value, json};
use suffuse_client::{Attempt, ConnectError, Session};

use crate::{
    args::{ConnectArgs, Output},
    connection::{self, Connected},
    failure::Failure,
    output,
};

pub(crate) async fn run(mut args: ConnectArgs) -> Result<(), Failure> {
    if let Some(server) = args.server.take() {
        args.connection.url = server;
    }
    let mut builder = connection::builder(&args.connection)?;
    if args.trace {
        builder = builder.on_event(|event| connection::trace(&event));
    }
    match builder.connect().await {
        Ok(session) => {
            let connected = Connected::new(session, args.connection.timeout);
            let result = tell_success(&args, &connected).await;
            connected.close().await;
            result
        }
        Err(error) => tell_failure(&args, error),
    }
}

async fn tell_success(args: &ConnectArgs, connected: &Connected) -> Result<(), Failure> {
    let round_trip = connected.answer(connected.session.ping()).await?;
    let session = &connected.session;
    match args.connection.output {
        Output::Json => output::result(success_document(session, round_trip)),
        Output::Text => {
            let attempts = if args.explain {
                session.attempts()
            } else {
                &[]
            };
            let mut lines: Vec<String> = attempts.iter().map(line).collect();
            lines.push(summary(session, round_trip));
            lines.extend(attempts.iter().filter_map(hint));
            output::result(lines.join("\n"))
        }
    }
}

fn tell_failure(args: &ConnectArgs, error: ConnectError) -> Result<(), Failure> {
    if args.connection.output == Output::Json {
        output::result(failure_document(&error))?;
    } else if args.explain && !error.attempts().is_empty() {
        // The report is what was asked for, so it is a result.
        let mut failure = Failure::from(error);
        output::result(failure.report.take().unwrap_or_default())?;
        return Err(failure);
    }
    Err(error.into())
}

fn line(attempt: &Attempt) -> String {
    output::printable(&attempt.to_string())
}

fn hint(attempt: &Attempt) -> Option<String> {
    attempt
        .hint()
        .map(|hint| format!("  help: {}", output::printable(&hint)))
}

fn summary(session: &Session, round_trip: Duration) -> String {
    let millis = round_trip.as_secs_f64() * 1000.0;
    format!(
        "connected  session {}  transport {}  round trip {millis:.1} ms",
        session.id(),
        session.transport()
    )
}

fn success_document(session: &Session, round_trip: Duration) -> Value {
    json!({
        "attempts": session.attempts(),
        "connected": true,
        "transport": session.transport().name(),
        "session": session.id().to_string(),
        "round_trip_ms": round_trip.as_secs_f64() * 1000.0,
    })
}

fn failure_document(error: &ConnectError) -> Value {
    json!({
        "attempts": error.attempts(),
        "connected": false,
        "transport": null,
        "session": null,
        "error": error.code(),
    })
}
