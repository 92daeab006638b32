//! How the server stops.

use clap::Args;
use serde::Serialize;

/// The stop.
#[derive(Debug, Clone, Args, Serialize)]
pub struct ShutdownSettings {
    /// How long to wait on a stop between saying NOT_SERVING and taking no more calls, in milliseconds, so that a load balancer can
    /// notice.
    #[arg(long, global = true, env = "HEADWATER_DRAIN_DELAY_MILLISECONDS", default_value = "0", value_parser = clap::value_parser!(u32).range(0..=600_000))]
    pub drain_delay_milliseconds: u32,

    /// How long calls in progress may take on a stop, in seconds, before they are cut.
    #[arg(long, global = true, env = "HEADWATER_SHUTDOWN_SECONDS", default_value = "25", value_parser = clap::value_parser!(u32).range(1..=600))]
    pub shutdown_seconds: u32,
}
