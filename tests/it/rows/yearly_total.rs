//! Yearly totals: what affiliates were paid in a year, by whatever way, and whatever happens at once.

use headwater::domain::id::AccountId;
use headwater::pb;
use headwater::store;
use headwater::store::entity::yearly_total;
use pb::TaxProfileState as State;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{Database, EntityTrait};
use testkit::client::Client;

use super::payout_reserved::{
    confirm, create, create_affiliate, due_to, give, give_approved, selector, two_servers, usd, verify,
};
use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

async fn years(client: &mut Client, year: i32, page_size: i32) -> Vec<pb::AffiliateYear> {
    let (mut years, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListYearlyTotalsRequest { year, page_size, page_token, ..Default::default() };
        let page = client.payouts.list_yearly_totals(request).await.unwrap().into_inner();
        years.extend(page.affiliates);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return years;
        }
    }
}

/// The currency, what was paid and by how many payouts, of each total.
fn paid(year: &pb::AffiliateYear) -> Vec<(String, i64, i64)> {
    let facts = |total: &pb::YearlyTotal| {
        let paid = total.paid.clone().unwrap();
        assert_eq!(total.returned.as_ref().unwrap().amount_minor, 0);
        (paid.currency_code, paid.amount_minor, total.payout_count)
    };
    year.totals.iter().map(facts).collect()
}

/// Counts again from payouts, fees and balances.
async fn check(server: &TestServer, client: &mut Client) {
    verify(client).await;
    let account = client.accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner().account;
    let account_id: AccountId = account.unwrap().id.parse().unwrap();
    let snapshot = server.server.app().store().snapshot().await.unwrap();
    let differences = store::yearly_total::differences(&snapshot, account_id).await.unwrap();
    assert_eq!(differences, Vec::<String>::new());
}

db_test!(p32_a_year_has_what_each_affiliate_was_paid_in_each_currency, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let mut ids = vec![shop.affiliate_id.clone()];
    for number in 0..4 {
        ids.push(create_affiliate(client, &format!("a{number}")).await);
    }
    assert_eq!(years(client, 2026, 2).await, []);
    for (index, id) in ids.iter().enumerate().skip(1) {
        let ref_id = format!("a{}", index - 1);
        give_approved(client, &ref_id, 100).await;
        let euro = pb::Money { amount_minor: 7, currency_code: "EUR".to_owned() };
        give(client, &ref_id, euro, pb::RewardState::Approved).await;
        for currency_code in ["USD", "EUR"] {
            let request = pb::CreatePayoutRequest { currency_code: currency_code.to_owned(), ..due_to(id) };
            let payout = create(client, request).await.unwrap();
            // What is not paid yet is in no year.
            if index != 4 {
                confirm(client, &[&payout.id]).await.unwrap();
            }
        }
    }
    let found = years(client, 2026, 2).await;
    let of: Vec<_> = found.iter().map(|year| year.affiliate_id.clone()).collect();
    assert_eq!(of, ids[1..4]);
    for year in &found {
        assert_eq!(paid(year), [("EUR".to_owned(), 7, 1), ("USD".to_owned(), 100, 1)]);
        assert_eq!((year.tax_profile_state(), year.tax_form()), (State::Missing, pb::TaxForm::Unspecified));
    }
    assert_eq!(years(client, 2025, 2).await, []);
    // Totals stay when the affiliate is erased.
    let erasure = pb::EraseAffiliateRequest { affiliate: selector(&ids[1]), ..Default::default() };
    client.affiliates.erase_affiliate(erasure).await.unwrap();
    assert_eq!(years(client, 2026, 50).await, found);
    check(&server, client).await;
    let request = pb::ListYearlyTotalsRequest { year: 10_000, ..Default::default() };
    assert_eq!(reason(&client.payouts.list_yearly_totals(request).await.unwrap_err()), "INVALID_FIELDS");
});

db_test!(p32_of_64_payments_and_reopenings_at_once_a_year_counts_what_is_paid, |database: TestDatabase| async move {
    let (first, second) = two_servers(&database).await;
    let servers = [&first, second.as_ref().unwrap_or(&first)];
    let mut shop = Shop::open(&first, "shop").await;
    let mut payouts = Vec::new();
    for number in 0..64_i64 {
        let reward = give_approved(&mut shop.client, "ann", 100 + number).await;
        let request = pb::CreatePayoutRequest { reward_ids: vec![reward], ..due_to(&shop.affiliate_id) };
        payouts.push(create(&mut shop.client, request).await.unwrap().id);
    }
    let mut calls = Vec::new();
    for number in 0..64_usize {
        let (address, key) = (servers[number / 2 % 2].address.clone(), shop.client.key.clone());
        let id = payouts[number].clone();
        calls.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            confirm(&mut client, &[&id]).await.unwrap();
            if number % 2 == 0 {
                let request =
                    pb::ReopenPayoutRequest { payout_id: id, reason: "sent back".to_owned(), ..Default::default() };
                client.payouts.reopen_payout(request).await.unwrap();
            }
        }));
    }
    for call in calls {
        call.await.unwrap();
    }
    let expected: i64 = (0..64).filter(|number| number % 2 == 1).map(|number| 100 + number).sum();
    let found = years(&mut shop.client, 2026, 50).await;
    assert_eq!(found.iter().map(paid).collect::<Vec<_>>(), [vec![("USD".to_owned(), expected, 32)]]);
    check(&first, &mut shop.client).await;
});

db_test!(p32_a_total_that_is_not_what_was_paid_is_noticed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    give_approved(&mut shop.client, "ann", 1_250).await;
    let payout = create(&mut shop.client, due_to(&shop.affiliate_id)).await.unwrap();
    let request = pb::ConfirmPayoutsRequest {
        payout_ids: vec![payout.id.clone()],
        paid_time: Some(prost_types::Timestamp { seconds: 1_735_689_599, nanos: 0 }),
        ..Default::default()
    };
    shop.client.payouts.confirm_payouts(request).await.unwrap();
    let found = years(&mut shop.client, 2024, 50).await;
    assert_eq!(found[0].totals[0].paid, Some(usd(1_250)), "31 December 2024, a second before midnight");
    check(&server, &mut shop.client).await;
    let console = Database::connect(&database.url).await.unwrap();
    let more = Expr::col(yearly_total::Column::PaidRestMinor).add(1);
    let update = yearly_total::Entity::update_many().col_expr(yearly_total::Column::PaidRestMinor, more);
    update.exec(&console).await.unwrap();
    let account = shop.client.accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner().account;
    let account_id: AccountId = account.unwrap().id.parse().unwrap();
    let snapshot = server.server.app().store().snapshot().await.unwrap();
    let differences = store::yearly_total::differences(&snapshot, account_id).await.unwrap();
    assert_eq!(differences.len(), 2, "{differences:?}");
    assert!(differences[0].contains("1251 paid by 1 payouts"), "{differences:?}");
    assert!(differences[1].contains("1 more paid than its balance"), "{differences:?}");
});
