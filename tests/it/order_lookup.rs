//! "What was paid for order 1001?" Conversions are found by the order id and the order number that were sent with the sale.

use headwater::pb;
use testkit::client::Client;

use crate::support::database::TestDatabase;
use crate::support::server::TestServer;
use crate::support::shop::Shop;

async fn sell(client: &mut Client, event_id: &str, order_id: &str, order_number: &str) {
    let sale = pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        coupon_code: "ANN".to_owned(),
        amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
        order_id: order_id.to_owned(),
        order_number: order_number.to_owned(),
        ..pb::RecordSaleRequest::default()
    };
    client.tracking.record_sale(sale).await.unwrap();
}

async fn found(client: &mut Client, request: pb::ListConversionsRequest) -> Vec<String> {
    let listed = client.tracking.list_conversions(request).await.unwrap().into_inner();
    listed.conversions.into_iter().map(|conversion| conversion.event_id).collect()
}

fn by_id(order_id: &str) -> pb::ListConversionsRequest {
    pb::ListConversionsRequest { order_id: order_id.to_owned(), ..pb::ListConversionsRequest::default() }
}

fn by_number(order_number: &str) -> pb::ListConversionsRequest {
    pb::ListConversionsRequest { order_number: order_number.to_owned(), ..pb::ListConversionsRequest::default() }
}

db_test!(conversions_are_found_by_the_order_id_and_number, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let mut stranger = Shop::open(&server, "stranger").await.client;
    sell(&mut stranger, "stranger", "order-1", "1001").await;
    // Each of these holds another one, or means something in SQL or in JSON.
    let orders = [
        ("order-1", "1001"),
        ("order-10", "11001"),
        ("border-1", "10010"),
        ("%", "100_"),
        (r#"a","order_number":"1001"#, r#"","order_id":"order-1"#),
        (r"back\slash", "№ 1001 „ü“"),
        ("1001", "order-1"),
        ("'", "O'Neill"),
    ];
    for (place, (order_id, order_number)) in orders.iter().enumerate() {
        sell(&mut client, &format!("sale-{place}"), order_id, order_number).await;
    }
    for (place, (order_id, order_number)) in orders.iter().enumerate() {
        let expected = [format!("sale-{place}")];
        assert_eq!(found(&mut client, by_id(order_id)).await, expected, "{order_id}");
        assert_eq!(found(&mut client, by_number(order_number)).await, expected, "{order_number}");
    }
    // A refund has the order of its sale. A shop may send two sales of one order.
    let refund = pb::RecordRefundRequest {
        event_id: "refund".to_owned(),
        sale_event_id: "sale-0".to_owned(),
        amount: Some(pb::Money { amount_minor: 300, currency_code: "USD".to_owned() }),
        ..pb::RecordRefundRequest::default()
    };
    client.tracking.record_refund(refund).await.unwrap();
    sell(&mut client, "second", "order-1", "1002").await;
    assert_eq!(found(&mut client, by_id("order-1")).await, ["sale-0", "refund", "second"]);
    let both = pb::ListConversionsRequest { order_number: "1001".to_owned(), ..by_id("order-1") };
    assert_eq!(found(&mut client, both.clone()).await, ["sale-0", "refund"], "both must match");
    let newest = pb::ListConversionsRequest { order: pb::ListOrder::NewestFirst.into(), page_size: 1, ..both };
    assert_eq!(found(&mut client, newest).await, ["refund"]);
    let of_ann = pb::ListConversionsRequest {
        affiliate: Some(pb::AffiliateSelector {
            selector: Some(pb::affiliate_selector::Selector::RefId("ann".to_owned())),
        }),
        ..by_id("order-1")
    };
    assert_eq!(found(&mut client, of_ann).await, ["sale-0", "refund", "second"]);
    assert!(found(&mut client, by_id("order-2")).await.is_empty());

    // A sale that nobody referred is found if its outcome is asked for.
    let nobody = pb::RecordSaleRequest {
        event_id: "nobody".to_owned(),
        email: "zoe@example.net".to_owned(),
        amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
        order_id: "order-3".to_owned(),
        ..pb::RecordSaleRequest::default()
    };
    client.tracking.record_sale(nobody).await.unwrap();
    assert!(found(&mut client, by_id("order-3")).await.is_empty());
    let outcomes = vec![pb::ConversionOutcome::NotReferred.into()];
    assert_eq!(found(&mut client, pb::ListConversionsRequest { outcomes, ..by_id("order-3") }).await, ["nobody"]);
});
