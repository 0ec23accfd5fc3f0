//! `suffuse config`: writes, checks and shows configurations.

use suffuse_server::config::{Loaded, commented_default, effective};

use crate::{
    args::{ConfigArgs, ConfigCommand},
    failure::Failure,
    output,
};

pub(crate) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    match &args.command {
        ConfigCommand::New => output::result(commented_default().trim_end()),
        ConfigCommand::Check { file } => {
            Loaded::load(Some(file), &[])?;
            output::result(format_args!("{}: ok", file.display()))
        }
        ConfigCommand::Show { config, set } => {
            let loaded = Loaded::load(config.as_deref(), set)?;
            output::result(effective(&loaded).trim_end())
        }
    }
}
