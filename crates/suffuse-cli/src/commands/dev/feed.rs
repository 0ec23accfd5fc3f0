//! The demo feed: an ordinary client of the server, as the principal `control`.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use suffuse_client::{RequestError, Session, TopicSpecification};
use suffuse_proto::value;
use tokio::time::MissedTickBehavior;

use super::demo::{self, Change, Demo};

/// How long the feed waits before it connects again.
const PAUSE: Duration = Duration::from_secs(1);

/// Feeds the demo topics until it is aborted.
pub(super) async fn run(address: SocketAddr) {
    let mut demo = Demo::new(u64::from(std::process::id()));
    loop {
        match Session::builder()
            .url(format!("ws://{address}/diffusion"))
            .principal("control")
            .credentials("password")
            .connect()
            .await
        {
            Ok(session) => {
                let Err(error) = feed(&session, &mut demo).await;
                tracing::warn!(%error, "the demo feed was interrupted");
            }
            Err(error) => tracing::warn!(%error, "the demo feed cannot connect"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn feed(
    session: &Session,
    demo: &mut Demo,
) -> Result<std::convert::Infallible, RequestError> {
    for (path, topic_type) in demo::topics() {
        session
            .topics()
            .add(&path, TopicSpecification::new(topic_type))
            .await?;
    }
    let mut ticks = tokio::time::interval(demo::TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        for change in demo.next(SystemTime::now()) {
            set(session, &change).await?;
        }
    }
}

async fn set(session: &Session, change: &Change) -> Result<(), RequestError> {
    let text = match change.value.as_str() {
        Some(text) => text.to_owned(),
        None => change.value.to_string(),
    };
    match value::from_display(change.topic_type, &text) {
        Ok(bytes) => {
            session
                .topics()
                .set_raw(&change.path, change.topic_type, bytes)
                .await
        }
        Err(error) => {
            // Only a mistake in `demo` comes here; the other topics go on.
            tracing::warn!(path = change.path, %error, "a demo value does not fit its topic");
            Ok(())
        }
    }
}
