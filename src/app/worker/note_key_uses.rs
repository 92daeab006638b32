//! Writes when API keys were last used. Several servers may do so at once, because the later use is kept.

use std::sync::Arc;

use super::driver::{Run, Worker};
use super::report::Failure;
use crate::app::writer::Upkeep;
use crate::app::{App, SubmitError};

/// The worker's name.
pub const NAME: &str = "note_key_uses";

/// How many keys are written in one transaction, so that no write waits long behind it.
const KEYS_MAX: usize = 2_000;

/// See the head of the file.
pub(super) struct NoteKeyUses(pub(super) Arc<App>);

impl Worker for NoteKeyUses {
    const NAME: &'static str = NAME;

    // The written keys are not counted, because a line of the log every few minutes would tell nothing.
    async fn run(&self, run: &mut Run) -> Result<(), Failure> {
        while !run.is_stopping() {
            if note_some(&self.0).await? < KEYS_MAX {
                break;
            }
        }
        Ok(())
    }
}

/// Writes what was noted since the last run. For a stop, which would lose it.
pub(in crate::app) async fn note_rest(app: &App) -> Result<(), SubmitError> {
    while note_some(app).await? == KEYS_MAX {}
    Ok(())
}

async fn note_some(app: &App) -> Result<usize, SubmitError> {
    let mut uses = app.key_uses.unwritten(app.clock.now(), KEYS_MAX);
    if uses.is_empty() {
        return Ok(0);
    }
    // Always in the same order, so that two servers never wait for each other's rows.
    uses.sort_unstable();
    app.keep_up(Upkeep::NoteKeyUses(uses.clone().into())).await?;
    app.key_uses.written(&uses);
    Ok(uses.len())
}
