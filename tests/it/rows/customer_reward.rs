//! Rewards of the customers whom affiliates refer: row P14.

use headwater::app::check;
use headwater::pb;
use headwater::store::entity::conversion;
use sea_orm::sea_query::Expr;
use sea_orm::{Database, EntityTrait};
use testkit::client::Client;
use tonic::Status;

use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::feed::from_beginning;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

fn points(count: i64) -> Option<pb::RewardValue> {
    Some(pb::RewardValue { amount: Some(pb::reward_value::Amount::Points(count)) })
}

fn promise(event: pb::CustomerRewardEvent, value: Option<pb::RewardValue>) -> Option<pb::CustomerRewardPromise> {
    Some(pb::CustomerRewardPromise { event_kind: event.into(), value })
}

/// A shop at 20 % with Ann that promises customers 500 points by this event.
async fn open(server: &TestServer, event: pb::CustomerRewardEvent) -> Shop {
    let terms = pb::Terms { customer_reward: promise(event, points(500)), ..Default::default() };
    Shop::furnish_with(server.new_account("shop").await, terms).await
}

/// A sale of 100.00 to a customer whom Ann has referred.
fn sale(event_id: &str, customer: &str) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        external_id: customer.to_owned(),
        ref_id: "ann".to_owned(),
        amount: Some(pb::Money { amount_minor: 10_000, currency_code: "USD".to_owned() }),
        ..Default::default()
    }
}

fn named(customer: &str) -> Option<pb::LeadSelector> {
    let selector = pb::lead_selector::Selector::ExternalId(customer.to_owned());
    Some(pb::LeadSelector { selector: Some(selector) })
}

async fn rewards_of(client: &mut Client, customer: &str) -> Vec<pb::CustomerReward> {
    let request = pb::GetLeadRequest { lead: named(customer) };
    client.tracking.get_lead(request).await.unwrap().into_inner().lead.unwrap().customer_rewards
}

async fn fulfill(client: &mut Client, request_id: &str, customer: &str) -> Result<pb::CustomerReward, Status> {
    let request = pb::FulfillCustomerRewardRequest {
        request_id: request_id.to_owned(),
        lead: named(customer),
        ..Default::default()
    };
    let answer = client.tracking.fulfill_customer_reward(request).await?.into_inner();
    Ok(answer.lead.unwrap().customer_rewards.remove(0))
}

/// Checks the ledger and everything that `headwater check` compares.
async fn check_books(server: &TestServer, client: &mut Client) {
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
    let app = server.server.app();
    for account_id in check::accounts(app.store()).await.unwrap() {
        assert_eq!(check::check(app.store(), account_id).await.unwrap().differences, Vec::<String>::new());
    }
}

