//! The table of routes: which handler answers which service.

use bytes::Bytes;
use suffuse_proto::{
    ErrorReason, Service as _,
    message::ServiceId,
    service::{SERVICES, *},
};

use crate::{
    Broker,
    broker::Answer,
    call::{Caller, invoke},
    handlers::{
        security, session_properties, system, time_series, topic_control, topic_update, topics,
        update_stream, v9,
    },
};

macro_rules! routes {
    ($($service:ident => $handler:path,)*) => {
        /// Passes a request to the handler of its service.
        pub(crate) fn route(broker: &mut Broker, caller: &Caller, id: ServiceId, body: Bytes) -> Answer<Bytes> {
            match id {
                $($service::ID => invoke::<$service>(broker, caller, body, $handler),)*
                _ => Err(unsupported(id)),
            }
        }

        /// The services that have a handler.
        const BUILT: &[ServiceId] = &[$($service::ID),*];
    };
}

routes! {
    FetchOld => v9::fetch,
    Subscribe => topics::subscribe,
    Unsubscribe => topics::unsubscribe,
    AddTopicOld => v9::add_topic,
    RemoveTopicsOld => v9::remove_topics,
    SystemPing => system::ping,
    UserPing => system::ping,
    UpdateTopicOld => v9::update_topic,
    UpdateTopicSet => v9::set_topic,
    UpdateTopicDelta => v9::apply_delta,
    RemoveTopics => topic_control::remove_topics,
    RangeQuery => time_series::range_query,
    TimeSeriesAppend => time_series::append,
    TimeSeriesEdit => time_series::edit,
    AddTopic => topic_control::add_topic,
    FetchQuery => topics::fetch,
    SetTopic => topic_update::set_topic,
    AddAndSetTopic => topic_update::add_and_set_topic,
    CreateUpdateStream => update_stream::create,
    CreateUpdateStreamAndSet => update_stream::create_and_set,
    CheckUpdateStream => update_stream::check,
    StreamSetTopic => update_stream::set,
    StreamApplyDelta => update_stream::apply_delta,
    StreamAddTopic => update_stream::add_topic,
    StreamAddAndSetTopic => update_stream::add_and_set_topic,
    ApplyJsonPatch => topic_update::apply_json_patch,
    TimeSeriesTimestampAppend => time_series::timestamp_append,
    ListGlobalPermissions => security::list_global_permissions,
    ListPathPermissions => security::list_path_permissions,
    UnsubscribeAll => topics::unsubscribe_all,
    GetOwnSessionProperties => session_properties::get_own,
}

/// The services that the server asks of clients.
const ASKED: &[ServiceId] = &[
    SubscriptionNotificationOld::ID,
    UnsubscriptionNotification::ID,
    SubscriptionNotification::ID,
];

/// Returns whether the server offers a service, or asks it of clients.
#[must_use]
pub fn is_built(id: ServiceId) -> bool {
    BUILT.contains(&id) || ASKED.contains(&id)
}

fn unsupported(id: ServiceId) -> ErrorReason {
    match SERVICES.iter().find(|entry| entry.id == id) {
        Some(entry) => ErrorReason::UNSUPPORTED.with(format!(
            "the server does not offer service {} ({})",
            id.0, entry.name
        )),
        None => ErrorReason::UNSUPPORTED.with(format!("the protocol has no service {}", id.0)),
    }
}
