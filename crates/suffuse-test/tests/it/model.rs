//! The reference: topics, selections and values as plain maps, without ids, deltas and queues.
//!
//! A few lines say what the server should do; `model_test.rs` drives both in step, and so does the fuzz
//! target `broker`.

use std::collections::BTreeMap;

use bytes::Bytes;
use suffuse_proto::{
    Path, Selector, TopicSpecification, TopicType,
    services::topic_update::{Comparison, UpdateConstraint},
    value,
};

/// Which client of a run.
pub(crate) type ClientKey = usize;

/// Something that a client asks for.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Subscribe {
        client: ClientKey,
        scope: String,
        selector: String,
    },
    Unsubscribe {
        client: ClientKey,
        scope: String,
        selector: String,
    },
    UnsubscribeAll {
        client: ClientKey,
        selector: String,
    },
    Add {
        path: String,
        specification: TopicSpecification,
    },
    AddAndSet {
        path: String,
        specification: TopicSpecification,
        value: Bytes,
        constraint: UpdateConstraint,
    },
    Set {
        path: String,
        topic_type: TopicType,
        value: Bytes,
        constraint: UpdateConstraint,
    },
    Remove {
        selector: String,
    },
}

/// What it is answered: a number (a result or a count), or an error code.
pub(crate) type Outcome = Result<i32, i32>;

/// A topic.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) specification: TopicSpecification,
    /// The value, if there is one and it is retained.
    pub(crate) value: Option<Bytes>,
    /// What was published last.
    pub(crate) published: Option<Bytes>,
}

/// The selections of a client: all that were ever made, by scope.
type Scopes = BTreeMap<String, Vec<(Selector, bool)>>;

/// The server as it should be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) topics: BTreeMap<String, Topic>,
    clients: BTreeMap<ClientKey, Scopes>,
}

impl Model {
    pub(crate) fn connect(&mut self, client: ClientKey) {
        self.clients.insert(client, Scopes::new());
    }

    pub(crate) fn disconnect(&mut self, client: ClientKey) {
        self.clients.remove(&client);
    }

    /// Returns the topics that a client is subscribed to.
    pub(crate) fn view(&self, client: ClientKey) -> BTreeMap<&str, &Topic> {
        let topics = self
            .topics
            .iter()
            .map(|(path, topic)| (path.as_str(), topic));
        topics
            .filter(|(path, _)| self.selects(client, path))
            .collect()
    }

    fn selects(&self, client: ClientKey, path: &str) -> bool {
        let path = Path::parse(path).expect("paths of the model are valid");
        let scopes = self
            .clients
            .get(&client)
            .into_iter()
            .flat_map(BTreeMap::values);
        let last = |entries: &Vec<(Selector, bool)>| {
            let last = entries
                .iter()
                .rev()
                .find(|(selector, _)| selector.matches(&path));
            last.is_some_and(|(_, is_selected)| *is_selected)
        };
        scopes.into_iter().any(last)
    }

    /// Does what a client asks for.
    pub(crate) fn apply(&mut self, action: &Action) -> Outcome {
        match action.clone() {
            Action::Subscribe {
                client,
                scope,
                selector,
            } => {
                let scopes = self.clients.entry(client).or_default();
                scopes
                    .entry(scope)
                    .or_default()
                    .push((parse(&selector), true));
                Ok(0)
            }
            Action::Unsubscribe {
                client,
                scope,
                selector,
            } => {
                let scopes = self.clients.entry(client).or_default();
                scopes
                    .entry(scope)
                    .or_default()
                    .push((parse(&selector), false));
                Ok(0)
            }
            Action::UnsubscribeAll { client, selector } => {
                for entries in self.clients.entry(client).or_default().values_mut() {
                    entries.push((parse(&selector), false));
                }
                Ok(0)
            }
            Action::Add {
                path,
                specification,
            } => self.add(path, specification),
            Action::AddAndSet {
                path,
                specification,
                value,
                constraint,
            } => self.add_and_set(path, specification, value, &constraint),
            Action::Set {
                path,
                topic_type,
                value,
                constraint,
            } => {
                match self.topics.get(&path) {
                    None => return Err(9000),
                    Some(topic) if topic.specification.topic_type != topic_type => return Err(500),
                    Some(_) => {}
                }
                self.check(&path, &constraint)?;
                self.topics
                    .get_mut(&path)
                    .map_or(Err(9000), |topic| topic.set(value))
                    .map(|()| 0)
            }
            Action::Remove { selector } => Ok(self.remove(&parse(&selector))),
        }
    }

    fn add(&mut self, path: String, specification: TopicSpecification) -> Outcome {
        match self.topics.get(&path) {
            Some(topic) if topic.specification.is_same_as(&specification) => Ok(1),
            Some(_) => Err(9004),
            None => {
                self.topics.insert(
                    path,
                    Topic {
                        specification,
                        value: None,
                        published: None,
                    },
                );
                Ok(0)
            }
        }
    }

    fn add_and_set(
        &mut self,
        path: String,
        specification: TopicSpecification,
        value: Bytes,
        constraint: &UpdateConstraint,
    ) -> Outcome {
        let mut after = self.clone();
        let outcome = after.add(path.clone(), specification)?;
        self.check(&path, constraint)?;
        after
            .topics
            .get_mut(&path)
            .map_or(Err(9000), |topic| topic.set(value))?;
        *self = after;
        Ok(outcome)
    }

    fn check(&self, path: &str, constraint: &UpdateConstraint) -> Result<(), i32> {
        let topic = self.topics.get(path);
        let holds = match constraint {
            UpdateConstraint::Unconstrained => true,
            UpdateConstraint::NoTopic => topic.is_none(),
            UpdateConstraint::NoValue => topic.is_some_and(|topic| topic.value.is_none()),
            UpdateConstraint::Value(Comparison { operand, .. }) => {
                topic.and_then(|topic| topic.value.as_ref()) == Some(operand)
            }
            UpdateConstraint::All(_)
            | UpdateConstraint::Any(_)
            | UpdateConstraint::Locked { .. }
            | UpdateConstraint::PartialJson { .. } => unreachable!("the model has none of these"),
        };
        if holds { Ok(()) } else { Err(9012) }
    }

    fn remove(&mut self, selector: &Selector) -> i32 {
        let before = self.topics.len();
        self.topics.retain(|path, _| !selector.matches_text(path));
        (before - self.topics.len()) as i32
    }
}

impl Topic {
    fn set(&mut self, value: Bytes) -> Result<(), i32> {
        let (topic_type, options) = (self.specification.topic_type, self.specification.options());
        if options.validate_values {
            value::validate(topic_type, &value).map_err(|_| 501)?;
        }
        self.value = (!options.dont_retain_value && !value::is_null(topic_type, &value))
            .then(|| value.clone());
        self.published = Some(value);
        Ok(())
    }

    /// Returns whether a client that has got everything may have a value.
    pub(crate) fn may_be_seen_as(&self, seen: Option<&Bytes>) -> bool {
        let seen_value = seen.filter(|value| !value::is_null(self.specification.topic_type, value));
        if self.specification.options().dont_retain_value {
            // Who subscribed after the last update has nothing.
            return seen.is_none() || seen == self.published.as_ref();
        }
        seen_value == self.value.as_ref()
    }
}

fn parse(selector: &str) -> Selector {
    Selector::parse(selector).expect("selectors of the model are valid")
}
