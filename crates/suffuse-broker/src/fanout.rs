//! Fan-out: one update to everyone who watches its topic.
//!
//! An update is encoded at most twice in each encoding, however many sessions get it (P§6): as a delta for
//! those that have the previous value, and as a value for the others. Topic ids are the same for all
//! sessions, so these frames are shared; one more subscriber costs a reference count and a push.

use std::{io::Write as _, sync::OnceLock};

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
    pub(crate) delta: Option<Bytes>,
    pub(crate) conflation: Conflation,
    /// How hard to compress; `None`: not at all.
    pub(crate) compression: Option<Compression>,
    value_frames: Forms,
    delta_frames: Forms,
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
        Self {
            topic,
            path,
            value,
            delta,
            conflation,
            compression,
            value_frames,
            delta_frames,
        }
    }

    /// Returns what a session gets: the delta if it has the previous value and there is one.
    pub(crate) fn payload(&self, as_delta: bool) -> &Bytes {
        self.delta
            .as_ref()
            .filter(|_| as_delta)
            .unwrap_or(&self.value)
    }

    /// Returns the frame for a session.
    pub(crate) fn frame(&self, as_delta: bool, reception: Reception) -> &Frame {
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
}

fn compress(payload: &[u8], level: Compression) -> Bytes {
    let mut encoder = ZlibEncoder::new(Vec::new(), level);
    encoder
        .write_all(payload)
        .expect("a vector takes all bytes");
    encoder.finish().expect("a vector takes all bytes").into()
}
