//! The store on both databases: what is saved comes back, what is not there is said to be absent, and numbers have no gap.

mod form;
mod load;
mod read;
mod save;
mod statistics;

use std::collections::BTreeSet;

use headwater::domain::event::NewEvent;
use headwater::domain::id::AccountId;
use headwater::domain::time::Time;
use headwater::domain::working_set::{Changes, Needs, WorkingSet};
use headwater::store::catalogue::Catalogues;
use headwater::store::{self, Store, StoreError};

use crate::support::rows::{ACCOUNT, NOW, account};
use crate::support::store::open;

/// Saves changes as a batch does: heads locked, rows that are already there loaded first.
async fn write(store: &Store, needs: Needs, changes: Changes, now: Time) -> Result<(), StoreError> {
    let transaction = store.begin().await?;
    let mut accounts: BTreeSet<AccountId> = changes.events.iter().map(|event| event.account_id).collect();
    accounts.insert(ACCOUNT);
    let mut heads = store::account_head::lock_heads(&transaction, &accounts).await?;
    let mut set = WorkingSet::default();
    store::load::load(&transaction, &needs, &mut Catalogues::default(), &mut set).await?;
    set.absorb(changes);
    store::save::save(&transaction, &set, &mut heads, now, encode_body).await?;
    transaction.commit().await
}

/// A body that tests can read.
fn encode_body(event: &NewEvent, out: &mut Vec<u8>) {
    out.extend(format!("{event:?}").as_bytes());
}

async fn read(store: &Store, needs: Needs) -> WorkingSet {
    let transaction = store.begin().await.unwrap();
    let mut set = WorkingSet::default();
    store::load::load(&transaction, &needs, &mut Catalogues::default(), &mut set).await.unwrap();
    set
}

async fn open_with_account(database: &crate::support::database::TestDatabase) -> Store {
    let store = open(database).await;
    let changes = Changes { accounts: vec![account(ACCOUNT)], ..Changes::default() };
    write(&store, Needs::default(), changes, NOW).await.unwrap();
    store
}
