//! The feed: its streams, and how long events are kept.

use clap::Args;
use serde::Serialize;

/// The feed.
#[derive(Debug, Clone, Args, Serialize)]
pub struct FeedSettings {
    /// How many feed streams and waiting long polls one key may have open at this server.
    #[arg(long, global = true, env = "HEADWATER_FEED_STREAMS_PER_KEY_MAX", default_value = "128", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub feed_streams_per_key_max: u32,

    /// How many feed streams and waiting long polls may be open at this server. The accounts share them: one account alone may have
    /// two thirds.
    #[arg(long, global = true, env = "HEADWATER_FEED_STREAMS_MAX", default_value = "1024", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub feed_streams_max: u32,

    /// The age at which a feed stream is ended with `draining`, in seconds, give or take 10 %.
    #[arg(long, global = true, env = "HEADWATER_FEED_STREAM_AGE_SECONDS", default_value = "1800", value_parser = clap::value_parser!(u32).range(1..=604_800))]
    pub feed_stream_age_seconds: u32,

    /// How long a feed stream waits for a reader that takes no messages, in seconds. The stream is then ended with SLOW_CONSUMER, which
    /// the reader gets when it takes messages again within ten times as long. An answer of another method, and a stream of which the
    /// reader never took anything, is cut after half of that time.
    #[arg(long, global = true, env = "HEADWATER_FEED_STALL_SECONDS", default_value = "30", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub feed_stall_seconds: u32,

    /// How often PostgreSQL is polled for commits of other server instances, in milliseconds.
    #[arg(long, global = true, env = "HEADWATER_FEED_POLL_MILLISECONDS", default_value = "25", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub feed_poll_milliseconds: u32,

    /// For how many days events stay in the feed. 0 keeps them for ever.
    #[arg(long, global = true, env = "HEADWATER_EVENT_RETENTION_DAYS", default_value = "0", value_parser = clap::value_parser!(u32).range(0..=36_500))]
    pub event_retention_days: u32,
}
