//! A backup of a SQLite database that is written to, and a server on the restored copy.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use headwater::pb;
use tempfile::TempDir;
use testkit::client::Client;

use crate::support::binary::{operator_key, run_to_end, serve};
use crate::support::feed::{from_beginning, from_cursor};
use crate::support::load::{Load, Unanswered};
use crate::support::server::{reason, register};
use crate::support::shop::Shop;

const CLIENTS: usize = 4;

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("headwater-backup-").tempdir().unwrap()
}

async fn back_up(folder: &Path, flags: &[&str], to: &str) -> Result<(), String> {
    let arguments: Vec<&str> = ["backup", "--to", to].iter().chain(flags).copied().collect();
    let output = run_to_end(folder, &arguments).await;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// The event_ids of all sales, and the cursor of the newest event.
async fn sales(client: &mut Client) -> (BTreeSet<String>, String) {
    let mut start = from_beginning();
    let mut found = BTreeSet::new();
    loop {
        let request = pb::ReadEventsRequest { start: Some(start), page_size: 1_000, ..Default::default() };
        let page = client.feed.read_events(request).await.unwrap().into_inner();
        let is_sale = |event: &&pb::Event| event.kind() == pb::EventKind::SaleRecorded;
        found.extend(page.events.iter().filter(is_sale).map(|event| event.cause_id.clone()));
        if page.next_cursor == page.head_cursor {
            return (found, page.head_cursor);
        }
        start = from_cursor(page.next_cursor);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_busy_server_has_everything_that_was_acknowledged_before_it() {
    let (original, restored) = (folder(), folder());
    let server = serve(original.path(), &[]).await;
    let shop = Shop::furnish(register(&server.url(), &operator_key(original.path()), "shop").await).await;
    let mut client = shop.client.clone();
    let load = Load::start(&server.url(), &client.key, CLIENTS, Unanswered::Repeat);
    load.go_on_for(200).await;
    let (before, _) = sales(&mut client).await;
    back_up(original.path(), &[], "copy.sqlite").await.unwrap();
    // The load is not disturbed, and goes on after the copy.
    load.go_on_for(200).await;
    let ended = load.end().await;
    assert!(ended.journals.iter().all(|journal| journal.failures.is_empty()));
    let (after, head_cursor) = sales(&mut client).await;
    server.terminate().await.unwrap();

    let copy = original.path().join("copy.sqlite");
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!original.path().join("copy.sqlite.partial").exists());
    std::fs::create_dir(restored.path().join("headwater-data")).unwrap();
    std::fs::copy(&copy, restored.path().join("headwater-data/headwater.sqlite")).unwrap();
    let server = serve(restored.path(), &[]).await;
    let mut client = Client::connect(&server.url(), &client.key).await.unwrap();
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
    let (kept, _) = sales(&mut client).await;
    assert!(kept.is_superset(&before) && kept.is_subset(&after), "{} {} {}", before.len(), kept.len(), after.len());
    assert!(kept.len() < after.len(), "the copy is of a moment during the load");
    // A reader of the original has read events that the copy does not have.
    let request = pb::ReadEventsRequest { start: Some(from_cursor(head_cursor)), ..pb::ReadEventsRequest::default() };
    assert_eq!(reason(&client.feed.read_events(request).await.unwrap_err()), "CURSOR_AHEAD_OF_HEAD");
    server.terminate().await.unwrap();
}

#[tokio::test]
async fn a_backup_replaces_no_file_and_makes_no_database() {
    let folder = folder();
    let nothing = back_up(folder.path(), &[], "copy.sqlite").await.unwrap_err();
    assert!(nothing.contains("there is no database headwater-data/headwater.sqlite"), "{nothing}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");

    // Without a server too, and nothing is left beside the database.
    serve(folder.path(), &[]).await.terminate().await.unwrap();
    back_up(folder.path(), &[], "copy.sqlite").await.unwrap();
    assert!(!folder.path().join("headwater-data/headwater.sqlite-wal").exists());
    let first = std::fs::read(folder.path().join("copy.sqlite")).unwrap();
    let again = back_up(folder.path(), &[], "copy.sqlite").await.unwrap_err();
    assert!(again.contains("copy.sqlite exists"), "{again}");
    assert!(std::fs::read(folder.path().join("copy.sqlite")).unwrap() == first);

    let missing = back_up(folder.path(), &[], "missing/copy.sqlite").await.unwrap_err();
    assert!(missing.contains("cannot write missing/copy.sqlite.partial"), "{missing}");
}
