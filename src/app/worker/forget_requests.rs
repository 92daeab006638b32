//! Forgets the request ids that have expired, and the files of payouts that were kept as long.

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

/// How many files are removed in one transaction. Each may have a megabyte.
const FILES_MAX: u64 = 10;

/// See the head of the file.
pub(super) struct ForgetRequests(pub(super) Arc<App>);

impl Worker for ForgetRequests {
    const NAME: &'static str = NAME;

    async fn run(&self, run: &mut Run) -> Result<(), Failure> {
        remove_all(&self.0, run, "requests forgotten", Upkeep::ForgetRequests(ROWS_MAX), ROWS_MAX).await?;
        remove_all(&self.0, run, "payout files forgotten", Upkeep::ForgetPayoutFiles(FILES_MAX), FILES_MAX).await
    }
}
