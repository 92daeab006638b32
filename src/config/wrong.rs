//! Says what is wrong with a value and where it comes from. Repeats no value that may be a secret.

use std::error::Error;
use std::ffi::{OsStr, OsString};

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::ConfigError;
use super::place::{self, Place};

/// The setting whose value may hold a password.
const SECRET: &str = "database";

/// The error of a value that its argument refused.
pub(super) fn value(place: Place, argument: &clap::Arg, value: &str, error: &clap::Error) -> ConfigError {
    let is_secret = argument.get_id() == SECRET || may_be_secret(value);
    let shown = if is_secret { "its value".to_owned() } else { format!("`{value}`") };
    let problem = match (error.get(ContextKind::ValidValue), error.source()) {
        (_, Some(cause)) => format!("{shown} is refused: {cause}"),
        (Some(ContextValue::Strings(valid)), None) if !valid.is_empty() => {
            format!("{shown} is refused: it must be one of {}", valid.join(", "))
        }
        _ if value.is_empty() => "it needs a value".to_owned(),
        _ => format!("{shown} is refused"),
    };
    ConfigError::Value { place, problem }
}

/// The command line's error, with the place of a refused value. clap names the flag even if the environment has the value.
pub(super) fn explained(error: clap::Error, command: &clap::Command, arguments: &[OsString]) -> ConfigError {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.into(),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let Some(argument) = refused_argument(&error, command) else { return error.into() };
            let text = match error.get(ContextKind::InvalidValue) {
                Some(ContextValue::String(text)) => text.clone(),
                _ => String::new(),
            };
            match place_of(argument, arguments) {
                Some(place) => value(place, argument, &text, &error),
                None => error.into(),
            }
        }
        ErrorKind::InvalidUtf8 => match command.get_arguments().find(|argument| has_broken_variable(argument)) {
            Some(argument) => match place::variable(argument) {
                Some(place) => ConfigError::Value { place, problem: "its value is not valid UTF-8".to_owned() },
                None => error.into(),
            },
            None => error.into(),
        },
        _ if may_be_secret(&error.to_string()) => ConfigError::UnexpectedSecret,
        _ => error.into(),
    }
}

/// Whether the text may have a URL with a password, or the rest of one that a shell has cut.
fn may_be_secret(text: &str) -> bool {
    text.contains("://") || text.contains('@')
}

/// The argument that the error is about. clap describes it as in the usage, such as `--listen-address <LISTEN_ADDRESS>`.
fn refused_argument<'a>(error: &clap::Error, command: &'a clap::Command) -> Option<&'a clap::Arg> {
    let Some(ContextValue::String(usage)) = error.get(ContextKind::InvalidArg) else { return None };
    let flag = usage.strip_prefix("--")?;
    let name: String =
        flag.chars().take_while(|character| character.is_ascii_alphanumeric() || *character == '-').collect();
    command.get_arguments().find(|argument| argument.get_long() == Some(&name))
}

/// A flag overrides the environment. The file's values are checked before.
fn place_of(argument: &clap::Arg, arguments: &[OsString]) -> Option<Place> {
    let flag = format!("--{}", argument.get_long()?);
    let is_flag = |text: &OsString| {
        let text = text.to_string_lossy();
        text.strip_prefix(flag.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    if arguments.iter().any(is_flag) { place::flag(argument) } else { place::variable(argument) }
}

fn has_broken_variable(argument: &clap::Arg) -> bool {
    let is_path = argument.get_value_parser().type_id() == ValueParser::path_buf().type_id();
    let value = argument.get_env().and_then(std::env::var_os);
    !is_path && value.as_deref().map(OsStr::to_str) == Some(None)
}
