//! The store on both databases: saved rows are read back, missing ones are absent, and numbers have no gap.

mod form;
mod load;
mod read;
mod save;
mod statements;
mod statistics;

use std::collections::BTreeMap;

use headwater::domain::event::NewEvent;
use headwater::domain::id::AccountId;
use headwater::domain::ledger::AccountHead;
use headwater::domain::set::{Needs, WorkingSet};
use headwater::domain::time::Time;
use headwater::store::set::catalogue::Catalogues;
use headwater::store::{self, Store, StoreError, WriteTransaction};

use crate::support::rows::{ACCOUNT, NOW, account};
use crate::support::store::open;

/// Saves changes as a batch does: locks the heads and loads the existing rows first.
pub(crate) async fn write(
    store: &Store,
    needs: Needs,
    change: impl FnOnce(&mut WorkingSet),
    now: Time,
) -> Result<(), StoreError> {
    let transaction = store.begin().await?;
    let mut heads = lock(&transaction).await?;
    let mut set = load(&transaction, needs).await?;
    change(&mut set);
    store::set::save(&transaction, &set, &mut heads, now, encode_body).await?;
    transaction.commit().await
}

/// Locks the heads of the accounts that tests write to.
async fn lock(transaction: &WriteTransaction) -> Result<BTreeMap<AccountId, AccountHead>, StoreError> {
    store::account_head::lock_heads(transaction, &[ACCOUNT, AccountId::SERVER].into()).await
}

async fn load(transaction: &WriteTransaction, needs: Needs) -> Result<WorkingSet, StoreError> {
    let mut set = WorkingSet::default();
    store::set::load(transaction, needs, &mut Catalogues::default(), &mut set).await?;
    Ok(set)
}

fn needs(add: impl FnOnce(&mut Needs)) -> Needs {
    let mut needs = Needs::default();
    add(&mut needs);
    needs
}

/// A readable event body.
fn encode_body(event: &NewEvent, out: &mut Vec<u8>) {
    out.extend(format!("{event:?}").as_bytes());
}

async fn read(store: &Store, needs: Needs) -> WorkingSet {
    let transaction = store.begin().await.unwrap();
    load(&transaction, needs).await.unwrap()
}

async fn open_with_account(database: &crate::support::database::TestDatabase) -> Store {
    let store = open(database).await;
    let registered = |set: &mut WorkingSet| _ = set.put(account(ACCOUNT));
    write(&store, Needs::default(), registered, NOW).await.unwrap();
    store
}
