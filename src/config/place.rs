//! Where the value of each setting comes from, for messages. Knows no setting by name.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;

/// Where a setting's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A flag, such as `--listen-address`.
    Flag(String),
    /// An environment variable, such as `HEADWATER_LISTEN_ADDRESS`.
    Variable(String),
    /// A line of the settings file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The setting's name.
        key: String,
    },
    /// Nobody set it. The text is the setting's name.
    Default(String),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(formatter, "the flag {flag}"),
            Self::Variable(name) => write!(formatter, "the environment variable {name}"),
            Self::File { path, line, key } => write!(formatter, "{}, line {line}, `{key}`", path.display()),
            Self::Default(setting) => write!(formatter, "the default of `{setting}`"),
        }
    }
}

/// The places of all settings that somebody set.
#[derive(Debug, Clone, Default)]
pub struct Places(HashMap<String, Place>);

impl Places {
    /// The place of a setting, by the setting's name in the file.
    pub fn of(&self, setting: &str) -> Place {
        self.0.get(setting).cloned().unwrap_or_else(|| Place::Default(setting.to_owned()))
    }

    /// The places of the file's settings, which the flags and the variables of the command line override.
    pub(super) fn of_matches(file: HashMap<String, Place>, command: &clap::Command, matches: &ArgMatches) -> Self {
        let mut places = file;
        for argument in command.get_arguments() {
            let place = match matches.value_source(argument.get_id().as_str()) {
                Some(ValueSource::CommandLine) => flag(argument),
                Some(ValueSource::EnvVariable) => variable(argument),
                _ => None,
            };
            if let Some(place) = place {
                places.insert(argument.get_id().to_string(), place);
            }
        }
        Self(places)
    }
}

/// The argument's flag.
pub(super) fn flag(argument: &clap::Arg) -> Option<Place> {
    argument.get_long().map(|long| Place::Flag(format!("--{long}")))
}

/// The argument's environment variable.
pub(super) fn variable(argument: &clap::Arg) -> Option<Place> {
    argument.get_env().map(|name| Place::Variable(name.to_string_lossy().into_owned()))
}
