//! A row that is written only to see whether writes work.

use super::backend::bulk::Writes;
use super::entity::write_trial as table;
use super::{StoreError, WriteTransaction};

/// How many bytes a trial writes: more than most calls. On a full disk there is often room for a few pages that a failed write has left
/// behind, so a small write works although no call does.
pub const BYTES: usize = 256 << 10;

/// The only row.
const ID: i32 = 1;

/// Writes the row. The content must be random, because PostgreSQL would compress it otherwise. Returns how many rows that were.
///
/// # Errors
/// [`StoreError`].
pub async fn write(transaction: &WriteTransaction, content: Vec<u8>) -> Result<u64, StoreError> {
    let mut writes = Writes::default();
    writes.replace::<table::Entity>(vec![table::Model { id: ID, content }])?;
    writes.run(transaction.connection()).await?;
    Ok(1)
}
