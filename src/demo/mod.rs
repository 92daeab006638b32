//! `headwater demo`: a server, a merchant, and a day of clicks, leads, sales and refunds, all through the public API. It prints
//! the feed as it streams, and checks the books in the evening.
#![expect(clippy::print_stdout, reason = "a demo is there to be read on the terminal")]

mod client;
mod day;
#[cfg(feature = "demo-payouts")]
mod payouts;

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::Status;

use crate::auth::operator;
use crate::clock::{self, SystemClock};
use crate::config::Settings;
use crate::domain::money::{Currency, Money};
use crate::pb;
use crate::server::{Reloads, Server, ServerError, StopSignals};
use client::Client;
use day::{AFFILIATES, DAY, EVENING, Happening, PROGRAMS, SaleLine};

/// How long to wait between two events, so that the stream can be watched.
const PACE: Duration = Duration::from_millis(60);

/// How long the feed may take to deliver what was committed.
const FEED_PATIENCE: Duration = Duration::from_secs(10);

/// Plays the day. With `once` it then returns 0 if every check passed and 1 if not. Without `once` it serves until it is stopped.
///
/// # Errors
/// The server could not be started.
pub async fn run(settings: &Settings, once: bool, reloads: Reloads) -> Result<ExitCode, ServerError> {
    #[cfg(feature = "demo-payouts")]
    let (settings, paypal) = &payouts::PayPal::start(settings).await;
    let server = Server::start(settings, Arc::new(SystemClock)).await?;
    let operator_key = operator::create(server.app()).await?;
    let address = format!("http://{}", server.address());
    println!("Headwater is up on {address}\n");
    let played = play(&address, &operator_key).await;
    #[cfg(feature = "demo-payouts")]
    let played = match played {
        Ok(evening) => payouts::next_morning(&server, evening, paypal).await,
        Err(status) => Err(status),
    };
    let code = match &played {
        Ok(evening) if evening.problems.is_empty() => {
            println!(
                "\nEverything checked: the feed has no gap, the ledger verifies, the balances are those worked out by hand."
            );
            ExitCode::SUCCESS
        }
        Ok(evening) => {
            println!("\nNOT as it should be:");
            evening.problems.iter().for_each(|problem| println!("  - {problem}"));
            ExitCode::FAILURE
        }
        Err(status) => {
            println!("\nThe day could not be played: {}: {}", status.code(), status.message());
            ExitCode::FAILURE
        }
    };
    if once {
        server.stop().await;
        return Ok(code);
    }
    if let Ok(evening) = &played {
        print_lines_to_paste(&server.address().to_string(), &evening.admin_key);
    }
    let mut signals = StopSignals::listen()?;
    println!("\nThe server stays up; stop it with Ctrl-C.");
    server.run_until(signals.received(), Some(reloads)).await?;
    Ok(code)
}

/// The result of the day.
#[cfg_attr(not(feature = "demo-payouts"), expect(dead_code, reason = "only the payouts need all of it"))]
struct Evening {
    admin_key: String,
    account_id: String,
    client: Client,
    merchant: Merchant,
    problems: Vec<String>,
}

async fn play(address: &str, operator_key: &secrecy::SecretString) -> Result<Evening, Status> {
    use secrecy::ExposeSecret;
    let mut operator = Client::connect(address, operator_key.expose_secret()).await?;
    let registered = operator
        .accounts
        .register_account(pb::RegisterAccountRequest {
            display_name: "Harbour Coffee".to_owned(),
            // Every demo registers a new merchant, so that it can be played again on the same database.
            email: format!("owner-{}@harbour-coffee.example", clock::random_code(8)),
            time_zone: "Europe/Berlin".to_owned(),
            // Its payouts move no money.
            test_account: true,
            ..pb::RegisterAccountRequest::default()
        })
        .await?
        .into_inner();
    let admin_key = registered.api_key_text;
    let mut client = Client::connect(address, &admin_key).await?;
    let mut merchant = Merchant::set_up(&mut client).await?;
    let account = registered.account.unwrap_or_default();
    println!("The day of {}:\n", account.display_name);

    let (event_count, told) = watch::channel(None);
    let task = tokio::spawn(follow_feed(client.clone(), merchant.names.clone(), told));
    let follower = Follower { event_count, task };
    for (time, told, happening) in DAY {
        println!("{time}  {told}");
        merchant.happens(&mut client, happening).await?;
        tokio::time::sleep(PACE).await;
    }
    let problems = check(&mut client, &merchant, follower).await?;
    explain(&mut client).await?;
    Ok(Evening { admin_key, account_id: account.id, client, merchant, problems })
}

