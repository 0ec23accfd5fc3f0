//! The table of all services (spec: services §F). A service is declared here, once; its records stand in
//! [`crate::services`], and its handler in the broker's route table.
//!
//! A service whose request is [`Opaque`] is known but not built: it is answered with error 104.

use std::ops::RangeBounds;

use crate::{
    Version,
    codec::{Codec, Opaque},
    message::ServiceId,
    services::{
        security, session_properties, time_series, topic_control, topic_update, topics,
        update_stream, v9,
    },
};

/// Which end may ask for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The client asks the server.
    Up,
    /// The server asks the client.
    Down,
    /// Either end asks the other.
    Both,
    /// Servers ask each other.
    Server,
}

/// A request that one end makes of the other, and what it is answered with.
pub trait Service {
    /// The number on the wire.
    const ID: ServiceId;
    /// The name in tables and logs.
    const NAME: &'static str;
    /// Who may ask.
    const DIRECTION: Direction;
    /// The body of a request.
    type Request: Codec + Clone + PartialEq + std::fmt::Debug;
    /// The body of a response.
    type Response: Codec + Clone + PartialEq + std::fmt::Debug;

    /// Returns whether sessions of a protocol version know the service.
    fn is_in(version: Version) -> bool;
}

/// What a table of services needs to know about one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceEntry {
    /// The number on the wire.
    pub id: ServiceId,
    /// The name.
    pub name: &'static str,
    /// Who may ask.
    pub direction: Direction,
}

macro_rules! direction {
    (up) => {
        Direction::Up
    };
    (down) => {
        Direction::Down
    };
    (both) => {
        Direction::Both
    };
    (server) => {
        Direction::Server
    };
}

macro_rules! services {
    // `$d` is a dollar sign: macro_rules has no other way to write one in a macro that it defines.
    ($d:tt $($id:literal $direction:ident ($($versions:tt)*) $name:ident ($request:ty) -> $response:ty;)*) => {
        $(
            #[doc = concat!("Service ", $id, ".")]
            #[derive(Clone, Copy, Debug)]
            pub enum $name {}

            impl Service for $name {
                const ID: ServiceId = ServiceId($id);
                const NAME: &'static str = stringify!($name);
                const DIRECTION: Direction = direction!($direction);
                type Request = $request;
                type Response = $response;

                fn is_in(version: Version) -> bool {
                    RangeBounds::<u8>::contains(&($($versions)*), &version.number())
                }
            }
        )*

        /// Every service of the protocol, by number.
        pub const SERVICES: &[ServiceEntry] = &[
            $(ServiceEntry { id: ServiceId($id), name: stringify!($name), direction: direction!($direction) }),*
        ];

        /// Calls `visit!(Service)` for every service.
        #[macro_export]
        macro_rules! for_each_service { ($d visit:ident) => { $($d visit!($name);)* } }
    };
}

