//! The caller's own session properties.

use suffuse_proto::services::session_properties::OwnProperties;

use crate::{Broker, broker::Answer, call::Caller, session::Session};

/// Needs no permission: a session may know itself.
pub(crate) fn get_own(broker: &mut Broker, caller: &Caller, (): ()) -> Answer<OwnProperties> {
    Ok(OwnProperties(
        broker.sessions.get(caller.session).map(Session::properties),
    ))
}
