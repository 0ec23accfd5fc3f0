//! What happens to a session between the loss of its connection and its resumption
//! (spec: connection §7.4).
//!
//! The server answers 105 when nothing is lost: what it lacks is sent again, once, and the answers to
//! all requests come yet. It answers 106 when something is lost: both ends begin to count anew,
//! requests that were under way fail, and all subscriptions are announced again.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use suffuse_proto::{
    ResponseCode,
    handshake::{Accepted, Reconnect},
    message::ServiceId,
};

use super::{
    Machine, Output, Phase, message_bytes_max,
    reconnect::{AttemptId, FailedAttempt, GiveUp, Step},
    sent::Number,
};
use crate::error::{CloseReason, RequestError};

/// How many requests may wait for the connection, and how many bytes; further ones are refused.
const WAITING_MAX: usize = 1024;
const WAITING_BYTES_MAX: usize = 8 << 20;

/// A request that was made while the connection was lost. The server has not seen it.
#[derive(Debug)]
pub(super) struct WaitingRequest<Ticket> {
    pub(super) service: ServiceId,
    pub(super) body: Bytes,
    pub(super) ticket: Ticket,
}

/// The requests that wait for the connection, oldest first.
#[derive(Debug)]
pub(super) struct Waiting<Ticket> {
    requests: VecDeque<WaitingRequest<Ticket>>,
    bytes: usize,
}

impl<Ticket> Default for Waiting<Ticket> {
    fn default() -> Self {
        Self {
            requests: VecDeque::new(),
            bytes: 0,
        }
    }
}

impl<Ticket> Waiting<Ticket> {
    /// Adds a request. Without room it comes back, with the reason.
    fn push(
        &mut self,
        request: WaitingRequest<Ticket>,
    ) -> Result<(), (WaitingRequest<Ticket>, RequestError)> {
        let bytes = self.bytes + request.body.len();
        if self.requests.len() >= WAITING_MAX || bytes > WAITING_BYTES_MAX {
            let full = RequestError::TooManyWaiting {
                requests: self.requests.len(),
                bytes: self.bytes,
            };
            return Err((request, full));
        }
        self.bytes = bytes;
        self.requests.push_back(request);
        Ok(())
    }

    /// Returns all requests, and forgets them.
    pub(super) fn take_all(
        &mut self,
    ) -> impl Iterator<Item = WaitingRequest<Ticket>> + use<Ticket> {
        std::mem::take(self).requests.into_iter()
    }
}

impl<Ticket> Machine<Ticket> {
    pub(super) fn keep_waiting(&mut self, service: ServiceId, body: Bytes, ticket: Ticket) {
        let request = WaitingRequest {
            service,
            body,
            ticket,
        };
        if let Err((request, full)) = self.waiting.push(request) {
            self.answer(request.ticket, Err(full));
        }
    }

    /// Takes note that the connection is lost, and why.
    pub(super) fn lose(&mut self, reason: CloseReason, now: Duration) {
        match self.phase {
            Phase::Open => {}
            Phase::Closing { .. } => return self.end(reason),
            Phase::Away | Phase::Ended(_) => return,
        }
        let cause = if let CloseReason::ConnectionLost { what } = &reason {
            what.clone()
        } else {
            reason.to_string()
        };
        let step = self.reconnection.on_lost(cause.clone(), now);
        if step == Step::GiveUp(GiveUp::Off) {
            return self.end(reason);
        }
        self.phase = Phase::Away;
        self.outputs.push_back(Output::Disconnect);
        self.follow(step, cause);
    }

    pub(super) fn go_on_recovering(&mut self, now: Duration) {
        let step = self.reconnection.on_timeout(now);
        self.follow(step, String::new());
    }

    /// Takes note that an attempt to reconnect failed.
    pub(crate) fn handle_failed(
        &mut self,
        attempt: AttemptId,
        failed: &FailedAttempt,
        now: Duration,
    ) {
        let step = self.reconnection.on_failed(attempt, failed, now);
        self.follow(step, failed.cause());
    }

    /// Takes note that an attempt to reconnect succeeded. Returns whether its link is to be used; then
    /// it is the one that outputs are for.
    pub(crate) fn handle_connected(
        &mut self,
        attempt: AttemptId,
        accepted: &Accepted,
        now: Duration,
    ) -> bool {
        if !self.reconnection.on_connected(attempt, now) {
            return false;
        }
        if let Err(reason) = self.take_over(accepted, now) {
            self.end(reason);
            return false;
        }
        for request in self.waiting.take_all() {
            self.send_request(request.service, request.body, request.ticket);
        }
        true
    }

    fn take_over(&mut self, accepted: &Accepted, now: Duration) -> Result<(), CloseReason> {
        if accepted.session != self.id {
            let what = "it answered a reconnection with another session".to_owned();
            return Err(CloseReason::ProtocolError { what });
        }
        match accepted.code {
            ResponseCode::RECONNECTED => self.resume(accepted.sequence_or_message_bytes_max)?,
            ResponseCode::RECONNECTED_WITH_MESSAGE_LOSS => {
                self.message_bytes_max = message_bytes_max(accepted);
                self.begin_anew();
            }
            code => {
                let what = format!("it answered a reconnection with {code}");
                return Err(CloseReason::ProtocolError { what });
            }
        }
        self.token = accepted.token;
        self.ping_interval = accepted.ping_interval;
        self.last_ping = now;
        self.phase = Phase::Open;
        Ok(())
    }

    /// Sends again exactly what the server lacks. It keeps its numbers.
    fn resume(&mut self, expected: i32) -> Result<(), CloseReason> {
        let oldest = self.sent.oldest();
        let next = Number::try_from(expected).unwrap_or_default();
        let lacking = self
            .sent
            .from(next)
            .ok_or(CloseReason::LostMessages { expected, oldest })?;
        self.outputs.push_back(Output::Recovered { lost: false });
        self.outputs.extend(lacking.map(Output::Send));
        Ok(())
    }

    fn begin_anew(&mut self) {
        self.sent = Default::default();
        self.received = 0;
        self.outputs.push_back(Output::Recovered { lost: true });
        for ticket in self.conversations.take_all() {
            self.answer(ticket, Err(RequestError::LostInReconnection));
        }
        let deliveries = self.topics.refresh();
        self.outputs
            .extend(deliveries.into_iter().map(Output::Topic));
    }

    fn follow(&mut self, step: Step, cause: String) {
        match step {
            Step::Ignore => {}
            Step::Wait { attempt, pause } => self.outputs.push_back(Output::Recovering {
                attempt,
                pause,
                cause,
            }),
            Step::Try(attempt) => {
                let parameters = self.reconnect_parameters();
                self.outputs.push_back(Output::Connect(attempt, parameters));
            }
            Step::GiveUp(why) => self.end(match why {
                GiveUp::Off => CloseReason::ConnectionLost { what: cause },
                GiveUp::Strategy { cause } => CloseReason::ReconnectGivenUp { cause },
                GiveUp::TimedOut { within, cause } => {
                    CloseReason::ReconnectTimedOut { within, cause }
                }
                GiveUp::Refused(code) => CloseReason::ReconnectRefused(code),
            }),
        }
    }

    fn reconnect_parameters(&self) -> Reconnect {
        // Beyond what the field takes, the server finds that the counts differ, and says 106.
        let number = |number: Number| i32::try_from(number).unwrap_or(i32::MAX);
        Reconnect {
            token: Some(self.token),
            client_sequence: number(self.sent.oldest()),
            server_sequence: number(self.received),
        }
    }
}