/// The task that follows the feed.
struct Follower {
    /// Tells it the final number of events.
    event_count: watch::Sender<Option<i64>>,
    task: JoinHandle<Result<Vec<pb::Event>, Status>>,
}

/// The demo's record of the merchant.
struct Merchant {
    affiliate_ids: Vec<String>,
    /// Affiliates' names by id.
    names: HashMap<String, String>,
    /// Tracking ids by visitor.
    tids: HashMap<&'static str, String>,
    /// Rewards by the sale's event_id.
    rewards: HashMap<&'static str, Vec<String>>,
}

impl Merchant {
    async fn set_up(client: &mut Client) -> Result<Self, Status> {
        let mut program_ids = Vec::new();
        for line in &PROGRAMS {
            let terms = pb::Terms {
                commission: Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(line.percent_ppm)) }),
                hold_period_days: Some(line.hold_period_days),
                ..pb::Terms::default()
            };
            let request = pb::CreateProgramRequest {
                display_name: line.name.to_owned(),
                currency_code: line.currency.to_owned(),
                landing_url: line.landing_url.to_owned(),
                terms: Some(terms),
                ..pb::CreateProgramRequest::default()
            };
            let program = client.affiliates.create_program(request).await?.into_inner().program.unwrap_or_default();
            program_ids.push(program.id);
        }
        let (mut affiliate_ids, mut names) = (Vec::new(), HashMap::new());
        for (name, email, ref_id, coupon_code, program) in AFFILIATES {
            let request = pb::CreateAffiliateRequest {
                email: email.to_owned(),
                first_name: name.to_owned(),
                program_id: program_ids.get(program).cloned().unwrap_or_default(),
                ref_id: ref_id.to_owned(),
                coupon_code: coupon_code.to_owned(),
                ..pb::CreateAffiliateRequest::default()
            };
            let made = client.affiliates.create_affiliate(request).await?.into_inner();
            let id = made.affiliate.unwrap_or_default().id;
            let link = made.enrollment.unwrap_or_default().referral_link;
            println!("{name:<6} shares {link} and the code {coupon_code}");
            names.insert(id.clone(), name.to_owned());
            affiliate_ids.push(id);
        }
        println!();
        Ok(Self { affiliate_ids, names, tids: HashMap::new(), rewards: HashMap::new() })
    }

    async fn happens(&mut self, client: &mut Client, happening: &Happening) -> Result<(), Status> {
        match happening {
            Happening::Click { visitor, ref_id } => {
                let request =
                    pb::RecordClickRequest { ref_id: (*ref_id).to_owned(), ..pb::RecordClickRequest::default() };
                let click = client.tracking.record_click(request).await?.into_inner();
                self.tids.insert(visitor, click.tid);
            }
            Happening::Lead { event, email, visitor } => {
                let request = pb::RecordLeadRequest {
                    event_id: (*event).to_owned(),
                    email: (*email).to_owned(),
                    tid: self.tids.get(visitor).cloned().unwrap_or_default(),
                    ..pb::RecordLeadRequest::default()
                };
                client.tracking.record_lead(request).await?;
            }
            Happening::Sale(line) => self.sale(client, line).await?,
            Happening::Refund { event, sale, amount_minor, currency } => {
                let request = pb::RecordRefundRequest {
                    event_id: (*event).to_owned(),
                    sale_event_id: (*sale).to_owned(),
                    amount: Some(money(*amount_minor, currency)),
                    ..pb::RecordRefundRequest::default()
                };
                let refund = client.tracking.record_refund(request).await?.into_inner();
                if refund.outcome() == pb::ConversionOutcome::Waiting {
                    println!("       (it waits for its sale)");
                }
            }
            Happening::Cancellation { event, email } => {
                let request = pb::RecordCancellationRequest {
                    event_id: (*event).to_owned(),
                    email: (*email).to_owned(),
                    ..pb::RecordCancellationRequest::default()
                };
                client.tracking.record_cancellation(request).await?;
            }
            Happening::Approve { sale } => {
                let reward_ids = self.rewards.get(sale).cloned().unwrap_or_default();
                let request = pb::ApproveRewardsRequest { request_id: String::new(), reward_ids };
                client.rewards.approve_rewards(request).await?;
            }
            Happening::Deny { sale, reason } => {
                let reward_ids = self.rewards.get(sale).cloned().unwrap_or_default();
                let reason = (*reason).to_owned();
                let request = pb::DenyRewardsRequest { request_id: String::new(), reward_ids, reason };
                client.rewards.deny_rewards(request).await?;
            }
        }
        Ok(())
    }

    async fn sale(&mut self, client: &mut Client, line: &SaleLine) -> Result<(), Status> {
        let channel = if line.at_till { pb::SaleChannel::PointOfSale } else { pb::SaleChannel::Online };
        let request = pb::RecordSaleRequest {
            event_id: line.event.to_owned(),
            email: line.email.to_owned(),
            tid: self.tids.get(line.visitor).cloned().unwrap_or_default(),
            coupon_code: line.coupon.to_owned(),
            amount: Some(money(line.amount_minor, line.currency)),
            mrr: (!line.plan.is_empty()).then(|| money(line.amount_minor, line.currency)),
            plan: line.plan.to_owned(),
            channel: channel.into(),
            ..pb::RecordSaleRequest::default()
        };
        let sale = client.tracking.record_sale(request).await?.into_inner();
        if sale.replayed {
            println!("       (recorded before: the first answer again, nothing booked twice)");
        } else if sale.outcome() == pb::ConversionOutcome::NotReferred {
            println!("       (not referred: no error, no commission)");
        }
        self.rewards.insert(line.event, sale.rewards.into_iter().map(|reward| reward.reward_id).collect());
        Ok(())
    }
}

