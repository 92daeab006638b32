//! A store on a test's database.

use headwater::store::{Identity, Store, StoreOptions};
use uuid::Uuid;

use super::database::TestDatabase;

pub(crate) fn options(database: &TestDatabase) -> StoreOptions {
    StoreOptions {
        url: database.url.clone(),
        read_connections_max: 2,
        sqlite_checkpoint_mib: 32,
        new_identity: Identity { database_id: Uuid::from_u128(1), secret: [7; 32] },
        may_be_new: true,
    }
}

pub(crate) async fn open(database: &TestDatabase) -> Store {
    Store::open(&options(database)).await.unwrap()
}
