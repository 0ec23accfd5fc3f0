//! What the client writes to the log.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use suffuse_client::{Session, TopicSpecification, TopicType, Transport};
use suffuse_server::{Options, Server};
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter};

use crate::{
    peer::within,
    proxies::{ForwardProxy, Tunnels},
};

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

// The log is that of one thread, and so is the runtime of the test.
#[tokio::test]
async fn credentials_tokens_and_values_are_not_logged() {
    let server = Server::start(Options::dev(([127, 0, 0, 1], 0).into()))
        .await
        .unwrap();
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let proxy = ForwardProxy::start(Tunnels::Made).await;
    let guard = tracing::subscriber::set_default(subscriber);
    for transport in Transport::ALL {
        let builder = Session::builder()
            .url(format!("ws://{}", server.addresses()[0]))
            .transports([transport])
            .proxy(proxy.with_credentials("proxy-user", "proxy-password"))
            .principal("admin");
        within(builder.clone().credentials("wrong-credentials").open())
            .await
            .unwrap_err();
        let session = within(builder.credentials("password").open())
            .await
            .unwrap();
        let mut stream = session.topics().stream::<String>("a").await.unwrap();
        let string = TopicSpecification::new(TopicType::STRING);
        session
            .topics()
            .add_and_set("a", string, "a-private-value")
            .await
            .unwrap();
        within(stream.next()).await.unwrap();
        session.topics().remove("a").await.unwrap();
        session.close().await;
    }
    drop(guard);

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for expected in [
        "connected",
        "transport=HTTP_POLLING",
        "AUTHENTICATION_FAILED",
        "closed by this client",
    ] {
        assert!(log.contains(expected), "{expected} in {log}");
    }
    for secret in [
        "wrong-credentials",
        "d3JvbmctY3JlZGVudGlhbHM",
        "AQhwYXNzd29yZA",
        "a-private-value",
        "proxy-password",
        "cHJveHktdXNlcjpwcm94eS1wYXNzd29yZA",
        "n00.",
    ] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
