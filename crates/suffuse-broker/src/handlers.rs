//! The handlers of services, by feature: each decides, and commits what changes.

pub(crate) mod security;
pub(crate) mod session_properties;
pub(crate) mod system;
pub(crate) mod time_series;
pub(crate) mod topic_control;
pub(crate) mod topic_update;
pub(crate) mod topics;
pub(crate) mod update_stream;
pub(crate) mod v9;

use suffuse_proto::{ErrorReason, Path, Selector, TopicSpecification};

use crate::{
    Broker,
    broker::Answer,
    call::Caller,
    security::{PathPermission, Roles},
};

/// Returns the roles of the caller. A caller whose session ended meanwhile has none.
fn roles(broker: &Broker, caller: &Caller) -> std::sync::Arc<Roles> {
    broker
        .sessions
        .get(caller.session)
        .map(|session| session.roles.clone())
        .unwrap_or_default()
}

/// Parses a selector that the caller may use.
fn selector(broker: &Broker, caller: &Caller, text: &str) -> Answer<Selector> {
    let selector = parse_selector(text)?;
    roles(broker, caller).require_path(PathPermission::SelectTopic, selector.prefix())?;
    Ok(selector)
}

fn parse_selector(text: &str) -> Answer<Selector> {
    Selector::parse(text).map_err(|error| ErrorReason::INVALID_DATA.with(error.to_string()))
}

/// The first part of the paths of the server's own topics.
const RESERVED: &str = "Diffusion";

/// Parses the path of a topic that a client may add.
fn topic_path(text: &str) -> Answer<Path> {
    let invalid = |message: String| ErrorReason::INVALID_TOPIC_PATH.with(message);
    let path = Path::parse(text).map_err(|error| invalid(error.to_string()))?;
    if path.parts().next() == Some(RESERVED) {
        return Err(invalid(format!(
            "topic path `{path}` starts with `{RESERVED}`, which is reserved for the server"
        )));
    }
    Ok(path)
}

/// Normalises a specification that a client gave.
fn specification(given: &TopicSpecification) -> Answer<TopicSpecification> {
    let invalid = |message: String| ErrorReason::INVALID_TOPIC_SPECIFICATION.with(message);
    let specification = given
        .normalised()
        .map_err(|error| invalid(error.to_string()))?;
    Ok(specification)
}
