//! Sessions of a server in the same process: how they begin and end.

use suffuse_client::{
    AttemptOutcome, CloseReason, ConnectError, Reconnect, ResponseCode, Session,
    TopicSpecification, TopicType, Transport,
};

use crate::{
    peer::within,
    server::{builder, connect, start},
};

#[tokio::test]
async fn the_server_closes_its_sessions_when_it_stops() {
    let server = start().await;
    let sessions = [
        connect(&server, Transport::WebSocket).await,
        // The server may stop between two polls; then the session would wait for another server.
        within(
            builder(&server, Transport::HttpPolling)
                .reconnect(Reconnect::never())
                .open(),
        )
        .await
        .unwrap(),
    ];
    within(server.stop()).await;
    let [websocket, polling] = sessions;
    assert_eq!(
        within(websocket.closed()).await,
        CloseReason::ClosedByServer
    );
    let reason = within(polling.closed()).await;
    let is_possible = matches!(
        reason,
        CloseReason::ClosedByServer | CloseReason::ConnectionLost { .. }
    );
    assert!(is_possible, "{reason}");
}

#[tokio::test]
async fn two_sessions_share_a_topic() {
    let server = start().await;
    let publisher = connect(&server, Transport::WebSocket).await;
    let subscriber = connect(&server, Transport::HttpPolling).await;
    let mut stream = subscriber.topics().stream::<String>("?.*//").await.unwrap();
    publisher
        .topics()
        .add_and_set("a", TopicSpecification::new(TopicType::STRING), "x")
        .await
        .unwrap();
    assert_eq!(
        within(stream.next()).await.unwrap().value,
        Ok("x".to_owned())
    );
    drop(publisher);
    within(server.stop()).await;
}

#[tokio::test]
async fn wrong_credentials_are_fatal() {
    let server = start().await;
    let url = format!("ws://{}", server.addresses()[0]);
    let builder = Session::builder()
        .url(url)
        .principal("admin")
        .credentials("wrong")
        .transports(Transport::ALL);
    let error = within(builder.open()).await.unwrap_err();
    assert!(
        matches!(&error, ConnectError::Failed { attempts, not_tried }
        if attempts.len() == 1 && *not_tried == [Transport::HttpPolling]),
        "{error}"
    );
    let attempt = &error.attempts()[0];
    assert!(matches!(attempt.outcome, AttemptOutcome::Fatal(_)));
    assert_eq!(
        attempt.response_code(),
        Some(ResponseCode::AUTHENTICATION_FAILED)
    );
    assert!(
        error
            .to_string()
            .contains("check the principal and its credentials"),
        "{error}"
    );
}

#[tokio::test]
async fn an_anonymous_session_is_possible() {
    let server = start().await;
    let url = format!("ws://{}", server.addresses()[0]);
    let session = within(Session::builder().url(url).open()).await.unwrap();
    assert!(session.ping().await.is_ok());
    let denied = session
        .topics()
        .add("a", TopicSpecification::new(TopicType::JSON))
        .await
        .unwrap_err();
    assert_eq!(denied.code(), "SFX-R103", "{denied}");
}
