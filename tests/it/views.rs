//! The views of conversions, and pages that would be larger than an answer may be.

use headwater::pb;
use prost::Message;
use testkit::client::Client;

use crate::support::database::TestDatabase;
use crate::support::server::TestServer;
use crate::support::shop::Shop;

const CLICKS: usize = 25;
const SALES: usize = 1_000;

/// The limit of most clients for an answer.
const ANSWER_BYTES_MAX: usize = 4 << 20;

async fn batch(client: &mut Client, items: impl IntoIterator<Item = pb::batch_item::Item>) -> Vec<pb::BatchResult> {
    let items = items.into_iter().map(|item| pb::BatchItem { item: Some(item) }).collect();
    client.tracking.batch_record_events(pb::BatchRecordEventsRequest { items }).await.unwrap().into_inner().results
}

/// Lists all conversions. Returns them with the number of pages.
async fn listed(client: &mut Client, view: pb::ConversionView) -> (Vec<pb::Conversion>, usize) {
    let mut request = pb::ListConversionsRequest { page_size: 1_000, view: view.into(), ..Default::default() };
    let (mut all, mut pages) = (Vec::new(), 0);
    loop {
        let page = client.tracking.list_conversions(request.clone()).await.unwrap().into_inner();
        assert!(page.encoded_len() < ANSWER_BYTES_MAX, "{} bytes", page.encoded_len());
        pages += 1;
        all.extend(page.conversions);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return (all, pages);
        }
    }
}

db_test!(a_full_page_of_explanations_is_cut_by_bytes, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let mut tid = String::new();
    for _ in 0..CLICKS {
        let click = pb::RecordClickRequest { ref_id: "ann".to_owned(), tid, ..Default::default() };
        tid = client.tracking.record_click(click).await.unwrap().into_inner().tid;
    }
    let sale = |number: usize| {
        pb::batch_item::Item::Sale(pb::RecordSaleRequest {
            event_id: format!("sale-{number}"),
            tid: tid.clone(),
            // A code of another shop is a candidate as well.
            coupon_code: "another-shops-code-".repeat(5),
            plan: "the large plan with everything in it".to_owned(),
            amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
            ..Default::default()
        })
    };
    assert_eq!(batch(&mut client, (0..SALES).map(sale)).await.len(), SALES);

    let (basic, pages) = listed(&mut client, pb::ConversionView::Basic).await;
    assert_eq!((basic.len(), pages), (SALES, 1), "without explanations, 1,000 conversions are one page");
    assert!(basic.iter().all(|conversion| conversion.candidates.is_empty()));
    let (by_default, _) = listed(&mut client, pb::ConversionView::Unspecified).await;
    assert!(by_default == basic, "a list is basic by default");

    let (full, pages) = listed(&mut client, pb::ConversionView::Full).await;
    assert!(pages >= 2, "{pages} page");
    assert!(full.iter().all(|conversion| conversion.candidates.len() > 20));
    let without: Vec<_> =
        full.iter().map(|conversion| pb::Conversion { candidates: Vec::new(), ..conversion.clone() }).collect();
    assert!(without == basic, "the same conversions, each once");

    let get = |view: pb::ConversionView| pb::GetConversionRequest {
        conversion: Some(pb::ConversionSelector {
            selector: Some(pb::conversion_selector::Selector::Id(basic[0].id.clone())),
        }),
        view: view.into(),
    };
    for (view, expected) in [
        (pb::ConversionView::Unspecified, &full[0]),
        (pb::ConversionView::Full, &full[0]),
        (pb::ConversionView::Basic, &basic[0]),
    ] {
        let one = client.tracking.get_conversion(get(view)).await.unwrap().into_inner().conversion.unwrap();
        assert_eq!(one, *expected, "{view:?}");
    }
});

db_test!(denying_a_thousand_rewards_fits_into_one_answer, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let sale = |number: usize| {
        pb::batch_item::Item::Sale(pb::RecordSaleRequest {
            event_id: format!("sale-{number}"),
            coupon_code: "ANN".to_owned(),
            amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
            ..Default::default()
        })
    };
    let reward_ids = batch(&mut client, (0..SALES).map(sale)).await.into_iter().map(|result| match result.answer {
        Some(pb::batch_result::Answer::Sale(sale)) => sale.rewards[0].reward_id.clone(),
        other => panic!("{other:?}"),
    });
    // The longest reason, in characters of four bytes.
    let request = pb::DenyRewardsRequest {
        reward_ids: reward_ids.collect(),
        reason: "\u{1f600}".repeat(500),
        ..Default::default()
    };
    let answer = client.rewards.deny_rewards(request).await.unwrap().into_inner();
    assert_eq!(answer.rewards.len(), SALES);
    let listed = pb::ListRewardsRequest { page_size: 1_000, ..Default::default() };
    let page = client.rewards.list_rewards(listed).await.unwrap().into_inner();
    assert_eq!(page.rewards.len(), SALES);
});
