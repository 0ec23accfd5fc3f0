//! All topics, in path order.
//!
//! One ordered map holds the paths; a branch is a range of it. A scan for a selector starts at the path
//! prefix of the selector, and jumps over branches that are too deep to match.

use std::{collections::BTreeMap, sync::Arc};

use slab::Slab;
use suffuse_proto::{
    Path, Selector, TopicSpecification,
    message::TopicId,
    path::{self, PathKey},
};

use super::{Kind, Topic, TopicKey};

/// How many specifications are shared. Beyond it, new ones are not.
const SHARED_KINDS_MAX: usize = 1024;

/// The topic tree.
#[derive(Debug, Default)]
pub(crate) struct TopicTree {
    topics: Slab<Topic>,
    paths: BTreeMap<Path, TopicKey>,
    kinds: Vec<Arc<Kind>>,
    /// Topic ids are never used again, so they are counted on for the life of the server.
    last_id: i32,
}

impl TopicTree {
    pub(crate) fn len(&self) -> usize {
        self.topics.len()
    }

    pub(crate) fn find(&self, path: &str) -> Option<TopicKey> {
        self.paths.get(&path as &dyn PathKey).copied()
    }

    pub(crate) fn get(&self, key: TopicKey) -> Option<&Topic> {
        self.topics.get(key.0 as usize)
    }

    pub(crate) fn get_mut(&mut self, key: TopicKey) -> Option<&mut Topic> {
        self.topics.get_mut(key.0 as usize)
    }

    /// Returns an id that no topic has had.
    pub(crate) fn fresh_id(&mut self) -> TopicId {
        self.last_id = self.last_id.wrapping_add(1);
        TopicId(self.last_id)
    }

    pub(crate) fn insert(&mut self, path: Path, specification: TopicSpecification) -> TopicKey {
        let id = self.fresh_id();
        let kind = self.kind(specification);
        let key = self.topics.insert(Topic::new(id, path.clone(), kind));
        let key = TopicKey(u32::try_from(key).expect("there are fewer than 2^32 topics"));
        self.paths.insert(path, key);
        key
    }

    pub(crate) fn remove(&mut self, key: TopicKey) -> Option<Topic> {
        let topic = self.topics.try_remove(key.0 as usize)?;
        self.paths.remove(&topic.path);
        Some(topic)
    }

    /// Visits the topics that a selector matches, in path order.
    pub(crate) fn matching<'a>(
        &'a self,
        selector: &'a Selector,
    ) -> impl Iterator<Item = TopicKey> + 'a {
        Scan {
            tree: self,
            selector,
            range: path::branch(&self.paths, selector.prefix()),
        }
    }

    /// Visits the topics at and below a prefix, in path order.
    pub(crate) fn branch(
        &self,
        prefix: &str,
    ) -> impl DoubleEndedIterator<Item = (&Path, TopicKey)> {
        path::branch(&self.paths, prefix).map(|(path, key)| (path, *key))
    }

    fn kind(&mut self, specification: TopicSpecification) -> Arc<Kind> {
        // The last used ones are at the end. Trees have few specifications; a miss costs one pass.
        if let Some(at) = self
            .kinds
            .iter()
            .rposition(|kind| kind.specification == specification)
        {
            return self.kinds[at].clone();
        }
        let kind = Arc::new(Kind::new(specification));
        self.kinds.retain(|kind| Arc::strong_count(kind) > 1);
        if self.kinds.len() < SHARED_KINDS_MAX {
            self.kinds.push(kind.clone());
        }
        kind
    }
}

/// A walk over what a selector can match.
struct Scan<'a> {
    tree: &'a TopicTree,
    selector: &'a Selector,
    range: std::collections::btree_map::Range<'a, Path, TopicKey>,
}

impl Iterator for Scan<'_> {
    type Item = TopicKey;

    fn next(&mut self) -> Option<TopicKey> {
        loop {
            let (path, key) = self.range.next()?;
            // A jump makes a range that goes on to the end of the tree.
            if !path.starts_with(self.selector.prefix()) {
                return None;
            }
            if self.selector.matches(path) {
                return Some(*key);
            }
            if let Some(branch) = too_deep(path, self.selector) {
                self.range = path::after_branch(&self.tree.paths, branch);
            }
        }
    }
}

/// Returns the branch that has only topics too deep for the selector, if the path is in one.
fn too_deep<'a>(path: &'a Path, selector: &Selector) -> Option<&'a str> {
    let depth_max = selector.depth_max()?;
    let depth = path.depth();
    (depth > depth_max)
        .then(|| path.ancestors().nth(depth - depth_max - 1))
        .flatten()
}
