//! Proxies of others in front of a server, each in a process and a folder of its own.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::place;
use crate::server::Server;

/// How often a proxy is started anew, because another process took the port that was free.
const TRIES_MAX: usize = 5;

/// How long a proxy may take to accept connections.
const START_MAX: Duration = Duration::from_secs(10);

/// How long to wait before the next look whether it accepts.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A program that stands between clients and a server.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// nginx with its default proxying, which does not pass the upgrade on.
    NginxWithoutUpgrade,
    /// HAProxy, answering 403 to upgrades.
    HaproxyForbidsUpgrade,
    /// nginx that keeps a session on its node.
    NginxSticky,
    /// HAProxy that keeps a session on its node.
    HaproxySticky,
}

impl Kind {
    fn template(self) -> &'static str {
        match self {
            Self::NginxWithoutUpgrade => "nginx-without-upgrade.conf",
            Self::HaproxyForbidsUpgrade => "haproxy-forbids-upgrade.cfg",
            Self::NginxSticky => "nginx-sticky.conf",
            Self::HaproxySticky => "haproxy-sticky.cfg",
        }
    }

    fn command(self, folder: &Path, configuration: &Path) -> Command {
        match self {
            Self::NginxWithoutUpgrade | Self::NginxSticky => {
                let mut command = Command::new("nginx");
                command
                    .arg("-p")
                    .arg(folder)
                    .arg("-c")
                    .arg(configuration)
                    .args(["-g", "daemon off;"]);
                command
            }
            Self::HaproxyForbidsUpgrade | Self::HaproxySticky => {
                let mut command = Command::new("haproxy");
                command.arg("-db").arg("-f").arg(configuration);
                command
            }
        }
    }
}

/// A running proxy; it ends with this value.
#[derive(Debug)]
pub struct Proxy {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Proxy {
    /// Starts a proxy in front of the servers and waits until it accepts connections.
    ///
    /// # Errors
    /// Fails if the program is not installed or does not start.
    pub fn start(kind: Kind, servers: &[Server]) -> Result<Self> {
        let mut last = None;
        for _ in 0..TRIES_MAX {
            match Self::try_start(kind, servers) {
                Ok(proxy) => return Ok(proxy),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no attempt to start a proxy")?)
    }

    /// Returns the address that clients connect to.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/diffusion", self.port)
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn try_start(kind: Kind, servers: &[Server]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let configuration = folder.path().join("configuration");
        let template = fs::read_to_string(place::interop().join("proxies").join(kind.template()))?;
        fs::write(
            &configuration,
            fill(&template, port, servers, folder.path()),
        )?;
        let mut command = kind.command(folder.path(), &configuration);
        let process = command.stdin(Stdio::null()).spawn().with_context(|| {
            format!(
                "cannot start {:?}; `cargo xtask test` installs what the tests need",
                command.get_program()
            )
        })?;
        let mut proxy = Self {
            process,
            port,
            _folder: folder,
        };
        proxy.await_port()?;
        Ok(proxy)
    }

    fn await_port(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_MAX;
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait()? {
                bail!("the proxy ended with {status}");
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return Ok(());
            }
            thread::sleep(LOOK_AGAIN);
        }
        bail!("the proxy does not accept connections after {START_MAX:?}")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // By a signal that it can handle, so that nginx ends its worker too.
        let signalled = Command::new("kill")
            .args(["-s", "TERM", &self.process.id().to_string()])
            .status();
        if signalled.is_err() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

fn fill(template: &str, port: u16, servers: &[Server], folder: &Path) -> String {
    let mut text = template
        .replace("@LISTEN@", &format!("127.0.0.1:{port}"))
        .replace("@FOLDER@", &folder.display().to_string());
    for (number, server) in (1..).zip(servers) {
        text = text.replace(&format!("@ORIGIN{number}@"), server.authority());
    }
    text
}
