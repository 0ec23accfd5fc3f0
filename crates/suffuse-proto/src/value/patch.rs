//! JSON patches (RFC 6902) of JSON values (spec: topics §6.5).
//!
//! They work on the bytes: what a patch does not touch stays as it was written, so that a value which is
//! patched and one which is set are the same bytes, and deltas stay small. (Crates for patches work on
//! trees of JSON, which know neither bytes nor how a number was written.) Arrays and maps are taken apart
//! only where a pointer leads through them.

use bytes::Bytes;
use serde::Deserialize;

use super::cbor::{CborError, Cursor, Item};
use super::json;

mod node;

use node::Node;

/// A patch.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch(Vec<Operation>);

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Operation {
    Add { path: Pointer, value: Written },
    Remove { path: Pointer },
    Replace { path: Pointer, value: Written },
    Move { from: Pointer, path: Pointer },
    Copy { from: Pointer, path: Pointer },
    Test { path: Pointer, value: Written },
}

/// The bytes of a value in a patch.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "serde_json::Value")]
struct Written(Bytes);

impl From<serde_json::Value> for Written {
    fn from(value: serde_json::Value) -> Self {
        Self(json::from_json(&value))
    }
}

/// A JSON pointer (RFC 6901): the keys and indexes on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Pointer(Vec<String>);

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let invalid = |what: &str| Err(format!("`{text}` is no JSON pointer: {what}"));
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let Some(tokens) = text.strip_prefix('/') else {
            return invalid("it is empty, or starts with `/`");
        };
        let is_escaped = |rest: &str| rest.starts_with(['0', '1']);
        if !text.split('~').skip(1).all(is_escaped) {
            return invalid("`~` is written `~0`");
        }
        let token = |token: &str| token.replace("~1", "/").replace("~0", "~");
        Ok(Self(tokens.split('/').map(token).collect()))
    }
}

/// Why a text is no patch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text is no JSON patch: {0}")]
pub struct PatchSyntaxError(String);

/// Why a patch cannot be applied to a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// An operation names nothing, or a test does not hold.
    #[error("operation {0} of the patch fails")]
    Operation(usize),
    /// The operations write more than allowed, or nest too deep.
    #[error("operation {operation} of the patch makes the value too long or too deep")]
    TooLarge {
        /// The index of the operation.
        operation: usize,
    },
    /// The value is not one item of CBOR.
    #[error("the value cannot be patched: {0}")]
    Value(#[from] CborError),
}

impl Patch {
    /// Parses a patch: a JSON array of operations.
    ///
    /// # Errors
    /// When it is not JSON, or an operation is not one of RFC 6902 with all that belongs to it.
    pub fn parse(text: &str) -> Result<Self, PatchSyntaxError> {
        serde_json::from_str(text)
            .map(Self)
            .map_err(|error| PatchSyntaxError(error.to_string()))
    }

    /// Returns the value that the patch makes of another one. The work is bounded: what the operations
    /// write, compare and look through has at most `bytes_max` bytes and entries.
    ///
    /// # Errors
    /// When the value is not CBOR, when an operation fails, and when there is too much to do.
    pub fn apply(&self, value: &Bytes, bytes_max: usize) -> Result<Bytes, PatchError> {
        Cursor::only_item(value)?;
        let mut document = Document {
            root: Node::Raw(value.clone()),
            work_left: bytes_max,
        };
        for (index, operation) in self.0.iter().enumerate() {
            document.apply(operation).map_err(|failure| match failure {
                Failure::Fails => PatchError::Operation(index),
                Failure::TooMuch => PatchError::TooLarge { operation: index },
            })?;
        }
        let patched = document.root.to_bytes();
        match patched.len() <= bytes_max.max(value.len()) {
            true => Ok(patched),
            false => Err(PatchError::TooLarge {
                operation: self.0.len().saturating_sub(1),
            }),
        }
    }
}

/// Why an operation is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// It cannot be.
    Fails,
    /// The limits do not allow it.
    TooMuch,
}

/// A value while it is patched.
struct Document {
    root: Node,
    /// How much may still be written, compared and looked through.
    work_left: usize,
}

impl Document {
    fn apply(&mut self, operation: &Operation) -> Result<(), Failure> {
        match operation {
            Operation::Add { path, value } => self.add(&path.0, value.0.clone()),
            Operation::Remove { path } => self.remove(&path.0).map(|_| ()),
            Operation::Replace { path, value } => {
                self.check_size(path.0.len(), &value.0)?;
                *self.find(&path.0)? = Node::Raw(value.0.clone());
                Ok(())
            }
            Operation::Move { from, path } if from == path => self.find(&from.0).map(|_| ()),
            // Nothing can be moved into itself.
            Operation::Move { from, path } if path.0.starts_with(&from.0) => Err(Failure::Fails),
            Operation::Move { from, path } => {
                let moved = self.remove(&from.0)?.to_bytes();
                self.add(&path.0, moved)
            }
            Operation::Copy { from, path } => {
                let copied = self.find(&from.0)?.to_bytes();
                self.add(&path.0, copied)
            }
            Operation::Test { path, value } => {
                let found = self.find(&path.0)?.to_bytes();
                self.spend(found.len())?;
                if found == value.0 {
                    Ok(())
                } else {
                    Err(Failure::Fails)
                }
            }
        }
    }

    fn find(&mut self, path: &[String]) -> Result<&mut Node, Failure> {
        let mut node = &mut self.root;
        for token in path {
            node.take_apart();
            self.work_left = self
                .work_left
                .checked_sub(node.width())
                .ok_or(Failure::TooMuch)?;
            node = node.child(token).ok_or(Failure::Fails)?;
        }
        Ok(node)
    }

    fn add(&mut self, path: &[String], value: Bytes) -> Result<(), Failure> {
        self.check_size(path.len(), &value)?;
        let Some((token, parent)) = path.split_last() else {
            self.root = Node::Raw(value);
            return Ok(());
        };
        let parent = self.find_parent(parent)?;
        match parent.insert(token, value) {
            true => Ok(()),
            false => Err(Failure::Fails),
        }
    }

    fn remove(&mut self, path: &[String]) -> Result<Node, Failure> {
        let (token, parent) = path.split_last().ok_or(Failure::Fails)?;
        let parent = self.find_parent(parent)?;
        parent.remove(token).ok_or(Failure::Fails)
    }

    fn find_parent(&mut self, path: &[String]) -> Result<&mut Node, Failure> {
        let width = {
            let node = self.find(path)?;
            node.take_apart();
            node.width()
        };
        self.spend(width)?;
        self.find(path)
    }

    /// Checks that a value may be written at a depth.
    fn check_size(&mut self, depth: usize, value: &[u8]) -> Result<(), Failure> {
        self.spend(value.len())?;
        if depth > super::cbor::DEPTH_MAX {
            return Err(Failure::Fails); // Nothing is that deep.
        }
        // An array of one item for each level above it.
        let mut nested = vec![0x81; depth];
        nested.extend_from_slice(value);
        match Cursor::new(&nested).skip() {
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::TooMuch),
        }
    }

    fn spend(&mut self, work: usize) -> Result<(), Failure> {
        self.work_left = self.work_left.checked_sub(work).ok_or(Failure::TooMuch)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
