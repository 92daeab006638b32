//! The log: to standard error, as text for people or JSON for machines.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::LogFormat;

/// Replaces the filter of the log that was started.
type SetFilter = Box<dyn Fn(EnvFilter) + Send + Sync>;

static SET_FILTER: OnceLock<SetFilter> = OnceLock::new();

/// The database's driver writes a warning for each connection that an outage breaks. The outage has its own lines, so only the errors of
/// the driver are logged, unless a filter names it.
const DRIVER: [&str; 2] = ["sqlx", "sqlx_core"];

fn filter_of(text: &str) -> Result<EnvFilter, ParseError> {
    let filter = EnvFilter::try_new(text)?;
    if DRIVER.iter().any(|driver| text.contains(driver)) {
        return Ok(filter);
    }
    let quiet = |driver: &&str| format!("{driver}=error").parse();
    Ok(DRIVER.iter().map(quiet).collect::<Result<Vec<_>, _>>()?.into_iter().fold(filter, EnvFilter::add_directive))
}

/// Starts logging. A second start in one process changes nothing.
///
/// # Errors
/// The filter cannot be read.
pub fn start(format: LogFormat, filter: &str) -> Result<(), ParseError> {
    let filter = filter_of(filter)?;
    let builder = tracing_subscriber::fmt().with_writer(std::io::stderr);
    // Only a terminal gets colours, because a file would keep their escape codes.
    let builder = builder.with_ansi(std::io::stderr().is_terminal());
    // A line that cannot be written is lost. The report about it would go to standard error too, and would panic there.
    let builder = builder.log_internal_errors(false);
    // The two formats have different types.
    let (started, set_filter): (_, SetFilter) = match format {
        LogFormat::Text => {
            let builder = builder.with_env_filter(filter).with_filter_reloading();
            let handle = builder.reload_handle();
            (builder.try_init(), Box::new(move |filter| _ = handle.reload(filter)))
        }
        LogFormat::Json => {
            let builder = builder.json().with_env_filter(filter).with_filter_reloading();
            let handle = builder.reload_handle();
            (builder.try_init(), Box::new(move |filter| _ = handle.reload(filter)))
        }
    };
    if started.is_err() {
        tracing::debug!("the log was started before");
    } else {
        // It is the first start, so nothing is there to be replaced.
        _ = SET_FILTER.set(set_filter);
    }
    Ok(())
}

/// Replaces the filter of the log. Changes nothing if no log was started here.
///
/// # Errors
/// The filter cannot be read.
pub fn set_filter(filter: &str) -> Result<(), ParseError> {
    let filter = filter_of(filter)?;
    if let Some(set_filter) = SET_FILTER.get() {
        set_filter(filter);
    }
    Ok(())
}
