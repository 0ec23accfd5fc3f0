//! `suffuse add`: adds a topic.

use serde_json::json;
use suffuse_client::{AddResult, TopicSpecification};

use crate::{
    args::{AddArgs, Output},
    connection::with_session,
    failure::{Failure, Status},
    output,
};

pub(crate) async fn run(args: AddArgs) -> Result<(), Failure> {
    let plain = TopicSpecification::new(args.topic_type);
    let specification = args
        .property
        .iter()
        .fold(plain, |specification, (key, value)| {
            specification.with(key, value)
        });
    // What the server would refuse anyway is told with more words here.
    specification.normalised().map_err(|error| {
        let report = format!(
            "error[SFX-T003]: {error}\n  help: give it like --property DONT_RETAIN_VALUE=true"
        );
        Failure::new(Status::Usage, report)
    })?;
    let path = args.path.as_str();
    with_session(&args.connection, async |connected| {
        let result = connected
            .answer(connected.session.topics().add(path, specification))
            .await?;
        let word = match result {
            AddResult::Created => "added",
            AddResult::Exists => "exists",
        };
        match args.connection.output {
            Output::Text => output::result(format_args!("{word} {}", output::printable(path))),
            Output::Json => output::result(json!({ "path": path, "result": word })),
        }
    })
    .await
}
