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
    /// nginx that routes by the request path, as documented.
    NginxByPath,
    /// HAProxy that routes by the cookie, as documented.
    HaproxyByCookie,
    /// HAProxy, taking the headers of an upgrade away.
    HaproxyStripsUpgrade,
    /// HAProxy, answering 403 to upgrades.
    HaproxyForbidsUpgrade,
    /// HAProxy, answering upgrades with a page and 200.
    HaproxyAnswersPage,
    /// HAProxy, never answering an upgrade.
    HaproxySwallowsUpgrade,
    /// HAProxy, cutting a WebSocket that is idle for 2 s.
    HaproxyCutsIdle,
    /// nginx with its default proxying, which does not pass the upgrade on.
    NginxWithoutUpgrade,
    /// Caddy, answering 400 to upgrades.
    CaddyForbidsUpgrade,
    /// Traefik, taking the headers of an upgrade away.
    TraefikStripsUpgrade,
    /// Envoy without leave to upgrade, which answers 403.
    EnvoyForbidsUpgrade,
    /// Apache httpd with its default proxying, which does not pass the upgrade on.
    ApacheWithoutUpgrade,
    /// Varnish as it comes, which does not pass the upgrade on.
    VarnishWithoutUpgrade,
    /// Squid as a forward proxy that refuses tunnels to the server.
    Squid,
    /// Squid as a forward proxy.
    SquidWithTunnels,
    /// Tinyproxy as a forward proxy that refuses tunnels to the server.
    Tinyproxy,
    /// Tinyproxy as a forward proxy.
    TinyproxyWithTunnels,
}

