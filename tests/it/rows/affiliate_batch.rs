//! BatchChangeAffiliates: many changes in one call, each answered as its own call would be.

use headwater::pb;
use pb::affiliate_batch_item::Item;
use pb::affiliate_batch_result::Answer;
use pb::{AffiliateState, PendingRewards, RewardState};
use testkit::client::Client;
use tonic::Code;
use tonic_types::StatusExt;

use super::affiliate::{by_email, create, get, new};
use crate::support::database::TestDatabase;
use crate::support::server::TestServer;
use crate::support::shop::{Shop, sale};

fn email(number: usize) -> String {
    format!("applicant{number}@affiliates.example")
}

fn approve(email: &str) -> Item {
    Item::Approve(pb::ApproveAffiliateRequest { affiliate: by_email(email), ..Default::default() })
}

fn reject(email: &str, reason: &str) -> Item {
    let reason = reason.to_owned();
    Item::Reject(pb::RejectAffiliateRequest { affiliate: by_email(email), reason, ..Default::default() })
}

async fn change(client: &mut Client, items: Vec<Item>) -> Vec<Answer> {
    let items = items.into_iter().map(|item| pb::AffiliateBatchItem { item: Some(item) }).collect();
    let request = pb::BatchChangeAffiliatesRequest { items };
    let results = client.affiliates.batch_change_affiliates(request).await.unwrap().into_inner().results;
    results.into_iter().map(|result| result.answer.unwrap()).collect()
}

fn state(answer: &Answer) -> AffiliateState {
    let affiliate = match answer {
        Answer::Approve(answer) => answer.affiliate.as_ref(),
        Answer::Reject(answer) => answer.affiliate.as_ref(),
        Answer::Deactivate(answer) => answer.affiliate.as_ref(),
        Answer::Update(answer) => answer.affiliate.as_ref(),
        Answer::Enroll(_) | Answer::Error(_) => panic!("{answer:?}"),
    };
    affiliate.unwrap().state()
}

fn code(answer: &Answer) -> Code {
    match answer {
        Answer::Error(error) => Code::from(error.code),
        other => panic!("{other:?}"),
    }
}

