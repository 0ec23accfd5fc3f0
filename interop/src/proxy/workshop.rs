//! The folder of a proxy, and what stands in it for the example values of the configurations.
//!
//! | in the files | here |
//! |---|---|
//! | `8080`, `8443` | free ports, without and with TLS |
//! | `8444` | a free port that the processes of the proxy use among themselves |
//! | `8101`, `8102` | the ports of the nodes |
//! | `/etc/balancer` | a folder with the files and with `tls.crt`, `tls.key` and `tls.pem` |
//! | `/run/balancer` | a folder for what the proxy writes |

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::{certificate, read};

/// Ports that were free.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) plain: u16,
    pub(super) secure: u16,
    inner: u16,
}

#[derive(Debug)]
pub(super) struct Workshop {
    folder: TempDir,
    pub(super) ports: Ports,
    servers: Vec<u16>,
}

impl Workshop {
    pub(super) fn new(servers: &[SocketAddr]) -> Result<Self> {
        let workshop = Self {
            folder: tempfile::tempdir()?,
            ports: free_ports()?,
            servers: servers.iter().map(SocketAddr::port).collect(),
        };
        // Some programs give up the rights of the superuser, and must come here all the same.
        permit(workshop.folder.path(), 0o755)?;
        fs::create_dir(workshop.etc())?;
        fs::create_dir(workshop.run())?;
        permit(&workshop.run(), 0o777)?;
        certificate::write(&workshop.etc())?;
        Ok(workshop)
    }

    /// Puts a configuration into the folder, with the values of this folder; returns how often it
    /// has the piece that is replaced.
    pub(super) fn add(&self, template: &Path, edit: Option<(&str, &str)>) -> Result<usize> {
        let name = template.file_name().context("a template without a name")?;
        let path = self.etc().join(name);
        let text = self.fill(&read(template)?);
        let (piece, other) = edit.unwrap_or_default();
        let (edits, text) = match piece {
            "" => (0, text),
            _ => (text.matches(piece).count(), text.replace(piece, other)),
        };
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(edits)
    }

    pub(super) fn fill(&self, text: &str) -> String {
        let ports = replace_numbers(text, |number| match number {
            "8080" => Some(self.ports.plain),
            "8443" => Some(self.ports.secure),
            "8444" => Some(self.ports.inner),
            "8101" => self.servers.first().copied(),
            "8102" => self.servers.get(1).copied(),
            _ => None,
        });
        ports
            .replace("/etc/balancer", &self.etc().display().to_string())
            .replace("/run/balancer", &self.run().display().to_string())
    }

    pub(super) fn root_certificate(&self) -> PathBuf {
        self.etc().join(certificate::ROOT)
    }

    /// Returns the file for what a program prints.
    pub(super) fn output_of(&self, program: &str) -> PathBuf {
        self.run().join(format!("{program}.out"))
    }

    /// Returns what is in the logs and in what the programs print.
    pub(super) fn said(&self) -> Result<String> {
        let mut said = String::new();
        for entry in fs::read_dir(self.run())? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|end| end == "log" || end == "out")
            {
                said += &String::from_utf8_lossy(&fs::read(path)?);
            }
        }
        Ok(said)
    }

    fn etc(&self) -> PathBuf {
        self.folder.path().join("etc")
    }

    fn run(&self) -> PathBuf {
        self.folder.path().join("run")
    }
}

fn permit(path: &Path, mode: u32) -> Result<()> {
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

fn free_ports() -> Result<Ports> {
    // All at the same time, so that they differ.
    let listeners: [TcpListener; 3] = [listen()?, listen()?, listen()?];
    let port = |number: usize| anyhow::Ok(listeners[number].local_addr()?.port());
    Ok(Ports {
        plain: port(0)?,
        secure: port(1)?,
        inner: port(2)?,
    })
}

fn listen() -> Result<TcpListener> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?)
}

/// Replaces whole numbers, in one pass: a port that is filled in is not taken for an example.
fn replace_numbers(text: &str, replacement: impl Fn(&str) -> Option<u16>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        let length = number
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(number.len());
        let (number, after) = number.split_at(length);
        filled.push_str(before);
        match replacement(number) {
            Some(port) => filled.push_str(&port.to_string()),
            None => filled.push_str(number),
        }
        rest = after;
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::replace_numbers;

    #[test]
    fn only_whole_numbers_are_replaced_and_each_once() {
        let swap = |number: &str| match number {
            "8080" => Some(8101),
            "8101" => Some(48080),
            _ => None,
        };
        assert_eq!(
            replace_numbers("a:8080 8101; 18080 80805 n01", swap),
            "a:8101 48080; 18080 80805 n01"
        );
    }
}
