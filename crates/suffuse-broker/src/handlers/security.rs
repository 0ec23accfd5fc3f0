//! The caller's own permissions.

use suffuse_proto::services::security::{ListPathPermissionsRequest, PermissionIds};

use super::roles;
use crate::{Broker, broker::Answer, call::Caller};

pub(crate) fn list_global_permissions(
    broker: &mut Broker,
    caller: &Caller,
    (): (),
) -> Answer<PermissionIds> {
    Ok(PermissionIds(roles(broker, caller).global_ids()))
}

pub(crate) fn list_path_permissions(
    broker: &mut Broker,
    caller: &Caller,
    request: ListPathPermissionsRequest,
) -> Answer<PermissionIds> {
    let path = request.path.trim_matches('/');
    Ok(PermissionIds(roles(broker, caller).path_ids(path)))
}
