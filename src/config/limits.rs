//! The limits of calls and of the write path.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

/// Limits of calls and of the write path.
#[derive(Debug, Clone, Args, Serialize)]
pub struct LimitSettings {
    /// How many writes may wait. More are refused at once with RESOURCE_EXHAUSTED. Accounts share the room: one alone may have two
    /// thirds of it. The minimum is 1,000, because one BatchRecordEvents may have that many. Each takes about 1 KiB of memory.
    #[arg(long, global = true, env = "HEADWATER_QUEUE_COMMANDS_MAX", default_value = "8192", value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    pub queue_commands_max: u32,

    /// How many writes are committed together at most. More makes each commit longer, fewer makes more commits. While several
    /// accounts write, each has its part of a commit.
    #[arg(long, global = true, env = "HEADWATER_BATCH_COMMANDS_MAX", default_value = "512", value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub batch_commands_max: u32,

    /// How long a read may take, and how long a write may wait before it is begun, in seconds. An earlier deadline of the caller
    /// takes precedence. Does not apply to streams, long polls and VerifyLedger.
    #[arg(long, global = true, env = "HEADWATER_REQUEST_TIMEOUT_SECONDS", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=600))]
    pub request_timeout_seconds: u32,

    /// The largest message that is taken, in bytes.
    #[arg(long, global = true, env = "HEADWATER_MESSAGE_BYTES_MAX", default_value = "4194304", value_parser = clap::value_parser!(u32).range(1_024..=67_108_864))]
    pub message_bytes_max: u32,

    /// How many bytes of requests that are being received, and of answers that their readers have not taken, the server holds, half
    /// of it for each. The accounts share them. Calls beyond are refused with RESOURCE_EXHAUSTED.
    #[arg(long, global = true, env = "HEADWATER_TRANSFER_BYTES_MAX", default_value = "134217728", value_parser = clap::value_parser!(u32).range(16_777_216..))]
    pub transfer_bytes_max: u32,

    /// How many calls are worked on or answered at once; more are refused with RESOURCE_EXHAUSTED. The accounts share them: one
    /// account alone may have two thirds. Open streams, calls that wait for events, and calls that need no key do not count.
    #[arg(long, global = true, env = "HEADWATER_CALLS_MAX", default_value = "4096", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub calls_max: u32,

    /// How many calls a minute each API key may make, at each server; more are refused with RESOURCE_EXHAUSTED and the time to wait.
    /// 0: any number. SetAccountCallLimit sets another number for the keys of one account. The calls of a publishable key count for
    /// each address alone. Operator keys have no limit. A batch and a stream count as one call.
    #[arg(long, global = true, env = "HEADWATER_KEY_CALLS_PER_MINUTE", default_value = "0", value_parser = clap::value_parser!(u32).range(0..=60_000_000))]
    pub key_calls_per_minute: u32,

    /// How many calls a key may make at once after a pause. It never gets more than its calls of a minute. Also for accounts with a
    /// number of their own.
    #[arg(long, global = true, env = "HEADWATER_KEY_CALLS_BURST", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub key_calls_burst: u32,

    /// How many calls a minute one address may make, or one /64 network of IPv6 addresses, at each server. 0: any number. Counts
    /// every call to a method that needs a key, also without a key or with one that does not work. Behind a proxy, set
    /// `trusted_proxies`, because all callers have the proxy's address otherwise.
    #[arg(long, global = true, env = "HEADWATER_ADDRESS_CALLS_PER_MINUTE", default_value = "0", value_parser = clap::value_parser!(u32).range(0..=60_000_000))]
    pub address_calls_per_minute: u32,

    /// How many calls an address may make at once after a pause. It never gets more than its calls of a minute.
    #[arg(long, global = true, env = "HEADWATER_ADDRESS_CALLS_BURST", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub address_calls_burst: u32,
}

impl LimitSettings {
    /// The longest that a call may take.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds.into())
    }
}
