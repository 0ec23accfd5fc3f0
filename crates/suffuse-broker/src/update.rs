//! Constraints of updates (spec: topics §8).

use suffuse_proto::{
    ErrorReason, Path, TopicType,
    services::topic_update::{Comparison, UpdateConstraint},
    value::json,
};

use crate::{Broker, broker::Answer, topic::Topic};

mod comparison;

/// How many bytes of values one constraint may search for parts of JSON. Beyond it the update is refused:
/// a request with very many pointers into a large value would hold up everybody.
const SEARCHED_BYTES_MAX: usize = 256 << 20;

/// Checks that a constraint holds for the topic at a path, if there is one.
pub(crate) fn check(broker: &Broker, path: &Path, constraint: &UpdateConstraint) -> Answer<()> {
    let key = broker.topics.find(path.as_str());
    let mut check = Check {
        topic: key.and_then(|key| broker.topics.get(key)),
        search_bytes_left: SEARCHED_BYTES_MAX,
    };
    if check.holds(constraint)? {
        return Ok(());
    }
    Err(ErrorReason::UNSATISFIED_CONSTRAINT.with(format!(
        "the constraint of the update of `{path}` is not satisfied"
    )))
}

/// The evaluation of a constraint.
struct Check<'a> {
    topic: Option<&'a Topic>,
    search_bytes_left: usize,
}

impl<'a> Check<'a> {
    fn holds(&mut self, constraint: &UpdateConstraint) -> Answer<bool> {
        match constraint {
            UpdateConstraint::Unconstrained => Ok(true),
            UpdateConstraint::All(all) => all
                .iter()
                .try_fold(true, |so_far, member| Ok(so_far && self.holds(member)?)),
            UpdateConstraint::Any(any) => any
                .iter()
                .try_fold(false, |so_far, member| Ok(so_far || self.holds(member)?)),
            UpdateConstraint::Value(comparison) => self.value_compares(comparison),
            UpdateConstraint::NoValue => Ok(self.topic.is_some() && self.value().is_none()),
            UpdateConstraint::NoTopic => Ok(self.topic.is_none()),
            UpdateConstraint::PartialJson { with, without } => {
                for (pointer, comparison) in with {
                    let Some(part) = self.part(pointer)? else {
                        return Ok(false);
                    };
                    if !comparison::holds(part, comparison)? {
                        return Ok(false);
                    }
                }
                self.has_none_of(without)
            }
            UpdateConstraint::Locked { .. } => {
                Err(ErrorReason::UNSUPPORTED.with("session locks in constraints are not built yet"))
            }
        }
    }

    fn value(&self) -> Option<&'a [u8]> {
        self.topic?.current_value().map(|value| &**value)
    }

    fn topic_type(&self) -> Option<TopicType> {
        self.topic.map(|topic| topic.kind.specification.topic_type)
    }

    fn value_compares(&self, comparison: &Comparison) -> Answer<bool> {
        // Bytes of other types are no CBOR, and compare as bytes only.
        let is_cbor = !matches!(
            self.topic_type(),
            Some(TopicType::BINARY | TopicType::RECORD_V2)
        );
        match self.value() {
            Some(value) if is_cbor => comparison::holds(value, comparison),
            Some(value) => comparison::holds_for_bytes(value, comparison),
            None => Ok(false),
        }
    }

    /// Nothing is at any of the pointers; but the topic has a JSON value.
    fn has_none_of(&mut self, pointers: &[String]) -> Answer<bool> {
        if self.json().is_none() {
            return Ok(false);
        }
        for pointer in pointers {
            if self.part(pointer)?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the part of the JSON value that a pointer names.
    fn part(&mut self, pointer: &str) -> Answer<Option<&'a [u8]>> {
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(ErrorReason::INVALID_DATA.with(format!(
                "`{pointer}` is no JSON pointer: it is empty, or starts with `/`"
            )));
        }
        let Some(value) = self.json() else {
            return Ok(None);
        };
        let left = self.search_bytes_left.checked_sub(value.len());
        self.search_bytes_left = left.ok_or_else(|| {
            ErrorReason::INVALID_DATA.with(format!(
                "the constraint has too many pointers for a value of {} bytes",
                value.len()
            ))
        })?;
        // A value that is not CBOR has no parts.
        Ok(json::find(value, pointer)
            .ok()
            .flatten()
            .map(|range| &value[range]))
    }

    fn json(&self) -> Option<&'a [u8]> {
        self.value()
            .filter(|_| self.topic_type() == Some(TopicType::JSON))
    }
}
