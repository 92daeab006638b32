//! The rules of the real providers, each as one test that a client of HTTP drives. Against the fakes; against the real sandboxes where
//! keys are given by environment variables, see README.md.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may die of what it does not expect"
)]

mod faults;
mod paypal;
mod stripe;
mod support;
mod wise;
