//! Affiliates who share the credit of a conversion: row P22. The scenario `shared_credit.txt` has the shares and the amounts.

use headwater_client::pb;
use testkit::client::Client;

use crate::support::database::TestDatabase;
use crate::support::feed::cash;
use crate::support::server::TestServer;
use crate::support::shop::Shop;

const NAMES: [&str; 3] = ["bob", "cy", "dan"];

fn by_id(id: &str) -> Option<pb::AffiliateSelector> {
    Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(id.to_owned())) })
}

fn usd(amount_minor: i64) -> Option<pb::Money> {
    Some(pb::Money { amount_minor, currency_code: "USD".to_owned() })
}

/// A shop whose terms share credits equally, with three affiliates, and the tracking id of a visitor who clicked the links of all.
async fn shared_shop(server: &TestServer, levels: Vec<pb::UplineLevel>) -> (Shop, Vec<String>, String) {
    let terms = pb::Terms {
        attribution_model: pb::AttributionModel::Linear.into(),
        upline_levels: levels,
        ..Default::default()
    };
    let shop = Shop::furnish_with(server.new_account("shop").await, terms).await;
    let mut client = shop.client.clone();
    let (mut ids, mut tid) = (Vec::new(), String::new());
    for name in NAMES {
        let request = pb::CreateAffiliateRequest {
            email: format!("{name}@affiliates.example"),
            ref_id: name.to_owned(),
            ..Default::default()
        };
        ids.push(client.affiliates.create_affiliate(request).await.unwrap().into_inner().affiliate.unwrap().id);
        let click = pb::RecordClickRequest { ref_id: name.to_owned(), tid, ..Default::default() };
        tid = client.tracking.record_click(click).await.unwrap().into_inner().tid;
    }
    (shop, ids, tid)
}

fn sale(event_id: &str, tid: &str, amount_minor: i64) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        tid: tid.to_owned(),
        external_id: "customer".to_owned(),
        amount: usd(amount_minor),
        ..Default::default()
    }
}

async fn balance(client: &mut Client, affiliate: &str) -> i64 {
    let request = pb::GetBalanceRequest { affiliate: by_id(affiliate), ..Default::default() };
    let answer = client.rewards.get_balance(request).await.unwrap().into_inner();
    answer.balances.first().map_or(0, |balance| cash(balance.pending.as_ref()).amount_minor)
}

async fn verify(client: &mut Client) {
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
}

db_test!(p22_those_who_were_clicked_share_a_conversion, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let (shop, ids, tid) = shared_shop(&server, Vec::new()).await;
    let mut client = shop.client.clone();
    // A commission of 0.20 in three parts.
    let answer = client.tracking.record_sale(sale("order-1", &tid, 100)).await.unwrap().into_inner();
    let credits: Vec<_> = answer.credits.iter().map(|credit| (&credit.affiliate_id, credit.share_ppm)).collect();
    assert_eq!(credits, [(&ids[0], 333_334), (&ids[1], 333_333), (&ids[2], 333_333)]);
    let values: Vec<_> = answer.rewards.iter().map(|reward| cash(reward.value.as_ref()).amount_minor).collect();
    assert_eq!(values, [7, 7, 6]);
    // Each reward says how it was computed, and is its affiliate's alone.
    for (place, reward) in (1..).zip(&answer.rewards) {
        let request = pb::GetRewardRequest { reward_id: reward.reward_id.clone(), ..Default::default() };
        let stored = client.rewards.get_reward(request).await.unwrap().into_inner().reward.unwrap();
        let split = pb::RewardSplit { shares_ppm: vec![333_334, 333_333, 333_333], place };
        assert_eq!(stored.calculation.and_then(|calculation| calculation.split), Some(split));
    }
    for (id, expected) in ids.iter().zip(values) {
        assert_eq!(balance(&mut client, id).await, expected);
        let request = pb::ListConversionsRequest { affiliate: by_id(id), ..Default::default() };
        let listed = client.tracking.list_conversions(request).await.unwrap().into_inner().conversions;
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert_eq!(listed[0].credits.len(), 3);
    }
    // The customer is bound to all.
    let lead =
        Some(pb::LeadSelector { selector: Some(pb::lead_selector::Selector::ExternalId("customer".to_owned())) });
    let request = pb::GetAttributionRequest { lead };
    let told = client.tracking.get_attribution(request).await.unwrap().into_inner();
    assert_eq!(told.affiliates.iter().map(|affiliate| affiliate.id.clone()).collect::<Vec<_>>(), ids);
    assert_eq!(told.lead.unwrap().credits.len(), 3);
    // Nothing is left of a sale that is refunded in parts.
    for (number, amount_minor) in [33, 34, 33].into_iter().enumerate() {
        let request = pb::RecordRefundRequest {
            event_id: format!("refund-{number}"),
            sale_event_id: "order-1".to_owned(),
            amount: usd(amount_minor),
            ..Default::default()
        };
        client.tracking.record_refund(request).await.unwrap();
    }
    for id in &ids {
        assert_eq!(balance(&mut client, id).await, 0);
    }
    let request = pb::ExplainConversionRequest {
        conversion: Some(pb::ConversionSelector {
            selector: Some(pb::conversion_selector::Selector::Id(answer.conversion_id.clone())),
        }),
    };
    let told = client.tracking.explain_conversion(request).await.unwrap().into_inner();
    assert_eq!(told.credits.len(), 3);
    let sentences = told.sentences.join(" ");
    assert!(sentences.contains("the shares of all add up"), "{sentences}");
    verify(&mut client).await;
});

db_test!(p22_shares_are_exact_when_64_sales_arrive_at_once, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let level = pb::UplineLevel { basis: pb::UplineBasis::Commission.into(), percent_ppm: 100_000 };
    let (shop, ids, tid) = shared_shop(&server, vec![level]).await;
    let mut client = shop.client.clone();
    let request =
        pb::SetUplineRequest { affiliate: by_id(&ids[1]), upline: by_id(&shop.affiliate_id), ..Default::default() };
    client.affiliates.set_upline(request).await.unwrap();
    let calls = (0..64).map(|number| {
        let (mut client, tid) = (client.clone(), tid.clone());
        async move { client.tracking.record_sale(sale(&format!("order-{number}"), &tid, 1_000)).await.unwrap() }
    });
    let answers = futures::future::join_all(calls).await;
    // 2.00 in three parts, and an upline's tenth of one of them.
    assert!(answers.iter().all(|answer| answer.get_ref().rewards.len() == 4));
    for (id, expected) in ids.iter().zip([67, 67, 66]) {
        assert_eq!(balance(&mut client, id).await, 64 * expected);
    }
    assert_eq!(balance(&mut client, &shop.affiliate_id).await, 64 * 7);
    verify(&mut client).await;
});