db_test!(p14_a_customers_first_sale_grants_what_the_terms_promise, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = open(&server, pb::CustomerRewardEvent::FirstSale).await;
    let first = shop.client.tracking.record_sale(sale("s1", "bob")).await.unwrap().into_inner();
    let granted = first.customer_reward.clone().expect("the shop is told at once");
    assert_eq!(granted.program_id, shop.program_id);
    assert_eq!((granted.value.clone(), granted.state()), (points(500), pb::CustomerRewardState::Granted));
    assert_eq!((&granted.conversion_id, granted.terms_version), (&first.conversion_id, 1));
    assert_eq!(first.rewards.len(), 1, "the affiliate's reward is the only one of the sale");
    assert_eq!(rewards_of(&mut shop.client, "bob").await, std::slice::from_ref(&granted));

    // A repeat gets the first answer, also after the reward has gone another way, and later sales grant nothing.
    let second = shop.client.tracking.record_sale(sale("s2", "bob")).await.unwrap().into_inner();
    assert_eq!(second.customer_reward, None);
    let done = fulfill(&mut shop.client, "f1", "bob").await.unwrap();
    assert_eq!(done.state(), pb::CustomerRewardState::Fulfilled);
    let repeated = shop.client.tracking.record_sale(sale("s1", "bob")).await.unwrap().into_inner();
    assert_eq!(repeated, pb::RecordSaleResponse { replayed: true, ..first.clone() });
    assert_eq!(fulfill(&mut shop.client, "f1", "bob").await.unwrap(), done, "a repeat");
    assert_eq!(reason(&fulfill(&mut shop.client, "f2", "bob").await.unwrap_err()), "CUSTOMER_REWARD_STATE");

    // The sale explains it, and no balance has it.
    let selector = pb::conversion_selector::Selector::Id(first.conversion_id);
    let conversion = Some(pb::ConversionSelector { selector: Some(selector) });
    let request = pb::ExplainConversionRequest { conversion };
    let told = shop.client.tracking.explain_conversion(request).await.unwrap().into_inner();
    assert_eq!(told.customer_reward, Some(done));
    assert!(told.sentences.iter().any(|sentence| sentence.contains("grants the customer 500 points")));
    let request = pb::GetBalanceRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let balances = shop.client.rewards.get_balance(request).await.unwrap().into_inner().balances;
    assert_eq!(balances.len(), 1, "only cash: {balances:?}");
    check_books(&server, &mut shop.client).await;
});

db_test!(p14_a_refund_told_before_its_sale_leaves_nothing_to_grant, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = open(&server, pb::CustomerRewardEvent::FirstSale).await;
    let refund = pb::RecordRefundRequest {
        event_id: "r1".to_owned(),
        sale_event_id: "s1".to_owned(),
        amount: sale("s1", "bob").amount,
        ..Default::default()
    };
    shop.client.tracking.record_refund(refund).await.unwrap();
    let answer = shop.client.tracking.record_sale(sale("s1", "bob")).await.unwrap().into_inner();
    assert_eq!(answer.customer_reward, None);
    assert_eq!(rewards_of(&mut shop.client, "bob").await[0].state(), pb::CustomerRewardState::Revoked);
    assert_eq!(reason(&fulfill(&mut shop.client, "", "bob").await.unwrap_err()), "CUSTOMER_REWARD_STATE");
    check_books(&server, &mut shop.client).await;
});

db_test!(p14_a_sign_up_grants_once_and_the_feed_has_it, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = open(&server, pb::CustomerRewardEvent::SignUp).await;
    let sign_up = |event_id: &str| pb::RecordLeadRequest {
        event_id: event_id.to_owned(),
        external_id: "eve".to_owned(),
        ref_id: "ann".to_owned(),
        ..Default::default()
    };
    let first = shop.client.tracking.record_lead(sign_up("l1")).await.unwrap().into_inner();
    let granted = first.customer_reward.clone().expect("the shop is told at once");
    let again = shop.client.tracking.record_lead(sign_up("l2")).await.unwrap().into_inner();
    assert_eq!(again.customer_reward, None, "the customer was bound before");
    let repeated = shop.client.tracking.record_lead(sign_up("l1")).await.unwrap().into_inner();
    assert_eq!(repeated, pb::RecordLeadResponse { replayed: true, ..first });
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), ..Default::default() };
    let events = shop.client.feed.read_events(request).await.unwrap().into_inner().events;
    let leads = events.into_iter().filter_map(|event| match event.subject {
        Some(pb::event::Subject::Lead(lead)) => Some(lead.customer_rewards),
        _ => None,
    });
    assert_eq!(leads.collect::<Vec<_>>(), [vec![granted]], "the event of the new lead has it");
    check_books(&server, &mut shop.client).await;
});

