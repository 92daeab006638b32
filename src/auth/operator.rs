//! Makes operator keys: the first one of an empty database, which is written to a file, and further ones. Knows nothing of their
//! use.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::key;
use crate::app::{App, SubmitError};
use crate::domain::account::KeyKind;
use crate::domain::id::AccountId;
use crate::domain::request::{Fingerprint, RequestScope};
use crate::domain::rule::{CreateApiKey, Envelope, NewApiKey};
use crate::store::list::Walk;
use crate::store::{self, StoreError};

/// The name of the file that the first operator key is written to, in the data directory.
pub const OPERATOR_KEY_FILE: &str = "operator.key";

/// Why an operator key could not be made.
#[derive(Debug, thiserror::Error)]
pub enum OperatorKeyError {
    /// Its file cannot be written.
    #[error("cannot use {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The command was not carried out.
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

/// Why a new database must not get its first operator key.
#[derive(Debug, thiserror::Error)]
pub enum FirstKeyProblem {
    /// There is a key already, which a new one would overwrite.
    #[error(
        "the database is new, but {} has the operator key of another database. Nothing was changed. Perhaps the volume of \
         the database is not mounted, or the setting `database` is not as it was before: correct this. For a new database, \
         set another data_dir, or move the file away and keep it for the other database",
        .0.display()
    )]
    Exists(PathBuf),
    /// The file cannot be made.
    #[error(
        "the database is new, and its operator key cannot be written to {path}: {source}. Nothing was changed. Make the \
         directory writable, or set another data_dir",
        path = path.display()
    )]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

/// The reason why a new database must not get its first operator key with this data directory.
pub fn first_key_problem(data_dir: &Path) -> Option<FirstKeyProblem> {
    let path = data_dir.join(OPERATOR_KEY_FILE);
    // Whatever is there, even a broken link, is not ours to overwrite.
    match std::fs::symlink_metadata(&path) {
        Ok(_) => return Some(FirstKeyProblem::Exists(path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Some(FirstKeyProblem::NotWritable { path, source }),
    }
    let trial = data_dir.join(format!("{OPERATOR_KEY_FILE}.{}.trial", std::process::id()));
    let tried = std::fs::File::create(&trial).and_then(|_| std::fs::remove_file(&trial));
    tried.err().map(|source| FirstKeyProblem::NotWritable { path, source })
}

/// Makes the first operator key of an empty database and writes it to a file that only its owner can read.
///
/// # Errors
/// See [`OperatorKeyError`].
pub async fn ensure_first(app: &App, data_dir: &Path) -> Result<(), OperatorKeyError> {
    if !store::account::list_keys(app.store(), AccountId::SERVER, Walk::first(1)).await?.is_empty() {
        return Ok(());
    }
    let path = data_dir.join(OPERATOR_KEY_FILE);
    let file_error = |source| OperatorKeyError::File { path: path.clone(), source };
    let (text, new_key) = key::generate(KeyKind::ServerOperator);
    // The file is written first, because a key that is only in the database is lost.
    write_secret(&path, text.expose_secret()).await.map_err(file_error)?;
    failpoint!(BeforeOperatorKey);
    // If several server instances start at once on an empty database, the fingerprint lets only one make the key.
    let fingerprint = Fingerprint {
        scope: RequestScope::Method("first operator key").as_str().to_owned(),
        key: "first operator key".to_owned(),
        is_kept_for_ever: true,
        content_hash: [0; 32],
    };
    let answer = app.submit(envelope(new_key, Some(fingerprint)), None).await?;
    if answer.replayed {
        tokio::fs::remove_file(&path).await.map_err(file_error)?;
    } else {
        tracing::info!(path = %path.display(), "made the operator key; it is in this file");
    }
    Ok(())
}

/// Makes a further operator key and returns its text.
///
/// # Errors
/// [`OperatorKeyError::Submit`].
pub async fn create(app: &App) -> Result<SecretString, OperatorKeyError> {
    let (text, new_key) = key::generate(KeyKind::ServerOperator);
    app.submit(envelope(new_key, None), None).await?;
    Ok(text)
}

fn envelope(key: NewApiKey, fingerprint: Option<Fingerprint>) -> Envelope {
    let command = CreateApiKey::new(KeyKind::ServerOperator, "operator", key);
    Envelope { account_id: AccountId::SERVER, fingerprint, actor: None, command: command.into() }
}

async fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    use tokio::io::AsyncWriteExt;
    // A file that a failed start left is replaced, because it may have another mode.
    if let Err(error) = tokio::fs::remove_file(path).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = tokio::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).await?;
    file.write_all(text.as_bytes()).await?;
    file.write_all(b"\n").await?;
    file.sync_all().await
}
