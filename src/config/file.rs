//! Reads the settings file. Knows the settings only as arguments of the command line, and checks each value as its argument does.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use toml::de::{DeTable, DeValue};

use super::place::Place;
use super::similar::most_similar;
use super::{ConfigError, wrong};

/// The file's values by the names of their settings, each with its place.
#[derive(Default)]
pub(super) struct FileSettings {
    values: Vec<(String, String)>,
    pub(super) places: HashMap<String, Place>,
}

impl FileSettings {
    /// Reads the file. Every value is checked, even if a flag or the environment overrides it.
    pub(super) fn read(path: PathBuf, command: &clap::Command) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => return Err(ConfigError::File { path, problem: error.to_string() }),
        };
        let table = DeTable::parse(&text).map_err(|error| not_toml(&path, &text, &error))?;
        let mut settings = Self::default();
        for (key, value) in table.get_ref() {
            let line = line_at(&text, key.span().start);
            let key = key.get_ref().to_string();
            let place = Place::File { path: path.clone(), line, key: key.clone() };
            let Some(argument) = command.get_arguments().find(|argument| is_setting(argument, &key)) else {
                let names = command.get_arguments().map(|argument| argument.get_id().as_str());
                let similar = most_similar(&key, names.filter(|name| *name != "config")).map(str::to_owned);
                return Err(ConfigError::UnknownKey { path, line, key, similar });
            };
            let Some(value) = text_of(value.get_ref()) else { return Err(ConfigError::ValueKind(place)) };
            check(argument, &value, &place)?;
            settings.values.push((key.clone(), value));
            settings.places.insert(key, place);
        }
        Ok(settings)
    }

    /// Makes the file's values the defaults of the command, so that a flag and the environment override them.
    pub(super) fn as_defaults(&self, mut command: clap::Command) -> clap::Command {
        for (key, value) in &self.values {
            let value = value.clone();
            command = command.mut_arg(key, |argument| argument.default_value(value));
        }
        command
    }
}

fn is_setting(argument: &clap::Arg, key: &str) -> bool {
    argument.get_id() == key && key != "config"
}

fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        // With its radix, because TOML also has numbers like 0xff.
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
        }
        DeValue::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// Checks one value as the command line would.
fn check(argument: &clap::Arg, value: &str, place: &Place) -> Result<(), ConfigError> {
    let Some(long) = argument.get_long() else { return Ok(()) };
    let alone = argument.clone().env(Resettable::Reset);
    let command = clap::Command::new("headwater").no_binary_name(true).arg(alone);
    match command.try_get_matches_from([format!("--{long}={value}")]) {
        Ok(_) => Ok(()),
        Err(error) => Err(wrong::value(place.clone(), argument, value, &error)),
    }
}

/// The parser's message without the line's content, which may be a password.
fn not_toml(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let line = error.span().map_or(1, |span| line_at(text, span.start));
    ConfigError::File { path: path.to_owned(), problem: format!("line {line}: {}", error.message()) }
}

/// The line that has this byte, counted from 1.
fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
