//! Calls: a request is decoded, handled, and answered.

use bytes::Bytes;
use suffuse_proto::{
    Codec, ErrorReason, Message, Service, Version,
    message::{ConversationId, ServiceId},
};

use crate::{Broker, broker::Answer, routes, sessions::SessionKey};

/// Who makes a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) session: SessionKey,
    pub(crate) version: Version,
}

/// Handles a request, and sends what it is answered with.
pub(crate) fn answer(
    broker: &mut Broker,
    session: SessionKey,
    service: ServiceId,
    conversation: ConversationId,
    body: Bytes,
) {
    let Some(version) = broker.sessions.get(session).map(|session| session.version) else {
        return;
    };
    let caller = Caller { session, version };
    let answer = routes::route(broker, &caller, service, body);
    let is_answered = conversation != ConversationId::ONE_WAY;
    let answer = is_answered.then(|| message_of(service, conversation, answer));
    if broker.follow_ups.is_empty() {
        return answer
            .iter()
            .for_each(|answer| broker.send(session, answer));
    }
    let follow_ups = std::mem::take(&mut broker.follow_ups);
    broker.send_series(session, answer.iter().chain(&follow_ups));
}

fn message_of(service: ServiceId, conversation: ConversationId, answer: Answer<Bytes>) -> Message {
    match answer {
        Ok(body) => Message::Response {
            service,
            conversation,
            body,
        },
        Err(reason) => {
            tracing::debug!(
                service = service.0,
                code = reason.code,
                "request refused: {}",
                reason.message
            );
            Message::Error {
                service,
                conversation,
                reason,
            }
        }
    }
}

/// Decodes a request, calls its handler, and encodes the response.
pub(crate) fn invoke<S: Service>(
    broker: &mut Broker,
    caller: &Caller,
    body: Bytes,
    handler: impl FnOnce(&mut Broker, &Caller, S::Request) -> Answer<S::Response>,
) -> Answer<Bytes> {
    if !S::is_in(caller.version) {
        return Err(ErrorReason::UNSUPPORTED);
    }
    let request = S::Request::from_bytes(body, caller.version).map_err(|error| {
        ErrorReason::INVALID_DATA.with(format!(
            "the request of service {} is not valid: {error}",
            S::NAME
        ))
    })?;
    handler(broker, caller, request).map(|response| response.to_bytes(caller.version))
}
