//! The payout run of the next morning. PayPal is a fake one on this machine, which keeps books of who got what. It has no euros at first, so
//! the payouts in euros wait, and go on when the money has arrived.
//!
//! The merchant's account is one for tests, whose payouts go to the address of PayPal's sandbox. So nothing here reaches PayPal, and no other
//! account's money reaches the fake.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fake_providers::Running;
use http::Method;
use http::header::{AUTHORIZATION, HeaderValue};
use serde_json::{Value, json};
use tonic::Status;

use super::client::Client;
use super::{Evening, Merchant, text};
use crate::clock;
use crate::config::Settings;
use crate::error;
use crate::outbound::client::{Answer, BaseAddress, Call, Client as HttpClient, ClientLimits};
use crate::pb;
use crate::server::Server;

const CLIENT_ID: &str = "harbour-coffee";
const CLIENT_SECRET: &str = "secret";

/// The currencies of the runs, and how much the owner has in each at PayPal at first, in minor units.
const FUNDS: [(&str, i64); 3] = [("EUR", 0), ("JPY", 100_000), ("USD", 100_000)];

/// The currency that is missing at first, and how much arrives.
const MISSING: (&str, i64) = ("EUR", 50_000);

/// How long the payouts may take. Most of it is for a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait before the payouts are read again.
const PAUSE: Duration = Duration::from_millis(100);

/// The fake PayPal, and calls of it.
pub(super) struct PayPal {
    fakes: Running,
    http: HttpClient,
    /// The authority that signs the fake's callbacks. The server reads it when it starts.
    roots_file: PathBuf,
}

fn failed(problem: &dyn std::fmt::Display) -> Status {
    error::Error::Internal(format!("the fake PayPal: {problem}")).into_status(&error::CallName::default())
}

impl PayPal {
    /// Starts the fake. The settings that are returned make the server use it for accounts that are for tests.
    pub(super) async fn start(settings: &Settings) -> (Settings, Result<Self, Status>) {
        let mut settings = settings.clone();
        let paypal = Self::try_start(&mut settings).await;
        (settings, paypal)
    }

    async fn try_start(settings: &mut Settings) -> Result<Self, Status> {
        let fakes = fake_providers::start(fake_providers::Settings::default()).await.map_err(|error| failed(&error))?;
        let http = HttpClient::new(ClientLimits::default()).map_err(|error| failed(&error))?;
        let roots_file = std::env::temp_dir().join(format!("headwater-demo-{}.pem", clock::random_code(8)));
        let paypal = Self { fakes, http, roots_file };
        let root = paypal.call(Method::GET, &["fake", "paypal", "root.pem"], None, None).await?;
        std::fs::write(&paypal.roots_file, &root.body).map_err(|error| failed(&error))?;
        // PayPal takes half a minute, and callbacks tell when it is done.
        let quick = json!({"processing_after_ms": 300, "done_after_ms": 1_000});
        paypal.control(&["settings"], &quick).await?;

        let address = paypal.fakes.url("paypal");
        let certificates = format!("{address}/v1/notifications/certs");
        settings.payouts.paypal_sandbox_address = address;
        settings.http.paypal_certificate_addresses = certificates.parse().unwrap_or_default();
        settings.http.paypal_roots_file = Some(paypal.roots_file.clone());
        if settings.http.http_address.is_none() {
            settings.http.http_address = "127.0.0.1:0".parse().ok();
        }
        Ok(paypal)
    }

    async fn call(
        &self,
        method: Method,
        segments: &[&str],
        secret: Option<String>,
        body: Option<(&str, String)>,
    ) -> Result<Answer, Status> {
        let address =
            BaseAddress::parse(&format!("http://{}", self.fakes.address())).map_err(|error| failed(&error))?;
        let mut call = Call::new(method, segments);
        if let Some(secret) = secret {
            call = call.secret(AUTHORIZATION, HeaderValue::from_str(&secret).map_err(|error| failed(&error))?);
        }
        if let Some((content_type, body)) = body {
            call = call.body(content_type, body);
        }
        let answer = self.http.send(&address, call).await.map_err(|error| failed(&error))?;
        if answer.status.is_success() { Ok(answer) } else { Err(failed(&answer.status)) }
    }

    /// Tells the fake's control something about PayPal.
    async fn control(&self, path: &[&str], body: &Value) -> Result<(), Status> {
        let segments = [&["fake", "paypal"][..], path].concat();
        self.call(Method::POST, &segments, None, Some(("application/json", body.to_string()))).await.map(|_| ())
    }

    async fn set_balance(&self, (currency, amount_minor): (&str, i64)) -> Result<(), Status> {
        let body = json!({"account": CLIENT_ID, "currency": currency, "amount_minor": amount_minor});
        self.control(&["balance"], &body).await
    }

