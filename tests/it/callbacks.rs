//! The listener for HTTP, and callbacks of payout providers on it.

mod attacks;
mod desk;
mod genuine;
mod listener;
mod plain;
mod recorder;
mod whole;
