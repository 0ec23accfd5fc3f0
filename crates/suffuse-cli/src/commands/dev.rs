//! `suffuse dev`: a server to try things with. Everything is in memory, everybody may look, and the
//! passwords are known; so it listens on loopback addresses only.

use std::{net::SocketAddr, time::Instant};

use suffuse_server::{Options, Server, page::PageInfo};
use tokio::task::JoinHandle;

use super::serve::{self, start_failure};
use crate::{
    args::DevArgs,
    failure::{Failure, Status},
    output,
    signals::StopSignals,
};

mod demo;
mod feed;

/// How many threads carry connections.
const WORKER_THREADS: usize = 2;
/// The address that the other commands connect to by default.
const DEFAULT_ADDRESS: &str = "127.0.0.1:8080";

pub(crate) fn run(args: &DevArgs) -> Result<(), Failure> {
    let begin = Instant::now();
    if !args.listen.ip().is_loopback() {
        return Err(not_loopback(args.listen));
    }
    serve::log_to_stderr(tracing::Level::WARN);
    super::runtime(WORKER_THREADS)?.block_on(serve_until_stopped(args, begin))
}

fn not_loopback(address: SocketAddr) -> Failure {
    let port = address.port();
    let report = format!(
        "error[SFX-X010]: `suffuse dev` does not listen on {address}: its passwords are known to everybody, so only \
         this machine may reach it\n  help: use --listen 127.0.0.1:{port}, or run `suffuse serve`, which has secret \
         passwords"
    );
    Failure::new(Status::Usage, report)
}

async fn serve_until_stopped(args: &DevArgs, begin: Instant) -> Result<(), Failure> {
    let mut stop = StopSignals::new()?;
    let server = Server::start(options(args))
        .await
        .map_err(|error| start_failure(&error, "--listen 127.0.0.1:0"))?;
    let address = server.addresses()[0];
    let feed = (!args.no_demo).then(|| tokio::spawn(feed::run(address)));
    output::result(banner(args, address, begin))?;
    let signal = stop.next().await;
    stop_demo(feed).await;
    serve::stop(server, &mut stop, signal).await
}

async fn stop_demo(feed: Option<JoinHandle<()>>) {
    if let Some(feed) = feed {
        feed.abort();
        // It was cancelled, which is what was wanted.
        _ = feed.await;
    }
}

fn options(args: &DevArgs) -> Options {
    let mut options = Options::dev(args.listen);
    options.broker.node = args.node;
    options.page = Some(PageInfo {
        version: env!("CARGO_PKG_VERSION"),
        node: args.node.to_string(),
        mode: "development mode".to_owned(),
        security: "Development mode: only this machine can connect. Anonymous sessions may read everything; the \
                   principals admin and control, whose password is “password”, may change topics. Values are lost when the \
                   server stops."
            .to_owned(),
        selector: selector(args).to_owned(),
    });
    options
}

/// Returns what there is to watch.
fn selector(args: &DevArgs) -> &'static str {
    if args.no_demo { "?.*//" } else { "?demo//" }
}

fn banner(args: &DevArgs, address: SocketAddr, begin: Instant) -> String {
    let demo = if args.no_demo {
        "none (--no-demo)"
    } else {
        "topics below `demo` change all the time"
    };
    let url = match address.to_string() {
        default if default == DEFAULT_ADDRESS => String::new(),
        other => format!(" --url ws://{other}/diffusion"),
    };
    format!(
        "suffuse {version}  node {node}  pid {pid}  DEVELOPMENT MODE
  listening   http+ws   http://{address}/diffusion    (any path ending in /diffusion)
  page                  http://{address}/
  store       memory: values are lost at exit
  security    NONE TO SPEAK OF: anonymous sessions may read everything; the principals admin, control,
              operator and client have the password `password`; only this machine can connect
  demo        {demo}
  ready in {millis:.0} ms; Ctrl-C stops it
try:  suffuse watch '{selector}'{url}
      suffuse set hello/world 'hi' --create string --principal control --credentials password{url}",
        version = env!("CARGO_PKG_VERSION"),
        selector = selector(args),
        node = args.node,
        pid = std::process::id(),
        millis = begin.elapsed().as_secs_f64() * 1000.0,
    )
}
