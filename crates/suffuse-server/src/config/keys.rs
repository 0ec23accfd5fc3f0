//! The tables of all settings.

use std::{collections::BTreeSet, fmt::Debug, ops::RangeInclusive, time::Duration};

use toml::de::DeValue;

use super::{ByteSize, Config, Listen, ProxyProtocol, diagnostic::Diagnostic, setting::Setting};

/// One setting of a `T`.
pub(crate) struct Key<T> {
    /// The name, with its sections: `transport.ping_interval`.
    pub(crate) name: &'static str,
    /// What it means, by lines.
    pub(crate) doc: &'static [&'static str],
    /// What a value can look like, for settings that have none by default.
    pub(crate) example: &'static str,
    /// Sets it, or says what was expected.
    pub(crate) set: fn(&mut T, &DeValue<'_>) -> Result<(), String>,
    /// Writes it as TOML; `None` where it has no value.
    pub(crate) write: fn(&T) -> Option<String>,
}

impl<T> Key<T> {
    /// Returns the name of the section and the name in the section.
    pub(crate) fn split(&self) -> (&'static str, &'static str) {
        self.name.rsplit_once('.').unwrap_or(("", self.name))
    }

    /// Returns whether the setting is in a section or below it.
    pub(crate) fn is_below(&self, section: &str) -> bool {
        self.name
            .strip_prefix(section)
            .is_some_and(|rest| rest.starts_with('.'))
    }
}

macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $name:literal $($field:ident).+ $(in $range:expr)? $(, like $example:literal)?;)*) => {
        &[$(Key {
            name: $name,
            doc: &[$($doc),+],
            example: concat!($($example)?),
            set: |owner, value| {
                let found = Setting::read(value)?;
                $(check_range(&found, &($range))?;)?
                owner.$($field).+ = found;
                Ok(())
            },
            write: |owner| owner.$($field).+.write(),
        }),*]
    };
}

