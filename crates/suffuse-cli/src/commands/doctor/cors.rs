//! Pages of another origin: whether their browsers let them poll (spec: connection §5.6).

use suffuse_client::probe::Ask;

use super::{
    Doctor, Facts,
    outcome::Outcome,
    session::{PollingSession, SocketSession, Wish, status_of},
};

/// The headers that browsers ask for.
const HEADERS: [&str; 12] = [
    "c",
    "ca",
    "content-type",
    "cs",
    "m",
    "password",
    "r",
    "s",
    "sp",
    "ss",
    "ty",
    "username",
];

const ALLOW: &str = "add the origin to the allowed origins of the server, and let the balancer pass OPTIONS requests \
                     to it on instead of answering them";

pub(super) async fn check(doctor: &Doctor, facts: &Facts) -> Outcome {
    let Some(origin) = &doctor.origin else {
        return Outcome::skipped("--origin says for which origin to look");
    };
    let ask = Ask::new("OPTIONS")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", &HEADERS.join(","));
    let answer = match doctor.exchange(&ask).await {
        Ok(answer) => answer,
        Err(failure) => {
            return Outcome::fails(format!("the pre-flight request failed: {failure}"), ALLOW);
        }
    };
    if !(200..300).contains(&answer.status) {
        let found = format!("the pre-flight request: {}", status_of(&answer));
        return Outcome::fails(found, ALLOW).with("status", answer.status);
    }
    let header = |name: &str| answer.header(name).unwrap_or_default().to_ascii_lowercase();
    let allowed = header("access-control-allow-origin");
    if allowed != "*" && allowed != origin.to_ascii_lowercase() {
        let found = match allowed.is_empty() {
            true => "the pre-flight answer allows no origin".to_owned(),
            false => format!("the pre-flight answer allows the origin {allowed}"),
        };
        return Outcome::fails(found, ALLOW);
    }
    let headers = header("access-control-allow-headers");
    let listed: Vec<&str> = headers.split(',').map(str::trim).collect();
    let missing: Vec<&str> = HEADERS
        .into_iter()
        .filter(|name| !listed.contains(name) && !listed.contains(&"*"))
        .collect();
    if !missing.is_empty() {
        let found = format!(
            "the pre-flight answer does not allow the headers {}",
            missing.join(" ")
        );
        return Outcome::fails(
            found,
            "let the server answer OPTIONS requests, and not the balancer",
        );
    }
    after_preflight(doctor, facts, origin).await
}

/// Looks at what the page gets after it was allowed to ask.
async fn after_preflight(doctor: &Doctor, facts: &Facts, origin: &str) -> Outcome {
    let wish = Wish {
        origin: Some(origin.to_owned()),
        ..Wish::default()
    };
    if facts.can_poll {
        let session = match PollingSession::open(doctor, &wish).await {
            Ok(session) => session,
            Err(trouble) => {
                return Outcome::fails(
                    format!("the request after the pre-flight: {trouble}"),
                    ALLOW,
                );
            }
        };
        let header = |name: &str| session.answer.header(name).unwrap_or_default();
        let allowed = header("access-control-allow-origin");
        if allowed != "*" && !allowed.eq_ignore_ascii_case(origin) {
            return Outcome::fails(
                "the answer after the pre-flight does not allow the origin",
                "let the balancer pass the headers Access-Control-* of answers on",
            );
        }
        if !header("access-control-expose-headers")
            .to_ascii_lowercase()
            .contains("diffusion-connection")
        {
            return Outcome::warning(
                "pages may poll, but do not see the header diffusion-connection, by which a node sends them elsewhere",
                "let the balancer pass Access-Control-Expose-Headers on",
            );
        }
    }
    if facts.can_websocket
        && let Err(trouble) = SocketSession::open(doctor, &wish).await
    {
        return Outcome::fails(format!("a WebSocket of this origin: {trouble}"), ALLOW);
    }
    Outcome::ok(format!("pages of {origin} may connect")).with("origin", origin)
}