    /// Has PayPal call the server when a payout changes. Returns the webhook's id.
    async fn register_webhook(&self, url: &str) -> Result<String, Status> {
        let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}")));
        let form = ("application/x-www-form-urlencoded", "grant_type=client_credentials".to_owned());
        let token = self.call(Method::POST, &["paypal", "v1", "oauth2", "token"], Some(basic), Some(form)).await?;
        let bearer = format!("Bearer {}", field(&token, "access_token")?);
        let wanted = json!({"url": url, "event_types": [{"name": "*"}]}).to_string();
        let body = Some(("application/json", wanted));
        let path = ["paypal", "v1", "notifications", "webhooks"];
        field(&self.call(Method::POST, &path, Some(bearer), body).await?, "id")
    }

    /// The payments of PayPal's own books: receiver, currency, amount in minor units, and the number of payments.
    async fn books(&self) -> Result<Vec<(String, String, i64, u64)>, Status> {
        let answer = self.call(Method::GET, &["fake", "ledger", "received"], None, None).await?;
        let rows: Vec<Value> = serde_json::from_slice(&answer.body).map_err(|error| failed(&error))?;
        let row = |row: Value| {
            let word = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            let amount_minor = row["amount_minor"].as_i64().unwrap_or_default();
            (word("receiver"), word("currency"), amount_minor, row["object_count"].as_u64().unwrap_or_default())
        };
        Ok(rows.into_iter().map(row).collect())
    }
}

impl Drop for PayPal {
    fn drop(&mut self) {
        // A file in the folder for temporary files may stay.
        let _ = std::fs::remove_file(&self.roots_file);
    }
}

fn field(answer: &Answer, name: &str) -> Result<String, Status> {
    let body: Value = serde_json::from_slice(&answer.body).map_err(|error| failed(&error))?;
    body[name].as_str().map(str::to_owned).ok_or_else(|| failed(&format!("no {name}")))
}

/// Pays all affiliates, if the machine and the settings allow it. Adds what is not as it should be.
pub(super) async fn next_morning(
    server: &Server,
    mut evening: Evening,
    paypal: &Result<PayPal, Status>,
) -> Result<Evening, Status> {
    let connected = match (paypal, server.http_address()) {
        (Ok(paypal), Some(address)) => {
            let url = format!("http://{address}/callbacks/paypal/{}", evening.account_id);
            connect(&mut evening.client, &evening.merchant, paypal, &url).await.map(|()| paypal)
        }
        (Err(status), _) => Err(status.clone()),
        (_, None) => Err(failed(&"the server has no address for callbacks")),
    };
    match connected {
        Ok(paypal) => evening.problems.extend(pay(&mut evening.client, &evening.merchant, paypal).await?),
        // On PostgreSQL without a key for what is stored encrypted, and on a machine without certificates of authorities.
        Err(status) => println!("\nNo payouts are shown: {}", status.message()),
    }
    Ok(evening)
}

/// Pays all affiliates, and returns what is not as it should be.
async fn pay(client: &mut Client, merchant: &Merchant, paypal: &PayPal) -> Result<Vec<String>, Status> {
    println!("\nThe next morning, payouts through PayPal (a fake one on this machine, with books of its own):");
    approve_all(client).await?;
    for (currency, _) in FUNDS {
        let request = pb::CreatePayoutRunRequest {
            currency_code: currency.to_owned(),
            all_affiliates: true,
            provider: pb::PayoutProvider::Paypal.into(),
            ..Default::default()
        };
        client.payouts.create_payout_run(request).await?;
    }
    let is_at_rest = |payout: &pb::Payout| match is_missing(payout) {
        true => payout.state() == pb::PayoutState::AwaitingFunds,
        false => payout.state() == pb::PayoutState::Paid,
    };
    let waiting = wait_for(client, merchant.affiliate_ids.len(), is_at_rest).await?;
    show(&waiting, merchant);
    let mut problems: Vec<String> =
        waiting.iter().filter(|payout| !is_at_rest(payout)).map(|payout| not_well(payout, merchant)).collect();

    paypal.set_balance(MISSING).await?;
    println!(
        "Money arrives. The owner calls NotifyFundsAdded, else Headwater would try again by itself in 15 minutes:"
    );
    let provider = pb::PayoutProvider::Paypal.into();
    let request = pb::NotifyFundsAddedRequest { provider, ..Default::default() };
    client.payouts.notify_funds_added(request).await?;
    let is_paid = |payout: &pb::Payout| payout.state() == pb::PayoutState::Paid;
    let payouts = wait_for(client, merchant.affiliate_ids.len(), is_paid).await?;
    let resumed: Vec<pb::Payout> = payouts.iter().filter(|payout| is_missing(payout)).cloned().collect();
    show(&resumed, merchant);
    problems.extend(payouts.iter().filter(|payout| !is_paid(payout)).map(|payout| not_well(payout, merchant)));

    let books = paypal.books().await?;
    problems.extend(compare(&payouts, merchant, &books));
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await?.into_inner();
    problems.extend(report.differences);
    if problems.is_empty() {
        println!("By PayPal's books each of the {} affiliates got the money by exactly one payment.", books.len());
    }
    Ok(problems)
}

