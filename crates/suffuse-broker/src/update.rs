//! Constraints of updates (spec: topics §8).

use suffuse_proto::{
    ErrorReason, Path,
    services::topic_update::{Comparison, Operator, UpdateConstraint},
};

use crate::{Broker, broker::Answer, topic::Topic};

/// Checks that a constraint holds for the topic at a path, if there is one.
pub(crate) fn check(broker: &Broker, path: &Path, constraint: &UpdateConstraint) -> Answer<()> {
    let topic = broker
        .topics
        .find(path.as_str())
        .and_then(|key| broker.topics.get(key));
    if holds(topic, constraint)? {
        return Ok(());
    }
    Err(ErrorReason::UNSATISFIED_CONSTRAINT.with(format!(
        "the constraint of the update of `{path}` is not satisfied"
    )))
}

fn holds(topic: Option<&Topic>, constraint: &UpdateConstraint) -> Answer<bool> {
    match constraint {
        UpdateConstraint::Unconstrained => Ok(true),
        UpdateConstraint::All(all) => all.iter().try_fold(true, |so_far, constraint| {
            Ok(so_far && holds(topic, constraint)?)
        }),
        UpdateConstraint::Any(any) => any.iter().try_fold(false, |so_far, constraint| {
            Ok(so_far || holds(topic, constraint)?)
        }),
        UpdateConstraint::Value(Comparison {
            operator: Operator::Is,
            operand,
            ..
        }) => Ok(topic.and_then(|topic| topic.value.as_ref()) == Some(operand)),
        UpdateConstraint::NoValue => Ok(topic.is_some_and(|topic| topic.value.is_none())),
        UpdateConstraint::NoTopic => Ok(topic.is_none()),
        UpdateConstraint::Value(_) => Err(not_built("comparisons other than IS")),
        UpdateConstraint::Locked { .. } => Err(not_built("session locks")),
        UpdateConstraint::PartialJson { .. } => {
            Err(not_built("comparisons of parts of JSON values"))
        }
    }
}

fn not_built(what: &str) -> ErrorReason {
    ErrorReason::UNSUPPORTED.with(format!("{what} in constraints are not built yet"))
}
