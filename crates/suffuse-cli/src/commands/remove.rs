//! `suffuse remove`: removes topics.

use serde_json::json;

use crate::{
    args::{Output, RemoveArgs},
    connection::with_session,
    failure::Failure,
    output,
};

pub(crate) async fn run(args: RemoveArgs) -> Result<(), Failure> {
    with_session(&args.connection, async |connected| {
        let count = connected
            .answer(connected.session.topics().remove(args.selector.as_str()))
            .await?;
        match args.connection.output {
            Output::Text if count == 1 => output::result("removed 1 topic"),
            Output::Text => output::result(format_args!("removed {count} topics")),
            Output::Json => output::result(json!({ "removed": count })),
        }
    })
    .await
}
