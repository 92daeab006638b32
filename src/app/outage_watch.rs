//! Asks the database every second whether it works, so that an outage is noticed without calls, and its end without a caller who
//! tries. Knows neither the health service nor a statement.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::App;
use super::writer::Upkeep;
use crate::clock;
use crate::outage::Access;
use crate::store::{StoreError, write_trial};

const INTERVAL: Duration = Duration::from_secs(1);

/// How long a read may take. A frozen database answers nothing, not even with an error.
const READ: Duration = Duration::from_secs(5);

impl App {
    /// Since when the database could not be read, or could not be written. `None` while it works.
    pub fn database_fails_since(&self) -> Option<Instant> {
        self.store.outage().failing_since()
    }
}

/// Watches until the app stops.
pub(super) async fn watch(app: Arc<App>, stop: CancellationToken) {
    let watching = async {
        tokio::join!(try_reads(&app), try_writes(&app));
    };
    // Dropping a read or a wait for the writer in the middle leaves nothing undone.
    _ = stop.run_until_cancelled(watching).await;
}

async fn try_reads(app: &App) {
    let mut ticks = ticks();
    loop {
        ticks.tick().await;
        let store = &app.store;
        if tokio::time::timeout(READ, store.try_read()).await.is_err() {
            let problem = StoreError::Unavailable.to_string();
            store.outage().failed(Access::Read, &problem, "a read had no answer for 5 seconds");
        }
        store.outage().tick();
    }
}

/// Writes only while writes fail. A read or a small write would not do, because both work on a full disk. Writes that fail are noticed by
/// the calls that they fail.
async fn try_writes(app: &App) {
    let mut ticks = ticks();
    loop {
        ticks.tick().await;
        if app.store.outage().is_failing(Access::Write) {
            // The store notes the result.
            _ = app.keep_up(Upkeep::TryWrite(random_content())).await;
        }
    }
}

fn random_content() -> Arc<[u8]> {
    const CHUNK: usize = 1 << 10;
    (0..write_trial::BYTES / CHUNK).flat_map(|_| clock::random_bytes::<CHUNK>()).collect()
}

fn ticks() -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
