//! Row N7: disputes as callers see them. The rules are in the scenarios `dispute*.txt`.

use headwater::pb;
use pb::{ConversionKind, DisputeOutcome, EventKind, PendingRewards, RewardState};
use testkit::client::Client;

use super::payout_reserved::{owed_in_dollars, two_servers, verify};
use crate::support::database::TestDatabase;
use crate::support::feed::{cash, from_beginning};
use crate::support::server::TestServer;
use crate::support::shop::{Shop, sale};

fn usd(amount_minor: i64) -> Option<pb::Money> {
    Some(pb::Money { amount_minor, currency_code: "USD".to_owned() })
}

fn opened(event_id: &str, sale_event_id: &str) -> pb::OpenDisputeRequest {
    pb::OpenDisputeRequest {
        event_id: event_id.to_owned(),
        sale_event_id: sale_event_id.to_owned(),
        reason: "not received".to_owned(),
        ..Default::default()
    }
}

fn ended(event_id: &str, dispute_event_id: &str, outcome: DisputeOutcome) -> pb::ResolveDisputeRequest {
    pb::ResolveDisputeRequest {
        event_id: event_id.to_owned(),
        dispute_event_id: dispute_event_id.to_owned(),
        outcome: outcome.into(),
        ..Default::default()
    }
}

/// Pending, owed, frozen and earned.
async fn balance(shop: &mut Shop) -> [i64; 4] {
    let request = pb::GetBalanceRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let balances = shop.client.rewards.get_balance(request).await.unwrap().into_inner().balances;
    let list = pb::ListBalancesRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let listed = shop.client.rewards.list_balances(list).await.unwrap().into_inner().affiliates;
    assert_eq!(listed[0].balances, balances);
    let balance = &balances[0];
    [&balance.pending, &balance.owed, &balance.in_dispute, &balance.earned].map(|part| cash(part.as_ref()).amount_minor)
}

async fn rewards_in(client: &mut Client, state: RewardState) -> Vec<pb::Reward> {
    let request = pb::ListRewardsRequest { states: vec![state.into()], ..Default::default() };
    client.rewards.list_rewards(request).await.unwrap().into_inner().rewards
}

fn selector(kind: ConversionKind, event_id: &str) -> Option<pb::ConversionSelector> {
    let event = pb::RecordedEvent { kind: kind.into(), event_id: event_id.to_owned() };
    Some(pb::ConversionSelector { selector: Some(pb::conversion_selector::Selector::RecordedEvent(event)) })
}

async fn conversion(client: &mut Client, kind: ConversionKind, event_id: &str) -> pb::Conversion {
    let request = pb::GetConversionRequest { conversion: selector(kind, event_id), ..Default::default() };
    client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap()
}

