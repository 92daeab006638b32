//! Coupons that are valid for some time or for one channel, and the merchant's own data of coupons.

use headwater::pb;
use prost_types::{FieldMask, Timestamp};
use testkit::client::Client;
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::server::{START_MICROS, TestServer, reason};
use crate::support::shop::{Shop, sale};

/// The beginning of a day after the start.
fn day(number: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds: START_MICROS / 1_000_000 + number * 86_400, nanos: 0 })
}

async fn assign(client: &mut Client, request: pb::AssignCouponRequest) -> pb::Coupon {
    client.affiliates.assign_coupon(request).await.unwrap().into_inner().coupon.unwrap()
}

async fn fault(client: &mut Client, code: &str, channel: pb::SaleChannel) -> pb::CouponFault {
    let request = pb::ValidateCouponRequest { code: code.to_owned(), channel: channel.into(), ..Default::default() };
    let answer = client.affiliates.validate_coupon(request).await.unwrap().into_inner();
    assert_eq!(answer.valid, answer.fault() == pb::CouponFault::Unspecified);
    answer.fault()
}

db_test!(w7_w12_a_code_is_valid_in_its_time_and_its_channel, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let affiliate = Some(shop.affiliate());
    let client = &mut shop.client;
    let request = pb::AssignCouponRequest {
        affiliate: affiliate.clone(),
        code: "TILL".to_owned(),
        start_time: day(1),
        end_time: day(3),
        channel: pb::SaleChannel::PointOfSale.into(),
        ..Default::default()
    };
    let coupon = assign(client, request.clone()).await;
    assert_eq!((coupon.start_time, coupon.end_time), (day(1), day(3)));
    assert_eq!(coupon.channel(), pb::SaleChannel::PointOfSale);
    let (any, online, till) = (pb::SaleChannel::Unspecified, pb::SaleChannel::Online, pb::SaleChannel::PointOfSale);
    assert_eq!(fault(client, "till", till).await, pb::CouponFault::NotYetValid);
    server.clock.advance_days(1);
    assert_eq!(fault(client, "till", till).await, pb::CouponFault::Unspecified);
    assert_eq!(fault(client, "till", any).await, pb::CouponFault::Unspecified, "the channel is not checked");
    assert_eq!(fault(client, "till", online).await, pb::CouponFault::OtherChannel);
    // A sale of the other channel is recorded, and its answer says why it credits nobody.
    let sold = pb::RecordSaleRequest { coupon_code: "TILL".to_owned(), ..sale(1) };
    let answer = client.tracking.record_sale(sold).await.unwrap().into_inner();
    assert_eq!((answer.outcome(), answer.warnings.len()), (pb::ConversionOutcome::NotReferred, 1));
    assert_eq!(answer.warnings[0].field, "coupon_code");
    let sold = pb::RecordSaleRequest { coupon_code: "TILL".to_owned(), channel: till.into(), ..sale(2) };
    let answer = client.tracking.record_sale(sold.clone()).await.unwrap().into_inner();
    assert_eq!((answer.outcome(), answer.warnings.len()), (pb::ConversionOutcome::Attributed, 0));
    server.clock.advance_days(2);
    assert_eq!(fault(client, "till", till).await, pb::CouponFault::Expired);
    let late = pb::RecordSaleRequest { event_id: "late".to_owned(), occur_time: day(2), ..sold.clone() };
    let answer = client.tracking.record_sale(late).await.unwrap().into_inner();
    assert_eq!(answer.outcome(), pb::ConversionOutcome::Attributed, "the code was good then");
    let sold = pb::RecordSaleRequest { event_id: "after".to_owned(), ..sold };
    let answer = client.tracking.record_sale(sold).await.unwrap().into_inner();
    assert_eq!(answer.outcome(), pb::ConversionOutcome::NotReferred);

    let wrong = pb::AssignCouponRequest { code: "OTHER".to_owned(), end_time: day(1), ..request };
    let status = client.affiliates.assign_coupon(wrong).await.unwrap_err();
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations.iter().map(|one| one.field.as_str()).collect::<Vec<_>>(), ["end_time"]);
});

// A code went from one affiliate to another: whose it was, and when, is listed.
db_test!(w8_u6_the_history_of_a_code_is_listed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let affiliate = Some(shop.affiliate());
    let client = &mut shop.client;
    let request = pb::AssignCouponRequest { affiliate, code: "SPRING".to_owned(), ..Default::default() };
    let first = assign(client, request.clone()).await;
    server.clock.advance_days(1);
    let remove = pb::RemoveCouponRequest { coupon_id: first.id.clone(), ..Default::default() };
    client.affiliates.remove_coupon(remove).await.unwrap();
    let bea = pb::AffiliateSelector {
        selector: Some(pb::affiliate_selector::Selector::Email("bea@affiliates.example".to_owned())),
    };
    let second =
        assign(client, pb::AssignCouponRequest { affiliate: Some(bea), create_affiliate_if_missing: true, ..request })
            .await;
    let request = pb::ListCouponsRequest { code: "spring".to_owned(), ..Default::default() };
    let listed = client.affiliates.list_coupons(request).await.unwrap().into_inner().coupons;
    let told: Vec<_> =
        listed.iter().map(|one| (&one.affiliate_id, one.state(), one.create_time, one.remove_time)).collect();
    assert_eq!(
        told,
        [
            (&first.affiliate_id, pb::CouponState::Removed, day(0), day(1)),
            (&second.affiliate_id, pb::CouponState::Active, day(1), None),
        ]
    );
});

db_test!(w7_u7_codes_have_data_of_the_merchants_own, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let affiliate = Some(shop.affiliate());
    let client = &mut shop.client;
    let request = pb::AssignCouponRequest {
        request_id: "assign".to_owned(),
        affiliate,
        code: "SPRING".to_owned(),
        note: "podcast".to_owned(),
        metadata: [("crm".to_owned(), "17 ".to_owned()), ("empty".to_owned(), " ".to_owned())].into(),
        ..Default::default()
    };
    let coupon = assign(client, request.clone()).await;
    assert_eq!(coupon.metadata, [("crm".to_owned(), "17".to_owned())].into());
    let update = pb::UpdateCouponRequest {
        coupon: Some(pb::Coupon {
            id: coupon.id.clone(),
            note: "unread".to_owned(),
            metadata: [("tier".to_owned(), "gold".to_owned())].into(),
            ..Default::default()
        }),
        update_mask: Some(FieldMask { paths: vec!["metadata".to_owned()] }),
        ..Default::default()
    };
    let changed = client.affiliates.update_coupon(update).await.unwrap().into_inner().coupon.unwrap();
    let gold = [("tier".to_owned(), "gold".to_owned())].into();
    assert_eq!((&changed.metadata, changed.note.as_str()), (&gold, "podcast"));
    // A repeat shows the data of now, because stored answers have none.
    let again = client.affiliates.assign_coupon(request).await.unwrap().into_inner();
    assert!(again.replayed && again.coupon.unwrap().metadata == gold);
    let found = client.affiliates.get_coupon(pb::GetCouponRequest { coupon_id: coupon.id }).await.unwrap();
    assert_eq!(found.into_inner().coupon.unwrap().metadata, gold);
    let wrong = pb::UpdateCouponRequest {
        coupon: Some(pb::Coupon { id: changed.id, ..Default::default() }),
        update_mask: Some(FieldMask { paths: vec!["end_time".to_owned()] }),
        ..Default::default()
    };
    assert_eq!(reason(&client.affiliates.update_coupon(wrong).await.unwrap_err()), "INVALID_FIELDS");
});
