//! Commands that the database refuses although no rule does, and sums that it could not store: how many transactions they cost,
//! and that other commands succeed.

use std::path::Path;
use std::time::Duration;

use headwater::domain::id::AccountId;
use headwater::domain::ledger::BALANCE_MINOR_MAX;
use headwater::pb;
use headwater::store::entity::{account_head, balance};
use pb::batch_result::Answer as Recorded;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, Database, DatabaseConnection, EntityTrait, QueryFilter};
use testkit::client::Client;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

fn sale(event_id: &str, amount_minor: i64) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        coupon_code: "ANN".to_owned(),
        amount: Some(pb::Money { amount_minor, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    }
}

/// Makes the database refuse every sale whose event_id begins with `poison`.
#[expect(clippy::disallowed_methods, reason = "no query builder makes triggers")]
async fn refuse_poison(database: &TestDatabase) {
    let statements: &[&str] = match database.kind {
        DatabaseKind::Sqlite => {
            &["CREATE TRIGGER poison BEFORE INSERT ON conversion WHEN NEW.event_id LIKE 'poison%' \
                                   BEGIN SELECT RAISE(ABORT, 'poison'); END"]
        }
        DatabaseKind::Postgres => &[
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'poison'; END $$",
            "CREATE TRIGGER poison BEFORE INSERT ON conversion FOR EACH ROW WHEN (NEW.event_id LIKE 'poison%') \
             EXECUTE FUNCTION refuse()",
        ],
    };
    let console = Database::connect(&database.url).await.unwrap();
    for statement in statements {
        console.execute_unprepared(statement).await.unwrap();
    }
    console.close().await.unwrap();
}

/// Records sales in one call. Returns for each whether it was recorded.
async fn record(client: &mut Client, event_ids: &[String]) -> Vec<bool> {
    let items = event_ids.iter().map(|id| pb::BatchItem { item: Some(pb::batch_item::Item::Sale(sale(id, 1_000))) });
    let request = pb::BatchRecordEventsRequest { items: items.collect() };
    let results = client.tracking.batch_record_events(request).await.unwrap().into_inner().results;
    let recorded = results.iter().map(|result| match result.answer.as_ref().unwrap() {
        Recorded::Sale(_) => true,
        Recorded::Error(error) => {
            assert_eq!(Code::from(error.code), Code::Internal, "{error:?}");
            assert!(!error.message.contains("poison"), "the database's own words: {}", error.message);
            false
        }
        other => panic!("{other:?}"),
    });
    recorded.collect()
}

fn named(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name}-{number}")).collect()
}

db_test!(a_command_that_the_database_refuses_is_found_by_halves_and_remembered, |database: TestDatabase| async move {
    const COMMANDS: usize = 512;
    let server = TestServer::start(&database).await;
    let app = server.server.app();
    let mut shop = Shop::open(&server, "shop").await.client;
    refuse_poison(&database).await;
    let transactions = |before: u64| app.transaction_count() - before;

    // A moment after another account, a call is not taken whole.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let mut events = named("first", COMMANDS);
    events[300] = "poison-1".to_owned();
    let before = app.transaction_count();
    let recorded = record(&mut shop, &events).await;
    assert!(recorded.iter().enumerate().all(|(place, is_recorded)| *is_recorded == (place != 300)));
    // Ten levels, each with the half that is refused and the half that is committed.
    let found_with = transactions(before);
    assert!((10..=20).contains(&found_with), "{found_with} transactions");

    // A repeat runs alone, between the commands before it and after it.
    let before = app.transaction_count();
    let recorded = record(&mut shop, &events).await;
    assert_eq!(recorded.iter().filter(|is_recorded| !**is_recorded).count(), 1);
    assert_eq!(transactions(before), 3);

    // Another account's commands are committed as if there were none of these.
    let mut other = Shop::open(&server, "other").await.client;
    let before = app.transaction_count();
    assert!(record(&mut other, &named("calm", 8)).await.iter().all(|is_recorded| *is_recorded));
    assert_eq!(transactions(before), 1);

    let report = shop.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
    assert_eq!(report.entry_count, COMMANDS as i64 - 1);
});

db_test!(a_flood_of_refused_commands_fails_no_other_call, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let poisoner = Shop::open(&server, "poisoner").await.client;
    let mut victim = Shop::open(&server, "victim").await.client;
    refuse_poison(&database).await;
    let floods: Vec<_> = (0..4)
        .map(|caller| {
            let mut client = poisoner.clone();
            tokio::spawn(async move {
                for number in 0.. {
                    let status = client.tracking.record_sale(sale(&format!("poison-{caller}-{number}"), 1)).await;
                    assert_eq!(status.unwrap_err().code(), Code::Internal);
                }
            })
        })
        .collect();
    for number in 0..50 {
        victim.tracking.record_sale(sale(&format!("sale-{number}"), 1_000)).await.unwrap();
    }
    floods.iter().for_each(tokio::task::JoinHandle::abort);
    let report = victim.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok && report.entry_count == 50, "{report:?}");
});

