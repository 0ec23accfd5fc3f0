//! `suffuse services`: the table of services, and which of them are built.

use serde_json::{Value, json};
use suffuse_proto::service::{Direction, SERVICES, ServiceEntry};

use crate::{
    args::{Output, ServicesArgs},
    failure::Failure,
    output::{self, Results},
};

pub(crate) fn run(args: &ServicesArgs) -> Result<(), Failure> {
    match args.output {
        Output::Json => output::result(Value::Array(SERVICES.iter().map(document).collect())),
        Output::Text => print_table(),
    }
}

fn print_table() -> Result<(), Failure> {
    let mut results = Results::new();
    for entry in SERVICES {
        let built = if is_built(entry) { "built" } else { "-" };
        let (id, who) = (entry.id.0, direction(entry.direction));
        results.line(format_args!(
            "{id:>4}  {:<34}  {who:<6}  {built}",
            entry.name
        ))?;
    }
    let built = SERVICES.iter().filter(|entry| is_built(entry)).count();
    results.line(format_args!("{built} of {} are built", SERVICES.len()))?;
    results.flush()
}

fn document(entry: &ServiceEntry) -> Value {
    json!({
        "id": entry.id.0,
        "name": entry.name,
        "direction": direction(entry.direction),
        "built": is_built(entry),
    })
}

fn is_built(entry: &ServiceEntry) -> bool {
    suffuse_broker::routes::is_built(entry.id)
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "up",
        Direction::Down => "down",
        Direction::Both => "both",
        Direction::Server => "server",
    }
}
