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
    let conversion = Some(pb::ConversionSelector { selector: Some(selector) });
    let request = pb::ExplainConversionRequest { conversion };
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

    // A second call finds that it was undone.
    let again = client.tracking.undo_refund(undo("undo-2", "refund-1")).await.unwrap().into_inner();
    assert_eq!((again.conversion_id.as_str(), again.replayed), (answer.conversion_id.as_str(), false));
    assert_eq!(again.warnings[0].field, "refund_event_id");

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

db_test!(f11_what_is_held_is_held_again_once_a_refund_is_undone, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let sold = shop.client.tracking.record_sale(sale(1)).await.unwrap().into_inner().conversion_id;
    let request = pb::DeactivateAffiliateRequest {
        affiliate: Some(shop.affiliate()),
        pending_rewards: pb::PendingRewards::Hold.into(),
        ..Default::default()
    };
    shop.client.affiliates.deactivate_affiliate(request).await.unwrap();
    shop.client.tracking.record_refund(total("refund-1", 1_000)).await.unwrap();
    shop.client.tracking.undo_refund(undo("undo-1", "refund-1")).await.unwrap();
    let rewards = conversion(&mut shop.client, &sold).await.rewards;
    let states: Vec<_> = rewards.iter().map(pb::Reward::state).collect();
    assert_eq!(states, [pb::RewardState::Reversed, pb::RewardState::Held]);
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

/// What happened on a day of January 2026.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "a story has few of them")]
enum Happened {
    Sale(pb::RecordSaleRequest),
    Refund(pb::RecordRefundRequest),
    Undo(pb::UndoRefundRequest),
    Correction(pb::CorrectSaleRequest),
    Cancellation(pb::RecordCancellationRequest),
}

impl Happened {
    /// Tells it. Returns whether it was taken.
    async fn tell(self, client: &mut Client) -> bool {
        match self {
            Self::Sale(request) => client.tracking.record_sale(request).await.is_ok(),
            Self::Refund(request) => client.tracking.record_refund(request).await.is_ok(),
            Self::Undo(request) => client.tracking.undo_refund(request).await.is_ok(),
            Self::Correction(request) => client.tracking.correct_sale(request).await.is_ok(),
            Self::Cancellation(request) => client.tracking.record_cancellation(request).await.is_ok(),
        }
    }
}

/// 2026-01-01 and so many days.
fn day(day: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: 1_767_225_600 + day * 86_400, nanos: 0 })
}

/// Two sales of a customer, who is refunded by totals and by an amount, one of which fails, and who cancels in between.
fn story() -> Vec<Happened> {
    let sold = |number, at| {
        let external_id = "bob".to_owned();
        Happened::Sale(pb::RecordSaleRequest { external_id, occur_time: day(at), ..sale(number) })
    };
    let told = |event_id: &str, minor, at| {
        Happened::Refund(pb::RecordRefundRequest { occur_time: day(at), ..total(event_id, minor) })
    };
    vec![
        sold(1, 1),
        told("total-1", 200, 2),
        Happened::Cancellation(pb::RecordCancellationRequest {
            event_id: "gone".to_owned(),
            external_id: "bob".to_owned(),
            occur_time: day(3),
            ..Default::default()
        }),
        told("total-2", 500, 4),
        Happened::Undo(pb::UndoRefundRequest { occur_time: day(5), ..undo("undo", "total-1") }),
        sold(2, 6),
        told("total-3", 400, 7),
        Happened::Correction(pb::CorrectSaleRequest {
            event_id: "fix-1".to_owned(),
            sale_event_id: "sale-2".to_owned(),
            amount: Some(usd(700)),
            occur_time: day(8),
            ..Default::default()
        }),
        Happened::Correction(pb::CorrectSaleRequest {
            event_id: "fix-2".to_owned(),
            sale_event_id: "sale-2".to_owned(),
            amount: Some(usd(800)),
            occur_time: day(9),
            ..Default::default()
        }),
    ]
}

/// What an account is left with: what Ann has earned, what is refunded of the first sale, and the state of the customer.
async fn left(shop: &mut Shop) -> (i64, i64, pb::LeadState) {
    let affiliate = Some(shop.affiliate());
    let request = pb::GetBalanceRequest { affiliate, ..Default::default() };
    let balances = shop.client.rewards.get_balance(request).await.unwrap().into_inner().balances;
    let minor = |value: Option<&pb::RewardValue>| match value.and_then(|value| value.amount.as_ref()) {
        Some(pb::reward_value::Amount::Cash(money)) => money.amount_minor,
        _ => 0,
    };
    let earned = balances.iter().map(|balance| minor(balance.earned.as_ref())).sum();
    let recorded = pb::RecordedEvent { kind: pb::ConversionKind::Sale.into(), event_id: "sale-1".to_owned() };
    let selector = pb::conversion_selector::Selector::RecordedEvent(recorded);
    let conversion = Some(pb::ConversionSelector { selector: Some(selector) });
    let request = pb::GetConversionRequest { conversion, ..Default::default() };
    let sold = shop.client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap();
    let selector = pb::lead_selector::Selector::ExternalId("bob".to_owned());
    let request = pb::GetLeadRequest { lead: Some(pb::LeadSelector { selector: Some(selector) }) };
    let lead = shop.client.tracking.get_lead(request).await.unwrap().into_inner().lead.unwrap();
    (earned, sold.refunded_amount.unwrap().amount_minor, lead.state())
}

db_test!(n9_a_story_told_in_any_order_leaves_the_same, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let count = story().len();
    // Each step is prime to the number of events, so that it leads to all of them.
    let orders = [(1, 0), (8, 8), (2, 3), (4, 1), (5, 6), (7, 2)];
    let mut shops = Vec::new();
    for (step, _) in orders {
        shops.push(Shop::open(&server, &format!("shop-{step}")).await);
    }
    // Everything has happened by then.
    server.clock.advance_days(10);
    for ((step, start), shop) in orders.into_iter().zip(&mut shops) {
        let mut waiting = Vec::new();
        for number in 0..count {
            // Who was refused sends it again after each event, the last one too.
            waiting.insert(0, story()[(start + number * step) % count].clone());
            for happened in std::mem::take(&mut waiting) {
                if !happened.clone().tell(&mut shop.client).await {
                    waiting.push(happened);
                }
            }
        }
        assert!(waiting.is_empty(), "refused for ever, in steps of {step}");
        // Of 10.00 the totals refund 5.00, of which 2.00 failed, and 1.00 more: 4.00. 20 % of 6.00 and of 8.00 are left.
        assert_eq!(left(shop).await, (280, 400, pb::LeadState::Active), "in steps of {step}");
    }
    assert_sound(&server).await;
});
