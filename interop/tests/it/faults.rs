//! Connections that break at random moments, under load: nothing is lost silently, nothing comes twice, and
//! nobody hangs.
//!
//! A publisher sets numbered values directly; a subscriber watches them through a relay that breaks its
//! connections, and sets numbered values itself. `SUFFUSE_FAULT_CUTS` and `SUFFUSE_FAULT_SEED` say how many
//! connections are broken, and by which seed: `cargo xtask faults`.

#![allow(
    clippy::print_stdout,
    reason = "a test says its seed, so that a failure can be repeated, and its figures"
)]

use std::any::Any;
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use suffuse_client::streams::{NoticeStream, TopicNotice, ValueStream};
use suffuse_client::topic::Json;
use suffuse_client::{
    Backoff, Builder, Reconnect, RequestError, Session, TopicSpecification, TopicType, Transport,
    keys,
};
use suffuse_interop::follower::{Event, Follower, Script};
use suffuse_interop::relay::Relay;
use suffuse_interop::server::Server;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// The topics that the publisher sets: one whose values are small, and one whose updates are deltas.
const PATHS: [&str; 2] = ["load/large", "load/small"];
/// How many connections are broken if nothing else is said.
const CUTS: usize = 30;
/// The pause between two updates.
const PAUSE: Duration = Duration::from_millis(5);
/// How long nothing may happen before somebody hangs.
const SILENCE_MAX: Duration = Duration::from_secs(20);

type Numbered = Json<serde_json::Value>;

#[test]
fn node_websocket_sessions_survive_cuts() {
    check("node_ws", &script("node_ws"));
}

#[test]
fn node_polling_sessions_survive_cuts() {
    check("node_polling", &script("node_polling"));
}

#[test]
fn python_sessions_survive_cuts() {
    check("python", &script("python"));
}

#[test]
fn our_websocket_sessions_survive_cuts() {
    check("ours_ws", &|stage, events| {
        ours(stage, Transport::WebSocket, events)
    });
}

#[test]
fn our_polling_sessions_survive_cuts() {
    check("ours_polling", &|stage, events| {
        ours(stage, Transport::HttpPolling, events)
    });
}

/// What is there for a subscriber: where it connects to.
struct Stage<'a> {
    url: String,
    password: String,
    runtime: &'a Runtime,
}

/// A subscriber, which ends with this value.
type Subscriber = Box<dyn Any>;

type Start<'a> = dyn Fn(&Stage<'_>, Sender<Event>) -> Subscriber + 'a;

fn script(client: &'static str) -> impl Fn(&Stage<'_>, Sender<Event>) -> Subscriber {
    move |stage, events| {
        Box::new(Script::start(client, &stage.url, &stage.password, events).unwrap())
    }
}

fn check(name: &str, start: &Start<'_>) {
    let (cuts, seed) = (number("SUFFUSE_FAULT_CUTS", CUTS as u64) as usize, seed());
    println!("{name}: {cuts} cuts, SUFFUSE_FAULT_SEED={seed}");
    let runtime = Runtime::new().unwrap();
    let mut server = Server::start("n00").unwrap();
    let relay = Relay::start(server.address(), seed).unwrap();
    let mut publisher = Publisher::start(&runtime, &server);
    let stage = Stage {
        url: format!("http://{}/diffusion", relay.address()),
        password: server.password().to_owned(),
        runtime: &runtime,
    };
    let (sender, events) = mpsc::channel();
    let subscriber = start(&stage, sender);
    let mut watched = Watched {
        follower: Follower::default(),
        events,
    };

    watched.until(|_, event| *event == Event::Ready);
    let begin = Instant::now();
    relay.arm(cuts);
    watched.until(|_, _| relay.wanted() == 0);
    let took = begin.elapsed();
    let last = publisher.stop(&runtime);
    watched.until(|follower, _| follower.has_seen(&PATHS, last));

    let acknowledged = watched.follower.acknowledged();
    let seen = publisher.seen_until(&runtime, acknowledged);
    let figures = watched.follower.figures();
    println!(
        "{name}: {cuts} cuts in {took:.1?}: {figures:?}; {last} updates of each topic, {seen} set by it, {acknowledged} acknowledged last; {:?}",
        relay.happened()
    );
    drop(subscriber);
    server.check_running().unwrap();
}

/// A subscriber, as it is watched.
struct Watched {
    follower: Follower,
    events: Receiver<Event>,
}

impl Watched {
    /// Follows until the condition holds after an event.
    #[track_caller]
    fn until(&mut self, is_done: impl Fn(&Follower, &Event) -> bool) {
        let mut recent = Vec::new();
        loop {
            let event = match self.events.recv_timeout(SILENCE_MAX) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => {
                    panic!(
                        "nothing for {SILENCE_MAX:?}: {:?}; {recent:?}",
                        self.follower
                    )
                }
                Err(RecvTimeoutError::Disconnected) => panic!("the subscriber is gone"),
            };
            recent.push(event.clone());
            if let Err(error) = self.follower.on_event(&event) {
                panic!("{error:#}; before that {recent:?}");
            }
            if recent.len() > 40 {
                recent.drain(..20);
            }
            if is_done(&self.follower, &event) {
                return;
            }
        }
    }
}

/// Sets the topics directly, and watches what the subscriber sets.
struct Publisher {
    is_over: Arc<AtomicBool>,
    publishing: JoinHandle<u64>,
    seen: watch::Receiver<Set>,
}

