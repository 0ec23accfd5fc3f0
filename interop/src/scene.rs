//! What stands there for a case: a server, or several behind a load balancer.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::proxy::{self, Proxy};
use crate::server::Server;

/// What a case needs.
#[derive(Clone, Copy, Debug)]
pub enum Stage {
    /// A server.
    Plain,
    /// A server that the case ends by a signal.
    Ending,
    /// A server that pings each second.
    Pinging,
    /// Two servers behind a balancer that tells by the token which of them a session is on.
    Balanced(proxy::Kind),
    /// A server behind a proxy that breaks something.
    Behind(proxy::Kind),
}

/// The processes of a stage; they end with this value.
#[derive(Debug)]
pub struct Scene {
    stage: Stage,
    // Dropped before the servers: nothing is sent to a server that is gone.
    balancer: Option<Proxy>,
    servers: Vec<Server>,
}

impl Scene {
    /// Starts the processes.
    ///
    /// # Errors
    /// Fails if one of them does not start.
    pub fn set(stage: Stage) -> Result<Self> {
        let servers = match stage {
            Stage::Plain | Stage::Ending | Stage::Behind(_) => vec![Server::start("n00")?],
            Stage::Pinging => vec![Server::start_with(&["transport.ping_interval=1s"])?],
            Stage::Balanced(_) => vec![Server::start("n01")?, Server::start("n02")?],
        };
        let balancer = match stage {
            Stage::Plain | Stage::Ending | Stage::Pinging => None,
            Stage::Balanced(kind) | Stage::Behind(kind) => {
                let addresses: Vec<_> = servers.iter().map(Server::address).collect();
                Some(Proxy::start(kind, &addresses)?)
            }
        };
        Ok(Self {
            stage,
            balancer,
            servers,
        })
    }

    /// Returns the address that clients connect to.
    pub fn url(&self) -> String {
        let reverse = self.balancer.as_ref().filter(|proxy| !proxy.is_forward());
        reverse.map_or_else(|| self.servers[0].url().to_owned(), Proxy::url)
    }

    /// Returns the address of the forward proxy that clients go through.
    pub fn forward_proxy(&self) -> Option<String> {
        let forward = self.balancer.as_ref().filter(|proxy| proxy.is_forward())?;
        Some(format!("http://127.0.0.1:{}", forward.port()))
    }

    /// Returns the address with TLS, and the file with the issuer of the certificate there.
    pub fn secure(&self) -> Option<(String, PathBuf)> {
        let balancer = self.balancer.as_ref()?;
        Some((balancer.secure_url()?, balancer.root_certificate()))
    }

    /// Returns the password of `admin`.
    pub fn password(&self) -> &str {
        self.servers[0].password()
    }

    /// Returns the process id of the server, or of the first one.
    pub fn pid(&self) -> u32 {
        self.servers[0].pid()
    }

    /// Checks that the servers are as the case should leave them.
    ///
    /// # Errors
    /// Fails if a server ended by itself, if a balancer sent it requests of others, or if it did not end in good order after the signal of the case.
    pub fn check(&mut self) -> Result<()> {
        if let Stage::Ending = self.stage {
            let status = self.servers[0].ended()?;
            ensure!(
                status.success(),
                "the server ended with {status} after SIGTERM"
            );
            return Ok(());
        }
        if let Stage::Balanced(_) = self.stage {
            self.servers.iter().try_for_each(Server::check_owned)?;
        }
        self.servers.iter_mut().try_for_each(Server::check_running)
    }
}
