//! The commission of a coupon's own: row P12.

use headwater::domain::time::Time;
use headwater::pb;
use pb::conversion_selector::Selector;
use prost_types::Timestamp;
use testkit::client::Client;
use tonic_types::StatusExt;

use super::affiliate::mask;
use crate::support::database::TestDatabase;
use crate::support::feed::cash;
use crate::support::server::{START_MICROS, TestServer};
use crate::support::shop::Shop;

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

fn percent(percent_ppm: i32) -> Option<pb::Commission> {
    Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(percent_ppm)) })
}

fn flat(amount_minor: i64, currency: &str) -> Option<pb::Commission> {
    let flat = pb::Money { amount_minor, currency_code: currency.to_owned() };
    Some(pb::Commission { rate: Some(pb::commission::Rate::Flat(flat)) })
}

/// A moment after the start.
fn day(days: i32) -> Option<Timestamp> {
    let seconds = Time::from_micros(START_MICROS).plus_days(days).micros() / 1_000_000;
    Some(Timestamp { seconds, nanos: 0 })
}

fn sale(event_id: &str, at: Option<Timestamp>) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        coupon_code: "summer".to_owned(),
        amount: Some(usd(10_000)),
        occur_time: at,
        ..Default::default()
    }
}

async fn earned(client: &mut Client, sale: pb::RecordSaleRequest) -> Vec<i64> {
    let answer = client.tracking.record_sale(sale).await.unwrap().into_inner();
    answer.rewards.iter().map(|reward| cash(reward.value.as_ref()).amount_minor).collect()
}

fn update(id: &str, commission: Option<pb::Commission>, end: Option<Timestamp>) -> pb::UpdateCouponRequest {
    pb::UpdateCouponRequest {
        coupon: Some(pb::Coupon { id: id.to_owned(), commission, commission_end_time: end, ..Default::default() }),
        update_mask: mask(&["commission"]),
        ..Default::default()
    }
}

/// Where the commissions are from that a sale could have earned, in their order, with that which it earned.
async fn steps(client: &mut Client, event_id: &str) -> (Vec<pb::RewardRule>, pb::RewardRule) {
    let event = pb::RecordedEvent { kind: pb::ConversionKind::Sale.into(), event_id: event_id.to_owned() };
    let conversion = Some(pb::ConversionSelector { selector: Some(Selector::RecordedEvent(event)) });
    let request = pb::ExplainConversionRequest { conversion };
    let told = client.tracking.explain_conversion(request).await.unwrap().into_inner();
    let credit = &told.credits[0];
    assert_eq!(credit.difference(), pb::ExplanationDifference::Unspecified, "{credit:?}");
    let taken = credit.steps.iter().find(|step| step.result() == pb::CommissionStepResult::Taken).unwrap();
    (credit.steps.iter().map(pb::CommissionStep::source).collect(), taken.source())
}

