//! Lists by affiliate and by lead have every row once and in order, whatever of them is folded. Test builds fold after 48 entries, so
//! some are in blocks, some in the tail, and some on their way.

use std::collections::BTreeMap;

use headwater::pb;
use testkit::client::Client;

use crate::support::binary::{operator_key, run_to_end, serve};
use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, register};
use crate::support::shop::{Shop, sale};

const CODES: [&str; 3] = ["ANN", "BEN", "CLEO"];
const CUSTOMERS: usize = 5;

/// Makes Ben and Cleo. Returns the ids of all three affiliates.
async fn affiliates(shop: &mut Shop) -> Vec<String> {
    let mut ids = vec![shop.affiliate_id.clone()];
    for code in &CODES[1..] {
        let request = pb::CreateAffiliateRequest {
            email: format!("{code}@affiliates.example").to_lowercase(),
            first_name: (*code).to_owned(),
            ref_id: code.to_lowercase(),
            coupon_code: (*code).to_owned(),
            ..pb::CreateAffiliateRequest::default()
        };
        let made = shop.client.affiliates.create_affiliate(request).await.unwrap().into_inner();
        ids.push(made.affiliate.unwrap().id);
    }
    ids
}

/// A time in the past, in no order.
fn time(number: usize) -> Option<prost_types::Timestamp> {
    let seconds = 1_760_000_000 + (number * 7_919 % 100_000);
    Some(prost_types::Timestamp { seconds: i64::try_from(seconds).unwrap(), nanos: 0 })
}

fn sale_of_customer(number: usize) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        coupon_code: CODES[number % 3].to_owned(),
        external_id: format!("customer-{}", number % CUSTOMERS),
        occur_time: time(number),
        ..sale(number)
    }
}

async fn batch(client: &mut Client, items: impl IntoIterator<Item = pb::batch_item::Item>) {
    let items = items.into_iter().map(|item| pb::BatchItem { item: Some(item) }).collect();
    let results = client.tracking.batch_record_events(pb::BatchRecordEventsRequest { items }).await.unwrap();
    for result in results.into_inner().results {
        assert!(!matches!(result.answer, Some(pb::batch_result::Answer::Error(_)) | None), "{result:?}");
    }
}

fn affiliate(id: &str) -> Option<pb::AffiliateSelector> {
    Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(id.to_owned())) })
}

fn lead(id: &str) -> Option<pb::LeadSelector> {
    Some(pb::LeadSelector { selector: Some(pb::lead_selector::Selector::Id(id.to_owned())) })
}

/// All rows that a list method answers, page by page.
macro_rules! all_pages {
    ($stub:expr, $method:ident, $rows:ident, $request:expr) => {{
        let mut request = $request;
        let mut all = Vec::new();
        loop {
            let page = $stub.$method(request.clone()).await.unwrap().into_inner();
            assert!(page.$rows.len() <= usize::try_from(request.page_size).unwrap());
            all.extend(page.$rows);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break all;
            }
        }
    }};
}

/// The orders and page sizes of each list.
const WALKS: [(pb::ListOrder, i32); 4] = [
    (pb::ListOrder::OldestFirst, 1_000),
    (pb::ListOrder::NewestFirst, 1_000),
    (pb::ListOrder::OldestFirst, 7),
    (pb::ListOrder::NewestFirst, 13),
];

/// Those of these rows that pass, in this order.
fn expected<T: Clone>(all: &[T], order: pb::ListOrder, is_wanted: impl Fn(&T) -> bool) -> Vec<T> {
    let mut rows: Vec<T> = all.iter().filter(|row| is_wanted(row)).cloned().collect();
    if order == pb::ListOrder::NewestFirst {
        rows.reverse();
    }
    rows
}

