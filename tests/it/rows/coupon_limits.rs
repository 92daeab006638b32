//! Coupons that may be used only so often: row W10.

use headwater::app::check;
use headwater::pb;
use prost_types::FieldMask;
use testkit::client::Client;
use tonic_types::StatusExt;

use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::server::TestServer;
use crate::support::shop::{Shop, sale};

use pb::CouponFault::{Exhausted, Unspecified, UsedByCustomer};

async fn assign(shop: &mut Shop, code: &str, max_uses: i32, max_uses_per_customer: i32) -> pb::Coupon {
    let request = pb::AssignCouponRequest {
        affiliate: Some(shop.affiliate()),
        code: code.to_owned(),
        max_uses,
        max_uses_per_customer,
        ..Default::default()
    };
    shop.client.affiliates.assign_coupon(request).await.unwrap().into_inner().coupon.unwrap()
}

/// A sale with this code. A customer is named by an address or by an id of the merchant's own.
fn sold(number: usize, code: &str, customer: &str) -> pb::RecordSaleRequest {
    let (email, external_id) = if customer.contains('@') { (customer, "") } else { ("", customer) };
    pb::RecordSaleRequest {
        coupon_code: code.to_owned(),
        email: email.to_owned(),
        external_id: external_id.to_owned(),
        ..sale(number)
    }
}

async fn record(client: &mut Client, sale: pb::RecordSaleRequest) -> pb::RecordSaleResponse {
    client.tracking.record_sale(sale).await.unwrap().into_inner()
}

/// Why the code of a sale credited nobody, in words; empty if it did.
fn warned(answer: &pb::RecordSaleResponse) -> &str {
    assert!(answer.warnings.iter().all(|warning| warning.field == "coupon_code"));
    answer.warnings.first().map_or("", |warning| &warning.explanation)
}

const OFTEN_ENOUGH: &str = "credits nobody, because the coupon was used as often as max_uses allows";
const BY_CUSTOMER: &str =
    "credits nobody, because the customer used the coupon as often as max_uses_per_customer allows";

async fn use_count(client: &mut Client, coupon: &pb::Coupon) -> i64 {
    let request = pb::GetCouponRequest { coupon_id: coupon.id.clone() };
    client.affiliates.get_coupon(request).await.unwrap().into_inner().use_count
}

async fn fault(client: &mut Client, code: &str, customer: Option<&str>) -> pb::CouponFault {
    use pb::lead_selector::Selector;
    let selector = |name: &str| {
        if name.contains('@') { Selector::Email(name.to_owned()) } else { Selector::ExternalId(name.to_owned()) }
    };
    let lead = customer.map(|name| pb::LeadSelector { selector: Some(selector(name)) });
    let request = pb::ValidateCouponRequest { code: code.to_owned(), lead, ..Default::default() };
    let answer = client.affiliates.validate_coupon(request).await.unwrap().into_inner();
    assert_eq!(answer.valid, answer.fault() == Unspecified);
    answer.fault()
}

/// Checks that the numbers of uses are those of the sales.
async fn assert_counts_are_right(server: &TestServer) {
    let app = server.server.app();
    for account_id in check::accounts(app.store()).await.unwrap() {
        let report = check::check(app.store(), account_id).await.unwrap();
        assert_eq!(report.differences, Vec::<String>::new());
    }
}

