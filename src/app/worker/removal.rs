//! Removes many old rows without delaying the writes of others.

use super::driver::Run;
use super::report::Failure;
use crate::app::App;
use crate::app::writer::Upkeep;

/// Removes all rows that an upkeep names, at most `rows_max` in one transaction. Other writes run in between.
pub(super) async fn remove_all(
    app: &App,
    run: &mut Run,
    thing: &'static str,
    upkeep: Upkeep,
    rows_max: u64,
) -> Result<(), Failure> {
    while !run.is_stopping() {
        failpoint!(BeforeRemoval);
        let count = app.keep_up(upkeep.clone()).await?;
        run.count(thing, count);
        if count < rows_max {
            break;
        }
    }
    Ok(())
}