db_test!(p14_a_check_finds_a_reward_of_another_sale_than_the_first, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = open(&server, pb::CustomerRewardEvent::FirstSale).await;
    shop.client.tracking.record_sale(sale("s1", "bob")).await.unwrap();
    check_books(&server, &mut shop.client).await;
    let connection = Database::connect(database.url.as_str()).await.unwrap();
    let rows = conversion::Entity::update_many()
        .col_expr(conversion::Column::OrderDetails, Expr::value(r#"[1,{"customer_sale":{"number":2}}]"#))
        .exec(&connection)
        .await
        .unwrap();
    assert_eq!(rows.rows_affected, 1);
    let app = server.server.app();
    let account_id = check::accounts(app.store()).await.unwrap().pop().unwrap();
    let differences = check::check(app.store(), account_id).await.unwrap().differences;
    assert!(differences.iter().any(|text| text.ends_with("no first sale")), "{differences:?}");
});

// On PostgreSQL through two servers.
db_test!(p14_of_64_sales_of_a_customer_at_once_exactly_one_grants, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = open(&server, pb::CustomerRewardEvent::FirstSale).await;
    let second = match database.kind {
        DatabaseKind::Sqlite => None,
        DatabaseKind::Postgres => Some(TestServer::start(&database).await),
    };
    let servers = [&server, second.as_ref().unwrap_or(&server)];
    let tasks: Vec<_> = (0..64_usize)
        .map(|number| {
            let (address, key) = (servers[number % 2].address.clone(), shop.client.key.clone());
            tokio::spawn(async move {
                let mut client = Client::connect(&address, &key).await.unwrap();
                let answer = client.tracking.record_sale(sale(&format!("s{number}"), "bob")).await.unwrap();
                answer.into_inner().customer_reward
            })
        })
        .collect();
    let mut granted = 0;
    for task in tasks {
        granted += usize::from(task.await.unwrap().is_some());
    }
    assert_eq!(granted, 1);
    let rewards = rewards_of(&mut shop.client, "bob").await;
    assert_eq!(rewards.len(), 1);
    assert_eq!(rewards[0].state(), pb::CustomerRewardState::Granted);
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let mut client = shop.client.clone();
            tokio::spawn(async move { fulfill(&mut client, &format!("f{number}"), "bob").await.is_ok() })
        })
        .collect();
    let mut fulfilled = 0;
    for task in tasks {
        fulfilled += usize::from(task.await.unwrap());
    }
    assert_eq!(fulfilled, 1);
    check_books(&server, &mut shop.client).await;
});

db_test!(p14_a_promise_that_cannot_be_kept_is_refused, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let money = |currency_code: &str| pb::Money { amount_minor: 500, currency_code: currency_code.to_owned() };
    let value = |amount| Some(pb::RewardValue { amount: Some(amount) });
    use pb::reward_value::Amount;
    let (sign_up, unset) = (pb::CustomerRewardEvent::SignUp, pb::CustomerRewardEvent::Unspecified);
    for (customer_reward, field) in [
        (promise(unset, points(5)), "terms.customer_reward.event_kind"),
        (promise(sign_up, None), "terms.customer_reward.value"),
        (promise(sign_up, points(0)), "terms.customer_reward.value.points"),
        (promise(sign_up, value(Amount::Cash(money("USD")))), "terms.customer_reward.value.cash"),
        (
            promise(sign_up, value(Amount::DiscountMoney(money("EUR")))),
            "terms.customer_reward.value.discount_money.currency_code",
        ),
    ] {
        let commission = pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(200_000)) };
        let request = pb::CreateProgramRequest {
            display_name: "other".to_owned(),
            currency_code: "USD".to_owned(),
            landing_url: "https://shop.example/".to_owned(),
            terms: Some(pb::Terms { commission: Some(commission), customer_reward, ..Default::default() }),
            ..Default::default()
        };
        let refused = shop.client.affiliates.create_program(request).await.unwrap_err();
        let details = tonic_types::StatusExt::get_error_details(&refused);
        let fields: Vec<_> = details.bad_request().unwrap().field_violations.iter().map(|fault| &fault.field).collect();
        assert_eq!(fields, [field]);
    }
});
