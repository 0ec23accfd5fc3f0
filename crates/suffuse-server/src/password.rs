//! The check of passwords, on threads of its own: a check may take tens of milliseconds and megabytes.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use argon2::{Argon2, password_hash::PasswordVerifier as _};
use suffuse_broker::{Event, Secret, Ticket};

use crate::inbox::{Inbox, Input};

/// How many passwords are checked at the same time; each check takes the memory that its hash asks for,
/// 19 MiB by default. How many may wait is the broker's limit.
const THREADS: usize = 2;

/// A password to check.
pub(crate) struct Check {
    pub(crate) ticket: Ticket,
    pub(crate) hash: String,
    pub(crate) password: Secret,
}

/// Starts the threads. They end when the sender is dropped.
///
/// # Errors
/// If the system has no threads left.
pub(crate) fn start(inbox: &Arc<Inbox>) -> io::Result<mpsc::Sender<Check>> {
    let (sender, receiver) = mpsc::channel::<Check>();
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..THREADS {
        let (receiver, inbox) = (Arc::clone(&receiver), Arc::clone(inbox));
        thread::Builder::new()
            .name("password".to_owned())
            .spawn(move || run(&receiver, &inbox))?;
    }
    Ok(sender)
}

fn run(checks: &Mutex<mpsc::Receiver<Check>>, inbox: &Inbox) {
    loop {
        let next = checks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Check {
            ticket,
            hash,
            password,
        }) = next
        else {
            return;
        };
        let is_right = verify(&password, &hash);
        inbox.push(Input::Event(Event::Verified { ticket, is_right }));
    }
}

/// Returns whether a password fits a hash. It takes long.
pub(crate) fn verify(password: &Secret, hash: &str) -> bool {
    // The parameters are those of the hash.
    match Argon2::default().verify_password(password.0.as_bytes(), hash) {
        Ok(()) => true,
        Err(argon2::password_hash::Error::PasswordInvalid) => false,
        Err(error) => {
            tracing::error!(%error, "a stored password hash cannot be used; set the password of the principal again");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::DEVELOPMENT_PASSWORD_HASH;

    #[test]
    fn only_the_right_password_fits_the_hash() {
        let cases = [
            ("password", DEVELOPMENT_PASSWORD_HASH, true),
            ("Password", DEVELOPMENT_PASSWORD_HASH, false),
            ("", DEVELOPMENT_PASSWORD_HASH, false),
            ("password", "not a hash", false),
        ];
        for (password, hash, is_right) in cases {
            assert_eq!(
                verify(&Secret(password.to_owned()), hash),
                is_right,
                "{password:?} {hash:?}"
            );
        }
    }
}
