//! What a shop tells: clicks, sign-ups, sales, refunds and cancellations; and how all of it is read back.

use headwater::pb;
use pb::lead_selector::Selector;
use pb::watch_conversions_response::Content as OfConversions;
use pb::watch_events_response::Content as OfEvents;
use pb::{ConversionKind, ConversionOutcome, LeadState};
use testkit::client::Client;
use tonic::Code;

use crate::support::database::TestDatabase;
use crate::support::feed::{cash, from_beginning};
use crate::support::server::{TestServer, reason};
use crate::support::shop::{Shop, sale};

fn usd(amount_minor: i64) -> Option<pb::Money> {
    Some(pb::Money { amount_minor, currency_code: "USD".to_owned() })
}

async fn lead(client: &mut Client, email: &str) -> pb::Lead {
    let selector = pb::LeadSelector { selector: Some(Selector::Email(email.to_owned())) };
    let request = pb::GetLeadRequest { lead: Some(selector) };
    client.tracking.get_lead(request).await.unwrap().into_inner().lead.unwrap()
}

async fn conversions(client: &mut Client) -> Vec<pb::Conversion> {
    let request = pb::ListConversionsRequest { view: pb::ConversionView::Full.into(), ..Default::default() };
    client.tracking.list_conversions(request).await.unwrap().into_inner().conversions
}

/// The amount that Ann has earned so far.
async fn earned(shop: &mut Shop) -> i64 {
    let request = pb::GetBalanceRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let balances = shop.client.rewards.get_balance(request).await.unwrap().into_inner().balances;
    balances.first().map_or(0, |balance| cash(balance.earned.as_ref()).amount_minor)
}

fn signup(event_id: &str, email: &str) -> pb::RecordLeadRequest {
    pb::RecordLeadRequest { event_id: event_id.to_owned(), email: email.to_owned(), ..Default::default() }
}

db_test!(g8_a_click_gives_a_tracking_id_and_the_page_to_show, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let click = pb::RecordClickRequest {
        event_id: "click-1".to_owned(),
        ref_id: "ANN".to_owned(),
        referrer_url: "https://blog.example/".to_owned(),
        ..Default::default()
    };
    let first = shop.client.tracking.record_click(click.clone()).await.unwrap().into_inner();
    assert_eq!((&first.affiliate_id, &first.click_id), (&shop.affiliate_id, &first.tid));
    assert!(first.destination_url.starts_with("https://shop.example/"), "{}", first.destination_url);
    let again = shop.client.tracking.record_click(click).await.unwrap().into_inner();
    assert_eq!((again.replayed, &again.click_id), (true, &first.click_id));
    // The visitor comes back.
    let second = pb::RecordClickRequest { ref_id: "ann".to_owned(), tid: first.tid.clone(), ..Default::default() };
    let second = shop.client.tracking.record_click(second).await.unwrap().into_inner();
    assert_eq!(second.tid, first.tid);
    assert_ne!(second.click_id, first.click_id);
    // A sale with the tracking id is Ann's.
    let sold = pb::RecordSaleRequest { coupon_code: String::new(), tid: first.tid.clone(), ..sale(1) };
    let sold = shop.client.tracking.record_sale(sold).await.unwrap().into_inner();
    assert_eq!(sold.credits[0].affiliate_id, shop.affiliate_id);
    assert_eq!(sold.credits[0].source(), pb::AttributionSource::Click);
    let request = pb::ListClicksRequest { tid: first.tid, ..Default::default() };
    let listed = shop.client.tracking.list_clicks(request).await.unwrap().into_inner().clicks;
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0].referrer_url, "https://blog.example/");

    let unknown = pb::RecordClickRequest { ref_id: "nobody".to_owned(), ..Default::default() };
    let status = shop.client.tracking.record_click(unknown).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "LINK_NOT_FOUND"));
});

