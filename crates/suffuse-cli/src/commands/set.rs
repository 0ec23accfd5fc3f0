//! `suffuse set`: sets the value of a topic, and adds the topic if asked to.

use std::{
    fs::File,
    io::{self, Read},
};

use bytes::Bytes;
use serde_json::json;
use suffuse_client::{TopicSpecification, TopicType, UpdateConstraint};
use suffuse_proto::value;

use super::get;
use crate::{
    args::{Output, SetArgs},
    connection::{Connected, with_session},
    failure::{Failure, Status},
    output,
};

/// The largest value that is read, in bytes.
const VALUE_BYTES_MAX: u64 = 64 << 20;

pub(crate) async fn run(args: SetArgs) -> Result<(), Failure> {
    let given = Given::read(&args.value)?;
    with_session(&args.connection, async |connected| {
        match args.create {
            Some(topic_type) => {
                create(connected, &args, topic_type, given.encode(topic_type)?).await?;
            }
            None => {
                let topic_type = get::find(connected, &args.path).await?.topic_type;
                let value = given.encode(topic_type)?;
                connected
                    .answer(connected.session.topics().set_raw(
                        args.path.as_str(),
                        topic_type,
                        value,
                    ))
                    .await?;
            }
        }
        match args.connection.output {
            Output::Text => output::result(format_args!(
                "set {}",
                output::printable(args.path.as_str())
            )),
            Output::Json => output::result(json!({ "path": args.path.as_str(), "result": "set" })),
        }
    })
    .await
}

async fn create(
    connected: &Connected,
    args: &SetArgs,
    topic_type: TopicType,
    value: Bytes,
) -> Result<(), Failure> {
    let topics = connected.session.topics();
    let specification = TopicSpecification::new(topic_type);
    let always = UpdateConstraint::Unconstrained;
    connected
        .answer(topics.add_and_set_raw_if(args.path.as_str(), specification, value, always))
        .await?;
    Ok(())
}

/// A value as it was given.
#[derive(Debug, PartialEq)]
enum Given {
    /// On the command line.
    Text(String),
    /// In a file or on standard input.
    Content(Vec<u8>),
}

impl Given {
    fn read(argument: &str) -> Result<Self, Failure> {
        match argument.strip_prefix('@') {
            Some(file) => {
                let opened = File::open(file).map_err(|error| unreadable(file, &error))?;
                Self::from_reader(file, opened)
            }
            None if argument == "-" => Self::from_reader("standard input", io::stdin().lock()),
            None => Ok(Self::Text(argument.to_owned())),
        }
    }

    fn from_reader(name: &str, reader: impl Read) -> Result<Self, Failure> {
        let mut content = Vec::new();
        reader
            .take(VALUE_BYTES_MAX + 1)
            .read_to_end(&mut content)
            .map_err(|error| unreadable(name, &error))?;
        if content.len() as u64 > VALUE_BYTES_MAX {
            return Err(unreadable(
                name,
                &io::Error::other("it has more than 64 MiB"),
            ));
        }
        Ok(Self::Content(content))
    }

    /// Returns the value as a topic of a type has it. Binary content stays as it is; of all other content
    /// the last line break is left out.
    fn encode(&self, topic_type: TopicType) -> Result<Bytes, Failure> {
        let text = match self {
            Self::Text(text) => text,
            Self::Content(content) if topic_type == TopicType::BINARY => {
                return Ok(content.clone().into());
            }
            Self::Content(content) => {
                let text = std::str::from_utf8(content)
                    .map_err(|error| unfit(topic_type, &error.to_string()))?;
                let line = text.strip_suffix('\n').unwrap_or(text);
                line.strip_suffix('\r').unwrap_or(line)
            }
        };
        value::from_display(topic_type, text).map_err(|error| unfit(topic_type, &error.to_string()))
    }
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::new(
        Status::Usage,
        format!("error[SFX-T004]: cannot read the value from `{name}`: {error}"),
    )
}

fn unfit(topic_type: TopicType, problem: &str) -> Failure {
    let help = match topic_type {
        TopicType::JSON => "\n  help: a text is JSON in quotes: '\"hello\"'",
        _ => "",
    };
    let name = topic_type.data_type_name().unwrap_or_default();
    Failure::new(
        Status::Usage,
        format!("error[SFX-T005]: the value is not a value of type {name}: {problem}{help}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Given {
        Given::Content(text.as_bytes().to_vec())
    }

    fn text(text: &str) -> Given {
        Given::Text(text.to_owned())
    }

    #[test]
    fn values_are_what_their_type_makes_of_them() {
        let cases = [
            (text("hi"), TopicType::STRING, Ok("hi")),
            (content("hi\r\n"), TopicType::STRING, Ok("hi")),
            (content("hi\n\n"), TopicType::STRING, Ok("hi\n")),
            (content("{\"a\":\n1}\n"), TopicType::JSON, Ok("{\"a\":1}")),
            (content("-3\n"), TopicType::INT64, Ok("-3")),
            (content("1\n"), TopicType::BINARY, Ok("1\n")),
            (text("0x6869"), TopicType::BINARY, Ok("hi")),
            (
                text("hello"),
                TopicType::JSON,
                Err("a text is JSON in quotes"),
            ),
            (
                text("1.5"),
                TopicType::INT64,
                Err("not a value of type int64"),
            ),
            (Given::Content(vec![0xff]), TopicType::STRING, Err("utf-8")),
        ];
        for (given, topic_type, expected) in cases {
            match (given.encode(topic_type), expected) {
                (Ok(bytes), Ok(shown)) => assert_eq!(value::to_display(topic_type, &bytes), shown),
                (Err(failure), Err(part)) => {
                    let report = failure.report.unwrap();
                    assert!(report.contains(part), "{report}");
                    assert_eq!(failure.status, Status::Usage);
                }
                (found, expected) => panic!("{given:?}: {found:?}, expected {expected:?}"),
            }
        }
    }
}
