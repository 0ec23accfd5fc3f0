//! Pings.

use crate::{Broker, broker::Answer, call::Caller};

pub(crate) fn ping(_broker: &mut Broker, _caller: &Caller, (): ()) -> Answer<()> {
    Ok(())
}
