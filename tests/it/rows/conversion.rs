//! The history of a conversion, and conversions by many names.

use headwater::pb;
use pb::conversion_result::Answer;
use pb::conversion_selector::Selector;

use crate::support::database::TestDatabase;
use crate::support::feed::{conversion_of, from_beginning};
use crate::support::server::{TestServer, nameless, nameless_details};
use crate::support::shop::{Shop, sale};

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

db_test!(p26_each_version_of_a_conversion_is_read_with_its_cause, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let sold = shop.client.tracking.record_sale(sale(1)).await.unwrap().into_inner();
    shop.client.tracking.record_sale(sale(2)).await.unwrap();
    let request = pb::CorrectSaleRequest {
        event_id: "fix-1".to_owned(),
        sale_event_id: "sale-1".to_owned(),
        amount: Some(usd(2_000)),
        reason: "typing error".to_owned(),
        ..Default::default()
    };
    let corrected = shop.client.tracking.correct_sale(request).await.unwrap().into_inner();
    let request = pb::RecordRefundRequest {
        event_id: "refund-1".to_owned(),
        sale_event_id: "sale-1".to_owned(),
        amount: Some(usd(500)),
        ..Default::default()
    };
    shop.client.tracking.record_refund(request).await.unwrap();
    let reward_ids = vec![sold.rewards[0].reward_id.clone()];
    let request = pb::ApproveRewardsRequest { request_id: "approve-1".to_owned(), reward_ids };
    shop.client.rewards.approve_rewards(request).await.unwrap();

    let filter = pb::EventFilter { subject_ids: vec![sold.conversion_id.clone()], ..Default::default() };
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), filter: Some(filter), ..Default::default() };
    let events = shop.client.feed.read_events(request).await.unwrap().into_inner().events;
    let versions: Vec<_> = events
        .iter()
        .map(|event| {
            let image = conversion_of(event).unwrap();
            let refunded = image.refunded_amount.as_ref().unwrap().amount_minor;
            let amount = image.amount.as_ref().unwrap().amount_minor;
            (event.kind(), event.cause_id.as_str(), image.version, amount, refunded)
        })
        .collect();
    assert_eq!(
        versions,
        [
            (pb::EventKind::SaleRecorded, "sale-1", 1, 1_000, 0),
            (pb::EventKind::SaleCorrected, "fix-1", 2, 2_000, 0),
            (pb::EventKind::SaleRefunded, "refund-1", 3, 2_000, 500),
            (pb::EventKind::ConversionUpdated, "approve-1", 4, 2_000, 500),
        ]
    );
    // The correction says why, to those who ask for it and not in the feed.
    let selector = pb::ConversionSelector { selector: Some(Selector::Id(corrected.conversion_id)) };
    let request = pb::GetConversionRequest { conversion: Some(selector), ..Default::default() };
    let correction = shop.client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap();
    assert_eq!(correction.kind(), pb::ConversionKind::Correction);
    assert_eq!((correction.amount, correction.correction_reason.as_str()), (Some(usd(1_000)), "typing error"));
    assert_eq!(correction.sale_conversion_id, sold.conversion_id);
});

db_test!(many_conversions_are_read_in_the_order_asked, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(shop.client.tracking.record_sale(sale(number)).await.unwrap().into_inner().conversion_id);
    }
    let mut stranger = Shop::open(&server, "stranger").await.client;
    let of_stranger = stranger.tracking.record_sale(sale(7)).await.unwrap().into_inner().conversion_id;
    let by_id = |id: &str| Selector::Id(id.to_owned());
    let by_event = |kind: pb::ConversionKind, event_id: &str| {
        Selector::RecordedEvent(pb::RecordedEvent { kind: kind.into(), event_id: event_id.to_owned() })
    };
    let selectors = [
        by_id(&ids[2]),
        by_event(pb::ConversionKind::Sale, "sale-0"),
        by_event(pb::ConversionKind::Refund, "sale-0"),
        by_id("cnv_00000000000000000000000000000001"),
        by_id("cnv_1"),
        by_id(&ids[2]),
        by_id(&of_stranger),
        by_event(pb::ConversionKind::Sale, "sale-7"),
    ];
    let select = |selector: Selector| pb::ConversionSelector { selector: Some(selector) };
    let mut conversions: Vec<_> = selectors.map(select).into();
    conversions.push(pb::ConversionSelector::default());
    let request = pb::BatchGetConversionsRequest { conversions: conversions.clone(), ..Default::default() };
    let results = shop.client.tracking.batch_get_conversions(request).await.unwrap().into_inner().results;
    // Each has the answer of the single call.
    for (selector, result) in conversions.into_iter().zip(&results) {
        let view = pb::ConversionView::Basic.into();
        let request = pb::GetConversionRequest { conversion: Some(selector), view };
        match (shop.client.tracking.get_conversion(request).await, result.answer.clone().unwrap()) {
            (Ok(single), Answer::Conversion(conversion)) => {
                assert_eq!(single.into_inner().conversion, Some(conversion));
            }
            (Err(single), Answer::Error(status)) => assert_eq!(nameless_details(&single), nameless(status)),
            (single, answer) => panic!("{single:?} {answer:?}"),
        }
    }
    let answers: Vec<_> = results
        .into_iter()
        .map(|result| match result.answer.unwrap() {
            Answer::Conversion(conversion) => {
                assert_eq!((conversion.rewards.len(), conversion.candidates.len()), (1, 0));
                Ok(conversion.id)
            }
            Answer::Error(status) => Err(status.code),
        })
        .collect();
    let (not_found, invalid) = (Err(tonic::Code::NotFound as i32), Err(tonic::Code::InvalidArgument as i32));
    let [first, third] = [&ids[0], &ids[2]].map(|id| Ok(id.clone()));
    let missing = || not_found.clone();
    assert_eq!(
        answers,
        [third.clone(), first, missing(), missing(), invalid.clone(), third, missing(), missing(), invalid]
    );
});

db_test!(a_batch_of_conversions_ends_before_its_answer_is_too_large, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let long = |character: &str| character.repeat(128);
    let request = pb::RecordSaleRequest {
        order_id: long("\u{1f4a5}"),
        order_number: long("\u{1f4a5}"),
        plan: long("\u{1f4a5}"),
        ..sale(1)
    };
    let id = shop.client.tracking.record_sale(request).await.unwrap().into_inner().conversion_id;
    let selector = pb::ConversionSelector { selector: Some(Selector::Id(id)) };
    let request =
        pb::BatchGetConversionsRequest { conversions: vec![selector; 1_000], view: pb::ConversionView::Full.into() };
    let results = shop.client.tracking.batch_get_conversions(request).await.unwrap().into_inner().results;
    let is_found = |result: &pb::ConversionResult| matches!(result.answer, Some(Answer::Conversion(_)));
    let found = results.iter().take_while(|result| is_found(result)).count();
    assert!((500..1_000).contains(&found) || found == 1_000, "{found}");
    let full = |result: &pb::ConversionResult| match &result.answer {
        Some(Answer::Error(status)) => status.code == tonic::Code::ResourceExhausted as i32,
        _ => false,
    };
    assert!(results[found..].iter().all(full));
    assert_eq!(results.len(), 1_000);
});