// On PostgreSQL through two servers. Half of the sales name a customer, and all are told twice.
db_test!(w10_of_64_sales_at_once_a_coupon_credits_exactly_as_many_as_its_limit, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let second = match database.kind {
        DatabaseKind::Sqlite => None,
        DatabaseKind::Postgres => Some(TestServer::start(&database).await),
    };
    let servers = [&server, second.as_ref().unwrap_or(&server)];
    for (round, limit) in [1, 7].into_iter().enumerate() {
        let code = format!("RUSH{round}");
        let coupon = assign(&mut shop, &code, limit, 0).await;
        let mut calls = Vec::new();
        for number in 0..128 {
            let (address, key) = (servers[number % 2].address.clone(), shop.client.key.clone());
            let (sale, code) = (number / 2, code.clone());
            let customer = if sale % 2 == 0 { format!("{round}-{sale}@people.example") } else { String::new() };
            let request = sold(1_000 * round + sale, &code, &customer);
            calls.push(tokio::spawn(async move {
                let mut client = Client::connect(&address, &key).await.unwrap();
                record(&mut client, request).await
            }));
        }
        let mut credited = 0;
        for call in calls {
            let answer = call.await.unwrap();
            if answer.outcome() == pb::ConversionOutcome::Attributed {
                assert_eq!((warned(&answer), answer.rewards.len()), ("", 1));
                credited += 1;
            } else {
                assert_eq!((warned(&answer), answer.rewards.len()), (OFTEN_ENOUGH, 0));
            }
        }
        assert_eq!(credited, 2 * limit, "each sale was told twice");
        assert_eq!(use_count(&mut shop.client, &coupon).await, i64::from(limit));
        assert_eq!(fault(&mut shop.client, &code, None).await, Exhausted);
    }
    assert_counts_are_right(&server).await;
});

db_test!(w10_a_customer_uses_a_code_no_more_than_the_limit, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let coupon = assign(&mut shop, "EACH", 5, 1).await;
    assert_eq!((coupon.max_uses, coupon.max_uses_per_customer), (5, 1));
    let client = &mut shop.client;
    assert_eq!(fault(client, "each", Some("bob@people.example")).await, Unspecified, "nobody knows Bob yet");
    let first = record(client, sold(1, "each", "bob@people.example")).await;
    assert_eq!((first.outcome(), warned(&first)), (pb::ConversionOutcome::Attributed, ""));
    assert_eq!(fault(client, "each", Some("bob@people.example")).await, UsedByCustomer);
    assert_eq!(fault(client, "each", Some("eve")).await, Unspecified);
    assert_eq!(fault(client, "each", None).await, Unspecified, "the customer is not checked");
    // Bob is Ann's customer, so she gets the credit. The code would not have given it to her.
    let second = record(client, sold(2, "each", "bob@people.example")).await;
    assert_eq!((second.outcome(), warned(&second)), (pb::ConversionOutcome::Attributed, BY_CUSTOMER));
    let again = record(client, sold(2, "each", "bob@people.example")).await;
    assert!(again.replayed && warned(&again) == BY_CUSTOMER, "{again:?}");
    assert_eq!(use_count(client, &coupon).await, 1);
    // The uses of a lead that is merged into another one are those of the other one.
    record(client, sold(3, "each", "eve")).await;
    let named = |selector| Some(pb::LeadSelector { selector: Some(selector) });
    let request = pb::MergeLeadsRequest {
        lead: named(pb::lead_selector::Selector::ExternalId("eve".to_owned())),
        duplicate: named(pb::lead_selector::Selector::Email("bob@people.example".to_owned())),
        ..Default::default()
    };
    client.tracking.merge_leads(request).await.unwrap();
    let update = pb::UpdateCouponRequest {
        coupon: Some(pb::Coupon { id: coupon.id.clone(), max_uses: 4, max_uses_per_customer: 2, ..Default::default() }),
        update_mask: Some(FieldMask { paths: vec!["max_uses".to_owned(), "max_uses_per_customer".to_owned()] }),
        ..Default::default()
    };
    let changed = client.affiliates.update_coupon(update).await.unwrap().into_inner().coupon.unwrap();
    assert_eq!((changed.max_uses, changed.max_uses_per_customer), (4, 2));
    assert_eq!(fault(client, "each", Some("eve")).await, UsedByCustomer);
    assert_eq!(fault(client, "each", Some("bob@people.example")).await, UsedByCustomer);
    let merged = record(client, sold(4, "each", "eve")).await;
    assert_eq!(warned(&merged), BY_CUSTOMER);
    // A sale that names no customer counts only in total.
    for number in 5..7 {
        assert_eq!(warned(&record(client, sold(number, "each", "")).await), "");
    }
    assert_eq!(use_count(client, &coupon).await, 4);
    assert_eq!(warned(&record(client, sold(7, "each", "")).await), OFTEN_ENOUGH);
    assert_eq!(fault(client, "each", Some("eve")).await, Exhausted, "the first reason");
    assert_counts_are_right(&server).await;
});