db_test!(p18_a_batch_of_changes_is_answered_item_by_item, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client;
    let commission = Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(100_000)) });
    let request = pb::CreateProgramRequest {
        display_name: "second".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://second.example/".to_owned(),
        terms: Some(pb::Terms { commission, ..Default::default() }),
        ..Default::default()
    };
    let second = client.affiliates.create_program(request).await.unwrap().into_inner().program.unwrap();
    for number in 0..4 {
        let state = AffiliateState::Applied.into();
        create(&mut client, pb::CreateAffiliateRequest { state, ..new(&email(number)) }).await;
    }
    client.tracking.record_sale(sale(1)).await.unwrap();
    server.clock.advance_days(1);
    let enroll = |email: &str, program_id: &str| {
        Item::Enroll(pb::EnrollAffiliateRequest {
            affiliate: by_email(email),
            program_id: program_id.to_owned(),
            ..Default::default()
        })
    };
    let deactivate = |pending_rewards: PendingRewards| {
        Item::Deactivate(pb::DeactivateAffiliateRequest {
            request_id: "leave".to_owned(),
            affiliate: by_email("ann@affiliates.example"),
            pending_rewards: pending_rewards.into(),
            reason: "fraud".to_owned(),
            ..Default::default()
        })
    };
    let answers = change(
        &mut client,
        vec![
            approve(&email(0)),
            approve("nobody@affiliates.example"),
            reject(&email(1), "no site"),
            reject(&email(2), ""),
            approve(&email(2)),
            enroll(&email(0), &second.id),
            enroll(&email(0), &second.id),
            deactivate(PendingRewards::Deny),
            deactivate(PendingRewards::Deny),
            deactivate(PendingRewards::Keep),
            reject(&email(0), "active by now"),
        ],
    )
    .await;
    assert_eq!(answers.len(), 11);
    assert_eq!(state(&answers[0]), AffiliateState::Active);
    assert_eq!(code(&answers[1]), Code::NotFound);
    assert_eq!(state(&answers[2]), AffiliateState::Rejected);
    assert_eq!(code(&answers[3]), Code::InvalidArgument);
    assert_eq!(state(&answers[4]), AffiliateState::Active);
    let Answer::Enroll(enrolled) = &answers[5] else { panic!("{:?}", answers[5]) };
    let enrollment = enrolled.enrollment.as_ref().unwrap();
    assert_eq!(enrollment.program_id, second.id);
    assert!(enrollment.ref_id.starts_with("applicant0"), "made from the name: {}", enrollment.ref_id);
    assert_eq!(code(&answers[6]), Code::AlreadyExists);
    assert_eq!(state(&answers[7]), AffiliateState::Inactive);
    let Answer::Deactivate(repeated) = &answers[8] else { panic!("{:?}", answers[8]) };
    assert!(repeated.replayed);
    assert_eq!(code(&answers[9]), Code::FailedPrecondition, "the same request_id with other content");
    assert_eq!(code(&answers[10]), Code::FailedPrecondition);

    // The pending reward was denied, as by the single call.
    let request = pb::ListRewardsRequest { states: vec![RewardState::Denied.into()], ..Default::default() };
    let denied = client.rewards.list_rewards(request).await.unwrap().into_inner().rewards;
    assert_eq!(denied.iter().map(|reward| reward.deny_reason.as_str()).collect::<Vec<_>>(), ["fraud"]);
    let states = [AffiliateState::Active, AffiliateState::Rejected, AffiliateState::Active, AffiliateState::Applied];
    for (number, expected) in states.into_iter().enumerate() {
        let found = get(&mut client, by_email(&email(number))).await.unwrap().affiliate.unwrap();
        assert_eq!(found.state(), expected, "{number}");
    }

    // An error is that of the single call.
    let request = pb::RejectAffiliateRequest { affiliate: by_email(&email(3)), ..Default::default() };
    let single = client.affiliates.reject_affiliate(request).await.unwrap_err();
    let Answer::Error(error) = &answers[3] else { panic!("{:?}", answers[3]) };
    assert_eq!((error.code, error.message.as_str()), (single.code() as i32, single.message()));
});

db_test!(p18_a_batch_has_up_to_1000_changes, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    for number in 0..20 {
        let state = AffiliateState::Applied.into();
        create(&mut client, pb::CreateAffiliateRequest { state, ..new(&email(number)) }).await;
    }
    // Every second one is of nobody.
    let items = (0..1_000).map(|number| approve(&email(if number % 2 == 0 { number % 20 } else { 20 + number })));
    let answers = change(&mut client, items.collect()).await;
    assert_eq!(answers.len(), 1_000);
    for (number, answer) in answers.iter().enumerate() {
        match answer {
            Answer::Approve(answer) => {
                assert_eq!(answer.affiliate.as_ref().unwrap().email, email(number % 20));
                assert_eq!(number % 2, 0);
            }
            other => assert_eq!((code(other), number % 2), (Code::NotFound, 1)),
        }
    }
    for count in [0, 1_001] {
        let items = vec![pb::AffiliateBatchItem { item: Some(approve(&email(0))) }; count];
        let request = pb::BatchChangeAffiliatesRequest { items };
        let status = client.affiliates.batch_change_affiliates(request).await.unwrap_err();
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "items");
    }
    let request = pb::BatchChangeAffiliatesRequest { items: vec![pb::AffiliateBatchItem::default()] };
    let results = client.affiliates.batch_change_affiliates(request).await.unwrap().into_inner().results;
    assert_eq!(code(results[0].answer.as_ref().unwrap()), Code::InvalidArgument);
});