db_test!(p12_a_coupons_commission_is_that_of_the_sales_time, |database: TestDatabase| async move {
    use pb::RewardRule::{Coupon, Enrollment, Program};
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client.clone();
    let request = pb::AssignCouponRequest {
        request_id: "assign".to_owned(),
        affiliate: Some(shop.affiliate()),
        code: "SUMMER".to_owned(),
        commission: percent(300_000),
        commission_end_time: day(20),
        ..Default::default()
    };
    let coupon = client.affiliates.assign_coupon(request.clone()).await.unwrap().into_inner().coupon.unwrap();
    assert_eq!((&coupon.commission, &coupon.commission_end_time), (&percent(300_000), &day(20)));
    assert_eq!(earned(client, sale("first", None)).await, [3_000]);
    assert_eq!(steps(client, "first").await, (vec![Enrollment, Coupon, Program], Coupon));
    server.clock.advance_days(5);
    let changed = client.affiliates.update_coupon(update(&coupon.id, flat(700, "USD"), None)).await.unwrap();
    assert_eq!(changed.into_inner().coupon.unwrap().commission, flat(700, "USD"));
    let again = client.affiliates.assign_coupon(request).await.unwrap().into_inner();
    assert!(again.replayed);
    server.clock.advance_days(5);
    client.affiliates.update_coupon(update(&coupon.id, percent(400_000), day(15))).await.unwrap();
    server.clock.advance_days(10);
    // Each sale is judged at its time, whenever it is told.
    assert_eq!(earned(client, sale("now", None)).await, [2_000]);
    assert_eq!(steps(client, "now").await, (vec![Enrollment, Program], Program));
    assert_eq!(earned(client, sale("day-14", day(14))).await, [4_000]);
    assert_eq!(earned(client, sale("day-15", day(15))).await, [2_000]);
    assert_eq!(earned(client, sale("day-7", day(7))).await, [700]);
    assert_eq!(earned(client, sale("day-4", day(4))).await, [3_000]);
    client.affiliates.update_coupon(update(&coupon.id, percent(500_000), None)).await.unwrap();
    // A correction and a refund use the commission that the sale was priced by.
    let request = pb::CorrectSaleRequest {
        event_id: "right".to_owned(),
        sale_event_id: "day-4".to_owned(),
        amount: Some(usd(20_000)),
        ..Default::default()
    };
    let answer = client.tracking.correct_sale(request).await.unwrap().into_inner();
    assert_eq!(cash(answer.rewards[0].value.as_ref()).amount_minor, 3_000);
    let request = pb::RecordRefundRequest {
        event_id: "back".to_owned(),
        sale_event_id: "day-14".to_owned(),
        amount: Some(usd(5_000)),
        ..Default::default()
    };
    let answer = client.tracking.record_refund(request).await.unwrap().into_inner();
    assert_eq!(cash(answer.rewards[0].value.as_ref()).amount_minor, -2_000);

    // The enrollment's own commission takes precedence.
    let request = pb::UpdateEnrollmentRequest {
        enrollment: Some(pb::Enrollment {
            id: coupon.enrollment_id.clone(),
            commission_override: percent(100_000),
            ..Default::default()
        }),
        update_mask: mask(&["commission_override"]),
        ..Default::default()
    };
    client.affiliates.update_enrollment(request).await.unwrap();
    server.clock.advance_days(1);
    assert_eq!(earned(client, sale("own", None)).await, [1_000]);
    assert_eq!(steps(client, "own").await, (vec![Enrollment, Coupon, Program], Enrollment));

    // A flat commission is in the program's currency, and an end needs a commission.
    let wrong = async |client: &mut Client, request: pb::UpdateCouponRequest| -> Vec<String> {
        let status = client.affiliates.update_coupon(request).await.unwrap_err();
        let details = status.get_details_bad_request().unwrap();
        details.field_violations.into_iter().map(|violation| violation.field).collect()
    };
    let euros = update(&coupon.id, flat(1, "EUR"), None);
    assert_eq!(wrong(client, euros).await, ["coupon.commission.flat.currency_code"]);
    assert_eq!(wrong(client, update(&coupon.id, None, day(30))).await, ["coupon.commission_end_time"]);
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
});

db_test!(p12_a_coupons_commission_is_its_affiliates_alone, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client.clone();
    let request = pb::AssignCouponRequest {
        affiliate: Some(shop.affiliate()),
        code: "SUMMER".to_owned(),
        commission: percent(300_000),
        max_uses: 3,
        ..Default::default()
    };
    client.affiliates.assign_coupon(request).await.unwrap();
    let request = pb::CreateAffiliateRequest {
        email: "bea@affiliates.example".to_owned(),
        ref_id: "bea".to_owned(),
        ..Default::default()
    };
    client.affiliates.create_affiliate(request).await.unwrap();
    for (email, ref_id) in [("a@customers.example", "ann"), ("b@customers.example", "bea")] {
        let request = pb::RecordLeadRequest {
            event_id: email.to_owned(),
            email: email.to_owned(),
            ref_id: ref_id.to_owned(),
            ..Default::default()
        };
        client.tracking.record_lead(request).await.unwrap();
    }
    let by = |event_id: &str, email: &str| pb::RecordSaleRequest { email: email.to_owned(), ..sale(event_id, None) };
    assert_eq!(earned(client, by("of-ann", "a@customers.example")).await, [3_000]);
    assert_eq!(earned(client, by("of-bea", "b@customers.example")).await, [2_000]);
    assert_eq!(earned(client, by("third", "a@customers.example")).await, [3_000]);
    // The code is exhausted, so it promises nothing any more.
    assert_eq!(earned(client, by("fourth", "a@customers.example")).await, [2_000]);
});

