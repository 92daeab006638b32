//! Seals what is in the database with the newest key of the server's file, as long as the file has older ones. A pass looks at all sealed
//! rows, so it goes on where another one ended. Several servers may do so at once, because only bytes that nobody has changed are replaced.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::driver::{Run, Worker};
use super::report::Failure;
use crate::app::App;
use crate::app::writer::Upkeep;
use crate::domain::payout_method::Sealed;
use crate::secrets::details::PayoutDetails;
use crate::secrets::{CannotOpen, Purpose, Secrets};
use crate::store;
use crate::store::sealed::{Resealed, SealedPlace, SealedRow, SealedWalk};

/// The worker's name.
pub const NAME: &str = "reseal_secrets";

/// How many rows are looked at together. They are replaced in one transaction, so that no write waits long behind it.
const ROWS_MAX: u64 = 200;

/// How many files. Each may have a megabyte.
const FILES_MAX: u64 = 5;

/// The server's keys.
#[derive(Clone, Default)]
pub struct Keys(pub Arc<Secrets>);

/// Without the keys.
impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("_")
    }
}

/// See the head of the file.
pub(super) struct ResealSecrets {
    pub(super) app: Arc<App>,
    pub(super) keys: Keys,
    /// Whether the log has that nothing is left to do.
    pub(super) is_told: AtomicBool,
}

/// What a pass has seen.
#[derive(Default)]
struct Pass {
    seen: u64,
    replaced: u64,
    /// Rows that no key opens, and why the first one does not open.
    closed: u64,
    problem: Option<CannotOpen>,
}

impl Worker for ResealSecrets {
    const NAME: &'static str = NAME;

    async fn run(&self, run: &mut Run) -> Result<(), Failure> {
        if !self.keys.0.has_older_keys() {
            return Ok(());
        }
        let mut pass = Pass::default();
        for place in SealedPlace::ALL {
            self.pass(run, place, &mut pass).await?;
        }
        if run.is_stopping() {
            return Ok(());
        }
        self.tell(&pass);
        Ok(())
    }
}

impl ResealSecrets {
    async fn pass(&self, run: &mut Run, place: SealedPlace, pass: &mut Pass) -> Result<(), Failure> {
        let limit = if place == SealedPlace::File { FILES_MAX } else { ROWS_MAX };
        let mut after = None;
        while !run.is_stopping() {
            let walk = SealedWalk::After(after, limit);
            let rows = store::sealed::read(self.app.store(), place, walk).await?;
            let Some(last) = rows.last() else { break };
            after = Some((last.account_id, last.key.clone()));
            pass.seen += rows.len() as u64;
            let resealed: Vec<Resealed> = rows.into_iter().filter_map(|row| self.reseal(row, pass)).collect();
            if !resealed.is_empty() {
                failpoint!(BeforeRemoval);
                let count = self.app.keep_up(Upkeep::Reseal(resealed.into())).await?;
                pass.replaced += count;
                run.count("secrets sealed anew", count);
            }
        }
        Ok(())
    }

    /// The row with bytes of the newest key. `None` if it has such bytes, or if no key opens it.
    fn reseal(&self, row: SealedRow, pass: &mut Pass) -> Option<Resealed> {
        let secrets = &self.keys.0;
        if secrets.is_newest(&row.sealed) {
            return None;
        }
        match sealed_anew(secrets, &row) {
            Ok((sealed, fingerprint)) => Some(Resealed { row, sealed, fingerprint }),
            Err(problem) => {
                pass.closed += 1;
                pass.problem.get_or_insert(problem);
                None
            }
        }
    }

    fn tell(&self, pass: &Pass) {
        if let Some(problem) = &pass.problem {
            tracing::error!(rows = pass.closed, %problem, "some secrets do not open; put their key into the secrets key file");
        }
        let is_done = pass.replaced == 0 && pass.closed == 0;
        if is_done && !self.is_told.swap(true, Ordering::Relaxed) {
            tracing::info!(
                rows = pass.seen,
                "all secrets are sealed with the first key of the secrets key file; the older keys can be removed from it"
            );
        }
        if !is_done {
            self.is_told.store(false, Ordering::Relaxed);
        }
    }
}

/// The bytes of a row under the newest key, and the fingerprint of a payout method.
fn sealed_anew(secrets: &Secrets, row: &SealedRow) -> Result<(Sealed, Option<[u8; 32]>), CannotOpen> {
    let purpose = purpose_of(row.place);
    let plain = secrets.open(purpose, row.account_id, &row.sealed)?;
    let sealed = secrets.seal(purpose, row.account_id, &plain).map_err(|_| CannotOpen::Changed)?;
    let fingerprint = match row.place {
        SealedPlace::Method | SealedPlace::PendingMethod => {
            let details = PayoutDetails::open(secrets, row.account_id, &row.sealed)?;
            let fingerprint = details.fingerprint(secrets, row.account_id).map_err(|_| CannotOpen::Changed)?;
            Some(fingerprint)
        }
        _ => None,
    };
    Ok((sealed, fingerprint))
}

/// What the bytes of a place were sealed for.
pub const fn purpose_of(place: SealedPlace) -> Purpose {
    match place {
        SealedPlace::Connection => Purpose::ProviderCredentials,
        SealedPlace::Method | SealedPlace::PendingMethod | SealedPlace::Destination => Purpose::PayoutDetails,
        SealedPlace::TaxNumber | SealedPlace::DocumentTaxNumber => Purpose::TaxNumber,
        SealedPlace::File => Purpose::PayoutFile,
    }
}
