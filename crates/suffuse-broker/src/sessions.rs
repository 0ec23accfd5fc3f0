//! All sessions, and by what they are found.

use hashbrown::HashMap;
use slab::Slab;
use suffuse_proto::SessionToken;

use crate::{event::LinkId, session::Session};

/// Where a session is in the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionKey(pub(crate) u32);

/// The sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    sessions: Slab<Box<Session>>,
    links: HashMap<LinkId, SessionKey>,
    tokens: HashMap<SessionToken, SessionKey>,
}

impl Sessions {
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn get(&self, key: SessionKey) -> Option<&Session> {
        self.sessions.get(key.0 as usize).map(|session| &**session)
    }

    pub(crate) fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.sessions
            .get_mut(key.0 as usize)
            .map(|session| &mut **session)
    }

    pub(crate) fn by_link(&self, link: LinkId) -> Option<SessionKey> {
        self.links.get(&link).copied()
    }

    pub(crate) fn by_token(&self, token: &SessionToken) -> Option<SessionKey> {
        self.tokens.get(token).copied()
    }

    pub(crate) fn insert(&mut self, session: Session) -> SessionKey {
        let (link, token) = (session.link, session.token);
        let key = self.sessions.insert(Box::new(session));
        let key = SessionKey(u32::try_from(key).expect("there are fewer than 2^32 sessions"));
        self.tokens.insert(token, key);
        if let Some(link) = link {
            self.links.insert(link, key);
        }
        key
    }

    pub(crate) fn remove(&mut self, key: SessionKey) -> Option<Box<Session>> {
        let session = self.sessions.try_remove(key.0 as usize)?;
        self.tokens.remove(&session.token);
        if let Some(link) = session.link {
            self.links.remove(&link);
        }
        Some(session)
    }

    /// Takes its connection from a session.
    pub(crate) fn detach(&mut self, link: LinkId) -> Option<SessionKey> {
        let key = self.links.remove(&link)?;
        self.get_mut(key)?.link = None;
        Some(key)
    }

    /// Gives a session that has none a connection.
    pub(crate) fn attach(&mut self, key: SessionKey, link: LinkId) {
        if let Some(session) = self.get_mut(key) {
            session.link = Some(link);
            self.links.insert(link, key);
        }
    }

    /// Returns some of the sessions that have a connection.
    pub(crate) fn connected(&self, count: usize) -> Vec<SessionKey> {
        self.links.values().take(count).copied().collect()
    }

    pub(crate) fn connected_len(&self) -> usize {
        self.links.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter().map(|(_, session)| &**session)
    }

    pub(crate) fn keys(&self) -> Vec<SessionKey> {
        let keys = self.sessions.iter().map(|(key, _)| key as u32);
        keys.map(SessionKey).collect()
    }
}