db_test!(w10_an_exhausted_code_is_told_and_no_use_is_given_back, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let coupon = assign(&mut shop, "ONCE", 1, 0).await;
    let client = &mut shop.client;
    assert_eq!(record(client, sold(1, "once", "")).await.outcome(), pb::ConversionOutcome::Attributed);
    let refund = pb::RecordRefundRequest {
        event_id: "refund-1".to_owned(),
        sale_event_id: "sale-1".to_owned(),
        amount: sale(1).amount,
        ..Default::default()
    };
    client.tracking.record_refund(refund).await.unwrap();
    let correction = pb::CorrectSaleRequest {
        event_id: "correction-1".to_owned(),
        sale_event_id: "sale-1".to_owned(),
        amount: Some(pb::Money { amount_minor: 1_500, currency_code: "USD".to_owned() }),
        ..Default::default()
    };
    client.tracking.correct_sale(correction).await.unwrap();
    assert_eq!((fault(client, "ONCE", None).await, use_count(client, &coupon).await), (Exhausted, 1));
    let second = record(client, sold(2, "once", "")).await;
    assert_eq!((second.outcome(), warned(&second)), (pb::ConversionOutcome::NotReferred, OFTEN_ENOUGH));
    let request = pb::GetConversionRequest {
        conversion: Some(pb::ConversionSelector {
            selector: Some(pb::conversion_selector::Selector::Id(second.conversion_id.clone())),
        }),
        ..Default::default()
    };
    let kept = client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap();
    let results: Vec<_> = kept.candidates.iter().map(pb::AttributionCandidate::result).collect();
    assert_eq!(results, [pb::CandidateResult::CouponExhausted]);
    // Another trace gets the credit. A sign-up with the code is no use of it.
    let other = record(client, pb::RecordSaleRequest { ref_id: "ann".to_owned(), ..sold(3, "once", "") }).await;
    assert_eq!((other.outcome(), warned(&other)), (pb::ConversionOutcome::Attributed, OFTEN_ENOUGH));
    assert_eq!(use_count(client, &coupon).await, 1);
    // A limit that is raised makes room, and one that is taken away counts no more.
    let update = |limit| pb::UpdateCouponRequest {
        coupon: Some(pb::Coupon { id: coupon.id.clone(), max_uses: limit, ..Default::default() }),
        update_mask: Some(FieldMask { paths: vec!["max_uses".to_owned()] }),
        ..Default::default()
    };
    client.affiliates.update_coupon(update(2)).await.unwrap();
    assert_eq!(warned(&record(client, sold(4, "once", "")).await), "");
    assert_eq!((fault(client, "ONCE", None).await, use_count(client, &coupon).await), (Exhausted, 2));
    client.affiliates.update_coupon(update(0)).await.unwrap();
    assert_eq!(warned(&record(client, sold(5, "once", "")).await), "");
    assert_eq!((fault(client, "ONCE", None).await, use_count(client, &coupon).await), (Unspecified, 2));
    client.affiliates.update_coupon(update(1)).await.unwrap();
    assert_eq!(warned(&record(client, sold(6, "once", "")).await), OFTEN_ENOUGH);
    assert_counts_are_right(&server).await;
    let status = client.affiliates.update_coupon(update(-1)).await.unwrap_err();
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations.iter().map(|one| one.field.as_str()).collect::<Vec<_>>(), ["coupon.max_uses"]);
});