db_test!(n7_a_dispute_is_shown_explained_and_told, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    shop.client.tracking.record_sale(sale(1)).await.unwrap();
    let dispute = shop.client.tracking.open_dispute(opened("dispute-1", "sale-1")).await.unwrap().into_inner();
    assert_eq!(dispute.rewards.len(), 1);
    assert_eq!(balance(&mut shop).await, [0, 0, 200, 200]);
    assert_eq!(owed_in_dollars(&mut shop.client).await, [0; 7]);
    let frozen = rewards_in(&mut shop.client, RewardState::Frozen).await;
    assert_eq!(frozen[0].dispute_conversion_id, dispute.conversion_id);

    // The sale names the dispute, and the list of disputes has it.
    let of_sale = conversion(&mut shop.client, ConversionKind::Sale, "sale-1").await;
    assert_eq!(of_sale.open_dispute_conversion_ids, std::slice::from_ref(&dispute.conversion_id));
    let kinds = vec![ConversionKind::Dispute.into()];
    let request = pb::ListConversionsRequest { kinds, affiliate: Some(shop.affiliate()), ..Default::default() };
    let listed = shop.client.tracking.list_conversions(request).await.unwrap().into_inner().conversions;
    let told = listed[0].dispute.clone().unwrap();
    assert_eq!((listed.len(), listed[0].amount.clone(), told.reason.as_str()), (1, usd(1_000), "not received"));
    assert_eq!((told.state(), listed[0].sale_event_id.as_str()), (pb::DisputeState::Opened, "sale-1"));

    // The explanation of the frozen reward names it.
    let request = pb::ExplainConversionRequest { conversion: selector(ConversionKind::Sale, "sale-1") };
    let told = shop.client.tracking.explain_conversion(request).await.unwrap().into_inner();
    assert_eq!(told.rewards[0].approval(), pb::RewardApproval::ByDispute);
    assert_eq!(told.rewards[0].dispute_conversion_id, dispute.conversion_id);
    assert_eq!(told.actions, [i32::from(pb::ExplanationAction::ResolveDispute)]);
    let names = format!("frozen until the dispute {}", dispute.conversion_id);
    assert!(told.sentences.iter().any(|sentence| sentence.contains(&names)), "{:#?}", told.sentences);
    verify(&mut shop.client).await;

    // A part is lost. The batch tells the end, and a dispute of another sale.
    shop.client.tracking.record_sale(sale(2)).await.unwrap();
    let lost = pb::ResolveDisputeRequest { lost_amount: usd(250), ..ended("end-1", "dispute-1", DisputeOutcome::Lost) };
    let items =
        [pb::batch_item::Item::DisputeResolution(lost), pb::batch_item::Item::Dispute(opened("dispute-2", "sale-2"))];
    let items = items.into_iter().map(|item| pb::BatchItem { item: Some(item) }).collect();
    let request = pb::BatchRecordEventsRequest { items };
    let results = shop.client.tracking.batch_record_events(request).await.unwrap().into_inner().results;
    match (&results[0].answer, &results[1].answer) {
        (Some(pb::batch_result::Answer::DisputeResolution(end)), Some(pb::batch_result::Answer::Dispute(second))) => {
            let value = end.rewards[0].value.clone();
            assert_eq!((cash(value.as_ref()).amount_minor, second.rewards.len()), (-50, 1));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(balance(&mut shop).await, [150, 0, 200, 350]);
    let told = conversion(&mut shop.client, ConversionKind::Dispute, "dispute-1").await.dispute.unwrap();
    assert_eq!((told.state(), told.lost_amount.clone()), (pb::DisputeState::Lost, usd(250)));
    let end = conversion(&mut shop.client, ConversionKind::DisputeResolution, "end-1").await;
    assert_eq!((end.amount.clone(), end.rewards.len()), (usd(-250), 1));
    assert_eq!(end.dispute.unwrap().dispute_conversion_id, dispute.conversion_id);

    // The feed has no reason, because a person wrote it.
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = shop.client.feed.read_events(request).await.unwrap().into_inner().events;
    let kinds: Vec<EventKind> = events.iter().map(pb::Event::kind).collect();
    for kind in
        [EventKind::DisputeOpened, EventKind::DisputeResolved, EventKind::RewardFrozen, EventKind::RewardRestored]
    {
        assert!(kinds.contains(&kind), "{kind:?} in {kinds:?}");
    }
    let images = events.iter().filter_map(crate::support::feed::conversion_of);
    let told: Vec<_> = images.filter_map(|image| image.dispute.as_ref()).collect();
    assert!(told.len() >= 4 && told.iter().all(|dispute| dispute.reason.is_empty()), "{told:?}");
    verify(&mut shop.client).await;
});

db_test!(n7_what_a_person_decides_of_a_frozen_reward_holds, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    for number in 1..=2 {
        shop.client.tracking.record_sale(sale(number)).await.unwrap();
        let dispute = opened(&format!("dispute-{number}"), &format!("sale-{number}"));
        shop.client.tracking.open_dispute(dispute).await.unwrap();
    }
    let frozen = rewards_in(&mut shop.client, RewardState::Frozen).await;
    let deny = pb::DenyRewardsRequest {
        reward_ids: vec![frozen[0].id.clone()],
        reason: "fraud".to_owned(),
        ..Default::default()
    };
    shop.client.rewards.deny_rewards(deny).await.unwrap();
    server.clock.advance_days(1);
    let request = pb::DeactivateAffiliateRequest {
        affiliate: Some(shop.affiliate()),
        pending_rewards: PendingRewards::Hold.into(),
        ..Default::default()
    };
    shop.client.affiliates.deactivate_affiliate(request).await.unwrap();
    assert_eq!(balance(&mut shop).await, [0, 0, 200, 200]);
    for number in 1..=2 {
        let end = ended(&format!("end-{number}"), &format!("dispute-{number}"), DisputeOutcome::Won);
        shop.client.tracking.resolve_dispute(end).await.unwrap();
    }
    assert_eq!(rewards_in(&mut shop.client, RewardState::Denied).await.len(), 1);
    assert_eq!(rewards_in(&mut shop.client, RewardState::Held).await.len(), 1);
    server.clock.advance_days(60);
    server.server.app().approve_due_rewards().await.unwrap();
    assert_eq!(balance(&mut shop).await, [200, 0, 0, 200]);
    verify(&mut shop.client).await;
});