/// What is needed to start a kind.
struct Setup {
    /// Its files, from the folder of the repository; they are put into `/etc/balancer`.
    files: &'static [&'static str],
    /// Its processes, one a line, as an operator would write them.
    commands: &'static [&'static str],
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

    /// Returns whether clients name the proxy besides the server.
    pub fn is_forward(self) -> bool {
        matches!(
            self,
            Self::Squid | Self::SquidWithTunnels | Self::Tinyproxy | Self::TinyproxyWithTunnels
        )
    }

    /// Returns whether the proxy ends TLS.
    pub fn has_tls(self) -> bool {
        Self::BALANCERS.contains(&self) || matches!(self, Self::NginxByPath | Self::HaproxyByCookie)
    }

    pub(super) fn files(self) -> &'static [&'static str] {
        self.setup().files
    }

    pub(super) fn commands(self) -> &'static [&'static str] {
        self.setup().commands
    }

    /// Returns a path that is passed on to a server.
    pub(super) fn probe_path(self) -> &'static str {
        if self == Self::NginxByPath {
            "/one/diffusion"
        } else {
            "/diffusion"
        }
    }

    fn setup(self) -> &'static Setup {
        match self {
            Self::Haproxy => &Setup {
                files: &["docs/load-balancers/haproxy.cfg"],
                commands: &["haproxy -db -f /etc/balancer/haproxy.cfg"],
            },
            Self::Nginx => &Setup {
                files: &["docs/load-balancers/nginx.conf"],
                commands: &["nginx -c /etc/balancer/nginx.conf -g 'daemon off;'"],
            },
            Self::Caddy => &Setup {
                files: &["docs/load-balancers/Caddyfile"],
                commands: &["caddy run --config /etc/balancer/Caddyfile --adapter caddyfile"],
            },
            Self::Traefik => &Setup {
                files: &[
                    "docs/load-balancers/traefik.yml",
                    "docs/load-balancers/traefik-routes.yml",
                ],
                commands: &["traefik --configFile=/etc/balancer/traefik.yml"],
            },
            Self::Envoy => &Setup {
                files: &["docs/load-balancers/envoy.yaml"],
                commands: &[
                    "envoy -c /etc/balancer/envoy.yaml --disable-hot-restart --concurrency 1 --log-level warning",
                ],
            },
            Self::Apache => &Setup {
                files: &["docs/load-balancers/apache.conf"],
                commands: &["apache2 -f /etc/balancer/apache.conf -DFOREGROUND"],
            },
            Self::Varnish => &Setup {
                files: &[
                    "docs/load-balancers/varnish.vcl",
                    "docs/load-balancers/varnish-tls.cfg",
                ],
                commands: &[
                    "varnishd -F -n /run/balancer/varnish -f /etc/balancer/varnish.vcl -s malloc,16m -a 127.0.0.1:8080 -a tls=127.0.0.1:8444,PROXY",
                    "haproxy -db -f /etc/balancer/varnish-tls.cfg",
                ],
            },
            Self::NginxByPath => &Setup {
                files: &["docs/load-balancers/nginx-by-path.conf"],
                commands: &["nginx -c /etc/balancer/nginx-by-path.conf -g 'daemon off;'"],
            },
            Self::HaproxyByCookie => &Setup {
                files: &["docs/load-balancers/haproxy-by-cookie.cfg"],
                commands: &["haproxy -db -f /etc/balancer/haproxy-by-cookie.cfg"],
            },
            Self::HaproxyStripsUpgrade => &Setup {
                files: &["interop/proxies/haproxy-strips-upgrade.cfg"],
                commands: &["haproxy -db -f /etc/balancer/haproxy-strips-upgrade.cfg"],
            },
            Self::HaproxyForbidsUpgrade => &Setup {
                files: &["interop/proxies/haproxy-forbids-upgrade.cfg"],
                commands: &["haproxy -db -f /etc/balancer/haproxy-forbids-upgrade.cfg"],
            },
            Self::HaproxyAnswersPage => &Setup {
                files: &["interop/proxies/haproxy-answers-page.cfg"],
                commands: &["haproxy -db -f /etc/balancer/haproxy-answers-page.cfg"],
            },
            Self::HaproxySwallowsUpgrade => &Setup {
                files: &["interop/proxies/haproxy-swallows-upgrade.cfg"],
                commands: &["haproxy -db -f /etc/balancer/haproxy-swallows-upgrade.cfg"],
            },
            Self::HaproxyCutsIdle => &Setup {
                files: &["interop/proxies/haproxy-cuts-idle.cfg"],
                commands: &["haproxy -db -f /etc/balancer/haproxy-cuts-idle.cfg"],
            },
            Self::NginxWithoutUpgrade => &Setup {
                files: &["interop/proxies/nginx-without-upgrade.conf"],
                commands: &["nginx -c /etc/balancer/nginx-without-upgrade.conf -g 'daemon off;'"],
            },
            Self::CaddyForbidsUpgrade => &Setup {
                files: &["interop/proxies/caddy-forbids-upgrade.Caddyfile"],
                commands: &[
                    "caddy run --config /etc/balancer/caddy-forbids-upgrade.Caddyfile --adapter caddyfile",
                ],
            },
            Self::TraefikStripsUpgrade => &Setup {
                files: &[
                    "interop/proxies/traefik-strips-upgrade.yml",
                    "interop/proxies/traefik-strips-upgrade-routes.yml",
                ],
                commands: &["traefik --configFile=/etc/balancer/traefik-strips-upgrade.yml"],
            },
            Self::EnvoyForbidsUpgrade => &Setup {
                files: &["interop/proxies/envoy-forbids-upgrade.yaml"],
                commands: &[
                    "envoy -c /etc/balancer/envoy-forbids-upgrade.yaml --disable-hot-restart --concurrency 1 --log-level warning",
                ],
            },
            Self::ApacheWithoutUpgrade => &Setup {
                files: &["interop/proxies/apache-without-upgrade.conf"],
                commands: &["apache2 -f /etc/balancer/apache-without-upgrade.conf -DFOREGROUND"],
            },
            Self::VarnishWithoutUpgrade => &Setup {
                files: &["interop/proxies/varnish-without-upgrade.vcl"],
                commands: &[
                    "varnishd -F -n /run/balancer/varnish -f /etc/balancer/varnish-without-upgrade.vcl -s malloc,16m -a 127.0.0.1:8080",
                ],
            },
            Self::Squid => &Setup {
                files: &["interop/proxies/squid.conf"],
                commands: &["squid -N -n squid8080 -f /etc/balancer/squid.conf"],
            },
            Self::SquidWithTunnels => &Setup {
                files: &["interop/proxies/squid-with-tunnels.conf"],
                commands: &["squid -N -n squid8080 -f /etc/balancer/squid-with-tunnels.conf"],
            },
            Self::Tinyproxy => &Setup {
                files: &["interop/proxies/tinyproxy.conf"],
                commands: &["tinyproxy -d -c /etc/balancer/tinyproxy.conf"],
            },
            Self::TinyproxyWithTunnels => &Setup {
                files: &["interop/proxies/tinyproxy-with-tunnels.conf"],
                commands: &["tinyproxy -d -c /etc/balancer/tinyproxy-with-tunnels.conf"],
            },
        }
    }
}
