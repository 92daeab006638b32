//! Programs that pay for new customers only: row P21. The scenarios `new_customers_only.txt` and `new_customers_merged.txt` have the amounts.

use headwater_client::pb;

use crate::support::database::TestDatabase;
use crate::support::server::TestServer;
use crate::support::shop::Shop;

db_test!(p21_the_answer_says_by_which_name_a_customer_is_not_new, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let terms = pb::Terms { new_customers_only: true, ..Default::default() };
    let mut client = Shop::furnish_with(server.new_account("shop").await, terms).await.client;
    let sale = |event_id: &str| pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        email: "bob@shop.example".to_owned(),
        amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
        ..Default::default()
    };
    client.tracking.record_sale(sale("first")).await.unwrap();
    server.clock.advance_days(1);
    let click = pb::RecordClickRequest { ref_id: "ann".to_owned(), ..Default::default() };
    let tid = client.tracking.record_click(click).await.unwrap().into_inner().tid;
    server.clock.advance_days(1);
    let by_ref_id = pb::RecordSaleRequest { ref_id: "ann".to_owned(), ..sale("by-ref-id") };
    let by_tid = pb::RecordSaleRequest { tid: tid.clone(), ..sale("by-tid") };
    let by_coupon = pb::RecordSaleRequest { coupon_code: "ANN".to_owned(), ..sale("by-coupon") };
    let by_all =
        pb::RecordSaleRequest { tid, ref_id: "ann".to_owned(), coupon_code: "ANN".to_owned(), ..sale("by-all") };
    for (request, fields) in [
        (by_ref_id, &["ref_id"][..]),
        (by_tid, &["tid"]),
        (by_coupon, &["coupon_code"]),
        (by_all, &["coupon_code", "ref_id", "tid"]),
        (sale("by-nobody"), &[]),
    ] {
        let answer = client.tracking.record_sale(request.clone()).await.unwrap().into_inner();
        assert_eq!(answer.outcome(), pb::ConversionOutcome::NotReferred);
        let named: Vec<_> = answer.warnings.iter().map(|warning| warning.field.as_str()).collect();
        assert_eq!(named, fields, "{:?}", answer.warnings);
        assert!(answer.warnings.iter().all(|warning| warning.explanation.contains("had bought before")));
        // A repeat says the same.
        let repeated = client.tracking.record_sale(request).await.unwrap().into_inner();
        assert!(repeated.replayed);
        assert_eq!(repeated.warnings, answer.warnings);
    }
});
