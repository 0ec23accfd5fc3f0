//! The command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use suffuse_proto::{NodeId, Path, Selector, TopicType};

mod connection;
mod doctor;
mod parse;

pub(crate) use connection::{ConnectionArgs, Output};
pub(crate) use doctor::{Check, DoctorArgs};

/// A real-time data server, its client, and tools.
#[derive(Debug, Parser)]
#[command(
    name = "suffuse",
    version,
    about = "A real-time data server (topics over WebSocket or HTTP polling), its client, and tools",
    after_help = "Examples:
  suffuse dev                       a server to try things with, and a page at http://127.0.0.1:8080/
  suffuse watch '?demo//'           print the changes of its demo topics, in a second terminal
  suffuse COMMAND --help            options and examples of a command

Exit codes: 0 ok, 1 error, 2 usage, 3 cannot connect, 4 refused, 5 condition failed, 6 time-out",
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a development server with demo topics: nothing to set up, nothing kept
    Dev(DevArgs),
    /// Run a server from a configuration and a data folder
    Serve(ServeArgs),
    /// Empty a running server, so that its clients connect to others
    Drain(DrainArgs),
    /// Write, check or show a configuration
    Config(ConfigArgs),
    /// Connect, and say which transports were tried and what happened
    Connect(ConnectArgs),
    /// Look for what is wrong between clients and a deployment
    Doctor(DoctorArgs),
    /// Measure the round trip to a server
    Ping(PingArgs),
    /// Print topics as they change, until Ctrl-C
    Watch(WatchArgs),
    /// Print the topics that a selector selects
    Fetch(FetchArgs),
    /// Print the value of a topic
    Get(GetArgs),
    /// Add a topic
    Add(AddArgs),
    /// Set the value of a topic
    Set(SetArgs),
    /// Remove topics
    Remove(RemoveArgs),
    /// List the services of the protocol, and which of them are built
    Services(ServicesArgs),
    /// Measure what a server costs
    Bench(crate::bench::BenchArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  suffuse dev                            http://127.0.0.1:8080/ and ws://127.0.0.1:8080/diffusion
  suffuse dev --listen 127.0.0.1:9000    on another port
  suffuse dev --listen 127.0.0.1:0       on a free port, which is printed

Principals: admin, control, operator, client, all with the password `password`.")]
pub(crate) struct DevArgs {
    /// Where to listen; a loopback address
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080", value_parser = parse::address)]
    pub(crate) listen: SocketAddr,
    /// The node id, the first three characters of session tokens
    #[arg(long, value_name = "ID", default_value = "n00")]
    pub(crate) node: NodeId,
    /// Leave out the demo topics
    #[arg(long)]
    pub(crate) no_demo: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  suffuse serve                                      defaults, data in ./suffuse-data
  suffuse config new > suffuse.toml                  then: suffuse serve -c suffuse.toml
  suffuse serve --set listen.0.address=0.0.0.0:80    one setting without a file

The first start makes the principal `admin` and prints its password, once.")]
pub(crate) struct ServeArgs {
    /// The configuration file; without one, defaults
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Set one setting; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// The data folder, instead of the configured one
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  suffuse drain --credentials-file admin.txt                       as drain.wait and drain.rate say
  suffuse drain --url http://127.0.0.1:9090 --wait 30s --rate 200/s
  suffuse drain --abort --credentials-file admin.txt               serve again

The server is not ready any more, waits for load balancers to notice, then ends the connections
of its sessions at the rate. It needs a listener with `admin = true`.")]
pub(crate) struct DrainArgs {
    /// A listener with `admin = true`
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) url: String,
    /// How long balancers have to notice [default: drain.wait of the server]
    #[arg(long, value_name = "TIME", value_parser = parse::duration_or_zero, conflicts_with = "abort")]
    pub(crate) wait: Option<Duration>,
    /// Sessions moved a second, such as 500/s [default: drain.rate of the server]
    #[arg(long, value_name = "N/s", value_parser = parse::rate, conflicts_with = "abort")]
    pub(crate) rate: Option<u32>,
    /// Serve again
    #[arg(long)]
    pub(crate) abort: bool,
    /// Who asks; needs the permission CONTROL_SERVER
    #[arg(long, value_name = "NAME", default_value = "admin")]
    pub(crate) principal: String,
    /// The password; other users of this machine can see it
    #[arg(long, value_name = "PASSWORD", conflicts_with = "credentials_file")]
    pub(crate) credentials: Option<String>,
    /// A file with the password, without its last line break
    #[arg(long, value_name = "FILE")]
    pub(crate) credentials_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  suffuse config new > suffuse.toml && suffuse config check suffuse.toml"
)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print a file with all settings, their meaning and their defaults
    #[command(after_help = "Example:\n  suffuse config new > suffuse.toml")]
    New,
    /// Check a file
    #[command(
        after_help = "Example:\n  suffuse config check suffuse.toml && systemctl restart suffuse"
    )]
    Check {
        /// The file
        #[arg(value_name = "FILE", default_value = "suffuse.toml")]
        file: PathBuf,
    },
    /// Print every setting, and whether it is a default, from the file or from --set
    #[command(after_help = "Example:\n  suffuse config show -c suffuse.toml --set node.id=n02")]
    Show {
        /// The configuration file; without one, defaults
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Set one setting; may be repeated
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  suffuse connect ws://127.0.0.1:8080/diffusion
  suffuse connect https://push.example.com --explain --transports ws,polling
  suffuse connect wss://push.example.com/path/diffusion --explain --output json")]
pub(crate) struct ConnectArgs {
    /// The server, instead of --url
    #[arg(value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Print every attempt, also those that failed
    #[arg(long)]
    pub(crate) explain: bool,
    /// Print each attempt as it happens, to standard error
    #[arg(long)]
    pub(crate) trace: bool,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  suffuse ping --url wss://push.example.com/diffusion")]
pub(crate) struct PingArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  suffuse watch '?demo//'             everything at and below demo
  suffuse watch demo/score --values   the values of one topic, one a line
  suffuse watch '?.*//' --stats       counts once a second instead of values")]
pub(crate) struct WatchArgs {
    /// A path, or an expression that begins with ?, * or #
    #[arg(value_name = "SELECTOR", value_parser = parse::selector)]
    pub(crate) selector: Selector,
    /// Print values only
    #[arg(long, conflicts_with = "stats")]
    pub(crate) values: bool,
    /// Print counts once a second
    #[arg(long)]
    pub(crate) stats: bool,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  suffuse fetch '?demo//'                  path, type and value, one topic a line
  suffuse fetch '?demo//' --output json    one JSON object a line")]
pub(crate) struct FetchArgs {
    /// A path, or an expression that begins with ?, * or #
    #[arg(value_name = "SELECTOR", value_parser = parse::selector)]
    pub(crate) selector: Selector,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  suffuse get demo/score")]
pub(crate) struct GetArgs {
    /// The topic
    #[arg(value_name = "PATH", value_parser = parse::path)]
    pub(crate) path: Path,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples (in development mode, `control` may change topics):
  suffuse add hello/world --type string --principal control --credentials password
  suffuse add a/b --type json --property DONT_RETAIN_VALUE=true --principal control --credentials password"
)]
pub(crate) struct AddArgs {
    /// The new topic
    #[arg(value_name = "PATH", value_parser = parse::path)]
    pub(crate) path: Path,
    /// json, string, int64, double, binary, recordv2 or timeseries
    #[arg(long = "type", value_name = "T", value_parser = parse::topic_type)]
    pub(crate) topic_type: TopicType,
    /// A topic property; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse::property)]
    pub(crate) property: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples (in development mode, `control` may change topics):
  suffuse set hello/world 'hi' --create string --principal control --credentials password
  suffuse set a/b @value.json --principal control --credentials password
  date | suffuse set a/now - --create string --principal control --credentials password"
)]
pub(crate) struct SetArgs {
    /// The topic
    #[arg(value_name = "PATH", value_parser = parse::path)]
    pub(crate) path: Path,
    /// The value; @FILE takes it from a file, - from standard input
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) value: String,
    /// Add the topic with this type if it is not there
    #[arg(long, value_name = "TYPE", value_parser = parse::topic_type)]
    pub(crate) create: Option<TopicType>,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example (in development mode, `control` may change topics):
  suffuse remove '?hello//' --principal control --credentials password"
)]
pub(crate) struct RemoveArgs {
    /// A path, or an expression that begins with ?, * or #
    #[arg(value_name = "SELECTOR", value_parser = parse::selector)]
    pub(crate) selector: Selector,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  suffuse services --output json")]
pub(crate) struct ServicesArgs {
    /// text or json
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    pub(crate) output: Output,
}

#[cfg(test)]
mod tests;
