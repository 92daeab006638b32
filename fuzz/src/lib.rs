//! Fuzz targets: hostile input for everything that reads what came from outside. A target is a function over bytes that panics if
//! a property does not hold. `tests/targets.rs` runs each of them for a moment, and `fuzz/run` for as long as wanted.
//!
//! The bytes are choices (`draw.rs`): which method, which fields, which of the values that somebody hostile would send (`value.rs`).
//! A fuzzer that changes some bytes therefore changes some choices, and the rest of the input stays as it was.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a fuzz target dies of what must not happen, and only tests use this crate"
)]

// Links libFuzzer into the empty test binary of the library, which cargo builds too. Otherwise a build for libFuzzer fails.
#[cfg(test)]
use bolero as _;

mod api;
mod draw;
mod message;
pub mod target;
mod value;

// The same invariants as in the tests of properties.
#[path = "../../tests/it/properties/audit.rs"]
mod audit;
#[path = "../../tests/it/properties/tallies.rs"]
mod tallies;

pub use api::{method_names, recorded};
