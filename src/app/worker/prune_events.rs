//! Removes the events that are older than the feed keeps them.

use std::sync::Arc;

use super::driver::{Run, Worker};
use super::removal::remove_all;
use super::report::Failure;
use crate::app::App;
use crate::app::writer::Upkeep;
use crate::store;

/// The worker's name.
pub const NAME: &str = "prune_events";

/// How many segments are removed in one transaction. The number is small, because segments are long rows.
const SEGMENTS_MAX: u64 = 100;

/// See the head of the file.
pub(super) struct PruneEvents {
    pub(super) app: Arc<App>,
    pub(super) retention_days: i32,
}

impl Worker for PruneEvents {
    const NAME: &'static str = NAME;

    async fn run(&self, run: &mut Run) -> Result<(), Failure> {
        let before = self.app.clock().now().plus_days(-self.retention_days);
        for account_id in store::event::accounts_with_events_before(self.app.store(), before).await? {
            let prune = Upkeep::PruneEvents(account_id, before, SEGMENTS_MAX);
            remove_all(&self.app, run, "segments removed", prune, SEGMENTS_MAX).await?;
        }
        Ok(())
    }
}
