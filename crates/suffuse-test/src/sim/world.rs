//! All that the handles of a simulation share: the broker, its links, and the time.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use suffuse_broker::{Broker, Effect, Event, LinkId, Opening, PrincipalStore, Settings, Ticket};

use super::{
    Reading,
    link::{Link, Outcome},
};

/// How many bytes a port takes at once, if nothing else is said.
const PORT_BYTES: usize = 64 << 10;

/// Returns the hash of a password, as the simulation has it.
pub(crate) fn hash_of(password: &str) -> String {
    format!("hash of {password}")
}

/// The checks of passwords, which take as long as a test wants.
#[derive(Debug, Default)]
pub(crate) struct Passwords {
    pub(crate) are_held: bool,
    held: Vec<(Ticket, bool)>,
    pub(crate) checked: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) broker: Broker,
    start: Instant,
    now: Instant,
    links: BTreeMap<LinkId, Link>,
    /// The connections that others take the place of.
    replaced: BTreeMap<LinkId, LinkId>,
    pub(crate) passwords: Passwords,
    /// Whether frames stay in the broker until the end of a batch.
    pub(crate) is_batching: bool,
    last_link: u64,
}

impl World {
    pub(crate) fn new(settings: Settings, principals: PrincipalStore) -> Self {
        let start = Instant::now();
        Self {
            broker: Broker::new(settings, principals, Box::new(random())),
            start,
            now: start,
            links: BTreeMap::new(),
            replaced: BTreeMap::new(),
            passwords: Passwords::default(),
            is_batching: false,
            last_link: 0,
        }
    }

    /// The wall clock, which starts at the same moment in every test.
    pub(crate) fn wall_clock(&self) -> Duration {
        Duration::from_secs(1_800_000_000) + (self.now - self.start)
    }

    /// Opens a connection; `before` is the one that it takes the place of.
    pub(crate) fn open(&mut self, opening: Opening, before: Option<LinkId>) -> LinkId {
        self.last_link += 1;
        let id = LinkId(self.last_link);
        self.replaced.extend(before.map(|before| (id, before)));
        let (version, capabilities) = (opening.request.version, opening.request.capabilities);
        let mut link = Link::new(version, opening.transport, capabilities.has_zlib());
        // A client that does not read goes on so; one that could not hear can.
        let before = before.and_then(|before| self.links.get(&before));
        if before.is_some_and(|before| before.reading == Reading::Stopped) {
            link.reading = Reading::Stopped;
        }
        self.links.insert(id, link);
        self.handle(Event::Open {
            link: id,
            opening: Box::new(opening),
        });
        id
    }

    pub(crate) fn link(&mut self, id: LinkId) -> &mut Link {
        self.links
            .get_mut(&id)
            .expect("links are kept until the end of the test")
    }

    pub(crate) fn handle(&mut self, event: Event) {
        self.broker.handle(event, self.now);
        if !self.is_batching {
            self.run();
        }
    }

    /// Hands everything over that the broker has. Frames go first, as the server has it.
    pub(crate) fn run(&mut self) {
        let links = &mut self.links;
        self.broker.flush(|id, outbox| {
            let link = links
                .get_mut(&id)
                .expect("the broker knows links that were opened");
            let mut port = Vec::new();
            match link.reading {
                Reading::Fast => {
                    while !outbox.is_empty() {
                        outbox.take(&mut port, PORT_BYTES);
                    }
                }
                Reading::UpTo(bytes) => outbox.take(&mut port, bytes),
                Reading::Stopped => {}
                Reading::Deaf => {
                    while !outbox.is_empty() {
                        outbox.take(&mut port, PORT_BYTES);
                    }
                    port.clear();
                }
            }
            link.receive(&port);
        });
        while let Some(effect) = self.broker.poll_effect() {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Accept { link, response } => {
                let before = self.replaced.get(&link);
                let before = before.and_then(|before| self.links.get(before)).cloned();
                self.link(link).accept(response, before);
            }
            Effect::Reject {
                link,
                code,
                version,
            } => {
                let link = self.link(link);
                assert_eq!(
                    version,
                    link.version.number(),
                    "a client reads its own version only"
                );
                link.outcome = Outcome::Refused(code);
            }
            Effect::Verify {
                ticket,
                hash,
                password,
            } => {
                let is_right = hash == hash_of(&password.0);
                self.passwords.checked.push(hash);
                self.passwords.held.push((ticket, is_right));
                if !self.passwords.are_held {
                    self.release_passwords();
                }
            }
            Effect::Close {
                link,
                cause,
                frames,
            } => {
                let link = self.link(link);
                assert_eq!(link.closed, None, "a link ends once");
                link.receive(&frames);
                link.closed = Some(cause);
            }
        }
    }

    pub(crate) fn release_passwords(&mut self) {
        self.passwords.are_held = false;
        for (ticket, is_right) in std::mem::take(&mut self.passwords.held) {
            self.handle(Event::Verified { ticket, is_right });
        }
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.broker.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.broker.handle_timeout(self.now);
            self.run();
        }
        self.now = end;
    }
}

/// Bytes that are the same in every test.
fn random() -> impl FnMut(&mut [u8]) + Send {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move |bytes| {
        for byte in bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state as u8;
        }
    }
}
