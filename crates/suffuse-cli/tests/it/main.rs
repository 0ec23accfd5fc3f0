//! The binary, as users run it.

#[cfg(test)]
mod client;
#[cfg(test)]
mod connect;
#[cfg(test)]
mod dev;
#[cfg(test)]
mod doctor;
mod drain;
#[cfg(test)]
mod proxy_and_tls;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod reconnect;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod support;
