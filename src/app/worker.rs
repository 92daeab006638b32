//! The background workers, one file each, and the driver that runs them. A worker changes rows only by a command or an upkeep of
//! the one write path. It begins no transaction of its own.

pub mod approve_due;
mod clock_watch;
pub mod connections;
pub mod create_payouts;
mod driver;
pub mod forget_requests;
pub mod note_key_uses;
mod payout_result;
pub mod prune_events;
mod removal;
mod report;
pub mod run_schedules;
pub mod send_mail;
pub mod send_payouts;

use std::sync::Arc;
use std::time::Duration;

use super::App;
use crate::mail::Post;
use approve_due::ApproveDue;
use create_payouts::CreatePayouts;
pub(super) use driver::Workers;
use forget_requests::ForgetRequests;
use note_key_uses::NoteKeyUses;
use prune_events::PruneEvents;
pub use report::{Counts, Failure, RunResult, WorkerStatus};
use run_schedules::RunSchedules;
use send_mail::SendMail;
use send_payouts::{ProviderSource, SendPayouts};

/// Starts all workers of an app.
pub(super) fn start(
    app: &Arc<App>,
    interval: Duration,
    event_retention_days: Option<i32>,
    post: &Arc<Post>,
    providers: &Arc<dyn ProviderSource>,
) {
    app.workers.start(ApproveDue(Arc::clone(app)), interval);
    app.workers.start(CreatePayouts(Arc::clone(app)), interval);
    app.workers.start(RunSchedules(Arc::clone(app)), interval);
    app.workers.start(ForgetRequests(Arc::clone(app)), interval);
    app.workers.start(NoteKeyUses(Arc::clone(app)), interval);
    app.workers.start(SendMail { app: Arc::clone(app), post: Arc::clone(post) }, send_mail::INTERVAL);
    // A server whose upkeep is rare, such as that of a test, sends payouts only when it is woken.
    let sending = send_payouts::INTERVAL.max(interval / 100);
    app.workers.start(SendPayouts { app: Arc::clone(app), providers: Arc::clone(providers) }, sending);
    if let Some(retention_days) = event_retention_days {
        app.workers.start(PruneEvents { app: Arc::clone(app), retention_days }, interval);
    }
}