fn money(amount_minor: i64, currency: &str) -> pb::Money {
    pb::Money { amount_minor, currency_code: currency.to_owned() }
}

/// The money of a value in cash, as all values are here.
fn cash(value: Option<&pb::RewardValue>) -> pb::Money {
    match value.and_then(|value| value.amount.as_ref()) {
        Some(pb::reward_value::Amount::Cash(money)) => money.clone(),
        _ => pb::Money::default(),
    }
}

fn text(amount_minor: i64, currency_code: &str) -> String {
    match currency_code.parse::<Currency>() {
        Ok(currency) => Money::new(amount_minor, currency).to_string(),
        Err(_) => format!("{amount_minor} {currency_code}"),
    }
}

/// Follows the feed from the beginning and prints its events, up to the announced number.
async fn follow_feed(
    mut client: Client,
    names: HashMap<String, String>,
    mut event_count: watch::Receiver<Option<i64>>,
) -> Result<Vec<pb::Event>, Status> {
    use pb::watch_events_response::Content;
    let start = pb::feed_start::Place::Position(pb::FeedPosition::Beginning.into());
    let start = Some(pb::FeedStart { place: Some(start) });
    let request = pb::WatchEventsRequest { start, ..pb::WatchEventsRequest::default() };
    let mut stream = client.feed.watch_events(request).await?.into_inner();
    let mut seen = Vec::new();
    loop {
        if event_count.borrow_and_update().is_some_and(|count| count <= count_of(&seen)) {
            return Ok(seen);
        }
        tokio::select! {
            _ = event_count.changed() => {}
            message = stream.message() => {
                let Some(message) = message? else { return Ok(seen) };
                if let Some(Content::Batch(batch)) = message.content {
                    batch.events.iter().for_each(|event| show(event, &names));
                    seen.extend(batch.events);
                }
            }
        }
    }
}

fn count_of(events: &[pb::Event]) -> i64 {
    i64::try_from(events.len()).unwrap_or(i64::MAX)
}

fn show(event: &pb::Event, names: &HashMap<String, String>) {
    let Some(pb::event::Subject::Conversion(conversion)) = &event.subject else { return };
    let kind = event.kind().as_str_name().trim_start_matches("EVENT_KIND_").to_lowercase();
    let amount = conversion.amount.as_ref().map(|amount| text(amount.amount_minor, &amount.currency_code));
    let rewards: Vec<String> = conversion
        .rewards
        .iter()
        .map(|reward| {
            let value = cash(reward.value.as_ref());
            let state = reward.state().as_str_name().trim_start_matches("REWARD_STATE_").to_lowercase();
            format!("{} {state}", text(value.amount_minor, &value.currency_code))
        })
        .collect();
    let credit = conversion.credits.first();
    let affiliate = credit.and_then(|credit| names.get(&credit.affiliate_id)).map_or("-", String::as_str);
    println!(
        "         feed {:>3}  {kind:<22} {:<12} {affiliate:<6} {}",
        event.sequence,
        amount.unwrap_or_default(),
        rewards.join(", ")
    );
}