db_test!(
    n7_of_64_ends_refunds_and_payouts_at_once_nothing_is_paid_or_taken_twice,
    |database: TestDatabase| async move {
        let (first, second) = two_servers(&database).await;
        let servers = [&first, second.as_ref().unwrap_or(&first)];
        let mut shop = Shop::open(&first, "shop").await;
        shop.client.tracking.record_sale(sale(1)).await.unwrap();
        let reward_ids = rewards_in(&mut shop.client, RewardState::Pending).await.into_iter().map(|reward| reward.id);
        let approve = pb::ApproveRewardsRequest { reward_ids: reward_ids.collect(), ..Default::default() };
        shop.client.rewards.approve_rewards(approve).await.unwrap();
        let part = pb::OpenDisputeRequest { amount: usd(600), ..opened("dispute-1", "sale-1") };
        shop.client.tracking.open_dispute(part).await.unwrap();
        let mut calls = Vec::new();
        for number in 0..64_usize {
            let (address, key) = (servers[number / 4 % 2].address.clone(), shop.client.key.clone());
            let payout = pb::CreatePayoutRequest {
                affiliate: Some(shop.affiliate()),
                currency_code: "USD".to_owned(),
                ..Default::default()
            };
            calls.push(tokio::spawn(async move {
                let mut client = Client::connect(&address, &key).await.unwrap();
                let event_id = format!("event-{number}");
                match number % 4 {
                    0 => _ = client.tracking.resolve_dispute(ended(&event_id, "dispute-1", DisputeOutcome::Won)).await,
                    1 => _ = client.tracking.resolve_dispute(ended(&event_id, "dispute-1", DisputeOutcome::Lost)).await,
                    2 => {
                        let sale_event_id = "sale-1".to_owned();
                        let amount = usd(25);
                        let refund = pb::RecordRefundRequest { event_id, sale_event_id, amount, ..Default::default() };
                        client.tracking.record_refund(refund).await.unwrap();
                    }
                    _ => _ = client.payouts.create_payout(payout).await,
                }
            }));
        }
        for call in calls {
            call.await.unwrap();
        }
        // 16 refunds have taken 4.00 of 10.00, and the dispute 6.00 or nothing.
        let end = ended("end", "dispute-1", DisputeOutcome::Won);
        shop.client.tracking.resolve_dispute(end).await.unwrap();
        assert_eq!(balance(&mut shop).await[2..], [0, 120]);
        let end = ended("last", "dispute-1", DisputeOutcome::Lost);
        shop.client.tracking.resolve_dispute(end).await.unwrap();
        assert_eq!(balance(&mut shop).await[2..], [0, 0]);
        verify(&mut shop.client).await;
    }
);