db_test!(p12_a_coupons_commission_for_a_time_is_explained_and_repeated, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client.clone();
    let dated = |commission, start, end| {
        Some(pb::DatedCommission { commission, start_time: start, end_time: end, ..Default::default() })
    };
    let request = pb::AssignCouponRequest {
        request_id: "assign".to_owned(),
        affiliate: Some(shop.affiliate()),
        code: "SUMMER".to_owned(),
        commission: percent(300_000),
        dated_commission: dated(percent(400_000), day(5), day(10)),
        ..Default::default()
    };
    let coupon = client.affiliates.assign_coupon(request.clone()).await.unwrap().into_inner().coupon.unwrap();
    assert_eq!(coupon.dated_commissions.len(), 1);
    assert_eq!((coupon.dated_commissions[0].number, &coupon.dated_commissions[0].start_time), (1, &day(5)));
    let update = |request_id: &str, dated_commission, withdraw_dated_commission| pb::UpdateCouponRequest {
        request_id: request_id.to_owned(),
        coupon: Some(pb::Coupon { id: coupon.id.clone(), ..Default::default() }),
        dated_commission,
        withdraw_dated_commission,
        ..Default::default()
    };
    let planned = update("plan", dated(flat(700, "USD"), day(20), None), 0);
    let answer = client.affiliates.update_coupon(planned.clone()).await.unwrap().into_inner();
    assert_eq!(answer.coupon.unwrap().dated_commissions.len(), 2);
    // A repeat adds nothing, and shows what there is now.
    let again = client.affiliates.update_coupon(planned).await.unwrap().into_inner();
    assert_eq!((again.replayed, again.coupon.unwrap().dated_commissions.len()), (true, 2));
    let again = client.affiliates.assign_coupon(request).await.unwrap().into_inner();
    assert_eq!((again.replayed, again.coupon.unwrap().dated_commissions.len()), (true, 2));
    let euros = update("", dated(flat(1, "EUR"), day(20), None), 0);
    let status = client.affiliates.update_coupon(euros).await.unwrap_err();
    let fields = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(fields[0].field, "dated_commission.commission.flat.currency_code");

    server.clock.advance_days(30);
    assert_eq!(earned(client, sale("before", day(4))).await, [3_000]);
    assert_eq!(earned(client, sale("during", day(5))).await, [4_000]);
    assert_eq!(earned(client, sale("after", day(25))).await, [700]);
    let coupon_step = async |client: &mut Client, event_id: &str| {
        let event = pb::RecordedEvent { kind: pb::ConversionKind::Sale.into(), event_id: event_id.to_owned() };
        let conversion = Some(pb::ConversionSelector { selector: Some(Selector::RecordedEvent(event)) });
        let request = pb::ExplainConversionRequest { conversion };
        let told = client.tracking.explain_conversion(request).await.unwrap().into_inner();
        let credit = &told.credits[0];
        assert_eq!(credit.difference(), pb::ExplanationDifference::Unspecified, "{credit:?}");
        let step = credit.steps.iter().find(|step| step.source() == pb::RewardRule::Coupon).unwrap().clone();
        let number = step.dated_commission_number;
        ((number, step.commission_start_time, step.commission_end_time), told.sentences)
    };
    let (version, _) = coupon_step(client, "before").await;
    assert_eq!(version, (0, None, None));
    let (version, sentences) = coupon_step(client, "during").await;
    assert_eq!(version, (1, day(5), day(10)));
    let named = sentences.iter().find(|sentence| sentence.starts_with("The coupon's own commission (40 %")).unwrap();
    assert!(named.contains("number 1 from ") && named.contains(" until "), "{named}");
    let (version, _) = coupon_step(client, "after").await;
    assert_eq!(version, (2, day(20), None));
    // A refund is computed by the commission of its sale, whatever became of it.
    client.affiliates.update_coupon(update("", None, 2)).await.unwrap();
    let request = pb::RecordRefundRequest {
        event_id: "back".to_owned(),
        sale_event_id: "after".to_owned(),
        amount: Some(usd(10_000)),
        ..Default::default()
    };
    let answer = client.tracking.record_refund(request).await.unwrap().into_inner();
    assert_eq!(cash(answer.rewards[0].value.as_ref()).amount_minor, -700);
    let (version, _) = coupon_step(client, "after").await;
    assert_eq!(version, (2, day(20), day(30)));
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
});
