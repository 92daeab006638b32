//! Plays one story through the Rust client: it registers an account, makes a program and an affiliate, records a click, a lead, sales
//! and a refund, and follows the feed meanwhile. It then checks that no event was lost or repeated, and that the balance is right. It
//! may run while the server restarts.
//!
//! Environment: `HEADWATER_ADDRESS` (host:port, plaintext), `HEADWATER_OPERATOR_KEY`, `HEADWATER_SALES` (default 40),
//! `HEADWATER_SALE_DELAY_MS` (the pause between sales, default 50).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example says what it does")]

mod sales;
mod warehouse;

use std::time::{Duration, SystemTime};

use headwater_client::{Client, ConnectOptions, pb};

use crate::sales::Shop;
use crate::warehouse::Warehouse;

/// A failed check, or the error of a call.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(crate) const CURRENCY: &str = "USD";
/// Each sale is 10.00 USD.
pub(crate) const SALE_MINOR: i64 = 10_00;
/// One sale is refunded by 5.00 USD.
pub(crate) const REFUND_MINOR: i64 = 5_00;
/// The affiliate gets 20 %.
pub(crate) const COMMISSION_PPM: i64 = 200_000;
pub(crate) const CUSTOMER_EMAIL: &str = "anna@example.net";
pub(crate) const COUPON_CODE: &str = "LENA10";

/// How long after the refund the feed must have it.
const FEED_END_TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let address = std::env::var("HEADWATER_ADDRESS")?;
    let operator_key = std::env::var("HEADWATER_OPERATOR_KEY")?;
    let sale_count = number_from_environment("HEADWATER_SALES", 40)?;
    let pause = Duration::from_millis(u64::from(number_from_environment("HEADWATER_SALE_DELAY_MS", 50)?));

    let url = format!("http://{address}");
    let key = register_account(&url, &operator_key).await?;
    let client = Client::connect(ConnectOptions::new(url, key)).await?;

    let (affiliate_id, tid) = refer_customer(&client).await?;
    let shop = Shop { client: client.clone(), tid };
    shop.check_bad_request().await?;

    // A warehouse follows the feed while the shop sells.
    let reader = client.clone();
    let following = tokio::spawn(async move {
        let mut warehouse = Warehouse::default();
        warehouse.follow(&reader).await.map(|()| warehouse)
    });

    shop.sell(sale_count, pause).await?;
    shop.refund().await?;
    println!("recorded {sale_count} sales and a refund");

    let warehouse = tokio::time::timeout(FEED_END_TIMEOUT, following)
        .await
        .map_err(|_| format!("the refund is not in the feed after {FEED_END_TIMEOUT:?}"))???;
    warehouse.check(&client, sale_count).await?;
    let balance = check_balance(&client, affiliate_id, sale_count).await?;
    println!(
        "rust: {sale_count} sales, {} events without gap or repeat, {} reconnects, balance {balance}",
        warehouse.last_sequence,
        warehouse::reconnects(),
    );
    Ok(())
}

/// The first admin key of a new account.
async fn register_account(url: &str, operator_key: &str) -> Result<String, Failure> {
    let operator = Client::connect(ConnectOptions::new(url, operator_key)).await?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let email = format!("owner-{}@harbour-coffee.example", now.as_nanos());
    let registered = operator
        .accounts()
        .register_account(pb::RegisterAccountRequest {
            display_name: "Harbour Coffee".to_owned(),
            email: email.clone(),
            ..pb::RegisterAccountRequest::default()
        })
        .await?;
    if !registered.replayed {
        return Ok(registered.api_key_text);
    }
    // The first answer was lost on the way, and only that one had the key's text. A new key is made in its place.
    let account = pb::AccountSelector { selector: Some(pb::account_selector::Selector::Email(email)) };
    let request = pb::CreateAdminApiKeyRequest { account: Some(account), ..pb::CreateAdminApiKeyRequest::default() };
    Ok(operator.accounts().create_admin_api_key(request).await?.api_key_text)
}

/// Makes a program, an affiliate and a link. A visitor clicks on the link and signs up. Returns the affiliate's id and the visitor's
/// tracking id.
async fn refer_customer(client: &Client) -> Result<(String, String), Failure> {
    let commission = pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(i32::try_from(COMMISSION_PPM)?)) };
    let program = client
        .affiliates()
        .create_program(pb::CreateProgramRequest {
            display_name: "Shop".to_owned(),
            currency_code: CURRENCY.to_owned(),
            landing_url: "https://harbour-coffee.example/".to_owned(),
            terms: Some(pb::Terms { commission: Some(commission), ..pb::Terms::default() }),
            ..pb::CreateProgramRequest::default()
        })
        .await?;
    let affiliate = client
        .affiliates()
        .create_affiliate(pb::CreateAffiliateRequest {
            email: "lena@filterblog.example".to_owned(),
            first_name: "Lena".to_owned(),
            program_id: program.program.unwrap_or_default().id,
            ref_id: "lena".to_owned(),
            coupon_code: COUPON_CODE.to_owned(),
            ..pb::CreateAffiliateRequest::default()
        })
        .await?;
    let link = client
        .affiliates()
        .create_link(pb::CreateLinkRequest {
            enrollment_id: affiliate.enrollment.unwrap_or_default().id,
            destination_url: "https://harbour-coffee.example/beans".to_owned(),
            ..pb::CreateLinkRequest::default()
        })
        .await?;
    let click = client
        .tracking()
        .record_click(pb::RecordClickRequest {
            ref_id: link.link.unwrap_or_default().code,
            ..pb::RecordClickRequest::default()
        })
        .await?;
    let lead = client
        .tracking()
        .record_lead(pb::RecordLeadRequest {
            event_id: "signup-1".to_owned(),
            email: CUSTOMER_EMAIL.to_owned(),
            tid: click.tid.clone(),
            ..pb::RecordLeadRequest::default()
        })
        .await?;
    if lead.outcome() != pb::ConversionOutcome::Attributed {
        return Err(format!("the lead is {:?}", lead.outcome()).into());
    }
    let affiliate_id = affiliate.affiliate.unwrap_or_default().id;
    println!("the affiliate {affiliate_id} referred the lead {}", lead.lead_id);
    Ok((affiliate_id, click.tid))
}

/// Compares what the affiliate earned with the expected sum, and returns it as text.
async fn check_balance(client: &Client, affiliate_id: String, sale_count: u32) -> Result<String, Failure> {
    let affiliate = pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(affiliate_id)) };
    let request = pb::GetBalanceRequest { affiliate: Some(affiliate), ..Default::default() };
    let answer = client.rewards().get_balance(request).await?;
    let expected = (i64::from(sale_count) * SALE_MINOR - REFUND_MINOR) * COMMISSION_PPM / 1_000_000;
    let expected_value =
        pb::reward_value::Amount::Cash(pb::Money { amount_minor: expected, currency_code: CURRENCY.to_owned() });
    let earned: Vec<_> =
        answer.balances.into_iter().map(|balance| balance.earned.and_then(|earned| earned.amount)).collect();
    if earned != [Some(expected_value)] {
        return Err(format!("the balances are {earned:?}, not {expected} minor units of {CURRENCY}").into());
    }
    Ok(format!("{}.{:02} {CURRENCY}", expected / 100, expected % 100))
}

fn number_from_environment(name: &str, otherwise: u32) -> Result<u32, Failure> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().map_err(|_| format!("{name} is {text:?}, not a number").into()),
        _ => Ok(otherwise),
    }
}
