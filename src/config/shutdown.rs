//! How the server stops.

use clap::Args;
use serde::Serialize;

/// The stop.
#[derive(Debug, Clone, Args, Serialize)]
pub struct ShutdownSettings {
    /// How long a stop waits after it reports NOT_SERVING and before it takes no more calls, in milliseconds. A load balancer
    /// needs this time to notice.
    #[arg(long, global = true, env = "HEADWATER_DRAIN_DELAY_MILLISECONDS", default_value = "0", value_parser = clap::value_parser!(u32).range(0..=600_000))]
    pub drain_delay_milliseconds: u32,

    /// How long a stop waits for calls in progress before it ends them, in seconds. Readers that take nothing and requests that do
    /// not come are ended within about a second. The database may take one second more.
    #[arg(long, global = true, env = "HEADWATER_SHUTDOWN_SECONDS", default_value = "4", value_parser = clap::value_parser!(u32).range(1..=600))]
    pub shutdown_seconds: u32,
}
