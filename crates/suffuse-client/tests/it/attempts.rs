//! Every attempt is named: what goes wrong, over every short list of transports.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use suffuse_client::{
    AttemptOutcome, Builder, ConnectError, ConnectEvent, ResponseClass, ResponseCode, Session,
    Transport::{self, HttpPolling as Xhr, WebSocket as Ws},
};
use tokio::net::TcpListener;

use crate::peer::{Peer, Script, frame, within};

const LISTS: [&[Transport]; 4] = [&[Ws], &[Ws, Xhr], &[Ws, Xhr, Ws], &[Ws, Ws, Ws, Ws]];
const SHORT: Duration = Duration::from_millis(80);

/// A way to fail, and what an attempt says about it over each transport.
struct Case {
    name: &'static str,
    script: Script,
    websocket: &'static str,
    polling: &'static str,
    status: [Option<u16>; 2],
}

fn same(name: &'static str, script: Script, reason: &'static str, status: Option<u16>) -> Case {
    Case {
        name,
        script,
        websocket: reason,
        polling: reason,
        status: [status; 2],
    }
}

fn cases() -> Vec<Case> {
    let html =
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>";
    let found = "HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n";
    let close = frame(8, &[&1011u16.to_be_bytes()[..], b"overload"].concat());
    vec![
        same(
            "404",
            Script::Answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
            "HTTP 404 Not Found",
            Some(404),
        ),
        same(
            "403 of a proxy",
            Script::Answer(
                "HTTP/1.1 403 Forbidden\r\nServer: squid/5.7\r\nContent-Length: 0\r\n\r\n",
            ),
            "HTTP 403 Forbidden (server: squid/5.7)",
            Some(403),
        ),
        same(
            "502",
            Script::Answer("HTTP/1.1 502 Bad Gateway\r\n\r\n"),
            "HTTP 502 Bad Gateway",
            Some(502),
        ),
        same(
            "redirect",
            Script::Answer(found),
            "HTTP 302 Found, to http://elsewhere/",
            Some(302),
        ),
        Case {
            name: "a page",
            script: Script::Answer(html),
            websocket: "HTTP 200 OK",
            polling: "not a connection response: a connection response starts with `#`, of type text/html",
            status: [Some(200); 2],
        },
        same(
            "not HTTP",
            Script::Answer("SSH-2.0-OpenSSH_9.6\r\n"),
            "the HTTP answer is not valid",
            None,
        ),
        same(
            "reset",
            Script::Reset,
            "the connection ended while waiting for the HTTP answer",
            None,
        ),
        same(
            "nothing",
            Script::Answer(""),
            "the connection ended while waiting for the HTTP answer",
            None,
        ),
        same(
            "swallowed",
            Script::Swallow,
            "time-out after 80 ms while waiting for the HTTP answer",
            None,
        ),
        Case {
            name: "opened, then silent",
            script: Script::OpenAndWait,
            websocket: "time-out after 80 ms while waiting for the connection response",
            polling: "time-out after 80 ms while waiting for the connection response",
            status: [Some(101), Some(200)],
        },
        Case {
            name: "wrong key",
            script: Script::WrongKey,
            websocket: "Sec-WebSocket-Accept does not answer this request",
            polling: "HTTP 101 Switching Protocols",
            status: [Some(101); 2],
        },
        Case {
            name: "opened, then ended",
            script: Script::Open(vec![], vec![]),
            websocket: "the connection ended while waiting for the connection response",
            polling: "not a connection response: the message ends before the value does, of type text/plain",
            status: [Some(101), Some(200)],
        },
        Case {
            name: "opened, then closed or cut",
            script: Script::Open(close, b"#".to_vec()),
            websocket: "closed before the connection response, with code 1011 (overload)",
            polling: "not a connection response: the message ends before the value does",
            status: [Some(101), Some(200)],
        },
        Case {
            name: "text",
            script: Script::Open(frame(1, b"hello"), b"hello".to_vec()),
            websocket: "not a connection response: a text frame",
            polling: "not a connection response: a connection response starts with `#`",
            status: [Some(101), Some(200)],
        },
        Case {
            name: "another version",
            script: Script::respond(&[0x23, 9, 100]),
            websocket: "the response answers another protocol version",
            polling: "the response answers another protocol version",
            status: [Some(101), Some(200)],
        },
    ]
}

