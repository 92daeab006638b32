//! The commands that take care of a database: backup, restore and check.

use std::path::Path;
use std::process::ExitCode;

use secrecy::ExposeSecret;

use super::{complain, print};
use crate::app::check;
use crate::clock::{Clock, SystemClock};
use crate::config::Settings;
use crate::domain::id::AccountId;
use crate::server::ServerError;
use crate::store::StoreError;
use crate::store::backup::{self, Inspection};

/// Makes a backup, or checks one that PostgreSQL's tools have made.
pub(super) fn back_up(settings: &Settings, to: &Path) -> Result<ExitCode, ServerError> {
    let size = explained(backup::back_up(settings.database.url().expose_secret(), to))?;
    Ok(size.map_or(ExitCode::FAILURE, |size| {
        print(&format!("{}: {size} bytes\n", to.display()));
        ExitCode::SUCCESS
    }))
}

/// Puts a copy in the place of the database.
pub(super) async fn restore(settings: &Settings, from: &Path) -> Result<ExitCode, ServerError> {
    let moment = (SystemClock.now().micros() / 1_000_000).to_string();
    let restored = backup::put_back(settings.database.url().expose_secret(), from, &moment).await;
    let Some(restored) = explained(restored)? else { return Ok(ExitCode::FAILURE) };
    let mut text =
        format!("{} is restored from {}: {} bytes\n", restored.database.display(), from.display(), restored.size);
    for path in &restored.moved {
        text.push_str(&format!("kept what was there: {}\n", path.display()));
    }
    for note in &restored.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text.push_str(
        "next: run `headwater check`, start the server, and send again what was sent since the backup (docs/backup.md)\n",
    );
    print(&text);
    Ok(ExitCode::SUCCESS)
}

/// Checks the database and every account in it.
pub(super) async fn check_all(settings: &Settings) -> Result<ExitCode, ServerError> {
    let inspection = explained(backup::inspect(settings.database.url().expose_secret()).await)?;
    let Some(Inspection { store, differences }) = inspection else { return Ok(ExitCode::FAILURE) };
    print(&line("files and schema", &differences));
    let mut difference_count = differences.len();
    let accounts = check::accounts(&store).await?;
    for account_id in &accounts {
        let report = check::check(&store, *account_id).await?;
        difference_count += report.differences.len();
        let name = if *account_id == AccountId::SERVER { "the server".to_owned() } else { account_id.to_string() };
        let (entries, rewards, events) = (report.entry_count, report.reward_count, report.event_count);
        let what = format!("{name}: {entries} ledger entries, {rewards} rewards, {events} events");
        print(&line(&what, &report.differences));
    }
    store.close().await?;
    if difference_count == 0 {
        print(&format!("checked {} accounts: all is right\n", accounts.len()));
        return Ok(ExitCode::SUCCESS);
    }
    complain(&format!(
        "{difference_count} differences. Keep the database as it is, and compare it with the newest backup (docs/backup.md)"
    ));
    Ok(ExitCode::FAILURE)
}

/// What was checked, and what was found.
fn line(what: &str, differences: &[String]) -> String {
    let result = if differences.is_empty() { "right".to_owned() } else { format!("{} differences", differences.len()) };
    let details: String = differences.iter().map(|difference| format!("  - {difference}\n")).collect();
    format!("{what}: {result}\n{details}")
}

/// What the command is told. A refusal is an answer with what to do, and not a failure of the database.
fn explained<T>(result: Result<T, StoreError>) -> Result<Option<T>, ServerError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Refused(text)) => {
            complain(&text);
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