impl Publisher {
    fn start(runtime: &Runtime, server: &Server) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (seen_by_watcher, seen) = watch::channel(Set::default());
        let session = runtime
            .block_on(builder(server.url(), server.password()).open())
            .unwrap();
        // Every value counts: none may give way to a newer one.
        let specification = TopicSpecification::new(TopicType::JSON).with(keys::CONFLATION, "off");
        runtime.block_on(async {
            for path in PATHS.into_iter().chain(["up"]) {
                let (topics, first) = (session.topics(), value(0, path));
                let added = topics
                    .add_and_set(path, specification.clone(), &first)
                    .await;
                added.unwrap();
            }
        });
        let up = runtime
            .block_on(session.topics().stream::<Numbered>("up"))
            .unwrap();
        runtime.spawn(watch_up(up, seen_by_watcher));
        let publishing = runtime.spawn(publish(session, is_over.clone()));
        Self {
            is_over,
            publishing,
            seen,
        }
    }

    /// Ends the updates, and returns the last number.
    fn stop(&mut self, runtime: &Runtime) -> u64 {
        self.is_over.store(true, Ordering::Release);
        runtime.block_on(&mut self.publishing).unwrap()
    }

    /// Waits until what the subscriber set has come to a number; returns how many numbers came.
    fn seen_until(&mut self, runtime: &Runtime, number: u64) -> usize {
        let is_there = self.seen.wait_for(|seen| seen.last >= number);
        let waiting = async {
            timeout(SILENCE_MAX, is_there)
                .await
                .map(|seen| *seen.unwrap())
        };
        let seen = runtime.block_on(waiting);
        seen.unwrap_or_else(|_| panic!("{number} was acknowledged and never set"))
            .count
    }
}

async fn publish(session: Session, is_over: Arc<AtomicBool>) -> u64 {
    for number in 1.. {
        for path in PATHS {
            session
                .topics()
                .set(path, &value(number, path))
                .await
                .unwrap();
        }
        if is_over.load(Ordering::Acquire) {
            return number;
        }
        sleep(PAUSE).await;
    }
    unreachable!("numbers do not end")
}

/// What the subscriber set.
#[derive(Clone, Copy, Debug, Default)]
struct Set {
    last: u64,
    count: usize,
}

async fn watch_up(mut up: ValueStream<Numbered>, seen: watch::Sender<Set>) {
    while let Some(update) = up.next().await {
        let number = number_in(&update.value.unwrap());
        let Set { last, count } = *seen.borrow();
        // The first value is that of the topic before anything was set.
        assert!(count == 0 || number > last, "{number} was set after {last}");
        let _ = seen.send(Set {
            last: number,
            count: count + 1,
        });
    }
}

fn value(number: u64, path: &str) -> Numbered {
    let padding = if path == PATHS[0] { 400 } else { 0 };
    Json(serde_json::json!({ "n": number, "padding": "x".repeat(padding) }))
}

fn number_in(value: &Numbered) -> u64 {
    value.0["n"].as_u64().unwrap()
}

fn builder(url: &str, password: &str) -> Builder {
    Session::builder()
        .url(url)
        .principal("admin")
        .credentials(password)
}

/// Our client: says what it sees as a script does.
fn ours(stage: &Stage<'_>, transport: Transport, events: Sender<Event>) -> Subscriber {
    let quick = Backoff::full_jitter(Duration::from_millis(20), Duration::from_millis(40));
    let builder = builder(&stage.url, &stage.password)
        .transports([transport])
        .reconnect(Reconnect::within(Duration::from_secs(60)).strategy(quick));
    let session = stage.runtime.block_on(builder.open()).unwrap();
    let topics = session.topics();
    let notices = topics.notices::<Numbered>("?load/");
    let notices = stage.runtime.block_on(notices).unwrap();
    stage
        .runtime
        .spawn(say_notices(session.clone(), notices, events.clone()));
    stage.runtime.spawn(set_up(session.clone(), events));
    Box::new(session)
}

async fn say_notices(session: Session, mut notices: NoticeStream<Numbered>, events: Sender<Event>) {
    let _ = events.send(Event::Ready);
    while let Some(notice) = notices.next().await {
        let event = match notice {
            TopicNotice::Subscribed { path, .. } => Event::Subscribed(path.to_string()),
            TopicNotice::Value(update) => {
                assert_eq!(update.missed, 0, "the stream was read in time");
                Event::Value(update.path.to_string(), number_in(&update.value.unwrap()))
            }
            TopicNotice::Unsubscribed { .. } => continue,
            other => unreachable!("{other:?} did not exist when this was written"),
        };
        let _ = events.send(event);
    }
    let _ = events.send(Event::Closed(session.closed().await.to_string()));
    let _ = events.send(Event::Gone);
}

async fn set_up(session: Session, events: Sender<Event>) {
    for number in 1.. {
        let set = timeout(
            SILENCE_MAX,
            session.topics().set("up", &value(number, "up")),
        )
        .await;
        match set.expect("a request is answered, or fails") {
            Ok(()) => drop(events.send(Event::Acknowledged(number))),
            Err(RequestError::LostInReconnection) => {}
            Err(_) => return,
        }
        sleep(PAUSE).await;
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    let set = env::var(variable).ok();
    set.map_or(otherwise, |text| text.parse().unwrap())
}

fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    number("SUFFUSE_FAULT_SEED", u64::from(now.subsec_nanos()))
}
