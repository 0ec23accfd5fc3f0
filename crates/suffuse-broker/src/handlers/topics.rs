//! Subscribing and fetching.

use suffuse_proto::{
    ErrorReason,
    services::topics::{FetchRequest, FetchResult, SelectionRequest, UnsubscribeAllRequest},
};

use super::{parse_selector, selector};
use crate::{Broker, broker::Answer, call::Caller, subscription::Selections, topic::fetch};

/// The longest name of a scope, in bytes.
const SCOPE_BYTES_MAX: usize = 1024;

pub(crate) fn subscribe(
    broker: &mut Broker,
    caller: &Caller,
    request: SelectionRequest,
) -> Answer<()> {
    check_scope(&request.scope)?;
    let selector = selector(broker, caller, &request.selector)?;
    check_room(broker, caller, |selections| {
        selections.growth_by_select(&request.scope, &selector)
    })?;
    broker.select(caller.session, &request.scope, selector);
    Ok(())
}

/// Needs no permission: whoever is subscribed may end it.
pub(crate) fn unsubscribe(
    broker: &mut Broker,
    caller: &Caller,
    request: SelectionRequest,
) -> Answer<()> {
    check_scope(&request.scope)?;
    let selector = parse_selector(&request.selector)?;
    check_room(broker, caller, |selections| {
        selections.growth_by_deselect(|scope| scope == request.scope, &selector)
    })?;
    broker.deselect(caller.session, &selector, |session| {
        session.selections.deselect(&request.scope, &selector);
    });
    Ok(())
}

pub(crate) fn unsubscribe_all(
    broker: &mut Broker,
    caller: &Caller,
    request: UnsubscribeAllRequest,
) -> Answer<()> {
    let selector = parse_selector(&request.selector)?;
    check_room(broker, caller, |selections| {
        selections.growth_by_deselect(|_scope| true, &selector)
    })?;
    broker.deselect(caller.session, &selector, |session| {
        session.selections.deselect_all(&selector);
    });
    Ok(())
}

/// Checks that a session may have so many selections more. Deselections are kept too, so they count.
fn check_room(
    broker: &Broker,
    caller: &Caller,
    growth: impl FnOnce(&Selections) -> usize,
) -> Answer<()> {
    let Some(session) = broker.sessions.get(caller.session) else {
        return Ok(());
    };
    let max = broker.settings.selections_max;
    let growth = growth(&session.selections);
    if growth == 0 || session.selections.len() + growth <= max {
        return Ok(());
    }
    Err(ErrorReason::INVALID_DATA.with(format!(
        "the session has {max} selections and deselections, and may not have more: unsubscribe from `?.*//` first"
    )))
}

fn check_scope(scope: &str) -> Answer<()> {
    match scope {
        _ if scope.starts_with('$') => Err(ErrorReason::INVALID_DATA.with(format!(
            "scope `{scope}` starts with `$`, which is reserved"
        ))),
        _ if scope.len() > SCOPE_BYTES_MAX => Err(ErrorReason::INVALID_DATA.with(format!(
            "the name of the scope has {} bytes, and at most {SCOPE_BYTES_MAX} are possible",
            scope.len()
        ))),
        _ => Ok(()),
    }
}

pub(crate) fn fetch(
    broker: &mut Broker,
    caller: &Caller,
    request: FetchRequest,
) -> Answer<FetchResult> {
    let selector = selector(broker, caller, &request.selector)?;
    Ok(fetch::run(broker, caller, &selector, &request))
}
