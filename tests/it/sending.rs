//! Payouts that are sent to a fake provider, whose books say who truly got how much. Whatever goes wrong, a payout is paid once, and none
//! is forgotten.

mod bench;
mod faults;
mod killed;
mod process;
mod reconciliation;
mod stopped;
mod story;
mod suspended;