db_test!(f9_g9_a_sign_up_binds_the_lead_to_its_affiliate, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let click = pb::RecordClickRequest { ref_id: "ann".to_owned(), ..Default::default() };
    let tid = shop.client.tracking.record_click(click).await.unwrap().into_inner().tid;
    let by_tid = pb::RecordLeadRequest {
        external_id: "jo-1".to_owned(),
        tid,
        first_name: "Jo".to_owned(),
        ..signup("signup-1", "jo@customers.example")
    };
    let by_ref_id = pb::RecordLeadRequest { ref_id: "ann".to_owned(), ..signup("signup-2", "kim@customers.example") };
    for request in [by_tid, by_ref_id] {
        let recorded = shop.client.tracking.record_lead(request.clone()).await.unwrap().into_inner();
        assert_eq!(recorded.outcome(), ConversionOutcome::Attributed);
        assert_eq!(recorded.credits[0].affiliate_id, shop.affiliate_id);
        let lead = lead(&mut shop.client, &request.email).await;
        assert_eq!((lead.state(), &lead.credits), (LeadState::SignedUp, &recorded.credits));
        assert_eq!((lead.external_id, lead.first_name), (request.external_id.clone(), request.first_name.clone()));
        // A repeat is no second lead, and a sale needs no further trace.
        let again = shop.client.tracking.record_lead(request.clone()).await.unwrap().into_inner();
        assert_eq!((again.replayed, &again.lead_id), (true, &recorded.lead_id));
        let sold = pb::RecordSaleRequest {
            event_id: request.event_id.clone(),
            email: request.email.clone(),
            amount: usd(1_000),
            ..Default::default()
        };
        let sold = shop.client.tracking.record_sale(sold).await.unwrap().into_inner();
        assert_eq!(sold.lead_id, recorded.lead_id);
        assert_eq!(cash(sold.rewards[0].value.as_ref()).amount_minor, 200);
    }
    // The sign-ups themselves earn nothing, and one that nobody referred is no error.
    assert_eq!(earned(&mut shop).await, 400);
    let alone =
        shop.client.tracking.record_lead(signup("signup-3", "lou@customers.example")).await.unwrap().into_inner();
    assert_eq!((alone.outcome(), alone.credits.len()), (ConversionOutcome::NotReferred, 0));
    let status = shop.client.tracking.record_lead(signup("signup-4", "")).await.unwrap_err();
    assert_eq!(reason(&status), "INVALID_FIELDS");
});

db_test!(f10_g11_g12_a_sale_is_recorded_with_all_its_fields, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let item = pb::CreateItemRequest { sku: "MUG".to_owned(), ..Default::default() };
    shop.client.affiliates.create_item(item).await.unwrap();
    // The code makes the lead, because nobody knows the customer yet.
    let request = pb::RecordSaleRequest {
        event_id: "charge-1".to_owned(),
        email: "jo@customers.example".to_owned(),
        external_id: "jo-1".to_owned(),
        coupon_code: "ann".to_owned(),
        amount: usd(6_000),
        first_name: "Jo".to_owned(),
        last_name: "Doe".to_owned(),
        plan: "pro".to_owned(),
        mrr: usd(500),
        quantity: 3,
        order_id: "4711".to_owned(),
        order_number: "#1001".to_owned(),
        item_sku: "MUG".to_owned(),
        ..Default::default()
    };
    let sold = shop.client.tracking.record_sale(request.clone()).await.unwrap().into_inner();
    assert_eq!((sold.outcome(), sold.warnings.len()), (ConversionOutcome::Attributed, 0));
    assert_eq!(cash(sold.rewards[0].value.as_ref()).amount_minor, 1_200, "20 % of 60.00 are 12.00");
    let kept = conversions(&mut shop.client).await.remove(0);
    assert_eq!((kept.kind(), &kept.amount, kept.quantity), (ConversionKind::Sale, &request.amount, 3));
    assert_eq!((&*kept.plan, &*kept.item_sku, &*kept.coupon_code), ("pro", "MUG", "ANN"));
    assert_eq!((&kept.order_id, &kept.order_number), (&request.order_id, &request.order_number));
    let customer = lead(&mut shop.client, "jo@customers.example").await;
    assert_eq!((customer.state(), &customer.mrr, &*customer.plan), (LeadState::Active, &request.mrr, "pro"));
    assert_eq!((&*customer.first_name, &*customer.last_name), ("Jo", "Doe"));
    assert!(customer.first_sale_time.is_some());

    // The same event has no second effect, for ever, and other content under its id is refused.
    let again = shop.client.tracking.record_sale(request.clone()).await.unwrap().into_inner();
    assert_eq!((again.replayed, &again.conversion_id), (true, &sold.conversion_id));
    let other = pb::RecordSaleRequest { amount: usd(6_001), ..request.clone() };
    let status = shop.client.tracking.record_sale(other).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "IDEMPOTENCY_MISMATCH"));
    // The next charge names the customer by the shop's own id, and updates the name.
    let next = pb::RecordSaleRequest {
        event_id: "charge-2".to_owned(),
        external_id: "jo-1".to_owned(),
        first_name: "Joanna".to_owned(),
        amount: usd(1_000),
        ..Default::default()
    };
    let renewed = shop.client.tracking.record_sale(next.clone()).await.unwrap().into_inner();
    assert_eq!((&renewed.lead_id, renewed.credits[0].source()), (&sold.lead_id, pb::AttributionSource::LeadBinding));
    assert_eq!(lead(&mut shop.client, "jo@customers.example").await.first_name, "Joanna");
    assert_eq!(earned(&mut shop).await, 1_400);
    // A sale that nobody referred is no error.
    let alone = pb::RecordSaleRequest { event_id: "charge-3".to_owned(), external_id: "kim-1".to_owned(), ..next };
    let alone = shop.client.tracking.record_sale(alone).await.unwrap().into_inner();
    assert_eq!(alone.outcome(), ConversionOutcome::NotReferred);
    assert!(!alone.conversion_id.is_empty() && alone.rewards.is_empty());
});

