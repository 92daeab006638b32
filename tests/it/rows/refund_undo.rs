//! Refunds that are told as totals, and refunds that are undone: rows F11 and N9.

use headwater::app::check;
use headwater::pb;
use testkit::client::Client;

use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::feed::{conversion_of, from_beginning};
use crate::support::server::TestServer;
use crate::support::shop::{Shop, sale};

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

fn total(event_id: &str, minor: i64) -> pb::RecordRefundRequest {
    pb::RecordRefundRequest {
        event_id: event_id.to_owned(),
        sale_event_id: "sale-1".to_owned(),
        refunded_total: Some(usd(minor)),
        ..Default::default()
    }
}

fn undo(event_id: &str, refund_event_id: &str) -> pb::UndoRefundRequest {
    pb::UndoRefundRequest {
        event_id: event_id.to_owned(),
        refund_event_id: refund_event_id.to_owned(),
        reason: "the bank sent it back".to_owned(),
        ..Default::default()
    }
}

async fn conversion(client: &mut Client, id: &str) -> pb::Conversion {
    let selector = pb::conversion_selector::Selector::Id(id.to_owned());
    let request = pb::GetConversionRequest {
        conversion: Some(pb::ConversionSelector { selector: Some(selector) }),
        ..Default::default()
    };
    client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap()
}

async fn sentences(client: &mut Client, id: &str) -> Vec<String> {
    let selector = pb::conversion_selector::Selector::Id(id.to_owned());
    let request = pb::ExplainConversionRequest {
        conversion: Some(pb::ConversionSelector { selector: Some(selector) }),
        ..Default::default()
    };
    client.tracking.explain_conversion(request).await.unwrap().into_inner().sentences
}

async fn refunds_of(client: &mut Client, id: &str) -> i64 {
    conversion(client, id).await.refunded_amount.unwrap().amount_minor
}

/// Checks the books, the tallies and the figures.
async fn assert_sound(server: &TestServer) {
    let app = server.server.app();
    for account_id in check::accounts(app.store()).await.unwrap() {
        let report = check::check(app.store(), account_id).await.unwrap();
        assert_eq!(report.differences, Vec::<String>::new());
    }
}

db_test!(f11_an_undone_refund_is_seen_told_and_explained, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let sold = client.tracking.record_sale(sale(1)).await.unwrap().into_inner().conversion_id;
    let refund = client.tracking.record_refund(total("refund-1", 400)).await.unwrap().into_inner().conversion_id;
    let known = client.tracking.record_refund(total("refund-2", 300)).await.unwrap().into_inner();
    assert_eq!((known.warnings.len(), known.rewards.len()), (1, 0));
    assert_eq!(known.warnings[0].field, "refunded_total");
    assert!(known.warnings[0].explanation.contains("4.00 USD"), "{known:?}");
    let shown = conversion(client, &known.conversion_id).await;
    assert_eq!((shown.refunded_total, shown.amount), (Some(usd(300)), Some(usd(0))));
    assert_eq!(refunds_of(client, &sold).await, 400);
    let told = sentences(client, &known.conversion_id).await;
    assert!(told[0].contains("its total was known"), "{told:?}");

    let answer = client.tracking.undo_refund(undo("undo-1", "refund-1")).await.unwrap().into_inner();
    assert_eq!((answer.rewards.len(), answer.sale_conversion_id.as_str()), (1, sold.as_str()));
    let undone = conversion(client, &answer.conversion_id).await;
    assert_eq!(undone.kind(), pb::ConversionKind::RefundUndo);
    assert_eq!((undone.undone_refund_id.as_str(), undone.amount), (refund.as_str(), Some(usd(400))));
    assert_eq!(undone.correction_reason, "the bank sent it back");
    let shown = conversion(client, &refund).await;
    assert_eq!(shown.refund_undo_id, answer.conversion_id);
    assert_eq!(refunds_of(client, &sold).await, 0);
    let told = sentences(client, &answer.conversion_id).await;
    assert!(told.iter().any(|text| text.contains(&refund)), "{told:?}");
    let told = sentences(client, &sold).await;
    assert!(told.iter().any(|text| text.contains("undo-1") && text.contains("gave 0.80 USD")), "{told:?}");

    // By the other name it is the same refund.
    let request = pb::UndoRefundRequest {
        event_id: "undo-2".to_owned(),
        refund_conversion_id: refund.clone(),
        ..Default::default()
    };
    let again = client.tracking.undo_refund(request).await.unwrap().into_inner();
    assert_eq!((again.conversion_id.as_str(), again.replayed), (answer.conversion_id.as_str(), false));
    assert_eq!(again.warnings[0].field, "refund_conversion_id");

    let request = pb::ReadEventsRequest { start: Some(from_beginning()), ..Default::default() };
    let events = client.feed.read_events(request).await.unwrap().into_inner().events;
    let of_undo: Vec<_> = events.iter().filter(|event| event.cause_id == "undo-1").collect();
    let kinds: Vec<_> = of_undo.iter().map(|event| event.kind()).collect();
    use pb::EventKind::{ConversionUpdated, RefundUndone, SaleRestored};
    assert_eq!(kinds, [RefundUndone, SaleRestored, ConversionUpdated]);
    let images: Vec<_> = of_undo.iter().map(|event| conversion_of(event).unwrap()).collect();
    assert_eq!(images[0].rewards.len(), 1);
    assert_eq!(images[0].correction_reason, "", "a person wrote it");
    assert_eq!(images[1].refunded_amount, Some(usd(0)));
    assert_eq!(images[2].refund_undo_id, answer.conversion_id);
    assert_sound(&server).await;
});

// On PostgreSQL through two servers. Refunds, totals and what undoes them are told at once, each twice.
db_test!(n9_of_64_calls_at_once_each_refund_is_booked_and_undone_once, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let second = match database.kind {
        DatabaseKind::Sqlite => None,
        DatabaseKind::Postgres => Some(TestServer::start(&database).await),
    };
    let servers = [&server, second.as_ref().unwrap_or(&server)];
    let sold = shop.client.tracking.record_sale(sale(1)).await.unwrap().into_inner().conversion_id;
    shop.client.tracking.record_refund(total("failed", 100)).await.unwrap();
    let calls = (0..64).map(|number: usize| {
        let (address, key) = (servers[number % 2].address.clone(), shop.client.key.clone());
        tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            match (number / 2) % 2 {
                // Each undoes the same refund, under ids of their own.
                0 => {
                    let answer = client.tracking.undo_refund(undo(&format!("undo-{}", number / 4), "failed")).await;
                    let answer = answer.unwrap().into_inner();
                    i64::from(answer.warnings.is_empty() && !answer.replayed)
                }
                _ => {
                    let minor = 20 * (1 + i64::try_from(number / 4).unwrap());
                    client.tracking.record_refund(total(&format!("total-{}", number / 4), minor)).await.unwrap();
                    0
                }
            }
        })
    });
    let calls: Vec<_> = calls.collect();
    let mut undone = 0;
    for call in calls {
        undone += call.await.unwrap();
    }
    assert_eq!(undone, 1, "one call undoes the refund");
    // The largest total is 320. If the refund failed before it was told, it is all; otherwise it has the failed 100.
    let refunded = refunds_of(&mut shop.client, &sold).await;
    assert!((220..=320).contains(&refunded), "{refunded}");
    assert_sound(&server).await;
});
