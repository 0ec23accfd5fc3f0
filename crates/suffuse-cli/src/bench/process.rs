//! The process that is measured, and what the system says of it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

/// The unit of CPU times in `/proc`: 100 a second, on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// A server process. It is ended when this is dropped, unless it was there before.
#[derive(Debug)]
pub(super) struct Process {
    pid: u32,
    pub(super) address: SocketAddr,
    child: Option<Child>,
}

impl Process {
    /// Starts this program with other arguments, and waits until it prints where it listens: the first
    /// `http://ADDRESS/` in its output.
    ///
    /// # Errors
    /// When it does not start or ends before it listens, or `taskset`, which binds it to `cpus`, is not there.
    pub(super) fn start(arguments: &[&str], cpus: Option<&str>) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program itself")?;
        let mut command = match cpus {
            None => Command::new(program),
            Some(cpus) => {
                let mut command = Command::new("taskset");
                command.arg("--cpu-list").arg(cpus).arg(program);
                command
            }
        };
        // Where it runs there is no file that it could read.
        let folder = PathBuf::from("/");
        let command = command
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| match cpus {
            Some(_) => "cannot run taskset, which --server-cpus needs (Debian: util-linux)",
            None => "cannot start the server",
        })?;
        let pid = child.id();
        let address = child.stdout.take().map(|out| BufReader::new(out).lines());
        let address = address
            .into_iter()
            .flatten()
            .map_while(Result::ok)
            .find_map(|line| address_in(&line));
        match address {
            Some(address) => Ok(Self {
                pid,
                address,
                child: Some(child),
            }),
            None => bail!("the server ended before it listened: {}", child.wait()?),
        }
    }

    /// Returns a process that runs already.
    pub(super) fn running(pid: u32, address: SocketAddr) -> Self {
        Self {
            pid,
            address,
            child: None,
        }
    }

    /// Returns how much CPU time all threads of the process have taken, in steps of 10 ms.
    ///
    /// # Errors
    /// When the process has ended, or there is no `/proc`.
    pub(super) fn cpu_time(&self) -> Result<Duration> {
        cpu_time(&self.pid.to_string())
    }

    /// Returns the resident memory of the process in bytes.
    ///
    /// # Errors
    /// As [`Process::cpu_time`].
    pub(super) fn resident_bytes(&self) -> Result<u64> {
        let status = read(&format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.map(|kib| kib * 1024)
            .context("the system does not tell the resident memory")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It has no state that an orderly end would save.
            _ = child.kill();
            _ = child.wait();
        }
    }
}

/// Returns how much CPU time this process has taken.
///
/// # Errors
/// When there is no `/proc`.
pub(super) fn own_cpu_time() -> Result<Duration> {
    cpu_time("self")
}

/// Checks that so many more files can be open.
///
/// # Errors
/// When they cannot.
pub(super) fn require_files(count: usize) -> Result<()> {
    let limits = read("/proc/self/limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let limit = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    match limit {
        Some(limit) if limit < count + 64 => {
            bail!(
                "{count} connections need as many open files, and {limit} are allowed: raise it with `ulimit -n {}`",
                count + 64
            )
        }
        Some(_) | None => Ok(()),
    }
}

fn cpu_time(pid: &str) -> Result<Duration> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    ticks(&stat)
        .map(|ticks| TICK * ticks)
        .with_context(|| format!("/proc/{pid}/stat is not as expected"))
}

/// Returns the ticks in user mode and in the kernel, the 14th and 15th field.
fn ticks(stat: &str) -> Option<u32> {
    // The second field is the name in parentheses, which may contain anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    Some(fields.next()?.ok()? + fields.next()?.ok()?)
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| {
        format!("cannot read {path}: measuring needs Linux, and a server that runs")
    })
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    rest.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_a_server_tells_its_address() {
        let line = "  listening   http+ws   http://127.0.0.1:45678/diffusion    (any path ending in /diffusion)";
        assert_eq!(address_in(line), Some(([127, 0, 0, 1], 45678).into()));
        assert_eq!(address_in("suffuse 0.1.0  node n00"), None);
    }

    #[test]
    fn cpu_times_are_found_whatever_the_program_is_called() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 5 0 1000 1 2";
        assert_eq!(ticks(stat), Some(175));
    }
}
