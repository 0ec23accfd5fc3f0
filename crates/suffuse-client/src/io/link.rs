//! A link: a connected transport, as two queues of messages.

use bytes::Bytes;
use tokio::sync::mpsc;

/// How many messages may wait in each direction; then the sender waits.
const MESSAGES_MAX: usize = 256;

/// What comes from the server: messages, and at last why there are no more.
pub(crate) type Incoming = Result<Bytes, String>;

/// The driver's end of a link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) incoming: mpsc::Receiver<Incoming>,
    /// The transport ends the connection when this is dropped.
    pub(crate) outgoing: mpsc::Sender<Bytes>,
}

/// The transport's end of a link.
#[derive(Debug)]
pub(crate) struct LinkEnds {
    pub(crate) incoming: mpsc::Sender<Incoming>,
    pub(crate) outgoing: mpsc::Receiver<Bytes>,
}

impl Link {
    pub(crate) fn new() -> (Self, LinkEnds) {
        let (to_driver, incoming) = mpsc::channel(MESSAGES_MAX);
        let (outgoing, from_driver) = mpsc::channel(MESSAGES_MAX);
        (
            Self { incoming, outgoing },
            LinkEnds {
                incoming: to_driver,
                outgoing: from_driver,
            },
        )
    }
}
