//! The bonus of an affiliate who becomes active in a program: row P10.

use headwater::app::check;
use headwater::pb;
use testkit::client::Client;

use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::server::TestServer;
use crate::support::shop::Shop;

fn value(amount: pb::reward_value::Amount) -> Option<pb::RewardValue> {
    Some(pb::RewardValue { amount: Some(amount) })
}

fn credits() -> Option<pb::RewardValue> {
    value(pb::reward_value::Amount::Credits(25))
}

fn terms(enrollment_bonus: Option<pb::RewardValue>) -> pb::Terms {
    let commission = pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(200_000)) };
    pb::Terms { commission: Some(commission), enrollment_bonus, ..Default::default() }
}

fn id(id: &str) -> Option<pb::AffiliateSelector> {
    Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(id.to_owned())) })
}

async fn rewards_of(client: &mut Client, affiliate_id: &str) -> Vec<pb::Reward> {
    let request = pb::ListRewardsRequest { affiliate: id(affiliate_id), ..Default::default() };
    client.rewards.list_rewards(request).await.unwrap().into_inner().rewards
}

async fn create(client: &mut Client, email: &str, state: pb::AffiliateState) -> pb::CreateAffiliateResponse {
    let request = pb::CreateAffiliateRequest { email: email.to_owned(), state: state.into(), ..Default::default() };
    client.affiliates.create_affiliate(request).await.unwrap().into_inner()
}

async fn check_books(server: &TestServer, client: &mut Client) {
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
    let app = server.server.app();
    for account_id in check::accounts(app.store()).await.unwrap() {
        assert_eq!(check::check(app.store(), account_id).await.unwrap().differences, Vec::<String>::new());
    }
}

db_test!(p10_an_affiliate_gets_the_bonus_when_it_becomes_active, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::furnish_with(server.new_account("shop").await, terms(credits())).await;
    let affiliate_id = shop.affiliate_id.clone();
    let [reward] = &rewards_of(&mut shop.client, &affiliate_id).await[..] else { panic!("one reward") };
    assert_eq!((reward.value.clone(), reward.state()), (credits(), pb::RewardState::Pending));
    assert_eq!((reward.bonus_terms_version, &*reward.conversion_id), (1, ""));
    assert_eq!(reward.program_id, shop.program_id);

    // Who applied gets it when it is approved, and not again after a deactivation.
    let bea = create(&mut shop.client, "bea@affiliates.example", pb::AffiliateState::Applied).await;
    let bea = bea.affiliate.unwrap().id;
    assert_eq!(rewards_of(&mut shop.client, &bea).await, []);
    for _ in 0..2 {
        let approve = pb::ApproveAffiliateRequest { affiliate: id(&bea), ..Default::default() };
        shop.client.affiliates.approve_affiliate(approve).await.unwrap();
        assert_eq!(rewards_of(&mut shop.client, &bea).await.len(), 1);
        let deactivate = pb::DeactivateAffiliateRequest {
            affiliate: id(&bea),
            reason: "asked to".to_owned(),
            pending_rewards: pb::PendingRewards::Keep.into(),
            ..Default::default()
        };
        shop.client.affiliates.deactivate_affiliate(deactivate).await.unwrap();
    }

    // The statement has it.
    let start_time = Some(prost_types::Timestamp { seconds: 1_600_000_000, nanos: 0 });
    let interval = pb::TimeInterval { start_time, ..Default::default() };
    let request = pb::CalculateCommissionsRequest {
        affiliate: id(&affiliate_id),
        period: Some(pb::calculate_commissions_request::Period::Interval(interval)),
        ..Default::default()
    };
    let statement = shop.client.rewards.calculate_commissions(request).await.unwrap().into_inner();
    assert_eq!(statement.lines.iter().map(|line| line.bonus_terms_version).collect::<Vec<_>>(), [1]);
    check_books(&server, &mut shop.client).await;
});

db_test!(p10_who_must_accept_an_agreement_gets_the_bonus_afterwards, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = server.new_account("shop").await;
    let agreement = pb::Agreement { text: "Be fair.".to_owned(), is_required: true, ..Default::default() };
    let request = pb::CreateProgramRequest {
        display_name: "main".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(terms(credits())),
        agreement: Some(agreement),
        ..Default::default()
    };
    client.affiliates.create_program(request).await.unwrap();
    let made = create(&mut client, "ann@affiliates.example", pb::AffiliateState::Active).await;
    let (ann, enrollment_id) = (made.affiliate.unwrap().id, made.enrollment.unwrap().id);
    assert_eq!(rewards_of(&mut client, &ann).await, []);
    let accept = pb::AcceptAgreementRequest {
        enrollment_id,
        acceptance: Some(pb::AgreementAcceptance { version: 1, ..Default::default() }),
        ..Default::default()
    };
    for _ in 0..2 {
        client.affiliates.accept_agreement(accept.clone()).await.unwrap();
        assert_eq!(rewards_of(&mut client, &ann).await.len(), 1);
    }
    check_books(&server, &mut client).await;
});

// On PostgreSQL through two servers.
db_test!(p10_of_64_approvals_at_once_exactly_one_pays, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::furnish_with(server.new_account("shop").await, terms(credits())).await;
    let bea = create(&mut shop.client, "bea@affiliates.example", pb::AffiliateState::Applied).await;
    let bea = bea.affiliate.unwrap().id;
    let second = match database.kind {
        DatabaseKind::Sqlite => None,
        DatabaseKind::Postgres => Some(TestServer::start(&database).await),
    };
    let servers = [&server, second.as_ref().unwrap_or(&server)];
    let tasks: Vec<_> = (0..64_usize)
        .map(|number| {
            let (address, key) = (servers[number % 2].address.clone(), shop.client.key.clone());
            let affiliate = id(&bea);
            tokio::spawn(async move {
                let mut client = Client::connect(&address, &key).await.unwrap();
                let request = pb::ApproveAffiliateRequest { affiliate, ..Default::default() };
                client.affiliates.approve_affiliate(request).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(rewards_of(&mut shop.client, &bea).await.len(), 1);
    check_books(&server, &mut shop.client).await;
});

db_test!(p10_a_bonus_in_another_currency_is_refused, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let euros = || pb::Money { amount_minor: 500, currency_code: "EUR".to_owned() };
    use pb::reward_value::Amount;
    for (bonus, field) in [
        (value(Amount::Cash(euros())), "terms.enrollment_bonus.cash.currency_code"),
        (value(Amount::DiscountMoney(euros())), "terms.enrollment_bonus.discount_money.currency_code"),
        (value(Amount::FreeMonths(0)), "terms.enrollment_bonus.free_months"),
        (Some(pb::RewardValue { amount: None }), "terms.enrollment_bonus"),
    ] {
        let request = pb::CreateProgramRequest {
            display_name: "other".to_owned(),
            currency_code: "USD".to_owned(),
            landing_url: "https://shop.example/".to_owned(),
            terms: Some(terms(bonus)),
            ..Default::default()
        };
        let refused = shop.client.affiliates.create_program(request).await.unwrap_err();
        let details = tonic_types::StatusExt::get_error_details(&refused);
        let fields: Vec<_> = details.bad_request().unwrap().field_violations.iter().map(|fault| &fault.field).collect();
        assert_eq!(fields, [field]);
    }
});
