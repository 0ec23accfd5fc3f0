//! Which proxies there are: their configurations, and the commands that start them.

/// A program with a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// HAProxy in front of two nodes, as documented.
    Haproxy,
    /// nginx in front of two nodes, as documented.
    Nginx,
    /// Caddy in front of two nodes, as documented.
    Caddy,
    /// Traefik in front of two nodes, as documented.
    Traefik,
    /// Envoy in front of two nodes, as documented.
    Envoy,
    /// Apache httpd in front of two nodes, as documented.
    Apache,
    /// Varnish in front of two nodes, as documented, behind a HAProxy that ends TLS.
    Varnish,
    /// nginx with its default proxying, which does not pass the upgrade on.
    NginxWithoutUpgrade,
    /// HAProxy, answering 403 to upgrades.
    HaproxyForbidsUpgrade,
}

/// What is needed to start a kind.
struct Setup {
    /// Its files, from the folder of the repository; they are put into `/etc/balancer`.
    files: &'static [&'static str],
    /// Its processes: program and arguments, as an operator would write them.
    commands: &'static [&'static [&'static str]],
}

impl Kind {
    /// The load balancers for two nodes that tell by the token which of them has a session.
    pub const BALANCERS: [Self; 7] = [
        Self::Haproxy,
        Self::Nginx,
        Self::Caddy,
        Self::Traefik,
        Self::Envoy,
        Self::Apache,
        Self::Varnish,
    ];

    pub(super) fn files(self) -> &'static [&'static str] {
        self.setup().files
    }

    pub(super) fn commands(self) -> &'static [&'static [&'static str]] {
        self.setup().commands
    }

    /// Returns whether clients name the proxy besides the server.
    pub(super) fn is_forward(self) -> bool {
        false
    }

    pub(super) fn has_tls(self) -> bool {
        Self::BALANCERS.contains(&self)
    }

    /// Returns a path that is passed on to a server.
    pub(super) fn probe_path(self) -> &'static str {
        "/diffusion"
    }

    fn setup(self) -> &'static Setup {
        match self {
            Self::Haproxy => &Setup {
                files: &["docs/load-balancers/haproxy.cfg"],
                commands: &[&["haproxy", "-db", "-f", "/etc/balancer/haproxy.cfg"]],
            },
            Self::Nginx => &Setup {
                files: &["docs/load-balancers/nginx.conf"],
                commands: &[&[
                    "nginx",
                    "-c",
                    "/etc/balancer/nginx.conf",
                    "-g",
                    "daemon off;",
                ]],
            },
            Self::Caddy => &Setup {
                files: &["docs/load-balancers/Caddyfile"],
                commands: &[&[
                    "caddy",
                    "run",
                    "--config",
                    "/etc/balancer/Caddyfile",
                    "--adapter",
                    "caddyfile",
                ]],
            },
            Self::Traefik => &Setup {
                files: &[
                    "docs/load-balancers/traefik.yml",
                    "docs/load-balancers/traefik-routes.yml",
                ],
                commands: &[&["traefik", "--configFile=/etc/balancer/traefik.yml"]],
            },
            Self::Envoy => &Setup {
                files: &["docs/load-balancers/envoy.yaml"],
                commands: &[&[
                    "envoy",
                    "-c",
                    "/etc/balancer/envoy.yaml",
                    "--disable-hot-restart",
                    "--concurrency",
                    "1",
                    "--log-level",
                    "warning",
                ]],
            },
            Self::Apache => &Setup {
                files: &["docs/load-balancers/apache.conf"],
                commands: &[&["apache2", "-f", "/etc/balancer/apache.conf", "-DFOREGROUND"]],
            },
            Self::Varnish => &Setup {
                files: &[
                    "docs/load-balancers/varnish.vcl",
                    "docs/load-balancers/varnish-tls.cfg",
                ],
                commands: &[
                    &[
                        "varnishd",
                        "-F",
                        "-n",
                        "/run/balancer/varnish",
                        "-f",
                        "/etc/balancer/varnish.vcl",
                        "-s",
                        "malloc,16m",
                        "-a",
                        "127.0.0.1:8080",
                        "-a",
                        "tls=127.0.0.1:8444,PROXY",
                    ],
                    &["haproxy", "-db", "-f", "/etc/balancer/varnish-tls.cfg"],
                ],
            },
            Self::NginxWithoutUpgrade => &Setup {
                files: &["interop/proxies/nginx-without-upgrade.conf"],
                commands: &[&[
                    "nginx",
                    "-c",
                    "/etc/balancer/nginx-without-upgrade.conf",
                    "-g",
                    "daemon off;",
                ]],
            },
            Self::HaproxyForbidsUpgrade => &Setup {
                files: &["interop/proxies/haproxy-forbids-upgrade.cfg"],
                commands: &[&[
                    "haproxy",
                    "-db",
                    "-f",
                    "/etc/balancer/haproxy-forbids-upgrade.cfg",
                ]],
            },
        }
    }
}