fn builder(peer: &Peer) -> Builder {
    Session::builder()
        .server_host(peer.address.ip().to_string())
        .server_port(peer.address.port())
        .request_path("/path/diffusion")
}

async fn fail(builder: &Builder) -> ConnectError {
    within(builder.open())
        .await
        .expect_err("there is no session")
}

#[tokio::test]
async fn every_transport_error_is_named_and_leads_to_the_next_transport() {
    for case in cases() {
        let peer = Peer::start(case.script.clone()).await;
        let is_slow = case.websocket.contains("time-out");
        let builder = builder(&peer).attempt_timeout(if is_slow {
            SHORT
        } else {
            Duration::from_secs(10)
        });
        let mut seen = 0;
        for list in LISTS {
            let error = fail(&builder.clone().transports(list.to_vec())).await;
            check(&case, list, &error);
            assert_eq!(peer.transports()[seen..], *list, "{}", case.name);
            seen += list.len();
        }
    }
}

fn check(case: &Case, list: &[Transport], error: &ConnectError) {
    assert_eq!(error.code(), "SFX-C104", "{}: {error}", case.name);
    assert_eq!(error.attempts().len(), list.len(), "{}: {error}", case.name);
    let report = error.to_string();
    assert_eq!(
        report.lines().count(),
        1 + list.len() + hints(error),
        "{report}"
    );
    for (number, (attempt, transport)) in error.attempts().iter().zip(list).enumerate() {
        let (reason, status, scheme) = match transport {
            Ws => (case.websocket, case.status[0], "ws"),
            Xhr => (case.polling, case.status[1], "http"),
        };
        let line = report.lines().nth(1 + number).unwrap();
        let url = format!("{scheme}://{}/path/diffusion", attempt.address.unwrap());
        for part in [
            &format!("  {} {}", number + 1, transport.name()),
            &url,
            reason,
            "after",
        ] {
            assert!(
                line.contains(part),
                "{}: `{part}` is not in `{line}`",
                case.name
            );
        }
        assert_eq!(attempt.outcome.name(), "transport_error");
        assert_eq!(attempt.http_status, status, "{}: {line}", case.name);
        assert_eq!(attempt.response_code(), None);
    }
}

/// The different hints of the attempts.
fn hints(error: &ConnectError) -> usize {
    let mut hints: Vec<_> = error
        .attempts()
        .iter()
        .filter_map(|attempt| attempt.hint())
        .collect();
    hints.sort();
    hints.dedup();
    hints.len()
}

#[tokio::test]
async fn every_response_code_is_named_and_only_some_lead_to_the_next_transport() {
    for code in (100..=127).map(ResponseCode) {
        if code.class() == ResponseClass::Connected {
            continue;
        }
        let peer = Peer::start(Script::reject(code.0)).await;
        let cascades = [113, 117, 127].contains(&code.0);
        let mut seen = 0;
        for list in LISTS {
            let error = fail(&builder(&peer).transports(list.to_vec())).await;
            let tried = if cascades { list } else { &list[..1] };
            assert_eq!(peer.transports()[seen..], *tried, "{code}");
            seen += tried.len();
            assert_eq!(error.attempts().len(), tried.len(), "{error}");
            assert_eq!(error.code(), if cascades { "SFX-C104" } else { "SFX-C105" });
            let not_tried = list.len() - tried.len();
            assert_eq!(
                error.to_string().contains("not tried"),
                not_tried > 0,
                "{error}"
            );
            for attempt in error.attempts() {
                let is_fatal = matches!(attempt.outcome, AttemptOutcome::Fatal(_));
                assert_eq!((attempt.response_code(), is_fatal), (Some(code), !cascades));
                assert!(
                    attempt.reason().contains(code.sentence()),
                    "{}",
                    attempt.reason()
                );
            }
        }
    }
}

#[tokio::test]
async fn the_codes_that_cascade_can_be_chosen() {
    let peer = Peer::start(Script::reject(116)).await;
    let both = builder(&peer)
        .transports([Ws, Xhr])
        .cascade_on([ResponseCode::AUTHENTICATION_FAILED]);
    assert_eq!(fail(&both).await.attempts().len(), 2);
    let peer = Peer::start(Script::reject(127)).await;
    let none = builder(&peer).transports([Ws, Xhr]).cascade_on([]);
    assert_eq!(fail(&none).await.attempts().len(), 1);
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for list in LISTS {
        let url = format!("ws://{address}");
        let error = fail(&Session::builder().url(url).transports(list.to_vec())).await;
        assert_eq!(error.attempts().len(), list.len());
        for attempt in error.attempts() {
            assert_eq!(
                attempt.reason(),
                "no TCP connection: connection refused: nothing listens there"
            );
            assert_eq!(attempt.address, Some(address));
        }
    }
}