/// Checks the feed, the books and the balances. Returns the deviations in words.
async fn check(client: &mut Client, merchant: &Merchant, mut follower: Follower) -> Result<Vec<String>, Status> {
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await?.into_inner();
    let mut problems = report.differences;
    follower.event_count.send_replace(Some(report.event_count));
    let seen = match tokio::time::timeout(FEED_PATIENCE, &mut follower.task).await {
        Ok(Ok(seen)) => seen?,
        Ok(Err(_)) | Err(_) => {
            problems.push(format!("the feed did not deliver its {} events", report.event_count));
            Vec::new()
        }
    };
    for (place, event) in (1..).zip(&seen) {
        if event.sequence != place {
            problems.push(format!("the feed has {} where {place} should be", event.sequence));
            break;
        }
    }
    if count_of(&seen) != report.event_count {
        problems.push(format!("the feed sent {} of {} events", seen.len(), report.event_count));
    }
    println!("\nIn the evening:");
    for (affiliate, currency, pending, owed) in EVENING {
        let id = merchant.affiliate_ids.get(affiliate).cloned().unwrap_or_default();
        let selector = pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(id.clone())) };
        let request = pb::GetBalanceRequest { affiliate: Some(selector), ..Default::default() };
        let answer = client.rewards.get_balance(request).await?.into_inner();
        let is_in = |balance: &&pb::Balance| cash(balance.earned.as_ref()).currency_code == currency;
        let balance = answer.balances.iter().find(is_in).cloned().unwrap_or_default();
        let in_hand = [&balance.pending, &balance.owed].map(|value| cash(value.as_ref()).amount_minor);
        let name = merchant.names.get(&id).map_or("", String::as_str);
        println!("{name:<6} {:>12} pending  {:>12} owed", text(in_hand[0], currency), text(in_hand[1], currency));
        if in_hand != [pending, owed] {
            problems.push(format!(
                "{name} should have {} pending and {} owed",
                text(pending, currency),
                text(owed, currency)
            ));
        }
    }
    println!(
        "Ledger: {} entries, {} rewards, {} events; {}",
        report.entry_count,
        report.reward_count,
        report.event_count,
        if report.ok { "verified" } else { "DOES NOT VERIFY" }
    );
    Ok(problems)
}

/// Explains the sale with the unknown code, which earned no commission.
async fn explain(client: &mut Client) -> Result<(), Status> {
    use pb::attribution_candidate::Evidence;
    use pb::conversion_selector::Selector;
    let event = pb::RecordedEvent { kind: pb::ConversionKind::Sale.into(), event_id: "ch_8006".to_owned() };
    let request = pb::GetConversionRequest {
        conversion: Some(pb::ConversionSelector { selector: Some(Selector::RecordedEvent(event)) }),
        ..pb::GetConversionRequest::default()
    };
    let conversion = client.tracking.get_conversion(request).await?.into_inner().conversion.unwrap_or_default();
    let evidence = |evidence: &'_ Evidence| match evidence {
        Evidence::LeadId(text)
        | Evidence::CouponCode(text)
        | Evidence::ClickId(text)
        | Evidence::RefId(text)
        | Evidence::LinkId(text)
        | Evidence::Tid(text) => text.clone(),
    };
    for candidate in &conversion.candidates {
        println!(
            "Why no commission on {}? {} {}: {}",
            conversion.event_id,
            candidate.source().as_str_name().trim_start_matches("ATTRIBUTION_SOURCE_").to_lowercase(),
            candidate.evidence.as_ref().map(evidence).unwrap_or_default(),
            candidate.result().as_str_name().trim_start_matches("CANDIDATE_RESULT_").to_lowercase()
        );
    }
    Ok(())
}

fn print_lines_to_paste(address: &str, key: &str) {
    println!("\nLook around with grpcurl:\n");
    println!("  export KEY={key}");
    for (method, body) in [
        ("AccountService/CheckApiKey", ""),
        ("TrackingService/ListConversions", r#"-d '{"pageSize": 3}' "#),
        ("RewardService/GetBalance", r#"-d '{"affiliate": {"email": "lena@filterblog.example"}}' "#),
        ("RewardService/VerifyLedger", ""),
        (
            "TrackingService/RecordSale",
            r#"-d '{"eventId": "mine-1", "email": "me@example.com", "couponCode": "LENA10", "amount": {"amountMinor": 4800, "currencyCode": "EUR"}}' "#,
        ),
        ("FeedService/WatchEvents", r#"-d '{"start": {"position": "FEED_POSITION_BEGINNING"}}' "#),
    ] {
        println!("  grpcurl -plaintext -H \"authorization: Bearer $KEY\" {body}{address} headwater.v1.{method}");
    }
}
