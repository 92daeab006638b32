//! Forgets the request ids that have expired.

use std::sync::Arc;

use super::driver::{Run, Worker};
use super::removal::remove_all;
use super::report::Failure;
use crate::app::App;
use crate::app::writer::Upkeep;

/// The worker's name.
pub const NAME: &str = "forget_requests";

/// How many rows are removed in one transaction, so that no write waits long behind it.
const ROWS_MAX: u64 = 5_000;

/// See the head of the file.
pub(super) struct ForgetRequests(pub(super) Arc<App>);

impl Worker for ForgetRequests {
    const NAME: &'static str = NAME;

    async fn run(&self, run: &mut Run) -> Result<(), Failure> {
        remove_all(&self.0, run, "requests forgotten", Upkeep::ForgetRequests(ROWS_MAX), ROWS_MAX).await
    }
}
