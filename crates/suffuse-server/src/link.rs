//! Links: what connects one client to the broker, from its handshake to its end.
//!
//! ```text
//!                 receive                       take
//!  socket ─► link ───────► inbox ─► broker ─► port ────► link ─► socket
//! ```
//! A link knows no session. Whatever happens to it, the broker hears of its end exactly once: from the
//! link as `Event::Lost`, or not at all when the broker itself has ended it.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use suffuse_broker::{Event, LinkId, Opening};
use suffuse_proto::{ResponseCode, handshake::Accepted};
use tokio::sync::oneshot;

use crate::{
    inbox::{Batch, Inbox, Input, NewLink},
    port::SharedPort,
};

pub(crate) mod polling;
pub(crate) mod websocket;
pub(crate) mod write_batch;

/// How much of one link may wait in the inbox before it stops reading, in bytes of messages and
/// [`MESSAGE_COST`] for each. Because a link finishes what it has read, and the next batch collects while
/// the one before is handled, up to twice this and one message can be on the way.
pub(crate) const INTAKE_BYTES_MAX: usize = 256 * 1024;

/// What a message in the inbox costs besides its bytes.
const MESSAGE_COST: usize = 64;

/// What the broker says to a handshake.
#[derive(Debug)]
pub(crate) enum Answer {
    Accepted(Accepted),
    Rejected { version: u8, code: ResponseCode },
}

/// Why a handshake did not lead to a link.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The broker says so: the client gets the response.
    Rejected { version: u8, code: ResponseCode },
    /// The broker did not answer in time, or the server stops: HTTP 503.
    Unavailable,
}

/// The broker's side of a connected client.
pub(crate) struct Link {
    id: LinkId,
    inbox: Arc<Inbox>,
    pub(crate) port: SharedPort,
    /// The last batch that has something of this link, and how many bytes.
    intake: (Batch, usize),
    /// The broker knows of the end, or has never known the link.
    is_over: bool,
}

impl Link {
    /// Asks the broker to accept a link.
    ///
    /// # Errors
    /// If the broker refuses it, or does not answer within `timeout`. When the caller goes away
    /// meanwhile, the broker hears that the link is lost.
    pub(crate) async fn open(
        id: LinkId,
        opening: Opening,
        inbox: &Arc<Inbox>,
        timeout: Duration,
    ) -> Result<(Self, Accepted), Refusal> {
        let (answer, answered) = oneshot::channel();
        let port = SharedPort::default();
        let new = Box::new(NewLink {
            port: Arc::clone(&port),
            answer,
        });
        inbox.push(Input::Open(
            Event::Open {
                link: id,
                opening: Box::new(opening),
            },
            new,
        ));
        let mut link = Self {
            id,
            inbox: Arc::clone(inbox),
            port,
            intake: Default::default(),
            is_over: false,
        };
        match tokio::time::timeout(timeout, answered).await {
            Ok(Ok(Answer::Accepted(accepted))) => Ok((link, accepted)),
            Ok(Ok(Answer::Rejected { version, code })) => {
                link.is_over = true;
                Err(Refusal::Rejected { version, code })
            }
            Ok(Err(_)) | Err(_) => Err(Refusal::Unavailable),
        }
    }

    /// Returns a link that the broker does not know, for a client that is refused.
    pub(crate) fn unknown(inbox: &Arc<Inbox>) -> Self {
        Self {
            id: LinkId(u64::MAX),
            inbox: Arc::clone(inbox),
            port: SharedPort::default(),
            intake: Default::default(),
            is_over: true,
        }
    }

    /// Returns the event of a message that arrived.
    pub(crate) fn message(&self, bytes: bytes::Bytes) -> Input {
        Input::Event(Event::Message {
            link: self.id,
            bytes,
        })
    }

    /// Gives the broker what arrived; `inputs` is empty afterwards.
    pub(crate) fn receive(&mut self, inputs: &mut Vec<Input>) {
        if inputs.is_empty() || self.is_over {
            inputs.clear();
            return;
        }
        let bytes: usize = inputs.iter().map(cost).sum();
        let batch = self.inbox.append(inputs);
        let before = if self.intake.0 == batch {
            self.intake.1
        } else {
            0
        };
        self.intake = (batch, before + bytes);
    }

    /// Waits while the broker has too much of this link to handle.
    pub(crate) fn poll_may_read(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.intake.1 >= INTAKE_BYTES_MAX {
            ready!(self.poll_handled(cx));
            self.intake.1 = 0;
        }
        Poll::Ready(())
    }

    /// Waits until the broker has handled all that it was given.
    pub(crate) fn poll_handled(&self, cx: &Context<'_>) -> Poll<()> {
        self.inbox.poll_handled(self.intake.0, cx)
    }

    /// Tells the broker that all that the port gave is sent.
    pub(crate) fn ready(&self) {
        self.tell(Event::Ready { link: self.id });
    }

    /// Tells the broker that the client broke a rule; the broker ends the link.
    pub(crate) fn fault(&self, fault: suffuse_broker::Fault) {
        self.tell(Event::Fault {
            link: self.id,
            fault,
        });
    }

    /// Tells the broker that the link is gone.
    pub(crate) fn lost(&mut self) {
        self.tell(Event::Lost { link: self.id });
        self.is_over = true;
    }

    /// Notes that the broker has ended the link.
    pub(crate) fn ended(&mut self) {
        self.is_over = true;
    }

    fn tell(&self, event: Event) {
        if !self.is_over {
            self.inbox.push(Input::Event(event));
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.port.detach();
        self.lost();
    }
}

fn cost(input: &Input) -> usize {
    match input {
        Input::Event(Event::Message { bytes, .. }) => MESSAGE_COST + bytes.len(),
        Input::Event(_)
        | Input::Open(..)
        | Input::Inspect(_)
        | Input::Move { .. }
        | Input::Stop => MESSAGE_COST,
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_link_reads_no_further_while_the_broker_has_much_of_it() {
        let inbox = Arc::new(Inbox::default());
        let mut link = Link::unknown(&inbox);
        link.is_over = false;
        let context = Context::from_waker(Waker::noop());
        let message = Bytes::from(vec![0; 1000]);
        let mut batch = Vec::new();
        for _ in 0..3 {
            let mut count = 0;
            while link.poll_may_read(&context).is_ready() {
                link.receive(&mut vec![link.message(message.clone())]);
                count += 1;
            }
            assert_eq!(
                count,
                INTAKE_BYTES_MAX.div_ceil(MESSAGE_COST + message.len())
            );

            inbox.take(&mut batch);
            assert_eq!(batch.drain(..).len(), count);
            assert!(
                link.poll_may_read(&context).is_pending(),
                "taken is not handled"
            );
            inbox.finish();
        }
    }
}