fn check_range<T: Setting + PartialOrd>(
    found: &T,
    range: &RangeInclusive<T>,
) -> Result<(), String> {
    if range.contains(found) {
        return Ok(());
    }
    let bound = |bound: &T| bound.write().unwrap_or_default();
    Err(format!(
        "expected {} to {}",
        bound(range.start()),
        bound(range.end())
    ))
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const KIB: usize = 1 << 10;
const GIB: usize = 1 << 30;

/// The settings outside `[[listen]]`.
pub(crate) const CONFIG_KEYS: &[Key<Config>] = keys! {
    /// The first three characters of every session token, by which a load balancer
    /// can route. Give each server of a group its own.
    "node.id" node.id;
    /// The name that sessions see as $ServerName.
    "node.name" node.name;
    /// The folder of the security store (security.toml), made on the first start.
    "node.data_dir" node.data_dir;
    /// How long a stop waits for the connections to end.
    "node.stop_timeout" node.stop_timeout in seconds(0)..=seconds(600);

    /// How often each connection is pinged. Keep it below every idle time-out on the way:
    /// the common proxies cut a silent connection after 60 seconds.
    "transport.ping_interval" transport.ping_interval in seconds(1)..=seconds(3600);
    /// How long a poll is held when there is nothing to tell. As the ping, below all idle time-outs.
    "transport.poll_hold" transport.poll_hold in seconds(1)..=seconds(600);
    /// How long a client may be without a poll before its connection counts as lost.
    "transport.poll_grace" transport.poll_grace in seconds(1)..=seconds(600);
    /// The largest message that a client may send.
    "transport.message_max" transport.message_max in ByteSize(KIB)..=ByteSize(GIB);
    /// How many TCP connections there may be; more are answered with status 503.
    "transport.connections_max" transport.connections_max in 1..=4_000_000;
    /// How long a new connection may take for TLS, for its first request, and to become a session.
    "transport.handshake_timeout" transport.handshake_timeout in seconds(1)..=seconds(600);
    /// How long a connection may be silent between two requests.
    "transport.keep_alive" transport.keep_alive in seconds(1)..=seconds(3600);
    /// How long the body of a request may take.
    "transport.body_timeout" transport.body_timeout in seconds(1)..=seconds(3600);

    /// How many sessions there may be; more are refused with code 113.
    "session.count_max" session.count_max in 1..=100_000_000;
    /// How long a session that lost its connection is kept at most; clients may ask for less.
    "session.reconnect_timeout_max" session.reconnect_timeout_max in seconds(0)..=seconds(86_400);
    /// How many messages may wait for a session that reads slowly. From half of it a topic's
    /// updates are conflated to the last one; a session that is still over it is closed.
    "session.queue_messages_max" session.queue_messages_max in 16..=100_000_000;
    /// How many bytes may wait, with the same consequences.
    "session.queue_bytes_max" session.queue_bytes_max in ByteSize(64 * KIB)..=ByteSize(64 * GIB);
    /// How many of the last messages are kept for a session that reconnects.
    "session.recovery_messages_max" session.recovery_messages_max in 0..=10_000_000;
    /// How many bytes these may have together.
    "session.recovery_bytes_max" session.recovery_bytes_max in ByteSize(0)..=ByteSize(GIB);
    /// When a session that reconnects goes on without loss (code 105). "compatible": except where the
    /// published JavaScript client would send the wrong messages again. "always_106": never, it is told
    /// its topics anew. "strict": whenever no message is missing.
    "session.reconnect_policy" session.reconnect_policy;
    /// How many selections a session may have.
    "session.selections_max" session.selections_max in 1..=10_000_000;
    /// How many update streams a session may have at once; one more is refused with error 106.
    "session.update_streams_max" session.update_streams_max in 1..=10_000_000;
    /// The cookie that carries the session id, by which a load balancer can route. Empty: none.
    "session.cookie" session.cookie;

    /// The other servers of the group by their node.id: { n02 = "http://10.0.0.2:8080" }.
    "cluster.peers" cluster.peers;
    /// The file with the secret that all servers of the group have, 16 to 4096 bytes.
    "cluster.secret_file" cluster.secret_file, like "\"cluster.secret\"";
    /// Whether requests for sessions of these servers are forwarded to them; else they are refused.
    "cluster.forward_foreign_sessions" cluster.forward;
    /// How many requests may be on the way to them; more are answered with status 503.
    "cluster.forwards_max" cluster.forwards_max in 1..=1_000_000;

    /// Whether SIGTERM first drains the server, as `suffuse drain` does, and then stops it.
    "drain.on_stop" drain.on_stop;
    /// How long load balancers have to notice that the server is not ready, before sessions are moved.
    "drain.wait" drain.wait in seconds(0)..=seconds(3600);
    /// How many sessions are moved in a second.
    "drain.rate" drain.rate in 1..=1_000_000;

    /// How many topics there may be; adding more fails with error 9007.
    "topic.count_max" topic.count_max in 1..=1_000_000_000;

    /// The pages that may connect, by their origin. Empty: all.
    "security.allowed_origins" security.allowed_origins;
    /// The session properties that clients may choose for themselves, besides $Environment.
    "security.trusted_properties" security.trusted_properties;
};

/// The settings of one listener.
pub(crate) const LISTEN_KEYS: &[Key<Listen>] = keys! {
    /// The address and the port. Port 0 takes a free one.
    "address" address;
    /// The name that sessions show as their $Connector.
    "name" name;
    /// Whether GET /metrics is answered here. Who can connect can read it: use a listener of your own
    /// network for it.
    "metrics" metrics;
    /// Whether /admin/drain is answered here, which `suffuse drain` uses: to principals with the permission
    /// CONTROL_SERVER.
    "admin" admin;
    /// The proxies in front, as addresses or prefixes: ["10.0.0.0/8", "127.0.0.1"]. What they tell of the
    /// client's address becomes $ClientIP; from all others it is ignored.
    "trusted_proxies" trusted_proxies;
    /// Where the trusted proxies tell it: "x-forwarded-for" or "forwarded". The other one is ignored.
    "forwarded_header" forwarded_header;
    /// "v1v2": connections of trusted proxies begin with a PROXY header, which tells the client's address;
    /// without it they are refused, and with it all others. "off": nobody sends one.
    "proxy_protocol" proxy_protocol;
    /// The certificate chain, a PEM file. With it the listener speaks TLS: https and wss.
    "tls.cert" tls.cert, like "\"tls.crt\"";
    /// The private key, a PEM file.
    "tls.key" tls.key, like "\"tls.key\"";
};

/// Says what an unknown key may have been meant to be: a label, and a help.
pub(crate) fn suggestion<T>(keys: &[Key<T>], name: &str) -> (String, Option<String>) {
    let (section, last) = name.rsplit_once('.').unwrap_or(("", name));
    let start = if section.is_empty() {
        String::new()
    } else {
        format!("{section}.")
    };
    let mut siblings: BTreeSet<&str> = keys
        .iter()
        .filter_map(|key| key.name.strip_prefix(&start)?.split('.').next())
        .collect();
    if siblings.contains("node") {
        siblings.insert("listen");
    }
    if let Some(meant) = nearest(last, siblings.iter().copied()) {
        return (format!("did you mean `{meant}`?"), None);
    }
    let elsewhere = keys.iter().map(Key::split).find(|(_, key)| *key == last);
    if let Some((section, key)) = elsewhere.filter(|(section, _)| !section.is_empty()) {
        return (format!("`{key}` belongs in [{section}]"), None);
    }
    let possible = siblings
        .iter()
        .map(|key| format!("`{key}`"))
        .collect::<Vec<_>>()
        .join(", ");
    (
        "nothing has this name".to_owned(),
        Some(format!("known here: {possible}")),
    )
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance_max = (name.chars().count() / 3).max(1);
    known
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, _)| *distance <= distance_max)
        .min()
        .map(|(_, known)| known)
}

