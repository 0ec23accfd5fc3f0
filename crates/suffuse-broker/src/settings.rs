//! What a broker is set to.

use std::time::Duration;

use suffuse_proto::NodeId;

/// The limits and names of a broker.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node, which every session token starts with.
    pub node: NodeId,
    /// Chosen at random once per start: the first half of every session id.
    pub server_id: i64,
    /// The name of the server, as the session property `$ServerName` has it.
    pub server_name: String,
    /// How often every connection is pinged. One that is silent from one ping to the next is lost.
    pub ping_interval: Duration,
    /// How long a session whose connection was lost is kept at most; clients may ask for less.
    pub reconnect_timeout_max: Duration,
    /// The size of the largest message that a client may send, in bytes.
    pub message_bytes_max: usize,
    /// How many sessions there may be. More are refused with code 113.
    pub sessions_max: usize,
    /// How many topics there may be. Adding more fails with error 9007.
    pub topics_max: usize,
    /// How many passwords may wait to be checked. More handshakes are refused with code 127.
    pub verifications_max: usize,
    /// How many selections a session may have. More are refused with error 106.
    pub selections_max: usize,
    /// How many valid update streams a session may have. More are refused with error 106.
    pub update_streams_max: usize,
    /// How many events a time series keeps at most, whatever its retained range is.
    pub series_events_max: usize,
    /// How many bytes these may take together. The last event is kept however large it is.
    pub series_bytes_max: usize,
    /// How many messages may wait for a session. From half of it updates of a topic are conflated to the last
    /// one; a session that is still over it is closed.
    pub queue_messages_max: usize,
    /// How many bytes may wait for a session, with the same consequences. One message may be larger. The updates
    /// that wait may keep eight times as much in memory, because a short delta keeps a whole value.
    pub queue_bytes_max: usize,
    /// How many of the messages sent last a session keeps for a reconnection.
    pub recovery_messages_max: usize,
    /// How many bytes these may have together.
    pub recovery_bytes_max: usize,
    /// When a session that reconnects goes on as if nothing had happened.
    pub reconnect_policy: ReconnectPolicy,
}

/// When a session that reconnects goes on without loss (code 105), and when it starts anew: with all its
/// selections, but without the messages on the way (code 106). Whatever the policy is, a session starts anew
/// where messages are missing, and where the client is the published one for Python (spec: connection §7.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReconnectPolicy {
    /// It goes on, except where a published client is known to send the wrong messages again.
    #[default]
    Compatible,
    /// It always starts anew.
    Always106,
    /// It goes on whenever the counts of both ends allow it.
    Strict,
}

impl ReconnectPolicy {
    /// All policies.
    pub const ALL: [Self; 3] = [Self::Compatible, Self::Always106, Self::Strict];

    /// Returns the name that configurations use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Compatible => "compatible",
            Self::Always106 => "always_106",
            Self::Strict => "strict",
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node: NodeId::default(),
            server_id: 0,
            server_name: "suffuse".to_owned(),
            ping_interval: Duration::from_secs(25),
            reconnect_timeout_max: Duration::from_secs(300),
            message_bytes_max: 32 << 20,
            sessions_max: 1_000_000,
            topics_max: 10_000_000,
            verifications_max: 256,
            selections_max: 10_000,
            update_streams_max: 100_000,
            series_events_max: 100_000,
            series_bytes_max: 32 << 20,
            queue_messages_max: 10_000,
            queue_bytes_max: 8 << 20,
            recovery_messages_max: 256,
            recovery_bytes_max: 1 << 20,
            reconnect_policy: ReconnectPolicy::default(),
        }
    }
}
