//! A server whose clients send anything: it never panics, what it sends is never what a client would stumble
//! over, and the stream of an innocent client stays right.
//!
//! Input: events, each a byte that says what happens, and what it needs.

#![no_main]

mod input;

use std::time::Duration;

use input::Input;
use suffuse_proto::{
    Message,
    message::ServiceId,
    service::{FetchQuery, SetTopic, Subscribe, UserPing},
};
use suffuse_test::{Client, Sim, fetch, json, select, set, specification};

const EVENTS_MAX: usize = 200;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let sim = Sim::with_settings(|settings| {
        settings.queue_messages_max = 20;
        settings.queue_bytes_max = 2000;
        settings.message_bytes_max = 200;
        settings.sessions_max = 6;
        settings.topics_max = 20;
        settings.selections_max = 10;
        settings.recovery_messages_max = 3;
    });
    let sim = sim.with_topic("innocent", specification("json"), json("0"));
    let mut innocent = sim.connect();
    innocent.ask::<Subscribe>(select("?.*//"));
    let mut control = sim.connect_as("control");
    let mut hostile = vec![connect(&sim, &mut input)];
    let mut count = 0;
    while !input.0.is_empty() && count < EVENTS_MAX {
        count += 1;
        let at = input.below(hostile.len());
        match input.below(16) {
            0 if hostile.len() < 3 => hostile.push(connect(&sim, &mut input)),
            1 => hostile[at].stop_reading(),
            2 => hostile[at].read_all(),
            3 => hostile[at].read_up_to(input.below(100)),
            4 => hostile[at].lose(),
            5 => hostile[at].send_message(&Message::Close),
            6 => hostile[at].send_bytes(input.bytes().to_vec()),
            7 => {
                for _ in 0..input.below(30) {
                    sim.advance(Duration::from_secs(20));
                    // Those who are innocent answer pings.
                    innocent.send_one_way::<UserPing>(());
                    control.send_one_way::<UserPing>(());
                }
            }
            8 => {
                let value = json(&count.to_string());
                control.send::<SetTopic>(set("innocent", "json", value.clone()));
                control.skip_all();
            }
            _ => {
                let service = ServiceId(i32::from(input.byte()));
                hostile[at].send_raw_request(service, input.bytes().to_vec().into());
            }
        }
        let at = at.min(hostile.len() - 1);
        if hostile[at].closed().is_some() {
            hostile[at] = connect(&sim, &mut input);
        }
    }
    check(&innocent, &mut control);
});

/// Connects, or takes a client whose session is over.
fn connect(sim: &Sim, input: &mut Input<'_>) -> Client {
    let connecting = sim.connecting().version(input.version().number());
    let connecting = match input.below(4) {
        0 => connecting,
        1 => connecting.reconnect_timeout(Duration::ZERO),
        2 => connecting.without_zlib().principal("control"),
        _ => connecting.principal("control"),
    };
    connecting.start()
}

fn check(innocent: &Client, control: &mut Client) {
    assert_eq!(innocent.closed(), None);
    let seen = innocent.view();
    let found = control.ask::<FetchQuery>(fetch("?.*//"));
    assert!(
        seen.keys().eq(found.topics.iter().map(|topic| &topic.path)),
        "{seen:?} {found:?}"
    );
    for topic in found.topics {
        // A value that is not there was null, or is not retained.
        assert!(
            topic.value.is_none() || seen[&topic.path] == topic.value,
            "{topic:?} {seen:?}"
        );
    }
}
