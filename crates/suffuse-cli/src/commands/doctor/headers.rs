//! Headers: whether those of clients reach the server, and those of the server the clients.
//!
//! A server says nothing about the headers that it got. So each is given a value that a server refuses
//! with a certain code: another answer tells that the value did not arrive. No session comes of it.

use suffuse_client::ResponseCode;
use suffuse_proto::SessionToken;

use super::{
    Doctor, Facts,
    outcome::Outcome,
    session::{PollingSession, SocketSession, Trouble, Wish},
};

/// A token that no server has.
const UNKNOWN: [u8; SessionToken::LENGTH] = *b"zzz.doctordoctordoctordo";

/// A value that is refused, and how.
struct Trap {
    name: &'static str,
    value: &'static str,
    code: ResponseCode,
}

/// The refusal of version 8.
const OLD: [u8; 3] = [b'#', 8, ResponseCode::DOWNGRADE.0];

const MALFORMED: ResponseCode = ResponseCode::CONNECTION_PROTOCOL_ERROR;
const TRAPS: [Trap; 5] = [
    Trap {
        name: "v",
        value: "8",
        code: ResponseCode::DOWNGRADE,
    },
    Trap {
        name: "r",
        value: "x",
        code: MALFORMED,
    },
    Trap {
        name: "ca",
        value: "x",
        code: MALFORMED,
    },
    // No principal has this character, so nobody is asked for a password.
    Trap {
        name: "username",
        value: "\0",
        code: MALFORMED,
    },
    Trap {
        name: "password",
        value: "?",
        code: MALFORMED,
    },
];

pub(super) async fn check(doctor: &Doctor, facts: &Facts) -> Outcome {
    let mut lost = Vec::new();
    let mut unknown = Vec::new();
    match PollingSession::open(doctor, &Wish::changed("r", "x")).await {
        Err(Trouble::Status(answer)) if answer.status == 400 => lost.push("m"),
        Err(Trouble::Rejected(_)) | Ok(_) => {
            requests(doctor, &mut lost, &mut unknown).await;
            if facts.can_websocket {
                upgrades(doctor, &mut lost).await;
            }
        }
        Err(_) => return Outcome::skipped("no request is answered: see `path` and `polling`"),
    }
    let missing = answers(doctor).await;
    judge(&lost, &missing, &unknown)
}

fn judge(lost: &[&str], missing: &[&str], unknown: &[&str]) -> Outcome {
    let names = |names: &[&str]| names.join(" ");
    let outcome = if !lost.is_empty() {
        Outcome::fails(
            format!("headers of clients do not arrive: {}", names(lost)),
            "let the balancer, or the firewall for applications, pass these headers on; they have one or two letters \
             and look strange to it",
        )
    } else if !missing.is_empty() {
        Outcome::warning(
            format!("headers of answers are missing: {}", names(missing)),
            "let the balancer pass them on; if the server sets no cookie, or is not suffuse, that is all right",
        )
    } else if !unknown.is_empty() {
        Outcome::warning(
            format!(
                "it could not be told whether these arrive: {}",
                names(unknown)
            ),
            "look at what the server logs; other servers may refuse otherwise",
        )
    } else {
        Outcome::ok("all headers of requests and answers pass")
    };
    outcome
        .with("lost", lost.to_vec())
        .with("missing", missing.to_vec())
        .with("unknown", unknown.to_vec())
}

async fn requests(doctor: &Doctor, lost: &mut Vec<&'static str>, unknown: &mut Vec<&'static str>) {
    for trap in TRAPS {
        let wish = Wish::changed(trap.name, trap.value);
        match PollingSession::open(doctor, &wish).await {
            Err(Trouble::Rejected(code)) if code == trap.code => {}
            // The answer has the version that was asked for, which is not ours.
            Err(Trouble::NotOurs(answer)) if trap.name == "v" && answer.body == OLD[..] => {}
            Ok(_) => lost.push(trap.name),
            Err(Trouble::Status(answer)) if trap.name == "v" && answer.status == 400 => {
                lost.push("v");
            }
            Err(trouble) => {
                unknown.push(trap.name);
                if trouble.is_time_out() {
                    return;
                }
            }
        }
    }
    let token = unknown_token();
    // Without `cs` and `ss` a request to resume is malformed, and without `c` it is a new one.
    match PollingSession::open(doctor, &Wish::resume(token, None)).await {
        Err(Trouble::Rejected(ResponseCode::UNKNOWN_SESSION)) => {}
        Err(Trouble::Rejected(code)) if code == MALFORMED => lost.extend(["cs", "ss"]),
        Ok(_) => lost.push("c"),
        Err(_) => unknown.push("c"),
    }
}

fn unknown_token() -> SessionToken {
    SessionToken::from_ascii(&UNKNOWN).expect("it is printable and has 24 characters")
}

async fn upgrades(doctor: &Doctor, lost: &mut Vec<&'static str>) {
    for (in_headers, name) in [
        (false, "query of the upgrade"),
        (true, "headers of the upgrade"),
    ] {
        let wish = Wish {
            in_headers,
            ..Wish::resume(unknown_token(), None)
        };
        match SocketSession::open(doctor, &wish).await {
            Ok(_) => lost.push(name),
            Err(Trouble::Status(answer)) if answer.status == 400 => lost.push(name),
            Err(_) => {}
        }
    }
}

/// Returns what an answer with a session should have, and has not.
async fn answers(doctor: &Doctor) -> Vec<&'static str> {
    let Ok(session) = PollingSession::open(doctor, &Wish::default()).await else {
        return Vec::new();
    };
    let expected = ["set-cookie", "x-suffuse-node"];
    expected
        .into_iter()
        .filter(|name| session.answer.header(name).is_none())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_told_first() {
        let cases = [
            (&[][..], &[][..], &[][..], "ok"),
            (&[], &[], &["v"], "warning"),
            (&[], &["set-cookie"], &["v"], "warning"),
            (&["m"], &["set-cookie"], &[], "fails"),
        ];
        for (lost, missing, unknown, expected) in cases {
            let outcome = judge(lost, missing, unknown);
            assert_eq!(outcome.verdict.name(), expected, "{outcome:?}");
        }
    }
}
