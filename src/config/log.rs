//! The log: its format and its filter.

use clap::{Args, ValueEnum};
use serde::Serialize;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// The log.
#[derive(Debug, Clone, Args, Serialize)]
pub struct LogSettings {
    /// How log lines are written.
    #[arg(long, global = true, env = "HEADWATER_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,

    /// The filter of the log, such as `info` or `info,headwater=debug`. A fault is always logged with the name of its call. With
    /// `headwater=debug`, every line that a call logs has that name.
    #[arg(long, global = true, env = "HEADWATER_LOG_FILTER", default_value = "info")]
    pub log_filter: String,
}
