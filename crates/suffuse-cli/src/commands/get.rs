//! `suffuse get`: prints the value of one topic.

use std::io::{self, IsTerminal as _, Write as _};

use suffuse_client::{FetchedTopic, TopicType};
use suffuse_proto::{Path, value};

use crate::{
    args::{GetArgs, Output},
    connection::{Connected, with_session},
    failure::{Failure, Status},
    output, shown,
};

pub(crate) async fn run(args: GetArgs) -> Result<(), Failure> {
    let topic = with_session(&args.connection, async |connected| {
        find(connected, &args.path).await
    })
    .await?;
    match args.connection.output {
        Output::Json => output::result(shown::document(
            &topic.path,
            topic.topic_type,
            topic.raw.as_ref(),
        )),
        Output::Text => print_value(&topic),
    }
}

/// Fetches one topic and its value.
///
/// # Errors
/// When it is not there, or the session may not read it: the server does not tell these apart.
pub(super) async fn find(connected: &Connected, path: &Path) -> Result<FetchedTopic, Failure> {
    let selector = format!(">{path}");
    let page = connected
        .answer(
            connected
                .session
                .topics()
                .fetch(&selector)
                .with_values()
                .send(),
        )
        .await?;
    page.topics.into_iter().next().ok_or_else(|| missing(path))
}

fn missing(path: &Path) -> Failure {
    let report = format!(
        "error[SFX-T001]: there is no topic `{path}` that this session may read\n  help: `suffuse fetch '?.*//'` \
         lists the topics; `suffuse set {path} VALUE --create TYPE` makes one"
    );
    Failure::new(Status::Error, report)
}

fn print_value(topic: &FetchedTopic) -> Result<(), Failure> {
    let Some(bytes) = &topic.raw else {
        let report = format!(
            "error[SFX-T002]: the topic `{}` has no value yet",
            output::printable(&topic.path)
        );
        return Err(Failure::new(Status::Error, report));
    };
    let is_terminal = io::stdout().is_terminal();
    if topic.topic_type == TopicType::BINARY && !is_terminal {
        let mut stdout = io::stdout().lock();
        return stdout
            .write_all(bytes)
            .and_then(|()| stdout.flush())
            .map_err(Failure::output);
    }
    let text = value::to_display(topic.topic_type, bytes);
    output::result(if is_terminal {
        output::printable(&text)
    } else {
        text
    })
}
