//! The properties of the session.

use std::collections::BTreeMap;

use suffuse_proto::service::GetOwnSessionProperties;

use crate::{error::RequestError, session::Session};

/// What can be done with session properties.
#[derive(Clone, Copy, Debug)]
pub struct Properties<'a> {
    session: &'a Session,
}

impl<'a> Properties<'a> {
    pub(crate) fn new(session: &'a Session) -> Self {
        Self { session }
    }

    /// Returns the session's own properties: those that the server has set, such as `$Principal` or
    /// `$Transport`, and those that it accepted from the client.
    ///
    /// # Errors
    /// When the server refuses, or the session is closed.
    pub async fn own(&self) -> Result<BTreeMap<String, String>, RequestError> {
        let properties = self.session.request::<GetOwnSessionProperties>(&()).await?;
        Ok(properties.0.unwrap_or_default())
    }
}
