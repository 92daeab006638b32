//! The spool: a directory with a file for each mail. Another program may send them from there. Files are written whole or not at all,
//! and only their owner can read them.

use std::io;
use std::path::{Path, PathBuf};

use tokio::fs;
use tokio::io::AsyncWriteExt;

use crate::domain::mail::Mail;

/// The folder for mail that cannot be sent.
const SET_ASIDE: &str = "undelivered";

/// See the head of the file.
pub(super) struct Spool(PathBuf);

impl Spool {
    pub(super) fn new(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    pub(super) fn dir(&self) -> &Path {
        &self.0
    }

    /// Writes a mail. A mail that is written again replaces itself.
    pub(super) async fn write(&self, mail: &Mail, bytes: &[u8]) -> io::Result<()> {
        write(&self.0, mail, bytes).await.map(|_| ())
    }

    /// Writes a mail that cannot be sent.
    pub(super) async fn set_aside(&self, mail: &Mail, bytes: &[u8]) -> io::Result<PathBuf> {
        write(&self.0.join(SET_ASIDE), mail, bytes).await
    }
}

async fn write(dir: &Path, mail: &Mail, bytes: &[u8]) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).await?;
    let path = dir.join(format!("{}.eml", mail.id));
    let unfinished = dir.join(format!(".{}.unfinished", mail.id));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished).await?;
    file.write_all(bytes).await?;
    file.sync_all().await?;
    fs::rename(&unfinished, &path).await?;
    fs::File::open(dir).await?.sync_all().await?;
    Ok(path)
}
