//! What a stream has still to give to the application.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use suffuse_proto::{Path, TopicSpecification};

use crate::machine::topics::{Delivery, TopicEvent};

/// How many items wait before they are conflated.
const ITEMS_MAX: usize = 1024;

/// What a stream wants to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    Values,
    Everything,
}

/// One thing that happened to a topic.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) path: Path,
    pub(super) specification: Arc<TopicSpecification>,
    pub(super) event: TopicEvent,
    pub(super) missed: u64,
}

/// The hand-over point between the driver of a session and one stream.
#[derive(Debug)]
pub(crate) struct Queue {
    interest: Interest,
    waiting: Mutex<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    items: VecDeque<Item>,
    /// How many items there may be; the next one makes room by conflation.
    limit: usize,
    waker: Option<Waker>,
    has_ended: bool,
    is_abandoned: bool,
}

impl Queue {
    pub(crate) fn new(interest: Interest) -> Self {
        let waiting = Waiting {
            items: VecDeque::new(),
            limit: ITEMS_MAX,
            waker: None,
            has_ended: false,
            is_abandoned: false,
        };
        Self {
            interest,
            waiting: Mutex::new(waiting),
        }
    }

    /// Adds what happened. Returns whether the stream still wants it.
    pub(crate) fn push(&self, delivery: Delivery) -> bool {
        let is_value = matches!(delivery.event, TopicEvent::Value { .. });
        let mut waiting = self.waiting();
        if waiting.is_abandoned {
            return false;
        }
        if is_value || self.interest == Interest::Everything {
            let Delivery {
                path,
                specification,
                event,
                ..
            } = delivery;
            waiting.push(Item {
                path,
                specification,
                event,
                missed: 0,
            });
        }
        true
    }

    /// Takes note that nothing will be added any more.
    pub(crate) fn end(&self) {
        let mut waiting = self.waiting();
        waiting.has_ended = true;
        waiting.wake();
    }