/// Compares every list with the rows of the account that belong to it.
async fn compare(client: &mut Client, affiliates: &[String]) {
    let conversions = pb::ListConversionsRequest { page_size: 1_000, ..Default::default() };
    let all = all_pages!(client.tracking, list_conversions, conversions, conversions.clone());
    let rewards = pb::ListRewardsRequest { page_size: 1_000, ..Default::default() };
    let all_rewards = all_pages!(client.rewards, list_rewards, rewards, rewards.clone());
    let entries = pb::ListLedgerEntriesRequest { page_size: 1_000, ..Default::default() };
    let all_entries = all_pages!(client.rewards, list_ledger_entries, entries, entries.clone());
    let leads = pb::ListLeadsRequest { page_size: 1_000, ..Default::default() };
    let all_leads = all_pages!(client.tracking, list_leads, leads, leads.clone());
    for (order, page_size) in WALKS {
        for id in affiliates {
            let (affiliate, order_number) = (affiliate(id), order.into());
            let is_credited = |credits: &[pb::Credit]| credits.iter().any(|credit| credit.affiliate_id == *id);

            let request = pb::ListConversionsRequest {
                affiliate: affiliate.clone(),
                order: order_number,
                page_size,
                ..conversions.clone()
            };
            let found = all_pages!(client.tracking, list_conversions, conversions, request.clone());
            assert!(found == expected(&all, order, |row| is_credited(&row.credits)), "conversions, {order:?}");
            let refunds = vec![pb::ConversionKind::Refund.into()];
            let request = pb::ListConversionsRequest { kinds: refunds, ..request };
            let found = all_pages!(client.tracking, list_conversions, conversions, request);
            let is_refund = |row: &pb::Conversion| row.kind() == pb::ConversionKind::Refund;
            assert!(found == expected(&all, order, |row| is_refund(row) && is_credited(&row.credits)), "refunds");

            let request = pb::ListRewardsRequest {
                affiliate: affiliate.clone(),
                order: order_number,
                page_size,
                ..rewards.clone()
            };
            let found = all_pages!(client.rewards, list_rewards, rewards, request.clone());
            let is_own = |row: &pb::Reward| row.affiliate_id == *id;
            assert!(found == expected(&all_rewards, order, is_own), "rewards, {order:?}");
            let request = pb::ListRewardsRequest { states: vec![pb::RewardState::Reversed.into()], ..request };
            let found = all_pages!(client.rewards, list_rewards, rewards, request);
            let is_reversed = |row: &pb::Reward| row.state() == pb::RewardState::Reversed;
            assert!(found == expected(&all_rewards, order, |row| is_own(row) && is_reversed(row)), "reversed rewards");

            let request = pb::ListLedgerEntriesRequest {
                affiliate: affiliate.clone(),
                order: order_number,
                page_size,
                ..entries.clone()
            };
            let found = all_pages!(client.rewards, list_ledger_entries, entries, request);
            assert!(found == expected(&all_entries, order, |row| row.affiliate_id == *id), "entries, {order:?}");

            let request = pb::ListLeadsRequest { affiliate, order: order_number, page_size, ..leads.clone() };
            let found = all_pages!(client.tracking, list_leads, leads, request);
            assert!(found == expected(&all_leads, order, |row| is_credited(&row.credits)), "leads, {order:?}");
        }
        for row in &all_leads {
            let request = pb::ListConversionsRequest {
                lead: lead(&row.id),
                order: order.into(),
                page_size,
                ..conversions.clone()
            };
            let found = all_pages!(client.tracking, list_conversions, conversions, request.clone());
            let is_own = |other: &pb::Conversion| other.lead_id == row.id;
            assert!(found == expected(&all, order, is_own), "of a lead, {order:?}");
            let request = pb::ListConversionsRequest { kinds: vec![pb::ConversionKind::Refund.into()], ..request };
            let found = all_pages!(client.tracking, list_conversions, conversions, request);
            let is_refund = |other: &pb::Conversion| other.kind() == pb::ConversionKind::Refund;
            assert!(found == expected(&all, order, |other| is_own(other) && is_refund(other)), "refunds of a lead");
        }
    }
}

/// A sale of a customer who is not known yet, and then the customer's lead. The sale moves to the lists of the lead and of Ann.
async fn tell_late(client: &mut Client, number: usize) {
    let external_id = format!("late-{number}");
    let sale = pb::RecordSaleRequest {
        event_id: format!("sale-of-{external_id}"),
        external_id: external_id.clone(),
        coupon_code: String::new(),
        ..sale(number)
    };
    let told = client.tracking.record_sale(sale).await.unwrap().into_inner();
    assert_eq!((told.credits.len(), told.lead_id.as_str()), (0, ""), "nobody is known yet");
    let lead = pb::RecordLeadRequest {
        event_id: format!("lead-{external_id}"),
        external_id,
        ref_id: "ann".to_owned(),
        occur_time: time(0),
        ..pb::RecordLeadRequest::default()
    };
    client.tracking.record_lead(lead).await.unwrap();
}