/// Connects the merchant to PayPal, and gives each affiliate a PayPal account.
async fn connect(client: &mut Client, merchant: &Merchant, paypal: &PayPal, callback_url: &str) -> Result<(), Status> {
    for funds in FUNDS {
        paypal.set_balance(funds).await?;
    }
    let webhook_id = paypal.register_webhook(callback_url).await?;
    let credentials =
        pb::PayPalCredentials { client_id: CLIENT_ID.to_owned(), client_secret: CLIENT_SECRET.to_owned(), webhook_id };
    let credentials = pb::provider_credentials::Credentials::Paypal(credentials);
    let credentials = Some(pb::ProviderCredentials { credentials: Some(credentials) });
    client.payouts.set_payout_connection(pb::SetPayoutConnectionRequest { credentials, ..Default::default() }).await?;
    for (id, (_, email, ..)) in merchant.affiliate_ids.iter().zip(super::AFFILIATES) {
        paypal.control(&["receivers"], &json!({"receiver": email, "status": "SUCCESS"})).await?;
        let details = pb::payout_details::Details::Paypal(pb::PayPalDetails { email: email.to_owned() });
        let selector = pb::affiliate_selector::Selector::Id(id.clone());
        let request = pb::SetPayoutMethodRequest {
            affiliate: Some(pb::AffiliateSelector { selector: Some(selector) }),
            details: Some(pb::PayoutDetails { details: Some(details) }),
            ..Default::default()
        };
        client.payouts.set_payout_method(request).await?;
    }
    Ok(())
}

/// Approves the rewards whose hold period is not over.
async fn approve_all(client: &mut Client) -> Result<(), Status> {
    let states = vec![pb::RewardState::Pending.into()];
    let request = pb::ListRewardsRequest { states, page_size: 1_000, ..Default::default() };
    let pending = client.rewards.list_rewards(request).await?.into_inner().rewards;
    let is_own = |reward: &&pb::Reward| reward.reverses_reward_id.is_empty();
    let reward_ids = pending.iter().filter(is_own).map(|reward| reward.id.clone()).collect();
    client.rewards.approve_rewards(pb::ApproveRewardsRequest { reward_ids, ..Default::default() }).await?;
    Ok(())
}

/// The payouts, as soon as there are so many and all are as wanted, or else when the patience is over.
async fn wait_for(
    client: &mut Client,
    count: usize,
    is_wanted: impl Fn(&pb::Payout) -> bool,
) -> Result<Vec<pb::Payout>, Status> {
    let end = clock::monotonic_now() + PATIENCE;
    loop {
        let payouts = client.payouts.list_payouts(pb::ListPayoutsRequest::default()).await?.into_inner().payouts;
        if payouts.len() == count && payouts.iter().all(&is_wanted) || clock::monotonic_now() > end {
            return Ok(payouts);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_missing(payout: &pb::Payout) -> bool {
    payout.amount.as_ref().is_some_and(|amount| amount.currency_code == MISSING.0)
}

fn money_text(money: Option<&pb::Money>) -> String {
    money.map(|money| text(money.amount_minor, &money.currency_code)).unwrap_or_default()
}

fn state_text(payout: &pb::Payout) -> String {
    payout.state().as_str_name().trim_start_matches("PAYOUT_STATE_").to_lowercase()
}

fn show(payouts: &[pb::Payout], merchant: &Merchant) {
    for payout in payouts {
        let name = merchant.names.get(&payout.affiliate_id).map_or("-", String::as_str);
        let amount = money_text(payout.amount.as_ref());
        let mut rest = Vec::new();
        if let Some(since) = &payout.wait_start_time {
            let seconds = since.seconds.rem_euclid(86_400);
            let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
            rest.push(format!("since {hour:02}:{minute:02}:{second:02} UTC"));
        }
        if payout.needed.is_some() {
            rest.push(format!("needs {}", money_text(payout.needed.as_ref())));
        }
        if payout.fee.is_some() {
            rest.push(format!("fee {}", money_text(payout.fee.as_ref())));
        }
        println!("  {name:<6} {amount:>12}  {:<15} {}", state_text(payout), rest.join(", "));
    }
}

fn not_well(payout: &pb::Payout, merchant: &Merchant) -> String {
    let name = merchant.names.get(&payout.affiliate_id).map_or("-", String::as_str);
    format!("the payout of {} to {name} is {}", money_text(payout.amount.as_ref()), state_text(payout))
}

/// Compares the payouts with PayPal's books.
fn compare(payouts: &[pb::Payout], merchant: &Merchant, books: &[(String, String, i64, u64)]) -> Vec<String> {
    let mut problems = Vec::new();
    if books.len() != payouts.len() {
        problems.push(format!("PayPal paid {} affiliates, and there are {} payouts", books.len(), payouts.len()));
    }
    for payout in payouts {
        let amount = payout.amount.clone().unwrap_or_default();
        let place = merchant.affiliate_ids.iter().position(|id| *id == payout.affiliate_id);
        let email = place.and_then(|place| super::AFFILIATES.get(place)).map_or("", |(_, email, ..)| *email);
        let wanted = (email.to_owned(), amount.currency_code.clone(), amount.amount_minor, 1);
        if !books.contains(&wanted) {
            problems.push(format!("PayPal did not pay {} to {email} by one payment", money_text(Some(&amount))));
        }
    }
    problems
}
