//! `suffuse serve`: a server from a configuration and a data folder.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use suffuse_server::{
    DrainPlan, Server, StartError,
    config::{Config, Loaded, Opened, SecurityFile},
    page::PageInfo,
};
use tracing_subscriber::filter::LevelFilter;

use crate::{
    args::ServeArgs,
    failure::{Failure, Status},
    output,
    signals::{SIGTERM, StopSignals},
};

/// How many threads carry connections at most; the broker has its own.
const WORKER_THREADS_MAX: usize = 64;
/// How long after a signal another one counts as the same.
const SIGNAL_ECHO_MAX: Duration = Duration::from_millis(300);

pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let begin = Instant::now();
    let mut loaded = Loaded::load(args.config.as_deref(), &args.set)?;
    if let Some(data) = &args.data {
        loaded.config.node.data_dir.clone_from(data);
    }
    log_to_stderr(tracing::Level::INFO);
    let security = SecurityFile::open(&loaded.config.node.data_dir)?;
    let threads = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .min(WORKER_THREADS_MAX);
    super::runtime(threads)?.block_on(serve_until_stopped(args, &loaded.config, &security, begin))
}

async fn serve_until_stopped(
    args: &ServeArgs,
    config: &Config,
    security: &Opened,
    begin: Instant,
) -> Result<(), Failure> {
    let mut stop = StopSignals::new()?;
    let mut options = config.to_options(
        security
            .file
            .principals(&config.security.trusted_properties),
    );
    options.page = Some(page(config, security));
    // The password is told before anything can go wrong: it is kept nowhere else.
    if let Some(password) = &security.admin_password {
        output::result(first_start(&security.path, password))?;
    }
    let server = Server::start(options)
        .await
        .map_err(|error| start_failure(&error, "--set listen.0.address=127.0.0.1:0"))?;
    output::result(banner(args, config, security, server.addresses(), begin))?;
    let mut signal = stop.next().await;
    if config.drain.on_stop && signal == SIGTERM {
        signal = drain(&server, config.drain.plan(), &mut stop).await?;
    }
    self::stop(server, &mut stop, signal).await
}

fn page(config: &Config, security: &Opened) -> PageInfo {
    PageInfo {
        version: env!("CARGO_PKG_VERSION"),
        node: config.node.id.to_string(),
        mode: config.node.name.clone(),
        security: anonymous_policy(&security.file),
        selector: "?.*//".to_owned(),
    }
}

fn anonymous_policy(security: &SecurityFile) -> String {
    match &security.anonymous_roles {
        None => {
            "Anonymous sessions are refused: connect with a principal and its password.".to_owned()
        }
        Some(roles) => {
            let names = roles
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ");
            format!("Anonymous sessions are accepted, with these roles: {names}.")
        }
    }
}

fn first_start(path: &Path, password: &str) -> String {
    format!(
        "first start: made the security store {}
  principal   admin, role ADMINISTRATOR
  password    {password}
              It is shown this once. The store keeps only its hash.\n",
        path.display()
    )
}

fn banner(
    args: &ServeArgs,
    config: &Config,
    security: &Opened,
    addresses: &[SocketAddr],
    begin: Instant,
) -> String {
    let mut out = format!(
        "suffuse {}  node {}  pid {}\n",
        env!("CARGO_PKG_VERSION"),
        config.node.id,
        std::process::id()
    );
    for (listen, address) in config.listen.iter().zip(addresses) {
        let (kind, scheme) = if listen.tls.cert.is_some() {
            ("https+wss", "https")
        } else {
            ("http+ws", "http")
        };
        _ = writeln!(
            out,
            "  listening   {kind:<9} {scheme}://{address}/diffusion    (any path ending in /diffusion)"
        );
        if scheme == "http" && !address.ip().is_loopback() {
            out.push_str("              NO TLS: passwords cross the network in clear unless a proxy in front encrypts\n");
        }
    }
    let source = args
        .config
        .as_ref()
        .map_or_else(|| "defaults".to_owned(), |file| file.display().to_string());
    _ = writeln!(out, "  config      {source}");
    _ = writeln!(out, "  store       memory: values are lost at exit");
    _ = writeln!(
        out,
        "  security    {}, principals: {}. {}",
        security.path.display(),
        security.file.principals.len(),
        anonymous_policy(&security.file)
    );
    _ = write!(
        out,
        "  ready in {:.0} ms; Ctrl-C or SIGTERM stops it",
        begin.elapsed().as_secs_f64() * 1000.0
    );
    out
}

/// Moves the sessions elsewhere before the server stops; another signal ends that. Returns why it stops.
async fn drain(
    server: &Server,
    plan: DrainPlan,
    signals: &mut StopSignals,
) -> Result<&'static str, Failure> {
    _ = output::result(format_args!(
        "\n{SIGTERM}: draining, {} s until sessions are moved, {} a second; again to stop without",
        plan.wait.as_secs_f64(),
        plan.rate
    ));
    tokio::select! {
        ended = server.drain(plan) => match ended {
            Ok(progress) => output::result(format_args!("{}: {} moved", progress.phase, progress.moved))?,
            // `suffuse drain` was before: what is left of it ends here.
            Err(error) => output::result(error)?,
        },
        signal = later_signal(signals) => return Ok(signal),
    }
    Ok(SIGTERM)
}

/// Stops a server in order; a second signal ends the program at once.
pub(super) async fn stop(
    server: Server,
    signals: &mut StopSignals,
    signal: &str,
) -> Result<(), Failure> {
    let sessions = server.inspect(|broker| broker.stats().sessions).await;
    let told = if sessions == 1 {
        "1 session is told".to_owned()
    } else {
        format!("{sessions} sessions are told")
    };
    let line = format!("\n{signal}: stopping, {told}; again to stop at once");
    // That nobody reads it is no reason not to stop in order.
    _ = output::result(line);
    tokio::select! {
        () = server.stop() => output::result("stopped"),
        signal = later_signal(signals) => {
            Err(Failure::new(Status::Error, format!("error[SFX-X011]: {signal} again: stopped without waiting")))
        }
    }
}

/// Waits for a signal that is not the echo of the first one: `timeout`, a shell or a supervisor may signal
/// both the process and its group.
async fn later_signal(signals: &mut StopSignals) -> &'static str {
    let begin = Instant::now();
    loop {
        let signal = signals.next().await;
        if begin.elapsed() > SIGNAL_ECHO_MAX {
            return signal;
        }
    }
}

/// Returns the failure of a start.
pub(super) fn start_failure(error: &StartError, other_port: &str) -> Failure {
    let help = if matches!(error, StartError::Listen { .. }) {
        format!("\n  help: {other_port} takes a free port")
    } else {
        String::new()
    };
    Failure::new(Status::Error, format!("error[SFX-X012]: {error}{help}"))
}

/// Sends log lines to standard error.
pub(super) fn log_to_stderr(level: tracing::Level) {
    use std::io::IsTerminal as _;
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_max_level(LevelFilter::from_level(level))
        .finish();
    // A test that starts two servers has a subscriber already.
    _ = tracing::subscriber::set_global_default(subscriber);
}