    /// Returns whether the application dropped the stream.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.waiting().is_abandoned
    }

    pub(super) fn abandon(&self) {
        let mut waiting = self.waiting();
        waiting.is_abandoned = true;
        waiting.items = VecDeque::new();
    }

    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Item>> {
        let mut waiting = self.waiting();
        if let Some(item) = waiting.items.pop_front() {
            return Poll::Ready(Some(item));
        }
        if waiting.has_ended {
            return Poll::Ready(None);
        }
        waiting.waker = Some(context.waker().clone());
        Poll::Pending
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // The few lines under the lock leave the queue whole wherever they could stop.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn push(&mut self, item: Item) {
        if self.items.len() >= self.limit {
            self.items = conflated(std::mem::take(&mut self.items));
            self.limit = ITEMS_MAX.max(2 * self.items.len());
        }
        self.items.push_back(item);
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Where the items of a path are in the conflated queue.
#[derive(Clone, Copy, Debug, Default)]
struct Places {
    subscribed: Option<usize>,
    value: Option<usize>,
}

/// Leaves one value of each topic, and no topic that came and went unseen.
fn conflated(items: VecDeque<Item>) -> VecDeque<Item> {
    let mut kept: Vec<Option<Item>> = Vec::with_capacity(items.len());
    let mut places: HashMap<Path, Places> = HashMap::new();
    for item in items {
        let here = places.entry(item.path.clone()).or_default();
        match item.event {
            TopicEvent::Value { .. } => match here.value {
                Some(place) => kept[place] = kept[place].take().map(|older| merged(older, item)),
                None => {
                    here.value = Some(kept.len());
                    kept.push(Some(item));
                }
            },
            TopicEvent::Subscribed => {
                *here = Places {
                    subscribed: Some(kept.len()),
                    value: None,
                };
                kept.push(Some(item));
            }
            TopicEvent::Unsubscribed(_) => {
                let before = std::mem::take(here);
                if let Some(place) = before.value {
                    kept[place] = None;
                }
                match before.subscribed {
                    Some(place) => kept[place] = None,
                    None => kept.push(Some(item)),
                }
            }
        }
    }
    kept.into_iter().flatten().collect()
}

/// One value in place of two: the newer one, with what was before the older one.
fn merged(older: Item, newer: Item) -> Item {
    let missed = older.missed + newer.missed + 1;
    let Item {
        path,
        specification,
        event,
        ..
    } = newer;
    let event = match (older.event, event) {
        (
            TopicEvent::Value {
                previous,
                lost: older_lost,
                ..
            },
            TopicEvent::Value {
                payload,
                received,
                lost,
                ..
            },
        ) => TopicEvent::Value {
            payload,
            previous,
            received,
            lost: lost || older_lost,
        },
        (_, event) => event,
    };
    Item {
        path,
        specification,
        event,
        missed,
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use bytes::Bytes;
    use suffuse_proto::TopicType;

    use super::*;
    use crate::machine::topics::{ListenerId, Received, UnsubscriptionReason};

    fn delivery(path: &str, event: TopicEvent) -> Delivery {
        Delivery {
            listener: ListenerId::default(),
            path: Path::parse(path).unwrap(),
            specification: Arc::new(TopicSpecification::new(TopicType::JSON)),
            event,
        }
    }

    fn value(path: &str, number: usize) -> Delivery {
        let bytes = |number: usize| Bytes::from(number.to_string());
        delivery(
            path,
            TopicEvent::Value {
                payload: bytes(number),
                previous: number.checked_sub(1).map(bytes),
                received: Received::Value { bytes: 1 },
                lost: false,
            },
        )
    }

    /// All items as texts: `a=3<0+2` is value 3 of `a` with previous value 0 and two missed ones.
    fn drain(queue: &Queue) -> Vec<String> {
        let mut context = Context::from_waker(Waker::noop());
        let mut texts = Vec::new();
        while let Poll::Ready(Some(item)) = queue.poll(&mut context) {
            let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
            texts.push(match &item.event {
                TopicEvent::Subscribed => format!("+{}", item.path),
                TopicEvent::Unsubscribed(_) => format!("-{}", item.path),
                TopicEvent::Value {
                    payload, previous, ..
                } => {
                    let previous = previous.as_ref().map_or_else(String::new, text);
                    format!("{}={}<{previous}+{}", item.path, text(payload), item.missed)
                }
            });
        }
        texts
    }

    #[test]
    fn a_reader_that_keeps_up_gets_everything() {
        let queue = Queue::new(Interest::Values);
        for number in 0..3 {
            assert!(queue.push(value("a", number)));
        }
        assert!(queue.push(delivery("a", TopicEvent::Subscribed)));
        assert_eq!(drain(&queue), ["a=0<+0", "a=1<0+0", "a=2<1+0"]);
    }

    #[test]
    fn a_reader_that_lags_gets_the_last_value_and_the_number_of_missed_ones() {
        let queue = Queue::new(Interest::Values);
        for number in 0..=ITEMS_MAX {
            queue.push(value(if number == 0 { "b" } else { "a" }, number));
        }
        let last = ITEMS_MAX - 1;
        let conflated = format!("a={last}<0+{}", ITEMS_MAX - 2);
        assert_eq!(
            drain(&queue),
            [
                "b=0<+0".to_owned(),
                conflated,
                format!("a={ITEMS_MAX}<{last}+0")
            ]
        );
    }

    #[test]
    fn many_topics_have_a_value_each() {
        let queue = Queue::new(Interest::Values);
        for round in 0..5 {
            for topic in 0..3000 {
                queue.push(value(&format!("t/{topic}"), round));
            }
        }
        let texts = drain(&queue);
        assert!((3000..=6000).contains(&texts.len()), "{}", texts.len());
        assert!(texts.iter().any(|text| text.starts_with("t/2999=4")));
    }

    #[test]
    fn topics_that_came_and_went_unseen_are_left_out() {
        let unsubscribed = TopicEvent::Unsubscribed(UnsubscriptionReason::Removed);
        let queue = Queue::new(Interest::Everything);
        queue.push(delivery("seen", unsubscribed.clone()));
        for number in 0..ITEMS_MAX {
            let path = format!("unseen/{}", number % 7);
            queue.push(delivery(&path, TopicEvent::Subscribed));
            queue.push(value(&path, number));
            queue.push(delivery(&path, unsubscribed.clone()));
        }
        queue.push(delivery("seen", TopicEvent::Subscribed));
        let texts = drain(&queue);
        assert!(texts.len() < ITEMS_MAX, "{}", texts.len());
        assert_eq!(
            (texts[0].as_str(), texts[texts.len() - 1].as_str()),
            ("-seen", "+seen")
        );
    }

    #[test]
    fn an_abandoned_queue_takes_nothing() {
        let queue = Queue::new(Interest::Values);
        queue.push(value("a", 1));
        queue.abandon();
        assert!(!queue.push(value("a", 2)));
        assert_eq!(drain(&queue), [""; 0]);
    }
}
