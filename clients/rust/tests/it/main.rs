//! The client against a fake server. `clients/test` runs it against the real one.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may die of what it does not expect")]

mod calls;
mod fake;
mod follow;
