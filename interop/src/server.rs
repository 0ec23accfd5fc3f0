//! A server process: `suffuse dev` on a free port of the loopback interface.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::place;

/// How long a server may take to accept connections.
const START_MAX: Duration = Duration::from_secs(20);

/// How long a server may take to stop after a signal.
const STOP_MAX: Duration = Duration::from_secs(20);

/// The password of the principals of a development server.
const DEVELOPMENT_PASSWORD: &str = "password";

/// A running server; it ends with this value.
#[derive(Debug)]
pub struct Server {
    process: Child,
    output: Receiver<String>,
    url: String,
    password: String,
    _data: Option<TempDir>,
}

impl Server {
    /// Starts a development server without the demonstration topics, as the node given, and waits
    /// until it accepts.
    ///
    /// # Errors
    /// Fails if the binary is missing, or if the server ends or says no address in time.
    pub fn start(node: &str) -> Result<Self> {
        let arguments = [
            "dev",
            "--listen",
            "127.0.0.1:0",
            "--no-demo",
            "--node",
            node,
        ];
        Self::launch(Command::new(place::binary()?).args(arguments), None)
    }

    /// Starts a server that is no development server, with settings such as
    /// `transport.ping_interval=1s` and an empty data folder, and waits until it accepts.
    ///
    /// # Errors
    /// Fails as `start` does.
    pub fn start_with(settings: &[&str]) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let mut command = Command::new(place::binary()?);
        command
            .args(["serve", "--set", "listen.0.address=127.0.0.1:0", "--data"])
            .arg(data.path());
        command.args(settings.iter().flat_map(|setting| ["--set", setting]));
        Self::launch(&mut command, Some(data))
    }

    fn launch(command: &mut Command, data: Option<TempDir>) -> Result<Self> {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let output = process.stdout.take().context("the server has no output")?;
        let mut server = Self {
            process,
            output: lines(output),
            url: String::new(),
            password: DEVELOPMENT_PASSWORD.to_owned(),
            _data: data,
        };
        server.await_url()?;
        Ok(server)
    }

    /// Returns the password of `admin`.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Returns the address that clients connect to, `http://127.0.0.1:PORT/diffusion`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the socket address.
    pub fn address(&self) -> SocketAddr {
        self.url
            .trim_start_matches("http://")
            .trim_end_matches("/diffusion")
            .parse()
            .expect("the address that a server says is an IP address with a port")
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends the server a signal, such as `TERM`.
    ///
    /// # Errors
    /// Fails if the signal cannot be sent.
    pub fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status()?;
        ensure!(status.success(), "cannot send {name} to the server");
        Ok(())
    }

    /// Waits until the server has ended, after a signal.
    ///
    /// # Errors
    /// Fails if it goes on.
    pub fn ended(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + STOP_MAX;
        // The channel closes when the process closes its output, as it does at its end.
        while let Ok(_line) = self
            .output
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {}
        ensure!(
            Instant::now() < deadline,
            "the server still runs {STOP_MAX:?} after the signal"
        );
        Ok(self.process.wait()?)
    }

    /// Begins to drain a development server, with a long wait before sessions are moved.
    ///
    /// # Errors
    /// Fails if the server does not do it.
    pub fn begin_drain(&self) -> Result<()> {
        self.ask_drain("POST /admin/drain?wait_ms=600000")
    }

    /// Ends the drain: the server serves again.
    ///
    /// # Errors
    /// Fails if the server does not do it.
    pub fn abort_drain(&self) -> Result<()> {
        self.ask_drain("DELETE /admin/drain")
    }

    fn ask_drain(&self, request: &str) -> Result<()> {
        // admin:password
        let who = "Authorization: Basic YWRtaW46cGFzc3dvcmQ=";
        let answer = self.ask(&format!(
            "{request} HTTP/1.0\r\n{who}\r\nContent-Length: 0\r\n\r\n"
        ))?;
        ensure!(
            answer.contains(" 200 ") || answer.contains(" 202 "),
            "{request}: {answer}"
        );
        Ok(())
    }

    fn ask(&self, request: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address())?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Returns the value of a metric, over all its labels.
    ///
    /// # Errors
    /// Fails if the server does not tell it.
    pub fn metric(&self, name: &str) -> Result<u64> {
        let answer = self.ask("GET /metrics HTTP/1.0\r\n\r\n")?;
        let values: Vec<u64> = answer
            .lines()
            .filter_map(|line| value_of(name, line))
            .collect();
        ensure!(!values.is_empty(), "no metric {name} in: {answer}");
        Ok(values.iter().sum())
    }

    /// Checks that no request was for a session that the server does not have.
    ///
    /// # Errors
    /// Fails with how many there were.
    pub fn check_owned(&self) -> Result<()> {
        for metric in [
            "suffuse_foreign_requests_total",
            "suffuse_unknown_tokens_total",
        ] {
            let count = self.metric(metric)?;
            ensure!(
                count == 0,
                "{metric} is {count}: requests came to the wrong node"
            );
        }
        Ok(())
    }

    /// Checks that the server did not end by itself.
    ///
    /// # Errors
    /// Fails with the status that it ended with.
    pub fn check_running(&mut self) -> Result<()> {
        match self.process.try_wait()? {
            Some(status) => bail!("the server ended by itself, with {status}"),
            None => Ok(()),
        }
    }

    /// Reads what the server says until it says its address, and the password if it made one.
    fn await_url(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_MAX;
        let mut said = Vec::new();
        while self.url.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.output.recv_timeout(left) else {
                bail!("the server said no address within {START_MAX:?}; it said: {said:?}");
            };
            if let Some(password) = line.trim().strip_prefix("password ") {
                self.password = password.trim().to_owned();
            }
            self.url = url_in(&line).unwrap_or_default().to_owned();
            said.push(line);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn lines(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody may listen any more; the pipe is emptied all the same, so that the server never waits.
            let _ = sender.send(line);
        }
    });
    receiver
}

fn value_of(name: &str, line: &str) -> Option<u64> {
    let rest = line.strip_prefix(name)?;
    let is_whole = rest.starts_with([' ', '{']);
    is_whole
        .then(|| rest.rsplit(' ').next()?.parse().ok())
        .flatten()
}

fn url_in(line: &str) -> Option<&str> {
    let word = line
        .split_whitespace()
        .find(|word| word.starts_with("http://127.0.0.1:"))?;
    word.ends_with("/diffusion").then_some(word)
}

#[cfg(test)]
mod tests {
    use super::{url_in, value_of};

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        for (line, expected) in [
            ("a_total 3", Some(3)),
            ("a_total{node=\"n02\"} 4", Some(4)),
            ("a_totals 3", None),
            ("# HELP a_total Something.", None),
        ] {
            assert_eq!(value_of("a_total", line), expected, "{line}");
        }
    }

    #[test]
    fn an_address_is_found_in_what_the_server_says() {
        for (line, expected) in [
            (
                "  clients   http://127.0.0.1:8080/diffusion",
                Some("http://127.0.0.1:8080/diffusion"),
            ),
            ("console http://127.0.0.1:8080/", None),
            ("listening", None),
        ] {
            assert_eq!(url_in(line), expected, "{line}");
        }
    }
}
