//! `suffuse drain`: empties a running server, and shows how far it is.

use std::{io, time::Duration};

use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    args::DrainArgs,
    connection,
    failure::{Failure, Status},
    output,
};

/// How often the server is asked how far it is.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long the server may take to answer, and how many bytes an answer may have.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// How far a server is drained, as it says.
#[derive(Debug, Deserialize, PartialEq)]
struct Progress {
    phase: String,
    moved: usize,
    left: usize,
}

pub(crate) async fn run(args: DrainArgs) -> Result<(), Failure> {
    let server = Admin::new(&args)?;
    if args.abort {
        server.ask("DELETE", "").await?;
        return output::result("aborted: the server takes sessions, and is ready");
    }
    let mut query = Vec::new();
    if let Some(wait) = args.wait {
        query.push(format!("wait_ms={}", wait.as_millis()));
    }
    if let Some(rate) = args.rate {
        query.push(format!("rate={rate}"));
    }
    let mut shown = server.ask("POST", &query.join("&")).await?;
    output::result("draining; Ctrl-C leaves it going, `suffuse drain --abort` ends it")?;
    output::result(line(&shown))?;
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let now = server.ask("GET", "").await?;
        if now != shown {
            output::result(line(&now))?;
            shown = now;
        }
        match shown.phase.as_str() {
            "drained" => return Ok(()),
            "serving" => {
                let report = "error[SFX-X020]: the drain was aborted by somebody else";
                return Err(Failure::new(Status::Error, report));
            }
            _ => {}
        }
    }
}

fn line(progress: &Progress) -> String {
    let Progress { phase, moved, left } = progress;
    match phase.as_str() {
        "waiting" => "waiting: not ready, load balancers may notice".to_owned(),
        "moving" => format!("moving: {moved} moved, {left} sessions left"),
        "drained" => format!("drained: {moved} moved, no session has a connection"),
        other => other.to_owned(),
    }
}

/// Where operators reach a server, and as whom.
struct Admin {
    host: String,
    authorization: String,
}

impl Admin {
    fn new(args: &DrainArgs) -> Result<Self, Failure> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let rest = args.url.strip_prefix("http://");
        let Some(host) = rest.map(|rest| rest.trim_end_matches('/')) else {
            return Err(unusable(&args.url));
        };
        if host.is_empty() || host.contains(['/', '@', '?', '#']) {
            return Err(unusable(&args.url));
        }
        let password = connection::password(&args.credentials, &args.credentials_file)?;
        let password = password.unwrap_or_default();
        Ok(Self {
            host: host.to_owned(),
            authorization: STANDARD.encode(format!("{}:{password}", args.principal)),
        })
    }

    /// Sends a request and returns what the server says of its progress.
    async fn ask(&self, method: &str, query: &str) -> Result<Progress, Failure> {
        let answer = tokio::time::timeout(ANSWER_TIME_MAX, self.exchange(method, query)).await;
        let answer =
            answer.map_err(|_| Failure::time_out("the server", ANSWER_TIME_MAX.as_secs_f64()))?;
        let answer = answer.map_err(|error| {
            let report = format!(
                "error[SFX-X021]: cannot reach http://{}: {error}\n  help: --url names a listener of the server with \
                 `admin = true`",
                self.host
            );
            Failure::new(Status::CannotConnect, report)
        })?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).unwrap_or_default();
        match status {
            "200" | "202" => serde_json::from_str(body).map_err(|_| refused(status, body)),
            _ => Err(refused(status, body)),
        }
    }

    async fn exchange(&self, method: &str, query: &str) -> io::Result<String> {
        let has_port = self
            .host
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = match has_port {
            true => self.host.clone(),
            false => format!("{}:80", self.host),
        };
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "{method} /admin/drain?{query} HTTP/1.1\r\nhost: {}\r\nauthorization: Basic {}\r\ncontent-length: 0\r\n\
             connection: close\r\n\r\n",
            self.host, self.authorization
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream
            .take(ANSWER_BYTES_MAX)
            .read_to_end(&mut answer)
            .await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

fn unusable(url: &str) -> Failure {
    let report = format!(
        "error[SFX-X022]: `{url}` is no address of a server: expected http://HOST:PORT\n  help: passwords would cross a \
         network in clear, so run this on the server's machine, with a listener on 127.0.0.1 that has `admin = true`"
    );
    Failure::new(Status::Usage, report)
}

fn refused(status: &str, body: &str) -> Failure {
    let (kind, help) = match status {
        "401" | "403" => (
            Status::Refused,
            "\n  help: --principal and --credentials-file of a principal that may control the server",
        ),
        "404" => (
            Status::Error,
            "\n  help: --url names a listener of the server with `admin = true`",
        ),
        "409" => (
            Status::ConditionFailed,
            "\n  help: `suffuse drain --abort` ends it",
        ),
        _ => (Status::Error, ""),
    };
    let body = output::printable(body.trim());
    Failure::new(
        kind,
        format!("error[SFX-X023]: the server refuses with status {status}: {body}{help}"),
    )
}
