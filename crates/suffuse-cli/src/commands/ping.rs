//! `suffuse ping`: measures one round trip.

use serde_json::json;

use crate::{
    args::{Output, PingArgs},
    connection::with_session,
    failure::Failure,
    output,
};

pub(crate) async fn run(args: PingArgs) -> Result<(), Failure> {
    with_session(&args.connection, async |connected| {
        let millis = connected
            .answer(connected.session.ping())
            .await?
            .as_secs_f64()
            * 1000.0;
        let transport = connected.session.transport();
        match args.connection.output {
            Output::Text => output::result(format_args!(
                "round trip {millis:.2} ms  transport {transport}"
            )),
            Output::Json => {
                output::result(json!({ "round_trip_ms": millis, "transport": transport.name() }))
            }
        }
    })
    .await
}
