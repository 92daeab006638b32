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
pub mod reconcile_payouts;
mod removal;
mod report;
pub mod reseal_secrets;
pub mod run_schedules;
pub mod send_mail;
pub mod send_payouts;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{App, AppOptions};
use approve_due::ApproveDue;
use create_payouts::CreatePayouts;
pub(super) use driver::Workers;
use forget_requests::ForgetRequests;
use note_key_uses::NoteKeyUses;
use prune_events::PruneEvents;
use reconcile_payouts::ReconcilePayouts;
pub use report::{Counts, Failure, RunResult, WorkerStatus};
use reseal_secrets::ResealSecrets;
use run_schedules::RunSchedules;
use send_mail::SendMail;
use send_payouts::SendPayouts;

/// Starts all workers of an app.
pub(super) fn start(app: &Arc<App>, options: &AppOptions) {
    let (interval, providers) = (options.upkeep_interval, &options.providers.0);
    app.workers.start(ApproveDue(Arc::clone(app)), interval);
    app.workers.start(CreatePayouts(Arc::clone(app)), interval);
    app.workers.start(RunSchedules(Arc::clone(app)), interval);
    app.workers.start(ForgetRequests(Arc::clone(app)), interval);
    app.workers.start(NoteKeyUses(Arc::clone(app)), interval);
    app.workers.start(SendMail { app: Arc::clone(app), post: Arc::clone(&options.post) }, send_mail::INTERVAL);
    // A server whose upkeep is rare, such as that of a test, sends payouts only when it is woken.
    let sending = send_payouts::INTERVAL.max(interval / 100);
    app.workers.start(SendPayouts { app: Arc::clone(app), providers: Arc::clone(providers) }, sending);
    app.workers.start(ReconcilePayouts { app: Arc::clone(app), providers: Arc::clone(providers) }, interval);
    let is_told = AtomicBool::new(false);
    app.workers.start(ResealSecrets { app: Arc::clone(app), keys: options.keys.clone(), is_told }, interval);
    if let Some(retention_days) = options.event_retention_days {
        app.workers.start(PruneEvents { app: Arc::clone(app), retention_days }, interval);
    }
}
