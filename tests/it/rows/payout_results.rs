//! Results of payouts that are imported from a file.

use headwater::pb;
use testkit::client::Client;
use tonic::Status;

use super::payout_reserved::{create, due_to, give_approved, owed_in_dollars, two_servers, verify};
use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

async fn import(client: &mut Client, csv: String) -> Result<Vec<pb::Payout>, Status> {
    let request = pb::ImportPayoutResultsRequest { csv, ..Default::default() };
    client.payouts.import_payout_results(request).await.map(|answer| answer.into_inner().payouts)
}

/// A payout of one new reward.
async fn payout_of(shop: &mut Shop, amount_minor: i64) -> pb::Payout {
    let reward_ids = vec![give_approved(&mut shop.client, "ann", amount_minor).await];
    let request = pb::CreatePayoutRequest { reward_ids, note: "May".to_owned(), ..due_to(&shop.affiliate_id) };
    create(&mut shop.client, request).await.unwrap()
}

db_test!(g16_a_file_of_results_is_taken_as_a_whole_and_can_be_repeated, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (paid, failed, other) =
        (payout_of(&mut shop, 100).await, payout_of(&mut shop, 20).await, payout_of(&mut shop, 3).await);
    let unknown = format!("pay_{:032x}", 7);
    let head = "payout_id,result,reference,reason";
    let rows = format!("{head}\n{},paid,TRX 17,\n{},failed,,account closed\n", paid.id, &failed.id[4..]);
    let status = import(&mut shop.client, format!("{rows}{unknown},paid,,\n")).await.unwrap_err();
    assert_eq!(reason(&status), "PAYOUT_NOT_FOUND");
    assert!(status.message().contains(&unknown), "{}", status.message());
    let status = import(&mut shop.client, format!("{rows}{},perhaps,,\n", other.id)).await.unwrap_err();
    assert_eq!(status.message(), "csv: row 4 has a result that is neither paid nor failed");
    assert_eq!(owed_in_dollars(&mut shop.client).await, [0, 0, 0, 0, 123, 0, 0]);

    let payouts = import(&mut shop.client, rows.clone()).await.unwrap();
    let facts: Vec<_> = payouts.iter().map(|payout| (payout.state(), payout.note.as_str())).collect();
    use pb::PayoutState::{Cancelled, Paid};
    assert_eq!(facts, [(Paid, "May"), (Cancelled, "May\naccount closed")]);
    assert_eq!((payouts[0].reference.as_str(), payouts[0].paid_time), ("TRX 17", payouts[0].update_time));
    assert_eq!(owed_in_dollars(&mut shop.client).await, [20, 0, 0, 0, 3, 0, 1]);
    // The same file, in a later call, changes nothing. Neither does it together with a new row.
    assert_eq!(import(&mut shop.client, rows.clone()).await.unwrap(), payouts);
    let longer = import(&mut shop.client, format!("{rows}{},paid,,\n", other.id)).await.unwrap();
    assert_eq!((&longer[..2], longer[2].state()), (&payouts[..], Paid));
    // A file that says something else is refused, and says which payout.
    for row in [format!("{},failed,,", paid.id), format!("{},paid,TRX 18,", paid.id), format!("{},paid,,", failed.id)] {
        let status = import(&mut shop.client, format!("{head}\n{row}\n")).await.unwrap_err();
        assert_eq!(reason(&status), "PAYOUT_STATE");
        assert!(status.message().starts_with(&format!("csv: payout {}", &row[..36])), "{}", status.message());
    }
    assert_eq!(owed_in_dollars(&mut shop.client).await, [20, 0, 0, 0, 0, 0, 1]);
    verify(&mut shop.client).await;
});

db_test!(g16_of_64_files_at_once_each_payout_has_one_result, |database: TestDatabase| async move {
    let (first, second) = two_servers(&database).await;
    let servers = [&first, second.as_ref().unwrap_or(&first)];
    let mut shop = Shop::open(&first, "shop").await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(payout_of(&mut shop, 100).await.id);
    }
    let mut calls = Vec::new();
    for number in 0..64_usize {
        let (address, key) = (servers[number / 2 % 2].address.clone(), shop.client.key.clone());
        let result = if number % 2 == 0 { "paid" } else { "failed" };
        let rows: String = ids.iter().map(|id| format!("{id},{result}\n")).collect();
        calls.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            import(&mut client, format!("payout_id,result\n{rows}")).await.map(|payouts| payouts[0].state())
        }));
    }
    let mut states = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Ok(state) => states.push(state),
            Err(status) => assert_eq!(reason(&status), "PAYOUT_STATE"),
        }
    }
    // All files with the first result are answered, and no other one.
    assert_eq!(states.len(), 32);
    assert!(states.iter().all(|state| *state == states[0]), "{states:?}");
    let owed_minor = if states[0] == pb::PayoutState::Cancelled { 400 } else { 0 };
    assert_eq!(owed_in_dollars(&mut shop.client).await[..5], [owed_minor, 0, 0, 0, 0]);
    verify(&mut shop.client).await;
});
