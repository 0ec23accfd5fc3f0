//! The layers of a configuration: defaults, then a file, then `--set` arguments.

use std::{collections::BTreeMap, fmt, ops::Range, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Config, Listen,
    diagnostic::{Diagnostic, Place},
    keys::{self, CONFIG_KEYS, Key, LISTEN_KEYS},
};

/// The largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How many listeners a configuration can have.
const LISTENERS_MAX: usize = 64;

/// Where a setting has its value from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was not given.
    Default,
    /// The configuration file.
    File,
    /// `--set`.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Default => "default",
            Self::File => "file",
            Self::CommandLine => "--set",
        })
    }
}

/// Everything that is wrong in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<Diagnostic>);

/// A configuration and where its settings come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Reads a configuration file, if one is given, and lays `--set` arguments of the form `a.b=value` over it.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, or anything in it or in an argument is unknown or unfit.
    pub fn load(file: Option<&Path>, sets: &[String]) -> Result<Self, ConfigError> {
        let text = file
            .map(|path| read_file(path).map(|text| (path.display().to_string(), text)))
            .transpose()?;
        Self::parse(
            text.as_ref()
                .map(|(name, text)| (name.as_str(), text.as_str())),
            sets,
        )
    }

    /// Does the same with the name and the text of a file.
    ///
    /// # Errors
    /// As [`Loaded::load`].
    pub fn parse(file: Option<(&str, &str)>, sets: &[String]) -> Result<Self, ConfigError> {
        let mut reading = Reading::default();
        if let Some((name, text)) = file {
            reading.read_text(name, text);
        }
        for argument in sets {
            reading.read_argument(argument);
        }
        if reading.problems.is_empty() {
            reading.problems = keys::contradictions(&reading.loaded.config);
        }
        match reading.problems.is_empty() {
            true => Ok(reading.loaded),
            false => Err(ConfigError(reading.problems)),
        }
    }

    /// Returns where a setting has its value from, by its full name, such as `listen.0.address`.
    #[must_use]
    pub fn origin(&self, name: &str) -> Origin {
        self.origins.get(name).copied().unwrap_or(Origin::Default)
    }
}

fn read_file(path: &Path) -> Result<String, ConfigError> {
    let problem = |message: String, help: &str| {
        let help = Some(help.to_owned());
        ConfigError(vec![Diagnostic {
            code: "SFX-K001",
            message,
            place: None,
            help,
        }])
    };
    let shown = path.display();
    let create = "`suffuse config new > FILE` writes a file with all settings and their defaults";
    let size = std::fs::metadata(path)
        .map_err(|error| problem(format!("cannot read `{shown}`: {error}"), create))?;
    if size.len() > FILE_BYTES_MAX {
        return Err(problem(
            format!("`{shown}` has more than 1 MiB"),
            "is this a configuration file?",
        ));
    }
    std::fs::read_to_string(path)
        .map_err(|error| problem(format!("cannot read `{shown}`: {error}"), create))
}

/// A text that is being read.
struct Source<'a> {
    name: &'a str,
    text: &'a str,
    origin: Origin,
}

impl Source<'_> {
    fn place(&self, range: Range<usize>, label: impl Into<String>) -> Place {
        match self.origin {
            Origin::CommandLine => Place::argument(self.name, self.text, range, label),
            Origin::Default | Origin::File => Place::find(self.name, self.text, range, label),
        }
    }
}

#[derive(Default)]
struct Reading {
    loaded: Loaded,
    problems: Vec<Diagnostic>,
}

impl Reading {
    fn read_text(&mut self, name: &str, text: &str) {
        let source = Source {
            name,
            text,
            origin: Origin::File,
        };
        match DeTable::parse(text) {
            Ok(table) => self.read_root(&source, table.get_ref()),
            Err(error) => self.refuse_syntax(&source, &error),
        }
    }

    fn read_argument(&mut self, argument: &str) {
        let source = Source {
            name: "--set",
            text: argument,
            origin: Origin::CommandLine,
        };
        let Some((name, value)) = argument.split_once('=') else {
            let place = source.place(0..argument.len(), "expected KEY=VALUE");
            return self.refuse("SFX-K002", format!("`{argument}` sets nothing"), place);
        };
        let value_at = name.len() + 1..argument.len();
        // A text needs no quotes on the command line: `--set node.id=n01`.
        let parsed = DeValue::parse(value).map(Spanned::into_inner);
        let values = parsed.into_iter().chain([DeValue::String(value.into())]);
        self.set_argument(&source, name.trim(), values.collect(), value_at);
    }

    fn set_argument(
        &mut self,
        source: &Source<'_>,
        name: &str,
        values: Vec<DeValue<'_>>,
        at: Range<usize>,
    ) {
        let before = self.problems.len();
        for value in values {
            self.problems.truncate(before);
            match name.strip_prefix("listen.") {
                Some(rest) => self.set_listener_argument(source, rest, &value, at.clone()),
                None => self.set_at(
                    source,
                    CONFIG_KEYS,
                    (name, 0..name.len()),
                    (&value, at.clone()),
                ),
            }
            if self.problems.len() == before {
                return;
            }
        }
    }