/// Returns what does not fit together.
pub(crate) fn contradictions(config: &Config) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut refuse = |message: String, help: &str| {
        problems.push(Diagnostic {
            code: "SFX-K009",
            message,
            place: None,
            help: Some(help.to_owned()),
        });
    };
    for (index, listen) in config.listen.iter().enumerate() {
        if listen.tls.cert.is_some() != listen.tls.key.is_some() {
            let missing = if listen.tls.cert.is_some() {
                "key"
            } else {
                "cert"
            };
            refuse(
                format!("listen.{index}.tls has no `{missing}`"),
                "TLS needs both `cert` and `key`",
            );
        }
        if listen.proxy_protocol == ProxyProtocol::V1V2 && listen.trusted_proxies.is_empty() {
            refuse(
                format!("listen.{index} expects PROXY headers, but trusts no proxy"),
                "name the proxies that send them in `trusted_proxies`",
            );
        }
        let is_same =
            |other: &&Listen| other.address == listen.address && listen.address.port() != 0;
        if config.listen[..index].iter().any(|other| is_same(&other)) {
            refuse(
                format!("two listeners have the address {}", listen.address),
                "remove one of them",
            );
        }
    }
    if !config.cluster.peers.is_empty()
        && config.cluster.forward
        && config.cluster.secret_file.is_none()
    {
        refuse(
            "cluster.peers are given, but no cluster.secret_file".to_owned(),
            "write a random secret into a file on all servers, or set cluster.forward_foreign_sessions to false",
        );
    }
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !config.session.cookie.bytes().all(is_token) {
        let message = format!(
            "`{}` cannot be the name of a cookie",
            config.session.cookie.escape_debug()
        );
        refuse(
            message,
            "use letters, digits, - and _ for session.cookie, or nothing for no cookie",
        );
    }
    if config.listen.is_empty() {
        refuse(
            "there is no listener".to_owned(),
            "add a section [[listen]] with an `address`",
        );
    }
    problems
}

impl<T> Debug for Key<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