db_test!(f11_a_refund_takes_the_commission_back, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    for (event_id, amount_minor) in [("charge-1", 4_800), ("charge-2", 1_000)] {
        let sold = pb::RecordSaleRequest {
            event_id: event_id.to_owned(),
            email: "jo@customers.example".to_owned(),
            amount: usd(amount_minor),
            order_id: "4711".to_owned(),
            ..sale(1)
        };
        shop.client.tracking.record_sale(sold).await.unwrap();
    }
    let refund = |event_id: &str, sale_event_id: &str, amount_minor| pb::RecordRefundRequest {
        event_id: event_id.to_owned(),
        sale_event_id: sale_event_id.to_owned(),
        email: "jo@customers.example".to_owned(),
        amount: usd(amount_minor),
        refund_id: "rf-1".to_owned(),
        ..Default::default()
    };
    // Half of the first sale, by its event.
    let taken = shop.client.tracking.record_refund(refund("refund-1", "charge-1", 2_400)).await.unwrap().into_inner();
    assert_eq!(cash(taken.rewards[0].value.as_ref()).amount_minor, -480);
    assert_eq!(earned(&mut shop).await, 960 + 200 - 480);
    // The refund is a row of its own, with the order's id and its own.
    let list = conversions(&mut shop.client).await;
    let row = list.iter().find(|row| row.kind() == ConversionKind::Refund).unwrap();
    assert_eq!((&*row.sale_event_id, &*row.refund_id), ("charge-1", "rf-1"));
    let sale = list.iter().find(|row| row.event_id == "charge-1").unwrap();
    assert_eq!((&sale.refunded_amount, &row.sale_conversion_id), (&usd(2_400), &sale.id));
    // Without a sale's event, the latest sale that it fits: the second one does not have enough left for 20.00.
    let latest = shop.client.tracking.record_refund(refund("refund-2", "", 1_000)).await.unwrap().into_inner();
    let second = list.iter().find(|row| row.event_id == "charge-2").unwrap();
    assert_eq!(latest.sale_conversion_id, second.id);
    let fitting = shop.client.tracking.record_refund(refund("refund-3", "", 2_000)).await.unwrap().into_inner();
    assert_eq!(fitting.sale_conversion_id, sale.id);
    assert_eq!(earned(&mut shop).await, 80);
    // It has an event_id of its own, and takes no more than the sale.
    let again = shop.client.tracking.record_refund(refund("refund-1", "charge-1", 2_400)).await.unwrap().into_inner();
    assert!(again.replayed && again.conversion_id == taken.conversion_id);
    let status = shop.client.tracking.record_refund(refund("refund-4", "charge-1", 401)).await.unwrap_err();
    assert_eq!(reason(&status), "REFUND_EXCEEDS_SALE");
    shop.client.tracking.record_refund(refund("refund-5", "charge-1", 400)).await.unwrap();
    assert_eq!(earned(&mut shop).await, 0);
    let report = shop.client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
});