#[tokio::test]
async fn a_host_without_address_is_named() {
    let error = fail(&Session::builder().url("ws://no-such-host.invalid:80")).await;
    let report = error.report();
    assert!(
        report.starts_with("error[SFX-C104]: cannot connect: every transport"),
        "{report}"
    );
    assert!(report.contains("the host has no address"), "{report}");
    assert!(
        report.contains("help: check the spelling of the host"),
        "{report}"
    );
}

#[tokio::test]
async fn plain_http_where_tls_is_expected_is_named() {
    let peer = Peer::start(Script::Answer("HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    for list in LISTS {
        let error = fail(
            &builder(&peer)
                .secure_transport(true)
                .transports(list.to_vec()),
        )
        .await;
        assert_eq!(error.attempts().len(), list.len());
        for attempt in error.attempts() {
            assert!(
                attempt.reason().starts_with("no TLS: "),
                "{}",
                attempt.reason()
            );
            assert!(attempt.url.starts_with(if attempt.transport == Ws {
                "wss://"
            } else {
                "https://"
            }));
        }
    }
}

#[tokio::test]
async fn an_empty_list_of_transports_touches_no_network() {
    let peer = Peer::start(Script::Swallow).await;
    let error = fail(&builder(&peer).transports([])).await;
    assert!(matches!(error, ConnectError::NoTransport));
    assert_eq!(peer.heads(), [""; 0]);
}

#[tokio::test]
async fn without_a_list_it_is_websocket() {
    let peer = Peer::start(Script::reject(127)).await;
    fail(&builder(&peer)).await;
    fail(&Session::builder().url(format!("http://{}", peer.address))).await;
    assert_eq!(peer.transports(), [Ws, Ws]);
}

#[tokio::test]
async fn the_cascade_is_visible_as_events() {
    let peer = Peer::start(Script::Answer(
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    ))
    .await;
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = events.clone();
    let builder = builder(&peer).transports([Ws, Xhr]).on_event(move |event| {
        seen.lock().unwrap().push(match event {
            ConnectEvent::Attempt {
                number,
                of,
                transport,
                ..
            } => format!("{number}/{of} {transport}"),
            ConnectEvent::Failed { attempt, next } => {
                format!("{} failed, next {next:?}", attempt.number)
            }
            ConnectEvent::Connected { .. } | _ => unreachable!("there is no session"),
        });
    });
    fail(&builder).await;
    let expected = [
        "1/2 WEBSOCKET",
        "1 failed, next Some(HttpPolling)",
        "2/2 HTTP_POLLING",
        "2 failed, next None",
    ];
    assert_eq!(*events.lock().unwrap(), expected);
}

#[tokio::test]
async fn an_attempt_has_its_data_as_json() {
    let peer = Peer::start(Script::reject(116)).await;
    let error = fail(&builder(&peer).transports([Ws, Xhr])).await;
    let json = serde_json::to_value(error.attempts()).unwrap();
    let attempt = &json[0];
    assert_eq!(attempt["transport"], "WEBSOCKET");
    assert_eq!(attempt["outcome"], "fatal");
    assert_eq!(attempt["http_status"], 101);
    assert_eq!(attempt["response_code"], 116);
    assert_eq!(
        attempt["url"],
        format!("ws://{}/path/diffusion", peer.address)
    );
    assert!(attempt["elapsed_ms"].is_u64());
    assert!(
        attempt["reason"]
            .as_str()
            .unwrap()
            .contains("authentication failed")
    );
}

#[tokio::test]
async fn attempts_that_are_given_up_leave_nothing_behind() {
    for script in [Script::Swallow, Script::OpenAndWait] {
        let peer = Peer::start(script).await;
        let builder = builder(&peer).transports([Ws, Xhr]);
        fail(&builder.clone().attempt_timeout(SHORT)).await;
        peer.connections(0).await;

        let opening = tokio::spawn(async move { builder.open().await });
        peer.connections(1).await;
        opening.abort();
        peer.connections(0).await;
    }
}
