//! A crash loses no acknowledged write, repeats none, and leaves no gap in the feed. The tests kill the real binary
//! repeatedly under load, and cut the database connections of a running server. `failpoints.rs` tests failures at chosen places.

use std::time::Duration;

use headwater::clock;
use tempfile::TempDir;
use tonic::{Code, Status};

use crate::support::binary::serve;
use crate::support::database::TestDatabase;
use crate::support::load::{Load, Unanswered};
use crate::support::server::{TestServer, register};
use crate::support::shop::Shop;

const CLIENTS: usize = 8;
const KILLS: usize = 5;
/// Average time of the server between two kills.
const LIFE: Duration = Duration::from_millis(700);

db_test!(killed_again_and_again_it_loses_nothing_and_doubles_nothing, |database: TestDatabase| async move {
    let folder: TempDir = tempfile::Builder::new().prefix("headwater-crash-").tempdir().unwrap();
    let flags = ["--database", database.url.as_str()];
    let mut server = serve(folder.path(), &flags).await;
    let operator_key = std::fs::read_to_string(folder.path().join("headwater-data/operator.key")).unwrap();
    let shop = Shop::furnish(register(&server.url(), operator_key.trim(), "shop").await).await;
    let load = Load::start(&server.url(), &shop.client.key, CLIENTS, Unanswered::RepeatSome);
    for _ in 0..KILLS {
        tokio::time::sleep(clock::jitter(LIFE, 60)).await;
        server.kill().await.unwrap();
        server = serve(folder.path(), &flags).await;
        load.moved_to(&server.url());
    }
    tokio::time::sleep(LIFE).await;
    let ended = load.end().await;
    assert_eq!(ended.entry_count, ended.sale_count);
    let failed = ended.journals.iter().filter(|journal| !journal.failures.is_empty()).count();
    assert!(failed > CLIENTS / 2, "the kills were noticed by {failed} clients only");
    assert!(ended.journals.iter().map(|journal| journal.acknowledged.len()).sum::<usize>() > 10 * CLIENTS);
});

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cuts_every_connection_costs_no_sale() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let load = Load::start(&server.address, &shop.client.key, CLIENTS, Unanswered::RepeatSome);
    for _ in 0..20 {
        tokio::time::sleep(clock::jitter(Duration::from_millis(150), 60)).await;
        database.cut_connections().await;
    }
    let ended = load.end().await;
    assert_eq!(ended.entry_count, ended.sale_count);
    let failures: Vec<&Status> = ended.journals.iter().flat_map(|journal| &journal.failures).collect();
    assert!(!failures.is_empty(), "nothing was cut");
    // The caller gets an error that asks for a retry, not INTERNAL.
    let others: Vec<_> = failures.iter().filter(|status| status.code() != Code::Unavailable).collect();
    assert!(others.is_empty(), "{others:?}");
}