db_test!(f12_a_cancellation_ends_the_revenue_and_takes_no_money, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let sold = pb::RecordSaleRequest { email: "jo@customers.example".to_owned(), mrr: usd(500), ..sale(1) };
    shop.client.tracking.record_sale(sold).await.unwrap();
    assert_eq!(lead(&mut shop.client, "jo@customers.example").await.mrr, usd(500));
    let cancellation = pb::RecordCancellationRequest {
        event_id: "cancel-1".to_owned(),
        email: "jo@customers.example".to_owned(),
        ..Default::default()
    };
    let cancelled = shop.client.tracking.record_cancellation(cancellation.clone()).await.unwrap().into_inner();
    assert_eq!(cancelled.outcome(), ConversionOutcome::Attributed);
    let customer = lead(&mut shop.client, "jo@customers.example").await;
    assert_eq!(customer.state(), LeadState::Cancelled);
    assert!(customer.mrr.is_none_or(|mrr| mrr.amount_minor == 0));
    assert_eq!(earned(&mut shop).await, 200);
    assert!(shop.client.tracking.record_cancellation(cancellation).await.unwrap().into_inner().replayed);
    let unknown = pb::RecordCancellationRequest {
        event_id: "cancel-2".to_owned(),
        email: "nobody@customers.example".to_owned(),
        ..Default::default()
    };
    assert_eq!(reason(&shop.client.tracking.record_cancellation(unknown).await.unwrap_err()), "LEAD_NOT_FOUND");
});

db_test!(w11_all_conversions_are_listed_watched_and_read, |database: TestDatabase| async move {
    const SALES: usize = 25;
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    for number in 0..SALES {
        client.tracking.record_sale(sale(number)).await.unwrap();
    }
    let expected: Vec<String> = (0..SALES).map(|number| format!("sale-{number}")).collect();

    let mut listed = Vec::new();
    let mut request = pb::ListConversionsRequest { page_size: 10, ..Default::default() };
    loop {
        let page = client.tracking.list_conversions(request.clone()).await.unwrap().into_inner();
        listed.extend(page.conversions.into_iter().map(|conversion| conversion.event_id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(listed, expected);

    let mut watched = Vec::new();
    let request = pb::WatchConversionsRequest { start: Some(from_beginning()), ..Default::default() };
    let mut stream = client.tracking.watch_conversions(request).await.unwrap().into_inner();
    while watched.len() < SALES {
        if let Some(OfConversions::Batch(batch)) = stream.message().await.unwrap().unwrap().content {
            watched.extend(batch.events.into_iter().map(|event| event.cause_id));
        }
    }
    assert_eq!(watched, expected);

    // The other two have every kind of event.
    let is_sale = |event: &pb::Event| event.kind() == pb::EventKind::SaleRecorded;
    let mut watched = Vec::new();
    let request = pb::WatchEventsRequest { start: Some(from_beginning()), ..Default::default() };
    let mut stream = client.feed.watch_events(request).await.unwrap().into_inner();
    while watched.iter().filter(|event| is_sale(event)).count() < SALES {
        if let Some(OfEvents::Batch(batch)) = stream.message().await.unwrap().unwrap().content {
            watched.extend(batch.events);
        }
    }
    assert!(watched.iter().any(|event| event.kind() == pb::EventKind::ProgramCreated));
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let read = client.feed.read_events(request).await.unwrap().into_inner().events;
    assert_eq!(read, watched);
    let sequences: Vec<i64> = read.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=read.len() as i64).collect::<Vec<_>>());
});