/// The path of the only wrong field.
fn wrong_field(status: &Status) -> String {
    assert_eq!((status.code(), reason(status).as_str()), (Code::InvalidArgument, "INVALID_FIELDS"), "{status:?}");
    let details = status.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    assert_eq!(violations.len(), 1);
    violations[0].field.clone()
}

async fn account_id(client: &mut Client) -> AccountId {
    let account = client.accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner();
    account.account.unwrap().id.parse().unwrap()
}

/// Sets one balance of the account, as if many entries had made it.
async fn set_balance(console: &DatabaseConnection, account: AccountId, column: balance::Column, minor: i64) {
    let update = balance::Entity::update_many().col_expr(column, Expr::value(minor));
    update.filter(balance::Column::AccountId.eq(account.uuid())).exec(console).await.unwrap();
    let update = account_head::Entity::update_many().col_expr(account_head::Column::PostedMinor, Expr::value(i64::MAX));
    update.filter(account_head::Column::AccountId.eq(account.uuid())).exec(console).await.unwrap();
}

db_test!(a_sum_that_the_database_could_not_store_is_an_invalid_field, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let app = server.server.app();
    let mut shop = Shop::open(&server, "shop").await.client;
    let account = account_id(&mut shop).await;
    let console = Database::connect(&database.url).await.unwrap();
    let recorded = shop.tracking.record_sale(sale("first", 1_000)).await.unwrap().into_inner();
    // 20 % of 1,000 fit once more, and not twice.
    set_balance(&console, account, balance::Column::PendingMinor, BALANCE_MINOR_MAX - 399).await;
    shop.tracking.record_sale(sale("second", 1_000)).await.unwrap();
    let before = app.transaction_count();
    let status = shop.tracking.record_sale(sale("third", 1_000)).await.unwrap_err();
    assert_eq!(wrong_field(&status), "amount");
    assert_eq!(app.transaction_count(), before + 1, "the database refused it, and not the rules");

    // In one batch, only what does not fit is refused.
    let item = |event_id: &str, minor| pb::BatchItem { item: Some(pb::batch_item::Item::Sale(sale(event_id, minor))) };
    let items = vec![item("fourth", 1_000), item("fifth", 500), item("sixth", 500), item("seventh", 495)];
    let request = pb::BatchRecordEventsRequest { items };
    let before = app.transaction_count();
    let results = shop.tracking.batch_record_events(request).await.unwrap().into_inner().results;
    let recorded_in_batch: Vec<bool> =
        results.iter().map(|result| matches!(result.answer, Some(Recorded::Sale(_)))).collect();
    assert_eq!((recorded_in_batch, app.transaction_count() - before), (vec![false, true, false, true], 1));

    // An approval moves an amount from one sum to another one.
    set_balance(&console, account, balance::Column::OwedMinor, BALANCE_MINOR_MAX).await;
    let reward_ids = vec![recorded.rewards[0].reward_id.clone()];
    let request = pb::ApproveRewardsRequest { reward_ids: reward_ids.clone(), ..pb::ApproveRewardsRequest::default() };
    let status = shop.rewards.approve_rewards(request).await.unwrap_err();
    assert_eq!(wrong_field(&status), "reward_ids");
    let reason = "made up".to_owned();
    let request = pb::DenyRewardsRequest { reward_ids, reason, ..pb::DenyRewardsRequest::default() };
    shop.rewards.deny_rewards(request).await.unwrap();

    // The sums are also too large for an answer, which gives the nearest number.
    let report = shop.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(!report.ok, "the balances were changed by hand");
});

/// What the database checks by itself. A new check needs a rule that refuses first, and a line here.
#[test]
fn the_database_checks_nothing_that_the_rules_do_not() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    for schema in ["schema.sqlite.sql", "schema.postgres.sql"] {
        let text = std::fs::read_to_string(golden.join(schema)).unwrap();
        let checked: Vec<&str> = text.lines().filter(|line| line.contains("CHECK (")).collect();
        // The balances of now, and those of the past.
        assert_eq!(checked.len(), 10, "{schema}: {checked:?}");
        for column in ["frozen_minor", "in_flight_minor", "owed_minor", "paid_minor", "pending_minor"] {
            assert_eq!(checked.iter().filter(|line| line.contains(column)).count(), 2, "{schema}: {column}");
        }
        for line in &checked {
            assert!(line.contains(&BALANCE_MINOR_MAX.to_string()), "{schema}: {line}");
        }
    }
    // Columns for the texts of closed sets hold 32 characters.
    let sets = std::fs::read_to_string(golden.join("stored/closed_sets.txt")).unwrap();
    let longest = sets.split_whitespace().map(|text| text.chars().count()).max().unwrap();
    assert!(longest <= 32, "a text of {longest} characters");
}
