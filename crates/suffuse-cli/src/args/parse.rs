//! Parsers of arguments. A refusal says what was expected.

use std::{net::SocketAddr, time::Duration};

use suffuse_proto::{Path, Selector, TopicType};

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let named = text
        .strip_prefix("localhost:")
        .map(|port| format!("127.0.0.1:{port}"));
    named.as_deref().unwrap_or(text).parse().map_err(|_| {
        "expected an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned()
    })
}

pub(super) fn selector(text: &str) -> Result<Selector, String> {
    Selector::parse(text).map_err(|error| error.to_string())
}

pub(super) fn path(text: &str) -> Result<Path, String> {
    Path::parse(text).map_err(|error| error.to_string())
}

pub(super) fn topic_type(text: &str) -> Result<TopicType, String> {
    // Users write `recordv2` and `timeseries`; the protocol has `RECORD_V2` and `TIME_SERIES`.
    let plain = |name: &str| name.replace(['_', '-'], "").to_ascii_lowercase();
    let found = TopicType::ALL
        .iter()
        .find(|it| it.name().is_some_and(|name| plain(name) == plain(text)));
    found.copied().ok_or_else(|| {
        "expected json, string, int64, double, binary, recordv2 or timeseries".to_owned()
    })
}

pub(super) fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_ascii_uppercase(), value.to_owned())),
        _ => Err("expected KEY=VALUE, such as DONT_RETAIN_VALUE=true".to_owned()),
    }
}

/// The longest time that is waited for anything.
const DURATION_MAX: Duration = Duration::from_secs(86_400);

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text
        .find(|char: char| !char.is_ascii_digit() && char != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit.trim() {
        "ms" => Some(0.001),
        "s" => Some(1.0),
        "m" | "min" => Some(60.0),
        "h" => Some(3600.0),
        _ => None,
    };
    let number = number.parse::<f64>().ok();
    let found = number
        .zip(seconds)
        .and_then(|(number, unit)| Duration::try_from_secs_f64(number * unit).ok());
    found
        .filter(|found| !found.is_zero() && *found <= DURATION_MAX)
        .ok_or_else(|| "expected a time with its unit, such as 500ms, 10s or 5min".to_owned())
}

pub(super) fn rate(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).trim();
    let rate = number.parse().ok();
    rate.filter(|rate| (1..=1_000_000).contains(rate))
        .ok_or_else(|| "expected 1/s to 1000000/s, such as 500/s".to_owned())
}

pub(super) fn duration_or_zero(text: &str) -> Result<Duration, String> {
    match text.trim_start_matches('0').is_empty() && !text.is_empty() {
        true => Ok(Duration::ZERO),
        false => duration(text).map_err(|expected| format!("{expected}, or 0")),
    }
}

/// The largest body that may be asked for.
const SIZE_MAX: usize = 64 << 20;

pub(super) fn size(text: &str) -> Result<usize, String> {
    let unit_at = text
        .find(|char: char| !char.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit = match unit.trim() {
        "" | "B" => Some(1),
        "KiB" | "k" | "K" => Some(1 << 10),
        "MiB" | "m" | "M" => Some(1 << 20),
        _ => None,
    };
    let found = number
        .parse::<usize>()
        .ok()
        .zip(unit)
        .and_then(|(number, unit)| number.checked_mul(unit));
    found
        .filter(|found| (1..=SIZE_MAX).contains(found))
        .ok_or_else(|| "expected a size up to 64MiB, such as 500KiB or 2MiB".to_owned())
}

pub(super) fn origin(text: &str) -> Result<String, String> {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let is_host = |host: &str| {
        !host.is_empty()
            && host
                .chars()
                .all(|char| char.is_ascii_graphic() && !"/?#@".contains(char))
    };
    match host {
        Some(host) if is_host(host) => Ok(text.to_owned()),
        _ => Err(
            "expected scheme and host without a path, such as https://www.example.com".to_owned(),
        ),
    }
}