services! { $
//  id  who    versions service                          request                                  response
    1   up     (..9)    PingOld                          (Opaque)                              -> Opaque;
    2   up     (..=9)   FetchOld                         (v9::FetchRequest)                    -> ();
    3   up     (9..)    Subscribe                        (topics::SelectionRequest)            -> ();
    4   up     (9..)    Unsubscribe                      (topics::SelectionRequest)            -> ();
    5   up     (9..)    ChangePrincipal                  (Opaque)                              -> Opaque;
    6   both   (..=9)   SendOld                          (Opaque)                              -> Opaque;
    10  up     (9..)    SubscribeSession                 (Opaque)                              -> Opaque;
    11  up     (9..)    UnsubscribeSession               (Opaque)                              -> Opaque;
    12  down   (..9)    TopicStateProvider               (Opaque)                              -> Opaque;
    13  down   (..9)    QueueEvent                       (Opaque)                              -> Opaque;
    14  up     (9..)    CloseSession                     (Opaque)                              -> Opaque;
    15  up     (9..)    SetConflation                    (Opaque)                              -> Opaque;
    16  up     (..9)    ThrottleQueue                    (Opaque)                              -> Opaque;
    17  up     (..9)    GetSessionDetails                (Opaque)                              -> Opaque;
    18  up     (..=9)   ServerControlRegister            (Opaque)                              -> Opaque;
    19  up     (..=9)   ServerControlDeregister          (Opaque)                              -> Opaque;
    20  up     (9..)    TopicControlRegister             (Opaque)                              -> Opaque;
    21  up     (9..)    TopicControlDeregister           (Opaque)                              -> Opaque;
    22  up     (..9)    AuthenticationControlRegister    (Opaque)                              -> Opaque;
    23  up     (..9)    AuthenticationControlParameters  (Opaque)                              -> Opaque;
    24  down   (..9)    AuthenticateOld                  (Opaque)                              -> Opaque;
    25  up     (..9)    SessionListenerRegister          (Opaque)                              -> Opaque;
    26  down   (..9)    SessionDetailsEvent              (Opaque)                              -> Opaque;
    28  up     (..=9)   SendToSessionOld                 (Opaque)                              -> Opaque;
    29  up     (..=9)   SendToFilterOld                  (Opaque)                              -> Opaque;
    30  up     (..=9)   UpdateSourceRegister             (Opaque)                              -> Opaque;
    31  up     (..=9)   UpdateSourceDeregister           (Opaque)                              -> Opaque;
    32  down   (..=9)   UpdateSourceState                (Opaque)                              -> Opaque;
    34  up     (..9)    TopicSourceUpdate                (Opaque)                              -> Opaque;
    35  up     (..=9)   UpdateSourceUpdate               (Opaque)                              -> Opaque;
    36  up     (..9)    TopicUpdate                      (Opaque)                              -> Opaque;
    40  down   (..=9)   SubscriptionNotificationOld      (v9::SubscriptionNotice)              -> ();
    41  up     (..=9)   GetTopicDetails                  (Opaque)                              -> Opaque;
    42  down   (9..)    UnsubscriptionNotification       (topics::UnsubscriptionNotice)        -> ();
    46  up     (..=9)   AddTopicOld                      (v9::AddTopicRequest)                 -> v9::AddTopicResult;
    47  up     (..=9)   RemoveTopicsOld                  (v9::RemoveTopicsRequest)             -> ();
    50  down   (9..)    MissingTopic                     (Opaque)                              -> Opaque;
    51  down   (..9)    RoutingSubscription              (Opaque)                              -> Opaque;
    52  up     (..9)    RoutingSubscriptionResponse      (Opaque)                              -> Opaque;
    53  up     (..=9)   TopicWillRegister                (Opaque)                              -> Opaque;
    54  up     (..=9)   TopicWillDeregister              (Opaque)                              -> Opaque;
    55  both   (..)     SystemPing                       (())                                  -> ();
    56  both   (..)     UserPing                         (())                                  -> ();
    57  up     (9..)    GetAuthenticationStore           (Opaque)                              -> Opaque;
    58  up     (9..)    UpdateAuthenticationStore        (Opaque)                              -> Opaque;
    59  up     (9..)    GetSecurityStore                 (Opaque)                              -> Opaque;
    60  up     (9..)    UpdateSecurityStore              (Opaque)                              -> Opaque;
    61  up     (..=9)   UpdateTopicOld                   (v9::UpdateTopicRequest)              -> v9::UpdateResult;
    62  down   (..=9)   ForwardOld                       (Opaque)                              -> Opaque;
    63  up     (..=9)   MessageHandlerRegisterOld        (Opaque)                              -> Opaque;
    64  up     (..=9)   MessageHandlerDeregisterOld      (Opaque)                              -> Opaque;
    65  up     (9..)    SubscribeByFilter                (Opaque)                              -> Opaque;
    66  up     (9..)    UnsubscribeByFilter              (Opaque)                              -> Opaque;
    67  up     (9..)    GetSessionProperties             (Opaque)                              -> Opaque;
    68  up     (..=9)   SetTopicDetailsLevel             (Opaque)                              -> Opaque;
    69  up     (..=9)   SessionPropertiesListenerOld     (Opaque)                              -> Opaque;
    70  down   (..=9)   SessionPropertiesEventOld        (Opaque)                              -> Opaque;
    71  up     (..9)    TopicEventListenerRegister       (Opaque)                              -> Opaque;
    72  up     (..9)    TopicEventListenerDeregister     (Opaque)                              -> Opaque;
    73  down   (..9)    TopicEvent                       (Opaque)                              -> Opaque;
    74  up     (..9)    PagedNotificationRegister        (Opaque)                              -> Opaque;
    75  up     (..9)    PagedNotificationDeregister      (Opaque)                              -> Opaque;
    76  down   (..9)    PagedNotification                (Opaque)                              -> Opaque;
    77  up     (..=9)   UpdateSourceSet                  (Opaque)                              -> Opaque;
    78  up     (..=9)   UpdateSourceDelta                (Opaque)                              -> Opaque;
    79  up     (..=9)   UpdateTopicSet                   (v9::SetTopicRequest)                 -> v9::UpdateResult;
    80  up     (..=9)   UpdateTopicDelta                 (v9::ApplyDeltaRequest)               -> v9::UpdateResult;
    81  up     (9..)    SessionPropertiesListener        (Opaque)                              -> Opaque;
    82  down   (9..)    SessionPropertiesEvent           (Opaque)                              -> Opaque;
    83  up     (9..)    RemoveTopics                     (topic_control::RemoveTopicsRequest)  -> topic_control::RemovedTopics;
    84  up     (12..)   RangeQuery                       (time_series::RangeQueryRequest)        -> time_series::RangeQueryResult;
    85  both   (12..)   SendRequest                      (Opaque)                              -> Opaque;
    86  up     (12..)   SendRequestToSession             (Opaque)                              -> Opaque;
    87  down   (12..)   SubscriptionNotification         (topics::SubscriptionNotice)          -> ();
    88  down   (12..)   ForwardRequest                   (Opaque)                              -> Opaque;
    91  up     (12..)   TopicNotificationDeregister      (Opaque)                              -> Opaque;
    92  down   (12..)   TopicNotificationEvent           (Opaque)                              -> Opaque;
    93  down   (12..)   TopicDescendantEvent             (Opaque)                              -> Opaque;
    94  up     (12..)   TopicNotificationSelect          (Opaque)                              -> Opaque;
    95  up     (12..)   TopicNotificationDeselect        (Opaque)                              -> Opaque;
    96  server (..)     ForwardBetweenServers            (Opaque)                              -> Opaque;
    97  up     (12..)   RequestHandlerRegister           (Opaque)                              -> Opaque;
    98  up     (12..)   RequestHandlerDeregister         (Opaque)                              -> Opaque;
    99  up     (12..)   TimeSeriesAppend                 (time_series::AppendRequest)            -> time_series::EventMetadata;
    100 up     (12..)   TimeSeriesEdit                   (time_series::EditRequest)              -> time_series::EventMetadata;
    102 up     (12..)   SendRequestToFilter              (Opaque)                              -> Opaque;
    103 down   (12..)   FilterResponse                   (Opaque)                              -> Opaque;
    104 server (..)     ServerInternal104                (Opaque)                              -> Opaque;
    105 up     (13..)   SetSessionProperties             (Opaque)                              -> Opaque;
    106 up     (13..)   SetSessionPropertiesByFilter     (Opaque)                              -> Opaque;
    107 server (..)     ServerInternal107                (Opaque)                              -> Opaque;
    108 server (..)     ServerInternal108                (Opaque)                              -> Opaque;
    109 server (..)     ServerInternal109                (Opaque)                              -> Opaque;
    110 server (..)     ServerInternal110                (Opaque)                              -> Opaque;
    111 server (..)     ServerInternal111                (Opaque)                              -> Opaque;
    112 up     (12..)   AddTopic                         (topic_control::AddTopicRequest)      -> topic_control::AddTopicResult;
    113 server (..)     ServerInternal113                (Opaque)                              -> Opaque;
    114 up     (14..)   AcquireLock                      (Opaque)                              -> Opaque;
    115 up     (14..)   CancelLockRequest                (Opaque)                              -> Opaque;
    116 up     (14..)   ReleaseLock                      (Opaque)                              -> Opaque;
    117 up     (15..)   FetchQuery                       (topics::FetchRequest)                -> topics::FetchResult;
    118 up     (15..)   SetTopic                         (topic_update::SetTopicRequest)       -> ();
    119 up     (15..)   AuthenticatorRegister            (Opaque)                              -> Opaque;
    120 down   (15..)   Authenticate                     (Opaque)                              -> Opaque;
    121 up     (15..)   AuthenticatorDeregister          (Opaque)                              -> Opaque;
    122 up     (15..)   AddAndSetTopic                   (topic_update::AddAndSetTopicRequest) -> topic_control::AddTopicResult;
    123 up     (15..)   ChangeRoles                      (Opaque)                              -> Opaque;
    124 up     (15..)   ChangeRolesByFilter              (Opaque)                              -> Opaque;
    125 up     (15..)   CreateUpdateStream               (update_stream::CreateUpdateStreamRequest) -> update_stream::UpdateStreamCreated;
    126 up     (15..)   CreateUpdateStreamAndSet         (topic_update::SetTopicRequest)       -> update_stream::UpdateStreamCreated;
    127 up     (15..)   CheckUpdateStream                (update_stream::UpdateStreamId)        -> ();
    128 up     (15..)   StreamSetTopic                   (update_stream::StreamSetRequest)      -> ();
    129 up     (15..)   StreamApplyDelta                 (update_stream::StreamDeltaRequest)    -> ();
    130 up     (15..)   StreamAddTopic                   (update_stream::StreamAddTopicRequest) -> update_stream::UpdateStreamAdded;
    131 up     (15..)   StreamAddAndSetTopic             (topic_update::AddAndSetTopicRequest) -> update_stream::UpdateStreamAdded;
    132 up     (15..)   FetchLog                         (Opaque)                              -> Opaque;
    133 server (..)     ServerInternal133                (Opaque)                              -> Opaque;
    135 up     (16..)   PutSessionMetricCollector        (Opaque)                              -> Opaque;
    136 up     (16..)   RemoveSessionMetricCollector     (Opaque)                              -> Opaque;
    137 up     (16..)   ListSessionMetricCollectors      (Opaque)                              -> Opaque;
    138 up     (16..)   CreateTopicView                  (Opaque)                              -> Opaque;
    139 up     (16..)   RemoveTopicView                  (Opaque)                              -> Opaque;
    141 up     (16..)   ListTopicViews                   (Opaque)                              -> Opaque;
    142 up     (16..)   GetServerMetrics                 (Opaque)                              -> Opaque;
    143 up     (16..)   ListGlobalPermissions            (())                                  -> security::PermissionIds;
    144 up     (18..)   ListPathPermissions              (security::ListPathPermissionsRequest) -> security::PermissionIds;
    145 up     (16..)   GetEntityMetrics                 (Opaque)                              -> Opaque;
    146 up     (16..)   PutTopicMetricCollector          (Opaque)                              -> Opaque;
    147 up     (16..)   RemoveTopicMetricCollector       (Opaque)                              -> Opaque;
    148 up     (16..)   ListTopicMetricCollectors        (Opaque)                              -> Opaque;
    149 up     (17..)   FetchJmxValues                   (Opaque)                              -> Opaque;
    151 up     (17..)   ApplyJsonPatch                   (topic_update::ApplyJsonPatchRequest) -> topic_update::PatchResult;
    157 up     (18..)   CreateRemoteServer               (Opaque)                              -> Opaque;
    158 up     (18..)   RemoveRemoteServer               (Opaque)                              -> Opaque;
    159 up     (18..)   ReplaceLicence                   (Opaque)                              -> Opaque;
    162 up     (18..)   CloseByFilter                    (Opaque)                              -> Opaque;
    163 up     (18..)   SetConflationByFilter            (Opaque)                              -> Opaque;
    164 up     (18..)   ListRemoteServers                (Opaque)                              -> Opaque;
    165 up     (18..)   CheckRemoteServer                (Opaque)                              -> Opaque;
    166 up     (19..)   TimeSeriesTimestampAppend        (time_series::TimestampAppendRequest)   -> time_series::EventMetadata;
    168 up     (22..)   SessionFetchQuery                (Opaque)                              -> Opaque;
    170 up     (22..)   GatewayRequest                   (Opaque)                              -> Opaque;
    173 up     (22..)   GatewayRegister                  (Opaque)                              -> Opaque;
    174 up     (22..)   GatewayRemove                    (Opaque)                              -> Opaque;
    175 up     (22..)   ListGateways                     (Opaque)                              -> Opaque;
    176 up     (22..)   PutBranchMappingTable            (Opaque)                              -> Opaque;
    177 up     (22..)   ListSessionTreeBranches          (Opaque)                              -> Opaque;
    178 up     (22..)   GetBranchMappingTable            (Opaque)                              -> Opaque;
    182 up     (24..)   GetTopicView                     (Opaque)                              -> Opaque;
    185 up     (24..)   GetGatewayDetails                (Opaque)                              -> Opaque;
    186 up     (26..)   FetchMetrics                     (Opaque)                              -> Opaque;
    187 up     (29..)   SetMetricAlert                   (Opaque)                              -> Opaque;
    188 up     (29..)   ListMetricAlerts                 (Opaque)                              -> Opaque;
    189 up     (28..)   SessionEventListener             (Opaque)                              -> Opaque;
    190 up     (28..)   SessionEventListenerDeregister   (Opaque)                              -> Opaque;
    191 up     (29..)   RemoveMetricAlert                (Opaque)                              -> Opaque;
    196 up     (29..)   GetSessionLock                   (Opaque)                              -> Opaque;
    197 up     (29..)   ListSessionLocks                 (Opaque)                              -> Opaque;
    198 up     (29..)   GetTopicSelections               (Opaque)                              -> Opaque;
    199 up     (29..)   UnsubscribeAll                   (topics::UnsubscribeAllRequest)       -> ();
    200 up     (29..)   UnsubscribeAllByFilter           (Opaque)                              -> Opaque;
    201 up     (29..)   UnsubscribeAllSession            (Opaque)                              -> Opaque;
    202 up     (29..)   GetOwnSessionProperties          (())                                  -> session_properties::OwnProperties;
    203 up     (29..)   Reauthenticate                   (Opaque)                              -> Opaque;
    204 up     (29..)   RevokeAuthentication             (Opaque)                              -> Opaque;
}

#[cfg(test)]
mod tests;