db_test!(lists_have_every_row_in_order_whatever_is_folded, empty, |database: TestDatabase| async move {
    let folder = tempfile::Builder::new().prefix("headwater-lists-").tempdir().unwrap();
    let server = serve(folder.path(), &["--database", &database.url]).await;
    // Nothing is approved by itself while the lists are compared.
    let terms = pb::Terms { hold_period_days: Some(3_650), ..pb::Terms::default() };
    let client = register(&server.url(), &operator_key(folder.path()), "shop").await;
    let mut shop = Shop::furnish_with(client, terms).await;
    let affiliates = affiliates(&mut shop).await;
    let client = &mut shop.client;
    let leads = (0..CUSTOMERS).map(|number| {
        pb::batch_item::Item::Lead(pb::RecordLeadRequest {
            event_id: format!("lead-{number}"),
            external_id: format!("customer-{number}"),
            ref_id: CODES[number % 3].to_lowercase(),
            occur_time: time(0),
            ..pb::RecordLeadRequest::default()
        })
    });
    batch(client, leads).await;
    let mut number = 0;
    // A few sales are in the tail alone. Later ones fill many blocks, in small and in large commits.
    for count in [3, 1, 40, 1, 200, 7, 100] {
        batch(client, (number..number + count).map(|number| pb::batch_item::Item::Sale(sale_of_customer(number))))
            .await;
        number += count;
        let refund = pb::RecordRefundRequest {
            event_id: format!("refund-{number}"),
            sale_event_id: format!("sale-{}", number / 2),
            amount: Some(pb::Money { amount_minor: 400, currency_code: "USD".to_owned() }),
            ..pb::RecordRefundRequest::default()
        };
        client.tracking.record_refund(refund).await.unwrap();
        tell_late(client, number).await;
        compare(client, &affiliates).await;
    }
    server.terminate().await.unwrap();
    let output = run_to_end(folder.path(), &["check", "--database", &database.url]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("all is right"), "{said}");
});

db_test!(a_refund_finds_the_latest_of_very_many_sales, |database: TestDatabase| async move {
    const SALES: usize = 330;
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let lead = pb::RecordLeadRequest {
        event_id: "lead".to_owned(),
        external_id: "guest".to_owned(),
        ..pb::RecordLeadRequest::default()
    };
    client.tracking.record_lead(lead).await.unwrap();
    let mut latest_first: BTreeMap<(i64, usize), String> = BTreeMap::new();
    for start in (0..SALES).step_by(110) {
        let sales = (start..start + 110).map(|number| {
            let request = pb::RecordSaleRequest {
                external_id: "guest".to_owned(),
                coupon_code: String::new(),
                occur_time: time(number),
                ..sale(number)
            };
            latest_first.insert((-request.occur_time.unwrap().seconds, number), request.event_id.clone());
            pb::batch_item::Item::Sale(request)
        });
        let sales: Vec<_> = sales.collect();
        batch(&mut client, sales).await;
        // Refunds come between sales, so that some of these are folded and some are not.
        for _ in 0..2 {
            let Some((_, sale_event_id)) = latest_first.pop_first() else { break };
            let refund = pb::RecordRefundRequest {
                event_id: format!("refund-of-{sale_event_id}"),
                external_id: "guest".to_owned(),
                amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
                ..pb::RecordRefundRequest::default()
            };
            let refunded = client.tracking.record_refund(refund).await.unwrap().into_inner();
            let found = pb::GetConversionRequest {
                conversion: Some(pb::ConversionSelector {
                    selector: Some(pb::conversion_selector::Selector::Id(refunded.sale_conversion_id)),
                }),
                ..pb::GetConversionRequest::default()
            };
            let found = client.tracking.get_conversion(found).await.unwrap().into_inner().conversion.unwrap();
            assert_eq!(found.event_id, sale_event_id, "the latest sale that has enough left");
        }
    }
});

db_test!(readers_of_lists_miss_nothing_while_lists_are_folded, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let request = pb::ListConversionsRequest {
        affiliate: Some(shop.affiliate()),
        page_size: 50,
        ..pb::ListConversionsRequest::default()
    };
    let mut seller = shop.client.clone();
    let selling = tokio::spawn(async move {
        for number in 0..400 {
            seller.tracking.record_sale(sale(number)).await.unwrap();
        }
    });
    let mut client = shop.client;
    let mut acknowledged = 0;
    while !selling.is_finished() {
        let found = all_pages!(client.tracking, list_conversions, conversions, request.clone());
        assert!(found.is_sorted_by(|one, next| one.id < next.id), "a sale twice or out of order");
        // One seller's sales are committed in order, so any that is missing is followed by one that is there.
        for (number, conversion) in found.iter().enumerate() {
            assert_eq!(conversion.event_id, format!("sale-{number}"), "a sale is missing");
        }
        assert!(found.len() >= acknowledged, "sales that were there have gone");
        acknowledged = found.len();
    }
    selling.await.unwrap();
    let found = all_pages!(client.tracking, list_conversions, conversions, request);
    assert_eq!(found.len(), 400);
});
