//! Reads the settings again on SIGHUP. The filter of the log is applied; the other settings need a restart, which is logged. The server
//! reads its certificate again at the same signal. Nothing here stops the server.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::ServerError;
use crate::config::{ConfigError, Settings};
use crate::logging;

/// The settings that are applied without a restart.
const APPLIED: [&str; 1] = ["log_filter"];

/// Reads the settings as they are now.
type ReadSettings = Box<dyn Fn() -> Result<Settings, ConfigError> + Send>;

/// The requests to read the settings again.
pub struct Reloads {
    hang_up: Signal,
    read: ReadSettings,
    /// The settings that are in force.
    in_force: Settings,
}

impl Reloads {
    /// Listens for SIGHUP from now on. A signal that comes earlier ends the process.
    ///
    /// # Errors
    ///
    /// Fails when the operating system refuses to deliver the signal.
    pub fn listen(
        in_force: Settings,
        read: impl Fn() -> Result<Settings, ConfigError> + Send + 'static,
    ) -> Result<Self, ServerError> {
        let hang_up = signal(SignalKind::hangup()).map_err(ServerError::Signals)?;
        Ok(Self { hang_up, read: Box::new(read), in_force })
    }

    /// Completes when the settings are to be read again; never without anybody who could ask for it.
    pub(super) async fn received(reloads: Option<&mut Self>) {
        let received = match reloads {
            // Other servers stop on SIGHUP when their terminal is closed. This one does not, because a log rotation or a closed
            // session must not stop a service.
            Some(reloads) => reloads.hang_up.recv().await,
            None => None,
        };
        if received.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Reads the settings and applies the filter of the log. Without settings that can be used, everything stays as it is.
    pub(super) fn apply(&mut self) {
        let settings = match (self.read)() {
            Ok(settings) => settings,
            Err(error) => {
                tracing::error!(%error, "SIGHUP: the settings cannot be read; those in force stay");
                return;
            }
        };
        let filter = &settings.log.log_filter;
        if let Err(error) = logging::set_filter(filter) {
            tracing::error!(%error, filter, "SIGHUP: the filter of the log cannot be used; the one in force stays");
            return;
        }
        self.in_force.log.log_filter.clone_from(filter);
        let need_restart = changed(&self.in_force, &settings).join(", ");
        // This is a warning, so that it is seen with most filters.
        tracing::warn!(log_filter = filter, "SIGHUP: the settings were read again");
        if !need_restart.is_empty() {
            tracing::warn!(settings = need_restart, "SIGHUP: these settings have changed and need a restart");
        }
    }
}

/// The names of the settings that differ and are not applied.
fn changed(one: &Settings, other: &Settings) -> Vec<String> {
    // A path that is no UTF-8 has no place in a table. Such settings are not compared.
    let (Ok(one), Ok(other)) = (toml::Table::try_from(one), toml::Table::try_from(other)) else { return Vec::new() };
    let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
    names.filter(|name| !APPLIED.contains(&name.as_str()) && one.get(*name) != other.get(*name)).cloned().collect()
}
