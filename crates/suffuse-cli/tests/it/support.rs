//! Running the binary: servers that end with the test, and commands whose output is looked at.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

/// Who may change topics in development mode.
pub(crate) const CONTROL: [&str; 4] = ["--principal", "control", "--credentials", "password"];

pub(crate) fn suffuse<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suffuse"));
    command.args(args).stdin(Stdio::null());
    command
}

/// What a command printed, and its exit code.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
        let code = output.status.code().expect("the program ends by itself");
        Self {
            code,
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

pub(crate) fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    suffuse(args).output().unwrap().into()
}

/// A server that runs as long as the test.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) stdout: BufReader<ChildStdout>,
    /// What it printed until it was ready.
    pub(crate) banner: String,
    /// Where it listens.
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn dev() -> Self {
        Self::start(suffuse(["dev", "--listen", "127.0.0.1:0", "--no-demo"]))
    }

    pub(crate) fn serve(data: &Path) -> Self {
        let mut command = suffuse(["serve", "--set", "listen.0.address=127.0.0.1:0", "--data"]);
        command.arg(data);
        Self::start(command)
    }

    /// Starts a server and waits until it is ready.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut banner = String::new();
        while !banner.contains("  ready in") {
            let count = stdout.read_line(&mut banner).unwrap();
            assert_ne!(count, 0, "the server ended: {banner}");
        }
        let address = banner
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split('/').next());
        let address = address
            .unwrap_or_else(|| panic!("no address: {banner}"))
            .to_owned();
        Self {
            child,
            stdout,
            banner,
            address,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/diffusion", self.address)
    }

    /// Returns a client command, not run yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = suffuse(args);
        command.args(["--url", &self.url()]);
        command
    }

    /// Runs a client command as an anonymous session.
    pub(crate) fn client(&self, args: &[&str]) -> Ran {
        self.command(args).output().unwrap().into()
    }

    /// Runs a client command as a principal that may change topics.
    pub(crate) fn control(&self, args: &[&str]) -> Ran {
        self.command(args).args(CONTROL).output().unwrap().into()
    }

    /// Runs a client command with standard input.
    pub(crate) fn control_with_input(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command(args);
        command
            .args(CONTROL)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap().into()
    }

    /// Makes an HTTP request and returns the whole answer.
    pub(crate) fn http(&self, method: &str, target: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let host = &self.address;
        write!(
            stream,
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Sends a signal, waits for the end, and returns the exit code and what was printed meanwhile.
    pub(crate) fn end_by(self, signal: &str) -> (Option<i32>, String) {
        let sent = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        self.end()
    }

    /// Waits for the end, and returns the exit code and what was printed meanwhile.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
