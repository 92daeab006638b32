//! How often the workers run.

use clap::Args;
use serde::Serialize;

/// The workers.
#[derive(Debug, Clone, Args, Serialize)]
pub struct WorkerSettings {
    /// How often rewards whose hold period is over are approved and old rows are removed, in seconds.
    #[arg(long, global = true, env = "HEADWATER_UPKEEP_INTERVAL_SECONDS", default_value = "60", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub upkeep_interval_seconds: u32,
}
