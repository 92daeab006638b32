//! The file with the keys that seal payout details and credentials. On SQLite it is made beside the database if nobody names one, and never
//! overwritten.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::{ServerError, private};
use crate::app::worker::reseal_secrets::purpose_of;
use crate::config::Settings;
use crate::secrets::{CannotOpen, KeyTextProblem, Secrets};
use crate::store::sealed::{SealedPlace, SealedRow, SealedWalk};
use crate::store::{self, Store};

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretsKeyProblem {
    /// The file has no keys.
    #[error("cannot use the secrets key file {}: {problem}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// The cause.
        problem: KeyTextProblem,
    },
    /// The keys do not open what is stored.
    #[error(
        "the secrets key file {} does not fit the database: {problem}. Put the key that the database was used with into the file, as a \
         further line",
        path.display()
    )]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The cause.
        problem: CannotOpen,
    },
    /// There is no file, and something is sealed.
    #[error(
        "the database has payout details that are sealed with a key, and there is no secrets key. {}",
        match path {
            Some(path) => format!("Put the key file of this database back, which was {}, or set secrets_key_file", path.display()),
            None => "Set secrets_key_file to the key file of this database".to_owned(),
        }
    )]
    Missing {
        /// Where the file is expected, on SQLite.
        path: Option<PathBuf>,
    },
}

/// The keys of the file that the settings name. `None` if they name none.
///
/// # Errors
/// [`ServerError`].
pub(super) fn read(settings: &Settings) -> Result<Option<Secrets>, ServerError> {
    settings.payouts.secrets_key_file.as_deref().map(read_file).transpose()
}

fn read_file(path: &Path) -> Result<Secrets, ServerError> {
    let file_error = |source| ServerError::File { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(file_error)?;
    if private::is_public(path) {
        return Err(ServerError::PublicKeyFile { path: path.to_owned() });
    }
    let problem = |problem| SecretsKeyProblem::Text { path: path.to_owned(), problem };
    Ok(Secrets::parse(&text).map_err(problem)?)
}

/// The file beside an embedded database: `headwater.sqlite.key` for `headwater.sqlite`. `None` on PostgreSQL.
fn beside(settings: &Settings) -> Option<PathBuf> {
    let url = settings.database.url();
    let file = url.expose_secret().strip_prefix("sqlite://")?;
    let file = file.split('?').next().unwrap_or(file);
    Some(PathBuf::from(format!("{file}.key")))
}

/// The keys for this database. Checks that they open what is stored, and makes a key where there may be a new one.
///
/// # Errors
/// [`ServerError`].
pub(super) async fn of_database(
    settings: &Settings,
    store: &Store,
    read: Option<Secrets>,
) -> Result<Secrets, ServerError> {
    let sealed = last_sealed(store).await?;
    if let (Some(secrets), Some(path)) = (read, &settings.payouts.secrets_key_file) {
        return checked(secrets, path, &sealed);
    }
    let Some(path) = beside(settings) else {
        if !sealed.is_empty() {
            return Err(SecretsKeyProblem::Missing { path: None }.into());
        }
        return Ok(Secrets::default());
    };
    if sealed.is_empty() {
        make(&path).map_err(|source| ServerError::File { path: path.clone(), source })?;
    } else if !path.exists() {
        return Err(SecretsKeyProblem::Missing { path: Some(path) }.into());
    }
    checked(read_file(&path)?, &path, &sealed)
}

/// Writes a file with a random key, unless there is one.
fn make(path: &Path) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = match options.write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    };
    let text = format!(
        "# Encrypts payout details in the database. Back it up apart from the database.\n{}\n",
        Secrets::new_key_text()
    );
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(directory)?.sync_all()?;
    tracing::info!(path = %path.display(), "made the key that encrypts payout details; back it up apart from the database");
    Ok(())
}

/// The last sealed row of each place. A change to another key goes along the rows, so the last one has the old key for the longest time.
async fn last_sealed(store: &Store) -> Result<Vec<SealedRow>, ServerError> {
    let mut rows = Vec::new();
    for place in SealedPlace::ALL {
        rows.extend(store::sealed::read(store, place, SealedWalk::Last).await?);
    }
    Ok(rows)
}

/// The keys, if they open what is stored.
fn checked(secrets: Secrets, path: &Path, sealed: &[SealedRow]) -> Result<Secrets, ServerError> {
    for row in sealed {
        if let Err(problem) = secrets.open(purpose_of(row.place), row.account_id, &row.sealed) {
            return Err(SecretsKeyProblem::Wrong { path: path.to_owned(), problem }.into());
        }
    }
    Ok(secrets)
}
