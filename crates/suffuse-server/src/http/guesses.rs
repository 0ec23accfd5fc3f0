//! Who guesses passwords or tokens is answered late.
//!
//! A wrong password costs the server more than the client, and a session token lets its holder take a
//! session over. An address that was refused often is therefore answered after a pause, which does not
//! hold up anyone else.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use hashbrown::HashMap;
use suffuse_proto::ResponseCode;

/// How many refusals in a [`WINDOW`] are answered at once. Many clients may share an address, and all of
/// them may come back with old tokens after a restart.
const FREE_MAX: u32 = 50;
const WINDOW: Duration = Duration::from_secs(60);
/// How long each further one waits.
const PAUSE: Duration = Duration::from_secs(1);
/// How many addresses are remembered. When there are more, all are forgotten.
const ADDRESSES_MAX: usize = 10_000;

/// The addresses that were refused lately.
#[derive(Default)]
pub(crate) struct Guesses(Mutex<HashMap<IpAddr, Refused>>);

struct Refused {
    since: Instant,
    count: u32,
}

impl Guesses {
    /// Counts a refusal, and returns how long its answer has to wait.
    pub(super) fn pause(&self, code: ResponseCode, address: IpAddr, now: Instant) -> Duration {
        let is_guess =
            code == ResponseCode::AUTHENTICATION_FAILED || code == ResponseCode::UNKNOWN_SESSION;
        if !is_guess || address.is_loopback() {
            return Duration::ZERO;
        }
        // No code under the lock can leave the map half changed, so a poisoned lock is still good.
        let mut addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if addresses.len() >= ADDRESSES_MAX && !addresses.contains_key(&address) {
            addresses.clear();
        }
        let refused = addresses.entry(address).or_insert(Refused {
            since: now,
            count: 0,
        });
        if now.saturating_duration_since(refused.since) >= WINDOW {
            *refused = Refused {
                since: now,
                count: 0,
            };
        }
        refused.count = refused.count.saturating_add(1);
        if refused.count > FREE_MAX {
            PAUSE
        } else {
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUESS: ResponseCode = ResponseCode::AUTHENTICATION_FAILED;

    /// Returns an address of another machine.
    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from(0x0a00_0000 + number).into()
    }

    #[test]
    fn this_machine_never_waits() {
        let guesses = Guesses::default();
        for address in ["127.0.0.1", "::1"].map(|text| text.parse::<IpAddr>().unwrap()) {
            for _ in 0..2 * FREE_MAX {
                assert_eq!(
                    guesses.pause(GUESS, address, Instant::now()),
                    Duration::ZERO
                );
            }
        }
    }

    #[test]
    fn only_who_is_refused_often_waits() {
        let guesses = Guesses::default();
        let now = Instant::now();
        for _ in 0..FREE_MAX {
            assert_eq!(guesses.pause(GUESS, address(1), now), Duration::ZERO);
        }
        let cases = [
            (GUESS, 1, now, PAUSE),
            (ResponseCode::UNKNOWN_SESSION, 1, now, PAUSE),
            (ResponseCode::LICENSE_EXCEEDED, 1, now, Duration::ZERO),
            (GUESS, 2, now, Duration::ZERO),
            (GUESS, 1, now + WINDOW, Duration::ZERO),
        ];
        for (code, number, now, pause) in cases {
            assert_eq!(
                guesses.pause(code, address(number), now),
                pause,
                "{code} {number}"
            );
        }
    }

    #[test]
    fn many_addresses_do_not_fill_the_memory() {
        let guesses = Guesses::default();
        let now = Instant::now();
        for number in 0..2 * ADDRESSES_MAX as u32 {
            guesses.pause(GUESS, address(number), now);
        }
        assert!(guesses.0.lock().unwrap().len() <= ADDRESSES_MAX);
    }
}