    fn set_listener_argument(
        &mut self,
        source: &Source<'_>,
        rest: &str,
        value: &DeValue<'_>,
        at: Range<usize>,
    ) {
        let count = self.loaded.config.listen.len();
        let found = rest
            .split_once('.')
            .and_then(|(index, key)| Some((index.parse::<usize>().ok()?, key)));
        let Some((index, key)) =
            found.filter(|(index, _)| *index <= count && *index < LISTENERS_MAX)
        else {
            let place = source.place(
                0.."listen.".len() + rest.len(),
                "expected listen.0.address or the like",
            );
            return self.refuse(
                "SFX-K002",
                format!("there is no setting `listen.{rest}`"),
                place,
            );
        };
        if index == count {
            self.loaded.config.listen.push(Listen::default());
        }
        let key_at = "listen.".len() + rest.len() - key.len();
        self.set_listener(
            source,
            index,
            (key, key_at..key_at + key.len()),
            (value, at),
        );
    }

    fn read_root(&mut self, source: &Source<'_>, root: &DeTable<'_>) {
        for (key, value) in root {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("listen", DeValue::Array(tables)) => {
                    self.read_listeners(source, tables, &value.span());
                }
                ("listen", _) => {
                    let place = source.place(key.span(), "expected [[listen]]");
                    self.refuse(
                        "SFX-K008",
                        "`listen` is a list of sections".to_owned(),
                        place,
                    );
                }
                (name, value_ref) => {
                    self.set_at(
                        source,
                        CONFIG_KEYS,
                        (name, key.span()),
                        (value_ref, value.span()),
                    );
                }
            }
        }
    }

    fn read_listeners(
        &mut self,
        source: &Source<'_>,
        tables: &[Spanned<DeValue<'_>>],
        at: &Range<usize>,
    ) {
        if tables.is_empty() || tables.len() > LISTENERS_MAX {
            let place = source.place(
                at.clone(),
                format!("expected 1 to {LISTENERS_MAX} listeners"),
            );
            return self.refuse(
                "SFX-K008",
                "a server needs a place to listen".to_owned(),
                place,
            );
        }
        self.loaded.config.listen = vec![Listen::default(); tables.len()];
        for (index, table) in tables.iter().enumerate() {
            let DeValue::Table(keys) = table.get_ref() else {
                let place = source.place(table.span(), "expected [[listen]]");
                self.refuse(
                    "SFX-K008",
                    "`listen` is a list of sections".to_owned(),
                    place,
                );
                continue;
            };
            for (key, value) in keys {
                self.set_listener(
                    source,
                    index,
                    (key.get_ref(), key.span()),
                    (value.get_ref(), value.span()),
                );
            }
        }
    }

    fn set_listener(
        &mut self,
        source: &Source<'_>,
        index: usize,
        key: At<&str>,
        value: At<&DeValue<'_>>,
    ) {
        let mut listener = std::mem::take(&mut self.loaded.config.listen[index]);
        self.set(
            source,
            LISTEN_KEYS,
            &mut listener,
            &format!("listen.{index}."),
            key,
            value,
        );
        self.loaded.config.listen[index] = listener;
    }

    fn set_at(
        &mut self,
        source: &Source<'_>,
        keys: &[Key<Config>],
        key: At<&str>,
        value: At<&DeValue<'_>>,
    ) {
        let mut config = std::mem::take(&mut self.loaded.config);
        self.set(source, keys, &mut config, "", key, value);
        self.loaded.config = config;
    }

    /// Sets one key, or all keys of a section. `prefix` stands before the names in the origins only.
    fn set<T>(
        &mut self,
        source: &Source<'_>,
        keys: &[Key<T>],
        target: &mut T,
        prefix: &str,
        (name, key_at): At<&str>,
        (value, value_at): At<&DeValue<'_>>,
    ) {
        if let Some(key) = keys.iter().find(|key| key.name == name) {
            match (key.set)(target, value) {
                Ok(()) => drop(
                    self.loaded
                        .origins
                        .insert(format!("{prefix}{name}"), source.origin),
                ),
                Err(expected) => {
                    let place = source.place(value_at, expected);
                    self.refuse(
                        "SFX-K008",
                        format!("the value of `{prefix}{name}` does not fit"),
                        place,
                    );
                }
            }
        } else if keys.iter().any(|key| key.is_below(name)) {
            let DeValue::Table(table) = value else {
                let place = source.place(key_at, format!("expected [{name}] or {{ … }}"));
                return self.refuse("SFX-K008", format!("`{prefix}{name}` is a section"), place);
            };
            for (key, value) in table {
                let full = format!("{name}.{}", key.get_ref());
                self.set(
                    source,
                    keys,
                    target,
                    prefix,
                    (&full, key.span()),
                    (value.get_ref(), value.span()),
                );
            }
        } else {
            self.refuse_key(source, keys, name, key_at);
        }
    }

    fn refuse_key<T>(
        &mut self,
        source: &Source<'_>,
        keys: &[Key<T>],
        name: &str,
        at: Range<usize>,
    ) {
        let (label, help) = keys::suggestion(keys, name);
        let shown = match source.origin {
            Origin::CommandLine => name,
            Origin::Default | Origin::File => name.rsplit('.').next().unwrap_or(name),
        };
        let place = Some(source.place(at, label));
        let message = format!("unknown key `{shown}`");
        self.problems.push(Diagnostic {
            code: "SFX-K007",
            message,
            place,
            help,
        });
    }

    fn refuse(&mut self, code: &'static str, message: String, place: Place) {
        self.problems.push(Diagnostic {
            code,
            message,
            place: Some(place),
            help: None,
        });
    }

    fn refuse_syntax(&mut self, source: &Source<'_>, error: &toml::de::Error) {
        let at = error.span().unwrap_or(source.text.len()..source.text.len());
        let place = source.place(at, error.message().replace('\n', ", "));
        self.refuse(
            "SFX-K003",
            format!("`{}` is not valid TOML", source.name),
            place,
        );
    }
}

/// Something and where it stands.
type At<T> = (T, Range<usize>);
