//! `suffuse fetch`: prints the topics that a selector selects.

use suffuse_client::FetchedTopic;

use crate::{
    args::{FetchArgs, Output},
    connection::{Connected, with_session},
    failure::Failure,
    output::Results,
    shown,
};

/// How many topics one request asks for.
const PAGE_TOPICS: u32 = 1000;
/// How large the answer to one request may be, in bytes; the server makes an exception for the first topic.
const PAGE_BYTES: u32 = 1 << 20;

pub(crate) async fn run(args: FetchArgs) -> Result<(), Failure> {
    with_session(&args.connection, async |connected| {
        let mut results = Results::new();
        fetch(
            connected,
            args.selector.as_str(),
            async |topic: &FetchedTopic| {
                results.line(match args.connection.output {
                    Output::Text => shown::line(&topic.path, topic.topic_type, topic.raw.as_ref()),
                    Output::Json => {
                        shown::document(&topic.path, topic.topic_type, topic.raw.as_ref())
                            .to_string()
                    }
                })
            },
        )
        .await?;
        results.flush()
    })
    .await
}

/// Fetches topics with their values, in as many requests as it takes.
async fn fetch(
    connected: &Connected,
    selector: &str,
    mut visit: impl AsyncFnMut(&FetchedTopic) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut last: Option<String> = None;
    loop {
        let topics = connected.session.topics();
        let mut fetch = topics
            .fetch(selector)
            .with_values()
            .first(PAGE_TOPICS)
            .maximum_result_size(PAGE_BYTES);
        if let Some(last) = &last {
            fetch = fetch.after(last);
        }
        let page = connected.answer(fetch.send()).await?;
        for topic in &page.topics {
            visit(topic).await?;
        }
        match page.topics.into_iter().next_back() {
            Some(topic) if page.has_more => last = Some(topic.path),
            Some(_) | None => return Ok(()),
        }
    }
}
