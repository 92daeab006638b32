//! Payout providers against their fakes, which keep books of who truly got how much. Whatever goes wrong, a payout is paid once.
//!
//! `bench` starts a fake with a provider that calls it. `worker` is a slow, plain worker that follows the rules of the trait.

mod bench;
mod client;
mod faults;
mod paypal;
mod properties;
mod seen;
mod stripe;
mod wise;
mod worker;
