//! Fan-out: one update to everyone who watches its topic.
//!
//! An update is encoded at most twice in each encoding, however many sessions get it (P§6): as a delta for
//! those that have the previous value, and as a value for the others. Topic ids are the same for all
//! sessions, so these frames are shared; one more subscriber costs a reference count and a push.

use std::{
    io::Write as _,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use flate2::{Compression, write::ZlibEncoder};
use suffuse_proto::{
    Path,
    message::TopicId,
    specification::Conflation,
    topic_message::{self, Reception},
};

use crate::Frame;

/// Payloads that are smaller are not worth compressing, in bytes.
const COMPRESSED_BYTES_MIN: usize = 200;

/// A new value of a topic.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) topic: TopicId,
    path: Path,
    pub(crate) value: Bytes,
    /// What changed, if that is shorter, and the previous value was published.
    delta: Option<Bytes>,
    pub(crate) conflation: Conflation,
    /// How hard to compress; `None`: not at all.
    pub(crate) compression: Option<Compression>,
    value_frames: Forms,
    delta_frames: Forms,
    /// If it is a burst: the updates that it consists of.
    parts: Vec<Arc<Self>>,
    /// What queues count, once for each session.
    sizes: Sizes,
}

/// How large an update is, in bytes.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// What a session gets that does not have the previous value.
    as_value: usize,
    /// What a session gets that has it.
    as_delta: usize,
    /// What stays in memory while it waits.
    kept: usize,
}

/// The frames of a payload, each made when the first session needs it.
#[derive(Debug, Default)]
struct Forms {
    plain: OnceLock<Frame>,
    /// `None`: compressed it would not be smaller.
    zlib: OnceLock<Option<Frame>>,
    by_path: OnceLock<Frame>,
}

impl Update {
    pub(crate) fn new(
        topic: TopicId,
        path: Path,
        value: Bytes,
        delta: Option<Bytes>,
        conflation: Conflation,
        compression: Option<Compression>,
    ) -> Self {
        let (value_frames, delta_frames) = (Forms::default(), Forms::default());
        let sizes = Sizes {
            as_value: value.len(),
            as_delta: delta.as_ref().unwrap_or(&value).len(),
            kept: value.len(),
        };
        Self {
            topic,
            path,
            value,
            delta,
            conflation,
            compression,
            value_frames,
            delta_frames,
            parts: Vec::new(),
            sizes,
        }
    }

    /// Joins updates of one topic that followed each other without anything between them. A session gets
    /// all of them, in one frame: many updates then cost it no more than one.
    pub(crate) fn burst(parts: Vec<Arc<Self>>) -> Option<Self> {
        let last = parts.last()?;
        let (topic, path, value) = (last.topic, last.path.clone(), last.value.clone());
        let mut burst = Self::new(topic, path, value, None, last.conflation, last.compression);
        burst.parts = parts;
        let sum = |as_delta| {
            let parts = burst.each_part(as_delta);
            parts
                .map(|(part, as_delta)| part.payload_bytes(as_delta))
                .sum()
        };
        burst.sizes = Sizes {
            as_value: sum(false),
            as_delta: sum(true),
            kept: burst.parts.iter().map(|part| part.sizes.kept).sum(),
        };
        Some(burst)
    }

    /// Returns the updates that a burst consists of; none if it is a single update.
    pub(crate) fn parts(&self) -> &[Arc<Self>] {
        &self.parts
    }

    /// Returns whether a session that has the previous value can get less than the value.
    pub(crate) fn has_delta(&self) -> bool {
        self.delta.is_some() || self.parts.first().is_some_and(|first| first.has_delta())
    }

    /// Returns how much a session gets, in bytes.
    pub(crate) fn payload_bytes(&self, as_delta: bool) -> usize {
        match as_delta {
            true => self.sizes.as_delta,
            false => self.sizes.as_value,
        }
    }

    /// Returns how much the update keeps in memory, in bytes.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.sizes.kept
    }

    /// Visits the parts of a burst, and whether each is sent as delta: after the first the session has the
    /// previous value.
    pub(crate) fn each_part(&self, as_delta: bool) -> impl Iterator<Item = (&Self, bool)> {
        let parts = self.parts.iter().enumerate();
        parts.map(move |(index, part)| (&**part, as_delta || index > 0))
    }

    /// Returns what a session gets: the delta if it has the previous value and there is one.
    fn payload(&self, as_delta: bool) -> &Bytes {
        self.delta
            .as_ref()
            .filter(|_| as_delta)
            .unwrap_or(&self.value)
    }

    /// Returns the frame for a session.
    pub(crate) fn frame(&self, as_delta: bool, reception: Reception) -> &Frame {
        if !self.parts.is_empty() {
            return self.burst_frame(as_delta, reception);
        }
        let payload = self.payload(as_delta);
        let is_delta = as_delta && self.delta.is_some();
        let forms = if is_delta {
            &self.delta_frames
        } else {
            &self.value_frames
        };
        let encode = |payload: &Bytes, reception| {
            let message =
                topic_message::data(self.topic, &self.path, payload.clone(), is_delta, reception);
            Frame::new(&message, topic_message::frame_version(reception))
        };
        match reception {
            Reception::Plain => forms.plain.get_or_init(|| encode(payload, reception)),
            Reception::ByPath => forms.by_path.get_or_init(|| encode(payload, reception)),
            Reception::Zlib => {
                let compress = || {
                    let level = self.compression?;
                    let compressed = (payload.len() >= COMPRESSED_BYTES_MIN)
                        .then(|| compress(payload, level))?;
                    (compressed.len() < payload.len()).then(|| encode(&compressed, reception))
                };
                let zlib = forms.zlib.get_or_init(compress).as_ref();
                zlib.unwrap_or_else(|| self.frame(as_delta, Reception::Plain))
            }
        }
    }

    /// Returns the frames for a session that knows the topic under another id: nobody shares them.
    pub(crate) fn frames_under(
        &self,
        alias: TopicId,
        as_delta: bool,
        reception: Reception,
    ) -> impl Iterator<Item = Frame> {
        // What nobody shares is not worth compressing.
        let reception = match reception {
            Reception::Plain | Reception::Zlib => Reception::Plain,
            Reception::ByPath => Reception::ByPath,
        };
        let single = self.parts.is_empty().then_some((self, as_delta));
        let updates = single.into_iter().chain(self.each_part(as_delta));
        updates.map(move |(update, as_delta)| {
            let is_delta = as_delta && update.delta.is_some();
            let payload = update.payload(as_delta).clone();
            let message = topic_message::data(alias, &update.path, payload, is_delta, reception);
            Frame::new(&message, topic_message::frame_version(reception))
        })
    }

    fn burst_frame(&self, as_delta: bool, reception: Reception) -> &Frame {
        let forms = if as_delta {
            &self.delta_frames
        } else {
            &self.value_frames
        };
        let join = || {
            let parts = self.each_part(as_delta);
            Frame::join(parts.map(|(part, as_delta)| part.frame(as_delta, reception)))
        };
        match reception {
            Reception::Plain => forms.plain.get_or_init(join),
            Reception::ByPath => forms.by_path.get_or_init(join),
            Reception::Zlib => forms
                .zlib
                .get_or_init(|| Some(join()))
                .as_ref()
                .expect("a burst always has a frame"),
        }
    }
}

fn compress(payload: &[u8], level: Compression) -> Bytes {
    let mut encoder = ZlibEncoder::new(Vec::new(), level);
    encoder
        .write_all(payload)
        .expect("a vector takes all bytes");
    encoder.finish().expect("a vector takes all bytes").into()
}
